"""Finished calls."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
import pytest

from .. import OPERATIONS, CallRecord, Direction, NotFound, Outcome, Unsupported
from .far_side import FarSide, Oddity
from .lacking import method_of, refusal_of, where_supported

LIST = OPERATIONS["list_records"]
NUMBER = "0900111222"
_NOBODY_TALKED = {Outcome.BUSY, Outcome.NO_ANSWER, Outcome.CANCELLED, Outcome.UNREACHABLE}
NEW_WORD = "GONE-WITH-THE-WIND"
_MOST_PAGES = 200
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


@attrs.frozen(kw_only=True)
class Seeded:
    """A finished call that the far side was told to have."""

    record_id: str
    started_at: datetime
    seconds: int
    extension: str
    number: str
    outcome: Outcome
    direction: Direction


# By the argument's name: which seeded calls a filter lets through.
FITS: Mapping[str, Callable[[Seeded, Any], bool]] = {
    "since": lambda call, since: call.started_at >= since,
    "until": lambda call, until: call.started_at < until,
    "ended_since": lambda call, since: call.started_at + call.seconds * _SECOND >= since,
    "ended_until": lambda call, until: call.started_at + call.seconds * _SECOND < until,
    "extension": lambda call, extension: call.extension == extension,
    "number": lambda call, number: call.number == number,
    "direction": lambda call, direction: call.direction == direction,
    "outcome": lambda call, outcome: call.outcome == outcome,
    "min_duration_seconds": lambda call, least: call.seconds >= least,
    "duration_seconds": lambda call, seconds: call.seconds == seconds,
}
ON_THEIR_OWN = frozenset({"recording_name", "cursor", "limit"})
"""Arguments that have tests of their own."""


async def every_page(method: Any, *, turned: Callable[[], Awaitable[object]] | None = None, **asked: Any) -> list[Any]:
    """Everything in a list: a page of two, then whatever the cursor gives that goes alone.

    With *turned*, which happens before each page but the first, all pages are of two.
    """
    page = await method(**asked, limit=2)
    found = list(page.items)
    for _ in range(_MOST_PAGES):
        if page.next is None:
            return found
        if turned is not None:
            await turned()
        page = await method(cursor=page.next, **({"limit": 2} if turned else {}))
        found += page.items
    raise AssertionError(f"there are more than {_MOST_PAGES} pages")


def ids_of(records: Sequence[CallRecord]) -> list[str]:
    """The ids, as they came."""
    return [record.record_id for record in records]


def half_an_hour_ago() -> datetime:
    """A whole second, so that what is seeded around it is no call in the future."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


def first_words(words: Mapping[str, Any]) -> dict[Any, str]:
    """The word that comes first for each value of ours."""
    return {value: word for word, value in reversed(list(words.items()))}


class HistoryTests:
    """History."""

    @where_supported
    async def test_a_record_found_in_the_list_is_found_by_its_id(self, pbx: Any, far: FarSide) -> None:
        """`get_record` resolves every id that `list_records` gave, and both say the same."""
        method, _ = await method_of(pbx, far, LIST)
        record_id = await far.finished_call()

        listed = {record.record_id: record for record in (await method()).items}

        assert listed[record_id] == await pbx.history.get_record(record_id)
        assert Outcome.ANSWERED is listed[record_id].outcome
        with contextlib.suppress(Unsupported):
            assert listed[record_id].has_recording or not pbx.recording, "it was recorded, and has_recording says no"
        assert (answered := listed[record_id].answered_at) is None or answered >= listed[record_id].started_at
        assert listed[record_id].duration_seconds >= listed[record_id].talk_seconds >= 0

    @where_supported
    async def test_a_record_says_who_called_whom_and_for_how_long(self, pbx: Any, far: FarSide) -> None:
        """Both sides, the extension that took part and the length are those of the call."""
        method, _ = await method_of(pbx, far, LIST)
        words = first_words(far.direction_words())
        made = {
            direction: await far.finished_call(
                direction=word, extension=far.second_extension, number=NUMBER, seconds=42
            )
            for direction, word in words.items()
            if direction in {Direction.OUTBOUND, Direction.INBOUND}
        }

        found = {record.record_id: record for record in (await method()).items}

        for direction, record_id in made.items():
            record = found[record_id]
            sides = [record.from_number, record.to_number]
            assert (direction, far.second_extension) == (record.direction, record.extension)
            assert NUMBER == (sides[0] if direction is Direction.INBOUND else sides[1])
            assert 42 == record.duration_seconds
            assert record.started_at + timedelta(seconds=42) == record.ended_at

    # Filters

    @where_supported
    async def test_every_filter_lets_through_what_it_says_on_every_page(self, pbx: Any, far: FarSide) -> None:
        """Records that fit come and others do not, also on pages after the first, asked for by cursor alone."""
        method, _ = await method_of(pbx, far, LIST)
        seeded = await _some_of_each(far)
        middle = sorted(call.started_at for call in seeded)[len(seeded) // 2]
        asked: list[dict[str, Any]] = [
            {"since": middle},
            {"until": middle},
            {"ended_since": middle},
            {"ended_until": middle},
            {"extension": far.second_extension},
            {"number": NUMBER},
            *({"direction": each} for each in first_words(far.direction_words()) if each is not Direction.UNKNOWN),
            *({"outcome": each} for each in first_words(far.outcome_words()) if each is not Outcome.UNKNOWN),
            {"min_duration_seconds": 30},
            {"min_duration_seconds": 31},
            {"duration_seconds": 30},
            {"extension": far.extension, "since": middle},
            {"extension": far.extension, "number": far.number, "outcome": Outcome.ANSWERED},
        ]

        for filters in asked:
            found = await _unless_refused(every_page(method, **filters), filters)
            if found is None:
                continue
            expected = {
                call.record_id for call in seeded if all(FITS[name](call, value) for name, value in filters.items())
            }

            assert sorted(expected) == sorted(ids_of(found)), _told_of(filters, seeded, expected, ids_of(found))

    @where_supported
    async def test_a_recording_is_found_by_its_files_name(self, pbx: Any, far: FarSide) -> None:
        """The name is that of the file in the recording's address."""
        method, _ = await method_of(pbx, far, LIST)
        locate, _ = await method_of(pbx, far, OPERATIONS["locate_recording"])
        if await refusal_of(method, far, LIST, recording_name="call.wav"):
            return
        wanted, _ = await far.finished_call(), await far.finished_call()
        url = (await locate(wanted)).url

        found = await every_page(method, recording_name=PurePosixPath(unquote(urlsplit(url).path)).name)

        assert [wanted] == ids_of(found)

    @where_supported
    async def test_a_page_holds_no_more_than_its_limit(self, pbx: Any, far: FarSide) -> None:
        """One, when one is asked for, and the newest where the vendor lets us choose."""
        method, _ = await method_of(pbx, far, LIST)
        base = half_an_hour_ago()
        newest, *_ = [await far.finished_call(started_at=base - age * _SECOND) for age in (0, 60, 120)]

        page = await method(limit=1)

        assert page.next is not None
        assert [newest] == ids_of(page.items) if far.newest_first else 1 == len(page.items)

    # Pages

    @where_supported
    async def test_every_record_comes_once_through_pages(self, pbx: Any, far: FarSide) -> None:
        """In order; calls that end between two pages, new ones and some that began long ago, double and lose none."""
        method, _ = await method_of(pbx, far, LIST)
        base = half_an_hour_ago()
        # Three begin in the same second, so that a page can end between them.
        ages = [0, 60, 120, 180, 180, 180, 240, 300, 360]
        made = {
            await far.finished_call(started_at=base - timedelta(seconds=age), seconds=10 + place)
            for place, age in enumerate(ages)
        }
        turns = iter(range(1, _MOST_PAGES))

        async def calls_end() -> None:
            turn = next(turns)
            if turn <= 4:
                await far.finished_call(started_at=base + turn * _SECOND)
                for seconds in (100, 101):  # as many as a page holds, and before all of the last one
                    await far.finished_call(started_at=base - (10 - turn) * _SECOND, seconds=seconds)

        found = await every_page(method, turned=calls_end)

        ids = ids_of(found)
        starts = [record.started_at for record in found if record.started_at and record.record_id in made]
        assert made <= set(ids)
        assert len(set(ids)) == len(ids)
        assert not far.newest_first or sorted(starts, reverse=True) == starts

    @where_supported
    async def test_reads_at_the_same_time_do_not_mix(self, pbx: Any, far: FarSide) -> None:
        """Each gets its own answer."""
        method, _ = await method_of(pbx, far, LIST)
        asked = [await far.finished_call(seconds=20 + place) for place in range(6)]

        records = await asyncio.gather(*(pbx.history.get_record(each) for each in asked))
        page, *pages = await asyncio.gather(method(limit=3), *(method(limit=limit) for limit in (1, 2, 6)))

        assert [(each, 20 + place) for place, each in enumerate(asked)] == [
            (record.record_id, record.duration_seconds) for record in records
        ]
        assert [ids_of(pages[2].items)[:size] for size in (3, 1, 2)] == [
            ids_of(each.items) for each in (page, pages[0], pages[1])
        ]

    # Odd rows

    @pytest.mark.parametrize("oddity", Oddity)
    @where_supported
    async def test_one_odd_row_costs_no_other(self, pbx: Any, far: FarSide, oddity: Oddity) -> None:
        """What cannot be read of a row is None and named; a row without an id or a time is left out and counted. The
        others come, on every page, and `get_record` says the same as the list.
        """
        method, _ = await method_of(pbx, far, LIST)
        base = half_an_hour_ago()
        made = [await far.finished_call(started_at=base - age * _SECOND, seconds=20 + age) for age in range(0, 300, 60)]
        spoil = getattr(far, "spoil", None)  # which a far side may leave out
        field = await spoil(made[2], oddity) if spoil else None
        if field is None:
            return
        good = {*made} - {made[2]}

        about = {"since": base - 300 * _SECOND, "until": base + _SECOND}
        page = await method(**about)
        paged = await every_page(method, turned=_nothing, **about)

        odd = [record for record in page.items if record.record_id not in good]
        assert good == {record.record_id for record in page.items} - {record.record_id for record in odd}
        assert sorted(ids_of(page.items)) == sorted(ids_of(paged))
        assert not any(record.unreadable for record in page.items if record.record_id in good)
        if oddity in {Oddity.NO_ID, Oddity.NO_TIME}:
            assert ([], 1) == (odd, page.skipped)
            return
        assert [(field,)] == [record.unreadable for record in odd]
        assert 0 == page.skipped
        assert odd[0].started_at == base - 120 * _SECOND
        assert oddity not in {Oddity.NEGATIVE, Oddity.HUGE} or None in {odd[0].duration_seconds, odd[0].talk_seconds}
        assert odd[0] == await pbx.history.get_record(odd[0].record_id)

    # Times

    @where_supported
    async def test_times_are_utc_and_a_range_ends_before_its_end(self, pbx: Any, far: FarSide) -> None:
        """At midnight here and there, at the end of a month, of February and of a year, and where windows meet."""
        method, _ = await method_of(pbx, far, LIST)
        last = datetime(2024, 4, 1, tzinfo=UTC)  # after the end of a month, and ninety-two days after that of the year
        edges = {
            last,
            datetime(2023, 12, 31, 17, tzinfo=UTC),  # a new year where it is seven o'clock earlier
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2024, 2, 29, tzinfo=UTC),
            datetime(2024, 2, 29, 17, tzinfo=UTC),
            datetime(2024, 3, 1, tzinfo=UTC),
            datetime(2024, 3, 10, 17, tzinfo=UTC),
            *(last + _SECOND - days * _DAY for days in (1, 7, 30, 31, 60, 62)),
        }
        moments = sorted(edge + step * _SECOND for edge in edges for step in (-1, 0, 1))
        made = {await far.finished_call(started_at=moment): moment for moment in dict.fromkeys(moments)}
        by_moment = {moment: record_id for record_id, moment in made.items()}

        found = await every_page(method, since=moments[0], until=last + 2 * _SECOND)
        single = await method(since=last, until=last + _SECOND)
        edged = {
            edge: [ids_of((await method(since=edge - step * _SECOND, until=edge)).items) for step in (0, 1)]
            for edge in edges
        }

        assert made == {record.record_id: record.started_at for record in found}
        assert len(made) == len(found)
        assert {timedelta(0)} == {record.started_at.utcoffset() for record in found if record.started_at}
        assert [by_moment[last]] == ids_of(single.items)
        assert {edge: [[], [by_moment[edge - _SECOND]]] for edge in edges} == edged

    @where_supported
    async def test_an_empty_time_range_has_no_records(self, pbx: Any, far: FarSide) -> None:
        """A range that ends where it starts holds nothing, since its end is not part of it."""
        method, _ = await method_of(pbx, far, LIST)
        now = datetime.now(UTC)

        page = await method(since=now, until=now)

        assert (page.items, page.next) == ((), None)

    @where_supported
    async def test_reports_count_the_calls_of_their_range(self, pbx: Any, far: FarSide) -> None:
        """From the first second on, and not at the last, across midnight."""
        count, _ = await method_of(pbx, far, OPERATIONS["count_calls"])
        edge = datetime(2024, 2, 29, 17, tzinfo=UTC)
        for step in (-2, -1, 0, 1):
            await far.finished_call(started_at=edge + step * _SECOND)
        await far.finished_call(started_at=edge - timedelta(hours=30))  # a day and more before

        counted = [await count(since=edge - step * _SECOND, until=edge + step * _SECOND) for step in (1, 2)]
        listed = await pbx.reports.list_call_ids(since=edge - _SECOND, until=edge + _SECOND)
        long = await pbx.reports.list_call_ids(since=edge - timedelta(hours=31), until=edge + _SECOND)

        assert [2, 4] == [sum(each.count for each in page.items) for page in counted]
        assert [2, 4] == [len({each.call_id for each in page.items}) for page in (listed, long)]

    # Words

    @where_supported
    async def test_every_word_of_the_vendor_is_one_of_ours(self, pbx: Any, far: FarSide) -> None:
        """A documented word is what it means; one that nobody documented is unknown or a failure, never an error."""
        method, _ = await method_of(pbx, far, LIST)
        outcomes, directions = far.outcome_words(), far.direction_words()
        ended = {await far.finished_call(outcome=word): word for word in (*outcomes, NEW_WORD)}
        went = {await far.finished_call(direction=word): word for word in (*directions, NEW_WORD)}

        found = {record.record_id: record for record in await every_page(method)}

        assert set(outcomes.values()) <= set(Outcome)
        assert {*ended, *went} <= set(found)
        for record_id, word in ended.items():
            record = found[record_id]
            assert word == record.vendor_status
            assert (word, outcomes.get(word, record.outcome)) == (word, record.outcome)
            assert word in outcomes or record.outcome in {Outcome.UNKNOWN, Outcome.FAILED}
            assert record == await pbx.history.get_record(record_id)
            assert record.outcome not in _NOBODY_TALKED or not record.talk_seconds, f"somebody talked, though {word}"
        for record_id, word in went.items():
            direction = found[record_id].direction
            assert (word, directions.get(word, direction)) == (word, direction)

    @pytest.mark.parametrize(
        ("name", "argument"),
        [("get_record", "record_id"), ("locate_recording", "record_id"), ("fetch_recording", "record_id")],
    )
    @where_supported
    async def test_a_record_that_is_not_there_is_not_found(
        self, pbx: Any, far: FarSide, name: str, argument: str
    ) -> None:
        """An id that nobody gave is not found."""
        method, _ = await method_of(pbx, far, OPERATIONS[name])

        with pytest.raises(NotFound):
            await method(**{argument: "00000000-0000-0000-0000-000000000000"})


async def _nothing() -> None:
    """What happens between two pages."""


async def _unless_refused(asked: Awaitable[list[CallRecord]], filters: Mapping[str, Any]) -> list[CallRecord] | None:
    """What was asked for; None where the vendor cannot be told one of *filters*, once that is said by name."""
    try:
        return await asked
    except Unsupported as error:
        refusal = error
    assert any(name in refusal.message for name in filters)
    return None


def _told_of(filters: Mapping[str, Any], seeded: Sequence[Seeded], expected: set[str], found: Sequence[str]) -> str:
    """Which of *filters* were ignored, and how many records are missing or come twice."""
    came = [call for call in seeded if call.record_id in found]
    ignored = [name for name, value in filters.items() if not all(FITS[name](call, value) for call in came)]
    lost, doubled = len(expected - {*found}), len(found) - len({*found})
    facts = [
        *(f"`{name}` lets records through that do not fit: send it, pick, or refuse it by name" for name in ignored),
        *([f"{lost} records that fit are missing"] if lost else []),
        *([f"{doubled} records come twice"] if doubled else []),
    ]
    given = ", ".join(f"{name}={value}" for name, value in filters.items())
    return f"list_records({given}): {'; '.join(facts) or 'records that nobody made'}"


async def _some_of_each(far: FarSide) -> list[Seeded]:
    """Three finished calls of each kind, mixed, so that what fits a filter is more than a page of two."""
    outcomes, directions = first_words(far.outcome_words()), first_words(far.direction_words())
    usual = {
        "seconds": 10,
        "extension": far.extension,
        "number": far.number,
        "outcome": Outcome.ANSWERED,
        "direction": Direction.OUTBOUND,
    }
    kinds: list[dict[str, Any]] = [
        {},
        {"extension": far.second_extension},
        {"number": NUMBER},
        {"seconds": 30},
        *({"outcome": each} for each in outcomes),
        *({"direction": each} for each in directions),
    ]
    base = half_an_hour_ago()
    seeded = []
    for place, kind in enumerate(kinds * 3):
        about = {**usual, **kind, "started_at": base - 15 * place * _SECOND}
        tables = {"outcome": outcomes, "direction": directions}
        said: dict[str, Any] = {name: value for name, value in about.items() if name not in tables}
        said |= {name: table[about[name]] for name, table in tables.items() if about[name] in table}
        seeded.append(Seeded(record_id=await far.finished_call(**said), **about))
    return seeded
