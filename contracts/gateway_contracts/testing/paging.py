"""Lists that a vendor cuts into pages, in whichever way it does so: none ends early without an error."""

from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Any

import pytest

from .. import OPERATIONS, VendorProtocolError
from .far_side import FarSide, Paging
from .history import every_page, half_an_hour_ago
from .lacking import method_of, where_supported

_ROWS = 25  # more than a page of any vendor that overlooks how many are asked for
_OVERLOOKING = {Paging.FIRST_PAGE, Paging.EVERYTHING}
_SECOND = timedelta(seconds=1)


class PagingTests:
    """However a vendor takes what says which page is wanted."""

    @pytest.mark.parametrize("paging", Paging)
    @where_supported
    async def test_records_do_not_end_early_without_an_error(self, pbx: Any, far: FarSide, paging: Paging) -> None:
        """Each comes once, though calls end between two pages, new ones and one that began long ago; a vendor that
        gives the same rows whichever page is asked for is an error, unless all have come.
        """
        method, _ = await method_of(pbx, far, OPERATIONS["list_records"])
        base = half_an_hour_ago()
        made = [await far.finished_call(started_at=base - age * _SECOND, seconds=10 + age) for age in range(_ROWS)]
        turns = iter(range(1, 10_000))

        async def calls_end() -> None:
            if (turn := next(turns)) <= 5:
                await far.finished_call(started_at=base + turn * _SECOND)
                await far.finished_call(started_at=base - 2 * _SECOND, seconds=100 + turn)

        await _none_is_missing(far, "list_records", paging, method, made, turned=calls_end)

    @pytest.mark.parametrize("paging", Paging)
    @where_supported
    async def test_customers_do_not_end_early_without_an_error(self, pbx: Any, far: FarSide, paging: Paging) -> None:
        """The same of the other list that is paged."""
        create, needed = await method_of(pbx, far, OPERATIONS["create_customer"])
        method, _ = await method_of(pbx, far, OPERATIONS["list_customers"])
        made = [(await create(**{**needed, "customer_code": f"KH{place}"})).customer_id for place in range(7)]

        await _none_is_missing(far, "list_customers", paging, method, made)


async def _none_is_missing(
    far: FarSide,
    operation: str,
    paging: Paging,
    method: Any,
    made: Collection[str],
    *,
    turned: Callable[[], Awaitable[object]] | None = None,
) -> None:
    page_by = getattr(far, "page_by", None)  # which a far side may leave out
    if page_by is None or not page_by(operation, paging):
        return
    try:
        found = await every_page(method, turned=turned)
    except VendorProtocolError:
        assert paging in _OVERLOOKING, f"a vendor that pages by {paging} is read to the end"
        return
    ids = [each.record_id if operation == "list_records" else each.customer_id for each in found]
    assert {*made} <= {*ids}, f"{len({*made} - {*ids})} of {len(made)} never came, and no error said so"
    assert len({*ids}) == len(ids)
