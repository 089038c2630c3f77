"""One conversation with all that belongs to it, read from the journal."""

from collections.abc import Collection
from typing import Any

from gateway_contracts import EventSource, loads
from sqlalchemy import Connection, RowMapping, and_, null, or_, select

from ..models import Link, Timeline, TimelineDelivery, TimelineDial, TimelineStatement, TimelineTry
from ..texts import plain
from .conversation_rows import conversation_of
from .reading import read_events
from .schema import conversations, deliveries, dials, events, from_micros, links, statements, tries

MAX_EVENTS = 1_000
_KINDS = ("call_id", "record_id", "sip_call_id", "dial_id", "recording")


def read_timeline(
    connection: Connection,
    wanted: str,
    account: str | None,
    *,
    caller: str | None = None,
    accounts: Collection[str] | None = None,
    subscribed: Collection[str] | None = None,
    raw: bool = False,
) -> Timeline | None:
    """The conversation *wanted*, or that to which the id *wanted* of a part of it leads, on *account*; the first
    `MAX_EVENTS` of its events, or fewer where these are very long. None when there is none. The id of a dial is the
    gateway's own, and needs no account. The dials are those of *caller*, with the tries on *accounts*, and the
    deliveries those to the subscriptions *subscribed*; None is for all. Without *raw* the vendor's own is left out.
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
    return None if row is None else _timeline(connection, row["conversation_id"], caller, accounts, subscribed, raw)


def _timeline(
    connection: Connection,
    own: str,
    caller: str | None,
    accounts: Collection[str] | None,
    subscribed: Collection[str] | None,
    raw: bool,
) -> Timeline:
    found = conversation_of(
        connection.execute(select(conversations).where(conversations.c.conversation_id == own)).one()
    )
    parts = select(links).where(links.c.conversation_id == own).order_by(links.c.linked_at, links.c.kind, links.c.value)
    dialled = (
        select(dials)
        .join(links, and_(links.c.kind == "dial_id", links.c.value == dials.c.dial_id))
        .where(links.c.conversation_id == own, links.c.account == found.account)
        .order_by(dials.c.created_at)
    )
    delivered = (
        select(deliveries)
        .where(deliveries.c.seq.in_(select(events.c.seq).where(events.c.conversation_id == own)))
        .order_by(deliveries.c.seq, deliveries.c.updated_at)
        .limit(MAX_EVENTS)
    )
    if caller is not None:
        callers = select(dials.c.dial_id).where(dials.c.caller == caller, dials.c.dial_id == links.c.value)
        parts = parts.where(or_(links.c.kind != "dial_id", callers.exists()))
        dialled = dialled.where(dials.c.caller == caller)
    if subscribed is not None:
        delivered = delivered.where(deliveries.c.subscription_id.in_(subscribed))
    told = (
        select(events.c.body, events.c.raw if raw else null().label("raw"))
        .where(events.c.conversation_id == own)
        .order_by(events.c.seq)
        .limit(MAX_EVENTS)
    )
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
        links=tuple(_made(Link, each) for each in connection.execute(parts).mappings()),
        dials=tuple(_dial(connection, each, accounts, raw=raw) for each in connection.execute(dialled).mappings()),
        events=tuple(read_events(connection, told)[0]),
        deliveries=tuple(_made(TimelineDelivery, each) for each in connection.execute(delivered).mappings()),
    )


def read_dial(connection: Connection, dial_id: str) -> TimelineDial | None:
    """The dial called *dial_id*, also one that did not ring and so belongs to no conversation. None for no dial."""
    row = connection.execute(select(dials).where(dials.c.dial_id == plain(dial_id))).mappings().first()
    return None if row is None else _dial(connection, row, None, raw=False)


def _dial(connection: Connection, row: RowMapping, accounts: Collection[str] | None, *, raw: bool) -> Any:
    of_dial, dial_id = {}, row["dial_id"]
    only = None if accounts is None or row["asked"] in accounts else {None, *accounts}
    for name, table, kind, at in (
        ("tries", tries, TimelineTry, tries.c.tried_at),
        ("statements", statements, TimelineStatement, statements.c.stated_at),
    ):
        found = connection.execute(select(table).where(table.c.dial_id == dial_id).order_by(at)).mappings()
        seen = [each for each in found if only is None or each.get("account") in only]
        of_dial[name] = tuple(_made(kind, _decoded(each, raw=raw)) for each in seen)
    return _made(TimelineDial, {**_decoded(row, raw=raw), "sent_at": row["tried_at"], **of_dial})


def _decoded(row: RowMapping, *, raw: bool) -> dict[str, Any]:
    """*row* with what the vendor answered decoded; without *raw* the vendor's own is left out."""
    values = {name: row[name] and loads(row[name]) for name in ("answer", "error") if name in row}
    if not raw and values.get("answer"):
        values["answer"].pop("raw", None)
    return {**row, **values}


def _made(kind: Any, row: Any) -> Any:
    """*row* as *kind*, an attrs class whose fields are columns; names that end in `_at` are times."""
    values = {field.name: row[field.name] for field in kind.__attrs_attrs__}
    for name, value in values.items():
        if name.endswith("_at") and value is not None:
            values[name] = from_micros(value)
    return kind(**values)
