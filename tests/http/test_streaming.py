"""Everything that matches as NDJSON or CSV, and recordings: written as they come, cut off rather than wrong."""

import csv
import io
from datetime import timedelta

import aiohttp
import attrs
import orjson
import pytest
from gateway_contracts import Audio, Customer, Customers, History, Recording

from gateway import Gateway, Outcome, Page, VendorTimeout, VendorUnavailable

RECORDS = "/v1/accounts/pbx/records"
NDJSON = {"Accept": "application/x-ndjson"}
CSV = {"Accept": "text/csv"}


@pytest.fixture
async def records(gateway, now):
    """Five finished calls, newest first."""
    pbx = gateway["pbx"].adapter
    made = []
    for number in range(5):
        started = await pbx.start_call(extension="101", number=f"+8489909889{number}")
        pbx.clock = lambda: now + timedelta(seconds=30)
        made.append(pbx.end_call(started.call_id, outcome=Outcome.ANSWERED if number else Outcome.BUSY))
        pbx.clock = lambda: now
    return made[::-1]


async def test_ndjson_is_one_record_a_line_over_all_pages(http, records):
    """`limit` is the size of a page at the vendor, not of the response."""
    response = await http("GET", f"{RECORDS}?limit=2", headers=NDJSON)

    lines = response.body.splitlines()
    assert (200, "application/x-ndjson") == (response.status, response.headers["Content-Type"])
    assert [each.record_id for each in records] == [orjson.loads(line)["record_id"] for line in lines]
    assert "2026-01-31T09:00:00Z" == orjson.loads(lines[0])["started_at"]
    assert ("no-store", 16) == (response.headers["Cache-Control"], len(response.headers["X-Request-Id"]))


async def test_csv_has_a_header_and_one_record_a_line(http, records):
    """Times with Z, nothing for None, lower-case true and false, lines as RFC 4180 wants them."""
    response = await http("GET", f"{RECORDS}?limit=2&outcome=answered", headers=CSV)

    rows = list(csv.DictReader(io.StringIO(response.body.decode(), newline="")))
    assert (200, "text/csv") == (response.status, response.headers["Content-Type"].partition(";")[0])
    assert [each.record_id for each in records[:4]] == [row["record_id"] for row in rows]
    assert ("2026-01-31T09:00:00Z", "", "30", "true", "answered", "+84899098894") == (
        rows[0]["started_at"],
        rows[0]["hotline"],
        rows[0]["duration_seconds"],
        rows[0]["has_recording"],
        rows[0]["outcome"],
        rows[0]["to_number"],
    )
    assert "raw" not in rows[0]
    assert response.body.endswith(b"\r\n")


@pytest.mark.parametrize("headers", [NDJSON, CSV])
async def test_nothing_found_is_an_empty_stream(http, headers):
    """CSV still has its header."""
    response = await http("GET", RECORDS, headers=headers)

    assert 200 == response.status
    assert (b"" == response.body) == (headers is NDJSON)


@pytest.mark.parametrize("headers", [NDJSON, CSV])
async def test_an_error_before_the_first_record_is_a_problem(http, headers):
    """There is still time to say so."""
    bad = await http("GET", f"{RECORDS}?limit=0", headers=headers)
    unsupported = await http("GET", f"{RECORDS}?recording_name=x", headers=headers)

    assert (400, 501) == (bad.status, unsupported.status)
    assert "list_records" == bad.json["operation"]


def second_page_fails(error, record):
    """A history whose second page is *error*."""

    def list_records(**arguments):
        return error if arguments.get("cursor") else Page(items=(record,), next="2")

    return {"list_records": list_records}


@pytest.mark.parametrize("headers", [NDJSON, CSV])
@pytest.mark.parametrize("error", [VendorTimeout("late"), VendorUnavailable("away"), ValueError("fault"), None])
async def test_an_error_in_the_middle_cuts_the_answer_off(
    adapter_of, gateway_of, sidecar, records, headers, error, caplog
):
    """The reader must not take a part for the whole: the connection breaks before the end of the body."""
    adapter = adapter_of(History, **second_page_fails(error, records[0]))
    async with gateway_of({"a": adapter}) as gateway, sidecar(gateway) as address, aiohttp.ClientSession() as session:
        response = await session.get(f"{address}/v1/accounts/a/records", headers=headers)
        assert 200 == response.status
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    assert "event=stream.cut account=a operation=list_records" in caplog.text
    assert [] == [each for each in caplog.records if each.name.startswith("aiohttp")]


async def test_what_cannot_be_written_cuts_the_answer_off(adapter_of, gateway_of, sidecar, records, caplog):
    """A `raw` that is no JSON in the second page: no problem may be appended to the records."""
    odd = attrs.evolve(records[1], raw=b"bytes")
    adapter = adapter_of(History, **second_page_fails(Page(items=(odd,)), records[0]))
    async with gateway_of({"a": adapter}) as gateway, sidecar(gateway) as address, aiohttp.ClientSession() as session:
        response = await session.get(f"{address}/v1/accounts/a/records?raw=1", headers=NDJSON)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    assert "event=stream.cut" in caplog.text


async def test_a_reader_that_leaves_stops_the_stream(adapter_of, gateway_of, sidecar, records, caplog):
    """A list that never ends is not asked for any longer, and nothing failed."""
    adapter = adapter_of(History, list_records=Page(items=(records[0],) * 200, next="more"))
    async with gateway_of({"a": adapter}) as gateway, sidecar(gateway) as address, aiohttp.ClientSession() as session:
        response = await session.get(f"{address}/v1/accounts/a/records", headers=NDJSON)
        assert (await response.content.readline()).startswith(b"{")
        response.close()

    assert "event=stream.cut" in caplog.text
    assert "request.failed" not in caplog.text


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ("'=HYPERLINK(1)", "=HYPERLINK(1)"),
        ("'@SUM(1)", "@SUM(1)"),
        ("'+cmd|x", "+cmd|x"),
        ("'-2+3", "-2+3"),
        ("'\t=1", "\t=1"),
        ("'\r=1", "\r=1"),
        ("+84899098899", "+84899098899"),
        ("+84 899 098 899", "+84 899 098 899"),
        ("-5", "-5"),
        ("a=b", "a=b"),
        ('say "hi", you', 'say "hi", you'),
        ("two\nlines", "two\nlines"),
        ("Nguyễn", "Nguyễn"),
    ],
)
async def test_a_spreadsheet_runs_nothing_that_a_customer_is_called(
    adapter_of, gateway_of, sidecar, ask, expected, name
):
    """Text that looks like a formula gets an apostrophe; numbers stay, and quoting is as it should be."""
    page = Page(items=(Customer(account="a", customer_id="1", name=name),))
    async with (
        gateway_of({"a": adapter_of(Customers, list_customers=page)}) as gateway,
        sidecar(gateway) as address,
    ):
        response = await ask(address)("GET", "/v1/accounts/a/customers", headers=CSV)

    (row,) = csv.DictReader(io.StringIO(response.body.decode(), newline=""))
    assert expected == row["name"]


async def test_a_live_list_is_not_streamed(http):
    """Only what comes in pages is."""
    response = await http("GET", "/v1/accounts/pbx/calls", headers=NDJSON)

    assert ("application/json", {"items": [], "next": None, "total": 0, "skipped": 0}) == (
        response.headers["Content-Type"],
        response.json,
    )


# Odd rows


def odd_pages(records):
    """Two pages, each with a row that could not be read; and a record with a field that could not."""
    odd = attrs.evolve(records[1], duration_seconds=None, unreadable=("duration",))

    def list_records(**arguments):
        if arguments.get("cursor"):
            return Page(items=(odd,), skipped=1, raw=({"second": 2},))
        return Page(items=(records[0],), next="2", skipped=1, raw=({"first": 1},))

    return {"list_records": list_records}


async def test_a_page_says_how_many_rows_could_not_be_read(adapter_of, gateway_of, sidecar, records):
    """They come when the vendor's own is asked for, over a sidecar too; streams go on without them."""
    adapter = adapter_of(History, **odd_pages(records))
    async with gateway_of({"a": adapter}) as gateway, sidecar(gateway) as address, aiohttp.ClientSession() as session:
        shown = []
        for query, headers in (("", {}), ("?raw=1", {}), ("?cursor=2", {}), ("", NDJSON), ("", CSV)):
            async with session.get(f"{address}/v1/accounts/a/records{query}", headers=headers) as response:
                shown.append(await response.read())
        async with Gateway.remote(address, raw=True) as remote:
            page = await remote["a"].history.list_records()
            told = [record.unreadable async for record in remote["a"].records()]

    plain, raw, second = map(orjson.loads, shown[:3])
    assert (1, "left out") == (plain["skipped"], plain.get("raw", "left out"))
    assert (1, [{"first": 1}]) == (raw["skipped"], raw["raw"])
    assert [["duration"]] == [each["unreadable"] for each in second["items"]]
    assert [[], ["duration"]] == [orjson.loads(line)["unreadable"] for line in shown[3].splitlines()]
    assert ["", "duration"] == [row["unreadable"] for row in csv.DictReader(io.StringIO(shown[4].decode()))]
    assert (1, [{"first": 1}]) == (page.skipped, page.raw)
    assert [(), ("duration",)] == told


# Recordings


@pytest.fixture
def recording(records):
    """Where a recording is."""
    return f"{RECORDS}/{records[0].record_id}/recording"


async def test_a_recording_is_audio_over_http(http, recording):
    """To be saved and not shown, with its length."""
    response = await http("GET", recording)

    assert (200, "audio/wav", "bytes", "attachment", "nosniff", "pbx") == (
        response.status,
        response.headers["Content-Type"],
        response.headers["Accept-Ranges"],
        response.headers["Content-Disposition"],
        response.headers["X-Content-Type-Options"],
        response.headers["Gateway-Account"],
    )
    assert response.body.startswith(b"RIFF")
    assert str(len(response.body)) == response.headers["Content-Length"]


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, 8043), ("bytes=-44", 8000, 8043), ("bytes=8000-99999", 8000, 8043)],
)
async def test_a_range_of_a_recording_is_206(http, recording, span, first, last):
    """With exactly those bytes, and where they lie."""
    whole = (await http("GET", recording)).body

    response = await http("GET", recording, headers={"Range": span})

    assert (206, f"bytes {first}-{last}/8044", str(last - first + 1)) == (
        response.status,
        response.headers["Content-Range"],
        response.headers["Content-Length"],
    )
    assert whole[first : last + 1] == response.body


@pytest.mark.parametrize("span", ["bytes=0-1,5-6", "lines=1-2", "bytes=9-1", "nonsense"])
async def test_a_range_that_is_not_understood_is_the_whole(http, recording, span):
    """As HTTP says."""
    response = await http("GET", recording, headers={"Range": span})

    assert (200, 8044) == (response.status, len(response.body))


async def test_a_range_outside_is_416(http, recording):
    """A problem like any other."""
    response = await http("GET", recording, headers={"Range": "bytes=8044-"})

    assert (416, "range_not_satisfiable") == (response.status, response.json["code"])


async def test_a_recording_that_breaks_off_is_cut_off(adapter_of, gateway_of, sidecar, caplog):
    """Whether or not its length is known, half of it must not look whole."""

    async def chunks():
        yield b"RIFF" * 100
        raise VendorUnavailable("gone")

    def fetch_recording(**arguments):
        return Audio(account="a", record_id="r", media_type="audio/wav", chunks=chunks())

    adapter = adapter_of(Recording, fetch_recording=fetch_recording)
    async with gateway_of({"a": adapter}) as gateway, sidecar(gateway) as address, aiohttp.ClientSession() as session:
        response = await session.get(f"{address}/v1/accounts/a/records/r/recording")
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    assert "event=recording.cut account=a" in caplog.text
