"""Records over any range, out of a vendor that gives 31 days and 100 rows at a time (004:78-80) and promises no order.

A range is cut into slices, newest first. Each slice *owns* the seconds from its start to its end, and every row whose
call started in them; it asks for somewhat more than it owns, because the document neither says whether the ends are
included nor whether a call is filed under its start or its end. A row that two slices are given is therefore taken from
one of them, with nothing to remember. What must be remembered, in the cursor, are the last rows that were read: a call
that is filed while somebody reads pages pushes rows from one page to the next, and one that goes draws them back. Since
the vendor says no total and may have pages of its own size, a slice ends at a page without rows, and the page before is
looked at behind each page.
"""

import hashlib
import math
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from gateway_contracts import (
    CallRecord,
    Direction,
    GatewayError,
    InvalidRequest,
    InvalidValue,
    Outcome,
    VendorProtocolError,
    VendorRejected,
    dumps,
    from_json,
)
from gateway_contracts.cursors import not_ours, read_cursor, write_cursor
from gateway_contracts.rows import Rows

from . import wire

DAY = 86_400
SLICE = 30 * DAY  # the vendor's 31 less what is asked for beside it
PAGE = 100  # the vendor's greatest
LEAST_PAGE = 20  # its default (004:79): on less, a call that has gone is not told from one that was pushed past a page
DEFAULT_RANGE = 30 * DAY
MAX_REQUESTS = 25  # for one of our pages, or two more: a filter that fits nothing must not read years in one go
_REMEMBERED = 2 * PAGE
_MARK = 10  # characters of a digest: enough to tell a few hundred rows apart


@attrs.frozen
class Row:
    """A row of the vendor's, told from others by what does not change once a call is over."""

    at: int
    digest: str
    duration: int
    record: Callable[[str], CallRecord]  # makes our record, given its id
    odd: bool = False  # something in it could not be read, so its digest may be another one some day

    @property
    def mark(self) -> str:
        return self.digest[:_MARK]

    def record_id(self, ordinal: int) -> str:
        """The id of this row, or of its *ordinal*th double: rows that are equal in all the digest holds."""
        return f"{self.at}-{self.duration}-{self.digest}" + (f"-{ordinal}" if ordinal > 1 else "")


@attrs.frozen
class OddRow:
    """A row that could not be read, as the vendor sent it."""

    raw: Any
    odd: bool = True

    @property
    def mark(self) -> str:
        try:
            return hashlib.sha256(dumps(self.raw)).hexdigest()[:_MARK]
        except TypeError:
            return "0" * _MARK  # nested too deeply


def digest_of(row: wire.HistoryRow) -> str:
    """What a row is known by. Not the recording: its name may come after the call, and a record keeps its id."""
    caller, callee = row.caller or wire.PartyRow(), row.callee or wire.PartyRow()
    parts = (
        str(wire.moment(row.unix_timestamp)),
        *(wire.text(value) for value in (caller.number, caller.username, callee.number, callee.username)),
        *(wire.text(value) for value in (row.kind, row.direction, row.did_number, row.status_detail)),
        str(wire.seconds(row.duration_seconds, "duration_seconds") or 0),
        str(wire.seconds(row.billing_seconds, "billing_seconds") or 0),
    )
    return hashlib.sha256("\n".join(part or "" for part in parts).encode()).hexdigest()[:20]


_RECORD_ID = re.compile(r"(\d{1,10})-(\d{1,7})-([0-9a-f]{20})(?:-([2-9]|[1-9]\d{1,4}))?")


@attrs.frozen
class RecordId:
    """Where a record is found again: when its call started, how long it took, what it is known by, which double."""

    at: int
    duration: int
    digest: str
    ordinal: int

    @classmethod
    def parse(cls, text: str) -> "RecordId | None":
        """None for text that is no id of ours."""
        found = _RECORD_ID.fullmatch(text) if text.isascii() else None
        if found is None or int(found[1]) >= 4_102_444_800:
            return None
        return cls(int(found[1]), int(found[2]), found[3], int(found[4] or 1))


@attrs.frozen(kw_only=True)
class Filters:
    """What the vendor cannot look for, picked out here. Times in seconds since 1970."""

    extension: str | None = None
    number: str | None = None
    direction: Direction | None = None
    outcome: Outcome | None = None
    min_duration_seconds: int | None = None
    duration_seconds: int | None = None
    ended_since: float | None = None
    ended_until: float | None = None
    recording_name: str | None = None

    def fit(self, record: CallRecord, recording: str | None) -> bool:
        """Whether *record*, whose recording has that name, is wanted."""
        ended = record.ended_at.timestamp() if record.ended_at else None
        seconds = record.duration_seconds
        return (
            self.extension in (None, record.extension)
            and self.number in (None, record.from_number, record.to_number)
            and self.direction in (None, record.direction)
            and self.outcome in (None, record.outcome)
            and self.duration_seconds in (None, seconds)
            and (self.min_duration_seconds is None or (seconds or 0) >= self.min_duration_seconds)
            and (self.ended_since is None or (ended is not None and ended >= self.ended_since))
            and (self.ended_until is None or (ended is not None and ended < self.ended_until))
            and (
                self.recording_name is None or self.recording_name in (recording, (recording or "").rpartition(".")[0])
            )
        )


@attrs.frozen(kw_only=True)
class Place:
    """Where reading goes on: behind the first *taken* rows of *page*, in the slice that ends at *end*.

    *recent* are the marks of the rows that were read last in this slice, oldest first.
    """

    since: int
    until: int
    end: int
    page: int = 1
    taken: int = 0
    recent: tuple[str, ...] = ()
    filters: Filters = Filters()

    @property
    def start(self) -> int:
        """The first second that the slice owns."""
        return max(self.since, self.end - SLICE)

    def following_slice(self) -> "Place | None":
        """The beginning of the next older slice; None behind the last."""
        if self.start <= self.since:
            return None
        return attrs.evolve(self, end=self.start, page=1, taken=0, recent=())

    def encode(self) -> str:
        filters = {name: value for name, value in attrs.asdict(self.filters).items() if value is not None}
        place = [self.since, self.until, self.end, self.page, self.taken]
        return write_cursor({"p": place, "r": "".join(self.recent), "f": filters})

    @classmethod
    def decode(cls, text: str) -> "Place":
        """Raises: InvalidRequest for text that we did not give."""
        try:
            data = read_cursor(text, dict[str, Any])
            since, until, end, page, taken = from_json(data["p"], tuple[int, ...])
            marks = from_json(data["r"], str)
            recent = tuple(marks[index : index + _MARK] for index in range(0, len(marks), _MARK))
            filters = from_json(data["f"], Filters, refuse_unknown=True)
            sane = 0 <= since < end <= until < 4_200_000_000 and page >= 1 and 0 <= taken <= len(recent)
            if not sane:
                raise InvalidValue({"p": "is not a place"})
        except (ValueError, KeyError):
            raise not_ours() from None
        return cls(since=since, until=until, end=end, page=page, taken=taken, recent=recent, filters=filters)


def first_place(since: datetime | None, until: datetime | None, filters: Filters, *, now: datetime) -> Place | None:
    """Where a range begins to be read: its newest end. None for an empty range.

    Without *until* it ends now, without *since* it is 30 days long. Nobody has called in the future yet.
    """
    latest = ceil(now) + DAY
    last = min(ceil(until), latest) if until else ceil(now) + 1
    first = max(ceil(since), 0) if since else max(last - DEFAULT_RANGE, 0)
    return Place(since=first, until=last, end=last, filters=filters) if first < last else None


def ceil(moment: datetime) -> int:
    """The first whole second that is not before *moment*."""
    return math.ceil(moment.timestamp())


def written(second: int) -> str:
    """A time as the vendor takes it: ISO 8601 in UTC with milliseconds, as in its worked example."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


Fetch = Callable[[Place, int], Awaitable[Sequence[Row | OddRow]]]
"""Asks the vendor for one page of the slice of a place."""

Pick = Callable[[Row, str], CallRecord | None]
"""Makes the record of a row, with that id; None for one that is not wanted."""


async def read(
    place: Place, limit: int, fetch: Fetch, pick: Pick, *, seconds: float
) -> tuple[Rows[CallRecord], Place | None]:
    """Up to *limit* records from *place* on, and where the next ones are; None at the end of the range.

    After *seconds* no further page of the vendor's is asked for. What was found before a request fails is given first,
    and the failure with the page after it.
    """
    deadline = time.monotonic() + seconds
    found: list[CallRecord] = []
    skipped: list[Any] = []
    here: Place | None = place
    asked = 0

    async def ask(place: Place, page: int) -> Sequence[Row | OddRow]:
        nonlocal asked
        asked += 1
        return await fetch(place, page)

    while asked < MAX_REQUESTS:
        assert here is not None  # noqa: S101 # the loop returns before
        try:
            rows = await ask(here, here.page)
            page, taken = await _reached(here, [row.mark for row in rows], ask)
        except GatewayError as error:
            if found:  # they have come; to go on says so
                break
            _say_what_was_reached(error, here)
            raise
        if page < here.page or taken is None:
            here = attrs.evolve(here, page=page, taken=min(taken or 0, len(here.recent)))
            continue
        recent = list(here.recent)
        while taken < len(rows) and len(found) < limit:
            row = rows[taken]
            ordinal = 1 + recent.count(row.mark)
            recent.append(row.mark)
            taken += 1
            if isinstance(row, OddRow):
                skipped.append(row.raw)
            elif here.start <= row.at < here.end:
                record = pick(row, row.record_id(ordinal))
                if record is not None:
                    found.append(record)
        here = attrs.evolve(here, taken=min(taken, len(recent), _REMEMBERED), recent=tuple(recent[-_REMEMBERED:]))
        if taken == len(rows):
            here = attrs.evolve(here, page=here.page + 1, taken=0) if rows else here.following_slice()
        if here is None or len(found) == limit or time.monotonic() >= deadline:
            break
    return Rows(items=tuple(found), skipped=dict(enumerate(skipped))), here


def _say_what_was_reached(error: GatewayError, place: Place) -> None:
    """Tell in *error*, which came behind the first slice of a list, from when on calls could be read."""
    if place.end == place.until:
        return
    reached = f"{datetime.fromtimestamp(place.end, UTC):%Y-%m-%dT%H:%M:%SZ}"
    error.message += f". The calls that began at {reached} or later have been read"
    if isinstance(error, InvalidRequest | VendorRejected):
        # 004:98 may mean how old calls may be, and not only how long a range is (004:78).
        error.message += ": the vendor may give no older ones, its documents speak of 31 days"
        error.fields = {**error.fields, "since": f"is before {reached}"}
    error.args = (error.message,)


async def _reached(place: Place, marks: Sequence[str], fetch: Fetch) -> tuple[int, int | None]:
    """On which page reading goes on, and behind how many of its rows: on that of *place*, which has rows with these
    *marks*, or on the page before, where rows have moved up to it. None for a page that is to be asked for again.

    Raises: VendorProtocolError when the vendor gives most of the page before once more, since going on would never end,
    and when none of the rows that were read is found again.
    """
    recent, page = place.recent, place.page
    if place.taken:
        if tuple(marks[: place.taken]) == recent[-place.taken :]:
            return page, place.taken
        if reached := _end_of(recent, marks):
            return page, reached
        if reached := _behind(recent, marks):
            beyond = {row.mark for row in await fetch(place, page + 1)}
            return page, reached if beyond.isdisjoint(recent[-place.taken :]) else len(marks)
    if page == 1:
        if place.taken:
            raise _lost(place, "has other calls on page 1 of the history than before")
        return page, 0
    # A call that was filed meanwhile has pushed rows on to this page, one that has gone has drawn rows off it, the
    # vendor has rows that are equal in all that it tells, or it overlooks which page is asked for. The page before says
    # which.
    before = [row.mark for row in await fetch(place, page - 1)]
    if marks and len(marks) >= len(before) and _shared(marks, before) * 2 >= len(marks):
        raise _lost(place, f"gave page {page - 1} of the history again as page {page}")
    again = next((n for n in range(min(len(marks), len(recent)), 0, -1) if tuple(marks[:n]) == recent[-n:]), 0)
    pushed = _pushed_off(recent, before)
    off = set(recent[-pushed:]) if pushed else set()
    if off and off.isdisjoint(marks) and not off.isdisjoint([row.mark for row in await fetch(place, page)]):
        return page, None  # they were pushed on to it between the two requests
    if not off.issubset(marks) and len(before) < LEAST_PAGE:
        raise _lost(
            place, f"has fewer than {LEAST_PAGE} calls on page {page - 1} of the history, and others than before"
        )
    if not off.isdisjoint(marks):
        return page, min(again, pushed) or _behind(recent, marks)
    reached = _behind(recent, before)
    if recent and not reached:
        raise _lost(place, f"has other calls on page {page - 1} of the history than before")
    return (page - 1, reached) if reached < len(before) else (page, 0)


def _lost(place: Place, what: str) -> VendorProtocolError:
    return VendorProtocolError(
        f"The vendor {what}, so its calls from {written(place.start)} to {written(place.end)} have not all come"
    )


def _behind(recent: Sequence[str], marks: Sequence[str]) -> int:
    """Behind which of *marks* the last one stands that is among *recent*; 0 where none is."""
    known = set(recent)
    return max((index for index, mark in enumerate(marks, 1) if mark in known), default=0)


def _end_of(recent: Sequence[str], marks: Sequence[str]) -> int:
    """Behind which of *marks* those that end with *recent* end; 0 where none does."""
    best, at = 0, 0
    for index in range(1, len(marks) + 1):
        common = _common_end(recent, marks[:index])
        if common > best:
            best, at = common, index
    return at


def _pushed_off(recent: Sequence[str], page: Sequence[str]) -> int:
    """How many of the last of *recent* do not stand on their *page* any more."""
    known, kept = set(recent), list(page)
    while kept and kept[-1] not in known:
        kept.pop()  # filed meanwhile, at the very end
    best, pushed = 0, 0
    for count in range(len(recent)):
        common = _common_end(recent[: len(recent) - count], kept)
        if common > best:
            best, pushed = common, count
    return pushed


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many rows there are in both, wherever they stand."""
    return sum((Counter(one) & Counter(other)).values())


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count
