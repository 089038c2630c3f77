"""Finding out how unknown dials ended: from events, and from calls and records that the vendor shows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import Connection, and_, func, or_, select, update

from ..conversations import NEAR, same_number
from ..schema import dials, from_micros, to_micros, tries
from .endings import end, put_first
from .linking import conversation_of_try, conversation_with, linked_to, placed_by, told_in
from .rows import (
    IN_PROGRESS,
    IS_STATED,
    MOST,
    NOT_FOUND,
    NOT_PLACED,
    PLACED,
    STATED,
    UNKNOWN,
    StoredDial,
    read,
    select_dials,
)

FarEnds = Mapping[str, str]
"""Which PBX each account of this process speaks to."""


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
    return select_dials(
        connection, dials.c.account == account, _or_stated(since), at_far_end(far_end), limit=MOST, order=order
    )


def at_far_end(far_end: str | None) -> Any:
    """The dials that *far_end* can tell of; those of before far ends were kept may be anybody's."""
    return or_(dials.c.far_end.is_(None), dials.c.far_end == far_end)


def stop_looking_elsewhere(
    connection: Connection, account: str, far_end: str | None, before: datetime, now: datetime
) -> None:
    """End the looking for dials of *account* from *before*, which another PBX than its present *far_end* was asked."""
    over = and_(dials.c.account == account, _LOOKED_FOR, ~at_far_end(far_end), dials.c.tried_at < to_micros(before))
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
            own = conversation_of_try(connection, tried.account, dial.dial_id, tried_at)
            _hear(connection, dial.dial_id, tried_at, own, now)
    put_first(connection, dial.dial_id, now)
    return read(connection, dial.dial_id) or dial


def _hear(connection: Connection, dial_id: str, tried_at: datetime, conversation_id: str | None, now: datetime) -> bool:
    """End the try as placed if the vendor tells of it in its conversation; gives whether it does."""
    ending = told_in(connection, conversation_id)
    if ending is not None:
        end(connection, dial_id, tried_at, ending, now)
    return ending is not None


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
    found = select_dials(connection, dials.c.dial_id.in_(tries_of), or_(dials.c.state == UNKNOWN, IS_STATED))
    open_ = [each for each in found if each.tried_at == tries_of[each.dial_id]]
    for each in open_:
        if _hear(connection, each.dial_id, each.tried_at, each.conversation_id, now):
            ended[each.dial_id] = PLACED
    rest = [each for each in open_ if each.dial_id not in ended]
    for dial, call in _assigned(connection, account, rest, seen, latest):
        end(connection, dial.dial_id, dial.tried_at, placed_by(call.evidence, call.call_id, call.record_id), now)
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
        or_(dials.c.state != NOT_PLACED, IS_STATED),
        or_(*(at_far_end(each) for each in {each.far_end for each in rest})),
        dials.c.created_at >= to_micros(min(each.tried_at for each in rest) - reach),
        dials.c.created_at <= to_micros(max(each.tried_at for each in rest) + reach),
    )
    owners = {index: _owners(connection, account, call) for index, call in enumerate(calls)}
    pairs = []
    for dial in select_dials(connection, around):
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
    conversation_id = conversation_with(connection, account, call.call_id, call.record_id)
    if conversation_id is None:
        return set()
    return set(linked_to(connection, conversation_id, "dial_id"))


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
