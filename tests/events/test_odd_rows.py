"""Rows of records that cannot be read or taken: in quarantine, once, before the watermark passes them."""

import itertools
import json
from datetime import timedelta

import attrs
import pytest
from gateway_contracts import EventType
from sqlalchemy import select

from gateway.events.reconciler import LONGEST, Reconciler
from gateway.journal import accounting
from gateway.journal.reading import EventSelection
from gateway.journal.schema import quarantine
from tests.events.simulated_world import world_of

TOLD = [EventType.ENDED, EventType.RECORD_CREATED, EventType.RECORDING_READY]


@pytest.fixture
async def world(url, tmp_path):
    """A TEL4VN v1 of which nothing is heard, on either database."""
    async with world_of("tel4vn-v1", tmp_path, url=url, drop_rate=1.0) as world:
        yield world


async def kept(world):
    """What is in quarantine: account, reason and body."""
    columns = quarantine.c.account, quarantine.c.reason, quarantine.c.body
    query = select(*columns).order_by(quarantine.c.id)
    found = await world.journal.store.read(lambda connection: connection.execute(query).all())
    return [(account, reason, json.loads(body)) for account, reason, body in found]


async def told(world):
    """The events of each record, by its id."""
    found = {}
    for event in (await world.known()).events:
        found.setdefault(event.call_id, []).append(event.type)
    return found


def add(world, record_id, ago, **odd):
    """A call that ended *ago* seconds, of which nobody heard, with what is *odd* in its record."""
    started = world.now - timedelta(seconds=ago + 11)
    world.pbx.add_record(id=record_id, time_started=started, to_number=f"089988{ago:04}")
    world.pbx.change_record(record_id, **odd)


NO_ROW = [{"id": ""}, {"id": ["x"]}, {"time_started": "-", "time_answered": "-", "time_ended": "0000-00-00 00:00:00"}]


@pytest.mark.parametrize("odd", NO_ROW)
async def test_a_row_that_cannot_be_read_is_in_quarantine_once(world, odd):
    """As the vendor sent it, however many passes read it; the others are taken, and the watermark moves."""
    counted = []
    world.reconciler.on_quarantine = counted.append
    for number in range(5):
        add(world, f"r{number}", 300 + number)
    world.pbx.change_record("r2", **odd)
    row = dict(world.pbx._records.find("r2"))  # as it is shown

    marks = []
    for _ in range(3):
        await world.look()
        marks.append(world.watermark)
        await world.advance(60)

    assert [("hanoi", "unreadable_row", row)] == await kept(world)
    assert [1] == counted
    assert {f"r{number}": TOLD for number in (0, 1, 3, 4)} == await told(world)
    assert [timedelta(seconds=60)] * 2 == [later - before for before, later in itertools.pairwise(marks)]
    assert (0, []) == (world.failed, world.problems)


async def test_the_quarantine_comes_before_the_watermark(world, monkeypatch):
    """Where it cannot be written the watermark stays, and the next pass begins anew."""
    add(world, "r0", 300)
    add(world, "r1", 301, id="")

    async def fail(*_, **__):
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(type(world.journal), "quarantine_rows", fail)
        await world.look()
    assert (1, None, []) == (world.failed, world.watermark, await kept(world))

    await world.look()

    assert world.watermark is not None
    assert 1 == len(await kept(world))


ODD_FIELDS = [
    {"duration": -1_742_000_000},
    {"duration": 2**31 + 5},
    {"duration": 2**63},
    {"billsec": "n/a"},
    {"time_answered": "0000-00-00 00:00:00"},
    {"time_ended": "9999-12-31 23:59:59"},
    {"time_ended": "2090-01-01 00:00:00"},
    {"time_ended": "N/A", "duration": 2_000_000_000},
    {"time_ended": "-", "duration": 300_000_000},
    {"time_started": "0001-01-01 00:00:00"},
    {"time_started": "1971-01-01 00:00:00"},
    {"cause": "\ud83d"},
    {"sip_call_id": 77},
]


@pytest.mark.parametrize("odd", ODD_FIELDS)
async def test_a_record_with_an_odd_field_is_taken(world, odd):
    """On either database, at once; nothing is in quarantine, and the call has its end and its record."""
    add(world, "good", 300)
    add(world, "odd", 400, **odd)

    await world.look()
    await world.advance(60)
    await world.look()

    assert {"good": TOLD, "odd": TOLD} == await told(world)
    assert ([], 0, []) == (await kept(world), world.failed, world.problems)
    assert world.watermark > world.now - timedelta(seconds=120)


@pytest.mark.parametrize("error", [OverflowError, ValueError, TypeError, KeyError])
async def test_a_record_that_the_journal_cannot_take_is_in_quarantine(world, monkeypatch, error):
    """With the reason, once; the others of its page are taken."""
    for number in range(7):
        add(world, f"r{number}", 300 + number)
    take = accounting._take_record

    def refuse(known, record, *more):
        if record.record_id == "r3":
            raise error
        return take(known, record, *more)

    monkeypatch.setattr(accounting, "_take_record", refuse)
    for _ in range(2):
        await world.look()
        await world.advance(60)

    assert [("hanoi", f"refused_row:{error.__name__}", "r3")] == [
        (account, reason, body["id"].strip()) for account, reason, body in await kept(world)
    ]
    assert {f"r{number}" for number in range(7) if number != 3} == set(await told(world))
    assert (0, True) == (world.failed, world.watermark is not None)


async def test_a_plugins_record_that_is_none_is_in_quarantine(running):
    """What a third party's adapter gives is not always what it should be."""
    async with running() as (gateway, _):
        journal, adapter = await gateway.journal.get(), gateway["hanoi"].adapter
        now = adapter.clock()
        for number in range(3):
            adapter.add_record(
                started_at=now - timedelta(seconds=300 + number),
                seconds=9,
                extension="101",
                number=f"089988{number:04}",
            )
        odd = next(iter(adapter._records))
        adapter._records[odd] = attrs.evolve(adapter._records[odd], from_number=101, raw=None)

        progress = await Reconciler(gateway["hanoi"], journal, 60).make_pass()

        found = await journal.store.read(lambda c: c.execute(select(quarantine.c.reason, quarantine.c.body)).all())
        events, _ = await journal.log.after(0, EventSelection(), limit=9)

    assert progress.watermark is not None
    assert [("refused_row:TypeError", odd)] == [(reason, json.loads(body)["record_id"]) for reason, body in found]
    assert 6 == len(events)


async def test_an_event_that_began_long_ago_does_not_make_all_records_be_read(world):
    """As far back as a call may be of which nothing was heard."""
    world.pbx.behaviour.webhook_faults.drop_rate = 0
    await world.look()
    call = world.begin("outbound", "0899888999", "111", [])
    await world.heard()
    await world.pbx.hang_up(call.call_id)
    world.pbx.behaviour.webhook_faults.drop_rate = 1.0
    reconciler = world.reconciler
    (conversation,) = (await world.known()).conversations.values()
    odd = attrs.evolve(conversation, started_at=world.now - timedelta(days=9000))
    before = [accounting.OpenConversation(odd, live=False)]
    progress = await reconciler._progress(world.now)

    since = reconciler._since(progress, before, world.now, live_known=True, deep=False)

    assert since > world.now - LONGEST - timedelta(hours=2)
