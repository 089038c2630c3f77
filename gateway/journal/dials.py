"""Dials: what was asked to ring, written before the vendor is called, and how each ended.

A try of a dial is known by its `tried_at`, which no other try of it has. Nothing that a try finds out is written over
what a later try does.
"""

import functools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from gateway_contracts import CallState, Direction, EventSource
from sqlalchemy import Connection, Text, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from .conversation_rows import add_conversations, conversation_of
from .conversations import NEAR, Conversation, number_key, same_number
from .leases import time_of
from .prepared import Prepared
from .schema import (
    conversations,
    dials,
    events,
    from_micros,
    inserting,
    leases,
    links,
    statements,
    to_micros,
    tries,
)
from .troubles import UnreadableRow

IN_PROGRESS, PLACED, NOT_PLACED, UNKNOWN = "in_progress", "placed", "not_placed", "unknown"
NOT_FOUND, STATED = "not_found", "stated"
"""The resolutions that are kept: looking is over, and a person said so."""
LIFE_SECONDS = 10.0
"""How long a process that was killed passes for one that still dials."""
_SKEW = timedelta(seconds=2)  # between the clocks of two sidecars
MOST = 500
"""How many dials of an account are looked for at once; the others have the next turn."""
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
    far_end: str | None = None


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


FarEnds = Mapping[str, str]
"""Which PBX each account of this process speaks to."""

_COLUMNS = tuple(field.name for field in attrs.fields(StoredDial))
_OF_TRY = tuple(column.name for column in tries.c if column.name != "dial_id")
_TRIED = tuple(field.name for field in attrs.fields(StoredTry))
_LINKED = select(*((links if name == "conversation_id" else dials).c[name] for name in _COLUMNS)).outerjoin_from(
    dials, links, and_(links.c.account == dials.c.account, links.c.kind == "dial_id", links.c.value == dials.c.dial_id)
)
_BY_ID = Prepared(_LINKED.where(dials.c.dial_id == bindparam("dial_id")))
_BY_KEY = Prepared(
    _LINKED.where(
        dials.c.asked == bindparam("asked"),
        dials.c.caller == bindparam("caller"),
        dials.c.idempotency_key.in_([bindparam("plain"), bindparam("quoted")]),
    )
    # A journal of before both were one key may hold both: the one that may have rung answers.
    .order_by(dials.c.state == NOT_PLACED, dials.c.idempotency_key != bindparam("plain"))
)
_IS_CURRENT = Prepared(
    select(dials.c.dial_id).where(
        dials.c.dial_id == bindparam("dial_id"),
        dials.c.tried_at == bindparam("the_try"),
        dials.c.state == IN_PROGRESS,
        ~exists().where(tries.c.dial_id == dials.c.dial_id, tries.c.state == PLACED),  # one that rang after all
    )
)
_ADD_DIAL = Prepared(insert(dials))
_ADD_LINKS = {  # beside those that there are
    each.name: Prepared(made(links).on_conflict_do_nothing())
    for each, made in ((sqlite.dialect, sqlite.insert), (postgresql.dialect, postgresql.insert))
}
_ENDED = (
    update(dials)
    .where(dials.c.dial_id == bindparam("the_dial"), dials.c.tried_at == bindparam("the_try"))
    .values(
        {name: bindparam(name) for name in ("state", "evidence", "resolution", "call_id", "finished_at")}
        # What is unknown keeps the error that said so, also when it is found out: it is what its caller was told.
        | {name: func.coalesce(bindparam(name, type_=Text), dials.c[name]) for name in ("answer", "error")}
    )
)
_IS_STATED = func.coalesce(dials.c.resolution, "") == STATED
_END = {  # What is found stays, whatever its caller saw. Proof overrules a person's word, and that overrules no answer.
    PLACED: Prepared(_ENDED),
    NOT_PLACED: Prepared(_ENDED.where(or_(dials.c.state != PLACED, _IS_STATED))),
    UNKNOWN: Prepared(_ENDED.where(dials.c.state != PLACED, ~_IS_STATED)),
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


# One try of a dial


def begin(
    connection: Connection, intent: Intent, lost: str, far_ends: FarEnds, *, renewing: bool = True
) -> tuple[StoredDial, bool]:
    """The dial that *intent* asks for, and whether this try of it may now call the vendor.

    It may not where the key's dial is another request, is under way, or may have rung. A dial whose process is gone
    becomes unknown first, with the error *lost*. *renewing* says that the lease of the intent's process is due.
    """
    if renewing:
        _renew(connection, intent.process)
    found = None
    if intent.key is not None:
        spelled = {"plain": intent.key, "quoted": quoted(intent.key)}
        found = _first(connection, _BY_KEY, asked=intent.asked, caller=intent.caller, **spelled)
    if found is not None and found.state == IN_PROGRESS and found.process not in _alive(connection):
        end(connection, found.dial_id, found.tried_at, Ending(state=UNKNOWN, evidence="lost", error=lost), intent.at)
        found = read(connection, found.dial_id)
    if found is not None:
        found = hear(connection, found, far_ends, intent.at)
    if found is not None and (found.fingerprint != intent.fingerprint or found.state != NOT_PLACED):
        return found, False
    at = to_micros(intent.at)
    if found is not None:
        at = to_micros(later(intent.at, found.tried_at))
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
        "tried_at": at,
        "finished_at": None,
        "evidence": None,
        "process": intent.process,
        "far_end": intent.far_end,
        "resolution": None,
        "looked_at": None,
    }
    if found is None:
        _ADD_DIAL.change(connection, {"dial_id": intent.dial_id, **row})
    else:
        _keep_try(connection, found.dial_id)
        _leave_to_try(connection, found)
        connection.execute(update(dials).where(dials.c.dial_id == found.dial_id).values(row))
    begun = StoredDial(
        dial_id=found.dial_id if found else intent.dial_id,
        account=intent.account,
        asked=intent.asked,
        caller=intent.caller,
        fingerprint=intent.fingerprint,
        state=IN_PROGRESS,
        extension=intent.extension,
        number=intent.number,
        process=intent.process,
        tried_at=from_micros(at),
        finished_at=None,
        call_id=None,
        evidence=None,
        resolution=None,
        far_end=intent.far_end,
        answer=None,
        error=None,
        conversation_id=None,
    )
    return begun, True


def quoted(key: str) -> str:
    """The idempotency key *key* as a quoted string, which some clients send and older journals hold."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def later(now: datetime, tried_at: datetime) -> datetime:
    """The time of a try that begins *now*, after one of *tried_at*: two tries of a dial never have the same."""
    return max(now, tried_at + timedelta(microseconds=1))


def is_current(connection: Connection, dial_id: str, tried_at: datetime) -> bool:
    """Whether the try is under way still, and was not given up or replaced by another process."""
    return bool(_IS_CURRENT.rows(connection, {"dial_id": dial_id, "the_try": to_micros(tried_at)}))


def move(
    connection: Connection,
    dial_id: str,
    tried_at: datetime,
    account: str,
    now: datetime,
    *,
    far_end: str | None = None,
    refused: str | None = None,
) -> datetime | None:
    """Go on with the try on *account*, after the account before *refused* it with this error.

    Gives the new `tried_at`, or None when the try was given up meanwhile.
    """
    if not is_current(connection, dial_id, tried_at):
        return None
    at = to_micros(later(now, tried_at))
    this = dials.c.dial_id == dial_id
    if refused is not None:  # nothing was asked where the first account was not asked at all
        ended = {"state": NOT_PLACED, "evidence": "answer", "error": refused, "finished_at": at}
        connection.execute(update(dials).where(this).values(ended))
        _keep_try(connection, dial_id)
    again = {"state": IN_PROGRESS, "evidence": None, "error": None, "finished_at": None}
    values = again | {"account": account, "far_end": far_end, "tried_at": at, "created_at": at}
    connection.execute(update(dials).where(this).values(values))
    return from_micros(at)


def _leave_to_try(connection: Connection, dial: StoredDial) -> None:
    """Let the conversation of the last try be that of this try, and no longer the dial's: another begins.

    Only one that a person said did not ring has any. What the vendor tells of it later proves that it rang.
    """
    of_dial = and_(links.c.account == dial.account, links.c.kind == "dial_id", links.c.value == dial.dial_id)
    connection.execute(update(links).where(of_dial).values(kind="try", value=_name_of_try(dial.dial_id, dial.tried_at)))


def _name_of_try(dial_id: str, tried_at: datetime) -> str:
    return f"{dial_id}/{to_micros(tried_at)}"


def _keep_try(connection: Connection, dial_id: str) -> None:
    """Put what is known of the dial's last try beside its earlier ones: another try begins."""
    names = [column.name for column in tries.c]
    kept = select(*(dials.c[name] for name in names)).where(dials.c.dial_id == dial_id)
    connection.execute(insert(tries).from_select(names, kept))


def end(connection: Connection, dial_id: str, tried_at: datetime, ending: Ending, now: datetime) -> bool:
    """Write how the try ended, and link its conversation; gives whether it is still the last try of the dial, and was
    not known to be placed.
    """
    known = ending.state != UNKNOWN
    statement = _END[ending.state]
    values = {
        "the_dial": dial_id,
        "the_try": to_micros(tried_at),
        "state": ending.state,
        "evidence": ending.evidence if known else None,
        "resolution": ending.resolution,
        "call_id": ending.call_id,
        "finished_at": to_micros(now) if known else None,
        "answer": ending.answer,
        "error": ending.error,
    }
    if not statement.change(connection, values):
        _end_earlier(connection, values, now)
        return False
    dial = read(connection, dial_id)
    assert dial is not None  # noqa: S101 # it was changed just now
    if ending.state == NOT_PLACED:
        if ending.resolution != STATED:  # events that come after all belong to it, and prove that it rang
            _unlink(connection, dial)
    else:
        _link(connection, dial, ending, now)
    if ending.state != PLACED:
        _put_first(connection, dial_id, now)
    return True


def _end_earlier(connection: Connection, values: Mapping[str, Any], now: datetime) -> None:
    """Write how an earlier try ended, which its process found out when the dial had been tried again."""
    names = ("state", "evidence", "resolution", "call_id", "finished_at", "answer", "error")
    this = and_(tries.c.dial_id == values["the_dial"], tries.c.tried_at == values["the_try"], tries.c.state != PLACED)
    if values["state"] == UNKNOWN:  # which is worth less than what is known, also by a person
        this = and_(this, tries.c.state == UNKNOWN)
    connection.execute(update(tries).where(this).values({name: values[name] for name in names}))
    _put_first(connection, values["the_dial"], now)


def _put_first(connection: Connection, dial_id: str, now: datetime) -> None:
    """Let an earlier try that rang after all stand for the dial, unless the last one rings now or is known to have."""
    rang = connection.execute(
        select(tries).where(tries.c.dial_id == dial_id, tries.c.state == PLACED).order_by(tries.c.tried_at).limit(1)
    ).first()
    dial = None if rang is None else read(connection, dial_id)
    if rang is None or dial is None or dial.state == IN_PROGRESS:
        return
    if dial.state == PLACED and dial.resolution != STATED:
        return
    tried_at = from_micros(rang.tried_at)
    own = _conversation_of_try(connection, rang.account, dial_id, tried_at)
    _keep_try(connection, dial_id)
    _leave_to_try(connection, dial)
    first = {name: getattr(rang, name) for name in _OF_TRY} | {"created_at": rang.tried_at}
    connection.execute(update(dials).where(dials.c.dial_id == dial_id).values(first))
    connection.execute(delete(tries).where(tries.c.dial_id == dial_id, tries.c.tried_at == rang.tried_at))
    if own is not None:
        name = _name_of_try(dial_id, tried_at)
        link = and_(links.c.account == rang.account, links.c.kind == "try", links.c.value == name)
        connection.execute(update(links).where(link).values(kind="dial_id", value=dial_id))
    placed = read(connection, dial_id)
    assert placed is not None  # noqa: S101 # it was changed just now
    _link(connection, placed, Ending(state=PLACED, evidence=rang.evidence, call_id=rang.call_id), now)


def undo(connection: Connection, written: Sequence[StoredDial], ending: Ending, now: datetime) -> None:
    """End the try that was *written*, if one was: its process did not hear so, and has asked no vendor."""
    for each in written:
        kept = read(connection, each.dial_id)
        if kept is not None and (kept.tried_at, kept.state) == (each.tried_at, IN_PROGRESS):
            end(connection, each.dial_id, each.tried_at, ending, now)


def read(connection: Connection, dial_id: str) -> StoredDial | None:
    """The dial called *dial_id*."""
    return _first(connection, _BY_ID, dial_id=dial_id)


def history(connection: Connection, dial_id: str) -> tuple[list[StoredTry], list[StoredStatement]]:
    """The earlier tries of the dial called *dial_id*, and what people said of it, the oldest first."""
    tried = select(*(tries.c[name] for name in _TRIED)).where(tries.c.dial_id == dial_id).order_by(tries.c.tried_at)
    said = select(statements).where(statements.c.dial_id == dial_id).order_by(statements.c.stated_at)
    return (
        [StoredTry(**_read(_TRIED, row)) for row in connection.execute(tried)],
        [
            StoredStatement(state=row.state, note=row.note, caller=row.caller, stated_at=from_micros(row.stated_at))
            for row in connection.execute(said)
        ],
    )


def make_statement(
    connection: Connection, dial_id: str, said: StoredStatement, wait: timedelta, lost: str, far_ends: FarEnds
) -> tuple[StoredDial | None, str | None, float | None]:
    """Let a person's word *said* stand for the dial; gives the dial.

    Where it may not, gives also why, and the seconds after which it may. It may not while the vendor is asked or for
    *wait* after that, and not against evidence. A dial whose process is gone becomes unknown, with the error
    *lost*.
    """
    now = said.stated_at
    dial = read(connection, dial_id)
    if dial is not None and dial.state == IN_PROGRESS and dial.process not in _alive(connection):
        end(connection, dial_id, dial.tried_at, Ending(state=UNKNOWN, evidence="lost", error=lost), now)
        dial = read(connection, dial_id)
    if dial is None:
        return None, None, None
    if dial.state == IN_PROGRESS:
        return dial, "The vendor is being asked: make the statement when the dial has ended", 1.0
    dial = hear(connection, dial, far_ends, now)
    if dial.state != UNKNOWN and dial.resolution != STATED:
        return (
            dial,
            f"The dial is known to be {dial.state} by evidence ({dial.evidence}). A statement cannot change that",
            None,
        )
    left = (dial.tried_at + wait - now).total_seconds()
    if left > 0:
        return dial, f"The vendor may still answer this dial: make the statement in {math.ceil(left)} seconds", left
    last = connection.scalar(select(func.max(statements.c.stated_at)).where(statements.c.dial_id == dial_id))
    stated_at = max(to_micros(now), (last or 0) + 1)
    row = {"state": said.state, "note": said.note, "caller": said.caller, "stated_at": stated_at}
    connection.execute(insert(statements).values(dial_id=dial_id, **row))
    ending = Ending(state=said.state, evidence="statement", resolution=STATED, call_id=dial.call_id)
    end(connection, dial_id, dial.tried_at, ending, now)
    return read(connection, dial_id), None, None


# Of processes: each that dials holds a lease, so that others know which dials nobody will end


def renew(connection: Connection, process: str) -> None:
    """Let *process* pass for alive for `LIFE_SECONDS`."""
    _renew(connection, process)


def leave(connection: Connection, process: str) -> None:
    """Let *process* pass for gone."""
    connection.execute(delete(leases).where(leases.c.name == _lease(process)))


def give_up(connection: Connection, accounts: Collection[str], lost: str, now: datetime) -> None:
    """Make the dials of *accounts* unknown, with the error *lost*, whose processes are gone."""
    while some := abandoned(connection, accounts):
        for each in some:
            end(connection, each.dial_id, each.tried_at, Ending(state=UNKNOWN, evidence="lost", error=lost), now)
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


def abandoned(connection: Connection, accounts: Collection[str]) -> list[StoredDial]:
    """Some dials of *accounts* whose process was killed while the vendor was asked."""
    alive = exists().where(leases.c.name == _lease("") + dials.c.process, leases.c.until > time_of(connection))
    return _all(connection, dials.c.account.in_(accounts), dials.c.state == IN_PROGRESS, ~alive, limit=MOST)


_LOOKED_FOR = and_(dials.c.state == UNKNOWN, dials.c.resolution.is_(None))


def _or_stated(since: datetime) -> Any:
    """The dials that are looked for, those among them that a person spoke of and that were tried *since*."""
    return or_(_LOOKED_FOR, and_(dials.c.resolution == STATED, dials.c.tried_at >= to_micros(since)))


def accounts_to_look_at(connection: Connection, accounts: Collection[str], since: datetime) -> list[str]:
    """Those of *accounts* that have dials to look for; of those that a person spoke of, what was tried *since*."""
    query = select(dials.c.account).where(dials.c.account.in_(accounts), _or_stated(since)).distinct()
    return sorted(connection.scalars(query))


def to_look_for(connection: Connection, account: str, far_end: str | None, since: datetime) -> list[StoredDial]:
    """Dials of *account* that may have rung at its present *far_end*: those that were looked for the longest ago.

    A person may be mistaken: what they spoke of is looked for too, if it was tried *since*.
    """
    order = func.coalesce(dials.c.looked_at, 0), dials.c.tried_at
    return _all(connection, dials.c.account == account, _or_stated(since), _at(far_end), limit=MOST, order=order)


def _at(far_end: str | None) -> Any:
    """The dials that *far_end* can tell of; those of before far ends were kept may be anybody's."""
    return or_(dials.c.far_end.is_(None), dials.c.far_end == far_end)


def stop_looking_elsewhere(
    connection: Connection, account: str, far_end: str | None, before: datetime, now: datetime
) -> None:
    """End the looking for dials of *account* from *before*, which another PBX than its present *far_end* was asked."""
    over = and_(dials.c.account == account, _LOOKED_FOR, ~_at(far_end), dials.c.tried_at < to_micros(before))
    connection.execute(update(dials).where(over).values(resolution=NOT_FOUND, finished_at=to_micros(now)))


def hear(connection: Connection, dial: StoredDial, far_ends: FarEnds, now: datetime) -> StoredDial:
    """The *dial*, placed if it was not known to be and the vendor tells of it in the journal, or of an earlier try."""
    if dial.state == IN_PROGRESS or (dial.state == PLACED and dial.resolution != STATED):
        return dial
    if (dial.state == UNKNOWN or dial.resolution == STATED) and not is_elsewhere(dial, far_ends):
        _hear(connection, dial.dial_id, dial.tried_at, dial.conversation_id, now)
    query = select(tries.c.tried_at, tries.c.account, tries.c.far_end).where(
        tries.c.dial_id == dial.dial_id,
        tries.c.state != PLACED,
        or_(tries.c.state == UNKNOWN, tries.c.resolution == STATED),
    )
    for tried in connection.execute(query).all():
        if tried.far_end is None or far_ends.get(tried.account) == tried.far_end:
            tried_at = from_micros(tried.tried_at)
            own = _conversation_of_try(connection, tried.account, dial.dial_id, tried_at)
            _hear(connection, dial.dial_id, tried_at, own, now)
    _put_first(connection, dial.dial_id, now)
    return read(connection, dial.dial_id) or dial


def _hear(connection: Connection, dial_id: str, tried_at: datetime, conversation_id: str | None, now: datetime) -> bool:
    """End the try as placed if the vendor tells of it in its conversation; gives whether it does."""
    ending = _told_in(connection, conversation_id)
    if ending is not None:
        end(connection, dial_id, tried_at, ending, now)
    return ending is not None


def _conversation_of_try(connection: Connection, account: str, dial_id: str, tried_at: datetime) -> str | None:
    this = and_(links.c.account == account, links.c.kind == "try", links.c.value == _name_of_try(dial_id, tried_at))
    return connection.scalar(select(links.c.conversation_id).where(this))


def is_elsewhere(dial: StoredDial, far_ends: FarEnds) -> bool:
    """Whether the *dial* went to another PBX than its account speaks to now, which cannot tell of it."""
    return dial.far_end is not None and far_ends.get(dial.account) != dial.far_end


def settle(
    connection: Connection,
    account: str,
    wanted: Collection[StoredDial],
    seen: Sequence[Seen],
    latest: timedelta,
    now: datetime,
    *,
    over: Collection[tuple[str, datetime]] = (),
    looked: bool = True,
) -> dict[str, str]:
    """End the *wanted* dials of *account* of which events, or what was *seen* at the vendor, tell; gives their states.

    A call is that of one dial only: the one nearest in time of all that may have rung. It began at most `NEAR` before
    the dial was tried and *latest* after. What is not found proves nothing: a dial of *over* (id and `tried_at`) that
    nothing tells of stays unknown, and is not looked for any more. *looked* says that the vendor was asked.
    """
    ended: dict[str, str] = {}
    tries_of = {each.dial_id: each.tried_at for each in wanted}
    found = _all(connection, dials.c.dial_id.in_(tries_of), or_(dials.c.state == UNKNOWN, _IS_STATED))
    open_ = [each for each in found if each.tried_at == tries_of[each.dial_id]]
    for each in open_:
        if _hear(connection, each.dial_id, each.tried_at, each.conversation_id, now):
            ended[each.dial_id] = PLACED
    rest = [each for each in open_ if each.dial_id not in ended]
    for dial, call in _assigned(connection, account, rest, seen, latest):
        end(connection, dial.dial_id, dial.tried_at, _placed(call.evidence, call.call_id, call.record_id), now)
        ended[dial.dial_id] = PLACED
    if looked:
        for each in rest:
            if each.dial_id not in ended:
                final = each.state == UNKNOWN and (each.dial_id, each.tried_at) in over
                values: dict[str, Any] = {"looked_at": to_micros(now)}
                if final:
                    values |= {"resolution": NOT_FOUND, "finished_at": to_micros(now)}
                    ended[each.dial_id] = NOT_FOUND
                connection.execute(update(dials).where(dials.c.dial_id == each.dial_id).values(values))
    return ended


def _placed(evidence: str, call_id: str | None, record_id: str | None = None) -> Ending:
    return Ending(state=PLACED, evidence=evidence, call_id=call_id, record_id=record_id)


def _told_in(connection: Connection, conversation_id: str | None) -> Ending | None:
    """What the vendor's events and records in a conversation prove of its dial; None when there are none. Events that
    we made up ourselves prove nothing.
    """
    if conversation_id is None:
        return None
    call_ids, records = (_linked_to(connection, conversation_id, kind) for kind in ("call_id", "record_id"))
    told = _EVENTS_OF.rows(connection, {"conversation_id": conversation_id})
    if any(json.loads(body).get("source") == EventSource.VENDOR for (body,) in told):
        return _placed("event", next(iter(call_ids), None))
    return _placed("record", next(iter(call_ids), None), records[0]) if records else None


def _assigned(
    connection: Connection, account: str, rest: Sequence[StoredDial], seen: Sequence[Seen], latest: timedelta
) -> list[tuple[StoredDial, Seen]]:
    """Which unknown dial has which of the calls *seen*: those of *rest*, and others that were dialled near them."""
    calls = list({each.call_id or each.record_id: each for each in reversed(seen)}.values())
    if not rest or not calls:
        return []
    reach = NEAR + latest  # a dial so far from another cannot have a call that may be the other's
    around = and_(
        dials.c.account == account,
        dials.c.extension.in_({each.extension for each in rest}),
        or_(dials.c.state != NOT_PLACED, _IS_STATED),
        or_(*(_at(each) for each in {each.far_end for each in rest})),
        dials.c.created_at >= to_micros(min(each.tried_at for each in rest) - reach),
        dials.c.created_at <= to_micros(max(each.tried_at for each in rest) + reach),
    )
    owners = {index: _owners(connection, account, call) for index, call in enumerate(calls)}
    pairs = []
    for dial in _all(connection, around):
        for index, call in enumerate(calls):
            distance = _distance(dial, call, owners[index], latest)
            if distance is not None:
                pairs.append((distance, dial.resolution == STATED, dial.tried_at, dial.dial_id, index, dial))
    taken_dials: set[str] = set()
    taken_calls: set[int] = set()
    found = []
    for *_, dial_id, index, dial in sorted(pairs, key=lambda pair: pair[:5]):
        if dial_id in taken_dials or index in taken_calls:
            continue
        taken_dials.add(dial_id)
        taken_calls.add(index)
        if dial.state == UNKNOWN or dial.resolution == STATED:  # also one that is no longer looked for
            found.append((dial, calls[index]))
    return found


def _owners(connection: Connection, account: str, call: Seen) -> set[str]:
    """The dials whose call this is already, by its ids."""
    conversation_id = _conversation_with(connection, account, call.call_id, call.record_id)
    if conversation_id is None:
        return set()
    return set(_linked_to(connection, conversation_id, "dial_id"))


def _distance(dial: StoredDial, call: Seen, owners: set[str], latest: timedelta) -> float | None:
    """How far in seconds the call began from the dial; None when it cannot be its call, less than 0 when it is."""
    if dial.dial_id in owners or (dial.call_id is not None and dial.call_id == call.call_id):
        return -1
    if (dial.call_id and call.call_id) or not call.fits(dial.extension, dial.number):
        return None
    if call.started_at is None:  # a live call is of now; of a record without a time nobody knows
        return NEAR.total_seconds() if call.record_id is None and dial.resolution != STATED else None
    away = call.started_at - dial.tried_at
    if not -NEAR <= away <= latest:
        return None
    # Of two dials that are as near the call is rather that of the one before it: none begins before its dial, though
    # vendors, which leave out parts of a second, may say so.
    seconds = away.total_seconds()
    return seconds if seconds >= 0 else 1 - seconds


# Conversations of dials


def _link(connection: Connection, dial: StoredDial, ending: Ending, now: datetime) -> None:
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
            created_at=dial.tried_at,
            updated_at=now,
        )
        add_conversations(connection, [conversation])
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


def _unlink(connection: Connection, dial: StoredDial) -> None:
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


def _heard_first(connection: Connection, dial: StoredDial, now: datetime) -> str | None:
    """The conversation of a call without an id from the vendor, of which events told while the vendor was asked."""
    since, until = to_micros(dial.tried_at - _SKEW), to_micros(now + _SKEW)
    given = {"of_account": dial.account, "of_extension": dial.extension, "since": since, "until": until}
    for conversation in map(conversation_of, _UNDIALLED.rows(connection, given)):
        if number_key(conversation.to_number) == number_key(dial.number):
            return conversation.conversation_id
    return None


def _linked_to(connection: Connection, conversation_id: str, kind: str) -> list[str]:
    """The ids of this *kind* that lead to the conversation, the first that was known first."""
    return [value for (value,) in _LINKS_OF.rows(connection, {"conversation_id": conversation_id, "of_kind": kind})]


# Rows


def _all(
    connection: Connection, *conditions: Any, limit: int | None = None, order: Sequence[Any] = (dials.c.created_at,)
) -> list[StoredDial]:
    query = _LINKED.where(*conditions).order_by(*order).limit(limit)
    return [_kept(row) for row in connection.execute(query)]


def _first(connection: Connection, query: Prepared, **given: str | None) -> StoredDial | None:
    found = query.rows(connection, given)
    return _kept(found[0]) if found else None


def _kept(row: Sequence[Any]) -> StoredDial:
    return StoredDial(**_read(_COLUMNS, row))


def _read(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
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
