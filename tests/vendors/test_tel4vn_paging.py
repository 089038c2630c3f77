"""Lists of both TEL4VN products, however the host pages: whole, each row once, or an error says what was reached."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from gateway_simulators import Fault, ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator

from gateway import Gateway, VendorProtocolError
from tests.wire import Wire

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
PRODUCTS = {"tel4vn-v1": (Tel4vnV1Simulator, "/v1/cdr"), "tel4vn-v2": (Tel4vnV2Simulator, "/v2/cdr")}
FOLLOWED = ["document", "page", "offset", "scroll"]


class Host:
    """A product's simulator with 35 records, and an account on it."""

    def __init__(self, vendor, pbx, account):
        self.vendor, self.pbx, self.account, self.path = vendor, pbx, account, PRODUCTS[vendor][1]

    @property
    def asked(self):
        """Where each page of records was asked to start."""
        names = ("limit", "page", "offset", "scroll_id")
        queries = [dict(each.query) for each in self.pbx.requests if each.path == self.path]
        return [tuple(query.get(name) for name in names) for query in queries]

    async def rows(self):
        """All rows as the host sends them."""
        return [record.raw for record in (await self.account.history.list_records(limit=100)).items]

    def gives(self, *pages):
        """Let the host answer with *pages*, one after the other."""
        self.pbx.faults.add(*(Fault(self.path, kind="replace", body=page) for page in pages))

    async def read(self, limit=10):
        """The rows of all pages."""
        return [record.raw async for record in self.account.records(limit=limit)]


@pytest.fixture(params=PRODUCTS)
async def host(request):
    simulator, _ = PRODUCTS[request.param]
    async with simulator(clock=ManualClock()) as pbx:
        pbx.seed_records(35, NOW - timedelta(days=1))
        settings = {"base_url": pbx.url, "api_key": pbx.api_key}
        accounts = {"hanoi": {"vendor": request.param, "settings": settings}}
        async with Gateway.from_config({"accounts": accounts}) as gateway:
            yield Host(request.param, pbx, gateway["hanoi"])
        Wire.load(request.param).check_requests(pbx.requests)


# What is asked for


async def test_a_request_satisfies_every_reading_of_the_document(host):
    """Page and limit, so that there are pages at all; the offset names the same rows. The last row of a page begins the
    next one, so that a row that goes meanwhile takes no other with it.
    """
    await host.read()

    assert [("10", "1", "0", None), ("9", "2", "9", None), ("8", "3", "16", None)] == host.asked[:3]
    assert all((int(page) - 1) * int(limit) == int(offset) for limit, page, offset, _ in host.asked)


@pytest.mark.parametrize("ids", [["s1", "s1", "s1"], ["s1", "s2", "s3"], [7, 8, 9]])
async def test_a_scroll_is_followed_wherever_an_answer_has_its_id(host, ids):
    """Also beside a total, and whatever was asked for; the same id every time is normal. An empty page is the end."""
    rows = await host.rows()
    before = len(host.asked)
    pieces = zip((rows[:15], rows[15:35], []), ids, strict=True)
    host.gives(*({"data": piece, "scroll_id": each, "limit": 10, "page": 1} for piece, each in pieces))

    assert rows == await host.read()
    assert [None, str(ids[0]), str(ids[1])] == [scroll_id for *_, scroll_id in host.asked[before:]]


# Where a list ends


@pytest.mark.parametrize("paging", FOLLOWED)
@pytest.mark.parametrize("cap", [4, 10, 50])
async def test_a_host_with_a_limit_of_its_own_loses_no_row(host, paging, cap):
    """Its first page says how many rows a page has."""
    rows = await host.rows()
    host.pbx.behaviour.paging, host.pbx.behaviour.largest_page = paging, cap

    assert rows == await host.read(limit=30)


async def test_a_list_that_ends_at_once_before_its_total_is_an_error(host):
    """As of hosts that give nothing back where an argument is missing that they need."""
    host.gives({"data": [], "limit": -1, "offset": -1, "total": 35})

    with pytest.raises(VendorProtocolError, match="ended the list after 0 of 35 rows"):
        await host.account.history.list_records()


async def test_a_scroll_without_an_id_ends_at_a_short_page_only(host):
    """Behind a full one there may be more: a host that begins again then is an error."""
    rows = await host.rows()
    short = ({"data": rows[:10], "scroll_id": "s"}, {"data": rows[10:15], "scroll_id": None})
    host.gives(*short)
    read = await host.read()
    host.gives({"data": rows[:10], "scroll_id": "s"}, {"data": rows[10:20]}, {"data": rows[:10], "scroll_id": "t"})

    assert rows[:15] == read
    with pytest.raises(VendorProtocolError, match="gave 20 rows by scrolling, and no scroll_id"):
        await host.read()


async def test_a_scroll_whose_last_page_is_full_ends_with_its_total(host):
    """Without an id nothing is asked for: the host would begin anew, and give the first rows twice."""
    rows = await host.rows()
    host.gives({"data": rows[:10], "scroll_id": "s", "total": 20}, {"data": rows[10:20], "total": 20})
    before = len(host.asked)

    assert rows[:20] == await host.read()
    assert 2 == len(host.asked) - before


async def test_a_host_that_overlooks_where_a_page_starts_is_an_error_before_a_row_is_missing(host):
    """Also when a call ends between two pages, so that the first page is not quite the same."""
    host.pbx.behaviour.paging = "first_page"
    first = await host.account.history.list_records(limit=10)
    host.pbx.add_record(time_started=NOW)

    for _ in range(2):
        with pytest.raises(VendorProtocolError, match=r"the same rows again after 10 of 3\d"):
            await host.account.history.list_records(cursor=first.next)


@pytest.mark.parametrize("limit", [1, 10, 34, 36, 100])
async def test_a_host_that_gives_all_whatever_is_asked_for_is_read_once(host, limit):
    """Its total says that nothing is missing."""
    rows = await host.rows()
    host.pbx.behaviour.paging = "everything"

    assert rows == await host.read(limit=limit)


async def test_pages_that_many_old_calls_push_on_are_no_error(host):
    """A page's worth comes before a page meanwhile, so that the whole page comes again: the total has grown as much."""
    rows = await host.rows()
    seen, cursor = [], None
    while True:
        page = await host.account.history.list_records(limit=5, cursor=cursor)
        seen += [record.raw for record in page.items]
        cursor = page.next
        if cursor is None:
            break
        for _ in range(7 if len(seen) < 30 else 0):
            host.pbx.add_record(time_started=NOW - timedelta(days=1, minutes=-33))

    assert rows == [row for row in seen if row in rows]


# Rows that go


@contextlib.asynccontextmanager
async def campaign(count):
    """A call center with *count* customers, and their ids."""
    async with Tel4vnV2Simulator(clock=ManualClock()) as pbx:
        for number in range(count):
            pbx.add_customer(customer_id=f"id{number}")
        settings = {"base_url": pbx.url, "api_key": pbx.api_key}
        async with Gateway.from_config({"accounts": {"a": {"vendor": "tel4vn-v2", "settings": settings}}}) as gateway:
            yield pbx.customers, gateway["a"].customers.list_customers


@pytest.mark.parametrize("limit", [3, 10, 50, 75])
@pytest.mark.parametrize("gone", [1, 5, 20])
async def test_rows_that_go_while_pages_are_read_take_no_other_with_them(limit, gone):
    """Those behind move up, on to pages that have been read: the total has fallen, so the last rows are looked through
    once more.
    """
    async with campaign(160) as (rows, method):
        page = await method(limit=limit)
        seen = [each.customer_id for each in page.items]
        while page.next is not None:
            if len(seen) >= 75 and len(rows) == 160:
                for number in range(gone):
                    del rows[f"id{number}"]
            page = await method(cursor=page.next, limit=limit)
            seen += [each.customer_id for each in page.items]

    assert [f"id{number}" for number in range(160)] == seen


async def test_more_rows_that_go_than_can_be_looked_through_are_an_error():
    """None of the last rows is where it may be, so some may be missing."""
    async with campaign(600) as (rows, method):
        page = await method(limit=100)
        page = await method(cursor=page.next)
        for number in range(190):
            del rows[f"id{number}"]
        page = await method(cursor=page.next)

        with pytest.raises(VendorProtocolError, match="has other rows before row 199 than before"):
            await method(cursor=page.next)


# Lists without pages

ROWS = {
    "list_calls": [{"call_id": "c1"}, {"call_id": "c2"}],
    "list_agents": [{"user_id": "u1"}, {"user_id": "u2"}],
    "list_call_ids": [{"call_id": "c1"}, {"call_id": "c2"}],
    "count_calls": [{"count": 5, "status": "ANSWERED"}, {"count": "2", "status": "BUSY"}],
    "list_hooks": [{"id": "h1", "event": "cdr"}, {"id": "h2", "event": "hangup"}],
}
PATHS = {
    "list_calls": ("call_control", "/v1/call"),
    "list_agents": ("agents", "/v1/monitor/agent"),
    "list_call_ids": ("reports", "/v1/report/call_id"),
    "count_calls": ("reports", "/v1/report/call_status"),
    "list_hooks": ("events", "/v1/event"),
}


async def listed(operation, *bodies, days=1):
    """The list that a PBX answers with *bodies*, one for each day that is asked for."""
    interface, path = PATHS[operation]
    arguments = {"since": NOW - timedelta(days=days), "until": NOW} if interface == "reports" else {}
    async with Tel4vnV1Simulator(clock=ManualClock()) as pbx:
        pbx.faults.add(*(Fault(path, kind="replace", body=body) for body in bodies))
        settings = {"base_url": pbx.url, "api_key": pbx.api_key}
        async with Gateway.from_config({"accounts": {"a": {"vendor": "tel4vn-v1", "settings": settings}}}) as gateway:
            return await getattr(getattr(gateway["a"], interface), operation)(**arguments)


@pytest.mark.parametrize("operation", ROWS)
async def test_the_total_of_a_list_without_pages_is_the_vendors(operation):
    """As a number or as text; ours where it says none. Calls are counted by their sum."""
    count = 7 if operation == "count_calls" else 2

    totals = [
        (await listed(operation, {"data": ROWS[operation], **said})).total
        for said in ({"total": count}, {"total": f"{count}"}, {"total": 1}, {}, {"total": 0}, {"total": "many"})
    ]

    assert [count, count, 1, count, count, count] == totals


@pytest.mark.parametrize("operation", ROWS)
async def test_a_list_without_pages_that_is_not_whole_is_an_error(operation):
    """Nothing asks for the rest."""
    count = 7 if operation == "count_calls" else 2

    with pytest.raises(VendorProtocolError, match=f"gave {count} of 35, and the rest cannot be asked for"):
        await listed(operation, {"data": ROWS[operation], "total": "35"})


async def test_the_total_of_several_days_is_that_of_all():
    """Each day is asked for by itself."""
    days = ({"data": [{"call_id": f"c{day}"}], "total": 1} for day in range(3))

    assert 3 == (await listed("list_call_ids", *days, days=3)).total
