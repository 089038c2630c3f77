"""Reconciliation on either database: the same conversations, and each one's timeline."""

import functools
from datetime import UTC, datetime, timedelta

from gateway_contracts import CallEvent, CallState, EventType

from gateway.journal import Wanted
from gateway.journal.timelines import read_timeline
from gateway.reconciling import Reconciler
from tests.vendors.truth import live, world_of


async def test_reconciliation_is_the_same_on_every_database(url, tmp_path):
    """All of a small day, of which half was not heard; every id of a call leads to its timeline."""
    async with world_of("tel4vn-v1", tmp_path, url=url, drop_rate=0.5) as world:
        await live(world, calls=12, longest=600)
        assert [] == await world.differences()

        for call in world.truth:
            for _, value in world.ids_of(call):
                work = functools.partial(read_timeline, wanted=value, account="hanoi")
                found = await world.journal.store.read(work)
                if found is not None:
                    assert CallState.ENDED is found.state
                    assert call.number in {found.from_number, found.to_number}
                    assert found.links
                    assert found.events


async def test_one_call_has_one_id_whichever_way_the_vendor_tells_it(running, session):
    """In the answer, by webhook, live and in the record, control characters or not; and whoever asks with them finds
    it.
    """
    now = datetime.now(UTC)
    async with running() as (gateway, address):
        journal, adapter = await gateway.journal.get(), gateway["hanoi"].adapter
        reconciler = Reconciler(gateway["hanoi"], journal, 60)
        adapter._ids = iter(["\x00\x1b1"])
        adapter.clock = lambda: now - timedelta(minutes=10)
        call = await gateway["hanoi"].click_to_call.start_call(extension="101", number="0899098899")
        hostile = next(iter(adapter.calls))
        event = CallEvent(
            account="hanoi", event_id="e\0", type=EventType.ANSWERED, call_id=hostile, received_at=adapter.clock()
        )
        await journal.log.append([event])
        await reconciler.make_pass()
        adapter.clock = lambda: now - timedelta(minutes=5)
        adapter.end_call(hostile)
        await reconciler.make_pass()
        found, _ = await journal.log.after(0, Wanted(), limit=10)
        dial = await gateway["hanoi"].dial(call.dial_id)
        statuses = []
        for path in ("conversations/call-%00%1B1?account=hanoi", "conversations/%00?account=%00"):
            async with session.get(f"{address}/v1/{path}") as answer:
                statuses.append(answer.status)
        for path in ("conversations/%00", "accounts/hanoi/dials/%00", "subscriptions/%00"):
            async with session.get(f"{address}/v1/{path}") as answer:
                statuses.append(answer.status)

    assert ["call.answered", "call.ended", "record.created"] == [each.type for each in found]
    assert {"call-1"} == {call.call_id, dial.call_id, *(each.call_id for each in found)}
    assert {dial.conversation_id} == {each.conversation_id for each in found}
    assert [200, 404, 404, 404, 404] == statuses
