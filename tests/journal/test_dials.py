"""Dials in the journal: one try at a time, its end, its conversation, and whose call a vendor shows."""

import asyncio
import functools
import itertools
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from gateway_contracts import CallEvent, CallState, Direction, EventType
from sqlalchemy import func, insert, select

from gateway.journal import Log, dials, open_store
from gateway.journal.dials import Ending, Intent, Seen
from gateway.journal.schema import conversations, leases, links

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
NUMBER = "0899098899"
LATEST = timedelta(minutes=3)
_IDS = itertools.count(1)


def intent(after=0, **more):
    values = {
        "dial_id": f"dl_{next(_IDS)}",
        "account": "hanoi",
        "asked": "hanoi",
        "caller": "",
        "key": None,
        "fingerprint": "f",
        "request": "{}",
        "extension": "101",
        "number": NUMBER,
        "at": NOW + timedelta(seconds=after),
        "process": "p1",
    }
    return Intent(**{**values, **more})


def seen(after=0, **more):
    values = {
        "evidence": "record",
        "call_id": None,
        "record_id": f"r{next(_IDS)}",
        "extension": "101",
        "from_number": "101",
        "to_number": NUMBER,
        "started_at": NOW + timedelta(seconds=after),
    }
    return Seen(**{**values, **more})


def event(after=0, **more):
    at = NOW + timedelta(seconds=after)
    values = {
        "account": "hanoi",
        "event_id": f"e{next(_IDS)}",
        "type": EventType.RINGING,
        "call_id": "c1",
        "received_at": at,
        "occurred_at": at,
        "direction": Direction.OUTBOUND,
        "from_number": "101",
        "to_number": NUMBER,
        "extension": "101",
    }
    return CallEvent(**{**values, **more})


UNKNOWN = Ending(state="unknown", evidence="answer", error='{"code": "outcome_unknown"}')
NOT_PLACED = Ending(state="not_placed", evidence="answer", error='{"code": "agent_busy"}')


def placed(call_id=None):
    return Ending(state="placed", evidence="answer", call_id=call_id, answer="{}")


@pytest.fixture
def journal(store):
    """The statements, each in a transaction of its own."""

    class Statements:
        async def begin(self, wanted, lost='{"code": "lost"}'):
            return await store.write(lambda connection: dials.begin(connection, wanted, lost))

        async def dialled(self, ending=None, after=0, **more):
            """A dial that has begun, and ended where *ending* says how."""
            kept, new = await self.begin(intent(after, **more))
            assert new
            if ending is not None:
                assert await self.end(kept, ending, after=after + 1)
            return await self.read(kept.dial_id)

        async def end(self, kept, ending, after=1):
            now = NOW + timedelta(seconds=after)
            return await store.write(lambda c: dials.end(c, kept.dial_id, kept.sent_at, ending, now))

        async def move(self, kept, account, after=1):
            now = NOW + timedelta(seconds=after)
            return await store.write(lambda c: dials.move(c, kept.dial_id, kept.sent_at, account, now))

        async def read(self, dial_id):
            return await store.read(lambda connection: dials.read(connection, dial_id))

        async def settle(self, *calls, hopeless=()):
            tries = {(each.dial_id, each.sent_at) for each in hopeless}
            return await store.write(lambda c: dials.settle(c, "hanoi", calls, tries, LATEST, NOW))

        async def give_up(self):
            await store.write(lambda c: dials.give_up(c, ["hanoi"], '{"code": "lost"}', NOW))

        async def leave(self, process):
            await store.write(lambda c: dials.leave(c, process))

        async def count(self, table):
            return await store.read(lambda c: c.scalar(select(func.count()).select_from(table)))

        async def links(self, conversation_id):
            query = select(links.c.kind, links.c.value).where(links.c.conversation_id == conversation_id)
            return {tuple(row) for row in await store.read(lambda c: c.execute(query).all())}

    return Statements()


@pytest.fixture
async def log(store):
    log = Log(store)
    await log.start()
    return log


# One try at a time


async def test_a_dial_is_kept_as_it_was_asked(journal):
    """Under way, for this account and caller, at this time."""
    wanted = intent(key="k", caller="crm", asked="sales")
    kept, new = await journal.begin(wanted)

    assert (True, "in_progress", "hanoi", "sales", "crm", NOW) == (
        new,
        kept.state,
        kept.account,
        kept.asked,
        kept.caller,
        kept.sent_at,
    )
    assert kept == await journal.read(wanted.dial_id)


@pytest.mark.parametrize("ending", [None, placed("c1"), UNKNOWN])
async def test_a_key_that_may_have_rung_does_not_begin_again(journal, ending):
    """Whoever asks gets the dial that there is."""
    first = await journal.dialled(ending, key="k")
    again, new = await journal.begin(intent(9, key="k"))

    assert (False, first) == (new, again)


async def test_a_key_that_did_not_ring_begins_again_as_the_same_dial(journal):
    """With a time of its own, and nothing left of the first try."""
    first = await journal.dialled(NOT_PLACED, key="k", extension="101")
    again, new = await journal.begin(intent(0, key="k", account="saigon", process="p2"))

    assert (True, first.dial_id, "in_progress", None, None) == (
        new,
        again.dial_id,
        again.state,
        again.error,
        again.finished_at,
    )
    assert again.sent_at > first.sent_at
    assert ("saigon", "p2") == (again.account, again.process)


async def test_another_request_does_not_begin_with_the_key_of_one(journal):
    """Also when that did not ring."""
    first = await journal.dialled(NOT_PLACED, key="k")
    again, new = await journal.begin(intent(key="k", fingerprint="g"))

    assert (False, first) == (new, again)


async def test_one_of_many_processes_begins(url):
    """At the same time, on one database."""
    async with open_store(url) as one, open_store(url) as other:
        found = await asyncio.gather(
            *(
                store.write(functools.partial(dials.begin, intent=intent(key=f"k{key}"), lost="{}"))
                for key in range(10)
                for store in (one, other, one)
            )
        )

    assert 10 == sum(new for _, new in found)


@pytest.mark.parametrize("first", [None, NOT_PLACED])
async def test_a_try_whose_beginning_was_not_heard_of_is_undone(journal, store, first):
    """Also one that began an older dial again; what others began stays."""
    if first is not None:
        await journal.dialled(first, key="k")
    unheard, other = intent(5, key="k"), intent(5, key="l")
    kept, _ = await journal.begin(unheard)
    stays, _ = await journal.begin(other)
    await store.write(lambda c: dials.undo(c, unheard, NOT_PLACED, NOW))
    again, new = await journal.begin(intent(6, key="k"))
    await store.write(lambda c: dials.undo(c, unheard, NOT_PLACED, NOW))

    assert (True, kept.dial_id) == (new, again.dial_id)
    assert ["in_progress"] * 2 == [(await journal.read(each.dial_id)).state for each in (stays, again)]


@pytest.mark.parametrize("more", [{"caller": "crm"}, {"asked": "sales"}, {"key": "l"}, {"key": None}])
async def test_keys_of_others_are_other_keys(journal, more):
    """Of another caller, another account, or none."""
    await journal.dialled(placed(), key="k")
    _, new = await journal.begin(intent(**{"key": "k", **more}))

    assert new


async def test_what_an_older_try_finds_out_changes_nothing(journal):
    """Its end comes late: the dial has begun again since."""
    first = await journal.dialled(NOT_PLACED, key="k")
    again, _ = await journal.begin(intent(5, key="k"))

    assert not await journal.end(first, placed("c1"))
    assert await journal.move(first, "saigon") is None
    assert again == await journal.read(again.dial_id)


async def test_a_try_moves_on_to_the_next_account_only_while_it_is_under_way(journal):
    """A new time for each account; one that was given up does not go on."""
    kept, _ = await journal.begin(intent())
    moved = await journal.move(kept, "saigon")
    current = await journal.read(kept.dial_id)
    await journal.end(current, UNKNOWN)

    assert ("saigon", moved) == (current.account, current.sent_at)
    assert moved > kept.sent_at
    assert await journal.move(current, "hanoi") is None


async def test_the_vendors_answer_is_worth_more_than_what_was_made_of_its_absence(journal):
    """A process that passed for gone writes its end after all."""
    kept, _ = await journal.begin(intent())
    await journal.leave("p1")
    await journal.give_up()
    lost = await journal.read(kept.dial_id)
    await journal.end(kept, placed("c1"))
    found = await journal.read(kept.dial_id)

    assert ("unknown", None) == (lost.state, lost.evidence)
    assert ("placed", "c1", "answer", lost.conversation_id) == (
        found.state,
        found.call_id,
        found.evidence,
        found.conversation_id,
    )


async def test_a_dial_is_given_up_when_its_process_is_gone_and_not_before(journal, store):
    """A process that dials is alive for as long as it renews its lease; the old leases do not stay."""
    alive, gone = await journal.dialled(process="p1"), await journal.dialled(process="p2")
    await journal.leave("p2")
    await store.write(lambda c: c.execute(insert(leases), [{"name": "process:old", "holder": "old", "until": 1}]))
    await journal.give_up()
    kept = [(await journal.read(each.dial_id)).state for each in (alive, gone)]

    assert ["in_progress", "unknown"] == kept
    assert {"code": "lost"} == (await journal.read(gone.dial_id)).error
    assert 1 == await journal.count(leases)


async def test_a_key_whose_process_is_gone_is_unknown_for_who_asks_next(journal):
    """Nobody has to wait for the resolver."""
    await journal.dialled(key="k", process="p2")
    await journal.leave("p2")
    again, new = await journal.begin(intent(key="k"))

    assert (False, "unknown", {"code": "lost"}) == (new, again.state, again.error)


# Conversations


async def test_a_dial_is_linked_with_its_call(journal, log):
    """In a conversation that waits for the first event, which finds it by the id."""
    kept = await journal.dialled(placed("c1"))
    (ringing,) = await log.append([event(5)])

    assert {("dial_id", kept.dial_id), ("call_id", "c1")} == await journal.links(kept.conversation_id)
    assert kept.conversation_id == ringing.conversation_id


@pytest.mark.parametrize("ending", [placed("c1"), placed(), UNKNOWN])
async def test_a_dial_joins_the_conversation_of_events_that_came_first(journal, log, ending):
    """By the id, or by extension, number and time where there is none."""
    kept, _ = await journal.begin(intent())
    before, _ = await log.append([event(-60, call_id="c0"), event(1, call_id="c0", type=EventType.ANSWERED)])
    (ringing,) = await log.append([event(1, to_number="+84 899 098 899")])
    await journal.end(kept, ending)
    found = await journal.read(kept.dial_id)

    assert before.conversation_id != ringing.conversation_id == found.conversation_id
    assert ("c1" if ending.state == "placed" else None) == found.call_id
    assert 2 == await journal.count(conversations)


@pytest.mark.parametrize(
    "more",
    [
        {"extension": "102", "from_number": "102"},
        {"to_number": "0899098898"},
        {"direction": Direction.INBOUND, "from_number": NUMBER, "to_number": "101"},
        {"account": "saigon"},
    ],
)
async def test_a_dial_joins_no_other_call(journal, log, more):
    """Of another extension, number or account, or the other way round."""
    kept, _ = await journal.begin(intent())
    (other,) = await log.append([event(1, **more)])
    await journal.end(kept, UNKNOWN)

    assert other.conversation_id != (await journal.read(kept.dial_id)).conversation_id


async def test_two_dials_do_not_share_a_call(journal, log):
    """The second one of the same extension and number at the same time has a conversation of its own."""
    first, second = await journal.dialled(), await journal.dialled()
    await log.append([event(1)])
    for each in (first, second):
        await journal.end(each, UNKNOWN)
    found = {(await journal.read(each.dial_id)).conversation_id for each in (first, second)}

    assert 2 == len(found)


async def test_what_did_not_ring_has_no_conversation(journal, log):
    """The one it had while that was unknown goes, unless events are in it."""
    first = await journal.dialled(UNKNOWN)
    second = await journal.dialled(UNKNOWN, extension="102")
    await log.append([event(5, extension="102", from_number="102")])
    for each in (first, second):
        await journal.end(each, NOT_PLACED)

    assert [None, None] == [(await journal.read(each.dial_id)).conversation_id for each in (first, second)]
    assert 1 == await journal.count(conversations)


# Finding out


async def test_events_tell_of_a_dial(journal, log):
    """Whatever came first; nothing else needs to be looked at."""
    kept = await journal.dialled(UNKNOWN)
    await log.append([event(5)])

    assert {kept.dial_id: "placed"} == await journal.settle()
    found = await journal.read(kept.dial_id)
    assert ("event", "c1") == (found.evidence, found.call_id)


async def test_a_call_that_is_shown_is_linked(journal, log):
    """With its ids; events of it that come later are of the same conversation."""
    kept = await journal.dialled(UNKNOWN)
    await journal.settle(seen(1, call_id="c1", record_id="r1"))
    (ended,) = await log.append([event(9)])
    found = await journal.read(kept.dial_id)

    assert ("placed", "record", "c1") == (found.state, found.evidence, found.call_id)
    assert {("dial_id", kept.dial_id), ("call_id", "c1"), ("record_id", "r1")} == await journal.links(
        found.conversation_id
    )
    assert found.conversation_id == ended.conversation_id


async def test_a_call_whose_events_made_a_conversation_brings_the_dial_there(journal, log):
    """Two conversations were one: the dial's own, in which nothing is, goes."""
    kept = await journal.dialled(UNKNOWN)
    (ringing,) = await log.append([event(5, extension=None)])
    assert kept.conversation_id != ringing.conversation_id
    await journal.settle(seen(1, call_id="c1"))

    assert ringing.conversation_id == (await journal.read(kept.dial_id)).conversation_id
    assert 1 == await journal.count(conversations)


@pytest.mark.parametrize(
    "call",
    [
        seen(-121),
        seen(181),
        seen(extension="102", from_number="102"),
        seen(to_number="0899098898"),
        seen(to_number=None),
    ],
)
async def test_another_call_is_not_the_dials(journal, call):
    """Too early, too late, of somebody else."""
    kept = await journal.dialled(UNKNOWN)

    assert {} == await journal.settle(call)
    assert {kept.dial_id: "not_placed"} == await journal.settle(call, hopeless=[kept])
    assert "looked" == (await journal.read(kept.dial_id)).evidence


@pytest.mark.parametrize(
    ("first_at", "second_at", "call_at", "owner"),
    [(0, 60, 1, 0), (0, 60, 61, 1), (0, 60, 58, 1), (0, 10, 3, 0), (0, 0.06, 0.04, 0)],
)
@pytest.mark.parametrize("first_ends", [UNKNOWN, placed(), None])
async def test_a_call_belongs_to_the_nearest_dial_only(journal, first_at, second_at, call_at, owner, first_ends):
    """Where the vendor gives no ids; a placed dial has a call too, which another one cannot take."""
    both = [await journal.dialled(ending, after) for ending, after in ((first_ends, first_at), (UNKNOWN, second_at))]
    found = await journal.settle(seen(call_at))
    expected = {both[owner].dial_id} if owner == 1 or first_ends is UNKNOWN else set()

    assert expected == set(found)


async def test_each_of_two_dials_has_its_call(journal):
    """In whatever order they are shown; a call that was found once is nobody else's later."""
    first, second = await journal.dialled(UNKNOWN, 0), await journal.dialled(UNKNOWN, 20)
    calls = [seen(21, call_id="c2"), seen(1, call_id="c1")]
    await journal.settle(*calls)
    third = await journal.dialled(UNKNOWN, 40)

    assert ["c1", "c2"] == [(await journal.read(each.dial_id)).call_id for each in (first, second)]
    assert {} == await journal.settle(*calls)
    assert {third.dial_id: "placed"} == await journal.settle(*calls, seen(90, call_id="c3"))


async def test_a_call_without_an_id_that_was_found_once_is_nobody_elses(journal):
    """Its record is linked, so it stays the first one's, however near another dial is."""
    first = await journal.dialled(UNKNOWN, 0)
    row = seen(30)
    assert {first.dial_id: "placed"} == await journal.settle(row)
    second = await journal.dialled(UNKNOWN, 31)

    assert {} == await journal.settle(row)
    assert {second.dial_id: "not_placed"} == await journal.settle(row, hopeless=[second])


async def test_a_dial_whose_call_is_known_takes_no_other(journal):
    """However near it is in time: here an agent's two calls of one customer, the first one's id was told."""
    await journal.dialled(placed("c1"), 0)
    second = await journal.dialled(UNKNOWN, 9)

    assert {second.dial_id: "placed"} == await journal.settle(seen(2, call_id="c2"))


async def test_a_live_call_and_its_record_are_one(journal):
    """A call that ends between two looks at the vendor is not two."""
    first, second = await journal.dialled(UNKNOWN, 0), await journal.dialled(UNKNOWN, 5)
    live = attrs.evolve(seen(1, call_id="c1"), evidence="live_call", record_id=None)

    assert {first.dial_id: "placed"} == await journal.settle(live, seen(1, call_id="c1"))
    assert "live_call" == (await journal.read(first.dial_id)).evidence
    assert "unknown" == (await journal.read(second.dial_id)).state


async def test_a_dial_that_began_again_is_not_ended_by_an_older_look(journal):
    """What was hopeless was the try before."""
    first = await journal.dialled(UNKNOWN, key="k")
    await journal.settle(hopeless=[first])
    again, _ = await journal.begin(intent(5, key="k"))
    await journal.end(again, UNKNOWN)

    assert {} == await journal.settle(hopeless=[first])


async def test_the_state_of_a_dials_conversation_is_dialing(journal, store):
    """Until an event moves it on."""
    kept = await journal.dialled(placed("c1"))
    query = select(conversations.c.state, conversations.c.to_number).where(
        conversations.c.conversation_id == kept.conversation_id
    )

    assert (CallState.DIALING, NUMBER) == tuple(await store.read(lambda c: c.execute(query).one()))
