"""Tries: the intent of a dial is written before the vendor is called.

A try of a dial is known by its `tried_at`, which no other try of it has.
"""

from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import Connection, bindparam, insert, update

from ..prepared import Prepared
from ..schema import dials, from_micros, to_micros
from .endings import end, is_current, keep_try
from .finding import FarEnds, hear
from .linking import leave_to_try
from .processes import alive, renew
from .rows import IN_PROGRESS, LINKED, NOT_PLACED, UNKNOWN, Ending, StoredDial, first_dial, read


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


_BY_KEY = Prepared(
    LINKED.where(
        dials.c.asked == bindparam("asked"),
        dials.c.caller == bindparam("caller"),
        dials.c.idempotency_key.in_([bindparam("plain"), bindparam("quoted")]),
    )
    # A journal of before both were one key may hold both: the one that may have rung answers.
    .order_by(dials.c.state == NOT_PLACED, dials.c.idempotency_key != bindparam("plain"))
)


_ADD_DIAL = Prepared(insert(dials))


def begin(
    connection: Connection, intent: Intent, lost: str, far_ends: FarEnds, *, renewing: bool = True
) -> tuple[StoredDial, bool]:
    """The dial that *intent* asks for, and whether this try of it may now call the vendor.

    It may not where the key's dial is another request, is under way, or may have rung. A dial whose process is gone
    becomes unknown first, with the error *lost*. *renewing* says that the lease of the intent's process is due.
    """
    if renewing:
        renew(connection, intent.process)
    found = None
    if intent.key is not None:
        spelled = {"plain": intent.key, "quoted": quoted(intent.key)}
        found = first_dial(connection, _BY_KEY, asked=intent.asked, caller=intent.caller, **spelled)
    if found is not None and found.state == IN_PROGRESS and found.process not in alive(connection):
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
        keep_try(connection, found.dial_id)
        leave_to_try(connection, found)
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
        keep_try(connection, dial_id)
    again = {"state": IN_PROGRESS, "evidence": None, "error": None, "finished_at": None}
    values = again | {"account": account, "far_end": far_end, "tried_at": at, "created_at": at}
    connection.execute(update(dials).where(this).values(values))
    return from_micros(at)


def later(now: datetime, tried_at: datetime) -> datetime:
    """The time of a try that begins *now*, after one of *tried_at*: two tries of a dial never have the same."""
    return max(now, tried_at + timedelta(microseconds=1))


def quoted(key: str) -> str:
    """The idempotency key *key* as a quoted string, which some clients send and older journals hold."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
