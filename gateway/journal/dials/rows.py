"""Dials as the journal stores them: their rows, earlier tries and statements, and how they are read."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import Connection, and_, bindparam, func, select

from ..prepared import Prepared
from ..schema import dials, from_micros, links, statements, tries
from ..troubles import UnreadableRow

IN_PROGRESS, PLACED, NOT_PLACED, UNKNOWN = "in_progress", "placed", "not_placed", "unknown"


NOT_FOUND, STATED = "not_found", "stated"
"""The resolutions that are kept: looking is over, and a person said so."""


MOST = 500
"""How many dials of an account are looked for at once; the others have the next turn."""


@attrs.frozen(kw_only=True)
class Ending:
    """What is known of how a try ended: state and evidence, the ids, and answer or error as JSON."""

    state: str
    evidence: str
    resolution: str | None = None
    call_id: str | None = None
    record_id: str | None = None
    answer: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class StoredDial:
    """A dial as the journal has it. `tried_at` is when the last try began."""

    dial_id: str
    account: str
    asked: str
    caller: str
    fingerprint: str
    state: str
    extension: str
    number: str
    process: str
    tried_at: datetime
    finished_at: datetime | None
    call_id: str | None
    evidence: str | None
    resolution: str | None
    far_end: str | None
    answer: Mapping[str, Any] | None = attrs.field(repr=False)
    error: Mapping[str, Any] | None = attrs.field(repr=False)
    conversation_id: str | None


@attrs.frozen(kw_only=True)
class StoredTry:
    """An earlier try of a dial."""

    account: str
    state: str
    tried_at: datetime
    finished_at: datetime | None
    call_id: str | None
    evidence: str | None
    resolution: str | None
    error: Mapping[str, Any] | None = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class StoredStatement:
    """What a person said of a dial: *caller* is the name of the key, empty in a library process."""

    state: str
    note: str = attrs.field(repr=False)
    caller: str
    stated_at: datetime


_COLUMNS = tuple(field.name for field in attrs.fields(StoredDial))


_TRIED = tuple(field.name for field in attrs.fields(StoredTry))


LINKED = select(*((links if name == "conversation_id" else dials).c[name] for name in _COLUMNS)).outerjoin_from(
    dials, links, and_(links.c.account == dials.c.account, links.c.kind == "dial_id", links.c.value == dials.c.dial_id)
)


_BY_ID = Prepared(LINKED.where(dials.c.dial_id == bindparam("dial_id")))


IS_STATED = func.coalesce(dials.c.resolution, "") == STATED


def read(connection: Connection, dial_id: str) -> StoredDial | None:
    """The dial called *dial_id*."""
    return first_dial(connection, _BY_ID, dial_id=dial_id)


def history(connection: Connection, dial_id: str) -> tuple[list[StoredTry], list[StoredStatement]]:
    """The earlier tries of the dial called *dial_id*, and what people said of it, the oldest first."""
    tried = select(*(tries.c[name] for name in _TRIED)).where(tries.c.dial_id == dial_id).order_by(tries.c.tried_at)
    said = select(statements).where(statements.c.dial_id == dial_id).order_by(statements.c.stated_at)
    return (
        [StoredTry(**read_row(_TRIED, row)) for row in connection.execute(tried)],
        [
            StoredStatement(state=row.state, note=row.note, caller=row.caller, stated_at=from_micros(row.stated_at))
            for row in connection.execute(said)
        ],
    )


def select_dials(
    connection: Connection, *conditions: Any, limit: int | None = None, order: Sequence[Any] = (dials.c.created_at,)
) -> list[StoredDial]:
    query = LINKED.where(*conditions).order_by(*order).limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def first_dial(connection: Connection, query: Prepared, **given: str | None) -> StoredDial | None:
    found = query.rows(connection, given)
    return _stored(found[0]) if found else None


def _stored(row: Sequence[Any]) -> StoredDial:
    return StoredDial(**read_row(_COLUMNS, row))


def read_row(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """The values of *row*, whose columns are *names*, as they are outside the database. Raises: UnreadableRow."""
    values = dict(zip(names, row, strict=True))
    try:
        for name in {"answer", "error"} & values.keys():
            values[name] = json.loads(values[name]) if values[name] else None
        for name in ("tried_at", "finished_at"):
            values[name] = None if values[name] is None else from_micros(values[name])
    except (ValueError, OverflowError, TypeError):
        raise UnreadableRow from None
    return values
