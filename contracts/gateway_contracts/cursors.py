"""Opaque cursors: where a list goes on, as text that clients hand back with the next request.

    @attrs.frozen(kw_only=True)
    class Place:
        filters: Filters
        offset: int = 0

    place = read_cursor(cursor, Place) if cursor else Place(filters=filters)
    if filters not in (Filters(), place.filters):
        raise other_filters()
    ...
    return found.page(next=write_cursor(attrs.evolve(place, offset=place.offset + len(found))))

A cursor is not signed: check the values that it holds, as you would check a client's arguments.
"""

import base64
from typing import Any, TypeVar

from .converters import dumps, from_json, loads, to_json
from .errors import InvalidRequest

T = TypeVar("T")


def write_cursor(place: Any) -> str:
    """Write *place*, an attrs class or plain data, as text that fits into a query."""
    return base64.urlsafe_b64encode(dumps(to_json(place))).rstrip(b"=").decode()


def read_cursor(cursor: str, kind: type[T]) -> T:
    """Read what `write_cursor` wrote, as *kind*.

    Raises: InvalidRequest for any other text.
    """
    try:
        data = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        return from_json(loads(data), kind, refuse_unknown=True)
    except ValueError:
        raise not_ours() from None


def not_ours() -> InvalidRequest:
    """Make the error for a cursor that the adapter did not give."""
    return InvalidRequest(
        "The cursor is not one of ours, or one of an older version: begin the list again without it",
        fields={"cursor": "is not one of ours"},
    )


def other_filters() -> InvalidRequest:
    """Make the error for a cursor that comes with other filters than those of its list."""
    return InvalidRequest(
        "The cursor belongs to other filters: give the same ones again, or none",
        fields={"cursor": "belongs to other filters"},
    )
