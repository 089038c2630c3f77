"""Dials in the journal: one try at a time, its end, its conversation, and whose call a vendor shows."""

import asyncio
import functools
import itertools
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from gateway_contracts import CallEvent, CallState, Direction, EventSource, EventType
from sqlalchemy import func, insert, select, update

from gateway.journal import dials, schema
from gateway.journal.dials import Ending, Intent, Seen
from gateway.journal.log import EventLog
from gateway.journal.schema import conversations, leases, links
from gateway.journal.store import open_store

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
NUMBER = "0899098899"
LATEST = timedelta(minutes=3)
FAR_ENDS = {"hanoi": "here", "saigon": "there"}
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
        "far_end": "here",
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
            return await store.write(lambda connection: dials.begin(connection, wanted, lost, FAR_ENDS))

        async def dialled(self, ending=None, after=0, **more):
            """A dial that has begun, and ended where *ending* says how."""
            kept, new = await self.begin(intent(after, **more))
            assert new
            if ending is not None:
                assert await self.end(kept, ending, after=after + 1)
            return await self.read(kept.dial_id)

        async def end(self, kept, ending, after=1):
            now = NOW + timedelta(seconds=after)
            return await store.write(lambda c: dials.end(c, kept.dial_id, kept.tried_at, ending, now))

        async def move(self, kept, account, after=1):
            now = NOW + timedelta(seconds=after)
            return await store.write(lambda c: dials.move(c, kept.dial_id, kept.tried_at, account, now))

        async def read(self, dial_id):
            return await store.read(lambda connection: dials.read(connection, dial_id))

        async def settle(self, *calls, over=(), far_end="here"):
            tries = {(each.dial_id, each.tried_at) for each in over}
            wanted = await self.wanted(far_end)
            return await store.write(lambda c: dials.settle(c, "hanoi", wanted, calls, LATEST, NOW, over=tries))

        async def wanted(self, far_end="here"):
            return await store.read(lambda c: dials.to_look_for(c, "hanoi", far_end, NOW - timedelta(days=1)))

        async def state(self, kept, state="not_placed", after=600):
            said = dials.StoredStatement(
                state=state, note="the agent says so", caller="ops", stated_at=NOW + timedelta(seconds=after)
            )
            statement = functools.partial(dials.make_statement, wait=timedelta(seconds=120), lost="{}")
            found, refused, left = await store.write(lambda c: statement(c, kept.dial_id, said, far_ends=FAR_ENDS))
            return found and found.state, refused, left

        async def history(self, kept):
            return await store.read(lambda c: dials.history(c, kept.dial_id))

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
    log = EventLog(store)
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
        kept.tried_at,
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
    assert again.tried_at > first.tried_at
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
                store.write(functools.partial(dials.begin, intent=intent(key=f"k{key}"), lost="{}", far_ends=FAR_ENDS))
                for key in range(10)
                for store in (one, other, one)
            )
        )

    assert 10 == sum(new for _, new in found)


@pytest.mark.parametrize("first", [None, NOT_PLACED])
async def test_a_try_whose_beginning_was_not_heard_of_is_undone(journal, store, first):
    """Also one that began an older dial again, with a clock that stepped back; what others began stays."""
    if first is not None:
        await journal.dialled(first, key="k")
    kept, _ = await journal.begin(intent(-5, key="k"))
    stays, _ = await journal.begin(intent(5, key="l"))
    await store.write(lambda c: dials.undo(c, [kept], NOT_PLACED, NOW))
    again, new = await journal.begin(intent(6, key="k"))
    await store.write(lambda c: dials.undo(c, [kept], NOT_PLACED, NOW))
    await store.write(lambda c: dials.undo(c, [], NOT_PLACED, NOW))

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

    assert ("saigon", moved) == (current.account, current.tried_at)
    assert moved > kept.tried_at
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
        attrs.evolve(seen(), started_at=None),
    ],
)
async def test_another_call_is_not_the_dials(journal, call):
    """Too early, too late, of somebody else."""
    kept = await journal.dialled(UNKNOWN)

    assert {} == await journal.settle(call)
    assert ("unknown", None) == ((found := await journal.read(kept.dial_id)).state, found.resolution)


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
    assert {second.dial_id: "not_found"} == await journal.settle(row, over=[second])


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


async def test_what_is_not_found_stays_unknown(journal):
    """Looking ends, and proves nothing: the key stays spent, and only what shows the call changes the dial."""
    kept = await journal.dialled(UNKNOWN, key="k")
    assert {kept.dial_id: "not_found"} == await journal.settle(over=[kept])
    found = await journal.read(kept.dial_id)
    again, new = await journal.begin(intent(900, key="k"))

    assert ("unknown", "not_found", None) == (found.state, found.resolution, found.evidence)
    assert (False, found) == (new, again)
    assert [] == await journal.wanted()


async def test_an_event_that_comes_when_looking_is_over_tells_of_the_dial(journal, log):
    """Its key is told what became of it."""
    kept = await journal.dialled(UNKNOWN, key="k")
    await journal.settle(over=[kept])
    await log.append([event(100)])
    again, new = await journal.begin(intent(900, key="k"))

    assert (False, "placed", "event", "c1") == (new, again.state, again.evidence, again.call_id)


@pytest.mark.parametrize("kind", [EventType.ENDED, EventType.RINGING])
async def test_an_event_that_we_made_up_proves_no_ring(journal, log, kind):
    """The reconciler ends a conversation of which nothing is seen: that is no sign of a call."""
    kept = await journal.dialled(UNKNOWN)
    await log.append([event(5, type=kind, call_id=None, source=EventSource.RECONCILED)])

    assert {} == await journal.settle()
    assert "unknown" == (await journal.read(kept.dial_id)).state


@pytest.mark.parametrize("spelled", ['"k"', "k"])
@pytest.mark.parametrize("first", [placed("c1"), UNKNOWN])
async def test_of_two_spellings_of_a_key_the_one_that_may_have_rung_answers(journal, store, spelled, first):
    """An older journal may hold both."""
    other = {'"k"': "k", "k": '"k"'}[spelled]
    rang, _ = await journal.begin(intent(key="1"))
    await journal.end(rang, first)
    quiet, _ = await journal.begin(intent(key="2"))
    await journal.end(quiet, NOT_PLACED)
    for kept, key in ((rang, spelled), (quiet, other)):
        spell = update(schema.dials).where(schema.dials.c.dial_id == kept.dial_id).values(idempotency_key=key)
        await store.write(lambda c, spell=spell: c.execute(spell).rowcount)
    again, new = await journal.begin(intent(9, key="k"))

    assert (False, rang.dial_id) == (new, again.dial_id)


async def test_a_key_in_quotes_that_did_not_ring_begins_again(journal, store):
    """As the same dial."""
    first = await journal.dialled(NOT_PLACED, key=dials.quoted("k"))
    again, new = await journal.begin(intent(9, key="k"))

    assert (True, first.dial_id) == (new, again.dial_id)


# Another far end


async def test_nothing_is_concluded_from_another_far_end(journal, log):
    """The account speaks to another PBX since: neither its calls nor its events tell of the dial."""
    kept = await journal.dialled(UNKNOWN, key="k", far_end="before")
    await log.append([event(5)])

    assert {} == await journal.settle(seen(1, call_id="c1"))
    again, _ = await journal.begin(intent(9, key="k"))
    assert kept == again


async def test_a_dial_at_another_far_end_takes_no_call_of_this_one(journal):
    """Though it is nearer in time."""
    await journal.dialled(placed(), 0, far_end="before")
    kept = await journal.dialled(UNKNOWN, 5)

    assert {kept.dial_id: "placed"} == await journal.settle(seen(1))


async def test_looking_ends_for_dials_at_another_far_end(journal, store):
    """After the same time, unlooked."""
    old, young = [await journal.dialled(UNKNOWN, after, far_end="before") for after in (-60, 60)]
    here = await journal.dialled(UNKNOWN, -60)
    await store.write(lambda c: dials.stop_looking_elsewhere(c, "hanoi", "here", NOW, NOW))

    assert ["not_found", None, None] == [(await journal.read(each.dial_id)).resolution for each in (old, young, here)]


# In turns


async def test_more_dials_than_a_look_takes_hide_nobody(journal, store, monkeypatch):
    """Those that were looked for the longest ago come first; another account's are seen whatever this one has."""
    monkeypatch.setattr(dials.finding, "MOST", 2)
    kept = [await journal.dialled(UNKNOWN, after) for after in range(5)]
    await journal.dialled(UNKNOWN, 9, account="saigon")
    turns = []
    for turn in range(3):
        wanted = await journal.wanted()
        turns.append([each.dial_id for each in wanted])
        now = NOW + timedelta(minutes=turn)
        await store.write(lambda c, wanted=wanted, now=now: dials.settle(c, "hanoi", wanted, [], LATEST, now))

    ids = [each.dial_id for each in kept]
    assert [ids[:2], ids[2:4], [ids[4], ids[0]]] == turns
    accounts = await store.read(lambda c: dials.accounts_to_look_at(c, ["hanoi", "saigon", "other"], NOW))
    assert ["hanoi", "saigon"] == accounts


async def test_dials_that_are_long_under_way_hide_no_dead_ones(journal, monkeypatch):
    """However many are alive."""
    monkeypatch.setattr(dials.finding, "MOST", 2)
    for _ in range(3):
        await journal.dialled(process="p1")
    gone = [await journal.dialled(process="p2") for _ in range(3)]
    await journal.leave("p2")
    await journal.give_up()

    assert ["unknown"] * 3 == [(await journal.read(each.dial_id)).state for each in gone]


# Earlier tries, and what people say


async def test_earlier_tries_of_a_key_are_kept(journal):
    """With how each ended, also where that came late."""
    first = await journal.dialled(NOT_PLACED, key="k")
    second, _ = await journal.begin(intent(5, key="k"))
    moved = await journal.move(second, "saigon")
    tried, _ = await journal.history(first)

    assert [("hanoi", "not_placed", NOW, {"code": "agent_busy"})] == [
        (each.account, each.state, each.tried_at, each.error) for each in tried
    ]
    assert moved > second.tried_at
    assert not await journal.end(first, placed("c1"))
    late, _ = await journal.history(first)
    assert ("placed", "c1") == (late[0].state, late[0].call_id)


async def stated_and_refused(journal, **more):
    """A dial that a person said did not ring, and whose next try was refused."""
    first = await journal.dialled(UNKNOWN, key="k", **more)
    await journal.state(first)
    second, new = await journal.begin(intent(900, key="k", **more))
    assert new
    return first, second


async def test_a_try_that_rang_after_all_answers_for_its_key(journal):
    """Its process was cut off, and writes the vendor's answer when a later try was refused: the key does not ring."""
    first, second = await stated_and_refused(journal)
    await journal.end(second, NOT_PLACED, after=901)
    await journal.end(first, placed("c1"), after=902)
    again, new = await journal.begin(intent(903, key="k"))
    tried, _ = await journal.history(first)

    assert (False, "placed", "c1", first.tried_at) == (new, again.state, again.call_id, again.tried_at)
    assert ["not_placed"] == [each.state for each in tried]


async def test_a_try_that_rang_after_all_answers_when_the_later_one_is_refused(journal):
    """In the other order."""
    first, second = await stated_and_refused(journal)
    await journal.end(first, placed("c1"), after=901)
    assert "in_progress" == (await journal.read(first.dial_id)).state
    await journal.end(second, NOT_PLACED, after=902)

    assert ("placed", "c1") == ((found := await journal.read(first.dial_id)).state, found.call_id)


async def test_a_late_event_of_an_earlier_try_answers_for_its_key(journal, log):
    """A person was mistaken; the next try was refused, and then the vendor tells that the first one rang."""
    first, second = await stated_and_refused(journal)
    await journal.end(second, NOT_PLACED, after=901)
    await log.append([event(100)])
    again, new = await journal.begin(intent(903, key="k"))

    assert (False, "placed", "event", "c1") == (new, again.state, again.evidence, again.call_id)
    assert ("dial_id", first.dial_id) in await journal.links(again.conversation_id)


async def test_a_late_answer_is_worth_more_than_a_persons_word_and_none_is_worth_less(journal):
    """That its process lost the answer changes nothing; that the vendor refused corrects a mistaken placed."""
    lost, refused = await journal.dialled(UNKNOWN), await journal.dialled(UNKNOWN)
    await journal.state(lost)
    await journal.state(refused, "placed")
    await journal.end(lost, UNKNOWN, after=700)
    await journal.end(refused, NOT_PLACED, after=700)
    found = [await journal.read(each.dial_id) for each in (lost, refused)]

    assert [("not_placed", "stated"), ("not_placed", None)] == [(each.state, each.resolution) for each in found]


async def test_what_a_person_spoke_of_is_looked_for_as_long(journal):
    """The vendor's records are worth more: they overrule the statement."""
    kept = await journal.dialled(UNKNOWN, key="k")
    await journal.state(kept)
    assert [kept.dial_id] == [each.dial_id for each in await journal.wanted()]
    assert {kept.dial_id: "placed"} == await journal.settle(seen(1, call_id="c1"))
    _, new = await journal.begin(intent(900, key="k"))

    assert not new
    assert [] == await journal.wanted()


async def test_a_record_in_its_conversation_tells_of_the_dial(journal, store):
    """The reconciler found it: it is the vendor's own."""
    kept = await journal.dialled(UNKNOWN, key="k")
    row = {"account": "hanoi", "kind": "record_id", "value": "r1", "conversation_id": kept.conversation_id}
    await store.write(lambda c: c.execute(insert(links), [{**row, "evidence": "x", "linked_at": 1}]))
    again, new = await journal.begin(intent(900, key="k"))

    assert (False, "placed", "record") == (new, again.state, again.evidence)


async def test_an_account_that_refused_before_the_next_was_tried_is_a_try(journal, store):
    """With its error."""
    kept, _ = await journal.begin(intent())
    go_on = functools.partial(dials.move, refused='{"code": "agent_busy"}', far_end="there")
    moved = await store.write(lambda c: go_on(c, kept.dial_id, kept.tried_at, "saigon", NOW))
    found = await journal.read(kept.dial_id)
    (tried,), _ = await journal.history(kept)

    assert ("in_progress", "saigon", "there", moved, None) == (
        found.state,
        found.account,
        found.far_end,
        found.tried_at,
        found.error,
    )
    assert ("hanoi", "not_placed", {"code": "agent_busy"}) == (tried.account, tried.state, tried.error)


async def test_a_person_may_say_that_an_unknown_dial_did_not_ring(journal):
    """Then its key may dial; the try and the statement are kept."""
    kept = await journal.dialled(UNKNOWN, key="k")
    assert ("not_placed", None, None) == await journal.state(kept)
    found = await journal.read(kept.dial_id)
    _, new = await journal.begin(intent(900, key="k"))
    (tried,), (said,) = await journal.history(kept)

    assert ("stated", "statement") == (found.resolution, found.evidence)
    assert new
    assert ("unknown", "not_placed", "stated") == (kept.state, tried.state, tried.resolution)
    assert ("not_placed", "the agent says so", "ops") == (said.state, said.note, said.caller)


async def test_a_person_may_be_mistaken(journal):
    """What was stated can be stated otherwise."""
    kept = await journal.dialled(UNKNOWN)
    states = [(await journal.state(kept, state, after))[0] for state, after in (("placed", 600), ("not_placed", 700))]

    assert ["placed", "not_placed"] == states
    assert 2 == len((await journal.history(kept))[1])


@pytest.mark.parametrize(
    ("ending", "after"),
    [(None, 600), (UNKNOWN, 119), (placed("c1"), 600), (NOT_PLACED, 600)],
)
async def test_a_statement_is_refused(journal, ending, after):
    """While the vendor is asked, while it may still answer, and against evidence."""
    kept = await journal.dialled(ending)
    state, refused, left = await journal.state(kept, after=after)

    assert kept.state == state
    assert refused
    assert (ending is None or ending is UNKNOWN) == (left is not None)
    assert [] == (await journal.history(kept))[1]


async def test_an_event_is_worth_more_than_a_statement(journal, log):
    """It is refused where an event has told of the call; and a later event says that it rang."""
    other = {"extension": "102", "number": "0899098898"}
    first, second = await journal.dialled(UNKNOWN), await journal.dialled(UNKNOWN, key="k", **other)
    await log.append([event(5)])
    state, refused, _ = await journal.state(first)
    await journal.state(second)
    await log.append([event(100, extension="102", from_number="102", to_number="0899098898", call_id="c2")])
    again, new = await journal.begin(intent(900, key="k", **other))

    assert ("placed", True) == (state, refused is not None)
    assert (False, "placed", "c2") == (new, again.state, again.call_id)


async def test_a_dead_processes_dial_can_be_stated(journal):
    """Nobody has to have looked for it."""
    kept = await journal.dialled(process="p2")
    await journal.leave("p2")

    assert ("not_placed", None, None) == await journal.state(kept)


async def test_the_state_of_a_dials_conversation_is_dialing(journal, store):
    """Until an event moves it on."""
    kept = await journal.dialled(placed("c1"))
    query = select(conversations.c.state, conversations.c.to_number).where(
        conversations.c.conversation_id == kept.conversation_id
    )

    assert (CallState.DIALING, NUMBER) == tuple(await store.read(lambda c: c.execute(query).one()))


async def test_a_call_that_comes_to_light_late_tells_of_its_dial(journal):
    """Looking for the first was over; the second is looked for, and does not take the first one's call."""
    first, second = await journal.dialled(UNKNOWN, 0), await journal.dialled(UNKNOWN, 60)
    await journal.settle(over=[first])

    assert {first.dial_id: "placed"} == await journal.settle(seen(1))
    assert "unknown" == (await journal.read(second.dial_id)).state


@pytest.mark.parametrize("stated_first", [True, False])
async def test_what_the_vendor_tells_of_an_earlier_try_stands_whatever_became_of_the_next(journal, log, stated_first):
    """The next try is unknown, and a person says that it did not ring either: the key rings nobody."""
    _, second = await stated_and_refused(journal)
    await journal.end(second, UNKNOWN, after=901)
    if stated_first:
        await journal.state(second, after=1500)
    await log.append([event(100)])
    if not stated_first:
        assert "placed" == (await journal.state(second, after=1500))[0]
    again, new = await journal.begin(intent(1600, key="k"))

    assert (False, "placed", "event") == (new, again.state, again.evidence)


@pytest.mark.parametrize("lost", [True, False])
async def test_a_try_that_rang_after_all_is_not_forgotten_when_the_next_is_unknown(journal, lost):
    """Its answer came while the next one was under way, whose process is killed, or loses the answer."""
    first, second = await stated_and_refused(journal, process="p9")
    await journal.end(first, placed("c1"), after=901)
    if lost:
        await journal.leave("p9")
        await journal.give_up()
    else:
        await journal.end(second, UNKNOWN, after=902)
    found = await journal.read(first.dial_id)

    assert ("placed", "c1", first.tried_at) == (found.state, found.call_id, found.tried_at)


async def test_a_try_is_not_sent_when_an_earlier_one_is_known_to_have_rung(journal, store):
    """That came to light since it began."""
    first, second = await stated_and_refused(journal)
    await journal.end(first, placed("c1"), after=901)

    assert not await store.read(lambda c: dials.is_current(c, second.dial_id, second.tried_at))
    assert await journal.move(second, "saigon") is None


async def test_an_earlier_try_whose_answer_was_lost_stays_what_a_person_said(journal, log):
    """And a late event still proves that it rang."""
    first, second = await stated_and_refused(journal)
    await journal.end(second, NOT_PLACED, after=901)
    await journal.end(first, UNKNOWN, after=902)
    ((tried,), _) = await journal.history(first)
    await log.append([event(100)])
    _, new = await journal.begin(intent(1003, key="k"))

    assert ("not_placed", "stated") == (tried.state, tried.resolution)
    assert not new


@pytest.mark.parametrize("call_id", ["c1", None])
async def test_the_call_of_a_try_that_rang_after_all_is_the_dials(journal, log, call_id):
    """Its events come into the dial's conversation, by the id or by extension, number and time."""
    first, second = await stated_and_refused(journal)
    await journal.end(second, NOT_PLACED, after=901)
    await journal.end(first, placed(call_id), after=902)
    (told,) = await log.append([event(5)])

    assert told.conversation_id == (await journal.read(first.dial_id)).conversation_id


async def test_a_dial_that_a_person_spoke_of_takes_no_live_call_without_a_time(journal):
    """It is that of the later dial, of which nothing is known."""
    stated = await journal.dialled(UNKNOWN, key="k1")
    await journal.state(stated)
    unknown = await journal.dialled(UNKNOWN, key="k2", after=900)
    live = attrs.evolve(seen(call_id="c1"), evidence="live_call", record_id=None, started_at=None)

    assert {unknown.dial_id: "placed"} == await journal.settle(live)
