"""What is peculiar to AntBuddy: its hash, its history of 31 days and 100 rows, and its signed recordings."""

import asyncio
import contextlib
import logging
import random
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from gateway_antbuddy import Settings
from gateway_antbuddy.adapter import open_adapter
from gateway_antbuddy.hashes import HashOrder, hash_of
from gateway_antbuddy.limits import RequestLimit
from gateway_antbuddy.wire import expiry_of
from gateway_contracts import OPERATIONS, Account, from_settings
from gateway_simulators import Fault, ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator

from gateway import (
    AgentNotRegistered,
    ConfigError,
    DialState,
    Direction,
    EventType,
    Gateway,
    InvalidRequest,
    NotFound,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    Secret,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorUnavailable,
    WebhookRequest,
)
from tests.vendors.antbuddy_far_side import check_requests, record_id_of

NUMBER = "0899888999"
NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
HISTORIES = "/oapi/v1/call/histories"


def settings_of(pbx, **settings):
    own = {
        "base_url": pbx.url,
        "socket_url": pbx.socket_url,
        "app_id": pbx.app_id,
        "app_secret": pbx.app_secret,
        "account_id": pbx.account_id,
        "devices": pbx.devices,
    }
    return {**own, **settings}


@contextlib.asynccontextmanager
async def account(pbx, **settings):
    """An embedded account of *pbx*."""
    config = {"accounts": {"hanoi": {"vendor": "antbuddy", "settings": settings_of(pbx, **settings)}}}
    async with Gateway.from_config(config) as gateway:
        yield gateway["hanoi"]


@pytest.fixture
async def pbx():
    """A vendor whose clock stands still."""
    async with AntbuddySimulator(clock=ManualClock()) as pbx:
        yield pbx
        check_requests(pbx)


@pytest.fixture
async def hanoi(pbx):
    async with account(pbx) as hanoi:
        yield hanoi


# The hash


def test_the_hash_is_that_of_the_vendors_worked_example():
    """The example without limit and page, whose hash is published."""
    params = [("created_from", "2018-02-07T02:19:33.000Z"), ("created_to", "2018-02-07T07:04:22.000Z")]

    assert hash_of("6544646543674", "123456", params) == (
        "9b11b9ff77dbba70fe059acf84c02cfe6af90de9122e4d3bd6ec69c9d637f9ed"
    )


async def test_the_order_of_the_hash_can_be_changed(pbx):
    """One edition has the id behind the values; a vendor that wants it so takes no other."""
    pbx.behaviour.hash_order = "app_last"
    async with account(pbx, hash_order="app_last") as hanoi:
        await hanoi.history.list_records()
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    async with account(pbx) as hanoi:
        with pytest.raises(VendorAuthFailed):
            await hanoi.history.list_records()

    assert hash_of("a", "c", [("x", "b")], HashOrder.APP_LAST) == hash_of("b", "c", [("x", "a")])


# Click to call


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", AgentNotRegistered),
        ({"message": "Device offline"}, AgentNotRegistered),
        ({"message": "Bad Request"}, AgentNotRegistered),
        ({"error": "invalid device: not registered"}, AgentNotRegistered),
        ({"message": "Invalid number"}, InvalidRequest),
        ({"error": "sipUser is required"}, InvalidRequest),
    ],
)
async def test_400_is_a_device_that_is_offline_unless_the_body_says_otherwise(pbx, hanoi, body, error):
    """400 means both to this vendor; either way nothing rang."""
    pbx.faults.add(Fault("*click-to-call*", kind="replace", status=400, body=body))

    with pytest.raises(error) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert pbx.originated == []


async def test_503_is_the_request_limit_and_nothing_rang(pbx, hanoi):
    """A dial beyond the limit was not placed, and the error says when to come back; nothing is sent again."""
    pbx.faults.add(Fault("*click-to-call*", kind="refuse", headers={"Retry-After": "7"}))

    with pytest.raises(RateLimited) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert (caught.value.dial_state, caught.value.retry_after) == (DialState.NOT_PLACED, 7.0)
    assert len(pbx.requests) == 1


@pytest.mark.parametrize("status", [403, 404, 500, 502])
async def test_any_other_refusal_of_a_dial_proves_nothing(pbx, hanoi, status):
    """What the document does not explain leaves the outcome unknown, and is not sent again."""
    pbx.faults.add(Fault("*click-to-call*", kind="refuse", status=status))

    with pytest.raises(OutcomeUnknown) as caught:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert DialState.UNKNOWN is caught.value.dial_state
    assert len(pbx.requests) == 1


async def test_an_extension_without_a_device_is_refused_with_the_setting_to_change(pbx, hanoi):
    """Nothing is sent, and the message names the setting."""
    with pytest.raises(InvalidRequest, match=r"accounts\.hanoi\.settings\.devices") as caught:
        await hanoi.click_to_call.start_call(extension="999", number=NUMBER)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert pbx.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        *(
            {"kind": "replace", "execute": True, "body": body}
            for body in (
                "",
                "OK",
                "<html><h1>Please wait</h1></html>",
                ["OK"],
                {"status": "fail", "code": 400, "message": "Device offline"},
                {"error": "unauthorized"},
                b"\xff\xfe\x00",
                b"\xef\xbb\xbf{}",
                '{"message": "Click',
                "[" * 900 + "]" * 900,
            )
        ),
        {"kind": "replace", "execute": True, "body": "OK", "content_type": "text/plain"},
        {"kind": "headers", "headers": {"Content-Encoding": "gzip"}},
        {"kind": "truncate"},
        {"kind": "half_json"},
    ],
    ids=str,
)
async def test_a_200_to_a_dial_is_a_placed_call_whatever_its_body_is(pbx, hanoi, fault):
    """The document shows the status and no body, so no body is a refusal, and none leaves the outcome open."""
    pbx.faults.add(Fault("*click-to-call*", **fault))

    started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert (None, "101") == (started.call_id, started.extension)
    assert ["101"] == [each.extension for each in pbx.originated]
    assert 1 == len(pbx.requests)


# History


def oracle(rows):
    """The ids that the rows of a listing have, in its order."""
    seen, ids = {}, []
    for row in rows:
        plain = record_id_of(row)
        seen[plain] = seen.get(plain, 0) + 1
        ids.append(record_id_of(row, seen[plain]))
    return ids


def fill(pbx, count, *, seconds, length=30):
    """*count* rows over *seconds* until now, many with the same second, some equal to others in everything."""
    chance = random.Random(7)  # noqa: S311 # repeatable
    for index in range(count):
        at = int(NOW.timestamp()) - seconds + (index // 25) * 25 * seconds // count
        twin = index % 50 == 0 or chance.random() < 0.2
        pbx.add_record(
            unix_timestamp=at,
            callee={"number": NUMBER if twin else f"09{index:08}", "type": "realnumber"},
            duration_seconds=length,
            billing_seconds=length,
        )


async def listed(hanoi, limit, **filters):
    """The ids of all pages."""
    ids, cursor = [], None
    while True:
        page = await hanoi.history.list_records(limit=limit, cursor=cursor, **filters)
        assert len(page.items) <= limit
        ids += [record.record_id for record in page.items]
        cursor = page.next
        if cursor is None:
            return ids
        assert len(cursor) < 6000


async def test_ten_thousand_records_of_a_hundred_days_come_exactly_once_in_order(pbx, hanoi):
    """As pages of any size and as one stream; every second has many calls, and some rows are equal in everything."""
    fill(pbx, 10_000, seconds=100 * 86_400)
    expected = oracle(pbx.records)
    since, until = NOW - timedelta(days=100), NOW

    pages = [await listed(hanoi, limit, since=since, until=until) for limit in (37, 100, 2500)]
    stream = [record.record_id async for record in hanoi.records(since=since, until=until)]

    assert len(set(expected)) == 10_000
    assert [expected] * 3 == pages
    assert expected == stream


@pytest.mark.parametrize("envelope", ["list", "data"])
@pytest.mark.parametrize("ends_included", [True, False])
@pytest.mark.parametrize("filed_under", ["start", "end"])
async def test_no_reading_of_the_document_loses_or_doubles_a_record(pbx, hanoi, filed_under, ends_included, envelope):
    """Whether calls are filed under their start or end, and whether the ends of a range belong to it."""
    pbx.behaviour.filed_under, pbx.behaviour.ends_included = filed_under, ends_included
    pbx.behaviour.envelope = envelope
    edge = int((NOW - timedelta(days=30)).timestamp())
    for second in range(-5, 6):
        for length in (0, 1, 300):
            pbx.add_record(unix_timestamp=edge + second, duration_seconds=length, billing_seconds=0)
    expected = set(oracle(pbx.records))

    ids = await listed(hanoi, 10, since=NOW - timedelta(days=60), until=NOW)

    assert expected == set(ids)
    assert len(expected) == len(ids)


@pytest.mark.parametrize("seed", range(6))
async def test_calls_that_are_filed_meanwhile_neither_hide_nor_double_others(pbx, hanoi, seed):
    """Rows that push others to the next page, at any place of the list, while somebody reads page after page."""
    chance = random.Random(seed)  # noqa: S311 # repeatable
    fill(pbx, 700, seconds=20 * 86_400)
    before = oracle(pbx.records)
    filters = {"since": NOW - timedelta(days=21), "until": NOW + timedelta(hours=1)}

    ids, cursor = [], None
    while True:
        page = await hanoi.history.list_records(limit=chance.choice([7, 60, 100]), cursor=cursor, **filters)
        ids += [record.record_id for record in page.items]
        cursor = page.next
        if cursor is None:
            break
        for _ in range(chance.choice([0, 0, 1, 3])):
            late = int((NOW - timedelta(seconds=chance.choice([1, 86_400, 10 * 86_400]))).timestamp())
            pbx.add_record(unix_timestamp=late, callee={"number": f"03{len(pbx.records):08}", "type": "realnumber"})

    assert len(set(ids)) == len(ids)
    assert set(before) <= set(ids)


async def test_windows_and_pages_stay_within_the_vendors_limits(pbx, hanoi):
    """Slices of 30 days that overlap, pages of 100: the vendor refuses none."""
    fill(pbx, 300, seconds=90 * 86_400)

    await listed(hanoi, 100, since=NOW - timedelta(days=90), until=NOW)

    spans = [
        tuple(datetime.fromisoformat(dict(request.query)[name]) for name in ("created_from", "created_to"))
        for request in pbx.requests
    ]
    assert all(last - first <= timedelta(days=31) for first, last in spans)
    assert {dict(request.query)["limit"] for request in pbx.requests} == {"100"}
    starts = sorted({first for first, _ in spans}, reverse=True)
    ends = sorted({last for _, last in spans}, reverse=True)
    assert all(last > first for first, last in zip(starts, ends[1:], strict=False))


async def test_every_id_that_was_given_is_found_again(pbx, hanoi):
    """Doubles too, and after the recording's name came later than the call."""
    fill(pbx, 120, seconds=60)
    records = [record async for record in hanoi.records(since=NOW - timedelta(hours=1), until=NOW)]
    pbx.records[0]["recording"] = "call_recording_late.mp3"

    again = [await hanoi.history.get_record(record.record_id) for record in records]

    assert [record.record_id for record in records] == [record.record_id for record in again]
    assert again[0].call_id == "late"
    assert records[1:] == again[1:]


async def test_a_call_that_was_filed_late_is_found_again(pbx, hanoi):
    """The seconds around the call come first, then as long as a call may take to be filed."""
    row = pbx.add_record(unix_timestamp=int(NOW.timestamp()) - 600)
    pbx.faults.add(Fault(HISTORIES, kind="replace", body=[]))

    record = await hanoi.history.get_record(record_id_of(row))

    assert record_id_of(row) == record.record_id
    assert len(pbx.requests) == 2


@pytest.mark.parametrize(
    "record_id",
    ["x", "1519639917", "1519639917-50-0000000000000000000g", "9999999999-50-" + 20 * "0", "\u0661-1-" + 20 * "0"],
)
async def test_an_id_that_nobody_gave_is_not_found_and_not_asked_for(pbx, hanoi, record_id):
    """What is no id of ours costs the vendor nothing."""
    with pytest.raises(NotFound):
        await hanoi.history.get_record(record_id)

    assert pbx.requests == []


async def test_an_id_of_a_row_that_is_gone_is_not_found(pbx, hanoi):
    """The form is right and there is no such row; nor a second of a row that is there once."""
    row = pbx.add_record()

    for record_id in (record_id_of({**row, "status_detail": "BUSY"}), record_id_of(row, 2)):
        with pytest.raises(NotFound):
            await hanoi.history.get_record(record_id)


@pytest.mark.parametrize("cursor", ["x", "e30", "eyJwIjpbMV19", "é"])
async def test_a_cursor_that_nobody_gave_is_refused(hanoi, cursor):
    """Text, and JSON of another form."""
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.history.list_records(cursor=cursor)

    assert "cursor" in caught.value.fields


async def test_a_cursor_carries_its_filters_and_refuses_others(pbx, hanoi):
    """Without filters it goes on with its own; other ones are refused."""
    fill(pbx, 20, seconds=600)
    pbx.add_record(callee={"number": "0123", "type": "realnumber"}, unix_timestamp=int(NOW.timestamp()) - 700)
    page = await hanoi.history.list_records(number=NUMBER, limit=1, since=NOW - timedelta(hours=1), until=NOW)

    following = await hanoi.history.list_records(cursor=page.next, limit=100)
    assert {NUMBER} == {record.to_number for record in following.items}
    for other in ({"number": "0123"}, {"extension": "101"}, {"since": NOW - timedelta(hours=2)}):
        with pytest.raises(InvalidRequest):
            await hanoi.history.list_records(cursor=page.next, **other)


async def test_without_a_range_the_last_thirty_days_are_listed(pbx, hanoi):
    """The real present ends the range, whatever the vendor's clock shows; a future end is cut to it."""
    await hanoi.history.list_records()
    query = dict(pbx.requests[-1].query)
    first, last = (datetime.fromisoformat(query[name]) for name in ("created_from", "created_to"))
    await hanoi.history.list_records(until=datetime(9998, 1, 1, tzinfo=UTC))

    assert timedelta(days=30) < last - first < timedelta(days=31)
    assert len(pbx.requests) == 2


async def test_calls_that_are_too_old_for_the_vendor_cost_none_of_the_others(pbx, hanoi):
    """31 days may be how old a call may be: all that the vendor gives comes, and then an error that says so."""
    pbx.behaviour.oldest_days = 31
    pbx.seed_records(150, NOW - timedelta(days=29), step_seconds=3600)
    pbx.add_record(unix_timestamp=NOW - timedelta(days=40))
    found = []

    async def read():
        async for record in hanoi.records(since=NOW - timedelta(days=60), until=NOW):
            found.append(record)  # what came before the error counts

    with pytest.raises(InvalidRequest) as caught:
        await read()

    assert 150 == len({record.record_id for record in found}) == len(found)
    assert {"since": "is before 2025-12-16T09:00:00Z"} == caught.value.fields
    assert "began at 2025-12-16T09:00:00Z or later have been read" in str(caught.value)
    again = [record async for record in hanoi.records(since=NOW - timedelta(days=30), until=NOW)]
    assert found == again


async def test_what_was_read_before_a_failure_is_given_first(pbx, hanoi):
    """A page that meets trouble half-way is short, and the next one meets it again, or goes on."""
    for days in (1, 40):
        pbx.add_record(unix_timestamp=NOW - timedelta(days=days))
    wanted = {"since": NOW - timedelta(days=50), "until": NOW}
    whole = await hanoi.history.list_records(**wanted)
    pbx.faults.add(Fault(HISTORIES, kind="drop", times=None))
    with pytest.raises(VendorUnavailable):
        await hanoi.history.list_records(**wanted)
    pbx.faults.clear()
    pbx.faults.add(Fault(HISTORIES, kind="delay", seconds=0), Fault(HISTORIES, kind="drop", times=3))
    first = await hanoi.history.list_records(**wanted)
    second = await hanoi.history.list_records(cursor=first.next)

    assert (2, None) == (len(whole.items), whole.next)
    assert whole.items == first.items + second.items
    assert 1 == len(first.items)


async def test_a_range_of_many_years_is_read_in_pieces(pbx, hanoi):
    """One page asks the vendor 25 times at most, and the next goes on; what is old is found."""
    row = pbx.add_record(unix_timestamp=int(datetime(2019, 5, 1, tzinfo=UTC).timestamp()))
    first = await hanoi.history.list_records(since=datetime(2015, 1, 1, tzinfo=UTC), until=NOW)

    assert (len(first.items), len(pbx.requests)) == (0, 25)
    assert [record_id_of(row)] == await listed(hanoi, 10, since=datetime(2015, 1, 1, tzinfo=UTC), until=NOW)


USER = {"number": "agent101", "type": "user", "username": "agent101"}
OTHER_USER = {"number": "agent102", "type": "user", "username": "agent102"}
STRANGER = {"number": "thutranhtkbee", "type": "user", "username": "thutran"}
OUTSIDE = {"number": NUMBER, "type": "realnumber"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"caller": USER, "callee": OUTSIDE}, (Direction.OUTBOUND, "101", NUMBER, "101", None)),
        (
            {"caller": OUTSIDE, "callee": USER, "direction": "to_ab", "did_number": "0287"},
            (Direction.INBOUND, NUMBER, "101", "101", "0287"),
        ),
        (
            {"caller": OUTSIDE, "callee": STRANGER, "direction": "to_ab", "did_number": "0287"},
            (Direction.INBOUND, NUMBER, "thutranhtkbee", "thutranhtkbee", "0287"),
        ),
        (
            {"caller": OUTSIDE, "callee": {"number": "0287", "type": "realnumber"}, "direction": "to_ab"},
            (Direction.INBOUND, NUMBER, "0287", None, "0287"),
        ),
        (
            {"caller": USER, "callee": OTHER_USER, "class": "one_one"},
            (Direction.INTERNAL, "101", "102", "101", None),
        ),
        # The document's own sample says from_ab and has the person of ours as callee.
        ({"caller": OUTSIDE, "callee": USER}, (Direction.OUTBOUND, "101", NUMBER, "101", None)),
        ({"direction": "sideways"}, (Direction.UNKNOWN, "101", NUMBER, "101", None)),
        ({"caller": None, "callee": None}, (Direction.OUTBOUND, None, None, None, None)),
    ],
)
async def test_both_sides_are_read_from_class_direction_and_types(pbx, hanoi, row, expected):
    """Our side is the extension where the device is known, else the vendor's own name for the person."""
    pbx.add_record(**row)
    (record,) = (await hanoi.history.list_records(since=NOW - timedelta(days=1), until=NOW)).items

    seen = (record.direction, record.from_number, record.to_number, record.extension, record.hotline)
    assert expected == seen


@pytest.mark.parametrize(
    ("word", "outcome", "talk"),
    [
        ("SUCCESS", Outcome.ANSWERED, 43),
        ("success ", Outcome.ANSWERED, 43),
        ("IVR", Outcome.NO_ANSWER, 0),
        ("CANCELLED", Outcome.CANCELLED, 0),
        ("BUSY", Outcome.BUSY, 0),
        ("UNSUCCESS", Outcome.FAILED, 0),
        ("NEW WORD", Outcome.UNKNOWN, 0),
    ],
)
async def test_the_vendors_words_become_ours_and_stay_in_vendor_status(pbx, hanoi, word, outcome, talk):
    """A voice menu is billed too, and is nobody's talk."""
    pbx.add_record(status_detail=word)
    (record,) = (await hanoi.history.list_records(since=NOW - timedelta(days=1), until=NOW)).items

    assert (outcome, word.strip(), talk) == (record.outcome, record.vendor_status, record.talk_seconds)


LATELY = {"since": NOW - timedelta(days=1), "until": NOW}


@pytest.mark.parametrize(
    "time", [1519639917123, None, "yesterday", 0, "0", -1, 1e300, "nan", 4_200_000_000, False, [1], {}, "\ud83d"]
)
async def test_a_row_without_a_time_is_left_out_and_counted(pbx, hanoi, time):
    """Its id would have to be made of it. The others come."""
    good, odd = pbx.add_record(), pbx.add_record()
    odd["unix_timestamp"] = time

    page = await hanoi.history.list_records(**LATELY)

    assert [record_id_of(good)] == [record.record_id for record in page.items]
    assert (1, [odd["recording"]]) == (page.skipped, [row["recording"] for row in page.raw])


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("duration_seconds", -1, "duration_seconds"),
        ("billing_seconds", "x", "billing_seconds"),
        ("caller", "0899", "caller"),
        ("callee", {"number": ["x"], "type": "user"}, "callee.number"),
        ("class", {"a": 1}, "class"),
        ("did_number", False, "did_number"),
        ("direction", "\ud83d", "direction"),
        ("status_detail", [], "status_detail"),
        ("recording", False, "recording"),
    ],
)
async def test_an_odd_field_is_left_out_and_named(pbx, hanoi, field, value, named):
    """The record can be asked for by its id, and the others are as they are."""
    good, odd = pbx.add_record(duration_seconds=49), pbx.add_record()
    odd[field] = value

    page = await hanoi.history.list_records(**LATELY)

    (other,) = [record for record in page.items if record.record_id != record_id_of(good)]
    assert (2, 0, (named,)) == (len(page.items), page.skipped, other.unreadable)
    assert other == await hanoi.history.get_record(other.record_id)


@pytest.mark.parametrize("value", [50, 50.0, 50.9, "50", " 50 ", "50.5"])
async def test_of_a_length_whole_seconds_count(pbx, hanoi, value):
    """Whichever way they are written, the id stays the same."""
    row = pbx.add_record()
    row["duration_seconds"] = value

    (record,) = (await hanoi.history.list_records(**LATELY)).items

    assert (50, (), record_id_of({**row, "duration_seconds": 50})) == (
        record.duration_seconds,
        record.unreadable,
        record.record_id,
    )


async def test_a_number_is_text_where_text_is_expected(pbx, hanoi):
    """The class of a call too."""
    pbx.add_record(**{"class": 5, "status_detail": 7, "did_number": 2873019555.0})

    (record,) = (await hanoi.history.list_records(**LATELY)).items

    assert ("7", "2873019555", ()) == (record.vendor_status, record.hotline, record.unreadable)


async def test_no_row_comes_twice_where_odd_ones_are_pushed_on(pbx, hanoi):
    """A call that is filed meanwhile moves odd rows too from one page of the vendor's to the next."""
    rows = [pbx.add_record(unix_timestamp=NOW - timedelta(seconds=60 + age)) for age in range(150)]
    for row in rows[90:110]:
        row["unix_timestamp"] = "-"
    page = await hanoi.history.list_records(limit=80, **LATELY)
    pbx.add_record(unix_timestamp=NOW - timedelta(seconds=30))

    rest = [each async for each in hanoi.pages(OPERATIONS["list_records"], {"cursor": page.next, "limit": 80})]

    ids = [record.record_id for each in (page, *rest) for record in each.items]
    assert (130, 130) == (len(ids), len(set(ids)))
    assert 20 == sum(each.skipped for each in (page, *rest))


async def test_a_record_is_not_missing_while_a_row_cannot_be_read(pbx, hanoi):
    """The one that is asked for may be it."""
    row = pbx.add_record()
    record_id = record_id_of(row)
    row["duration_seconds"] = -1

    with pytest.raises(VendorProtocolError):
        await hanoi.history.get_record(record_id)


# Recordings


async def recording(pbx, hanoi):
    """The id of a recorded call, and its audio."""
    record_id = record_id_of(pbx.add_record())
    async with await hanoi.recording.fetch_recording(record_id) as audio:
        return record_id, await audio.read()


def plays(pbx):
    return sum(request.path.endswith("/play_recording") for request in pbx.requests)


@pytest.mark.parametrize("byte_range", [None, "bytes=1000-", "bytes=1000-99999", "bytes=-50000"])
async def test_a_recording_that_breaks_off_goes_on_from_a_new_address(pbx, hanoi, byte_range):
    """The bytes are those of one unbroken answer, from the byte that was reached."""
    record_id, whole = await recording(pbx, hanoi)
    expected = {None: whole, "bytes=1000-": whole[1000:], "bytes=1000-99999": whole[1000:100_000]}.get(
        byte_range, whole[-50_000:]
    )
    before = plays(pbx)
    pbx.cut_recording(30_000)

    async with await hanoi.recording.fetch_recording(record_id, byte_range=byte_range) as audio:
        got = await audio.read()

    assert expected == got
    assert before + 2 == plays(pbx)
    resumed = pbx.requests[-1].headers["range"]
    assert resumed.startswith("bytes=")
    assert resumed != byte_range


async def test_a_recording_that_breaks_off_twice_is_an_error(pbx, hanoi):
    """One new address is all that is tried."""
    record_id, _ = await recording(pbx, hanoi)
    pbx.cut_recording(10_000)

    async with await hanoi.recording.fetch_recording(record_id) as audio:
        chunks = aiter(audio)
        await anext(chunks)
        pbx.faults.add(Fault("/nkrecord/*", kind="truncate", times=None))
        with pytest.raises(VendorUnavailable):
            async for _ in chunks:
                pass


async def test_an_address_that_has_expired_is_asked_for_again_once(pbx, hanoi):
    """403 from a signed address gets a new one; two are an error."""
    record_id, whole = await recording(pbx, hanoi)
    pbx.faults.add(Fault("/nkrecord/*", kind="refuse", status=403))
    async with await hanoi.recording.fetch_recording(record_id) as audio:
        assert whole == await audio.read()

    pbx.behaviour.link_seconds = 0
    before = plays(pbx)
    with pytest.raises(VendorAuthFailed) as caught:
        await hanoi.recording.fetch_recording(record_id)

    assert (before + 2, "403") == (plays(pbx), caught.value.vendor_code)


async def test_a_link_says_when_it_ends(pbx, hanoi):
    """The vendor's signed address tells its own end, in either spelling; one that says nothing has none."""
    link = await hanoi.recording.locate_recording(record_id_of(pbx.add_record()))

    assert NOW + timedelta(seconds=600) == link.expires_at
    amazon = "https://x/y?X-Amz-Date=20260115T090000Z&X-Amz-Expires=60"
    assert NOW + timedelta(seconds=60) == expiry_of(amazon)
    assert {expiry_of(f"https://x/y{rest}") for rest in ("", "?Expires=soon", "?X-Amz-Date=1&X-Amz-Expires=2")} == {
        None
    }


async def test_a_call_without_a_recording_has_none(pbx, hanoi):
    """The name is empty, so nothing more is asked."""
    row = pbx.add_record(recording="")

    with pytest.raises(NotFound):
        await hanoi.recording.locate_recording(record_id_of(row))

    assert plays(pbx) == 0


async def test_recordings_come_from_allowed_hosts_only(pbx, hanoi):
    """Another host must be named in the settings, and the error says how."""
    record_id, _ = await recording(pbx, hanoi)
    elsewhere = {"media": "http://evil.example/call.mp3?Expires=1&Signature=hush"}
    pbx.faults.add(Fault("*play_recording", kind="replace", body=elsewhere))

    with pytest.raises(VendorProtocolError, match="recording_hosts") as caught:
        await hanoi.recording.fetch_recording(record_id)

    assert "hush" not in str(caught.value)


# The request limit


async def test_a_read_beyond_the_limit_waits_as_long_as_the_vendor_says(pbx, hanoi):
    """503 to a read is asked again after Retry-After, which is 0 here."""
    pbx.faults.add(Fault(HISTORIES, kind="refuse", headers={"Retry-After": "0"}, times=2))

    await hanoi.history.list_records()

    assert len(pbx.requests) == 3


async def test_a_read_that_stays_beyond_the_limit_is_rate_limited(pbx, hanoi):
    """The error tells when to come back."""
    pbx.faults.add(Fault(HISTORIES, kind="refuse", headers={"Retry-After": "99"}, times=None))

    with pytest.raises(RateLimited) as caught:
        await hanoi.history.list_records()

    assert caught.value.retry_after == 99
    assert len(pbx.requests) == 1


async def test_a_read_beyond_the_limit_is_asked_again_ever_later(pbx):
    """Where the vendor does not say how long, the pauses double, with jitter."""
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    pbx.faults.add(Fault(HISTORIES, kind="refuse", times=4))
    own = from_settings(settings_of(pbx), Settings, Secret)
    async with open_adapter(Account(name="hanoi"), own) as adapter:
        requests = attrs.evolve(adapter.requests, limit=RequestLimit(None, sleep=sleep))
        await attrs.evolve(adapter, requests=requests).list_records()

    assert [most / 2 <= pause <= most for pause, most in zip(pauses, (1, 2, 4, 8), strict=True)] == [True] * 4
    assert len(pbx.requests) == 5


async def test_our_own_limit_spaces_requests_evenly():
    """Each waits for its turn, also those that come together; time that passed is not saved up."""
    time, pauses = [0.0], []

    async def sleep(seconds):
        pauses.append(seconds)

    limit = RequestLimit(2, clock=lambda: time[0], sleep=sleep)
    for _ in range(3):
        await limit.wait()
    time[0] = 100.0
    await asyncio.gather(limit.wait(), limit.wait())

    assert pauses == [0.5, 1.0, 0.5]


# What cannot be said, and what must not be


async def test_hooks_are_not_supported(hanoi):
    """The vendor calls nobody; the error says what to use."""
    for operation in (
        hanoi.events.list_hooks(),
        hanoi.events.create_hook(event=EventType.ENDED),
        hanoi.events.delete_hook("1"),
        hanoi.events.parse_webhook(WebhookRequest(received_at=NOW)),
    ):
        with pytest.raises(Unsupported, match="events") as caught:
            await operation
        assert caught.value.account == "hanoi"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"base_url": "http://openapi.example.vn"}, "base_url"),
        ({"socket_url": "http://ws.example.vn"}, "socket_url"),
        ({"socket_url": "ws.example.vn"}, "socket_url"),
        ({"late_seconds": 0}, "late_seconds"),
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"hash_order": "middle"}, "hash_order"),
        ({"socket_protocol": "eio4"}, "socket_protocol"),
        ({"devices": {"101": {"sip_user": "x"}}}, r"devices.*sip_password"),
        ({"devices": {n: {"sip_user": "x", "sip_password": "y"} for n in ("101", "102")}}, "devices"),
    ],
)
async def test_wrong_settings_are_refused_with_their_path(pbx, settings, told):
    """The start stops, and the message names the key."""
    with pytest.raises(ConfigError, match=told):
        async with account(pbx, **settings):
            pass


async def test_secrets_are_in_no_log_error_or_answer(pbx, caplog):
    """The application's secret, SIP passwords and signatures, with everything logged that can be."""
    caplog.set_level(logging.DEBUG)
    texts = []
    async with account(pbx) as hanoi:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
        record_id, _ = await recording(pbx, hanoi)
        link = await hanoi.recording.locate_recording(record_id)
        texts.append(str(await hanoi.history.get_record(record_id)))
        for fault in ({"kind": "html"}, {"kind": "drop"}, {"kind": "refuse", "status": 500}, {"kind": "half_json"}):
            pbx.faults.add(Fault("*", **fault, times=None))
            for operation in (
                hanoi.click_to_call.start_call(extension="101", number=NUMBER),
                hanoi.history.list_records(),
                hanoi.recording.fetch_recording(record_id),
            ):
                (told,) = await asyncio.gather(operation, return_exceptions=True)
                texts += [str(told), repr(told), str(getattr(told, "__cause__", None))]
            pbx.faults.clear()

    signature = link.url.partition("Signature=")[2]
    everything = "\n".join([*texts, *(record.getMessage() for record in caplog.records)])
    for secret in (pbx.app_secret, "sip-password-101", signature):
        assert secret not in everything
