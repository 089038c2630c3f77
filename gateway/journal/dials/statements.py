"""Statements: what a person said of a dial."""

import math
from datetime import timedelta

from sqlalchemy import Connection, func, insert, select

from ..schema import statements, to_micros
from .endings import end
from .finding import FarEnds, hear
from .processes import alive
from .rows import IN_PROGRESS, STATED, UNKNOWN, Ending, StoredDial, StoredStatement, read


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
    if dial is not None and dial.state == IN_PROGRESS and dial.process not in alive(connection):
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
