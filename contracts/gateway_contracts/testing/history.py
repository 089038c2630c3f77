"""Finished calls."""

from datetime import UTC, datetime
from typing import Any

import pytest

from .. import OPERATIONS, NotFound, Outcome
from .far_side import FarSide
from .lacking import method_of, where_supported


class HistoryTests:
    """History."""

    @where_supported
    async def test_a_record_found_in_the_list_is_found_by_its_id(self, pbx: Any, far: FarSide) -> None:
        """`get_record` resolves every id that `list_records` gave, and both say the same."""
        method, _ = await method_of(pbx, far, OPERATIONS["list_records"])
        record_id = await far.finished_call()

        listed = {record.record_id: record for record in (await method()).items}

        assert listed[record_id] == await pbx.history.get_record(record_id)
        assert Outcome.ANSWERED is listed[record_id].outcome
        assert listed[record_id].duration_seconds >= listed[record_id].talk_seconds >= 0

    @where_supported
    async def test_every_record_comes_once_through_pages(self, pbx: Any, far: FarSide) -> None:
        """Pages of two hold all records, none twice, and end."""
        method, _ = await method_of(pbx, far, OPERATIONS["list_records"])
        made = {await far.finished_call() for _ in range(5)}

        seen: list[str] = []
        cursor = None
        while True:
            page = await method(limit=2, cursor=cursor) if cursor else await method(limit=2)
            seen += [record.record_id for record in page.items]
            cursor = page.next
            if cursor is None:
                break

        assert made <= set(seen)
        assert len(set(seen)) == len(seen)

    @where_supported
    async def test_an_empty_time_range_has_no_records(self, pbx: Any, far: FarSide) -> None:
        """A range that ends where it starts holds nothing, since its end is not part of it."""
        method, _ = await method_of(pbx, far, OPERATIONS["list_records"])
        now = datetime.now(UTC)

        page = await method(since=now, until=now)

        assert (page.items, page.next) == ((), None)

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
