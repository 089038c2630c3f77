"""Rows of a vendor's list that could not be read, as they are kept and known again."""

import hashlib
from typing import Any

from gateway_contracts import Page, dumps


def skipped_rows(page: Page[Any]) -> tuple[Any, ...]:
    """The rows of *page* that were left out, as the vendor sent them, where the adapter tells them."""
    return tuple(page.raw) if page.skipped and isinstance(page.raw, list | tuple) else ()


def body_of(row: Any) -> bytes:
    """*row* as JSON; where it is none, as Python shows it; empty where it is nested too deeply for both."""
    try:
        return dumps(row)
    except TypeError:
        pass
    try:
        return repr(row).encode("utf-8", "replace")
    except RecursionError:
        return b""


def digest_of(account: str, row: Any) -> bytes:
    """What *row* is known by when a vendor gives it again, in whatever order its fields come."""
    body = body_of(sorted(row.items()) if isinstance(row, dict) else row)
    return hashlib.sha256(account.encode() + b"\n" + body).digest()[:16]
