"""What is peculiar to TEL4VN v1: its words, times, ids, tokens, pages, webhooks and refusals."""

import asyncio
import base64
import contextlib
import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson
import pytest
from aiohttp import web
from gateway_contracts import OPERATIONS, dumps, rows, to_json
from gateway_simulators import Fault, ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from gateway_tel4vn.records import Records

from gateway import (
    AgentBusy,
    AgentNotRegistered,
    ConfigError,
    DialState,
    Direction,
    EventType,
    Gateway,
    InvalidRequest,
    Leg,
    NotFound,
    Outcome,
    OutcomeUnknown,
    Secret,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorUnavailable,
    WebhookRequest,
)
from tests.vendors.conftest import reaching
from tests.wire import Wire

NUMBER = "0899888999"
NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)


@contextlib.asynccontextmanager
async def account(pbx, **settings):
    """An embedded account of *pbx*."""
    own = {"base_url": pbx.url, "api_key": pbx.api_key, "tenant_secret": pbx.tenant_secret, **settings}
    async with Gateway.from_config({"accounts": {"hanoi": {"vendor": "tel4vn-v1", "settings": own}}}) as gateway:
        yield gateway["hanoi"]


@pytest.fixture
async def still():
    """A PBX whose clock stands still."""
    async with Tel4vnV1Simulator(clock=ManualClock()) as pbx:
        yield pbx
        Wire.load("tel4vn-v1").check_requests(pbx.requests)


@pytest.fixture
async def hanoi(still):
    async with account(still) as hanoi:
        yield hanoi


# Times, ids and words


@pytest.mark.parametrize(
    ("written", "settings", "expected"),
    [
        ("2021-02-17 00:00:00", {}, datetime(2021, 2, 16, 17, tzinfo=UTC)),
        ("2021-02-28T23:59:59", {}, datetime(2021, 2, 28, 16, 59, 59, tzinfo=UTC)),
        ("2021-07-15T12:50:23.805319123Z", {}, datetime(2021, 7, 15, 12, 50, 23, 805319, tzinfo=UTC)),
        ("2021-07-15T12:50:23Z", {"z_is_local": True}, datetime(2021, 7, 15, 5, 50, 23, tzinfo=UTC)),
        ("2021-07-15T12:50:23+07:00", {}, datetime(2021, 7, 15, 5, 50, 23, tzinfo=UTC)),
        ("2021-07-15 12:50:23", {"timezone": "UTC"}, datetime(2021, 7, 15, 12, 50, 23, tzinfo=UTC)),
        ("2021-03-28 02:30:00", {"timezone": "Europe/Berlin"}, datetime(2021, 3, 28, 1, 30, tzinfo=UTC)),
        ("", {}, None),
        ("0001-01-01T00:00:00Z", {}, None),
        ("1970-01-01T08:00:00+08:00", {}, None),
    ],
)
async def test_a_time_is_read_in_the_accounts_zone(still, written, settings, expected):
    """A time without a zone is local to the account, and leaves us in UTC; empty and zero values are None."""
    row = still.add_record(time_started=written)
    async with account(still, **settings) as hanoi:
        record = await hanoi.history.get_record(row["id"].strip())

    assert expected == record.started_at


@pytest.mark.parametrize(
    "written",
    [
        "yesterday",
        "2021-13-01 00:00:00",
        "0000-00-00 00:00:00",
        "0000-00-00",
        "0001-01-01 00:00:00",
        "0001-01-01T00:00:00Z",
        "1970-01-01 08:00:00",
        "9999-12-31 23:59:59",
        "9999-12-31T23:59:59-07:00",
        "2200-01-01 00:00:00",
        "20210217",
        "-",
        "N/A",
        "0",
        0,
        20210217,
        1_613_550_635,
        1_613_550_635_000.0,
        True,
        False,
        [],
        {},
    ],
)
@pytest.mark.parametrize("field", ["time_started", "time_answered", "time_ended", "time_ringing", "time_ringging"])
async def test_a_time_that_is_none_is_left_out_and_named(still, hanoi, field, written):
    """Whatever stands for it; the other fields and rows are as they are."""
    good, odd = [still.add_record()["id"].strip() for _ in range(2)]
    still.change_record(odd, **{field: written})

    records = {record.record_id: record for record in (await hanoi.history.list_records()).items}

    of_ours = {"time_ringging": "ringing_at"}.get(field, f"{field.removeprefix('time_')}_at")
    assert (None, (field,)) == (getattr(records[odd], of_ours), records[odd].unreadable)
    assert () == records[good].unreadable
    assert 11 == records[odd].duration_seconds
    assert records[odd] == await hanoi.history.get_record(odd)


async def test_a_range_asks_for_local_seconds_with_the_end_left_out(still, hanoi):
    """The vendor includes both ends, so the last second asked for lies before `until`; fractions round inwards."""
    await hanoi.history.list_records(
        since=datetime(2026, 1, 31, 16, 59, 59, 1, tzinfo=UTC), until=datetime(2026, 2, 28, 17, tzinfo=UTC)
    )

    query = dict(still.requests[-1].query)
    assert (query["start_date"], query["end_date"]) == ("2026-02-01 00:00:00", "2026-02-28 23:59:59")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"direction": 3}, Direction.OUTBOUND),
        ({"direction": "3"}, Direction.OUTBOUND),
        ({"direction": "Outbound "}, Direction.OUTBOUND),
        ({"direction": "inbound"}, Direction.INBOUND),
        ({"direction": "local", "from_number": "101", "to_number": "102"}, Direction.INTERNAL),
        ({"direction": 1, "from_number": NUMBER, "to_number": "101"}, Direction.INBOUND),
        ({"direction": 1, "from_number": "101", "to_number": NUMBER}, Direction.OUTBOUND),
        ({"direction": 2, "from_number": "19001919", "to_number": NUMBER}, Direction.UNKNOWN),
        ({"direction": "sideways", "from_number": "19001919", "to_number": NUMBER}, Direction.UNKNOWN),
        ({"direction": None, "from_number": "101", "to_number": "102"}, Direction.INTERNAL),
    ],
)
async def test_a_direction_is_read_from_words_numbers_or_the_two_sides(still, hanoi, row, expected):
    """3 is outbound, other numbers are told from who called whom, and what cannot be told is unknown."""
    record_id = still.add_record(**row)["id"].strip()

    assert expected == (await hanoi.history.get_record(record_id)).direction


async def test_what_other_direction_numbers_mean_is_a_setting(still):
    """A host that numbers directions in its own way is described in gateway.toml."""
    record_id = still.add_record(direction=7, from_number="19001919", to_number=NUMBER)["id"].strip()
    async with account(still, direction_numbers={"7": "inbound"}) as hanoi:
        record = await hanoi.history.get_record(record_id)

    assert Direction.INBOUND is record.direction


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ANSWERED", Outcome.ANSWERED),
        ("BUSY", Outcome.BUSY),
        ("NO ANSWER", Outcome.NO_ANSWER),
        ("no-answered", Outcome.NO_ANSWER),
        ("NO_ANSWERED", Outcome.NO_ANSWER),
        ("busy_line", Outcome.NO_ANSWER),
        ("cancel", Outcome.CANCELLED),
        ("CANCELLED", Outcome.CANCELLED),
        ("not available", Outcome.UNREACHABLE),
        ("FAILED", Outcome.FAILED),
        ("invalid", Outcome.FAILED),
        ("phone_block", Outcome.FAILED),
        ("UNKNOWN", Outcome.UNKNOWN),
        ("TELEPORTED", Outcome.UNKNOWN),
    ],
)
async def test_every_spelling_of_a_status_is_understood_and_kept(still, hanoi, word, expected):
    """Our word is in `outcome`, the vendor's stays in `vendor_status`, and one that nobody knows is unknown."""
    record = await hanoi.history.get_record(still.add_record(status=word)["id"].strip())

    assert (expected, word) == (record.outcome, record.vendor_status)


async def test_stray_blanks_are_no_part_of_an_id(still, hanoi):
    """An id with a blank behind it is the id, and finds its record again."""
    still.add_record(id="01b7d166-b564-42ec-80a1-4ad343225934 ", extension=" 101")

    (record,) = (await hanoi.history.list_records()).items

    assert (record.record_id, record.extension) == ("01b7d166-b564-42ec-80a1-4ad343225934", "101")
    assert record == await hanoi.history.get_record(record.record_id)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"billsec": 7}, 7),
        ({"billsec": "7"}, 7),
        ({}, 3),
        ({"time_answered": "", "status": "BUSY", "billsec": 39}, 0),
        ({"time_answered": "", "status": "NO ANSWER"}, 0),
    ],
)
async def test_talk_counts_from_the_answer_and_never_without_one(still, hanoi, row, expected):
    """The vendor's own figure counts where the call was answered; its samples bill calls that nobody answered."""
    times = {
        "time_started": "2021-02-17 17:30:35",
        "time_answered": "2021-02-17 17:30:43",
        "time_ended": "2021-02-17 17:30:46",
    }
    record = await hanoi.history.get_record(still.add_record(**{**times, **row})["id"].strip())

    assert expected == record.talk_seconds


async def test_an_inbound_record_names_the_extension_that_took_it_and_the_hotline(still, hanoi):
    """The same call looks the same in records and events: customer, extension, hotline."""
    row = still.add_record(direction="inbound", from_number=NUMBER, to_number="19001919", extension="101")
    record = await hanoi.history.get_record(row["id"].strip())

    assert (record.from_number, record.to_number) == (NUMBER, "101")
    assert (record.extension, record.hotline) == ("101", "19001919")


# Pages


@pytest.mark.parametrize("paging", ["auto", "offset", "page", "scroll"])
async def test_every_row_comes_once_while_calls_go_on_ending(still, paging):
    """A thousand records are all seen once, though new calls are recorded between the pages."""
    still.seed_records(1000, NOW - timedelta(days=1), step_seconds=60)
    seen = []
    async with account(still, paging=paging) as hanoi:
        there = {record.record_id async for record in hanoi.records(limit=1000)}
        async for record in hanoi.records(limit=70):
            seen.append(record.record_id)
            if len(seen) % 70 == 1:
                still.add_record(time_started=NOW + timedelta(seconds=len(seen)))

    assert len(there) == 1000
    assert there <= set(seen)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("paging", ["auto", "offset", "page"])
async def test_a_vendor_that_caps_the_page_loses_no_row(still, paging):
    """What comes back is counted, not what was asked for."""
    still.seed_records(25, NOW - timedelta(days=1))
    async with account(still) as hanoi:
        rows = (await hanoi.history.list_records(limit=25)).items
    still.behaviour.paging, still.behaviour.largest_page = "document" if paging == "auto" else paging, 10

    async with account(still, paging=paging) as hanoi:
        seen = [record async for record in hanoi.records(limit=50)]

    assert list(rows) == seen


@pytest.mark.parametrize("paging", ["auto", "offset", "page", "scroll"])
async def test_a_vendor_that_gives_the_same_page_for_ever_is_an_error(still, paging):
    """The rest would be missing, or the list would never end; what has been read is told."""
    row = still.add_record()
    body = {"data": [row], "limit": 1, "page": 1, "scroll_id": "abc=="}
    still.faults.add(Fault("/v1/cdr", kind="replace", body=body, times=None))

    async with account(still, paging=paging) as hanoi:
        first = await hanoi.history.list_records(limit=1)
        with pytest.raises(VendorProtocolError, match="the same rows again after 1, so the rest cannot be read"):
            await hanoi.history.list_records(cursor=first.next)

    assert len(first.items) == 1


async def test_an_outcome_without_a_documented_spelling_is_picked_out(still, hanoi):
    """Cancelled calls are found though the vendor has no word to filter by, and no other call is."""
    for status in ("CANCELLED", "cancel", "ANSWERED", "BUSY"):
        still.add_record(status=status)

    found = [record.vendor_status async for record in hanoi.records(outcome=Outcome.CANCELLED, limit=1)]

    assert sorted(found) == ["CANCELLED", "cancel"]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN])
async def test_every_documented_status_is_asked_for(still, hanoi, outcome):
    """The vendor looks for it, and says how many there are."""
    for status in ("FAILED", "UNKNOWN", "ANSWERED"):
        still.add_record(status=status)

    page = await hanoi.history.list_records(outcome=outcome)

    assert [outcome.upper()] == [record.vendor_status for record in page.items]
    assert (outcome.upper(), 1) == (dict(still.requests[-1].query)["status"], page.total)


@pytest.mark.parametrize(("least", "total"), [(1, 2), (5, 1)])
async def test_at_least_means_that_however_the_vendor_reads_its_filter(still, hanoi, least, total):
    """Its document says both "at least" and "more than", and 0 may be no filter: what is too short is left out."""
    rows = [still.add_record(duration=seconds) for seconds in (0, 4, 5)]
    told = await hanoi.history.list_records(min_duration_seconds=least)
    still.faults.add(Fault("/v1/cdr", kind="replace", body={"data": rows, "limit": 9, "page": 1, "total": 3}))
    page = await hanoi.history.list_records(min_duration_seconds=least)

    assert {str(least - 1)} == {dict(each.query)["min_duration"] for each in still.requests if each.path == "/v1/cdr"}
    assert total == told.total == len(told.items)
    assert (set(told.items), None) == (set(page.items), page.total)


async def test_a_cursor_goes_with_its_filters_or_with_none(still, hanoi):
    """The same filters again are taken, none are taken, others are refused with the cursor's path."""
    still.seed_records(30, NOW - timedelta(days=1))
    first = await hanoi.history.list_records(until=NOW, limit=10)

    again = await hanoi.history.list_records(until=NOW, limit=10, cursor=first.next)
    alone = await hanoi.history.list_records(limit=10, cursor=first.next)
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.history.list_records(until=NOW - timedelta(days=1), cursor=first.next)

    assert again.items == alone.items
    assert {"cursor"} == set(caught.value.fields)


async def test_a_vendor_that_lists_the_oldest_first_loses_no_row(still, hanoi):
    """No order is documented: pages are held still only where the newest has been seen to come first."""
    still.seed_records(250, NOW - timedelta(days=1))
    rows = [record.raw async for record in hanoi.records(limit=250)][::-1]
    pages = [{"data": rows[start : start + size], "total": 250} for start, size in ((0, 100), (99, 99), (196, 98))]
    still.faults.add(*(Fault("/v1/cdr", kind="replace", body=page) for page in pages))

    seen = [record.raw async for record in hanoi.records()]

    assert rows == seen
    assert "end_date" not in dict(still.requests[-1].query)


async def test_a_vendor_that_says_a_larger_page_than_it_gave_loses_no_row(still):
    """The size that counts is the one that was asked for."""
    rows = [still.add_record(time_started=NOW - timedelta(minutes=minute)) for minute in range(4)]
    pages = [{"data": rows[start : start + 2], "limit": 10**6, "total": 4} for start in (0, 2)]
    still.faults.add(*(Fault("/v1/cdr", kind="replace", body=page) for page in pages))
    async with account(still, paging="page") as hanoi:
        seen = [record.record_id async for record in hanoi.records(limit=2)]

    assert [row["id"].strip() for row in rows] == seen


@pytest.mark.parametrize("host", ["page", "offset", "scroll"])
async def test_a_cursor_keeps_the_size_of_its_pages(still, hanoi, host):
    """Without it the second page would start elsewhere where pages are counted; a smaller one makes smaller pages, and
    a larger one does not count.
    """
    still.seed_records(30, NOW - timedelta(days=1))
    whole = (await hanoi.history.list_records(limit=30)).items
    still.behaviour.paging = host
    pages = [await hanoi.history.list_records(limit=10)]
    for limit in (None, 5, 4, 20):
        pages.append(await hanoi.history.list_records(cursor=pages[-1].next, limit=limit))

    seen = tuple(record for page in pages for record in page.items)
    assert whole[: len(seen)] == seen
    assert all(0 < len(page.items) <= limit for page, limit in zip(pages, (10, 10, 5, 4, 10), strict=True))


async def test_a_cursor_of_an_older_version_is_refused(still, hanoi):
    """It says less than is needed to go on; the error says what to do."""
    old = {"g": "offset", "p": "10", "q": [], "k": [], "s": "ab", "t": 35, "r": "", "z": None, "o": "records"}
    cursor = base64.urlsafe_b64encode(orjson.dumps(old)).rstrip(b"=").decode()

    with pytest.raises(InvalidRequest, match="older version: begin the list again"):
        await hanoi.history.list_records(cursor=cursor)


def _forged(**changes):
    cursor = {"p": 10, "q": [["phone", NUMBER]], "k": [], "z": 10, "a": "0" * 10, "h": "0" * 10, **changes}
    return base64.urlsafe_b64encode(orjson.dumps(cursor)).rstrip(b"=").decode()


async def test_a_cursor_is_ours_unless_it_was_changed(hanoi):
    """What the next test changes is what it is refused for."""
    assert () == (await hanoi.history.list_records(cursor=_forged())).items


@pytest.mark.parametrize(
    "cursor",
    [
        _forged(p="abc"),
        _forged(p=-5),
        _forged(p="10"),
        _forged(p=10**13),
        _forged(b=101),
        _forged(b=-1),
        _forged(z=None),
        _forged(a=""),
        _forged(h="g" * 10),
        _forged(r="0" * 11),
        _forged(i=["x"]),
        _forged(f="yes"),
        _forged(q=[["api_key", "x"]]),
        _forged(q=[["phone"]]),
        _forged(k="bogus"),
        _forged(z=0),
        _forged(extra=1),
    ],
)
async def test_a_forged_cursor_reaches_nobody(still, hanoi, cursor):
    """A cursor can say no more to the vendor than the arguments can."""
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.history.list_records(cursor=cursor)

    assert {"cursor"} == set(caught.value.fields)
    assert [] == [request for request in still.requests if request.path == "/v1/cdr"]


@pytest.mark.parametrize(
    "value", [1e30, "1e30", 2**31, 2**63, 2**70, "\uff11\uff12", "1_0", -1, -0.5, "-1", "x", "n/a", "-", False, [3], {}]
)
@pytest.mark.parametrize("field", ["duration", "billsec"])
async def test_a_length_that_makes_no_sense_is_left_out_and_named(still, hanoi, field, value):
    """Seconds are small numbers; anything else would be a wrong value, or one that cannot be passed on."""
    body = {"id": "r1", "status": "ANSWERED", "time_started": "2026-01-01 10:00:00", field: value}
    still.faults.add(Fault("/v1/cdr/r1", kind="replace", body=json.dumps(body)))

    record = await hanoi.history.get_record("r1")

    assert (None, None, (field,)) == (record.duration_seconds, record.talk_seconds, record.unreadable)


@pytest.mark.parametrize("value", [11, 11.0, 11.7, "11", " 11 ", "11.0", "11.7"])
async def test_of_a_length_whole_seconds_count(still, hanoi, value):
    """Vendors write fractions, and numbers as text."""
    record_id = still.add_record(duration=value)["id"].strip()

    record = await hanoi.history.get_record(record_id)

    assert (11, ()) == (record.duration_seconds, record.unreadable)


@pytest.mark.parametrize(
    ("field", "of_ours"),
    [
        ("from_number", "hotline"),
        ("to_number", "to_number"),
        ("extension", "extension"),
        ("sip_call_id", "sip_call_id"),
        ("cause", "cause"),
        ("receive_dest", "queue"),
        ("status", "vendor_status"),
        ("customer_id", "customer_id"),
    ],
)
async def test_a_number_is_text_where_text_is_expected(still, hanoi, field, of_ours):
    """Phone numbers and ids come as JSON numbers, too."""
    for value in (899098899, 899098899.0):
        record_id = still.add_record(**{field: value})["id"].strip()
        record = await hanoi.history.get_record(record_id)

        assert ("899098899", ()) == (getattr(record, of_ours), record.unreadable)


@pytest.mark.parametrize("value", [False, True, ["x"], {"a": 1}, "\ud83d", "a\udc00b", 1.5, 1e300])
@pytest.mark.parametrize(
    "field", ["sip_call_id", "cause", "from_number", "to_number", "extension", "receive_dest", "status", "direction"]
)
async def test_what_is_no_text_is_left_out_and_named(still, hanoi, field, value):
    """Half an emoji too: it can be written nowhere."""
    record_id = still.add_record(**{field: value})["id"].strip()

    (record,) = (await hanoi.history.list_records()).items

    assert (record_id, (field,)) == (record.record_id, record.unreadable)
    assert dumps(to_json(record, raw=True))


async def test_a_recording_that_is_false_is_none(still, hanoi):
    """Some vendors say so of calls without one."""
    record_id = still.add_record(recording_url=False)["id"].strip()

    record = await hanoi.history.get_record(record_id)

    assert (False, ("recording_url",)) == (record.has_recording, record.unreadable)
    with pytest.raises(NotFound):
        await hanoi.recording.locate_recording(record_id)


async def test_an_id_that_is_a_number_is_text(still, hanoi):
    """It finds its record."""
    still.faults.add(Fault("/v1/cdr*", kind="replace", body={"id": 77, "time_started": "2026-01-01 10:00:00"}))

    assert "77" == (await hanoi.history.get_record("77")).record_id


ODD = [{"id": ""}, {"id": None}, {"id": ["x"]}, {"id": False}, {"id": 1.5}, {"id": "\ud83d"}]
ODD += [{"time_started": "-", "time_ended": 0}, {"time_started": None, "time_ended": ""}]


@pytest.mark.parametrize("paging", ["offset", "page", "scroll"])
@pytest.mark.parametrize("odd", ODD)
async def test_rows_without_an_id_or_a_time_are_left_out_and_counted(still, paging, odd):
    """One among others, several, and a page of nothing else; none of the others is lost, whichever way pages go."""
    rows = [{**still.add_record(), "id": f"r{number}"} for number in range(8)]
    for number in (2, 3, 4, 7):
        rows[number] |= {**odd, "sip_call_id": f"odd {number}"}
    for first in (0, 2, 4, 6, 8):
        body = {"data": rows[first : first + 2], "total": 8, "limit": 2, "scroll_id": "next"}
        still.faults.add(Fault("/v1/cdr", kind="replace", body=json.dumps(body)))

    async with account(still, paging=paging) as hanoi:
        pages = [page async for page in hanoi.pages(OPERATIONS["list_records"], {"limit": 2})]

    assert ["r0", "r1", "r5", "r6"] == [record.record_id for page in pages for record in page.items]
    assert [0, 2, 1, 1] == [page.skipped for page in pages][:4]
    assert [f"odd {number}" for number in (2, 3, 4, 7)] == [
        row["sip_call_id"] for page in pages for row in page.raw or ()
    ]


@pytest.mark.parametrize("field", ["cause", "note"])
@pytest.mark.parametrize("part", [b"\\ud83d", b"\xff", b"\\ud83d\\ud83d", b"\xf0\x9f"])
async def test_a_text_that_cannot_be_decoded_costs_no_other_row(still, hanoi, field, part):
    """Half an emoji or a bad byte, in a field that is read or not."""
    row = still.add_record()
    body = json.dumps({"data": [row, {**row, "id": "odd", field: "HERE"}], "total": 2}).encode()
    still.faults.add(Fault("/v1/cdr", kind="replace", body=body.replace(b"HERE", b"say " + part)))

    page = await hanoi.history.list_records()

    good, odd = page.items
    assert (row["id"].strip(), "odd") == (good.record_id, odd.record_id)
    assert ((), ("cause",) if field == "cause" else ()) == (good.unreadable, odd.unreadable)
    assert odd.raw[field].startswith("say \ufffd")
    assert dumps(to_json(page, raw=True))


async def test_a_million_bad_rows_are_told_in_a_few_words(still, hanoi):
    """The error names some of them and stops looking."""
    still.faults.add(Fault("/v1/call", kind="replace", body={"data": [{}] * 100_000}))

    with pytest.raises(VendorProtocolError) as caught:
        await hanoi.call_control.list_calls()

    assert len(caught.value.message) < 2000


@pytest.mark.parametrize(
    ("since", "until", "sent"),
    [
        # Berlin sets its clocks forward on 2026-03-29 and back on 2026-10-25.
        ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", ("2026-03-28 13:00:00", "2026-03-29 12:59:59", 2)),
        ("2026-10-25T00:50:00Z", "2026-10-25T01:10:00Z", ("2026-10-25 02:00:00", "2026-10-25 02:59:59", 1)),
        ("2026-10-24T23:30:00Z", "2026-10-25T01:10:00Z", ("2026-10-25 01:30:00", "2026-10-25 02:59:59", 1)),
        ("2026-10-25T00:50:00Z", "2026-10-25T02:10:00Z", ("2026-10-25 02:00:00", "2026-10-25 03:09:59", 1)),
        ("2026-10-25T00:10:00Z", "2026-10-25T00:20:00Z", ("2026-10-25 02:10:00", "2026-10-25 02:19:59", 1)),
        ("2026-10-25T01:10:00Z", "2026-10-25T01:20:00Z", ("2026-10-25 02:10:00", "2026-10-25 02:19:59", 1)),
    ],
)
async def test_days_are_counted_on_the_vendors_clock_on_the_wall(still, since, until, sent):
    """The day on which clocks change is asked for in slices that the vendor takes, and no hour is left out."""
    async with account(still, timezone="Europe/Berlin") as hanoi:
        await hanoi.reports.list_call_ids(since=since, until=until)
        await hanoi.history.list_records(since=since, until=until)

    asked = [dict(each.query) for each in still.requests if each.path == "/v1/report/call_id"]
    assert sent == (asked[0]["start_date"], asked[0]["end_date"], len(asked))
    (listed,) = [dict(each.query) for each in still.requests if each.path == "/v1/cdr"]
    assert (listed["start_date"], listed["end_date"]) == (asked[0]["start_date"], asked[-1]["end_date"])


@pytest.mark.parametrize(
    ("range_", "sent"),
    [
        ({"since": "2026-10-25T00:50:00Z"}, {"start_date": "2026-10-25 02:00:00"}),
        ({"since": "2026-10-25T01:10:00Z"}, {"start_date": "2026-10-25 02:10:00"}),
        ({"until": "2026-10-25T01:10:00Z"}, {"end_date": "2026-10-25 02:59:59"}),
        ({"until": "2026-10-25T00:50:00Z"}, {"end_date": "2026-10-25 02:49:59"}),
    ],
)
async def test_an_hour_that_comes_twice_is_asked_for_whole_where_a_range_has_both(still, range_, sent):
    """The second time round, the clock on the wall shows less than before: nothing of a range is left out for it."""
    async with account(still, timezone="Europe/Berlin") as hanoi:
        await hanoi.history.list_records(**range_)

    query = dict(still.requests[-1].query)
    assert sent == {name: query[name] for name in ("start_date", "end_date") if name in query}


@pytest.mark.parametrize("cursor", ["x", "e30", "bm9uc2Vuc2U", "WzFd", "ééé", "eyJnIjoxfQ"])
async def test_a_cursor_that_we_did_not_give_is_refused(still, hanoi, cursor):
    """Nothing is sent for a made-up cursor."""
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.history.list_records(cursor=cursor)

    assert {"cursor"} == set(caught.value.fields)
    assert [request for request in still.requests if request.path == "/v1/cdr"] == []


@pytest.mark.parametrize("row", ["row", None, 7, [], [{}], {}])
async def test_what_is_no_row_at_all_is_left_out_of_a_long_page(still, hanoi, row):
    """However many rows are read at once, all others come in their order."""
    given = [{**still.add_record(), "id": str(number)} for number in range(500)]
    body = {"data": [*given[:450], row, *given[450:]], "total": 501}
    still.faults.add(Fault("/v1/cdr", kind="replace", body=body))

    page = await hanoi.history.list_records(limit=501)

    assert [each["id"] for each in given] == [record.record_id for record in page.items]
    assert (1, (row,), 501) == (page.skipped, page.raw, page.total)


@pytest.mark.parametrize(
    "data", [["row"], [None], [{}] * 3, [{"id": 7}, {"id": None}], [{"other": "shape"}], "row", {}, 7]
)
async def test_a_list_without_a_single_row_is_no_list_of_rows(still, hanoi, data):
    """A vendor that answers something else is not a vendor without records."""
    still.faults.add(Fault("/v1/c*", kind="replace", body={"data": data}, times=None))

    for ask in (hanoi.history.list_records, hanoi.call_control.list_calls):
        with pytest.raises(VendorProtocolError):
            await ask()


async def test_others_have_their_turn_in_the_midst_of_a_long_page(still, hanoi, monkeypatch):
    """A page of thousands does not hold up whatever else the process does."""
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 10)
    row = still.add_record()
    given = [{**row, "id": str(number)} for number in range(100)]
    still.faults.add(Fault("/v1/cdr", kind="replace", body={"data": given, "total": 100}))
    read, seen, begun = Records._record, [], asyncio.Event()

    def reading(self, row, raw):
        seen.append(row.id)
        begun.set()
        return read(self, row, raw)

    async def other():
        await begun.wait()
        return len(seen)

    monkeypatch.setattr(Records, "_record", reading)
    turn = asyncio.create_task(other())
    page = await hanoi.history.list_records(limit=100)

    assert 10 == await turn
    assert [each["id"] for each in given] == [each.record_id for each in page.items]


async def test_several_fields_of_a_row_may_be_odd(still, hanoi):
    """Each is named, and what can be told without them is told."""
    odd = {"duration": -5, "billsec": "x", "time_answered": "soon", "cause": [1], "to_number": 899888999}
    record_id = still.add_record()["id"].strip()
    still.change_record(record_id, **odd)

    record = await hanoi.history.get_record(record_id)

    assert {"duration", "billsec", "time_answered", "cause"} == set(record.unreadable)
    assert ("899888999", None, None) == (record.to_number, record.answered_at, record.talk_seconds)
    assert record.duration_seconds is None
    assert timedelta(seconds=11) == record.ended_at - record.started_at


LIVE = {"call_id": "c1", "created_time": "2026-01-15 15:59:00", "source": "101", "destination": NUMBER}
LIVE |= {"direction": "outbound", "state": "CS_EXECUTE"}


@pytest.mark.parametrize(
    ("odd", "changed"),
    [
        ({"created_time": "0000-00-00 00:00:00"}, {"started_at": None}),
        ({"created_time": 0}, {"started_at": None}),
        ({"state": ["x"]}, {}),
        ({"destination": 899888999}, {"to_number": "899888999"}),
        ({"source": "\ud83d"}, {"from_number": None}),
        ({"call_id": 7}, {"call_id": "7"}),
    ],
)
async def test_an_odd_field_of_a_live_call_costs_no_other(still, hanoi, odd, changed):
    """The call is there without it."""
    body = json.dumps({"data": [LIVE, {**LIVE, "call_id": "c2", **odd}]})
    still.faults.add(Fault("/v1/call", kind="replace", body=body))

    page = await hanoi.call_control.list_calls()

    good, other = page.items
    assert ("c1", 0) == (good.call_id, page.skipped)
    assert {"call_id": "c2", **changed} == {name: getattr(other, name) for name in ("call_id", *changed)}


@pytest.mark.parametrize(
    ("path", "good", "odd", "ask"),
    [
        ("/v1/call", LIVE, {**LIVE, "call_id": " "}, lambda pbx: pbx.call_control.list_calls()),
        (
            "/v1/monitor/agent",
            {"user_id": "u1", "extension": "101"},
            {"user_id": [], "extension": False, "agent_name": "An"},
            lambda pbx: pbx.agents.list_agents(),
        ),
        (
            "/v1/event",
            {"id": "h1", "event": "hangup"},
            {"id": None, "event": 1.5, "callback_url": "https://crm.example.vn"},
            lambda pbx: pbx.events.list_hooks(),
        ),
        (
            "/v1/report/call_id",
            {"call_id": "c1"},
            {"call_id": None, "sip_call_id": "s"},
            lambda pbx: pbx.reports.list_call_ids(since=NOW, until=NOW + timedelta(hours=1)),
        ),
        (
            "/v1/report/call_status",
            {"count": 1, "status": "BUSY"},
            {"count": "many", "status": "ANSWERED"},
            lambda pbx: pbx.reports.count_calls(since=NOW, until=NOW + timedelta(hours=1)),
        ),
    ],
)
async def test_an_odd_row_of_any_list_is_left_out_and_counted(still, hanoi, path, good, odd, ask):
    """The others come."""
    still.faults.add(Fault(path, kind="replace", body={"data": [odd, good]}))

    page = await ask(hanoi)

    total = 1 if "call_status" in path else 2  # that of counts is of the calls that were counted
    assert (1, 1, (odd,), total) == (len(page.items), page.skipped, page.raw, page.total)


async def test_a_call_is_not_missing_while_one_cannot_be_read(still, hanoi):
    """The transfer was not sent, and can be with its leg."""
    still.faults.add(Fault("/v1/call", kind="replace", body={"data": [{**LIVE, "call_id": ""}]}))

    with pytest.raises(VendorProtocolError) as caught:
        await hanoi.call_control.transfer_call("c1", to="102")

    assert DialState.NOT_PLACED is caught.value.dial_state


async def test_an_agent_is_not_missing_while_one_cannot_be_read(still, hanoi):
    """It may be the one."""
    still.faults.add(Fault("/v1/monitor/agent", kind="replace", body={"data": [{"user_id": [], "agent_name": "An"}]}))

    with pytest.raises(VendorProtocolError):
        await hanoi.agents.get_agent("u1")


@pytest.mark.parametrize("body", [None, [], {}, {"data": {}}, {"data": None}])
async def test_an_empty_answer_is_no_proof_that_a_record_is_not_there(still, hanoi, body):
    """An application may delete what is not found; that needs the vendor to say so."""
    still.faults.add(Fault("/v1/cdr/r1", kind="replace", body=json.dumps(body)))

    with pytest.raises(VendorProtocolError):
        await hanoi.history.get_record("r1")


async def test_a_refusal_of_what_does_not_ring_says_nothing_of_ringing(still, hanoi):
    """`dial_state` belongs to phones."""
    still.faults.add(Fault("/v1/cdr", kind="replace", body={"status": "fail"}))

    with pytest.raises(VendorRejected) as caught:
        await hanoi.history.list_records()

    assert caught.value.dial_state is None


# Tenants


SAID = [{"created": False}, {"created": "no"}, {}, {"message": "update failed"}, {"message": "sure"}, []]


@pytest.mark.parametrize("body", SAID)
async def test_only_a_success_that_is_said_is_one(still, hanoi, body):
    """The documents show `created` as true and one message; after anything else it is not known what was done."""
    tenants = hanoi.tenants
    for ask in (
        lambda: tenants.create_tenant(tenant_id="test01"),
        lambda: tenants.update_tenant("test01", enabled=False),
        lambda: tenants.create_extension("test01", extension="101", password=Secret("x")),
    ):
        still.faults.add(Fault("/v1/tenant*", kind="replace", body=orjson.dumps(body).decode()))
        with pytest.raises(OutcomeUnknown) as caught:
            await ask()
        assert caught.value.dial_state is None


@pytest.mark.parametrize("said", ["update successfully", "Update  Successfully.", " SUCCESS! ", "successfully\n"])
async def test_a_success_may_be_written_in_any_case(still, hanoi, said):
    """Nor do blanks and marks at the end make it another word."""
    still.faults.add(Fault("/v1/tenant*", method="PUT", kind="replace", body={"message": said}))

    assert await hanoi.tenants.update_tenant("test01", enabled=False) is None


async def test_what_was_made_need_not_be_described(still, hanoi):
    """`created` is enough."""
    still.faults.add(Fault("/v1/tenant*", kind="replace", body={"created": True}, times=2))
    tenant = await hanoi.tenants.create_tenant(tenant_id="test01")
    extension = await hanoi.tenants.create_extension("test01", extension="101", password=Secret("x"))

    assert ("test01", None) == (tenant.tenant_id, tenant.user)
    assert ("101", None) == (extension.extension, extension.enabled)


@pytest.mark.parametrize("there", ["/v1/tenant/test01/extension/extension/101", "/v1/tenant/test01/extension/101"])
async def test_an_extension_is_found_at_either_path(still, hanoi, there):
    """The printed one first, and after a 404 that of later editions."""
    await hanoi.tenants.create_tenant(tenant_id="test01")
    await hanoi.tenants.create_extension("test01", extension="101", password=Secret("x"))
    known = {"/v1/tenant/test01/extension/extension/101", "/v1/tenant/test01/extension/101"}
    for path in known - {there}:
        still.faults.add(Fault(path, kind="refuse", status=404, body={"error": "Not Found"}))

    extension = await hanoi.tenants.get_extension("test01", "101")

    assert ("101", True) == (extension.extension, extension.enabled)


async def test_an_extension_that_is_at_neither_path_is_not_found(still, hanoi):
    """With a path of one's own no other is asked."""
    ours = {"get_extension": "/v1/tenant/{tenant_id}/extension/{extension}"}
    async with account(still, paths=ours) as other:
        for tenants in (hanoi.tenants, other.tenants):
            with pytest.raises(NotFound):
                await tenants.get_extension("test01", "101")

    assert 3 == len(still.requests)


# Reports


async def test_counts_over_a_range_that_the_vendor_finds_too_long_are_added_up(still, hanoi):
    """The limit of a day is documented for another report: where it holds here too, days are asked for one by one."""
    for hours in (1, 30, 31):
        still.add_record(status="BUSY", time_started=NOW - timedelta(hours=hours))
    refusal = {"error": "date range must be in 24 hours"}
    still.faults.add(Fault("/v1/report/call_status", kind="refuse", status=400, body=refusal))

    page = await hanoi.reports.count_calls(since=NOW - timedelta(hours=47), until=NOW)

    assert [("BUSY", 3)] == [(each.vendor_status, each.count) for each in page.items]
    assert [1, 2] == sorted(row["count"] for row in page.items[0].raw)
    assert 3 == sum(request.path == "/v1/report/call_status" for request in still.requests)


async def test_a_day_that_the_vendor_finds_too_long_is_an_error(still, hanoi):
    """It cannot be asked for in fewer hours than that."""
    refusal = {"error": "date range must be in 24 hours"}
    still.faults.add(Fault("/v1/report/call_status", kind="refuse", status=400, body=refusal))

    with pytest.raises(InvalidRequest):
        await hanoi.reports.count_calls(since=NOW - timedelta(hours=24), until=NOW)


async def test_a_long_range_of_call_ids_is_asked_for_in_slices_of_a_day(still, hanoi):
    """Every call of five days comes once, though the vendor allows 24 hours a question."""
    still.seed_records(500, NOW - timedelta(days=5), step_seconds=864)

    page = await hanoi.reports.list_call_ids(since=NOW - timedelta(days=5), until=NOW)

    assert 500 == page.total == len({each.call_id for each in page.items})
    assert sum(request.path == "/v1/report/call_id" for request in still.requests) == 5


async def test_a_host_that_wants_the_range_the_wrong_way_round_gets_it_once(still, hanoi):
    """The vendor's samples have the ends swapped and so has its error: on just that text the ends are swapped, once."""
    still.faults.add(
        Fault("/v1/report/call_status", kind="refuse", status=400, body={"error": "start_date must be after end_date"})
    )
    with contextlib.suppress(InvalidRequest):  # this simulator wants them the right way round
        await hanoi.reports.count_calls(since=NOW - timedelta(days=1), until=NOW)

    first, second = [dict(each.query) for each in still.requests if each.path == "/v1/report/call_status"]
    assert (first["start_date"], first["end_date"]) == (second["end_date"], second["start_date"])


async def test_counts_keep_the_vendors_words_apart(still, hanoi):
    """Each of the vendor's words has its own count and our word for it."""
    for status in ("ANSWERED", "ANSWERED", "NO ANSWER"):
        still.add_record(status=status, time_started=NOW - timedelta(hours=1))

    page = await hanoi.reports.count_calls(since=NOW - timedelta(days=1), until=NOW)

    counts = {each.vendor_status: (each.outcome, each.count) for each in page.items}
    assert counts == {"ANSWERED": (Outcome.ANSWERED, 2), "NO ANSWER": (Outcome.NO_ANSWER, 1)}


# Tokens


@pytest.mark.parametrize("shape", ["expired", "expired_in"])
async def test_a_token_is_kept_in_either_shape(still, hanoi, shape):
    """Ten requests cost one token, whether the vendor says when it ends or how long it lives."""
    still.behaviour.token_shape = shape
    for _ in range(10):
        await hanoi.call_control.list_calls()

    assert still.token_requests == 1


async def test_a_token_whose_end_has_passed_by_our_clock_still_serves(still, hanoi):
    """When their clock and ours disagree the token is used until the vendor refuses it."""
    still.faults.add(
        Fault("/v1/auth/token", kind="replace", body={"data": {"token": "x", "expired": 1000000000}}, times=None)
    )
    with pytest.raises(VendorAuthFailed):
        await hanoi.call_control.list_calls()

    assert sum(request.path == "/v1/auth/token" for request in still.requests) == 2


async def test_many_requests_at_once_share_one_token(still, hanoi):
    """Fifty requests that find no token ask for one together."""
    await asyncio.gather(*(hanoi.call_control.list_calls() for _ in range(50)))

    assert still.token_requests == 1


async def test_an_api_key_that_came_from_a_login_is_asked_for_again_when_it_fails(still):
    """With a user name and a password a changed api key is found by logging in once more."""
    async with account(still, api_key=None, username=still.username, password=still.password) as hanoi:
        await hanoi.call_control.list_calls()
        still.expire_tokens()
        still.faults.add(Fault("/v1/auth/token", kind="refuse", status=401, body={"error": "API key wrong"}))
        await hanoi.call_control.list_calls()

    assert sum(request.path == "/v1/auth" for request in still.requests) == 2


@pytest.mark.parametrize("flag", ["user_enabled", "enabled"])
async def test_a_user_that_is_disabled_is_named_as_the_reason_only_when_no_token_comes(still, flag):
    """The login tells whether the user is enabled, by either document's name for it."""
    own = {"api_key": None, "username": still.username, "password": still.password}
    login = {"data": {"api_key": still.api_key, flag: "false", "level": "admin"}}
    still.faults.add(Fault("/v1/auth", kind="replace", body=login, times=None))
    async with account(still, **own) as hanoi:
        await hanoi.call_control.list_calls()
    still.faults.add(Fault("/v1/auth/token", kind="refuse", status=401, body={"error": "no"}, times=None))
    async with account(still, **own) as hanoi:
        with pytest.raises(VendorAuthFailed, match="disabled"):
            await hanoi.call_control.list_calls()


REFUSED_TOKENS = [
    (403, {"error": "no permission"}),
    (403, "Forbidden"),
    (400, {"error": "token is expired"}),
    (400, {"message": "missing or malformed jwt"}),
    (400, {"code": 401, "content": "no"}),
    (422, {"error": [{"(root)": "token is invalid"}]}),
    (200, {"code": 401, "content": "token is expired"}),
    (200, {"code": "401"}),
    (200, {"code": "TOKEN_EXPIRED"}),
    (200, {"code": 403, "content": "no"}),
    (200, {"error": "Unauthorized"}),
    (200, {"error": {"code": 401, "message": "Unauthorized"}}),
    (200, {"message": "Token not found"}),
    (200, {"status": "fail", "error": "invalid_token"}),
    (200, {"success": False, "message": "unauthenticated"}),
    (200, {"error": "Bad Request", "content": "Token has expired"}),
]


@pytest.mark.parametrize(("status", "body"), REFUSED_TOKENS)
async def test_a_token_that_is_refused_in_whatever_way_is_replaced_for_a_read(still, hanoi, status, body):
    """By 403, or in words under another status: the read goes out once more, with another token."""
    still.faults.add(Fault("/v1/call", kind="replace", status=status, body=body))

    await hanoi.call_control.list_calls()

    assert 2 == still.token_requests
    assert 2 == sum(request.path == "/v1/call" for request in still.requests)


@pytest.mark.parametrize(("status", "body"), REFUSED_TOKENS)
async def test_a_dial_whose_token_is_refused_otherwise_than_by_401_is_not_sent_again(still, hanoi, status, body):
    """Nothing documents that the vendor had not acted; the next dial has another token."""
    still.faults.add(Fault("/v1/click2call/async", kind="replace", status=status, body=body))

    with pytest.raises(OutcomeUnknown) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    sent = sum(request.path == "/v1/click2call/async" for request in still.requests)
    await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert (DialState.UNKNOWN, 1) == (caught.value.dial_state, sent)
    assert (2, 1) == (still.token_requests, len(still.originated))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "phone is invalid"}, InvalidRequest),
        (400, {"error": "campaign is expired"}, InvalidRequest),
        (400, {"code": 400, "content": "token"}, InvalidRequest),
        (400, {"error": [{"(root)": "ext is required"}]}, InvalidRequest),
        (400, "token is expired", InvalidRequest),
        (404, {"error": "Not Found"}, VendorProtocolError),
        (200, {"status": "fail", "error": "NO_CREDIT"}, VendorRejected),
        (200, {"code": 200, "content": "successfully", "error": "token is expired"}, VendorProtocolError),
        (501, {"error": "token is expired"}, VendorUnavailable),
    ],
)
async def test_an_error_that_does_not_speak_of_the_token_replaces_none(still, hanoi, status, body, error):
    """A 400 is the caller's unless its words say otherwise; a server in trouble may say anything."""
    still.faults.add(Fault("/v1/event", kind="replace", status=status, body=body, times=None))

    with pytest.raises(error):
        await hanoi.events.list_hooks()

    assert 1 == still.token_requests


async def test_a_success_that_mentions_a_token_is_a_success(still, hanoi):
    """The phone has rung, whatever is said beside it."""
    body = {"status": "success", "call_id": "c-1", "message": "the old token has expired"}
    still.faults.add(Fault("/v1/click2call/async", kind="replace", body=body))

    started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert ("c-1", 1) == (started.call_id, still.token_requests)


async def test_a_forbidden_operation_does_not_cost_a_token_each_time(still, hanoi):
    """The account lacks a right, which no token gives it; the others go on with the token that there is."""
    still.faults.add(Fault("/v1/monitor/agent", kind="refuse", status=403, times=None))

    for _ in range(5):
        with pytest.raises(VendorAuthFailed):
            await hanoi.agents.list_agents()
        await hanoi.call_control.list_calls()

    assert 2 == still.token_requests
    assert 6 == sum(request.path == "/v1/monitor/agent" for request in still.requests)


async def test_a_wrong_api_key_is_an_authentication_error_without_the_key(still):
    """The error says what to look at, keeps the key to itself, and for a dial that nothing rang."""
    async with account(still, api_key="wrong-key-0123456789") as hanoi:
        with pytest.raises(VendorAuthFailed) as caught:
            await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert "api_key" in caught.value.message
    assert "wrong-key" not in repr(caught.value) + str(caught.value.as_problem())


async def test_no_secret_and_no_number_reaches_a_log(still, caplog):
    """With everything logged, neither credentials, tokens nor whole phone numbers are in it."""
    caplog.set_level(logging.DEBUG)
    async with account(still, username=still.username, password=still.password, api_key=None) as hanoi:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
        with pytest.raises(AgentBusy):
            await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
        await hanoi.tenants.create_tenant(tenant_id="test01")
    token = still.requests[-1].headers["authorization"].partition(" ")[2]
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("gateway"))

    assert "operation.failed" in ours
    for secret in (still.password, still.api_key, still.tenant_secret, token, NUMBER):
        assert secret not in ours


# What rings


async def test_a_busy_extension_is_a_proven_refusal(still, hanoi):
    """USER_BUSY is documented, so nothing rang a second time."""
    await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    with pytest.raises(AgentBusy) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert (caught.value.dial_state, caught.value.vendor_code) == (DialState.NOT_PLACED, "USER_BUSY")
    assert len(still.originated) == 1


@pytest.mark.parametrize("status", [200, 400, 409])
async def test_a_documented_refusal_is_understood_whatever_its_status(still, hanoi, status):
    """The body says what happened; which status comes with it is not documented."""
    body = {"status": "fail", "error": "USER_NOT_REGISTERED", "message": "User not registered"}
    still.faults.add(Fault("/v1/click2call/async", kind="refuse", status=status, body=body))

    with pytest.raises(AgentNotRegistered) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert DialState.NOT_PLACED is caught.value.dial_state


@pytest.mark.parametrize(
    ("status", "body", "error", "state", "code"),
    [
        (503, {"error": "maintenance"}, VendorUnavailable, DialState.NOT_PLACED, "maintenance"),
        (503, {"status": "fail", "message": "closed"}, VendorUnavailable, DialState.NOT_PLACED, "closed"),
        (200, {"status": "FAIL", "error": "user_busy "}, AgentBusy, DialState.NOT_PLACED, "user_busy"),
        (200, {"status": "error", "message": "no"}, VendorRejected, DialState.UNKNOWN, "no"),
        (200, {"status": ""}, OutcomeUnknown, DialState.UNKNOWN, None),
        (200, {"status": "queued"}, OutcomeUnknown, DialState.UNKNOWN, None),
        (
            200,
            {"status": "success", "call_id": "1", "error": "USER_BUSY"},
            OutcomeUnknown,
            DialState.UNKNOWN,
            "USER_BUSY",
        ),
        (200, {"status": "fail"}, VendorRejected, DialState.UNKNOWN, None),
        (200, {"status": "fail", "error": "NO_CREDIT"}, VendorRejected, DialState.UNKNOWN, "NO_CREDIT"),
        (400, {"error": "bad"}, OutcomeUnknown, DialState.UNKNOWN, "bad"),
        (403, {"error": "no"}, OutcomeUnknown, DialState.UNKNOWN, "no"),
        (404, {"error": "Not Found"}, OutcomeUnknown, DialState.UNKNOWN, "Not Found"),
        (429, {}, OutcomeUnknown, DialState.UNKNOWN, "429"),
        (500, {}, OutcomeUnknown, DialState.UNKNOWN, "500"),
        (302, {}, OutcomeUnknown, DialState.UNKNOWN, "302"),
        (200, {}, OutcomeUnknown, DialState.UNKNOWN, None),
        (200, [], OutcomeUnknown, DialState.UNKNOWN, None),
        (200, {"status": "success", "call_id": 7}, OutcomeUnknown, DialState.UNKNOWN, None),
    ],
)
async def test_only_documented_refusals_prove_that_nothing_rang(still, hanoi, status, body, error, state, code):
    """Whatever else the vendor answers to a dial leaves its outcome open, and is never sent again."""
    still.faults.add(Fault("/v1/click2call/async", kind="replace", status=status, body=body))

    with pytest.raises(error) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert (state, code) == (caught.value.dial_state, caught.value.vendor_code)
    assert sum(request.path == "/v1/click2call/async" for request in still.requests) == 1


async def test_what_the_vendor_says_for_people_is_shown(still, hanoi):
    """Beside its word, which alone may mean nothing to them."""
    body = {"status": "fail", "error": "NO_CREDIT", "message": "Call your provider"}
    still.faults.add(Fault("/v1/click2call/async", kind="replace", body=body))

    with pytest.raises(VendorRejected, match="NO_CREDIT: Call your provider") as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert "NO_CREDIT" == caught.value.vendor_code


@pytest.mark.parametrize("word", ["FAILED", "fail", "error"])
async def test_a_records_own_status_is_not_the_answers(still, hanoi, word):
    """A bare record says in `status` how the call ended; that is no failure to read it."""
    record_id = still.add_record(status=word)["id"].strip()

    assert word == (await hanoi.history.get_record(record_id)).vendor_status


async def test_looking_for_the_leg_of_a_transfer_proves_that_nothing_rang(still):
    """When the PBX cannot be asked which leg is the customer's, the transfer was not sent."""
    still.faults.add(Fault("/v1/call", kind="html", times=None))
    async with account(still) as hanoi:
        with pytest.raises(VendorProtocolError) as caught:
            await hanoi.call_control.transfer_call("some-call", to="102")

    assert DialState.NOT_PLACED is caught.value.dial_state


@pytest.mark.parametrize("token", ["", " ", "a\r\nX-Admin: 1", "é", "two words"])
async def test_a_token_that_cannot_be_sent_is_an_answer_that_makes_no_sense(still, hanoi, token):
    """A dial is refused before anything is sent, and the next request asks for another token."""
    body = {"data": {"token": token, "expired": 4102444800}}
    still.faults.add(Fault("/v1/auth/token", kind="replace", body=body))

    with pytest.raises(VendorProtocolError) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert 1 == len(still.originated)


@pytest.mark.parametrize("expired", ["soon", -5, 1e300, None, 0.5])
async def test_an_expiry_that_makes_no_sense_does_not_stop_anybody(still, hanoi, expired):
    """The token is used until the vendor refuses it."""
    await hanoi.call_control.list_calls()
    token = still.requests[-1].headers["authorization"].partition(" ")[2]
    body = {"data": {"token": token, "expired": expired}}
    still.faults.add(Fault("/v1/auth/token", kind="replace", body=body))
    async with account(still) as other:
        await other.call_control.list_calls()
        await other.call_control.list_calls()

    assert 2 == sum(request.path == "/v1/auth/token" for request in still.requests)


async def test_what_a_vendor_repeats_of_a_secret_is_blotted_out(still, hanoi):
    """An error text that holds the token, the tenants' secret or a password shows stars instead."""
    await hanoi.call_control.list_calls()
    token = still.requests[-1].headers["authorization"].partition(" ")[2]
    said = f"bad: {token} {still.tenant_secret} hunter2hunter2"
    still.faults.add(Fault("/v1/call", kind="refuse", status=400, body={"error": said}))
    still.faults.add(Fault("/v1/tenant/*", kind="refuse", status=400, body={"error": said}))

    texts = []
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.call_control.list_calls()
    texts.append(str(caught.value.as_problem()) + repr(caught.value))
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.tenants.create_extension("test01", extension="101", password=Secret("hunter2hunter2"))
    texts.append(str(caught.value.as_problem()) + repr(caught.value))

    assert token not in texts[0]
    assert still.tenant_secret not in texts[1]
    assert "hunter2hunter2" not in texts[1]


@pytest.mark.parametrize("kind", ["truncate", "drop"])
async def test_no_phone_number_stands_in_the_chain_of_an_error(still, hanoi, kind):
    """HTTP clients put the address into their errors, and the number is in it: their text goes no further."""
    still.faults.add(Fault("/v1/click2call/async", kind=kind))
    with pytest.raises(OutcomeUnknown) as caught:
        await hanoi.click_to_call.start_call(extension="101", number="".join(["08998", "88999"]))

    assert NUMBER not in "".join(traceback.format_exception(caught.value))


async def test_an_account_that_is_closed_dials_nobody_and_says_so(still):
    """After the gateway is closed nothing is sent, whoever still holds the account."""
    async with account(still) as hanoi:
        await hanoi.call_control.list_calls()

    with pytest.raises(VendorUnavailable) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert DialState.NOT_PLACED is caught.value.dial_state


async def test_closing_while_a_token_is_asked_for_is_an_error_and_no_cancellation(still):
    """Whoever waits for a token when the gateway is closed gets an error of ours; nothing rang."""
    still.faults.add(Fault("/v1/auth/token", kind="hold"))
    async with account(still) as hanoi:
        dial = asyncio.create_task(hanoi.click_to_call.start_call(extension="101", number=NUMBER))
        await still.until(lambda: still.faults.held)

    with pytest.raises(VendorUnavailable) as caught:
        await dial
    assert DialState.NOT_PLACED is caught.value.dial_state
    assert [] == still.originated


@pytest.mark.parametrize("moment", [datetime.min, datetime.max, datetime(900, 1, 1)])
@pytest.mark.parametrize("argument", ["since", "until", "ended_since", "ended_until"])
async def test_a_time_out_of_range_is_refused_by_name(still, hanoi, argument, moment):
    """Times that arithmetic with zones cannot hold are the caller's to change."""
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.history.list_records(**{argument: moment.replace(tzinfo=UTC)})

    assert {argument} == set(caught.value.fields)
    assert [] == still.requests


async def test_a_success_without_an_id_is_a_started_call_without_one(still, hanoi):
    """The call was placed and the vendor gave no id: that is no error."""
    still.faults.add(Fault("/v1/click2call/async", kind="replace", body={"status": "success"}))

    assert (await hanoi.click_to_call.start_call(extension="101", number=NUMBER)).call_id is None


async def test_a_refused_park_carries_no_word_and_is_a_refusal_all_the_same(still, hanoi):
    """The documented failure of park has no error word."""
    started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    await still.advance(10)
    still.faults.add(Fault("/v1/call/*/park", kind="refuse", status=200, body={"status": "fail"}))

    with pytest.raises(VendorRejected) as caught:
        await hanoi.call_control.park_call(started.call_id, leg=Leg.A)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert "does not document" not in str(caught.value)


@pytest.mark.parametrize("way", ["embedded", "remote"])
async def test_calls_that_wait_starve_nobody(far, way):
    """Three hundred synchronous click-to-calls hang while other requests of the account are answered, then all end."""
    pbx = far.pbx
    pbx.behaviour.ring_seconds = 3600
    for extension in range(2000, 2300):
        pbx.register(str(extension))
    async with reaching(far, way) as hanoi:
        dials = [
            asyncio.create_task(hanoi.click_to_call.start_call(extension=str(extension), number=NUMBER, wait=True))
            for extension in range(2000, 2300)
        ]
        await pbx.until(lambda: len(pbx.originated) == 300)
        live = await hanoi.call_control.list_calls()
        assert live.total == 300
        assert not any(dial.done() for dial in dials)

        for call_id in list(pbx.calls):
            await pbx.answer(call_id)
        started = await asyncio.gather(*dials)

    assert {call.call_id for call in started} == {call.call_id for call in pbx.originated}


async def test_a_transfer_without_a_leg_moves_the_customer(still, hanoi):
    """Who called in is leg a, who was called is leg b; for a call that is gone the vendor says so, and nothing rang."""
    inbound = still.incoming(NUMBER, extension="101")
    await still.answer(inbound)
    await hanoi.call_control.transfer_call(inbound, to="102")
    with pytest.raises(NotFound) as caught:
        await hanoi.call_control.transfer_call("no-such-call", to="102")

    transfers = [request.body for request in still.requests if request.path.endswith("/transfer")]
    assert transfers == [{"ext": "102", "legs": "aleg"}, {"ext": "102"}]
    assert DialState.NOT_PLACED is caught.value.dial_state


async def test_a_call_that_the_live_list_does_not_show_can_be_transferred(still, hanoi):
    """Which side is the customer's is not known, so it goes out as in the document that has no legs."""
    started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    await still.advance(10)
    still.faults.add(Fault("/v1/call", kind="replace", body={"data": [], "total": 0}))

    await hanoi.call_control.transfer_call(started.call_id, to="102")

    assert {"ext": "102"} == still.requests[-1].body
    assert ("102", NUMBER) == (still.calls[started.call_id].aleg, still.calls[started.call_id].bleg)


async def test_a_leg_that_is_set_leaves_the_others_as_they_are(still):
    """Each direction has its own default."""
    inbound = still.incoming(NUMBER, extension="101")
    await still.answer(inbound)
    async with account(still, transfer_leg={"outbound": "a"}) as hanoi:
        await hanoi.call_control.transfer_call(inbound, to="102")

    assert [{"ext": "102", "legs": "aleg"}] == [r.body for r in still.requests if r.path.endswith("/transfer")]


async def test_customers_do_not_exist_here(still, hanoi):
    """`customer_id` cannot be said to this vendor, so nothing is sent."""
    with pytest.raises(Unsupported) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER, customer_id="KH01")

    assert "customer_id" in caught.value.message
    assert still.requests == []


# Agents


async def agents(hanoi):
    """Every agent by extension."""
    return {agent.extension: agent for agent in (await hanoi.agents.list_agents()).items}


async def test_an_agents_call_names_the_other_side(still, hanoi):
    """The monitor says who was called: in an inbound call that is us, and the list of calls knows who called."""
    inbound = still.incoming(NUMBER, extension="101")
    await still.answer(inbound)
    outbound = (await hanoi.click_to_call.start_call(extension="102", number="0899111222")).call_id

    found = await agents(hanoi)

    assert (inbound, Direction.INBOUND, NUMBER) == (
        found["101"].call_id,
        found["101"].call_direction,
        found["101"].call_number,
    )
    assert (outbound, "0899111222") == (found["102"].call_id, found["102"].call_number)
    assert (None, None) == (found["103"].call_id, found["103"].call_number)
    assert {("MicroSIP/3.20.6", still.domain)} == {(agent.device, agent.domain) for agent in found.values()}


@pytest.mark.parametrize("destination", ["101", "19001919"])
@pytest.mark.parametrize("calls", [{"data": [], "total": 0}, {"error": "no"}])
async def test_an_agents_call_whose_other_side_nobody_tells_has_none(still, hanoi, destination, calls):
    """Never our own extension or hotline."""
    await still.answer(still.incoming(NUMBER, extension="101"))
    row = next(agent.raw for agent in (await hanoi.agents.list_agents()).items if agent.extension == "101")
    body = {"data": [{**row, "destination": destination}], "total": 1}
    still.faults.add(Fault("/v1/monitor/agent", kind="replace", body=body))
    still.faults.add(Fault("/v1/call", kind="replace", status=400 if "error" in calls else 200, body=calls))

    agent = await hanoi.agents.get_agent("101")

    assert (Direction.INBOUND, None) == (agent.call_direction, agent.call_number)


async def test_a_free_pbx_is_asked_for_its_agents_only(still, hanoi):
    """The list of calls is looked at only where somebody calls in."""
    await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    await agents(hanoi)

    assert [] == [request for request in still.requests if request.path == "/v1/call"]


# Hooks and webhooks


@pytest.mark.parametrize("shape", ["2021", "2023"])
async def test_hooks_work_in_both_shapes(still, hanoi, shape):
    """A hook is created, found with its id, and deleted, whichever edition the host follows."""
    still.behaviour.hook_shape = shape
    made = await hanoi.events.create_hook(event=EventType.ENDED, url="https://crm.example.vn/h", api_key=Secret("k"))
    listed = (await hanoi.events.list_hooks()).items
    await hanoi.events.delete_hook(made.hook_id)

    assert [(made.hook_id, EventType.ENDED, "hangup")] == [(h.hook_id, h.event, h.vendor_event) for h in listed]
    assert [still.domain] == [h.domain for h in listed]
    assert (await hanoi.events.list_hooks()).items == ()


@pytest.mark.parametrize("event", [EventType.MISSED, EventType.UNKNOWN])
async def test_an_event_that_the_vendor_has_not_is_refused(still, hanoi, event):
    """The vendor would take the name and never send anything, so it is not asked."""
    with pytest.raises(Unsupported) as caught:
        await hanoi.events.create_hook(event=event, url="https://crm.example.vn/h")

    assert event.value in caught.value.message
    assert "never send it" in caught.value.message
    assert still.requests == []


@pytest.mark.parametrize("said", [False, "false", 0, "no", None])
async def test_a_hook_that_is_not_said_to_be_made_or_deleted_is_open(still, hanoi, said):
    """`true` is what the documents show; anything else says neither."""
    for flag, ask in (
        ("created", lambda: hanoi.events.create_hook(event=EventType.ENDED, url="https://crm.example.vn/h")),
        ("deleted", lambda: hanoi.events.delete_hook("h1")),
    ):
        still.faults.add(Fault("/v1/event*", kind="replace", body={flag: said} if said is not None else {}))
        with pytest.raises(OutcomeUnknown):
            await ask()


@pytest.mark.parametrize("url", ["not a url", "ftp://crm.example.vn/h", "https:///h"])
async def test_a_hook_needs_an_address_that_can_be_reached(still, hanoi, url):
    """The vendor would take any text and never reach it."""
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.events.create_hook(event=EventType.ENDED, url=url)

    assert {"url"} == set(caught.value.fields)
    assert [] == still.requests


async def test_a_hook_needs_an_address(still, hanoi):
    """Without an address of our own one must be given."""
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.events.create_hook(event=EventType.ENDED)

    assert {"url"} == set(caught.value.fields)


@pytest.fixture
async def inbox():
    """An address that keeps what is sent to it."""
    kept = []

    async def keep(request):
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        kept.append(WebhookRequest(headers=headers, body=body, received_at=NOW))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hooks", keep)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kept_at = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    yield kept, kept_at
    await runner.cleanup()


@pytest.mark.parametrize("form", [False, True])
async def test_a_calls_events_carry_the_ids_of_its_answer_and_its_record(still, hanoi, inbox, form):
    """The id that click-to-call gave is on every event and on the record, as JSON and as a form."""
    kept, address = inbox
    still.behaviour.webhook_form = form
    for event in (EventType.RINGING, EventType.ANSWERED, EventType.ENDED, EventType.RECORD_CREATED):
        await hanoi.events.create_hook(event=event, url=address)
    started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    await still.advance(60)
    record = await hanoi.history.get_record(started.call_id)

    events = [event for request in kept for event in await hanoi.events.parse_webhook(request)]

    expected = [EventType.RINGING, EventType.ANSWERED, EventType.ENDED, EventType.RECORD_CREATED]
    assert [*expected, EventType.RECORDING_READY] == [event.type for event in events]
    assert {(started.call_id, record.sip_call_id)} == {(event.call_id, event.sip_call_id) for event in events}
    sides = {(event.from_number, event.to_number, event.extension, event.hotline) for event in events}
    assert {(record.from_number, record.to_number, record.extension, record.hotline)} == sides
    assert (record.duration_seconds, record.talk_seconds) == (events[-1].duration_seconds, events[-1].talk_seconds)
    assert Outcome.ANSWERED is events[-1].outcome


def _webhook(body, kind="application/json"):
    data = urlencode(body).encode() if kind.endswith("urlencoded") else body
    return WebhookRequest(headers={"content-type": kind}, body=data, received_at=NOW)


EVENT = {
    "call_id": "avavavav-1111",
    "sip_call_id": "dddddddd-1111",
    "domain": "test.tel4vn.com",
    "direction": "outbound",
    "from_number": "0899888999",
    "to_number": "101",
    "hotline": "19001919",
    "state": "hangup",
    "duration": 10,
    "billsec": 5,
    "recording_url": "https://recording.demo/x",
}


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
async def test_the_documents_sample_is_read_as_its_text_says(hanoi, kind):
    """The sample has the sides the wrong way round; the extension is ours and the mobile number the customer's."""
    body = EVENT if kind.endswith("urlencoded") else orjson.dumps(EVENT)
    (event,) = await hanoi.events.parse_webhook(_webhook(body, kind))

    assert (event.type, event.from_number, event.to_number) == (EventType.ENDED, "101", "0899888999")
    assert (event.extension, event.hotline, event.duration_seconds, event.talk_seconds) == ("101", "19001919", 10, 5)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("ringing", EventType.RINGING),
        ("answered", EventType.ANSWERED),
        ("hangup", EventType.ENDED),
        ("missed", EventType.MISSED),
        ("cdr", EventType.RECORD_CREATED),
        ("cdr_autocall", EventType.RECORD_CREATED),
        ("Ringing ", EventType.RINGING),
        ("levitating", EventType.UNKNOWN),
    ],
)
async def test_every_state_has_our_word_and_new_ones_are_unknown(hanoi, state, expected):
    """A state that the vendor invents later is kept as unknown, with the vendor's body."""
    event, *_ = await hanoi.events.parse_webhook(_webhook(orjson.dumps({**EVENT, "state": state})))

    assert expected is event.type
    assert state == event.raw["state"]


async def test_an_event_keeps_its_id_when_it_comes_again_and_phones_of_a_group_have_their_own(hanoi):
    """Redelivery gives the same id, whatever the form; another phone of the ring group or another state another one."""

    async def ids(**changes):
        body = {**EVENT, **changes}
        first, *_ = await hanoi.events.parse_webhook(_webhook(orjson.dumps(body)))
        second, *_ = await hanoi.events.parse_webhook(_webhook(body, "application/x-www-form-urlencoded"))
        return {first.event_id, second.event_id}

    same, other_phone, other_state = await ids(), await ids(to_number="102"), await ids(state="cdr")

    assert [len(each) for each in (same, other_phone, other_state)] == [1, 1, 1]
    assert len(same | other_phone | other_state) == 3


async def test_a_record_that_has_a_recording_tells_of_both(hanoi):
    """One webhook, two events of one call: the record, and once its address is there, that the recording is ready."""
    early, ready = [
        await hanoi.events.parse_webhook(_webhook(orjson.dumps({**EVENT, "state": "cdr", **more})))
        for more in ({"recording_url": "", "billsec": 0}, {"recording_url": "https://recording.demo/x", "billsec": 60})
    ]
    hangup = await hanoi.events.parse_webhook(_webhook(orjson.dumps(EVENT)))

    assert [EventType.RECORD_CREATED] == [event.type for event in early]
    assert [EventType.RECORD_CREATED, EventType.RECORDING_READY] == [event.type for event in ready]
    assert early[0].event_id == ready[0].event_id != ready[1].event_id
    assert ("avavavav-1111", 60, None) == (ready[1].call_id, ready[1].talk_seconds, ready[1].occurred_at)
    assert "https://recording.demo/x" == ready[1].raw["recording_url"]
    assert "recording.demo" not in str(to_json(ready[1]))
    assert [EventType.ENDED] == [event.type for event in hangup]


@pytest.mark.parametrize("url", [None, "", " ", 7, ["x"], {"url": "x"}])
async def test_an_address_that_is_none_makes_no_recording_ready(hanoi, url):
    """The record is told of all the same."""
    body = orjson.dumps({**EVENT, "state": "cdr", "recording_url": url})

    (event,) = await hanoi.events.parse_webhook(_webhook(body))

    assert EventType.RECORD_CREATED is event.type


@pytest.mark.parametrize(
    ("settings", "domain", "ours"),
    [
        ({}, "other.tel4vn.com", True),
        ({"domain": "test.tel4vn.com"}, "other.tel4vn.com", False),
        ({"domain": "test.tel4vn.com"}, " Test.tel4vn.com:50061", True),
        ({"domain": "test.tel4vn.com"}, None, True),
        ({"username": "admin@test.tel4vn.com", "password": "x"}, "other.tel4vn.com", False),
        ({"username": "admin@test.tel4vn.com", "password": "x"}, "test.tel4vn.com", True),
        ({"username": "admin@test.tel4vn.com", "password": "x", "domain": "other.vn"}, "other.vn", True),
    ],
)
async def test_a_webhook_of_another_tenant_is_not_ours(still, settings, domain, ours):
    """Where the account's domain is known, by its user name or a setting, an event of another one is refused."""
    body = orjson.dumps({**EVENT, "domain": domain})
    async with account(still, **settings) as hanoi:
        with contextlib.nullcontext() if ours else pytest.raises(InvalidRequest) as caught:
            (event,) = await hanoi.events.parse_webhook(_webhook(body))

    assert ours or {"domain"} == set(caught.value.fields)
    assert not ours or EventType.ENDED is event.type


@pytest.mark.parametrize(
    ("more", "outcome", "status"),
    [
        ({"billsec": 0}, None, None),
        ({"billsec": 5}, Outcome.ANSWERED, None),
        ({"billsec": 0, "status": "NO ANSWER"}, Outcome.NO_ANSWER, "NO ANSWER"),
        ({"billsec": 0, "status": "TELEPORTED"}, Outcome.UNKNOWN, "TELEPORTED"),
    ],
)
async def test_an_end_says_how_as_far_as_the_vendor_does(hanoi, more, outcome, status):
    """No status is documented here, and nobody answered a call without talk; a word that comes is kept."""
    (event,) = await hanoi.events.parse_webhook(_webhook(orjson.dumps({**EVENT, **more})))

    assert (outcome, status, more["billsec"]) == (event.outcome, event.vendor_status, event.talk_seconds)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'{"state": 1}',
        b"null",
        b'{"a": 1}',
        b"\xff\xfe",
        b'{"state": "cdr", "duration": "x"}',
        b'{"state": "hangup", "time_ended": "9999-12-31T23:59:59-07:00"}',
    ],
)
async def test_a_body_that_is_no_webhook_is_refused(hanoi, body):
    """What cannot be understood at all is an error of ours, never a crash."""
    with pytest.raises(InvalidRequest):
        await hanoi.events.parse_webhook(_webhook(body))


# Recordings


async def test_a_recording_that_is_not_there_yet_is_not_found_and_comes_later(still, hanoi):
    """Right after a call its audio may be missing; nothing else is said until it is there."""
    still.behaviour.recording_delay_seconds = 30
    started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    await still.advance(29)
    with pytest.raises(NotFound):
        await hanoi.recording.fetch_recording(started.call_id)
    await still.advance(60)

    async with await hanoi.recording.fetch_recording(started.call_id) as audio:
        assert audio.media_type == "audio/wav"
        assert (await audio.read()).startswith(b"RIFF")


async def test_a_call_without_a_recording_has_none(still, hanoi):
    """An empty address is no recording."""
    record_id = still.add_record(recording_url="")["id"].strip()

    assert (await hanoi.history.get_record(record_id)).has_recording is False
    with pytest.raises(NotFound):
        await hanoi.recording.locate_recording(record_id)


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "file:///etc/passwd", "http://[", "//evil.example/x"])
async def test_a_recording_elsewhere_is_not_fetched(still, hanoi, url):
    """Only the vendor's own host is asked, unless the settings name another; the error says what to write."""
    record_id = still.add_record(recording_url=url)["id"].strip()

    with pytest.raises(VendorProtocolError):
        await hanoi.recording.fetch_recording(record_id)


async def test_the_token_stays_at_home_unless_told(still):
    """Recordings are public at this vendor; with `recording_bearer` the token goes along, to the vendor's host."""
    record_id = still.add_record()["id"].strip()
    for bearer in (False, True):
        async with account(still, recording_bearer=bearer) as hanoi, await hanoi.recording.fetch_recording(record_id):
            pass

    fetched = [request for request in still.requests if request.path.startswith("/recording/")]
    assert ["authorization" in request.headers for request in fetched] == [False, True]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "http://[::1"])
async def test_a_link_to_anything_but_the_web_is_not_given_out(still, hanoi, url):
    """An application may open it."""
    record_id = still.add_record(recording_url=url)["id"].strip()

    with pytest.raises(VendorProtocolError):
        await hanoi.recording.locate_recording(record_id)


async def test_a_recording_that_needs_the_token_gets_a_fresh_one(still):
    """A 401 is answered with one more try."""
    record_id = still.add_record()["id"].strip()
    still.faults.add(Fault("/recording/*", kind="refuse", status=401))
    async with (
        account(still, recording_bearer=True) as hanoi,
        await hanoi.recording.fetch_recording(record_id) as audio,
    ):
        assert (await audio.read()).startswith(b"RIFF")

    assert 2 == still.token_requests


async def test_recordings_that_are_forbidden_do_not_cost_a_token_each(still):
    """One more try, once in a while."""
    record_id = still.add_record()["id"].strip()
    still.faults.add(Fault("/recording/*", kind="refuse", status=403, times=None))
    async with account(still, recording_bearer=True) as hanoi:
        for _ in range(3):
            with pytest.raises(VendorAuthFailed):
                await hanoi.recording.fetch_recording(record_id)

    assert 2 == still.token_requests
    assert 4 == sum(request.path.startswith("/recording/") for request in still.requests)


# Settings


@pytest.mark.parametrize(
    ("settings", "path", "text"),
    [
        ({"base_url": "ftp://x"}, "accounts.hanoi.settings", "https://"),
        ({"base_url": "http://pbx.example.vn"}, "accounts.hanoi.settings", "allow_http"),
        ({"base_url": "http://127.evil.example"}, "accounts.hanoi.settings", "allow_http"),
        ({"api_key": None}, "accounts.hanoi.settings", "username and password"),
        ({"api_key": ""}, "accounts.hanoi.settings", "username and password"),
        ({"api_key": None, "tenant_secret": "t", "username": "x"}, "accounts.hanoi.settings", "username and password"),
        ({"paths": {"get_extensions": "/x"}}, "accounts.hanoi.settings", "did you mean 'get_extension'"),
        ({"paths": {"get_extension": "/v1/extension/{extension}"}}, "accounts.hanoi.settings", "{tenant_id}"),
        ({"timezone": "Asia/Hanoi"}, "accounts.hanoi.settings", "Asia/Ho_Chi_Minh"),
        ({"base_urll": "x"}, "accounts.hanoi.settings.base_urll", "base_url"),
        ({"paging": "endless"}, "accounts.hanoi.settings.paging", "scroll"),
        ({"page_size": "10"}, "accounts.hanoi.settings.page_size", "whole number"),
        ({"api_key": {"env": "NO_SUCH_VARIABLE"}}, "accounts.hanoi.settings.api_key", "NO_SUCH_VARIABLE"),
        ({"extension_pattern": "("}, "accounts.hanoi.settings", "regular expression"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_write(settings, path, text):
    """The start stops with the key's path and a hint."""
    whole = {"base_url": "https://pbx.example.vn", "api_key": "k", **settings}

    with pytest.raises(ConfigError) as caught:
        Gateway.from_config({"accounts": {"hanoi": {"vendor": "tel4vn-v1", "settings": whole}}})

    assert path == caught.value.path
    assert text in caught.value.message


async def test_an_account_may_have_the_tenants_secret_alone(still):
    """Tenants work; everything else says which settings it needs, and nothing is sent for it."""
    async with account(still, api_key=None) as hanoi:
        tenant = await hanoi.tenants.create_tenant(tenant_id="test01")
        received = len(still.requests)
        with pytest.raises(Unsupported, match=r"api_key.*accounts\.hanoi\.settings"):
            await hanoi.call_control.list_calls()
        with pytest.raises(Unsupported) as caught:
            await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert "test01.tel4vn.com" == tenant.domain
    assert DialState.NOT_PLACED is caught.value.dial_state
    assert received == len(still.requests)


async def test_tenants_need_their_own_secret(still):
    """Without the secret token the operations say what is missing, and nothing is sent."""
    async with account(still, tenant_secret=None) as hanoi:
        with pytest.raises(Unsupported) as caught:
            await hanoi.tenants.get_tenant("test01")

    assert "tenant_secret" in caught.value.message
    assert still.requests == []
