"""The simulators' ground truth against the journal: the same calls with the same ends, whatever befell events."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from gateway_contracts import CallState, EventSource, EventType, Outcome
from gateway_simulators import Fault

from gateway import Gateway
from gateway.events.reconciler import FIRST_LOOK, Reconciler
from tests.events.simulated_world import live, world_of

NUMBER = "0899888999"
RECONCILED = EventSource.RECONCILED

WAYS = {
    "tel4vn-v1, dropped": ("tel4vn-v1", {"drop_rate": 0.2}, {"fail": 0.1}),
    "tel4vn-v1, all dropped": ("tel4vn-v1", {"drop_rate": 1.0, "filed_after": 45}, {}),
    "tel4vn-v1, delayed": ("tel4vn-v1", {"delay_seconds": 150}, {}),
    "tel4vn-v2, doubled, reordered and dropped": (
        "tel4vn-v2",
        {"drop_rate": 0.2, "duplicate": True, "reorder": True, "delay_seconds": 40},
        {"again": 150},  # out of order, without times, and with two ids: two queue calls of one customer look alike
    ),
    "antbuddy, cut": ("antbuddy", {"filed_after": 45}, {"cut_every": 60, "fail": 0.1}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_the_journal_is_as_things_were(way, tmp_path):
    """No call is open, none has two ends or conversations, and the watermark was never past a missing one."""
    vendor, faults, day = WAYS[way]
    async with world_of(vendor, tmp_path, **faults) as world:
        await live(world, calls=25, longest=1200, **day)
        assert [] == await world.differences()
        assert bool(world.failed) == ("fail" in day)


@pytest.fixture
async def world(tmp_path):
    """A TEL4VN v1 of which nothing is heard unless a test says so."""
    async with world_of("tel4vn-v1", tmp_path, drop_rate=1.0) as world:
        yield world


async def told(world):
    """What the journal tells of each call, in order: type and source."""
    return [(event.type, event.source) for event in (await world.known()).events]


async def conversation(world):
    (found,) = (await world.known()).conversations.values()
    return found


async def test_a_live_call_that_nobody_told_of_rings(world):
    """Not at once, as its events may be under way; then once, and its record ends it."""
    call = world.begin("outbound", NUMBER, "111", [])
    await world.advance(30)
    await world.look()
    assert [] == await told(world)

    for _ in range(2):
        await world.advance(60)
        await world.look()
    assert [(EventType.RINGING, RECONCILED)] == await told(world)

    await world.pbx.hang_up(call.call_id, "USER_BUSY")
    await world.advance(61)
    await world.look()
    assert [EventType.RINGING, EventType.ENDED, EventType.RECORD_CREATED] == [kind for kind, _ in await told(world)]
    found = await conversation(world)
    assert (Outcome.BUSY, "reconciled", call.ended_at) == (found.outcome, found.end_source, found.ended_at)


async def test_a_vendors_late_end_informs_only(world):
    """What comes after a reconciled end and record is kept as unknown, and late."""
    world.pbx.behaviour.webhook_faults.drop_rate = 0
    world.pbx.behaviour.webhook_faults.delay_seconds = 300
    call = world.begin("outbound", NUMBER, "111", [])
    await world.advance(5)
    await world.pbx.answer(call.call_id)
    await world.advance(5)
    await world.pbx.hang_up(call.call_id)
    await world.advance(120)
    await world.look()
    await world.advance(300)

    found = (await world.known()).events
    expected = [EventType.ENDED, EventType.RECORD_CREATED, EventType.RECORDING_READY]
    assert expected == [each.type for each in found if each.source is RECONCILED]
    late = [(each.raw["state"], each.type, each.late) for each in found if each.source is not RECONCILED]
    assert [("hangup", EventType.UNKNOWN, True), *[("cdr", EventType.UNKNOWN, True)] * 2] == [
        each for each in late if each[0] in {"hangup", "cdr"}
    ]
    assert ("ringing", EventType.RINGING, True) in late
    assert [] == [each for each in await world.differences() if "watermark" not in each]


async def test_a_call_without_end_or_record_is_given_up_and_its_late_record_informs_only(world):
    """The watermark waits for it; then it is ended, nobody knows how, until its record says so."""
    world.pbx.behaviour.record_delay_seconds = 1800
    call = world.begin("outbound", NUMBER, "111", [])
    await world.advance(90)
    await world.look()
    await world.pbx.hang_up(call.call_id)
    for _ in range(5):
        await world.advance(60)
        await world.look()
        assert world.watermark <= call.created_at
    await world.advance(60)
    await world.look()
    found = await conversation(world)
    assert (CallState.ENDED, Outcome.UNKNOWN) == (found.state, found.outcome)

    await world.advance(60)
    await world.look()
    assert world.watermark > call.ended_at
    await world.advance(1800)
    await world.look()

    assert [EventType.RINGING, EventType.ENDED, EventType.RECORD_CREATED] == [kind for kind, _ in await told(world)]
    assert Outcome.CANCELLED == (await conversation(world)).outcome


async def test_a_recording_is_told_of_once_whenever_it_comes(world):
    """With its record, or later; and with the vendor's word for how the call ended."""
    rows = [
        world.pbx.add_record(time_started=world.now - timedelta(minutes=age), recording_url=url, duration=60)
        for age, url in ((5, "https://recording.demo/x"), (6, ""))
    ]
    for url in ("", "https://recording.demo/y", "https://recording.demo/y"):
        rows[1]["recording_url"] = url
        await world.look()
        await world.advance(900)  # until it reads further back

    found = (await world.known()).events
    ready = [each for each in found if each.type is EventType.RECORDING_READY]
    assert [row["id"].strip() for row in rows] == [each.call_id for each in ready]
    assert {(RECONCILED, "ANSWERED", None)} == {(each.source, each.vendor_status, each.occurred_at) for each in ready}
    assert 2 == sum(each.type is EventType.RECORD_CREATED for each in found)
    assert 2 == len({each.conversation_id for each in found})


async def test_a_recording_that_the_vendor_told_of_is_not_told_again(world):
    """The reconciler finds it in the record, and knows it."""
    world.pbx.behaviour.webhook_faults.drop_rate = 0
    call = world.begin("outbound", NUMBER, "111", [])
    await world.advance(5)
    await world.pbx.answer(call.call_id)
    await world.pbx.hang_up(call.call_id)
    await world.heard()
    await world.advance(300)
    await world.look()

    ready = [each.source for each in (await world.known()).events if each.type is EventType.RECORDING_READY]
    assert [EventSource.VENDOR] == ready


async def test_an_account_that_cannot_be_asked_is_left_alone(tmp_path, caplog):
    """One that has a reseller's secret only is neither asked nor complained of again and again."""
    settings = {"base_url": "http://127.0.0.1:9", "tenant_secret": "t"}
    config = {
        "accounts": {"hanoi": {"vendor": "tel4vn-v1", "settings": settings}},
        "journal": {"url": f"sqlite:///{tmp_path}/gateway.db"},
    }
    async with Gateway.from_config(config) as gateway:
        reconciler = Reconciler(gateway["hanoi"], await gateway.journal.get(), 0.0)

        await reconciler.run()

    assert 1 == caplog.text.count("reconciler.stopped")
    assert "reconciler.failed" not in caplog.text


async def test_a_new_journal_begins_a_day_ago(world):
    """A customer's whole history is not read; what ended since yesterday is."""
    old = world.now - FIRST_LOOK - timedelta(minutes=1)
    for ended in (old, old + timedelta(minutes=2)):
        world.pbx.add_record(time_started=ended - timedelta(minutes=5), time_ended=ended)

    await world.look()

    assert 1 == len((await world.known()).conversations)


async def test_the_watermark_stays_while_the_vendor_fails(world):
    """Whatever it is that fails; the next pass makes up for it."""
    await world.look()
    before = world.watermark
    for path in ("/v1/cdr", "/v1/call"):
        world.pbx.faults.add(Fault(path, kind="html"))
        await world.advance(60)
        await world.look()
        assert (before, world.failed) == (world.watermark, 1)
        world.failed = 0

    await world.look()

    assert before + timedelta(seconds=120) == world.watermark


async def test_it_looks_at_once_and_when_it_is_woken(world):
    """And no sooner than it was told."""
    world.reconciler.seconds = 10**6
    task = asyncio.ensure_future(world.reconciler.run())
    lists = [0]

    def looked():
        return sum(request.path == "/v1/cdr" for request in world.pbx.requests) > lists[0]

    await world.pbx.until(looked)
    for _ in range(2):
        lists[0] = sum(request.path == "/v1/cdr" for request in world.pbx.requests)
        world.reconciler.wake()
        await world.pbx.until(looked)
    task.cancel()
    await asyncio.wait([task])


async def test_silence_is_noticed_and_over_when_events_come(world):
    """A live call that began after the last event, and of which none came, is what shows it."""
    world.reconciler.last_event_at = lambda: heard[0]
    heard = [world.now]
    await world.advance(1)
    world.begin("outbound", NUMBER, "111", [])
    await world.advance(179)
    assert (await world.reconciler.make_pass()).silent_since is None
    await world.advance(1)
    began = (await world.reconciler.make_pass()).silent_since
    assert began is not None
    heard[0] = world.now
    assert (await world.reconciler.make_pass()).silent_since is None


async def test_silence_is_not_told_of_who_cannot_speak(world, tmp_path, caplog):
    """A vendor without events, or one whose events need a setting that is missing: that is how it is configured."""
    world.begin("outbound", NUMBER, "111", [])
    await world.advance(600)
    world.reconciler.sends_events = lambda: False
    mute = await world.reconciler.make_pass()
    config = {"accounts": {"m": {"vendor": "memory"}}, "journal": {"url": f"sqlite:///{tmp_path}/other.db"}}
    async with Gateway.from_config(config) as gateway:
        gateway["m"].adapter.clock = lambda: datetime.now(UTC) - timedelta(minutes=10)
        await gateway["m"].click_to_call.start_call(extension="101", number=NUMBER)
        eventless = await Reconciler(gateway["m"], await gateway.journal.get(), 60).make_pass()

    assert (None, None) == (mute.silent_since, eventless.silent_since)
    assert "events.silent" not in caplog.text


async def test_events_that_are_under_way_are_waited_for(world):
    """A record may be faster than the webhooks of its call; within a minute nothing is said in their place."""
    world.pbx.behaviour.webhook_faults.drop_rate = 0
    world.pbx.behaviour.webhook_faults.delay_seconds = 50
    call = world.begin("outbound", NUMBER, "111", [])
    await world.advance(20)
    await world.pbx.hang_up(call.call_id)
    for _ in range(3):
        await world.advance(25)
        await world.look()

    assert [EventSource.VENDOR] * 3 == [source for _, source in await told(world)]


async def test_a_long_call_is_ended_when_its_record_is_there(world):
    """Its record lies where it began, long before what a pass reads otherwise."""
    call = world.begin("outbound", NUMBER, "111", [])
    for _ in range(10):
        await world.advance(60)
        await world.look()
    await world.pbx.hang_up(call.call_id)
    await world.advance(61)
    await world.look()

    assert EventType.ENDED in [kind for kind, _ in await told(world)]


async def test_a_call_between_two_looks_is_found_however_long_that_is(world):
    """It was never seen live and never heard, and began long before the watermark of the look after it."""
    world.pbx.behaviour.record_delay_seconds = 45
    await world.look()
    await world.advance(60)
    call = world.begin("outbound", NUMBER, "111", [])
    await world.advance(510)
    await world.pbx.hang_up(call.call_id)
    for seconds in (30, 60, 60, 60):
        await world.advance(seconds)
        await world.look()

    assert [] == await world.differences()


async def test_a_call_that_nobody_heard_does_not_join_the_one_before_it(world):
    """The same customer called twice; the first has its own record, found by its id."""
    faults = world.pbx.behaviour.webhook_faults
    faults.drop_rate, faults.drop = 0, {"cdr"}
    for _ in range(2):
        call = world.begin("inbound", NUMBER, "111", [])
        await world.advance(20)
        await world.pbx.hang_up(call.call_id)
        await world.advance(10)
        faults.drop_rate = 1
    await world.advance(240)
    await world.look()

    assert 2 == len((await world.known()).conversations)
