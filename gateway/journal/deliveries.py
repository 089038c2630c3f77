"""Deliveries in the journal: what is due, what waits for an earlier event of its conversation, and what became of each.

Of the pending deliveries of one conversation to one subscription only the first has a time at which it is due; it gives
the next one a time when it is over. So what is due is found without looking at what waits.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import attrs
from gateway_contracts import CallEvent
from sqlalchemy import Connection, RowMapping, and_, delete, exists, func, insert, or_, select, update

from ..models import Attempt, Delivery, DeliveryState, SubscriptionState
from .schema import attempts, deliveries, events, from_micros, inserting, new_id, subscriptions, to_micros

CHUNK = 500

_FIRSTS = select(
    subscriptions.c.subscription_id,
    select(func.min(deliveries.c.next_at))
    .where(
        deliveries.c.subscription_id == subscriptions.c.subscription_id,
        deliveries.c.state == DeliveryState.PENDING,
        deliveries.c.next_at >= 0,  # what has none is not even looked at in the index
    )
    .scalar_subquery(),
).where(subscriptions.c.state == SubscriptionState.ACTIVE)
"""When the first delivery of each active subscription is due: one look into the index for each, whatever is over."""


@attrs.frozen(kw_only=True)
class Planned:
    """The events that a subscription is sent, and the number up to which the log was looked through for it."""

    subscription_id: str
    events: Sequence[CallEvent]
    reached: int


@attrs.frozen(kw_only=True)
class Due:
    """A delivery to try now, the how-manieth time it is, and its event as JSON; None when that has been removed."""

    delivery_id: str
    subscription_id: str
    webhook_id: str
    account: str | None
    attempt: int
    body: str | None


@attrs.frozen(kw_only=True)
class DeliveryOutcome:
    """What became of an attempt. `next_at` is set while the delivery stays pending."""

    due: Due
    state: DeliveryState
    at: datetime
    milliseconds: int
    status: int | None
    error: str | None
    next_at: datetime | None = None
    disable: str | None = None


def plan(connection: Connection, planned: Sequence[Planned], now: datetime) -> None:
    """Write the deliveries of new events, and how far each subscription is then; twice is as good as once."""
    at = to_micros(now)
    for each in planned:
        if each.events and _move(connection, [each.subscription_id], each.reached):
            _add(connection, each.subscription_id, [(event, 0) for event in each.events], at)
    # Most want none of them, so those go on together.
    idle = sorted((each.reached, each.subscription_id) for each in planned if not each.events)
    for reached, group in groupby(idle, key=lambda each: each[0]):
        ids = [subscription_id for _, subscription_id in group]
        for start in range(0, len(ids), CHUNK):
            _move(connection, ids[start : start + CHUNK], reached)


def _move(connection: Connection, ids: Sequence[str], reached: int) -> int:
    where = and_(
        subscriptions.c.subscription_id.in_(ids),
        subscriptions.c.after_seq < reached,
        subscriptions.c.state == SubscriptionState.ACTIVE,
    )
    return connection.execute(update(subscriptions).where(where).values(after_seq=reached)).rowcount


def replay(connection: Connection, planned: Planned, now: datetime) -> int:
    """Write one more delivery of each event that has no pending one; gives how many."""
    numbers = [event.seq for event in planned.events]
    query = select(deliveries.c.seq, deliveries.c.replay, deliveries.c.state).where(
        deliveries.c.subscription_id == planned.subscription_id, deliveries.c.seq.in_(numbers)
    )
    last: dict[int | None, int] = {}
    pending = set()
    for seq, number, state in connection.execute(query):
        last[seq] = max(number, last.get(seq, 0))
        if state == DeliveryState.PENDING:
            pending.add(seq)
    added = [(event, last.get(event.seq, 0) + 1) for event in planned.events if event.seq not in pending]
    return _add(connection, planned.subscription_id, added, to_micros(now))


def failed_after(connection: Connection, subscription_id: str, seq: int) -> list[int]:
    """The numbers of at most CHUNK events after *seq* whose last delivery failed, in order."""
    later = deliveries.alias()
    again = exists().where(
        later.c.subscription_id == subscription_id,
        later.c.seq == deliveries.c.seq,
        later.c.replay > deliveries.c.replay,
    )
    query = (
        select(deliveries.c.seq)
        .where(
            deliveries.c.subscription_id == subscription_id,
            deliveries.c.state == DeliveryState.FAILED,
            deliveries.c.seq > seq,
            ~again,
        )
        .order_by(deliveries.c.seq)
        .limit(CHUNK)
    )
    return list(connection.scalars(query))


def due(connection: Connection, now: datetime, room: Mapping[str, int]) -> tuple[list[Due], datetime | None]:
    """Of each active subscription in *room* the deliveries that are due, at most so many, and when the next one will
    be.
    """
    at = to_micros(now)
    found: list[Due] = []
    firsts = {each: first for each, first in connection.execute(_FIRSTS) if first is not None and each in room}
    nearest = [first for first in firsts.values() if first > at]
    columns = (*deliveries.c, events.c.account, events.c.body)
    for each in (each for each, first in firsts.items() if first <= at):
        mine = and_(deliveries.c.subscription_id == each, deliveries.c.state == DeliveryState.PENDING)
        query = (
            select(*columns)
            .join(events, events.c.seq == deliveries.c.seq, isouter=True)
            .where(mine, deliveries.c.next_at <= at)
            .order_by(deliveries.c.next_at, deliveries.c.seq)
            .limit(room[each])
        )
        found += [_due(row) for row in connection.execute(query).mappings()]
        later = connection.execute(select(func.min(deliveries.c.next_at)).where(mine, deliveries.c.next_at > at))
        nearest += [moment for moment in later.scalars() if moment is not None]
    return found, from_micros(min(nearest)) if nearest else None


def settle(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> Sequence[None]:
    """Write what became of attempts, and let the next of each conversation go when one is over."""
    for each in outcomes:
        _settle(connection, each)
    return [None] * len(outcomes)


def _settle(connection: Connection, outcome: DeliveryOutcome) -> None:
    at, mine = to_micros(outcome.at), deliveries.c.delivery_id == outcome.due.delivery_id
    values = {
        "state": outcome.state,
        "attempts": outcome.due.attempt,
        "next_at": outcome.next_at and to_micros(outcome.next_at),
        "status": outcome.status,
        "error": outcome.error,
        "updated_at": at,
    }
    if not connection.execute(update(deliveries).where(mine).values(values)).rowcount:
        return  # it was deleted meanwhile
    row = {
        "delivery_id": outcome.due.delivery_id,
        "number": outcome.due.attempt,
        "at": at,
        "status": outcome.status,
        "milliseconds": outcome.milliseconds,
        "error": outcome.error,
    }
    connection.execute(inserting(connection, attempts).values(row).on_conflict_do_nothing())
    if outcome.disable is not None:
        disabled = {"state": SubscriptionState.DISABLED, "reason": outcome.disable, "updated_at": at}
        where = subscriptions.c.subscription_id == outcome.due.subscription_id
        connection.execute(update(subscriptions).where(where).values(disabled))
    if outcome.state is not DeliveryState.PENDING:
        conversation = connection.execute(select(deliveries.c.conversation_id).where(mine)).scalar_one()
        _release(connection, outcome.due.subscription_id, conversation, at)


def _release(connection: Connection, subscription_id: str, conversation_id: str | None, at: int) -> None:
    first = (
        select(deliveries.c.delivery_id)
        .where(
            deliveries.c.subscription_id == subscription_id,
            deliveries.c.conversation_id == conversation_id,
            deliveries.c.state == DeliveryState.PENDING,
        )
        .order_by(deliveries.c.seq, deliveries.c.replay)
        .limit(1)
        .scalar_subquery()
    )
    waiting = and_(deliveries.c.delivery_id == first, deliveries.c.next_at.is_(None))
    connection.execute(update(deliveries).where(waiting).values(next_at=at))


def listed(
    connection: Connection,
    subscription_id: str,
    *,
    accounts: Collection[str] | None,
    state: DeliveryState | None,
    before: tuple[int, int] | None,
    limit: int,
) -> list[Delivery]:
    """At most *limit* deliveries with their attempts, the newest event first, from *before*, a seq and a replay, on.
    Their events are those of *accounts*, None for all.
    """
    query = select(deliveries).where(deliveries.c.subscription_id == subscription_id)
    if accounts is not None:
        query = query.where(exists().where(events.c.seq == deliveries.c.seq, events.c.account.in_(accounts)))
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if before is not None:
        seq, number = before
        earlier = and_(deliveries.c.seq == seq, deliveries.c.replay < number)
        query = query.where(or_(deliveries.c.seq < seq, earlier))
    query = query.order_by(deliveries.c.seq.desc(), deliveries.c.replay.desc()).limit(limit)
    found = list(connection.execute(query).mappings())
    tried: dict[str, list[Attempt]] = {}
    ids = [row["delivery_id"] for row in found]
    for start in range(0, len(ids), CHUNK):
        some = select(attempts).where(attempts.c.delivery_id.in_(ids[start : start + CHUNK]))
        for row in connection.execute(some.order_by(attempts.c.number)).mappings():
            tried.setdefault(row["delivery_id"], []).append(_attempt(row))
    return [_delivery(row, tuple(tried.get(row["delivery_id"], ()))) for row in found]


def remove_some(connection: Connection, subscription_id: str) -> int:
    """Remove at most CHUNK deliveries of a subscription, with their attempts; gives how many."""
    query = select(deliveries.c.delivery_id).where(deliveries.c.subscription_id == subscription_id).limit(CHUNK)
    ids = list(connection.scalars(query))
    return connection.execute(delete(deliveries).where(deliveries.c.delivery_id.in_(ids))).rowcount if ids else 0


def _add(connection: Connection, subscription_id: str, added: Sequence[tuple[CallEvent, int]], at: int) -> int:
    if not added:
        return 0
    busy = _busy(connection, subscription_id, {event.conversation_id for event, _ in added if event.conversation_id})
    rows = []
    for event, number in added:
        waits = event.conversation_id in busy
        if event.conversation_id:
            busy.add(event.conversation_id)
        rows.append(
            {
                "delivery_id": new_id("dv"),
                "subscription_id": subscription_id,
                "seq": event.seq,
                "replay": number,
                "event_id": event.event_id,
                "conversation_id": event.conversation_id,
                "webhook_id": message_id(event.account, event.event_id),
                "state": DeliveryState.PENDING,
                "attempts": 0,
                "next_at": None if waits else at,
                "created_at": at,
                "updated_at": at,
            }
        )
    connection.execute(insert(deliveries), rows)
    return len(rows)


def _busy(connection: Connection, subscription_id: str, conversations: Collection[str]) -> set[str | None]:
    """Those of *conversations* that have a pending delivery."""
    found: set[str | None] = set()
    some = sorted(conversations)
    for start in range(0, len(some), CHUNK):
        query = select(deliveries.c.conversation_id).where(
            deliveries.c.subscription_id == subscription_id,
            deliveries.c.state == DeliveryState.PENDING,
            deliveries.c.conversation_id.in_(some[start : start + CHUNK]),
        )
        found.update(connection.scalars(query.distinct()))
    return found


def _due(row: RowMapping) -> Due:
    return Due(
        delivery_id=row["delivery_id"],
        subscription_id=row["subscription_id"],
        webhook_id=row["webhook_id"],
        account=row["account"],
        attempt=row["attempts"] + 1,
        body=row["body"],
    )


def _attempt(row: RowMapping) -> Attempt:
    values: dict[str, Any] = {name: row[name] for name in ("number", "status", "milliseconds", "error")}
    return Attempt(at=from_micros(row["at"]), **values)


def _delivery(row: RowMapping, tried: tuple[Attempt, ...]) -> Delivery:
    return Delivery(
        delivery_id=row["delivery_id"],
        subscription_id=row["subscription_id"],
        webhook_id=row["webhook_id"],
        seq=row["seq"],
        replay=row["replay"],
        event_id=row["event_id"],
        conversation_id=row["conversation_id"],
        state=DeliveryState(row["state"]),
        next_at=None if row["next_at"] is None else from_micros(row["next_at"]),
        status=row["status"],
        error=row["error"],
        created_at=from_micros(row["created_at"]),
        updated_at=from_micros(row["updated_at"]),
        attempts=tried,
    )


def message_id(account: str, event_id: str) -> str:
    """The `webhook-id` of an event: the same for every attempt, replay and subscription; with no dot in it."""
    digest = hashlib.sha256(f"{account}\n{event_id}".encode())
    return f"evt_{digest.hexdigest()[:32]}"
