"""Dials: what was asked to ring, written before the vendor is called, and how each ended.

A try of a dial is known by its `sent_at`, which no other try of it has. Nothing that a try finds out is written over
what a later try does.
"""

import functools
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from gateway_contracts import CallState, Direction
from sqlalchemy import Connection, Text, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from .conversations import NEAR, Conversation, number_key, same_number
from .leases import time_of
from .log import ADD_CONVERSATIONS, conversation_of, conversation_row
from .schema import conversations, dials, events, from_micros, inserting, leases, links, to_micros
from .statements import Prepared
from .troubles import UnreadableRow

IN_PROGRESS, PLACED, NOT_PLACED, UNKNOWN = "in_progress", "placed", "not_placed", "unknown"
LIFE_SECONDS = 10.0
"""How long a process that was killed passes for one that still dials."""
_SKEW = timedelta(seconds=2)  # between the clocks of two sidecars
_MOST = 500
_LEASES_KEPT = 3_600 * 1_000_000  # microseconds after their end


@attrs.frozen(kw_only=True)
class Intent:
    """One try of a dial that is not yet written. *account* is the first that will be tried."""

    dial_id: str
    account: str
    asked: str
    caller: str
    key: str | None
    fingerprint: str
    request: str
    extension: str
    number: str
    at: datetime
    process: str


@attrs.frozen(kw_only=True)
class Ending:
    """What is known of how a try ended: state and evidence, the ids, and answer or error as JSON."""

    state: str
    evidence: str
    call_id: str | None = None
    record_id: str | None = None
    answer: str | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class Kept:
    """A dial as the journal has it. `sent_at` is when the last try began."""

    dial_id: str
    account: str
    asked: str
    caller: str
    fingerprint: str
    state: str
    extension: str
    number: str
    process: str
    sent_at: datetime
    finished_at: datetime | None
    call_id: str | None
    evidence: str | None
    answer: Mapping[str, Any] | None = attrs.field(repr=False)
    error: Mapping[str, Any] | None = attrs.field(repr=False)
    conversation_id: str | None


@attrs.frozen(kw_only=True)
class Seen:
    """A call that a vendor shows, live or in its records. `evidence` says in which."""

    evidence: str
    call_id: str | None
    record_id: str | None
    extension: str | None
    from_number: str | None
    to_number: str | None
    started_at: datetime | None

    def fits(self, extension: str, number: str) -> bool:
        """Whether it is between this extension and this number."""
        ours = extension in (self.extension, self.from_number)
        return ours and (same_number(self.to_number, number) or same_number(self.from_number, number))


_COLUMNS = tuple(field.name for field in attrs.fields(Kept))
_LINKED = select(*((links if name == "conversation_id" else dials).c[name] for name in _COLUMNS)).outerjoin_from(
    dials, links, and_(links.c.account == dials.c.account, links.c.kind == "dial_id", links.c.value == dials.c.dial_id)
)
_BY_ID = Prepared(_LINKED.where(dials.c.dial_id == bindparam("dial_id")))
_BY_KEY = Prepared(
    _LINKED.where(
        dials.c.asked == bindparam("asked"),
        dials.c.caller == bindparam("caller"),
        dials.c.idempotency_key == bindparam("idempotency_key"),
    )
)
_ADD_DIAL = Prepared(insert(dials))
_ADD_LINKS = {  # beside those that there are
    each.name: Prepared(made(links).on_conflict_do_nothing())
    for each, made in ((sqlite.dialect, sqlite.insert), (postgresql.dialect, postgresql.insert))
}
_ENDED = (
    update(dials)
    .where(dials.c.dial_id == bindparam("the_dial"), dials.c.sent_at == bindparam("the_try"))
    .values(
        {name: bindparam(name) for name in ("state", "evidence", "call_id", "finished_at")}
        # What is unknown keeps the error that said so, also when it is found out: it is what its caller was told.
        | {name: func.coalesce(bindparam(name, type_=Text), dials.c[name]) for name in ("answer", "error")}
    )
)
_END = Prepared(_ENDED)
_END_UNLESS_PLACED = Prepared(_ENDED.where(dials.c.state != PLACED))  # what is found stays, whatever its caller saw
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
    .limit(_MOST)
)


@functools.cache
def _by_link(*kinds: str) -> Prepared:
    """The conversation that one of the ids of these *kinds* is linked to; each is a parameter with the kind's name."""
    linked = or_(*(and_(links.c.kind == kind, links.c.value == bindparam(kind)) for kind in kinds))
    query = select(links.c.conversation_id).where(links.c.account == bindparam("account"), linked)
    return Prepared(query.order_by(links.c.kind).limit(1))


# One try of a dial


def begin(connection: Connection, intent: Intent, lost: str, *, renewing: bool = True) -> tuple[Kept, bool]:
    """The dial that *intent* asks for, and whether this try of it may now call the vendor.

    It may not where the key's dial is another request, is under way, or may have rung. A dial whose process is gone
    becomes unknown first, with the error *lost*. *renewing* says that the lease of the intent's process is due.
    """
    if renewing:
        _renew(connection, intent.process)
    found = None
    if intent.key is not None:
        found = _first(connection, _BY_KEY, asked=intent.asked, caller=intent.caller, idempotency_key=intent.key)
    if found is not None and found.state == IN_PROGRESS and found.process not in _alive(connection):
        end(connection, found.dial_id, found.sent_at, Ending(state=UNKNOWN, evidence="lost", error=lost), intent.at)
        found = read(connection, found.dial_id)
    if found is not None and (found.fingerprint != intent.fingerprint or found.state != NOT_PLACED):
        return found, False
    at = to_micros(intent.at)
    if found is not None:
        at = max(at, to_micros(found.sent_at) + 1)  # two tries never have the same
    row: dict[str, Any] = {
        "account": intent.account,
        "asked": intent.asked,
        "caller": intent.caller,
        "idempotency_key": intent.key,
        "fingerprint": intent.fingerprint,
        "state": IN_PROGRESS,
        "request": intent.request,
        "answer": None,
        "error": None,
        "call_id": None,
        "extension": intent.extension,
        "number": intent.number,
        "created_at": at,
        "sent_at": at,
        "finished_at": None,
        "evidence": None,
        "process": intent.process,
    }
    if found is None:
        _ADD_DIAL.change(connection, {"dial_id": intent.dial_id, **row})
    else:
        connection.execute(update(dials).where(dials.c.dial_id == found.dial_id).values(row))
    begun = Kept(
        dial_id=found.dial_id if found else intent.dial_id,
        account=intent.account,
        asked=intent.asked,
        caller=intent.caller,
        fingerprint=intent.fingerprint,
        state=IN_PROGRESS,
        extension=intent.extension,
        number=intent.number,
        process=intent.process,
        sent_at=from_micros(at),
        finished_at=None,
        call_id=None,
        evidence=None,
        answer=None,
        error=None,
        conversation_id=None,
    )
    return begun, True


def move(connection: Connection, dial_id: str, sent_at: datetime, account: str, now: datetime) -> datetime | None:
    """Go on with the try on *account*; gives the new `sent_at`, or None when the try was given up meanwhile."""
    at = max(to_micros(now), to_micros(sent_at) + 1)
    moved = connection.execute(
        update(dials)
        .where(dials.c.dial_id == dial_id, dials.c.sent_at == to_micros(sent_at), dials.c.state == IN_PROGRESS)
        .values(account=account, sent_at=at, created_at=at)
    )
    return from_micros(at) if moved.rowcount else None


def end(connection: Connection, dial_id: str, sent_at: datetime, ending: Ending, now: datetime) -> bool:
    """Write how the try ended, and link its conversation; gives whether it is still the last try of the dial, and was
    not known to be placed.
    """
    known = ending.state != UNKNOWN
    statement = _END if ending.state == PLACED else _END_UNLESS_PLACED
    values = {
        "the_dial": dial_id,
        "the_try": to_micros(sent_at),
        "state": ending.state,
        "evidence": ending.evidence if known else None,
        "call_id": ending.call_id,
        "finished_at": to_micros(now) if known else None,
        "answer": ending.answer,
        "error": ending.error,
    }
    if not statement.change(connection, values):
        return False
    dial = read(connection, dial_id)
    assert dial is not None  # noqa: S101 # it was changed just now
    if ending.state == NOT_PLACED:
        _unlink(connection, dial)
    else:
        _link(connection, dial, ending, now)
    return True


def undo(connection: Connection, intent: Intent, ending: Ending, now: datetime) -> None:
    """End the try that *intent* began, if it did: whoever began it did not hear so, and has asked no vendor."""
    for each in _all(
        connection,
        or_(
            dials.c.dial_id == intent.dial_id,
            and_(
                dials.c.asked == intent.asked,
                dials.c.caller == intent.caller,
                dials.c.idempotency_key == intent.key,
            ),
        ),
        dials.c.sent_at == to_micros(intent.at),
        dials.c.state == IN_PROGRESS,
    ):
        end(connection, each.dial_id, each.sent_at, ending, now)


def read(connection: Connection, dial_id: str) -> Kept | None:
    """The dial called *dial_id*."""
    return _first(connection, _BY_ID, dial_id=dial_id)


# Of processes: each that dials holds a lease, so that others know which dials nobody will end


def renew(connection: Connection, process: str) -> None:
    """Let *process* pass for alive for `LIFE_SECONDS`."""
    _renew(connection, process)


def leave(connection: Connection, process: str) -> None:
    """Let *process* pass for gone."""
    connection.execute(delete(leases).where(leases.c.name == _lease(process)))


def give_up(connection: Connection, accounts: Collection[str], lost: str, now: datetime) -> None:
    """Make the dials of *accounts* unknown, with the error *lost*, whose processes are gone."""
    alive = _alive(connection)
    for each in under_way(connection, accounts):
        if each.process not in alive:
            end(connection, each.dial_id, each.sent_at, Ending(state=UNKNOWN, evidence="lost", error=lost), now)
    old = time_of(connection) - _LEASES_KEPT
    connection.execute(
        delete(leases).where(leases.c.name.startswith(_lease(""), autoescape=True), leases.c.until < old)
    )


def _lease(process: str) -> str:
    return f"process:{process}"


def _renew(connection: Connection, process: str) -> None:
    until = time_of(connection) + int(LIFE_SECONDS * 1_000_000)
    statement = inserting(connection, leases).values(name=_lease(process), holder=process, until=until)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"until": until}))


def _alive(connection: Connection) -> set[str]:
    query = select(leases.c.holder).where(
        leases.c.name.startswith(_lease(""), autoescape=True), leases.c.until > time_of(connection)
    )
    return set(connection.scalars(query))


# Finding out


def under_way(connection: Connection, accounts: Collection[str]) -> list[Kept]:
    """The oldest dials of *accounts* whose vendor is asked now, or was when its process was killed."""
    return _all(connection, dials.c.account.in_(accounts), dials.c.state == IN_PROGRESS, limit=_MOST)


def unknown(connection: Connection, accounts: Collection[str]) -> list[Kept]:
    """The oldest dials of *accounts* that may have rung."""
    return _all(connection, dials.c.account.in_(accounts), dials.c.state == UNKNOWN, limit=_MOST)


def settle(
    connection: Connection,
    account: str,
    seen: Sequence[Seen],
    hopeless: Collection[tuple[str, datetime]],
    latest: timedelta,
    now: datetime,
) -> dict[str, str]:
    """End the unknown dials of *account* of which events, or what was *seen* at the vendor, tell; gives their states.

    A call is that of one dial only: the one nearest in time of all that may have rung. It began at most `NEAR` before
    the dial was sent and *latest* after. Those of *hopeless* (id and `sent_at`) that nothing tells of were not placed.
    """
    ended: dict[str, str] = {}
    open_ = unknown(connection, [account])
    for each in open_:
        call_id = _heard(connection, each)
        if call_id is not None:
            end(connection, each.dial_id, each.sent_at, _placed("event", call_id or None), now)
            ended[each.dial_id] = PLACED
    rest = [each for each in open_ if each.dial_id not in ended]
    for dial, call in _assigned(connection, account, rest, seen, latest):
        end(connection, dial.dial_id, dial.sent_at, _placed(call.evidence, call.call_id, call.record_id), now)
        ended[dial.dial_id] = PLACED
    for each in rest:
        if each.dial_id not in ended and (each.dial_id, each.sent_at) in hopeless:
            end(connection, each.dial_id, each.sent_at, Ending(state=NOT_PLACED, evidence="looked"), now)
            ended[each.dial_id] = NOT_PLACED
    return ended


def _placed(evidence: str, call_id: str | None, record_id: str | None = None) -> Ending:
    return Ending(state=PLACED, evidence=evidence, call_id=call_id, record_id=record_id)


def _heard(connection: Connection, dial: Kept) -> str | None:
    """The call id that events gave the dial's conversation; empty when they gave none, None when there was none."""
    if dial.conversation_id is None:
        return None
    found = _linked_to(connection, dial.conversation_id, "call_id")
    told = exists().where(events.c.conversation_id == dial.conversation_id)
    return found[0] if found else "" if connection.scalar(select(told)) else None


def _assigned(
    connection: Connection, account: str, rest: Sequence[Kept], seen: Sequence[Seen], latest: timedelta
) -> list[tuple[Kept, Seen]]:
    """Which of *rest* has which of the calls *seen*."""
    calls = list({each.call_id or each.record_id: each for each in reversed(seen)}.values())
    if not rest or not calls:
        return []
    reach = NEAR + latest  # a dial so far from another cannot have a call that may be the other's
    around = and_(
        dials.c.account == account,
        dials.c.extension.in_({each.extension for each in rest}),
        dials.c.state != NOT_PLACED,
        dials.c.created_at >= to_micros(min(each.sent_at for each in rest) - reach),
        dials.c.created_at <= to_micros(max(each.sent_at for each in rest) + reach),
    )
    owners = {index: _owners(connection, account, call) for index, call in enumerate(calls)}
    pairs = []
    for dial in _all(connection, around):
        for index, call in enumerate(calls):
            distance = _distance(dial, call, owners[index], latest)
            if distance is not None:
                pairs.append((distance, dial.sent_at, dial.dial_id, index, dial))
    taken_dials: set[str] = set()
    taken_calls: set[int] = set()
    wanted = {each.dial_id for each in rest}
    found = []
    for _, _, dial_id, index, dial in sorted(pairs, key=lambda pair: pair[:4]):
        if dial_id in taken_dials or index in taken_calls:
            continue
        taken_dials.add(dial_id)
        taken_calls.add(index)
        if dial_id in wanted:
            found.append((dial, calls[index]))
    return found


def _owners(connection: Connection, account: str, call: Seen) -> set[str]:
    """The dials whose call this is already, by its ids."""
    conversation_id = _conversation_with(connection, account, call.call_id, call.record_id)
    if conversation_id is None:
        return set()
    return set(_linked_to(connection, conversation_id, "dial_id"))


def _distance(dial: Kept, call: Seen, owners: set[str], latest: timedelta) -> float | None:
    """How far in seconds the call began from the dial; None when it cannot be its call, less than 0 when it is."""
    if dial.dial_id in owners or (dial.call_id is not None and dial.call_id == call.call_id):
        return -1
    if (dial.call_id and call.call_id) or not call.fits(dial.extension, dial.number):
        return None
    if call.started_at is None:
        return NEAR.total_seconds()
    away = call.started_at - dial.sent_at
    if not -NEAR <= away <= latest:
        return None
    # Of two dials that are as near the call is rather that of the one before it: none begins before its dial, though
    # vendors, which leave out parts of a second, may say so.
    seconds = away.total_seconds()
    return seconds if seconds >= 0 else 1 - seconds


# Conversations of dials


def _link(connection: Connection, dial: Kept, ending: Ending, now: datetime) -> None:
    call_id, record_id = ending.call_id, ending.record_id
    found, evidence = _conversation_with(connection, dial.account, call_id, record_id), ending.evidence
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
            created_at=dial.sent_at,
            updated_at=now,
        )
        ADD_CONVERSATIONS.write(connection, [conversation_row(conversation)])
        found, evidence = conversation.conversation_id, ending.evidence
    conversation_id = found or dial.conversation_id
    ids = {"call_id": call_id, "record_id": record_id}
    if conversation_id != dial.conversation_id:
        _unlink(connection, dial)
        ids["dial_id"] = dial.dial_id
    at = to_micros(now)
    rows = [(dial.account, kind, value, conversation_id, evidence, at) for kind, value in ids.items() if value]
    _ADD_LINKS[connection.dialect.name].write(connection, rows)
    if call_id is None and ending.state == PLACED:
        for known in _linked_to(connection, str(conversation_id), "call_id")[:1]:
            connection.execute(update(dials).where(dials.c.dial_id == dial.dial_id).values(call_id=known))


def _unlink(connection: Connection, dial: Kept) -> None:
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


def _conversation_with(connection: Connection, account: str, call_id: str | None, record_id: str | None) -> str | None:
    """The conversation that one of the ids is linked to."""
    given = {"call_id": call_id, "record_id": record_id}
    given = {kind: value for kind, value in given.items() if value}
    found = _by_link(*given).rows(connection, {"account": account, **given}) if given else []
    return found[0][0] if found else None


def _heard_first(connection: Connection, dial: Kept, now: datetime) -> str | None:
    """The conversation of a call without an id from the vendor, of which events told while the vendor was asked."""
    since, until = to_micros(dial.sent_at - _SKEW), to_micros(now + _SKEW)
    given = {"of_account": dial.account, "of_extension": dial.extension, "since": since, "until": until}
    for conversation in map(conversation_of, _UNDIALLED.rows(connection, given)):
        if number_key(conversation.to_number) == number_key(dial.number):
            return conversation.conversation_id
    return None


def _linked_to(connection: Connection, conversation_id: str, kind: str) -> list[str]:
    """The ids of this *kind* that lead to the conversation, the first that was known first."""
    return [value for (value,) in _LINKS_OF.rows(connection, {"conversation_id": conversation_id, "of_kind": kind})]


# Rows


def _all(connection: Connection, *conditions: Any, limit: int | None = None) -> list[Kept]:
    query = _LINKED.where(*conditions).order_by(dials.c.created_at).limit(limit)
    return [_kept(row) for row in connection.execute(query)]


def _first(connection: Connection, query: Prepared, **given: str | None) -> Kept | None:
    found = query.rows(connection, given)
    return _kept(found[0]) if found else None


def _kept(row: Sequence[Any]) -> Kept:
    values = dict(zip(_COLUMNS, row, strict=True))
    try:
        for name in ("answer", "error"):
            values[name] = json.loads(values[name]) if values[name] else None
        for name in ("sent_at", "finished_at"):
            values[name] = None if values[name] is None else from_micros(values[name])
    except (ValueError, OverflowError, TypeError):
        raise UnreadableRow from None
    return Kept(**values)
