"""Events as rows of the log: each is there once, and a counter numbers them without a gap."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from operator import attrgetter
from typing import Any

import attrs
from gateway_contracts import CallEvent, dumps, from_json, loads
from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from .prepared import Prepared, PreparedIn
from .schema import counters, events, to_micros
from .troubles import UnreadableRow

MAX_BATCH = 500
"""How many events are written, or read, in one go."""
_KNOWN = PreparedIn(lambda digests: select(events.c.digest).where(events.c.digest.in_(digests)))
_TAKE_NUMBERS = Prepared(
    update(counters)
    .where(counters.c.name == "events")
    .values(value=counters.c.value + bindparam("count"))
    .returning(counters.c.value)
)
_ADD = Prepared(insert(events))
_FIELDS = [field.name for field in attrs.fields(CallEvent)]
_values_of = attrgetter(*_FIELDS)


def digest_of(event: CallEvent) -> bytes:
    """Return the digest that identifies *event* in the log."""
    return hashlib.sha256(f"{event.account}\n{event.event_id}".encode()).digest()[:16]


def known_digests(connection: Connection, digests: Sequence[bytes]) -> list[bytes]:
    """Return those of *digests* whose events are in the log."""
    return [digest for (digest,) in _KNOWN.rows(connection, digests)]


def take_numbers(connection: Connection, count: int) -> int:
    """Take the next *count* numbers of the log; return the last one that was taken before.

    The row of the counter makes other processes wait, so events become visible in the order of their numbers.
    """
    return int(_TAKE_NUMBERS.rows(connection, {"count": count})[0][0]) - count


def stored_event(event: CallEvent, digest: bytes, changes: Mapping[str, Any]) -> tuple[CallEvent, tuple[Any, ...]]:
    """Return *event* with *changes*, as the log keeps it, and its row."""
    values = {**dict(zip(_FIELDS, _values_of(event), strict=False)), **changes}
    stored = CallEvent(**values)  # `attrs.evolve` takes twice as long
    row = (
        stored.seq,
        digest,
        stored.account,
        stored.event_id,
        stored.type,
        stored.call_id,
        stored.sip_call_id,
        stored.conversation_id,
        stored.extension,
        stored.from_number,
        stored.to_number,
        to_micros(stored.received_at),
        stored.late,
        _body(values),
        _raw_text(stored.raw),
    )
    return stored, row


def add_rows(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write *rows* into the log; `stored_event` makes them."""
    _ADD.write(connection, rows)


def _body(values: dict[str, Any]) -> str:
    """Return an event as JSON, as `to_json` would, which takes twice as long. It changes *values*."""
    del values["raw"]
    for name in ("received_at", "occurred_at"):
        moment = values[name]
        if moment is not None and moment.tzinfo not in (UTC, None):
            values[name] = moment.astimezone(UTC)
    return dumps(values).decode()


def _raw_text(raw: Any) -> str | None:
    try:
        return None if raw is None else dumps(raw).decode()
    except (TypeError, RecursionError):
        return None  # the vendor's object is no JSON; the event itself is whole


def event_of(row: Mapping[str, Any] | RowMapping) -> CallEvent:
    """Return the event in *row*, which has `body` and `raw`. Raises: UnreadableRow."""
    try:
        event = from_json(loads(row["body"]), CallEvent)
        return attrs.evolve(event, raw=loads(row["raw"])) if row["raw"] else event
    except ValueError:
        raise UnreadableRow from None
