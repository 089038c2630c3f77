"""When two dials are the same request: what an idempotency key belongs to."""

import functools
from collections.abc import Mapping
from typing import Any

from gateway_contracts import OPERATIONS, dumps, to_json

from .request_context import DIAL

# An argument that came later is left out where it says nothing: the requests of before stay what they were.
_ALWAYS_IN_REQUESTS = frozenset(
    {
        "extension",
        "number",
        "wait",
        "auto_answer",
        "caller_id_name",
        "caller_id_number",
        "callee_id_name",
        "callee_id_number",
        "hotline",
        "customer_id",
    }
)


def canonical_request(arguments: Mapping[str, Any]) -> bytes:
    """The request as JSON that does not depend on how it was written; *arguments* are checked."""
    named = {
        name: value
        for name, default in _request_of()
        if (value := arguments.get(name, default)) != default or name in _ALWAYS_IN_REQUESTS
    }
    # A mapping of its kind would be looked at value by value, and nearly all are plain.
    return dumps({name: one if isinstance(one, str | bool | None) else to_json(one) for name, one in named.items()})


@functools.cache
def _request_of() -> list[tuple[str, Any]]:
    """The arguments that make a request what it is, and their defaults."""
    found = [(each.name, each.default) for each in OPERATIONS[DIAL].parameters if each.name != "idempotency_key"]
    return sorted(found, key=lambda each: each[0])
