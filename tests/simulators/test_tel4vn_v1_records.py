"""Records, reports and recordings of the TEL4VN v1 simulator."""

import io
import wave
from datetime import UTC, datetime, timedelta

import pytest
from gateway_simulators.tel4vn import seeded_records

START = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)  # where a ManualClock begins; 16:00 in Viet Nam
SINCE = datetime(2025, 12, 1, tzinfo=UTC)


def ids(response):
    return [row["id"].strip() for row in response.body["data"]]


async def whole_scroll(client, **query):
    """Read a scroll to its end; gives the rows of all pages and how many scroll ids there were."""
    rows, scroll_ids, more = [], set(), {}
    while True:
        body = (await client.get("/v1/cdr", **query, **more)).body
        more = {"scroll_id": body["scroll_id"]}
        scroll_ids.add(body["scroll_id"])
        rows += body["data"]
        if not body["data"]:
            return rows, scroll_ids


async def test_a_finished_call_becomes_a_record(pbx, client):
    """The row tells the two parties as the vendor does, the three times in local time, and direction 3."""
    call_id = (await client.get("/v1/click2call/async", ext="101", phone="0899098899")).body["call_id"]
    await pbx.advance(28)
    row = (await client.get(f"/v1/cdr/{call_id}")).body

    assert row == {
        "id": call_id,
        "sip_call_id": row["sip_call_id"],
        "cause": "NORMAL_CLEARING",
        "duration": 28,
        "direction": 3,
        "recording_url": f"{pbx.url}/recording/{call_id}.wav",
        "extension": "101",
        "from_number": "19001919",
        "to_number": "0899098899",
        "receive_dest": "",
        "time_started": "2026-01-15 16:00:00",
        "time_answered": "2026-01-15 16:00:08",
        "time_ended": "2026-01-15 16:00:28",
        "status": "ANSWERED",
    }
    assert (await client.get(f"/v1/cdr/{row['sip_call_id']}")).body == row


async def test_an_inbound_call_becomes_a_record(pbx, client):
    """An inbound row goes from the customer to the hotline, and names its direction."""
    call_id = pbx.incoming("0899888999", hotline="19001920", extension="102")
    await pbx.advance(23)
    row = (await client.get(f"/v1/cdr/{call_id}")).body

    assert (row["from_number"], row["to_number"], row["extension"]) == ("0899888999", "19001920", "102")
    assert row["direction"] == "inbound"


@pytest.mark.parametrize(
    ("setting", "value", "status", "cause", "duration"),
    [
        ("extension_answers", False, "NO ANSWER", "NO_ANSWER", 3),
        ("number_answers", False, "NO ANSWER", "NO_ANSWER", 8),
        ("number_answers", "busy", "BUSY", "NORMAL_CLEARING", 8),
    ],
)
async def test_an_unanswered_call_becomes_a_record(pbx, client, setting, value, status, cause, duration):
    """Without an answer there is neither a time of it nor a recording; busy has the cause of a normal end."""
    setattr(pbx.behaviour, setting, value)
    call_id = (await client.get("/v1/click2call/async", ext="101", phone="0899098899")).body["call_id"]
    await pbx.advance(8)
    row = (await client.get(f"/v1/cdr/{call_id}")).body

    assert (row["status"], row["cause"], row["duration"]) == (status, cause, duration)
    assert (row["time_answered"], row["recording_url"]) == ("", "")
    assert (await client.get(f"/recording/{call_id}", checked=False)).status == 404


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        ("NORMAL_CLEARING", "CANCELLED"),
        ("NO_ANSWER", "NO ANSWER"),
        ("USER_BUSY", "BUSY"),
        ("SUBSCRIBER_ABSENT", "not-available"),
        ("NETWORK_OUT_OF_ORDER", "FAILED"),
    ],
)
async def test_the_cause_decides_what_an_unanswered_call_is_called(pbx, client, cause, status):
    """Hanging up a ringing call with a cause gives the status that goes with it."""
    call_id = pbx.incoming("0899888999")
    await pbx.hang_up(call_id, cause)
    row = (await client.get(f"/v1/cdr/{call_id}")).body

    assert (row["status"], row["cause"]) == (status, cause)


async def test_a_call_to_a_busy_or_absent_extension_rings_nobody(pbx, client):
    """An inbound call that can ring nowhere ends busy, or not available."""
    pbx.incoming("0811", extension="101")
    busy, absent = pbx.incoming("0822", extension="101"), pbx.incoming("0833", extension="104")
    await pbx.advance(3)

    assert (await client.get(f"/v1/cdr/{busy}")).body["status"] == "BUSY"
    assert (await client.get(f"/v1/cdr/{absent}")).body["status"] == "not-available"


async def test_a_ring_group_record_has_another_id(pbx, client):
    """The id of the events finds no record; the record has an own id, sip_call_id and the group."""
    call_id = pbx.incoming("0899888999", ring_group=["101", "102"])
    sip_call_id = pbx.calls[call_id].sip_call_id
    await pbx.advance(23)
    row = (await client.get("/v1/cdr")).body["data"][0]

    assert (await client.get(f"/v1/cdr/{call_id}")).status == 404
    assert row["id"] != call_id
    assert (row["receive_dest"], row["from_number"]) == ("600", "0899888999")
    assert row["sip_call_id"] != sip_call_id


async def test_a_ring_group_record_can_share_the_sip_call_id(pbx, client):
    """When told so, the record can be joined to the events by its sip_call_id."""
    pbx.behaviour.ring_group_shares_sip_call_id = True
    sip_call_id = pbx.calls[pbx.incoming("0899888999", ring_group=["101", "102"])].sip_call_id
    await pbx.advance(23)

    assert (await client.get(f"/v1/cdr/{sip_call_id}")).body["receive_dest"] == "600"


async def test_an_unknown_record_is_not_found(client):
    """An id that nobody has is 404 with the documented error."""
    assert (await client.get("/v1/cdr/none"))[:2] == (404, {"error": "Not Found"})


async def test_added_records_can_be_anything(pbx, client):
    """Overrides may have wrong types, new fields and aware times; the rest follows from them."""
    row = pbx.add_record(
        id=" padded ", direction="outbound", duration="7", queue=None, time_started=START - timedelta(hours=1)
    )
    sent = (await client.get("/v1/cdr", checked=False)).body["data"][0]

    assert sent == row
    assert (sent["id"], sent["direction"], sent["duration"], sent["queue"]) == (" padded ", "outbound", "7", None)
    assert (sent["time_started"], sent["time_ended"]) == ("2026-01-15 15:00:00", "2026-01-15 15:00:11")
    assert (await client.get("/v1/cdr/padded", checked=False)).body == row


async def test_added_records_that_were_not_answered_have_no_answer(pbx):
    """A status other than ANSWERED takes the time of the answer and the recording away."""
    row = pbx.add_record(status="BUSY", duration=7)

    assert (row["time_answered"], row["recording_url"]) == ("", "")
    assert (row["time_started"], row["time_ended"]) == ("2026-01-15 15:59:53", "2026-01-15 16:00:00")


async def test_rows_have_the_oddities_of_the_vendor(pbx, client):
    """Among some rows there are ids with a blank at the end, and recordings with and without a suffix."""
    for _ in range(10):
        pbx.add_record()
    rows = (await client.get("/v1/cdr")).body["data"]

    assert sum(row["id"].endswith(" ") for row in rows) == 2
    assert sum(row["recording_url"].endswith(".wav") for row in rows) == 5
    assert (await client.get(f"/v1/cdr/{rows[0]['id'].strip()}")).body == rows[0]


async def test_pages_are_newest_first_and_counted(pbx, client):
    """Pages follow each other without gap or overlap, with the total of all."""
    for hours in (1, 3, 2, 5, 4):
        pbx.add_record(id=f"h{hours}", time_started=START - timedelta(hours=hours))
    first = await client.get("/v1/cdr", page="1", limit="2")
    third = await client.get("/v1/cdr", page="3", limit="2")

    assert (ids(first), ids(third)) == (["h1", "h2"], ["h5"])
    assert {name: third.body[name] for name in ("limit", "page", "total")} == {"limit": 2, "page": 3, "total": 5}
    assert ids(await client.get("/v1/cdr", page="4", limit="2")) == []


async def test_offset_replaces_page(pbx, client):
    """With an offset the page number does not count."""
    for hours in range(1, 6):
        pbx.add_record(id=f"h{hours}", time_started=START - timedelta(hours=hours))

    assert ids(await client.get("/v1/cdr", page="1", offset="3", limit="2")) == ["h4", "h5"]
    assert ids(await client.get("/v1/cdr", page="3", offset="0", limit="1")) == ["h1"]


@pytest.mark.parametrize("query", [{}, {"limit": "2"}, {"page": "2"}, {"offset": "2"}, {"limit": "2", "offset": "2"}])
async def test_without_page_and_limit_the_records_are_scrolled(pbx, client, query):
    """Both make a page, and nothing else does; an offset alone takes no page's place."""
    pbx.seed_records(5, SINCE)
    response = await client.get("/v1/cdr", **query)

    assert {"data", "scroll_id"} == response.body.keys()
    assert ids(response)[0] == ids(await client.get("/v1/cdr", page="1", limit="1"))[0]


@pytest.mark.parametrize(
    ("paging", "query", "expected"),
    [
        ("page", {"page": "2", "limit": "2", "offset": "0"}, [2, 3]),
        ("offset", {"page": "1", "limit": "2", "offset": "3"}, [3, 4]),
        ("scroll", {"page": "2", "limit": "2", "offset": "3"}, [0, 1]),
        ("first_page", {"page": "2", "limit": "2", "offset": "2"}, [0, 1]),
        ("everything", {"page": "2", "limit": "2", "offset": "2"}, [0, 1, 2, 3, 4]),
    ],
)
async def test_a_host_may_read_the_document_in_its_own_way(pbx, client, paging, query, expected):
    """By one of the arguments alone, or by none."""
    pbx.seed_records(5, SINCE)
    every = ids(await client.get("/v1/cdr", page="1", limit="5"))
    pbx.behaviour.paging = paging

    response = await client.get("/v1/cdr", **query)

    assert [every[place] for place in expected] == ids(response)
    assert (paging == "scroll") == ("scroll_id" in response.body)


async def test_a_page_has_no_more_rows_than_the_host_allows(pbx, client):
    """Also when `limit` is larger; the response names the limit that was in force."""
    pbx.seed_records(5, SINCE)
    pbx.behaviour.largest_page = 2
    response = await client.get("/v1/cdr", page="2", limit="4")

    assert (len(response.body["data"]), response.body["limit"]) == (2, 2)
    assert len((await client.get("/v1/cdr", limit="4")).body["data"]) == 2


async def test_a_scroll_gives_everything_once_under_one_id(pbx, client):
    """A scroll goes on while rows come, keeps its id, and ends with an empty page."""
    pbx.seed_records(23, SINCE)
    pbx.behaviour.scroll_page = 5
    rows, scroll_ids = await whole_scroll(client)

    assert len((await client.get("/v1/cdr")).body["data"]) == 5
    assert len({row["id"] for row in rows}) == len(rows) == 23
    assert len(scroll_ids) == 1
    assert [row["time_started"] for row in rows] == sorted((row["time_started"] for row in rows), reverse=True)


async def test_a_scroll_is_not_disturbed_by_new_records(pbx, client):
    """Records that come while a scroll is read neither appear twice nor push others out."""
    pbx.seed_records(10, SINCE)
    first = (await client.get("/v1/cdr", limit="4")).body
    pbx.add_record()
    pbx.add_record(id="old", time_started=SINCE - timedelta(days=1))
    second = (await client.get("/v1/cdr", limit="20", scroll_id=first["scroll_id"])).body

    seen = [row["id"].strip() for row in first["data"] + second["data"]]
    assert len(set(seen)) == len(seen) == 11
    assert seen[-1] == "old"


async def test_a_scroll_keeps_its_filters(pbx, client):
    """The filters of the first request hold for the following ones."""
    pbx.seed_records(60, SINCE)
    rows, _ = await whole_scroll(client, status="BUSY", limit="2")

    assert {row["status"] for row in rows} == {"BUSY"}
    assert len(rows) > 2


async def test_records_of_the_same_second_are_all_given(pbx, client):
    """Many rows with one start, from several sources, are paged and scrolled completely."""
    pbx.seed_records(3, SINCE, step_seconds=1)
    pbx.seed_records(3, SINCE, step_seconds=1)
    for _ in range(4):
        pbx.add_record(time_started=SINCE + timedelta(seconds=1))
    rows, _ = await whole_scroll(client, limit="3")
    pages = [
        row for page in range(1, 5) for row in (await client.get("/v1/cdr", page=str(page), limit="3")).body["data"]
    ]

    assert len({row["id"] for row in rows}) == len(rows) == 10
    assert pages == rows


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"page": "0"},
        {"limit": "many"},
        {"min_duration": "-1"},
        {"start_date": "15/01/2026"},
        {"end_date_ended": "2026-13-01"},
        {"scroll_id": "made-up"},
    ],
)
async def test_queries_that_cannot_be_read_are_refused(client, query):
    """Numbers, dates and scroll ids that are none are 400, and the error names the parameter."""
    response = await client.get("/v1/cdr", checked=False, **query)

    assert response.status == 400
    assert next(iter(query)) in response.body["error"]


async def test_empty_parameters_count_as_absent(pbx, client):
    """A parameter without a value filters nothing."""
    pbx.add_record()

    assert len((await client.get("/v1/cdr", checked=False, status="", start_date="", limit="")).body["data"]) == 1


@pytest.fixture
def three(pbx):
    """Three records of different kinds, an hour apart."""
    pbx.add_record(id="out", time_started=START - timedelta(hours=1), duration=10)
    pbx.add_record(
        id="in",
        time_started=START - timedelta(hours=2),
        duration=11,
        direction="inbound",
        extension="102",
        from_number="0911",
        to_number="19001919",
    )
    pbx.add_record(
        id="local",
        time_started=START - timedelta(hours=3),
        duration=12,
        direction="local",
        extension="103",
        from_number="103",
        to_number="102",
        status="BUSY",
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["out", "in", "local"]),
        ({"duration": "11"}, ["in"]),
        ({"min_duration": "11"}, ["local"]),
        ({"min_duration": "10"}, ["in", "local"]),
        ({"extension": "102"}, ["in"]),
        ({"status": "BUSY"}, ["local"]),
        ({"status": "NO ANSWER"}, []),
        ({"phone": "0911"}, ["in"]),
        ({"phone": "102"}, ["local"]),
        ({"phone": "19001919"}, ["out", "in"]),
        ({"direction": "outbound"}, ["out"]),
        ({"direction": "inbound"}, ["in"]),
        ({"direction": "local"}, ["local"]),
        ({"recordingfile": "in.mp3"}, ["in"]),
        ({"recordingfile": "in"}, ["in"]),
        ({"recordingfile": "local.wav"}, []),
        ({"start_date": "2026-01-15 14:00:00"}, ["out", "in"]),
        ({"start_date": "2026-01-15 14:00:01"}, ["out"]),
        ({"end_date": "2026-01-15 14:00:00"}, ["in", "local"]),
        ({"end_date": "2026-01-15 13:59:59"}, ["local"]),
        ({"start_date": "2026-01-15", "end_date": "2026-01-15"}, ["out", "in", "local"]),
        ({"start_date": "2026-01-16"}, []),
        ({"end_date": "2026-01-14"}, []),
        ({"start_date_ended": "2026-01-15 14:00:11"}, ["out", "in"]),
        ({"start_date_ended": "2026-01-15 14:00:12"}, ["out"]),
        ({"end_date_ended": "2026-01-15 14:00:11"}, ["in", "local"]),
        ({"end_date_ended": "2026-01-15 14:00:10"}, ["local"]),
        ({"extension": "102", "status": "BUSY"}, []),
    ],
)
async def test_every_filter_filters(client, three, query, expected):
    """Each filter gives exactly the rows that fit, in a page and in a scroll, and counts them."""
    page = await client.get("/v1/cdr", page="1", limit="10", **query)

    assert (ids(page), page.body["total"]) == (expected, len(expected))
    assert ids(await client.get("/v1/cdr", **query)) == expected


async def test_a_long_call_is_found_by_its_end(pbx, client):
    """However long before it began, a call belongs to the span in which it ended, and to that only."""
    pbx.add_record(id="long", time_started=START - timedelta(hours=3), duration=3 * 60 * 60)
    span = {"start_date_ended": "2026-01-15 15:59:59", "end_date_ended": "2026-01-15 16:00:00"}

    assert ids(await client.get("/v1/cdr", **span)) == ["long"]
    assert ids(await client.get("/v1/cdr", end_date_ended="2026-01-15 15:59:59")) == []


async def test_seeded_records_are_the_same_everywhere(pbx, client):
    """The same seed makes the same rows, another seed others; only the ids tell the ranges apart."""

    def without_ids(rows):
        return [{k: v for k, v in row.items() if k not in ("id", "sip_call_id", "recording_url")} for row in rows]

    spans = []
    for days, seed in enumerate((5, 5, 6)):
        pbx.seed_records(40, SINCE, seed=seed)
        page = (await client.get("/v1/cdr", page="1", limit="200")).body["data"]
        spans.append(without_ids([row for row in page if row["id"].startswith(f"5eed000{days + 1}")]))

    assert spans[0] == spans[1] != spans[2]


async def test_seeded_records_are_of_every_kind(pbx, client):
    """Directions, statuses, blanks and suffixes are all there, and every row is as documented."""
    pbx.seed_records(77, SINCE)
    rows = (await client.get("/v1/cdr", page="1", limit="100")).body["data"]

    assert {row["direction"] for row in rows} == {3, "inbound", "local"}
    assert {row["status"] for row in rows} == {
        "ANSWERED", "BUSY", "NO ANSWER", "FAILED", "CANCELLED", "UNKNOWN", "not-available",
    }  # fmt: skip
    assert {row["cause"] for row in rows if row["status"] == "BUSY"} == {"NORMAL_CLEARING"}
    assert len({(row["direction"], row["status"]) for row in rows}) == 21
    assert any(row["id"].endswith(" ") for row in rows)
    assert {row["recording_url"][-4:] == ".wav" for row in rows if row["recording_url"]} == {True, False}
    assert all(
        bool(row["time_answered"]) == bool(row["recording_url"]) == (row["status"] == "ANSWERED") for row in rows
    )


@pytest.mark.parametrize(
    "query",
    [
        {"start_date": "2025-12-01 07:10:00", "end_date": "2025-12-01 09:07:30"},
        {"start_date_ended": "2025-12-01 07:10:00", "end_date_ended": "2025-12-01 07:40:00"},
        {"direction": "outbound", "extension": "102"},
        {"status": "BUSY", "end_date": "2025-12-01 08:00:00"},
        {"min_duration": "100", "start_date": "2025-12-01 08:00:00"},
    ],
)
async def test_seeded_records_are_filtered_like_rows(pbx, client, query):
    """What arithmetic finds among seeded rows is what looking at each row finds."""
    pbx.seed_records(200, SINCE, step_seconds=45)
    rows = (await client.get("/v1/cdr", page="1", limit="1000")).body["data"]
    spans = {"start_date": ("time_started", 1), "end_date": ("time_started", -1)}
    spans |= {"start_date_ended": ("time_ended", 1), "end_date_ended": ("time_ended", -1)}

    def fits(row):
        for name, value in query.items():
            if name in spans:
                field, sign = spans[name]
                if row[field] != value and (row[field] > value) != (sign > 0):
                    return False
            elif name == "min_duration":
                if row["duration"] <= int(value):
                    return False
            elif str(row[name]) != {"outbound": "3"}.get(value, value):
                return False
        return True

    expected = [row for row in rows if fits(row)]
    found = (await client.get("/v1/cdr", page="1", limit="1000", **query)).body

    assert 0 < len(expected) < len(rows)
    assert (found["data"], found["total"]) == (expected, len(expected))


async def test_a_seeded_record_is_found_by_both_ids(pbx, client):
    """The id, with its blank taken off, and the sip_call_id lead to the same row; the next number leads nowhere."""
    pbx.seed_records(5, SINCE)
    row = (await client.get("/v1/cdr", page="2", limit="1")).body["data"][0]

    assert row["id"].endswith(" ")
    assert (await client.get(f"/v1/cdr/{row['id'].strip()}")).body == row
    assert (await client.get(f"/v1/cdr/{row['sip_call_id']}")).body == row
    assert (await client.get("/v1/cdr/5eed0001-0000-4000-8000-000000000005")).status == 404
    assert (await client.get("/v1/cdr/5eed0002-0000-4000-8000-000000000001")).status == 404


async def test_a_million_records_are_made_only_when_read(pbx, client, monkeypatch):
    """A page deep in a million rows makes that page's rows and no others."""
    made = []
    real = seeded_records.epoch_to_text
    monkeypatch.setattr(seeded_records, "epoch_to_text", lambda epoch: made.append(epoch) or real(epoch))
    pbx.seed_records(1_000_000, datetime(2024, 1, 1, tzinfo=UTC), step_seconds=30)
    pbx.add_record(id="newest")
    page = (await client.get("/v1/cdr", page="5000", limit="100")).body
    span = (await client.get("/v1/cdr", page="1", limit="1", start_date="2024-02-01", end_date="2024-02-01")).body

    assert (page["total"], len(page["data"]), span["total"]) == (1_000_001, 100, 2880)
    assert page["data"][0]["sip_call_id"] == f"1.{1_000_000 - 499_900:x}.seed"
    assert len(made) <= 3 * 101


async def test_seeding_wants_sensible_numbers(pbx):
    """A step of nothing, a count below zero and a time without a zone are refused."""
    for count, since, step in ((-1, SINCE, 60), (1, SINCE, 0), (1, datetime(2025, 1, 1), 60)):
        with pytest.raises(ValueError, match="seeding needs"):
            pbx.seed_records(count, since, step)


async def test_report_of_ids_covers_a_day(pbx, client):
    """Both ids of every call in 24 hours are given; a second more is refused in the documented words."""
    pbx.seed_records(50, datetime(2026, 1, 13, tzinfo=UTC), step_seconds=3600)
    day = {"start_date": "2026-01-14 00:00:00", "end_date": "2026-01-15 00:00:00"}
    body = (await client.get("/v1/report/call_id", **day)).body

    assert (body["total"], len(body["data"])) == (25, 25)
    assert len({row["sip_call_id"] for row in body["data"]}) == 25

    longer = await client.get("/v1/report/call_id", **(day | {"end_date": "2026-01-15 00:00:01"}))
    assert longer[:2] == (400, {"error": "date range must be in 24 hours"})


async def test_report_of_statuses_counts_all(pbx, client):
    """Every status of the span is counted, and the total is their sum."""
    pbx.seed_records(110, SINCE)
    pbx.add_record(status="BUSY")
    span = {"start_date": "2025-12-01 00:00:00", "end_date": "2025-12-02 00:00:00"}
    body = (await client.get("/v1/report/call_status", **span)).body
    counts = {row["status"]: row["count"] for row in body["data"]}

    assert (counts["ANSWERED"], counts["BUSY"], body["total"]) == (50, 10, 110)


async def test_report_refuses_an_end_before_the_start(client):
    """The vendor's error says the opposite of what it means."""
    span = {"start_date": "2026-01-15 00:00:00", "end_date": "2026-01-14 00:00:00"}

    response = await client.get("/v1/report/call_status", **span)
    assert response[:2] == (400, {"error": "start_date must be after end_date"})


@pytest.mark.parametrize("query", [{}, {"start_date": "2026-01-15 00:00:00"}, {"start_date": "x", "end_date": "y"}])
async def test_report_wants_both_dates(client, query):
    """A missing or unreadable date is 400."""
    assert (await client.get("/v1/report/call_status", checked=False, **query)).status == 400


async def test_a_recording_is_real_audio_of_the_right_length(pbx, client):
    """8 kHz, mono, 16 bits, as long as the talk; no token is asked for, and the type says nothing."""
    row = pbx.add_record(duration=15)  # 8 of them ringing
    client.token = ""
    response = await client.get(row["recording_url"].removeprefix(pbx.url), checked=False)

    assert (response.status, response.headers["Content-Type"]) == (200, "application/octet-stream")
    with wave.open(io.BytesIO(response.raw)) as audio:
        assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (8000, 1, 2)
        assert audio.getnframes() == 7 * 8000
        assert len(set(audio.readframes(800))) > 10


async def test_a_recording_is_the_same_with_and_without_suffix_and_its_own(pbx, client):
    """Both addresses give the same bytes, and two recordings sound different."""
    pbx.add_record(id="one")
    pbx.add_record(id="two")
    one, one_wav, two = [await client.get(f"/recording/{n}", checked=False) for n in ("one", "one.wav", "two")]

    assert one.raw == one_wav.raw != two.raw


async def test_a_long_talk_has_a_minute_of_recording(pbx, client):
    """Recordings stop at 60 seconds, so that tests stay quick."""
    pbx.add_record(id="long", duration=3600)
    response = await client.get("/recording/long", checked=False)

    with wave.open(io.BytesIO(response.raw)) as audio:
        assert audio.getnframes() == 60 * 8000


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-9", slice(0, 10), "bytes 0-9/{size}"),
        ("bytes=100-", slice(100, None), "bytes 100-{last}/{size}"),
        ("bytes=-5", slice(-5, None), "bytes {five}-{last}/{size}"),
        ("bytes=10-9999999", slice(10, None), "bytes 10-{last}/{size}"),
    ],
)
async def test_a_recording_is_given_in_pieces(pbx, client, asked, expected, content_range):
    """The response to a range is 206 with exactly those bytes."""
    pbx.add_record(id="one")
    whole = (await client.get("/recording/one", checked=False)).raw
    response = await client.get("/recording/one", checked=False, headers={"Range": asked})
    size = len(whole)

    assert (response.status, response.raw) == (206, whole[expected])
    assert response.headers["Content-Range"] == content_range.format(size=size, last=size - 1, five=size - 5)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
async def test_a_range_outside_of_the_recording_is_416(pbx, client, asked):
    """A range that lies behind the end is refused with the size."""
    pbx.add_record(id="one")
    size = len((await client.get("/recording/one", checked=False)).raw)
    response = await client.get("/recording/one", checked=False, headers={"Range": asked})

    assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize("asked", ["seconds=1-2", "bytes=-", "bytes=9-3", "bytes=0-1,4-5"])
async def test_a_range_that_is_none_is_ignored(pbx, client, asked):
    """Other units, nonsense and several ranges give the whole file."""
    pbx.add_record(id="one")

    assert (await client.get("/recording/one", checked=False, headers={"Range": asked})).status == 200


async def test_a_recording_comes_later_when_told_so(pbx, client):
    """Until the delay after the end has passed the recording is 404."""
    pbx.behaviour.recording_delay_seconds = 30
    pbx.add_record(id="one")
    await pbx.advance(29)
    assert (await client.get("/recording/one", checked=False)).status == 404

    await pbx.advance(1)
    assert (await client.get("/recording/one", checked=False)).status == 200


async def test_an_unknown_recording_is_not_found(client):
    """A recording without a record is 404."""
    assert (await client.get("/recording/none", checked=False)).status == 404


async def test_a_seeded_record_has_its_recording(pbx, client):
    """Also rows that exist only as numbers have real audio, as long as their talk."""
    pbx.seed_records(1, SINCE)
    row = (await client.get("/v1/cdr")).body["data"][0]
    answered, ended = (datetime.fromisoformat(row[name]) for name in ("time_answered", "time_ended"))
    response = await client.get(row["recording_url"].removeprefix(pbx.url), checked=False)

    with wave.open(io.BytesIO(response.raw)) as audio:
        assert audio.getnframes() == 8000 * min(60, (ended - answered).seconds)
