"""The hash that every request carries instead of a token (004:17, 004:74, 004:117).

It is made of the values as they are, before they are encoded for an address, and parameters that are not sent are
simply not in it: both follow from the vendor's worked example, which nothing else reproduces.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

Params = Sequence[tuple[str, str]]


class HashOrder(StrEnum):
    """Where appId stands: in front (004:74 and all worked examples), or just before the secret (one edition)."""

    APP_FIRST = "app_first"
    APP_LAST = "app_last"


def hash_of(app_id: str, app_secret: str, params: Params = (), order: HashOrder = HashOrder.APP_FIRST) -> str:
    """The hash of a request with *params*, in the order of the document."""
    values = "".join(value for _, value in params)
    parts = (app_id, values, app_secret) if order is HashOrder.APP_FIRST else (values, app_id, app_secret)
    return hashlib.sha256("".join(parts).encode()).hexdigest()
