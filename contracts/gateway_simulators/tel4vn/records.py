"""The call detail records of the PBX: rows kept one by one, and seeded ranges that are made when they are read.

A row is the vendor's object [003:299-314]. Rows have an order, newest first, that never changes once a row exists;
a `Position` names a place in it, so that a scroll goes on where it stopped although new records have come.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from math import inf
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

import attrs

from gateway_simulators.tel4vn.record_filters import OUTBOUND, Facts, Filters, Row
from gateway_simulators.tel4vn.seeded_records import LONGEST_SEEDED_SECONDS, SeededRows
from gateway_simulators.tel4vn.vendor_time import epoch_of, to_text


class Position(NamedTuple):
    """A row's place; sorted, positions run from the newest row to the oldest."""

    minus_started: float
    source: int
    minus_serial: float


_NEWEST = Position(-inf, -1, -inf)


class _Source(Protocol):
    """Rows in the order of their start, oldest first, by index."""

    def entry(self, index: int) -> tuple[int, int]:
        """Give the start of a row and its serial, which never changes."""

    def index_of(self, started: float, serial: float) -> int:
        """Give the index of the first row that is not before this start and serial."""

    def facts(self, index: int) -> Facts: ...

    def row(self, index: int) -> Row: ...

    def find(self, record_id: str) -> Row | None:
        """Find a row by its id or its sip_call_id."""


class _Kept:
    """Rows that were added one by one."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int]] = []
        self._rows: list[Row] = []
        self._by_id: dict[str, Row] = {}

    def add(self, started: int, row: Row) -> None:
        insort(self._entries, (started, len(self._rows)))
        self._rows.append(row)
        for name in (row.get("sip_call_id"), row.get("id")):
            if name not in (None, ""):
                self._by_id[str(name).strip()] = row

    def entry(self, index: int) -> tuple[int, int]:
        return self._entries[index]

    def index_of(self, started: float, serial: float) -> int:
        return bisect_left(self._entries, (started, serial))

    def facts(self, index: int) -> Facts:
        row = self.row(index)
        text = {
            name: str(row.get(name, "")).strip()
            for name in ("extension", "from_number", "to_number", "direction", "status", "recording_url")
        }
        return Facts(
            ended=epoch_of(row.get("time_ended")),
            duration=row.get("duration"),
            extension=text["extension"],
            from_number=text["from_number"],
            to_number=text["to_number"],
            direction="outbound" if text["direction"] == str(OUTBOUND) else text["direction"],
            status=text["status"],
            recording_file=text["recording_url"],
        )

    def row(self, index: int) -> Row:
        return self._rows[self._entries[index][1]]

    def find(self, record_id: str) -> Row | None:
        return self._by_id.get(record_id)


@attrs.define(eq=False)
class Scroll:
    """A reader's place in a list that is read page by page; its id stays the same all the way."""

    filters: Filters
    page: int
    scroll_id: str
    after: Position = _NEWEST


@attrs.define(eq=False)
class RecordBook:
    """All records, in order, and every way in which the vendor's operations read them.

    *recordings* is the address below which recordings are served; *now* tells the time of the PBX.
    """

    recordings: str
    hotline: str
    now: Callable[[], datetime]
    _kept: _Kept = attrs.field(factory=_Kept, init=False)
    _sources: list[_Source] = attrs.field(init=False)
    _scrolls: dict[str, Scroll] = attrs.field(factory=dict, init=False)
    _version: int = attrs.field(default=0, init=False)
    _counted: tuple[int, Filters | None, int] = attrs.field(default=(0, None, 0), init=False)

    def __attrs_post_init__(self) -> None:
        self._sources = [self._kept]

    def add(self, overrides: Mapping[str, Any], record_id: str | None = None) -> Row:
        """Keep a row: the answered outbound call of [003:299-314], ended now, with *overrides* on top.

        Times may be given as aware datetimes. Fields that depend on an override follow it, unless they are given too
        (a call that started then ended 11 seconds later; without ANSWERED there is no time_answered and no recording).
        """
        given = {name: to_text(value) if isinstance(value, datetime) else value for name, value in overrides.items()}
        record_id = record_id or given.get("id", str(uuid4()))
        answered = given.get("status", "ANSWERED") == "ANSWERED" and given.get("time_answered") != ""
        duration = given.get("duration", 11)
        length = timedelta(seconds=duration if type(duration) is int else 11)
        start = epoch_of(given.get("time_started"))
        started = datetime.fromtimestamp(start, self.now().tzinfo) if start is not None else self.now() - length
        serial = self._version = self._version + 1
        row = {
            # A stray blank, and the recording with and without a suffix: both as in the samples [003:305,316,350].
            "id": f"{record_id} " if serial % 5 == 0 and "id" not in given else record_id,
            "sip_call_id": uuid4().hex,
            "cause": "NORMAL_CLEARING",
            "duration": duration,
            "direction": OUTBOUND,
            "recording_url": self.recording_url(str(record_id).strip(), serial) if answered else "",
            "extension": "101",
            "from_number": self.hotline,
            "to_number": "0899888999",
            "receive_dest": "",
            "time_started": to_text(started),
            "time_answered": to_text(started + min(length, timedelta(seconds=8))) if answered else "",
            "time_ended": to_text(started + length),
            "status": "ANSWERED",
            **given,
        }
        self._kept.add(int(started.timestamp()), row)
        return row

    def recording_url(self, record_id: str, serial: int) -> str:
        """Give the address of a recording, every second one with a suffix."""
        return f"{self.recordings}/{record_id}{'.wav' if serial % 2 else ''}"

    def seed(self, count: int, since: datetime, step_seconds: int, seed: int) -> None:
        """Add *count* rows from *since* on. The same arguments in the same order make the same rows."""
        if count < 0 or step_seconds < 1 or since.tzinfo is None:
            raise ValueError("seeding needs count >= 0, step_seconds >= 1 and an aware since")
        self._version += 1
        source = len(self._sources)
        self._sources.append(
            SeededRows(source, count, int(since.timestamp()), step_seconds, seed, self.recordings, self.hotline)
        )

    def find(self, record_id: str) -> Row | None:
        """Find a row by its id or its sip_call_id [003:452]."""
        return next((row for source in self._sources if (row := source.find(record_id.strip())) is not None), None)

    def count(self, filters: Filters) -> int:
        """Count the rows that fit."""
        if filters.only_started:
            return self._count_between(filters.started_from, filters.started_until)
        # Clients read the pages of one list one after the other: look at all rows once, not once a page.
        if self._counted[:2] != (self._version, filters):
            self._counted = (self._version, filters, sum(1 for _ in self._walk(filters, _NEWEST)))
        return self._counted[2]

    def page(self, filters: Filters, offset: int, limit: int) -> list[Row]:
        """Give *limit* rows that fit, newest first, after the first *offset*."""
        if filters.only_started:
            filters, offset = self._jump(filters, offset)
        places = islice(self._walk(filters, _NEWEST), offset, offset + limit)
        return [source.row(index) for _, source, index in places]

    def open_scroll(self, filters: Filters, page: int) -> Scroll:
        """Begin to read page by page."""
        scroll = Scroll(filters, page, f"{uuid4().hex}==")
        self._scrolls[scroll.scroll_id] = scroll
        return scroll

    def find_scroll(self, scroll_id: str) -> Scroll | None:
        """Find a scroll that was begun."""
        return self._scrolls.get(scroll_id)

    def read_scroll(self, scroll: Scroll) -> list[Row]:
        """Give the next page, empty when all has been read."""
        places = list(islice(self._walk(scroll.filters, scroll.after), scroll.page))
        if places:
            scroll.after = places[-1][0]
        return [source.row(index) for _, source, index in places]

    def rows_between(self, started_from: int, started_until: int) -> list[Row]:
        """Give all rows of a span, newest first."""
        filters = Filters(started_from=started_from, started_until=started_until)
        return [source.row(index) for _, source, index in self._walk(filters, _NEWEST)]

    def statuses_between(self, started_from: int, started_until: int) -> Counter[str]:
        """Count the rows of a span by status."""
        filters = Filters(started_from=started_from, started_until=started_until)
        return Counter(source.facts(index).status for _, source, index in self._walk(filters, _NEWEST))

    def _walk(self, filters: Filters, after: Position) -> Iterator[tuple[Position, _Source, int]]:
        """Give the places that fit, newest first, from the first one behind *after*."""
        started_from, started_until = filters.started_from, filters.started_until
        # A seeded call that ended in a span began in it or a little earlier; only kept rows may last longer.
        narrow = filters.ended_until if filters.ended_until < started_until else started_until
        everything = filters.only_started

        def places(number: int, source: _Source) -> Iterator[tuple[Position, _Source, int]]:
            until, since = started_until, started_from
            if isinstance(source, SeededRows):
                until, since = narrow, max(since, filters.ended_from - LONGEST_SEEDED_SECONDS)
            end = source.index_of(until, inf)
            if after is not _NEWEST:
                serial = -after.minus_serial if number == after.source else -inf if number < after.source else inf
                end = min(end, source.index_of(-after.minus_started, serial))
            for index in range(end - 1, source.index_of(since, -inf) - 1, -1):
                if everything or filters.fit(source.facts(index)):
                    started, own_serial = source.entry(index)
                    yield Position(-started, number, -own_serial), source, index

        return heapq.merge(
            *(places(number, source) for number, source in enumerate(self._sources)), key=lambda place: place[0]
        )

    def _count_between(self, started_from: float, started_until: float) -> int:
        return sum(
            max(0, source.index_of(started_until, inf) - source.index_of(started_from, -inf))
            for source in self._sources
        )

    def _jump(self, filters: Filters, offset: int) -> tuple[Filters, int]:
        """Skip rows by arithmetic: end the span at the latest second that leaves at most *offset* rows behind it."""
        ends = [source.entry(0)[0] for source in self._sources if source.index_of(inf, inf)]
        ends += [
            source.entry(source.index_of(inf, inf) - 1)[0] for source in self._sources if source.index_of(inf, inf)
        ]
        if not ends or offset == 0:
            return filters, offset
        low, high = int(max(filters.started_from, min(ends))), int(min(filters.started_until, max(ends))) + 1
        until = filters.started_until
        while low < high:
            middle = (low + high) // 2
            if self._count_between(middle, until) <= offset:
                high = middle
            else:
                low = middle + 1
        return attrs.evolve(filters, started_until=low - 1), offset - self._count_between(low, until)
