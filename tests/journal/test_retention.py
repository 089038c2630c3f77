"""What is removed with time, and what stays."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from gateway.journal import retention, schema
from gateway.journal.retention import prune
from gateway.journal.schema import to_micros
from tests.journal.rows import event, insert, insert_event, names

BEFORE = datetime(2026, 1, 10, tzinfo=UTC)
OLD, NEW = to_micros(BEFORE) - 1, to_micros(BEFORE)


async def count(store, table):
    return await store.read(lambda connection: connection.scalar(select(func.count()).select_from(table)))


def conversation(name, state, when):
    return insert(
        schema.conversations, conversation_id=name, account="a", state=state, created_at=when, updated_at=when
    )


def dial(name, state, when):
    fixed = {"account": "a", "asked": "a", "caller": "", "fingerprint": "f", "request": "{}", "process": "p"}
    return insert(schema.dials, dial_id=name, state=state, created_at=when, finished_at=when, **fixed)


def delivery(name, state, when):
    fixed = {
        "subscription_id": "s",
        "seq": 1,
        "replay": int(name),
        "event_id": "e",
        "webhook_id": "w",
        "created_at": when,
    }
    return insert(schema.deliveries, delivery_id=name, state=state, updated_at=when, **fixed)


async def test_old_events_go_and_may_come_again(store):
    """Those received before the moment are removed, in many chunks; their digests go with them."""
    rows = [event(str(number), received_at=OLD) for number in range(retention.CHUNK * 2 + 1)]
    await store.write(lambda connection: connection.execute(schema.events.insert(), rows))
    await store.write(insert_event("new", received_at=NEW))

    assert len(rows) == await prune(store, BEFORE)
    assert ["new"] == await store.read(names)
    assert 0 == await prune(store, BEFORE)
    await store.write(insert_event("0", received_at=NEW))


async def test_conversations_go_with_their_links_once_they_ended(store):
    """One that is open stays, however old it is."""
    for name, state, when in [("1", "ended", OLD), ("2", "ended", NEW), ("3", "answered", OLD)]:
        await store.write(conversation(name, state, when))
        link = {"account": "a", "kind": "call_id", "value": name, "conversation_id": name, "evidence": "event"}
        await store.write(insert(schema.links, linked_at=when, **link))

    assert 1 == await prune(store, BEFORE)
    left = await store.read(lambda connection: list(connection.scalars(select(schema.links.c.value))))
    assert ["2", "3"] == sorted(left)
    assert 2 == await count(store, schema.conversations)


async def test_dials_stay_while_they_are_open_and_for_a_day(store):
    """Neither an unknown outcome nor a fresh key is forgotten, even when all the past is pruned."""
    now = datetime.now(UTC)
    fresh, stale = to_micros(now - timedelta(hours=23)), to_micros(now - timedelta(hours=25))
    for name, state, when in [
        ("placed", "placed", stale),
        ("not", "not_placed", stale),
        ("fresh", "placed", fresh),
        ("open", "in_progress", stale),
        ("unknown", "unknown", stale),
    ]:
        await store.write(dial(name, state, when))

    assert 2 == await prune(store, now)
    left = await store.read(lambda connection: list(connection.scalars(select(schema.dials.c.dial_id))))
    assert ["fresh", "open", "unknown"] == sorted(left)


async def test_deliveries_go_with_their_attempts_once_they_are_done(store):
    """What still has to be delivered stays."""
    for name, state, when in [
        ("1", "delivered", OLD),
        ("2", "failed", OLD),
        ("3", "pending", OLD),
        ("4", "failed", NEW),
    ]:
        await store.write(delivery(name, state, when))
        await store.write(insert(schema.attempts, delivery_id=name, number=1, at=when, milliseconds=5))

    assert 2 == await prune(store, BEFORE)
    left = await store.read(lambda connection: list(connection.scalars(select(schema.attempts.c.delivery_id))))
    assert ["3", "4"] == sorted(left)
    assert 2 == await count(store, schema.deliveries)


async def test_the_quarantine_is_emptied(store):
    """Old bodies go, new ones stay."""
    for when in (OLD, NEW):
        await store.write(insert(schema.quarantine, account="a", received_at=when, reason="not JSON", body=b"\x00{"))

    assert 1 == await prune(store, BEFORE)
    assert 1 == await count(store, schema.quarantine)
