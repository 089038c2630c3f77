"""The sums that the vendor keeps itself: the ids of a range's calls, and how many ended in which way (003:770-879)."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from gateway_contracts import CallCount, CallIds, InvalidRequest, Page
from gateway_contracts.http import HttpClient, Response
from gateway_contracts.rows import Rows, read_rows

from ..pages import total_in, total_of
from ..reading import SECOND, Reading
from ..responses import rows
from ..words import STAMP, outcome_of, text, whole
from . import wire

MAX_REPORT = timedelta(hours=24)  # 003:806


@attrs.frozen(kw_only=True)
class CallReports:
    """The reports of one account."""

    http: HttpClient
    paths: Mapping[str, str]
    reading: Reading

    async def call_ids(self, since: datetime, until: datetime) -> Page[CallIds]:
        """List the ids of a range's calls (003:814), in slices of the 24 hours that it allows (003:806)."""
        found: dict[str, CallIds] = {}
        skipped: list[Any] = []
        total = 0
        # Counted on the vendor's own clock on the wall, which is what it compares.
        for start, last in _days(*self.reading.on_the_wall(since, until)):
            response = await self._report("list_call_ids", start, last)
            some = await read_rows(response, rows(response.data), wire.CallIdRow, self._call_ids)
            found.update((each.call_id, each) for each in some.items)
            skipped += some.skipped.values()
            total += total_of(response, len(some))
        every = Rows(items=tuple(found.values()), skipped=dict(enumerate(skipped)))
        return every.page(total=total)

    def _call_ids(self, row: wire.CallIdRow, raw: Any, _: tuple[str, ...] = ()) -> CallIds:
        call_id = row.call_id.strip()
        if not call_id:
            raise ValueError("call_id is empty")
        return CallIds(account=self.reading.account, call_id=call_id, sip_call_id=text(row.sip_call_id), raw=raw)

    async def counts(self, since: datetime, until: datetime) -> Page[CallCount]:
        """Count a range's calls by the vendor's word (003:873), in one request.

        The documents know a limit of 24 hours for the other report only (003:806); where the vendor names it here too,
        the range is counted day by day. The `total` is that of the calls, not of the words (003:857).
        """
        start, end = self.reading.on_the_wall(since, until)
        if start >= end:
            return Page(items=(), total=0)
        try:
            found, total = await self._counts(start, end - SECOND)
        except InvalidRequest as error:
            if error.vendor_code != "date range must be in 24 hours" or end - start <= MAX_REPORT:
                raise
            found, total = await self._counts_by_day(start, end)
        return found.page(total=total)

    async def _counts(self, start: datetime, last: datetime) -> tuple[Rows[CallCount], int]:
        response = await self._report("count_calls", start, last)
        found = await read_rows(response, rows(response.data), wire.CallCountRow, self._count)
        counted = sum(each.count for each in found.items)
        return found, (total_in(response) or counted) if found.skipped else total_of(response, counted)

    async def _counts_by_day(self, start: datetime, end: datetime) -> tuple[Rows[CallCount], int]:
        """The sums of all days, each word by itself, with the rows that were added up as `raw`."""
        sums: dict[str, CallCount] = {}
        skipped: list[Any] = []
        total = 0
        for first, last in _days(start, end):
            some, counted = await self._counts(first, last)
            skipped += some.skipped.values()
            total += counted
            for each in some.items:
                known = sums.get(each.vendor_status, attrs.evolve(each, count=0, raw=[]))
                sums[each.vendor_status] = attrs.evolve(
                    known, count=known.count + each.count, raw=[*known.raw, each.raw]
                )
        return Rows(items=tuple(sums.values()), skipped=dict(enumerate(skipped))), total

    def _count(self, row: wire.CallCountRow, raw: Any, unreadable: tuple[str, ...] = ()) -> CallCount:
        if unreadable:
            raise ValueError("a count of what cannot be read is none")
        return CallCount(
            account=self.reading.account,
            outcome=outcome_of(row.status),
            vendor_status=text(row.status) or "",
            count=whole(row.count) or 0,
            raw=raw,
        )

    async def _report(self, name: str, start: datetime, end: datetime) -> Response:
        first, last = (f"{moment:{STAMP}}" for moment in (start, end))
        try:
            return await self.http.send("GET", self.paths[name], params=[("start_date", first), ("end_date", last)])
        except InvalidRequest as error:
            # Both samples and this very text have the two ends the wrong way round (003:778, 003:826, 003:865).
            if error.vendor_code != "start_date must be after end_date":
                raise
        return await self.http.send("GET", self.paths[name], params=[("start_date", last), ("end_date", first)])


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The slices of a range that a report takes, each with its first and its last second."""
    while start < end:
        last = min(start + MAX_REPORT, end) - SECOND
        yield start, last
        start = last + SECOND
