"""One conversation with all that belongs to it, read from the journal."""

from typing import Any

from gateway_contracts import EventSource, loads
from sqlalchemy import Connection, and_, select

from ..texts import plain
from ..timeline import Link, Timeline, TimelineDelivery, TimelineDial
from .log import conversation_of, event_of
from .schema import conversations, deliveries, dials, events, from_micros, links

MAX_EVENTS = 1_000
_KINDS = ("call_id", "record_id", "sip_call_id", "dial_id", "recording")


def read_timeline(connection: Connection, wanted: str, account: str | None) -> Timeline | None:
    """The conversation *wanted*, or that to which the id *wanted* of a part of it leads, on *account*; the first
    `MAX_EVENTS` of its events. None when there is none. The id of a dial is the gateway's own, and needs no account.
    """
    wanted = plain(wanted)
    query = select(conversations.c.conversation_id).where(conversations.c.conversation_id == wanted)
    if account is not None:
        query = query.where(conversations.c.account == plain(account))
    row = connection.execute(query).mappings().first()
    if row is None:
        query = select(links.c.conversation_id, links.c.kind).where(links.c.value == wanted)
        if account is None:
            query = query.where(links.c.account.in_(select(dials.c.account).where(dials.c.dial_id == wanted)))
            query = query.where(links.c.kind == "dial_id")
        else:
            query = query.where(links.c.account == plain(account), links.c.kind.in_(_KINDS))
        found = sorted(connection.execute(query).mappings(), key=lambda each: _KINDS.index(each["kind"]))
        row = found[0] if found else None
    return None if row is None else _timeline(connection, row["conversation_id"])


def _timeline(connection: Connection, own: str) -> Timeline:
    found = conversation_of(
        connection.execute(select(conversations).where(conversations.c.conversation_id == own)).mappings().one()
    )
    linked = connection.execute(
        select(links).where(links.c.conversation_id == own).order_by(links.c.linked_at, links.c.kind, links.c.value)
    ).mappings()
    dialled = connection.execute(
        select(dials)
        .join(links, and_(links.c.kind == "dial_id", links.c.value == dials.c.dial_id))
        .where(links.c.conversation_id == own, links.c.account == found.account)
        .order_by(dials.c.created_at)
    ).mappings()
    told = connection.execute(
        select(events.c.body, events.c.raw)
        .where(events.c.conversation_id == own)
        .order_by(events.c.seq)
        .limit(MAX_EVENTS)
    ).mappings()
    delivered = connection.execute(
        select(deliveries)
        .where(deliveries.c.seq.in_(select(events.c.seq).where(events.c.conversation_id == own)))
        .order_by(deliveries.c.seq, deliveries.c.updated_at)
        .limit(MAX_EVENTS)
    ).mappings()
    return Timeline(
        account=found.account,
        conversation_id=own,
        state=found.state,
        direction=found.direction,
        from_number=found.from_number,
        to_number=found.to_number,
        extension=found.extension,
        hotline=found.hotline,
        started_at=found.started_at,
        answered_at=found.answered_at,
        ended_at=found.ended_at,
        outcome=found.outcome,
        duration_seconds=found.duration_seconds,
        talk_seconds=found.talk_seconds,
        ended_by=EventSource(found.end_source) if found.end_source else None,
        links=tuple(_made(Link, each) for each in linked),
        dials=tuple(_made(TimelineDial, each) for each in dialled),
        events=tuple(event_of(each) for each in told),
        deliveries=tuple(_made(TimelineDelivery, each) for each in delivered),
    )


_IN_JSON = {"answer", "error"}


def _made(kind: Any, row: Any) -> Any:
    """*row* as *kind*, an attrs class whose fields are columns; names that end in `_at` are times."""
    values = {field.name: row[field.name] for field in kind.__attrs_attrs__}
    for name, value in values.items():
        if name.endswith("_at") and value is not None:
            values[name] = from_micros(value)
        elif name in _IN_JSON and kind is TimelineDial and value is not None:
            values[name] = loads(value)
    return kind(**values)
