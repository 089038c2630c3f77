"""Reconciliation on either database: the same conversations, and each one's timeline."""

import functools
from datetime import UTC, datetime, timedelta

from gateway_contracts import CallEvent, CallState, EventType

from gateway.events.reconciler import Reconciler
from gateway.journal import reading
from gateway.journal.reading import EventSelection
from gateway.journal.timelines import read_timeline
from gateway.keys import hash_of
from tests.events.simulated_world import live, world_of
from tests.webhooks.receiving import receiving


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
        found, _ = await journal.log.after(0, EventSelection(), limit=10)
        dial = await gateway["hanoi"].dial(call.dial_id)
        statuses = []
        for path in ("conversations/call-%00%1B1?account=hanoi", "conversations/%00?account=%00"):
            async with session.get(f"{address}/v1/{path}") as answer:
                statuses.append(answer.status)
        for path in ("conversations/%00", "accounts/hanoi/dials/%00", "subscriptions/%00"):
            async with session.get(f"{address}/v1/{path}") as answer:
                statuses.append(answer.status)

    assert ["call.answered", "call.ended", "record.created", "recording.ready"] == [each.type for each in found]
    assert {"call-1"} == {call.call_id, dial.call_id, *(each.call_id for each in found)}
    assert {dial.conversation_id} == {each.conversation_id for each in found}
    assert [200, 404, 404, 404, 404] == statuses


SCOPES = {"crm": ["calls", "events"], "other": ["calls", "events"], "boss": ["admin", "calls", "events"]}
KEYS = [{"name": name, "sha256": hash_of(name), "scopes": scopes} for name, scopes in SCOPES.items()]


def bearing(key):
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_sees_its_own_dials_and_deliveries_in_a_conversation(running, session):
    """Of others it is not told, though the conversation is of an account of both; who may administer sees all. What the
    vendor answered comes when it is asked for.
    """

    async def shown(key, query=""):
        path = f"{address}/v1/conversations/{started['call_id']}?account=hanoi{query}"
        async with session.get(path, headers=bearing(key)) as answer:
            return await answer.json()

    async with running(keys=KEYS, webhook_hosts=["127.0.0.1"]) as (gateway, address), receiving() as receiver:
        own = {}
        for key in ("crm", "other"):
            body = {"url": receiver.url}
            async with session.post(f"{address}/v1/subscriptions", json=body, headers=bearing(key)) as answer:
                own[key] = (await answer.json())["subscription_id"]
        body = {"extension": "101", "number": "0899098899"}
        async with session.post(f"{address}/v1/accounts/hanoi/calls", json=body, headers=bearing("crm")) as answer:
            started = await answer.json()
        rings = CallEvent(
            account="hanoi",
            event_id="e",
            type=EventType.RINGING,
            call_id=started["call_id"],
            received_at=datetime.now(UTC),
            raw={"state": "ringing"},
        )
        await (await gateway.journal.get()).log.append([rings])
        await receiver.has(2)
        crm, other, boss = [await shown(key) for key in ("crm", "other", "boss")]
        raw = await shown("crm", "&raw=1")

    def parts(told):
        return (
            [each["dial_id"] for each in told["dials"]],
            [each["value"] for each in told["links"] if each["kind"] == "dial_id"],
            {each["subscription_id"] for each in told["deliveries"]},
        )

    dial = [started["dial_id"]]
    assert (dial, dial, {own["crm"]}) == parts(crm)
    assert ([], [], {own["other"]}) == parts(other)
    assert (dial, dial, set(own.values())) == parts(boss)
    assert ["e"] == [each["event_id"] for each in other["events"]]
    assert "raw" not in crm["dials"][0]["answer"]
    assert "raw" not in crm["events"][0]
    assert ({"call": started["call_id"]}, {"state": "ringing"}) == (
        raw["dials"][0]["answer"]["raw"],
        raw["events"][0]["raw"],
    )


async def test_a_conversation_is_never_large(running, session, monkeypatch):
    """As pages of events are not: with the vendor's own it has fewer of its events."""
    monkeypatch.setattr(reading, "MAX_CHARACTERS", 10_000)
    now = datetime.now(UTC)
    told = [
        CallEvent(
            account="hanoi", event_id=f"e{n}", type=EventType.UNKNOWN, call_id="c", received_at=now, raw="x" * 4_000
        )
        for n in range(6)
    ]
    async with running() as (gateway, address):
        await (await gateway.journal.get()).log.append(told)
        found = []
        for query in ("", "&raw=1"):
            async with session.get(f"{address}/v1/conversations/c?account=hanoi{query}") as answer:
                found.append(len((await answer.json())["events"]))

    assert [6, 3] == found
