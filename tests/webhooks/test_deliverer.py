"""Deliveries of events to subscriptions: a real journal, real connections, and a clock that is moved by hand."""

import asyncio
import contextlib
from collections import Counter
from functools import partial

import attrs
import pytest
from aiohttp import web
from gateway_contracts import EventType, JournalError
from sqlalchemy import delete, func, select, update
from sqlalchemy import event as sa_event

from gateway import Gateway
from gateway.config import KeyConfig
from gateway.journal import deliveries, retention, schema, subscriptions
from gateway.journal.deliveries import Planned
from gateway.journal.opening import open_journal
from gateway.keys import LOCAL, Keyring
from gateway.models import DeliveryState, SubscriptionState
from gateway.webhooks.deliverer import AT_ONCE, LEASE, SCHEDULE, Deliverer
from gateway.webhooks.destinations import Destinations
from gateway.webhooks.service import SubscriptionService
from gateway.webhooks.subscriptions import DeliveryQuery
from tests.events.calls import ANSWERED, ENDED, event, rings, until
from tests.webhooks.receiving import HandClock, receiving

PENDING, DELIVERED, FAILED = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.FAILED


@attrs.define
class Office:
    """A journal with its subscriptions and the deliverer, as a sidecar has them."""

    journal: object
    desk: SubscriptionService
    deliverer: Deliverer
    clock: HandClock

    async def subscribe(self, url, **more):
        return (await self.desk.create_subscription(LOCAL, {"url": url, **more})).subscription_id

    async def deliveries(self, subscription_id, **query):
        found = await self.desk.list_deliveries(LOCAL, subscription_id, DeliveryQuery(**query))
        return sorted(found.items, key=lambda each: (each.seq, each.replay))

    async def states(self, subscription_id):
        return [each.state for each in await self.deliveries(subscription_id)]

    async def quiet(self):
        """Wait until nothing is under way and nothing is due."""
        at_work = self.deliverer
        await until(lambda: self.clock.idle.is_set() and not (at_work._under_way or at_work._woken.is_set()))

    async def go_on(self):
        """Move the clock to the next attempt."""
        await self.quiet()
        due = min(each.next_at for each in await self.deliveries(*await self.ids()) if each.next_at)
        self.clock.advance(max((due - self.clock.now()).total_seconds(), 0))

    async def ids(self):
        return [each.subscription_id for each in (await self.desk.list_subscriptions(LOCAL)).items]


def counting(work):
    """*work*, which gives how many statements it took."""

    def run(connection):
        statements = []
        sa_event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        work(connection)
        return len(statements)

    return run


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def opening(url, clock):
    """Opens an office on the test's database."""

    @contextlib.asynccontextmanager
    async def open_it(*, keys=()):
        config = {"accounts": {name: {"vendor": "memory"} for name in ("hanoi", "saigon")}}
        async with Gateway.from_config(config) as gateway, open_journal(url) as journal:
            keyring, destinations = Keyring(keys), Destinations(["127.0.0.1"])
            deliverer = Deliverer(journal, keyring, destinations, clock, jitter=lambda: 1.0)
            desk = SubscriptionService(gateway, keyring, journal, destinations.allowed, clock, deliverer.wake)
            async with deliverer.running():
                yield Office(journal, desk, deliverer, clock)

    return open_it


@pytest.fixture
async def office(opening):
    async with opening() as office:
        yield office


@pytest.fixture
async def receiver(clock):
    async with receiving(clock) as receiver:
        yield receiver


async def test_events_are_delivered_as_they_happen(office, receiver):
    """Those that came before the subscription are not; the body is the event, with its type and time."""
    await office.journal.log.append(rings(2))
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append([event(ENDED, "c1", 30, raw={"secret": 1})])
    (message,) = await receiver.has(1)
    await office.quiet()
    (delivery,) = await office.deliveries(subscription_id)

    assert ("application/json", "call.ended", 3) == (
        message.headers["Content-Type"],
        message.data["type"],
        message.data["seq"],
    )
    assert message.body.startswith(b'{"type":"call.ended","timestamp":"2026-01-15T09:00:30Z","data":{')
    assert "raw" not in message.data
    assert (DELIVERED, 200, None, 1) == (delivery.state, delivery.status, delivery.next_at, len(delivery.attempts))
    assert message.headers["webhook-id"] == delivery.webhook_id


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"accounts": ("hanoi",)}, [1, 2, 4]),
        ({"types": (EventType.ENDED,)}, [2]),
        ({"extension": "102"}, [4]),
        ({"number": "+84899098899"}, [1, 2, 3]),
    ],
)
async def test_a_subscription_says_what_it_wants(office, receiver, wanted, expected):
    """Accounts, types, an extension, a number."""
    await office.subscribe(receiver.url, **wanted)
    parts = [event(), event(ENDED), event(account="saigon"), event(call_id="x", extension="102", to_number="09112223")]
    await office.journal.log.append(parts)
    await receiver.has(len(expected))
    await office.quiet()

    assert expected == sorted(each.data["seq"] for each in receiver.got)


@pytest.mark.parametrize("status", [500, 404, 302, 429])
async def test_a_subscriber_that_is_down_is_tried_by_the_schedule(office, receiver, status):
    """Ten times over more than three days; then the delivery has failed, and the subscription is still active."""
    receiver.answer = lambda _: web.Response(status=status, headers={"Location": f"{receiver.url}/elsewhere"})
    started = office.clock.now()
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(1))
    for attempt in range(1, len(SCHEDULE)):
        await receiver.has(attempt)
        await office.go_on()
    await receiver.has(len(SCHEDULE))
    await office.quiet()
    (delivery,) = await office.deliveries(subscription_id)
    times = [(each.at - started).total_seconds() for each in receiver.got]

    assert [0, 5, 305, 2105, 9305, 27305, 63305, 113705, 185705, 272105] == times
    assert (FAILED, status, "redirect" if status == 302 else "status") == (
        delivery.state,
        delivery.status,
        delivery.error,
    )
    assert list(range(1, 11)) == [each.number for each in delivery.attempts]
    assert {"/events"} == {each.target for each in receiver.got}
    assert 1 == len({each.headers["webhook-id"] for each in receiver.got})
    assert SubscriptionState.ACTIVE is (await office.desk.get_subscription(LOCAL, subscription_id)).state


async def test_a_subscriber_that_comes_back_gets_everything_in_order(office, receiver):
    """What waited for the first event of its conversation follows it; a conversation of its own does not wait."""
    receiver.answer = lambda message: 503 if message.data["call_id"] == "c1" else 200
    subscription_id = await office.subscribe(receiver.url)
    call = [event(), event(ANSWERED, after=5), event(ENDED, after=30)]
    await office.journal.log.append([*call, event(call_id="other")])
    await receiver.has(2)
    await office.quiet()
    assert [PENDING, PENDING, PENDING, DELIVERED] == await office.states(subscription_id)
    assert Counter({1: 1, 4: 1}) == Counter(each.data["seq"] for each in receiver.got)

    receiver.answer = lambda _: 204
    await office.go_on()
    await receiver.has(5)
    await office.quiet()

    assert [1, 2, 3] == [each.data["seq"] for each in receiver.got[2:]]
    assert [DELIVERED] * 4 == await office.states(subscription_id)


async def test_a_delivery_that_has_failed_lets_the_next_of_its_conversation_go(office, receiver):
    """A poisonous event does not hold back the end of the call for ever."""
    receiver.answer = lambda message: 400 if message.data["seq"] == 1 else 200
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append([event(), event(ENDED, after=30)])
    for attempt in range(1, len(SCHEDULE)):
        await receiver.has(attempt)
        await office.go_on()
    await receiver.has(len(SCHEDULE) + 1)
    await office.quiet()

    assert [FAILED, DELIVERED] == await office.states(subscription_id)


@pytest.mark.parametrize(("told", "expected"), [("120", 120), ("2", 5), ("999999999", 86_400), ("nonsense", 5)])
async def test_a_subscriber_may_ask_for_time(office, receiver, told, expected):
    """`Retry-After` is honoured up to a day; it does not make it sooner."""
    receiver.answer = lambda _: web.Response(status=503, headers={"Retry-After": told})
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(1))
    await receiver.has(1)
    await office.quiet()
    (delivery,) = await office.deliveries(subscription_id)

    assert expected == (delivery.next_at - office.clock.now()).total_seconds()


async def test_an_address_that_is_gone_ends_the_subscription(office, receiver):
    """410: the reason is kept, and nothing more is sent; made active again, it goes on where it was."""
    receiver.answer = lambda _: 410
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append([event(), event(ENDED)])
    await receiver.has(1)
    await office.quiet()
    await office.journal.log.append(rings(1, first=7))
    office.clock.advance(100)
    await office.quiet()
    found = await office.desk.get_subscription(LOCAL, subscription_id)
    assert (SubscriptionState.DISABLED, "gone", 1) == (found.state, found.reason, len(receiver.got))

    receiver.answer = lambda _: 200
    await office.desk.update_subscription(LOCAL, subscription_id, {"state": SubscriptionState.ACTIVE})
    await receiver.has(3)

    assert [1, 2, 3] == sorted({each.data["seq"] for each in receiver.got})


async def test_a_slow_subscriber_holds_up_nobody(office, receiver, clock):
    """It has a bounded number of messages at once; another subscription has all of its own meanwhile."""
    release = asyncio.Event()

    async def slowly(_):
        await release.wait()
        return 200

    async with receiving(clock) as slow:
        slow.answer = slowly
        await office.subscribe(slow.url)
        await office.subscribe(receiver.url)
        await office.journal.log.append(rings(3 * AT_ONCE))
        await receiver.has(3 * AT_ONCE)
        await slow.has(AT_ONCE)
        assert AT_ONCE == len(slow.got)
        release.set()
        await slow.has(3 * AT_ONCE)
        await office.quiet()

        assert list(range(1, 3 * AT_ONCE + 1)) == sorted(each.data["seq"] for each in slow.got)


async def test_nothing_is_lost_when_the_process_ends(opening, receiver, clock):
    """What was under way is sent again by the next one, and what came meanwhile too."""
    started = asyncio.Event()

    async def never(_):
        started.set()
        await asyncio.Event().wait()

    receiver.answer = never
    async with opening() as office:
        subscription_id = await office.subscribe(receiver.url)
        await office.journal.log.append([event()])
        await started.wait()
    async with opening() as office:
        receiver.answer = lambda _: 200
        await office.journal.log.append([event(ENDED)])
        await receiver.has(3)
        await office.quiet()

        assert [1, 1, 2] == [each.data["seq"] for each in receiver.got]
        assert [DELIVERED, DELIVERED] == await office.states(subscription_id)


async def test_of_two_processes_one_delivers(opening, receiver, clock):
    """The other goes on when the first has ended."""
    async with opening() as second:
        async with contextlib.AsyncExitStack() as stack:
            await second.quiet()
            first = await stack.enter_async_context(opening())
            await first.quiet()
            await first.subscribe(receiver.url)
            await first.journal.log.append(rings(20))
            second.deliverer.wake()
            first.deliverer.wake()
            clock.advance(LEASE.total_seconds() / 3)
            await receiver.has(20)
            await first.quiet()
            await second.quiet()
            assert [False, True] == sorted([first.deliverer._holds, second.deliverer._holds])
        clock.advance(LEASE.total_seconds())
        await second.journal.log.append(rings(1, first=21))
        second.deliverer.wake()
        await receiver.has(21)

    assert list(range(1, 22)) == sorted(each.data["seq"] for each in receiver.got)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([{"name": "local", "scopes": ("events",), "accounts": ("saigon",)}], SubscriptionState.ACTIVE),
        ([{"name": "local", "scopes": ("calls",)}], SubscriptionState.DISABLED),
        ([{"name": "other", "scopes": ("events",)}], SubscriptionState.DISABLED),
    ],
)
async def test_a_key_that_may_do_less_now_gets_less_now(opening, receiver, keys, expected):
    """Also of what was to be delivered already."""
    receiver.answer = lambda _: 500
    async with opening() as office:
        subscription_id = await office.subscribe(receiver.url)
        await office.journal.log.append([event(), event(ANSWERED)])
        await receiver.has(1)
        await office.quiet()
    receiver.answer = lambda _: 200
    async with opening(keys=[KeyConfig(sha256="0" * 64, **key) for key in keys]) as office:
        office.clock.advance(5)
        await office.journal.log.append([event(ENDED), event(account="saigon")])
        if expected is SubscriptionState.ACTIVE:
            await receiver.has(2)
        await office.quiet()

        assert expected is (await office.desk.get_subscription(LOCAL, subscription_id)).state
        assert {"saigon"} >= {each.data["account"] for each in receiver.got[1:]}
        if expected is SubscriptionState.ACTIVE:
            errors = {each.error for each in await office.deliveries(subscription_id) if each.state is FAILED}
            assert {"account_forbidden"} == errors


async def test_a_subscription_of_fewer_accounts_is_sent_no_more_of_the_others(office, receiver):
    """Also of what was to be delivered already."""
    receiver.answer = lambda _: 500
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append([event(account="saigon"), event()])
    await receiver.has(2)
    await office.quiet()
    receiver.answer = lambda _: 200
    await office.desk.update_subscription(LOCAL, subscription_id, {"accounts": ("hanoi",)})
    office.clock.advance(5)
    await receiver.has(3)
    await office.quiet()
    saigon, hanoi = await office.deliveries(subscription_id)

    assert ["hanoi"] == [each.data["account"] for each in receiver.got[2:]]
    assert (FAILED, "account_forbidden", DELIVERED) == (saigon.state, saigon.error, hanoi.state)


async def test_a_message_is_not_sent_again_because_its_outcome_cannot_be_written(office, receiver, monkeypatch):
    """The disk is full: the write is tried again, not the message."""
    store, failures = office.journal.store, [JournalError("full")] * 3
    append = store.append

    async def failing(batcher, item):
        if failures and batcher.__name__ == "settle":
            raise failures.pop()
        return await append(batcher, item)

    subscription_id = await office.subscribe(receiver.url)
    monkeypatch.setattr(store, "append", failing)
    await office.journal.log.append(rings(1))
    await receiver.has(1)
    while office.deliverer._under_way:
        await office.clock.idle.wait()
        office.clock.advance(5)
        await asyncio.sleep(0)
    await office.quiet()

    assert ([DELIVERED], 1) == (await office.states(subscription_id), len(receiver.got))


async def test_what_ends_while_the_next_is_looked_for_is_not_sent_again(office, receiver, monkeypatch):
    """What was read just before says that it is still due."""
    release, read = asyncio.Event(), office.journal.store.read

    async def slowly(_):
        await release.wait()
        return 200

    async def late(work):
        found = await read(work)
        if getattr(work, "func", None) is deliveries.due and office.deliverer._under_way:
            release.set()
            await until(lambda: not office.deliverer._under_way)
        return found

    receiver.answer = slowly
    await office.subscribe(receiver.url)
    monkeypatch.setattr(office.journal.store, "read", late)
    await office.journal.log.append(rings(1))
    await receiver.has(1)
    office.deliverer.wake()
    await release.wait()
    await office.quiet()

    assert 1 == len(receiver.got)


async def test_subscriptions_that_want_nothing_are_passed_over_together(office, receiver):
    """Ten of them cost as many statements as one, and all are as far as the log then."""
    counts = []
    for count in (1, 9):
        for _ in range(count):
            await office.subscribe(receiver.url, extension="nobody")
        ids, now = await office.ids(), office.clock.now()
        planned = [Planned(subscription_id=each, events=(), reached=len(ids)) for each in ids]
        plan = counting(partial(deliveries.plan, planned=planned, now=now))
        due = counting(partial(deliveries.due, now=now, room=dict.fromkeys(ids, AT_ONCE)))
        counts.append((await office.journal.store.write(plan), await office.journal.store.read(due)))

    assert [(1, 1), (1, 1)] == counts
    assert [10] * 10 == [each.after for each in (await office.desk.list_subscriptions(LOCAL)).items]


async def test_an_event_that_was_removed_before_its_delivery_is_said_to_be(office, receiver):
    """It is no reason to stop."""
    receiver.answer = lambda _: 500
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(1))
    await receiver.has(1)
    await office.quiet()
    await office.journal.store.write(lambda connection: connection.execute(delete(schema.events)).rowcount)
    await office.go_on()
    await until(lambda: not office.clock.idle.is_set() or office.deliverer._under_way)
    await office.quiet()
    (delivery,) = await office.deliveries(subscription_id)

    assert (FAILED, "event_removed") == (delivery.state, delivery.error)


# Replay


async def test_events_are_delivered_once_more(office, receiver):
    """All after a number; under the same id, so that who has it knows."""
    subscription_id = await office.subscribe(receiver.url, types=(EventType.ENDED,))
    await office.journal.log.append([event(), event(ENDED), event(ENDED, "c2"), event(ENDED, "c3")])
    await receiver.has(3)
    await office.quiet()
    replay = await office.desk.replay_events(LOCAL, subscription_id, {"after": 2})
    await receiver.has(5)
    await office.quiet()

    assert (2, None) == (replay.deliveries, replay.next)
    assert [2, 3, 3, 4, 4] == sorted(each.data["seq"] for each in receiver.got)
    assert 3 == len({each.headers["webhook-id"] for each in receiver.got})
    assert [(2, 0), (3, 0), (3, 1), (4, 0), (4, 1)] == [
        (each.seq, each.replay) for each in await office.deliveries(subscription_id)
    ]


async def test_what_failed_is_delivered_once_more_and_once_only(office, receiver):
    """Asking twice does not make it two; what was delivered is left alone."""
    receiver.answer = lambda message: 500 if message.data["seq"] == 1 else 200
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(2))
    await receiver.has(2)
    await office.quiet()
    change = update(schema.deliveries).where(schema.deliveries.c.state == PENDING).values(state=FAILED, next_at=None)
    await office.journal.store.write(lambda connection: connection.execute(change).rowcount)
    receiver.answer = lambda _: 200
    replays = [await office.desk.replay_events(LOCAL, subscription_id, {"failed": True}) for _ in range(2)]
    await receiver.has(3)
    await office.quiet()
    replays.append(await office.desk.replay_events(LOCAL, subscription_id, {"failed": True}))

    assert [1, 0, 0] == [each.deliveries for each in replays]
    assert [1, 1, 2] == sorted(each.data["seq"] for each in receiver.got)


async def test_a_large_replay_is_made_in_parts(office, receiver, monkeypatch):
    """The answer says where to go on."""
    monkeypatch.setattr("gateway.webhooks.service._REPLAY_CHUNKS", 1)
    monkeypatch.setattr("gateway.webhooks.service.CHUNK", 2)
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(3))
    await receiver.has(3)
    await office.quiet()
    first = await office.desk.replay_events(LOCAL, subscription_id, {"after": 0})
    second = await office.desk.replay_events(LOCAL, subscription_id, {"after": first.next})

    assert [(2, 2), (1, None)] == [(each.deliveries, each.next) for each in (first, second)]


# The log of deliveries


async def test_deliveries_are_listed_page_by_page(office, receiver):
    """The newest first, by state."""
    receiver.answer = lambda message: 500 if message.data["seq"] == 3 else 200
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(5))
    await receiver.has(5)
    await office.quiet()
    listed = partial(office.desk.list_deliveries, LOCAL, subscription_id)
    first = await listed(DeliveryQuery(limit=2, state=DELIVERED))
    second = await listed(DeliveryQuery(limit=2, state=DELIVERED, cursor=first.next))
    pending = await listed(DeliveryQuery(state=PENDING))

    assert [[5, 4], [2, 1], [3]] == [[each.seq for each in page.items] for page in (first, second, pending)]
    assert (None, None) == (second.next, pending.next)


async def test_deliveries_that_are_over_are_removed_with_their_attempts(office, receiver):
    """When retention says so; what is pending stays."""
    receiver.answer = lambda message: 500 if message.data["seq"] == 3 else 200
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(3))
    await receiver.has(3)
    await office.quiet()
    office.clock.advance(1)
    await retention.prune(office.journal.store, office.clock.now())
    count = select(func.count()).select_from(schema.attempts)
    left = await office.journal.store.read(lambda connection: connection.execute(count).scalar_one())

    assert [PENDING] == await office.states(subscription_id)
    assert 1 == left


async def test_a_subscription_is_deleted_with_its_deliveries(office, receiver):
    """Also while one of them is under way."""
    release = asyncio.Event()

    async def slowly(_):
        await release.wait()
        return 200

    receiver.answer = slowly
    subscription_id = await office.subscribe(receiver.url)
    await office.journal.log.append(rings(3))
    await receiver.has(3)
    await office.desk.delete_subscription(LOCAL, subscription_id)
    release.set()
    await office.quiet()
    for table in (schema.subscriptions, schema.deliveries, schema.attempts):
        count = select(func.count()).select_from(table)
        assert 0 == await office.journal.store.read(lambda c, query=count: c.execute(query).scalar_one())
    assert [] == await office.journal.store.read(subscriptions.active)
