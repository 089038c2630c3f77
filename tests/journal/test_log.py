"""The log: every event once, in order, in the conversation that it belongs to."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from gateway_contracts import CallEvent, CallState, Direction, EventSource, EventType, Outcome, dumps, to_json
from sqlalchemy import func, insert, select, update

from gateway.journal import log as journal_log
from gateway.journal import reading
from gateway.journal.conversation_rows import conversation_of
from gateway.journal.log import EventLog
from gateway.journal.opening import Journal, open_journal
from gateway.journal.reading import EventSelection
from gateway.journal.schema import conversations, dials, events, links, to_micros
from gateway.texts import MAX_CHARACTERS, check_lengths, cleaned

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
NUMBER = "0899098899"
RINGING, ANSWERED, ENDED = EventType.RINGING, EventType.ANSWERED, EventType.ENDED
RECORD, MISSED = EventType.RECORD_CREATED, EventType.MISSED


def event(kind=RINGING, call_id="c1", after=0, **more):
    """An event of an outbound call from 101, *after* seconds."""
    at = NOW + timedelta(seconds=after)
    values = {
        "account": "hanoi",
        "event_id": f"{kind}-{call_id}-{after}",
        "type": kind,
        "call_id": call_id,
        "received_at": at,
        "occurred_at": at,
        "direction": Direction.OUTBOUND,
        "from_number": "101",
        "to_number": NUMBER,
        "extension": "101",
    }
    return CallEvent(**{**values, **more})


def inbound(kind=RINGING, call_id="c1", after=0, **more):
    """An event of a call to the hotline."""
    values = {"direction": Direction.INBOUND, "from_number": NUMBER, "to_number": "101", "hotline": "19001919"}
    return event(kind, call_id, after, **{**values, **more})


@pytest.fixture
async def log(store):
    log = EventLog(store)
    await log.start()
    return log


@pytest.fixture
def conversation(store):
    """Reads a conversation by its id."""

    async def read(conversation_id):
        query = select(conversations).where(conversations.c.conversation_id == conversation_id)
        return conversation_of(await store.read(lambda connection: connection.execute(query).one()))

    return read


@pytest.fixture
def count(store):
    """Counts a table's rows."""
    return lambda table: store.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())


async def all_of(log):
    return (await log.after(0, EventSelection(), limit=10_000))[0]


# Once, and in order


async def test_events_are_numbered_in_their_order_and_come_back_whole(log):
    """What is read is what was written, with its number and conversation; the vendor's own comes along."""
    written = [event(RINGING, raw={"state": "ringing"}), event(ENDED, after=9, outcome=Outcome.BUSY, talk_seconds=0)]

    stored = await log.append(written)

    assert [1, 2] == [each.seq for each in stored]
    assert stored == await all_of(log)
    assert [{"state": "ringing"}, None] == [each.raw for each in await all_of(log)]
    (conversation_id,) = {each.conversation_id for each in stored}
    ours = [attrs.evolve(each, seq=None, conversation_id=None) for each in stored]
    assert written == ours
    assert conversation_id.startswith("cv_")


async def test_an_event_is_kept_as_the_json_that_readers_get(log, store):
    """Byte for byte, without the vendor's own, and in UTC whatever zone its times came in."""
    zone = timezone(timedelta(hours=7))
    times = {"received_at": NOW.astimezone(zone), "occurred_at": NOW.astimezone(zone)}
    (kept,) = await log.append([event(ENDED, outcome=Outcome.BUSY, talk_seconds=0, raw={"a": "b"}, **times)])

    body = await store.read(lambda connection: connection.scalar(select(events.c.body)))

    assert dumps(to_json(kept)).decode() == body
    assert '"occurred_at":"2026-01-15T09:00:00Z"' in body


def test_many_long_texts_are_not_one_that_is_too_long():
    """Each is as long as it may be, and all are as they were."""
    long = dict.fromkeys(("call_id", "event_id", "from_number", "to_number", "extension"), "9" * MAX_CHARACTERS)
    told = event(**long)

    check_lengths([told])
    assert told is cleaned(told)


async def test_an_event_that_is_delivered_again_is_written_once(log):
    """In one request, in two at once, or later; the same id on another account is another event."""
    await log.append([event(), event()])
    found = await asyncio.gather(*(log.append([event(), event(ANSWERED, after=1)]) for _ in range(5)))
    await log.append([event(account="saigon")])

    assert [1, 0, 0, 0, 0] == sorted((len(each) for each in found), reverse=True)
    assert [(1, "hanoi"), (2, "hanoi"), (3, "saigon")] == [(each.seq, each.account) for each in await all_of(log)]


async def test_an_id_is_kept_without_control_characters(log):
    """A hostile webhook may hold anything: what the vendor said is there all the same, in `raw`."""
    (odd,) = await log.append([event(call_id="a\0b\x1b\x7f\u0085c", from_number="1\0", raw={"x": "\0"})])
    (again,) = await log.append([event(ANSWERED, call_id="abc", event_id="2\0")])

    assert ("abc", "1", {"x": "\0"}) == (odd.call_id, odd.from_number, odd.raw)
    assert [odd, again] == await all_of(log)
    assert odd.conversation_id == again.conversation_id


async def test_an_id_that_is_too_long_is_kept_as_what_tells_it_from_others(log):
    """Its beginning and a digest: a database's index takes no more, and the same id stays the same."""
    long = "x" * 100_000
    (first,) = await log.append([event(call_id=long, event_id=long)])
    other, same = await log.append([event(ANSWERED, call_id=f"{long}y"), event(ANSWERED, call_id=long, after=1)])

    assert MAX_CHARACTERS == len(first.call_id) == len(first.event_id) == len(other.call_id)
    assert (first.call_id, first.conversation_id) == (same.call_id, same.conversation_id)
    assert first.conversation_id != other.conversation_id
    assert [] == await log.append([event(call_id=long, event_id=long)])


async def test_numbers_are_not_given_again(log, store):
    """A reader's position stays true when everything before it has been removed."""
    await log.append([event(), event(ANSWERED)])
    await store.write(lambda connection: connection.exec_driver_sql("DELETE FROM events"))

    (third,) = await log.append([event(ENDED)])

    assert (3, 3) == (third.seq, await log.oldest())


async def test_whoever_writes_does_not_wait_for_the_listeners(log):
    """The write is answered first; the listeners are told right after."""
    heard = []
    with log.listening(lambda page: heard.extend(each.seq for each in page)):
        stored = await log.append([event(), event(ANSWERED)])
        before = list(heard)
        await asyncio.sleep(0)

    assert ([], [1, 2]) == (before, heard)
    assert [1, 2] == [each.seq for each in stored]


async def test_a_listener_that_fails_costs_the_others_nothing(log):
    """Neither this page nor the next."""
    heard = []

    def fail(page):
        raise RecursionError

    with log.listening(fail), log.listening(lambda page: heard.extend(each.seq for each in page)):
        await log.append([event()])
        await asyncio.sleep(0)
        await log.append([event(ANSWERED)])
        await asyncio.sleep(0)

    assert [1, 2] == heard


@pytest.mark.parametrize(("depth", "kept"), [(32, True), (33, False), (400, False), (100_000, False)])
async def test_what_is_nested_too_deeply_is_not_kept(log, depth, kept):
    """It could not be told again; the event is."""
    raw = {}
    for _ in range(depth - 1):
        raw = {"x": raw}

    (stored,) = await log.append([event(raw={"deep": raw})])

    assert kept == (stored.raw is not None)
    assert [stored.seq] == [each.seq for each in (await log.after(0, EventSelection(), limit=9))[0]]


async def test_listeners_hear_every_event_in_order_whoever_writes(url):
    """Two processes on one database hear of each other's events once they look."""
    heard = {"one": [], "other": []}
    async with open_journal(url) as one, open_journal(url) as other:
        with (
            one.log.listening(lambda page: heard["one"].extend(each.seq for each in page)),
            other.log.listening(lambda page: heard["other"].extend(each.seq for each in page)),
        ):
            writes = [
                writer.log.append([event(call_id=f"c{index}"), event(ENDED, call_id=f"c{index}")])
                for index, writer in zip(range(40), itertools.cycle([one, other]), strict=False)
            ]
            await asyncio.gather(*writes)
            await one.log.catch_up()
            await other.log.catch_up()

    assert {"one": list(range(1, 81)), "other": list(range(1, 81))} == heard


@pytest.mark.parametrize(("expected", "batch"), [([3, 3, 3, 1], 500), ([4, 4, 2], 2)])
async def test_a_reading_ends_before_it_is_large(log, monkeypatch, expected, batch):
    """By how long the events are, in one batch or several; the next reading goes on there, and leaves nothing out."""
    for module in (journal_log, reading):
        monkeypatch.setattr(module, "MAX_CHARACTERS", 10_000)
        monkeypatch.setattr(module, "MAX_BATCH", batch)
    for part in range(0, 10, 2):
        await log.append([event(call_id=f"c{part + n}", raw="x" * 4_000) for n in range(2)])

    pages, reached = [], 0
    while reached < log.head:
        page, reached = await log.after(reached, EventSelection(number=NUMBER), limit=100)
        pages.append([each.seq for each in page])
    brief, end = await log.after(0, EventSelection(), limit=100, raw=False)

    assert expected == [len(page) for page in pages]
    assert list(range(1, 11)) == [seq for page in pages for seq in page]
    assert (10, 10) == (len(brief), end)


async def test_a_reader_gets_what_it_wants_and_where_to_go_on(log):
    """The position passes over what was not wanted, so that it is not looked at again."""
    await log.append([event(call_id=f"c{n}", account="hanoi" if n % 2 else "saigon") for n in range(20)])
    await log.append([inbound(call_id="in", extension="105", from_number="+84 899 098 899")])

    odd, reached = await log.after(0, EventSelection(accounts=frozenset({"hanoi"})), limit=3)
    rest, end = await log.after(
        reached, EventSelection(accounts=frozenset({"hanoi"}), types=frozenset({RINGING})), limit=100
    )
    by_extension, _ = await log.after(0, EventSelection(extension="105"), limit=5)
    by_number, _ = await log.after(20, EventSelection(number=NUMBER), limit=5)
    nothing, past = await log.after(0, EventSelection(types=frozenset({MISSED})), limit=5)

    assert (["c1", "c3", "c5"], 6) == ([each.call_id for each in odd], reached)
    assert (8, 21) == (len(rest), end)
    assert ["in"] == [each.call_id for each in by_extension] == [each.call_id for each in by_number]
    assert ([], 21) == (nothing, past)


# Conversations


async def test_a_conversation_moves_forward_and_ends_once_in_whatever_order(log, conversation):
    """Events that come after a later state are marked late; the state at the end is the same."""
    for order in itertools.permutations(range(4)):
        call_id = "-".join(map(str, order))
        parts = [
            event(RINGING, call_id, 0),
            event(ANSWERED, call_id, 5),
            event(ENDED, call_id, 30, outcome=Outcome.ANSWERED, talk_seconds=25),
            event(RECORD, call_id, 31, outcome=Outcome.ANSWERED, talk_seconds=24, duration_seconds=30),
        ]
        stored = []
        for index in order:
            stored += await log.append([parts[index]])
        await check_forward(stored, conversation)


async def check_forward(stored, conversation):
    (conversation_id,) = {each.conversation_id for each in stored}
    found = await conversation(conversation_id)
    assert (CallState.ENDED, NOW, NOW + timedelta(seconds=5), NOW + timedelta(seconds=30)) == (
        found.state,
        found.started_at,
        found.answered_at,
        found.ended_at,
    )
    assert (Outcome.ANSWERED, 24, 30) == (found.outcome, found.talk_seconds, found.duration_seconds)
    ranks = {RINGING: 1, ANSWERED: 2, ENDED: 3}
    reached = 0
    for each in stored:
        assert each.late == (ranks.get(each.type, 9) < reached)
        reached = max(reached, ranks.get(each.type, 0))
    assert found.end_seq == next(each.seq for each in stored if each.type is ENDED)


async def test_a_second_end_is_kept_as_an_unknown_event(log, conversation):
    """Whoever acts on the end of a conversation does so once; the vendor's word is not lost."""
    (first,) = await log.append([event(ENDED, after=9, source=EventSource.RECONCILED)])
    (second,) = await log.append([event(ENDED, after=10, event_id="vendor", raw={"state": "hangup"})])

    found = await conversation(first.conversation_id)
    assert (EventType.UNKNOWN, True, {"state": "hangup"}) == (second.type, second.late, second.raw)
    assert (first.conversation_id, first.seq, "reconciled") == (
        second.conversation_id,
        found.end_seq,
        found.end_source,
    )


async def test_the_extension_that_answered_is_the_conversations(log, conversation):
    """A ring group rings several; the one that took the call is whose it is."""
    ringing = [inbound(event_id=f"r{each}", extension=each, to_number=each) for each in ("101", "102", "103")]
    stored = await log.append([*ringing, inbound(ANSWERED, extension="102", to_number="102", after=3)])

    assert 1 == len({each.conversation_id for each in stored})
    assert "102" == (await conversation(stored[0].conversation_id)).extension


async def test_events_of_two_legs_meet_by_the_id_of_the_sip_messages(log):
    """Where the vendor gives the parts of a call different ids of its own."""
    stored = await log.append([event(call_id="a", sip_call_id="s"), event(ENDED, call_id="b", sip_call_id="s")])
    (later,) = await log.append([event(RECORD, call_id="b")])

    assert {later.conversation_id} == {each.conversation_id for each in stored}


@pytest.mark.parametrize("record_first", [False, True])
async def test_a_queues_record_joins_its_conversation_though_its_id_differs(log, conversation, count, record_first):
    """By the customer's number, the hotline and the time; before or after the other events."""
    parts = [
        [inbound(RINGING, "q1", 0), inbound(ANSWERED, "q1", 5), inbound(ENDED, "q1", 30)],
        [inbound(RECORD, "flow", 30, extension=None, to_number="19001919", talk_seconds=25)],
    ]
    for part in reversed(parts) if record_first else parts:
        await log.append(part)

    found = await all_of(log)
    assert 1 == len({each.conversation_id for each in found})
    assert 1 == await count(conversations)
    assert 25 == (await conversation(found[0].conversation_id)).talk_seconds


@pytest.mark.parametrize("together", [False, True])
async def test_two_calls_of_one_customer_stay_two_conversations(log, together):
    """Each record joins its own, though the number and the hotline are the same."""
    parts = []
    for index, at in enumerate((0, 600, 660)):
        parts.append([inbound(kind, f"q{index}", at + 30 * step) for step, kind in enumerate((RINGING, ENDED))])
        parts.append([inbound(RECORD, f"flow{index}", at + 31)])
    for part in [list(itertools.chain(*parts))] if together else parts:
        await log.append(part)

    found = await all_of(log)
    parts = {}
    for each in found:
        parts.setdefault(each.conversation_id, set()).add(each.call_id)
    assert sorted(map(sorted, parts.values())) == [["flow0", "q0"], ["flow1", "q1"], ["flow2", "q2"]]


@pytest.mark.parametrize(
    "other",
    [
        {"from_number": "0911222333"},
        {"hotline": "19002020"},
        {"account": "saigon"},
        {"direction": Direction.OUTBOUND, "to_number": NUMBER},
        {"received_at": NOW + timedelta(minutes=30), "occurred_at": NOW + timedelta(minutes=30)},
    ],
)
async def test_a_record_does_not_join_another_call(log, other):
    """Another customer, hotline, account, direction or time is another conversation."""
    await log.append([inbound(RINGING, "q1"), inbound(ENDED, "q1", 30)])
    await log.append([inbound(RECORD, "flow", 30, **other)])

    assert 2 == len({each.conversation_id for each in await all_of(log)})


async def test_an_outbound_record_without_an_id_does_not_join_an_inbound_call(log):
    """The customer who was just called may have called before."""
    await log.append([inbound(RINGING, "q1"), inbound(ENDED, "q1", 30)])
    await log.append([event(RECORD, None, 30, hotline="19001919", from_number=NUMBER)])

    assert 2 == len({each.conversation_id for each in await all_of(log)})


async def test_a_second_record_does_not_join_a_conversation_that_has_one(log):
    """A customer who calls again at once has two records, of which the second may come without its other events."""
    await log.append([inbound(RINGING, "q1"), inbound(ENDED, "q1", 30), inbound(RECORD, "flow1", 30)])
    (second,) = await log.append([inbound(RECORD, "flow2", 40)])

    assert second.conversation_id not in {each.conversation_id for each in (await all_of(log))[:-1]}


async def test_outbound_calls_are_told_apart_by_their_ids(log):
    """Somebody who is called twice in a row is in two conversations, though everything else is the same."""
    await log.append([event(RINGING, "a"), event(ENDED, "a", 5)])
    (second,) = await log.append([event(RECORD, "b", 10)])

    assert second.conversation_id != (await all_of(log))[0].conversation_id


@pytest.fixture
def dialled(store):
    """Writes a dial from 101 to NUMBER, three seconds ago, with its conversation `cv_1`."""

    async def write(**more):
        made = to_micros(NOW - timedelta(seconds=3))
        dial = {
            "dial_id": "dl_1",
            "account": "hanoi",
            "asked": "hanoi",
            "caller": "",
            "fingerprint": "",
            "process": "p",
        }
        dial |= {"request": "{}", "state": "placed", "extension": "101", "number": "+84899098899", "created_at": made}
        talk = {"conversation_id": "cv_1", "account": "hanoi", "state": "dialing", "direction": "outbound"}
        talk |= {"created_at": made, "updated_at": made}
        link = {"account": "hanoi", "kind": "dial_id", "value": "dl_1", "conversation_id": "cv_1", "evidence": "answer"}

        def prepare(connection):
            connection.execute(insert(dials), [dial | more])
            connection.execute(insert(conversations), [talk])
            connection.execute(insert(links), [{**link, "linked_at": made}])

        await store.write(prepare)

    return write


async def test_the_first_event_of_a_dial_without_a_call_id_joins_it(log, dialled):
    """AntBuddy tells no id with the answer: the extension, the number and the time say whose call it is."""
    await dialled()
    stored = await log.append(
        [
            event(call_id="other number", to_number="0911222333"),
            event(call_id="other extension", extension="102", from_number="102"),
            event(call_id="it"),
            event(call_id="the next one", after=1),
        ]
    )

    assert ["it"] == [each.call_id for each in stored if each.conversation_id == "cv_1"]


@pytest.mark.parametrize(
    "more", [{"call_id": "another"}, {"state": "not_placed"}, {"created_at": to_micros(NOW - timedelta(hours=1))}]
)
async def test_an_event_does_not_join_a_dial_that_is_not_its_own(log, dialled, more):
    """One whose call id is known, that did not ring, or that was long ago."""
    await dialled(**more)
    (stored,) = await log.append([event()])

    assert "cv_1" != stored.conversation_id


async def test_a_journal_keeps_hook_tokens(url):
    """An account's hook address stays the same, and other accounts get other ones."""
    async with open_journal(url) as journal:
        first = await journal.hook_tokens(["hanoi", "saigon"])
    async with open_journal(url) as journal:
        assert isinstance(journal, Journal)
        second = await journal.hook_tokens(["hotline", "hanoi"])

    assert first["hanoi"] == second["hanoi"]
    assert 3 == len({*first.values(), *second.values()})
    assert all(len(token) >= 32 for token in second.values())


@pytest.mark.parametrize("reconciled", [False, True])
async def test_the_next_call_does_not_join_the_record_before_it(log, reconciled):
    """The customer calls again at once, and of the call before only the record is known."""
    parts = [inbound(RECORD, "flow", 30)]
    if reconciled:
        parts.insert(0, inbound(ENDED, "flow", 30, source=EventSource.RECONCILED))
    await log.append(parts)
    (later,) = await log.append([inbound(RINGING, "next", 60)])

    assert later.conversation_id != (await all_of(log))[0].conversation_id


async def test_a_late_end_joins_the_reconciled_end_of_its_call(log):
    """It lasted as long, so it is the same; whoever counts ends meets one."""
    await log.append(
        [
            inbound(ENDED, "flow", 30, source=EventSource.RECONCILED, duration_seconds=25),
            inbound(RECORD, "flow", 30, source=EventSource.RECONCILED, duration_seconds=25),
        ]
    )
    late, other = await log.append(
        [inbound(ENDED, "leg", 100, duration_seconds=25), inbound(ENDED, "other", 101, duration_seconds=60)]
    )

    first = (await all_of(log))[0].conversation_id
    assert (EventType.UNKNOWN, first) == (late.type, late.conversation_id)
    assert (ENDED, True) == (other.type, other.conversation_id != first)


async def test_a_live_call_does_not_join_a_record(log):
    """It has none yet."""
    await log.append([inbound(RECORD, "flow", 30)])
    (live,) = await log.append([inbound(RINGING, "live", 31, source=EventSource.RECONCILED)])

    assert live.conversation_id != (await all_of(log))[0].conversation_id


async def test_the_second_news_of_a_record_informs_only(log):
    """The vendor's comes after the reconciler found it."""
    (first,) = await log.append([inbound(RECORD, "flow", 30, source=EventSource.RECONCILED)])
    (second,) = await log.append([inbound(RECORD, "flow", 40)])

    assert (EventType.UNKNOWN, True) == (second.type, second.late)
    assert first.conversation_id == second.conversation_id


async def test_news_of_a_record_without_an_id_are_news_each_time(log):
    """Nothing says that they are of one record, though they are of one call."""
    news = [event(RECORD, call_id=None, sip_call_id="s1", after=after) for after in range(2)]

    stored = await log.append([event(sip_call_id="s1"), *news])

    assert [RINGING, RECORD, RECORD] == [each.type for each in stored]
    assert 1 == len({each.conversation_id for each in stored})


async def test_what_is_of_no_call_is_in_no_conversation(log, count):
    """A gap in what could be heard, for one."""
    (gap,) = await log.append([event(EventType.UNKNOWN, None)])

    assert (None, 0) == (gap.conversation_id, await count(conversations))


# What no call has


FAR = [
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-7))),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=7))),
    datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    datetime(1989, 12, 31, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
    NOW + timedelta(days=2, seconds=1),
    NOW.replace(tzinfo=None),
]


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("first", [RINGING, ANSWERED, ENDED, RECORD])
async def test_a_time_that_no_call_has_costs_no_later_event(log, conversation, far, first):
    """The event is there without it; other calls of the same number are what they are."""
    (stored,) = await log.append([inbound(first, "far", occurred_at=far)])
    later = []
    for number, each in enumerate((RINGING, ANSWERED, ENDED, RECORD)):
        later += await log.append([inbound(each, f"c{number}", 10 + number, sip_call_id="s")])

    assert stored.occurred_at is None
    found = await conversation(stored.conversation_id)
    times = filter(None, (found.started_at, found.answered_at, found.ended_at))
    assert all(NOW <= each <= NOW + timedelta(seconds=13) for each in times)
    assert 4 == len(later)
    assert 5 == len((await log.after(0, EventSelection(number=NUMBER), limit=9))[0])


async def test_a_time_of_a_clock_in_a_wrong_zone_is_kept(log):
    """It may be a day and more ahead, and however far behind."""
    times = [NOW + timedelta(hours=26), NOW - timedelta(days=3650)]

    stored = await log.append([event(call_id=f"c{n}", occurred_at=at) for n, at in enumerate(times)])

    assert times == [each.occurred_at for each in stored]


@pytest.mark.parametrize("length", [-1, 2**31, 2**63, 2**70, 11.5, True, "11"])
async def test_a_length_that_no_call_has_costs_no_event(log, conversation, length):
    """Whatever the database can hold."""
    odd = {"duration_seconds": length, "talk_seconds": length}
    (stored,) = await log.append([event(ENDED, **odd)])
    (record,) = await log.append([event(RECORD, after=1, **odd)])

    found = await conversation(stored.conversation_id)
    assert {(None, None)} == {(each.duration_seconds, each.talk_seconds) for each in (stored, record, found)}


async def test_the_longest_length_is_kept(log, conversation):
    """All that a database can hold."""
    (stored,) = await log.append([event(ENDED, duration_seconds=2**31 - 1, talk_seconds=0)])

    found = await conversation(stored.conversation_id)
    assert (2**31 - 1, 0) == (found.duration_seconds, found.talk_seconds)


@pytest.mark.parametrize("kept", [datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)])
async def test_a_time_that_was_kept_before_costs_no_event(log, store, kept):
    """A journal may hold conversations at either end of time."""
    await log.append([inbound(ENDED, "old")])
    await log.append([inbound(each, "record only", source=EventSource.RECONCILED) for each in (ENDED, RECORD)])
    times = dict.fromkeys(("started_at", "answered_at", "ended_at"), to_micros(kept))
    await store.write(lambda connection: connection.execute(update(conversations).values(**times)))

    stored = []
    for number, kind in enumerate((RINGING, ENDED, RECORD)):
        stored += await log.append([inbound(kind, f"new {number}", 60)])

    assert 3 == len(stored)
