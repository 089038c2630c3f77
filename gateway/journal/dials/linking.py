"""The conversation of a dial: what links the two, and what its events and records tell of the dial."""

import functools
import json
from datetime import datetime, timedelta

from gateway_contracts import CallState, Direction, EventSource
from sqlalchemy import Connection, and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..conversation_rows import add_conversations, conversation_of
from ..conversations import Conversation, number_key
from ..prepared import Prepared
from ..schema import conversations, dials, events, links, to_micros
from .rows import MOST, PLACED, Ending, StoredDial

_SKEW = timedelta(seconds=2)  # between the clocks of two sidecars


_ADD_LINKS = {  # beside those that there are
    each.name: Prepared(made(links).on_conflict_do_nothing())
    for each, made in ((sqlite.dialect, sqlite.insert), (postgresql.dialect, postgresql.insert))
}


_EVENTS_OF = Prepared(
    select(events.c.body).where(events.c.conversation_id == bindparam("conversation_id")).order_by(events.c.seq)
)


_LINKS_OF = Prepared(
    select(links.c.value)
    .where(links.c.conversation_id == bindparam("conversation_id"), links.c.kind == bindparam("of_kind"))
    .order_by(links.c.linked_at)
)


_UNDIALLED = Prepared(
    select(conversations)
    .where(
        conversations.c.account == bindparam("of_account"),
        conversations.c.extension == bindparam("of_extension"),
        conversations.c.updated_at >= bindparam("since"),  # which has an index
        conversations.c.created_at.between(bindparam("since"), bindparam("until")),
        ~exists().where(links.c.conversation_id == conversations.c.conversation_id, links.c.kind == "dial_id"),
    )
    .order_by(conversations.c.created_at)
    .limit(MOST)
)


@functools.cache
def _by_link(*kinds: str) -> Prepared:
    """The conversation that one of the ids of these *kinds* is linked to; each is a parameter with the kind's name."""
    linked = or_(*(and_(links.c.kind == kind, links.c.value == bindparam(kind)) for kind in kinds))
    query = select(links.c.conversation_id).where(links.c.account == bindparam("account"), linked)
    return Prepared(query.order_by(links.c.kind).limit(1))


def link(connection: Connection, dial: StoredDial, ending: Ending, now: datetime) -> None:
    call_id, record_id = ending.call_id, ending.record_id
    found, evidence = conversation_with(connection, dial.account, call_id, record_id), ending.evidence
    if found is None and dial.conversation_id is None and not call_id:
        found, evidence = _heard_first(connection, dial, now), "extension_number_time"
    if found is None and dial.conversation_id is None:
        conversation = Conversation(
            account=dial.account,
            state=CallState.DIALING,
            direction=Direction.OUTBOUND,
            from_number=dial.extension,
            to_number=dial.number,
            extension=dial.extension,
            created_at=dial.tried_at,
            updated_at=now,
        )
        add_conversations(connection, [conversation])
        found, evidence = conversation.conversation_id, ending.evidence
    conversation_id = found or dial.conversation_id
    ids = {"call_id": call_id, "record_id": record_id}
    if conversation_id != dial.conversation_id:
        unlink(connection, dial)
        ids["dial_id"] = dial.dial_id
    at = to_micros(now)
    rows = [(dial.account, kind, value, conversation_id, evidence, at) for kind, value in ids.items() if value]
    _ADD_LINKS[connection.dialect.name].write(connection, rows)
    if call_id is None and ending.state == PLACED:
        for known in linked_to(connection, str(conversation_id), "call_id")[:1]:
            connection.execute(update(dials).where(dials.c.dial_id == dial.dial_id).values(call_id=known))


def unlink(connection: Connection, dial: StoredDial) -> None:
    """Take the dial out of its conversation, which goes too when nothing else is in it."""
    if dial.conversation_id is None:
        return
    connection.execute(
        delete(links).where(links.c.account == dial.account, links.c.kind == "dial_id", links.c.value == dial.dial_id)
    )
    connection.execute(
        delete(conversations).where(
            conversations.c.conversation_id == dial.conversation_id,
            ~exists().where(events.c.conversation_id == dial.conversation_id),
            ~exists().where(links.c.conversation_id == dial.conversation_id),
        )
    )


def leave_to_try(connection: Connection, dial: StoredDial) -> None:
    """Let the conversation of the last try be that of this try, and no longer the dial's: another begins.

    Only one that a person said did not ring has any. What the vendor tells of it later proves that it rang.
    """
    of_dial = and_(links.c.account == dial.account, links.c.kind == "dial_id", links.c.value == dial.dial_id)
    connection.execute(update(links).where(of_dial).values(kind="try", value=name_of_try(dial.dial_id, dial.tried_at)))


def name_of_try(dial_id: str, tried_at: datetime) -> str:
    return f"{dial_id}/{to_micros(tried_at)}"


def conversation_of_try(connection: Connection, account: str, dial_id: str, tried_at: datetime) -> str | None:
    this = and_(links.c.account == account, links.c.kind == "try", links.c.value == name_of_try(dial_id, tried_at))
    return connection.scalar(select(links.c.conversation_id).where(this))


def told_in(connection: Connection, conversation_id: str | None) -> Ending | None:
    """What the vendor's events and records in a conversation prove of its dial; None when there are none. Events that
    we made up ourselves prove nothing.
    """
    if conversation_id is None:
        return None
    call_ids, records = (linked_to(connection, conversation_id, kind) for kind in ("call_id", "record_id"))
    told = _EVENTS_OF.rows(connection, {"conversation_id": conversation_id})
    if any(json.loads(body).get("source") == EventSource.VENDOR for (body,) in told):
        return placed_by("event", next(iter(call_ids), None))
    return placed_by("record", next(iter(call_ids), None), records[0]) if records else None


def placed_by(evidence: str, call_id: str | None, record_id: str | None = None) -> Ending:
    return Ending(state=PLACED, evidence=evidence, call_id=call_id, record_id=record_id)


def conversation_with(connection: Connection, account: str, call_id: str | None, record_id: str | None) -> str | None:
    """The conversation that one of the ids is linked to."""
    given = {"call_id": call_id, "record_id": record_id}
    given = {kind: value for kind, value in given.items() if value}
    found = _by_link(*given).rows(connection, {"account": account, **given}) if given else []
    return found[0][0] if found else None


def _heard_first(connection: Connection, dial: StoredDial, now: datetime) -> str | None:
    """The conversation of a call without an id from the vendor, of which events told while the vendor was asked."""
    since, until = to_micros(dial.tried_at - _SKEW), to_micros(now + _SKEW)
    given = {"of_account": dial.account, "of_extension": dial.extension, "since": since, "until": until}
    for conversation in map(conversation_of, _UNDIALLED.rows(connection, given)):
        if number_key(conversation.to_number) == number_key(dial.number):
            return conversation.conversation_id
    return None


def linked_to(connection: Connection, conversation_id: str, kind: str) -> list[str]:
    """The ids of this *kind* that lead to the conversation, the first that was known first."""
    return [value for (value,) in _LINKS_OF.rows(connection, {"conversation_id": conversation_id, "of_kind": kind})]
