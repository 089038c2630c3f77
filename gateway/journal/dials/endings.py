"""How a try ends. What a try finds out never replaces what a later try of the same dial does."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, bindparam, delete, exists, func, insert, or_, select, update

from ..leases import time_of
from ..prepared import Prepared
from ..schema import dials, from_micros, leases, links, to_micros, tries
from .linking import conversation_of_try, leave_to_try, link, name_of_try, unlink
from .processes import forget_gone, lease_of
from .rows import (
    IN_PROGRESS,
    IS_STATED,
    MOST,
    NOT_PLACED,
    PLACED,
    STATED,
    UNKNOWN,
    Ending,
    StoredDial,
    read,
    select_dials,
)

_OF_TRY = tuple(column.name for column in tries.c if column.name != "dial_id")


_IS_CURRENT = Prepared(
    select(dials.c.dial_id).where(
        dials.c.dial_id == bindparam("dial_id"),
        dials.c.tried_at == bindparam("the_try"),
        dials.c.state == IN_PROGRESS,
        ~exists().where(tries.c.dial_id == dials.c.dial_id, tries.c.state == PLACED),  # one that rang after all
    )
)


_ENDED = (
    update(dials)
    .where(dials.c.dial_id == bindparam("the_dial"), dials.c.tried_at == bindparam("the_try"))
    .values(
        {name: bindparam(name) for name in ("state", "evidence", "resolution", "call_id", "finished_at")}
        # What is unknown keeps the error that said so, also when it is found out: it is what its caller was told.
        | {name: func.coalesce(bindparam(name, type_=Text), dials.c[name]) for name in ("answer", "error")}
    )
)


_END = {  # What is found stays, whatever its caller saw. Proof overrules a person's word, and that overrules no answer.
    PLACED: Prepared(_ENDED),
    NOT_PLACED: Prepared(_ENDED.where(or_(dials.c.state != PLACED, IS_STATED))),
    UNKNOWN: Prepared(_ENDED.where(dials.c.state != PLACED, ~IS_STATED)),
}


def is_current(connection: Connection, dial_id: str, tried_at: datetime) -> bool:
    """Whether the try is under way still, and was not given up or replaced by another process."""
    return bool(_IS_CURRENT.rows(connection, {"dial_id": dial_id, "the_try": to_micros(tried_at)}))


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
            unlink(connection, dial)
    else:
        link(connection, dial, ending, now)
    if ending.state != PLACED:
        put_first(connection, dial_id, now)
    return True


def _end_earlier(connection: Connection, values: Mapping[str, Any], now: datetime) -> None:
    """Write how an earlier try ended, which its process found out when the dial had been tried again."""
    names = ("state", "evidence", "resolution", "call_id", "finished_at", "answer", "error")
    this = and_(tries.c.dial_id == values["the_dial"], tries.c.tried_at == values["the_try"], tries.c.state != PLACED)
    if values["state"] == UNKNOWN:  # which is worth less than what is known, also by a person
        this = and_(this, tries.c.state == UNKNOWN)
    connection.execute(update(tries).where(this).values({name: values[name] for name in names}))
    put_first(connection, values["the_dial"], now)


def put_first(connection: Connection, dial_id: str, now: datetime) -> None:
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
    own = conversation_of_try(connection, rang.account, dial_id, tried_at)
    keep_try(connection, dial_id)
    leave_to_try(connection, dial)
    first = {name: getattr(rang, name) for name in _OF_TRY} | {"created_at": rang.tried_at}
    connection.execute(update(dials).where(dials.c.dial_id == dial_id).values(first))
    connection.execute(delete(tries).where(tries.c.dial_id == dial_id, tries.c.tried_at == rang.tried_at))
    if own is not None:
        name = name_of_try(dial_id, tried_at)
        of_try = and_(links.c.account == rang.account, links.c.kind == "try", links.c.value == name)
        connection.execute(update(links).where(of_try).values(kind="dial_id", value=dial_id))
    placed = read(connection, dial_id)
    assert placed is not None  # noqa: S101 # it was changed just now
    link(connection, placed, Ending(state=PLACED, evidence=rang.evidence, call_id=rang.call_id), now)


def keep_try(connection: Connection, dial_id: str) -> None:
    """Put what is known of the dial's last try beside its earlier ones: another try begins."""
    names = [column.name for column in tries.c]
    kept = select(*(dials.c[name] for name in names)).where(dials.c.dial_id == dial_id)
    connection.execute(insert(tries).from_select(names, kept))


def undo(connection: Connection, written: Sequence[StoredDial], ending: Ending, now: datetime) -> None:
    """End the try that was *written*, if one was: its process did not hear so, and has asked no vendor."""
    for each in written:
        kept = read(connection, each.dial_id)
        if kept is not None and (kept.tried_at, kept.state) == (each.tried_at, IN_PROGRESS):
            end(connection, each.dial_id, each.tried_at, ending, now)


def give_up(connection: Connection, accounts: Collection[str], lost: str, now: datetime) -> None:
    """Make the dials of *accounts* unknown, with the error *lost*, whose processes are gone."""
    while some := abandoned(connection, accounts):
        for each in some:
            end(connection, each.dial_id, each.tried_at, Ending(state=UNKNOWN, evidence="lost", error=lost), now)
    forget_gone(connection)


def abandoned(connection: Connection, accounts: Collection[str]) -> list[StoredDial]:
    """Some dials of *accounts* whose process was killed while the vendor was asked."""
    alive = exists().where(leases.c.name == lease_of("") + dials.c.process, leases.c.until > time_of(connection))
    return select_dials(connection, dials.c.account.in_(accounts), dials.c.state == IN_PROGRESS, ~alive, limit=MOST)
