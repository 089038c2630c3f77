"""What is peculiar to TEL4VN v2: two mappings, envelopes, paths, queues, customers, and a second form of dialling."""

import base64
import contextlib
import traceback
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from gateway_simulators import Fault, ManualClock
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator
from gateway_simulators.tel4vn_v2.mappings import kept_names

from gateway import (
    AgentBusy,
    AgentNotRegistered,
    AgentState,
    ConfigError,
    Conflict,
    CustomerState,
    DialState,
    Direction,
    EventType,
    Gateway,
    GatewayError,
    InvalidRequest,
    Leg,
    NotFound,
    Outcome,
    OutcomeUnknown,
    QueueCustomer,
    QueueKind,
    Secret,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorUnavailable,
    WebhookRequest,
)
from tests.wire import Wire

NUMBER = "0899888999"
CAMPAIGN = "aaaaaaaa-1111-2222-3333-eeeeeeee"
NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
KINDS = [QueueKind.AUTODIALER, QueueKind.AUTOCALL]
PEOPLE = [QueueCustomer(customer_id="KH01", numbers=(NUMBER,)), QueueCustomer(customer_id="KH02", numbers=("1",))]
LOADS = {
    QueueKind.AUTODIALER: {"campaign_id": CAMPAIGN, "calls_per_agent_percent": 150, "max_retries": 2},
    QueueKind.AUTOCALL: {"template": "IVR-1"},
}


@contextlib.asynccontextmanager
async def account(pbx, **settings):
    """An embedded account of *pbx*."""
    own = {"base_url": pbx.url, "api_key": pbx.api_key, **settings}
    async with Gateway.from_config({"accounts": {"hanoi": {"vendor": "tel4vn-v2", "settings": own}}}) as gateway:
        yield gateway["hanoi"]


@pytest.fixture
async def still():
    """A call center whose clock stands still."""
    async with Tel4vnV2Simulator(clock=ManualClock()) as pbx:
        yield pbx


@pytest.fixture
async def hanoi(still):
    async with account(still) as hanoi:
        yield hanoi
    Wire.load("tel4vn-v2").check_requests(still.requests)


def paths(pbx):
    """What was asked for, without logins and tokens."""
    return [request.path for request in pbx.requests if "/auth" not in request.path]


# Both mappings


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"direction": "inbound", "from_number": NUMBER, "to_number": "19001919"},
        {"direction": "local", "from_number": "101", "to_number": "102"},
        {"status": "busy", "time_answered": ""},
        {"status": "no-answered", "time_answered": "", "duration": 30},
    ],
)
async def test_a_call_is_the_same_in_either_mapping(still, hanoi, row):
    """Whatever both mappings know reads the same; Flex has no cause, hotline or queue, and its own spelling."""
    record_id = still.add_record(**row)["id"].strip()
    default = await hanoi.history.get_record(record_id)
    still.behaviour.cdr_mapping = "flex"
    flex = await hanoi.history.get_record(record_id)

    for name in (
        *("record_id", "call_id", "sip_call_id", "direction", "outcome", "from_number", "to_number", "extension"),
        *("started_at", "answered_at", "ended_at", "duration_seconds", "talk_seconds", "customer_id", "has_recording"),
    ):
        assert (name, getattr(default, name)) == (name, getattr(flex, name))
    assert default.vendor_status.lower() == flex.vendor_status
    assert (flex.cause, flex.hotline, flex.queue) == (None, None, None)
    assert flex.ringing_at == flex.started_at


async def test_a_page_may_mix_both_mappings(still, hanoi):
    """Each row is told apart by itself, so a tenant that changes its mapping half-way loses nothing."""
    still.seed_records(60, NOW - timedelta(days=1))
    expected = [(each.record_id, each.outcome, each.direction) async for each in hanoi.records(limit=25)]
    still.behaviour.cdr_mapping = "mixed"
    page = await hanoi.history.list_records(limit=60)

    assert expected == [(each.record_id, each.outcome, each.direction) for each in page.items]
    assert {True, False} == {"cdrId" in each.raw for each in page.items}


@pytest.mark.parametrize(
    ("to", "code", "number", "customer"),
    [
        (NUMBER, "KH1", NUMBER, "KH1"),
        ("+84 899 888 999", "", "+84 899 888 999", None),
        ("KH7", "", None, "KH7"),
        ("KH7", "KH1", None, "KH1"),
    ],
)
async def test_to_is_a_number_or_the_customers_code(still, hanoi, to, code, number, customer):
    """The table calls `to` the customer's code and every sample has a number there: it is taken for what it is."""
    record_id = still.add_record(cdrId="one", to=to, customerId=code)["id"]
    still.behaviour.cdr_mapping = "flex"

    record = await hanoi.history.get_record(record_id)

    assert (record.to_number, record.customer_id) == (number, customer)
    assert (record.from_number, record.extension, record.direction) == ("101", "101", Direction.OUTBOUND)


@pytest.mark.parametrize("word", [1, None, "sideways"])
async def test_a_flex_row_whose_direction_is_not_known_does_not_say_who_called(still, hanoi, word):
    """Flex names the extension and the customer in calls of either direction, so these two prove nothing."""
    still.behaviour.cdr_mapping = "flex"
    still.add_record(cdrId="one", direction=word, extensionId="101", to=NUMBER)

    record = await hanoi.history.get_record("one")

    assert (record.direction, record.from_number, record.extension) == (Direction.UNKNOWN, None, "101")
    assert record.to_number == NUMBER


async def test_a_ring_is_kept_whenever_it_came(still, hanoi):
    """In the sample the number rings after the answer, which is the agent's."""
    still.behaviour.cdr_mapping = "flex"
    times = {"dialAt": "2021-06-17 14:14:31", "answeredAt": "2021-06-17 14:14:33", "hangupAt": "2021-06-17 14:14:56"}
    for record_id, ring in (("late", "2021-06-17 14:14:36"), ("right", "2021-06-17 14:14:32")):
        still.add_record(cdrId=record_id, ringAt=ring, **times)

    assert (await hanoi.history.get_record("late")).ringing_at == datetime(2021, 6, 17, 7, 14, 36, tzinfo=UTC)
    assert (await hanoi.history.get_record("right")).ringing_at == datetime(2021, 6, 17, 7, 14, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("answered", Outcome.ANSWERED),
        ("busy", Outcome.BUSY),
        ("no-answered", Outcome.NO_ANSWER),
        ("cancel", Outcome.CANCELLED),
        ("not-available", Outcome.UNREACHABLE),
        ("invalid", Outcome.FAILED),
        ("levitating", Outcome.UNKNOWN),
    ],
)
@pytest.mark.parametrize("mapping", ["default", "flex"])
async def test_every_documented_status_has_our_word(still, hanoi, mapping, word, expected):
    """The words of the document's table, as either mapping spells them."""
    still.behaviour.cdr_mapping = mapping
    still.add_record(cdrId="one", status=word)

    assert expected is (await hanoi.history.get_record("one")).outcome


@pytest.mark.parametrize(
    ("field", "value", "of_ours"),
    [
        ("hangupAt", ["x"], "ended_at"),
        ("answeredAt", "0000-00-00 00:00:00", "answered_at"),
        ("ringAt", "9999-12-31 23:59:59", "ringing_at"),
        ("dialAt", "N/A", "started_at"),
        ("duration", -1, None),
        ("customerId", {"a": 1}, "customer_id"),
        ("recordFile", False, None),
        ("sip_call_id", "\ud83d", "sip_call_id"),
    ],
)
async def test_an_odd_field_is_named_as_its_mapping_does(still, hanoi, field, value, of_ours):
    """The row has it as None, and the others are as they are."""
    still.behaviour.cdr_mapping = "mixed"
    still.add_record(id="one")
    still.add_record(cdrId="two", dialAt=NOW - timedelta(days=1))
    still.change_record("two", **kept_names({field: value}))

    one, two = (await hanoi.history.list_records()).items

    assert ("one", (), "two", (field,)) == (one.record_id, one.unreadable, two.record_id, two.unreadable)
    assert of_ours is None or getattr(two, of_ours) is None
    assert two == await hanoi.history.get_record("two")


async def test_a_customers_code_that_is_a_number_is_text(still, hanoi):
    """In either mapping, and as the later edition calls it."""
    for names in ({"cdrId": "one", "customerId": 7}, {"id": "two", "customer_id": 7}, {"id": "three", "lead_id": 7}):
        body = {**names, "time_started": "2026-01-01 10:00:00", "dialAt": "2026-01-01 10:00:00"}
        still.faults.add(Fault("/v2/cdr/*", kind="replace", body=body))

        assert "7" == (await hanoi.history.get_record("x")).customer_id


async def test_a_customer_without_an_id_is_left_out_and_counted(still, hanoi):
    """One with a time that is none has none."""
    body = {"data": [{"customer_id": "1", "created_at": "0000-00-00"}, {"customer_id": "", "customer_name": "An"}]}
    still.faults.add(Fault("/v2/customer", kind="replace", body=body))

    page = await hanoi.customers.list_customers()

    assert [("1", None)] == [(each.customer_id, each.created_at) for each in page.items]
    assert (1, (body["data"][1],)) == (page.skipped, page.raw)


# Pages

WINDOWS = ((0, 10), (9, 18), (16, 24), (20, 25), (24, 25))
"""Which of 25 rows are asked for, ten a page: each page begins with the last of the page before."""


async def test_limit_and_offset_are_always_sent_and_the_echoed_offset_is_not_trusted(still, hanoi):
    """Later editions give nothing back without both, and echo -1; we count the rows ourselves."""
    still.seed_records(25, NOW - timedelta(days=1))
    rows = (await hanoi.history.list_records(limit=25)).items
    for start, end in WINDOWS[:-1]:
        body = {"data": [row.raw for row in rows[start:end]], "limit": -1, "offset": -1, "total": 25}
        still.faults.add(Fault("/v2/cdr", kind="replace", body=body))

    seen = [record async for record in hanoi.records(limit=10)]

    assert list(rows) == seen
    asked = [dict(request.query) for request in still.requests if request.path == "/v2/cdr"][1:]
    assert [("10", "0"), ("9", "9"), ("8", "16"), ("10", "20")] == [(each["limit"], each["offset"]) for each in asked]


@pytest.mark.parametrize("total", [True, False])
async def test_pages_end_by_the_total_or_by_an_empty_page(still, hanoi, total):
    """A host that caps the page and one that gives no total are both read to the end: the last row, once more."""
    still.seed_records(25, NOW - timedelta(days=1))
    rows = (await hanoi.history.list_records(limit=25)).items
    for start, end in WINDOWS:
        body = {"data": [row.raw for row in rows[start:end]], **({"total": 25} if total else {})}
        still.faults.add(Fault("/v2/cdr", kind="replace", body=body))

    seen = [record async for record in hanoi.records(limit=50)]

    assert list(rows) == seen
    assert len(still.faults.pending) == (1 if total else 0)


@pytest.mark.parametrize("mapping", ["default", "flex", "mixed"])
async def test_every_row_comes_once_while_calls_go_on_ending(still, hanoi, mapping):
    """Five hundred records are all seen once, though new calls are recorded between the pages."""
    still.behaviour.cdr_mapping = mapping
    still.seed_records(500, NOW - timedelta(days=1), step_seconds=60)
    seen = []
    there = {record.record_id async for record in hanoi.records(limit=500)}
    async for record in hanoi.records(limit=70):
        seen.append(record.record_id)
        if len(seen) % 70 == 1:
            still.add_record(time_started=NOW + timedelta(seconds=len(seen)))

    assert len(there) == 500
    assert there <= set(seen)
    assert len(set(seen)) == len(seen)


async def test_a_vendor_that_gives_the_same_page_for_ever_is_an_error(still, hanoi):
    """The rest would be missing, or the list would never end."""
    body = {"data": [still.add_record()], "limit": 1, "offset": 0}
    still.faults.add(Fault("/v2/cdr", kind="replace", body=body, times=None))

    with pytest.raises(VendorProtocolError, match="the same rows again after 1"):
        [record async for record in hanoi.records(limit=1)]


@pytest.mark.parametrize("total", [0, 10, "10", 7])
async def test_a_total_that_is_too_small_loses_no_row(still, hanoi, total):
    """A total that more rows have come than is wrong; one that is the size of a full first page may be."""
    still.seed_records(25, NOW - timedelta(days=1))
    rows = (await hanoi.history.list_records(limit=25)).items
    for start, end in WINDOWS:
        body = {"data": [row.raw for row in rows[start:end]], "total": total}
        still.faults.add(Fault("/v2/cdr", kind="replace", body=body))

    assert list(rows) == [record async for record in hanoi.records(limit=10)]


@pytest.mark.parametrize(
    ("times", "asked"),
    [
        (("2026-01-15T10:00:00.750", "2026-01-15T09:00:00"), "2026-01-15 10:00:01"),
        (("2026-01-15 10:00:00", "", "2026-01-15 09:00:00"), None),
    ],
)
async def test_what_holds_the_pages_still_leaves_out_no_row_of_the_first(still, hanoi, times, asked):
    """A row that the range of the next pages left out would move all others, and one would be lost."""
    rows = [{"id": str(index), "time_started": time} for index, time in enumerate(times)]
    still.faults.add(Fault("/v2/cdr", kind="replace", body={"data": rows, "total": len(rows)}))
    page = await hanoi.history.list_records(limit=len(rows))
    await hanoi.history.list_records(cursor=page.next)

    assert dict(still.requests[-1].query).get("end_date") == asked


async def test_a_forged_filter_of_a_cursor_is_refused(still, hanoi):
    """A time without a zone, in what is picked out of the pages here, is none of ours."""
    still.seed_records(3, NOW - timedelta(days=1))
    page = await hanoi.history.list_records(ended_since=NOW - timedelta(days=9), limit=1)
    data = orjson.loads(base64.urlsafe_b64decode(page.next + "=="))
    data["k"] = [["ended_since", "2026-01-01T00:00:00"]]
    forged = base64.urlsafe_b64encode(orjson.dumps(data)).rstrip(b"=").decode()

    with pytest.raises(InvalidRequest) as caught:
        await hanoi.history.list_records(cursor=forged)

    assert {"cursor"} == set(caught.value.fields)


async def test_filters_that_the_document_does_not_have_are_applied_here(still, hanoi):
    """Outcomes, durations, ends and recordings are picked out of the pages, through a cursor too."""
    for minute in range(6):
        still.add_record(
            id=f"record{minute}",
            status="busy" if minute % 2 else "answered",
            duration=10 + minute,
            time_started=NOW - timedelta(minutes=minute),
        )

    async def found(**filters):
        return sorted([record.record_id async for record in hanoi.records(limit=2, **filters)])

    assert await found(outcome=Outcome.BUSY) == ["record1", "record3", "record5"]
    assert await found(min_duration_seconds=14) == ["record4", "record5"]
    assert await found(ended_since=NOW - timedelta(minutes=1)) == ["record0", "record1"]
    assert await found(ended_until=NOW - timedelta(minutes=4)) == ["record5"]
    assert await found(recording_name="record2") == ["record2"]
    assert await found(recording_name="record1") == []


async def test_an_unknown_direction_cannot_be_looked_for(still, hanoi):
    """The vendor has no word for it."""
    with pytest.raises(Unsupported, match="direction"):
        await hanoi.history.list_records(direction=Direction.UNKNOWN)


async def test_a_cursor_goes_with_its_filters(still, hanoi):
    """Another campaign, a made-up cursor and one of another list are refused."""
    for _ in range(3):
        still.add_customer(campaign_id="C1")
    first = await hanoi.customers.list_customers(campaign_id="C1", limit=2)

    still.seed_records(3, NOW - timedelta(days=1))
    records = await hanoi.history.list_records(limit=2)
    with pytest.raises(InvalidRequest):
        await hanoi.history.list_records(cursor=first.next)

    for cursor, campaign in ((first.next, "C2"), ("bm9uc2Vuc2U", None), (records.next, None)):
        with pytest.raises(InvalidRequest) as caught:
            await hanoi.customers.list_customers(campaign_id=campaign, cursor=cursor)
        assert {"cursor"} == set(caught.value.fields)


# One reading of yes and no


@pytest.mark.parametrize("errors_as_200", [False, True])
@pytest.mark.parametrize("code", ["int", "text", "absent"])
@pytest.mark.parametrize("envelope", ["data", "flat"])
async def test_every_envelope_is_read_the_same(still, hanoi, envelope, code, errors_as_200):
    """Inside `data` or not, with `code` as a number, as text or not at all, with errors under any status."""
    still.behaviour.envelope, still.behaviour.code = envelope, code
    still.behaviour.errors_as_200 = errors_as_200
    still.add_customer(customer_id="KH01")
    agent = await hanoi.agents.get_agent("agent101")
    customer = await hanoi.customers.get_customer("KH01")
    listed = await hanoi.customers.list_customers()
    made = await hanoi.customers.create_customer(
        campaign_id=CAMPAIGN, customer_code="KH02", number=NUMBER, contract_number="HD1"
    )
    loads = [await hanoi.campaigns.load_queue("Q", kind=kind, customers=PEOPLE, **LOADS[kind]) for kind in KINDS]
    for kind in KINDS:
        await hanoi.campaigns.stop_queue("Q", kind=kind)
        with pytest.raises(NotFound):
            await hanoi.campaigns.stop_queue("another", kind=kind)
    for nobody in (hanoi.agents.get_agent, hanoi.customers.get_customer):
        with pytest.raises(NotFound):
            await nobody("nobody")
    with pytest.raises(InvalidRequest) as caught:
        await hanoi.customers.create_customer(
            campaign_id=CAMPAIGN, customer_code="KH02", number="12", contract_number="HD1"
        )

    assert (agent.state, agent.extension) == (AgentState.AVAILABLE, "101")
    assert (customer,) == listed.items
    assert made.customer_id in still.customers
    assert [load.accepted for load in loads] == [("KH01", "KH02"), ("KH01",)]
    assert [load.rejected for load in loads] == [(), ("KH02",)]
    assert {"number"} == set(caught.value.fields)
    assert "Does not match pattern" in caught.value.message


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"code": "404", "content": "queue not found"}, NotFound),
        ({"code": 400, "content": "import fail", "data": {"fail": [], "success": []}}, VendorRejected),
        ({"code": 400, "content": ["one", {"phone_number": "two"}], "error": "Bad Request"}, InvalidRequest),
        ({"message": "campaign is invalid"}, InvalidRequest),
        (
            {"code": 200, "content": "successfully", "error": "import fail", "data": {"fail": [], "success": ["KH01"]}},
            OutcomeUnknown,
        ),
        ({"status": "fail"}, VendorRejected),
        ({}, OutcomeUnknown),
        ([], OutcomeUnknown),
        ({"message": "who knows"}, OutcomeUnknown),
        ("text", OutcomeUnknown),
    ],
)
async def test_only_a_success_that_is_said_is_one(still, hanoi, body, error):
    """An answer with 200 that says neither yes nor no leaves the load open."""
    still.faults.add(Fault("/v2/autocall/queue", kind="replace", body=body))

    with pytest.raises(error):
        await hanoi.campaigns.load_queue("Q", kind=QueueKind.AUTOCALL, customers=PEOPLE, template="IVR-1")


@pytest.mark.parametrize("status", [200, 400])
async def test_a_refused_import_says_who_was_refused(still, hanoi, status):
    """By their places among those that were given; whom the vendor names beside them stands there too."""
    refused = ["KH02", {"id": "KH01", "reason": "no mobile"}, "KH99"]
    body = {"code": 400, "content": "import fail", "data": {"fail": refused, "success": []}}
    still.faults.add(Fault("/v2/autocall/queue", kind="replace", status=status, body=body))

    with pytest.raises(VendorRejected) as caught:
        await hanoi.campaigns.load_queue("Q", kind=QueueKind.AUTOCALL, customers=PEOPLE, template="IVR-1")

    assert {"customers[0]", "customers[1]", "KH99"} == set(caught.value.fields)
    assert "KH02 was refused" == caught.value.fields["customers[1]"]
    assert "no mobile" in caught.value.fields["customers[0]"]
    assert ("import fail", "hanoi") == (caught.value.vendor_code, caught.value.account)


@pytest.mark.parametrize("status", [200, 400])
async def test_an_import_that_failed_for_some_took_the_others(still, hanoi, status):
    """Both lists filled is a load of those that were taken, which the vendor calls; the others are named."""
    body = {"code": 400, "content": "import fail", "data": {"fail": ["KH02"], "success": ["KH01"]}}
    still.faults.add(Fault("/v2/autocall/queue", kind="replace", status=status, body=body))

    load = await hanoi.campaigns.load_queue("Q", kind=QueueKind.AUTOCALL, customers=PEOPLE, template="IVR-1")

    assert (("KH01",), ("KH02",)) == (load.accepted, load.rejected)
    assert body == load.raw


@pytest.mark.parametrize(
    ("body", "accepted", "rejected"),
    [
        ({"fail": None, "success": ["KH01", "KH02"]}, ("KH01", "KH02"), ()),
        ({"fail": ["KH01", "KH02"], "success": None}, (), ("KH01", "KH02")),
        ({"fail": ["KH02"]}, ("KH01",), ("KH02",)),
        (
            {"fail": [{"id": "KH02", "reason": "x"}, {"reason": "y"}, 7], "success": [1]},
            ("1",),
            ("KH02", "reason: y", "7"),
        ),
    ],
)
async def test_who_was_taken_into_a_queue_is_read_from_lists_that_may_be_null(still, hanoi, body, accepted, rejected):
    """Nobody is null or absent; who was refused is never counted as taken."""
    answer = {"code": 200, "content": "successfully", "data": body}
    still.faults.add(Fault("/v2/autocall/queue", kind="replace", body=answer))

    load = await hanoi.campaigns.load_queue("Q", kind=QueueKind.AUTOCALL, customers=PEOPLE, template="IVR-1")

    assert (accepted, rejected) == (load.accepted, load.rejected)


@pytest.mark.parametrize("status", ["FAIL", "fail", "error"])
async def test_a_customers_own_status_is_not_the_answers(still, hanoi, status):
    """`fail` is a documented status of a customer, also where the customer stands beside `code`."""
    still.behaviour.envelope = "flat"
    still.add_customer(customer_id="KH01", status=status)

    assert status == (await hanoi.customers.get_customer("KH01")).vendor_status


async def test_what_was_done_is_read_in_every_envelope(still, hanoi):
    """Calls, call control and hooks say yes inside `data` or by `code` too."""
    around = {"code": "200", "content": "successfully"}

    def says(path, **body):
        still.faults.add(Fault(path, kind="replace", body={**around, **body}))

    says("/v1/click2call/async", data={"status": "success", "call_id": "one"})
    started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
    says("/v2/call/one/listen", data={"status": "success", "call_id": "one", "ext": "102"})
    await hanoi.call_control.listen_call("one", extension="102")
    says("/v2/call/one/barge")
    await hanoi.call_control.barge_call("one", extension="102")
    says("/v1/event", data={"created": True, "id": "hook"})
    hook = await hanoi.events.create_hook(event=EventType.ENDED, url="https://crm.example.vn/hooks")
    says("/v1/event/hook", data={"deleted": True})
    await hanoi.events.delete_hook(hook.hook_id)

    assert (started.call_id, hook.hook_id) == ("one", "hook")


@pytest.mark.parametrize("code", [500, "500", 502])
async def test_a_200_around_a_server_error_is_a_server_error(still, hanoi, code):
    """What was read may be asked for again; whether a queue was loaded or a customer added is not known."""
    await hanoi.call_control.list_calls()
    still.faults.add(Fault("/v2/*", kind="replace", body={"code": code, "content": "boom"}, times=None))

    with pytest.raises(VendorUnavailable):
        await hanoi.customers.get_customer("KH01")
    with pytest.raises(OutcomeUnknown):
        await hanoi.campaigns.load_queue("Q", kind=QueueKind.AUTOCALL, customers=PEOPLE, template="IVR-1")
    with pytest.raises(OutcomeUnknown):
        await hanoi.customers.create_customer(campaign_id="C", customer_code="K", number=NUMBER, contract_number="H")


async def test_a_customer_that_was_refused_is_none(still, hanoi):
    """An id beside `"status": "fail"` makes no customer."""
    still.faults.add(Fault("/v2/customer", kind="replace", body={"status": "fail", "id": "x"}))

    with pytest.raises(VendorRejected):
        await hanoi.customers.create_customer(campaign_id="C", customer_code="K", number=NUMBER, contract_number="H")


@pytest.mark.parametrize("field", ["code", "status", "error", "content", "message", "data"])
async def test_an_answer_that_is_too_deep_is_the_vendors_fault_and_not_ours(still, hanoi, field):
    """JSON that Python cannot write down again ends in no fault of the plugin."""
    await hanoi.call_control.list_calls()
    deep = "[" * 1000 + "]" * 1000
    still.faults.add(Fault("/v2/*", kind="replace", body=f'{{"{field}": {deep}}}', times=None))
    for ask in (
        lambda: hanoi.history.get_record("x"),
        lambda: hanoi.customers.get_customer("x"),
        lambda: hanoi.call_control.listen_call("x", extension="102"),
        lambda: hanoi.campaigns.stop_queue("x", kind=QueueKind.AUTODIALER),
    ):
        with pytest.raises(GatewayError) as caught:
            await ask()
        assert "plugin" not in caught.value.message
    still.faults.clear()
    whole = f'{{"code": 200, "data": {{"success": [], "fail": [{deep}, {{"id": {deep}}}]}}}}'
    still.faults.add(Fault("/v2/autocall/queue", kind="replace", body=whole))
    load = await hanoi.campaigns.load_queue("Q", kind=QueueKind.AUTOCALL, customers=PEOPLE, template="IVR-1")
    assert [len(code) < 300 for code in load.rejected] == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        "text",
        7,
        [1],
        [None],
        {"data": "text"},
        {"data": [["id"]]},
        {"data": [{"id": 1}]},
        {"data": [{"cdrId": None}]},
        {"data": {"cdrId": ["x"], "customer_id": {}, "extension": []}},
        {"code": 200, "content": "successfully"},
        {"data": [{"id": " ", "customer_id": " "}], "total": 1},
    ],
)
async def test_an_answer_of_another_shape_is_the_vendors_fault_and_not_ours(still, hanoi, body):
    """Whatever JSON comes, a read ends with an error that says that the answer does not fit."""
    still.faults.add(Fault("/v2/c*", kind="replace", body=body, times=None))
    still.faults.add(Fault("/v2/user/*", kind="replace", body=body, times=None))
    for ask in (
        hanoi.history.list_records,
        hanoi.customers.list_customers,
        lambda: hanoi.history.get_record("x"),
        lambda: hanoi.customers.get_customer("x"),
        lambda: hanoi.agents.get_agent("x"),
    ):
        with pytest.raises(VendorProtocolError) as caught:
            await ask()
        assert "plugin" not in caught.value.message


async def test_a_success_around_nothing_is_no_proof_of_absence(still, hanoi):
    """An application may delete what is not found; that needs the vendor to say so."""
    for path, ask in (("/v2/cdr/*", hanoi.history.get_record), ("/v2/customer/*", hanoi.customers.get_customer)):
        for body in ({"code": 200, "content": "successfully", "data": None}, {}, {"code": 200, "data": {}}):
            still.faults.add(Fault(path, kind="replace", body=body))
            with pytest.raises(VendorProtocolError):
                await ask("x")


async def test_a_long_lived_token_is_kept_and_replaced_when_refused(still, hanoi):
    """170 days are as good as any: one token serves until the vendor answers 401."""
    for _ in range(5):
        await hanoi.call_control.list_calls()
    still.expire_tokens()
    await hanoi.call_control.list_calls()

    assert still.token_requests == 2


@pytest.mark.parametrize("status", [200, 400])
async def test_a_token_that_is_refused_in_words_is_replaced_and_only_a_read_goes_out_again(still, hanoi, status):
    """Customers are listed with another one; a customer that was to be made may be made, and is not sent twice."""
    body = {"code": 401, "content": "token is expired", "error": "Unauthorized"}
    for method in ("GET", "POST"):
        still.faults.add(Fault("/v2/customer", method=method, kind="replace", status=status, body=body))
    new = {"campaign_id": CAMPAIGN, "customer_code": "KH9", "number": NUMBER, "contract_number": "HD9"}

    await hanoi.customers.list_customers()
    with pytest.raises(VendorAuthFailed):
        await hanoi.customers.create_customer(**new)
    await hanoi.customers.create_customer(**new)

    assert 3 == still.token_requests
    assert ["GET", "GET", "POST", "POST"] == [each.method for each in still.requests if each.path == "/v2/customer"]


# What rings


@pytest.mark.parametrize("form", ["get", "post"])
async def test_documented_refusals_prove_that_nothing_rang(still, form):
    """A phone that is away or busy did not ring, in either form."""
    async with account(still, click_to_call=form) as hanoi:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER, customer_id="KH1")
        for extension, error, code in (
            ("101", AgentBusy, "USER_BUSY"),
            ("104", AgentNotRegistered, "USER_NOT_REGISTERED"),
        ):
            with pytest.raises(error) as caught:
                await hanoi.click_to_call.start_call(extension=extension, number=NUMBER, customer_id="KH1")
            assert (caught.value.dial_state, caught.value.vendor_code) == (DialState.NOT_PLACED, code)

    assert [(each.extension, each.query["customer_id"]) for each in still.originated] == [("101", "KH1")]
    Wire.load("tel4vn-v2").check_requests(still.requests)


@pytest.mark.parametrize("form", ["get", "post"])
@pytest.mark.parametrize(
    ("status", "body", "error", "state"),
    [
        (503, {"error": "maintenance"}, VendorUnavailable, DialState.NOT_PLACED),
        (200, {"code": "1", "status": "fail"}, VendorRejected, DialState.UNKNOWN),
        (200, {"code": "1", "status": "fail", "error": "NO_CREDIT"}, VendorRejected, DialState.UNKNOWN),
        (400, {"error": "bad"}, OutcomeUnknown, DialState.UNKNOWN),
        (404, {"error": "Not Found"}, OutcomeUnknown, DialState.UNKNOWN),
        (500, {}, OutcomeUnknown, DialState.UNKNOWN),
        (200, {}, OutcomeUnknown, DialState.UNKNOWN),
        (200, {"code": "0"}, OutcomeUnknown, DialState.UNKNOWN),
        (200, {"code": 401}, OutcomeUnknown, DialState.UNKNOWN),
        (200, {"message": "queue not found"}, OutcomeUnknown, DialState.UNKNOWN),
        (
            200,
            {"id": "KH1", "status": "success", "call_id": "x", "error": "USER_BUSY"},
            OutcomeUnknown,
            DialState.UNKNOWN,
        ),
        (200, {"code": "0", "call_id": "x", "error": "USER_BUSY"}, OutcomeUnknown, DialState.UNKNOWN),
        (200, {"content": "successfully", "message": "USER_BUSY", "code": "1"}, OutcomeUnknown, DialState.UNKNOWN),
        (503, {"code": "0", "status": "success", "call_id": "x"}, OutcomeUnknown, DialState.UNKNOWN),
    ],
)
async def test_only_documented_refusals_prove_it(still, form, status, body, error, state):
    """Whatever else the vendor answers to a dial leaves its outcome open, and it is sent once."""
    still.faults.add(Fault("/*/click2call*", kind="replace", status=status, body=body))
    async with account(still, click_to_call=form) as hanoi:
        with pytest.raises(error) as caught:
            await hanoi.click_to_call.start_call(extension="101", number=NUMBER, customer_id="KH1")

    assert state is caught.value.dial_state
    assert len(paths(still)) == 1


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("wait", True),
        ("auto_answer", True),
        ("caller_id_name", "x"),
        ("caller_id_number", "1"),
        ("callee_id_name", "x"),
        ("callee_id_number", "1"),
        ("hotline", "1900"),
    ],
)
async def test_a_call_by_post_takes_a_customer_a_number_and_an_extension(still, argument, value):
    """What its body has no field for is refused by name before anything is sent."""
    async with account(still, click_to_call="post") as hanoi:
        with pytest.raises(Unsupported, match=argument) as caught:
            await hanoi.click_to_call.start_call(extension="101", number=NUMBER, customer_id="KH1", **{argument: value})

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert still.requests == []


async def test_a_call_by_post_may_be_nobodys(still):
    """The body's first field is the customer's id, and the document does not say that it is needed."""
    async with account(still, click_to_call="post") as hanoi:
        started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)

    assert {"mobile": NUMBER, "agent": "101"} == still.requests[-1].body
    assert [started.call_id] == [each.call_id for each in still.originated]
    Wire.load("tel4vn-v2").check_requests(still.requests)


async def test_legs_and_parking_cannot_be_said(still, hanoi):
    """The call center's documents know neither; nothing is sent."""
    with pytest.raises(Unsupported, match="leg") as transfer:
        await hanoi.call_control.transfer_call("x", to="102", leg=Leg.A)
    with pytest.raises(Unsupported, match="park_call") as park:
        await hanoi.call_control.park_call("x", leg=Leg.A)

    assert {DialState.NOT_PLACED} == {transfer.value.dial_state, park.value.dial_state}
    assert still.requests == []


@pytest.mark.parametrize("errors_as_200", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_starting_a_queue_that_is_not_there_is_proven_to_have_rung_nobody(still, hanoi, kind, errors_as_200):
    """ "queue not found" is documented for the start, with or without a code, whatever the status."""
    still.behaviour.errors_as_200 = errors_as_200

    with pytest.raises(NotFound) as caught:
        await hanoi.campaigns.start_queue("nothing", kind=kind)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert still.rung == []


@pytest.mark.parametrize(
    "body",
    [
        {"message": "queue not found", "content": "successfully"},
        {"code": 200, "content": "queue not found"},
        {"code": "200", "message": "queue not found"},
    ],
)
async def test_yes_and_no_at_once_prove_nothing_about_a_queue(still, hanoi, body):
    """A queue may be dialling after an answer that says both, so neither its start nor its stop is claimed."""
    still.faults.add(Fault("/v2/autocall/queue/*", kind="replace", body=body, times=None))

    with pytest.raises(OutcomeUnknown) as caught:
        await hanoi.campaigns.start_queue("Q", kind=QueueKind.AUTOCALL)
    with pytest.raises(OutcomeUnknown):
        await hanoi.campaigns.stop_queue("Q", kind=QueueKind.AUTOCALL)

    assert DialState.UNKNOWN is caught.value.dial_state


@pytest.mark.parametrize("field", ["error", "content", "message"])
async def test_no_secret_that_the_vendor_repeats_gets_out(still, hanoi, field):
    """Not in an error's text, nor in what it says of fields, nor in the error that it came from."""
    await hanoi.call_control.list_calls()
    token = still.requests[-1].headers["authorization"].partition(" ")[2]
    said = {"code": 404, "error": "Not Found", field: f"bad {token}"}
    listed = {"code": 400, "content": [{"authorization": token}, {token: "foo-secret"}]}
    for path, body in (
        ("/v2/autocall/queue/start", {"message": f"bad {token}", "content": "queue not found"}),
        ("/v2/call/*", said),
        ("/v1/event", listed),
    ):
        still.faults.add(Fault(path, kind="replace", body=body))

    for ask in (
        lambda: hanoi.campaigns.start_queue("Q", kind=QueueKind.AUTOCALL),
        lambda: hanoi.call_control.listen_call("x", extension="102"),
        lambda: hanoi.events.create_hook(event=EventType.ENDED, url="https://a.vn/h", api_key=Secret("foo-secret")),
    ):
        with pytest.raises(GatewayError) as caught:
            await ask()
        told = str(caught.value.as_problem()) + "".join(traceback.format_exception(caught.value))
        assert token not in told
        assert "foo-secret" not in told.replace('Secret("foo-secret")', "")


async def test_a_secret_that_is_cut_off_is_blotted_out_too(still, hanoi):
    """Long texts are cut, and what is left of a token is no less a part of it."""
    await hanoi.call_control.list_calls()
    token = still.requests[-1].headers["authorization"].partition(" ")[2]
    still.faults.add(Fault("/v2/call", kind="replace", status=400, body={"error": "x" * 150 + " " + token}))

    with pytest.raises(InvalidRequest) as caught:
        await hanoi.call_control.list_calls()

    assert token[:10] not in str(caught.value.as_problem())


@pytest.mark.parametrize("operation", ["load", "start"])
@pytest.mark.parametrize("fault", ["drop", "error_after", "html"])
async def test_what_makes_a_queue_dial_is_sent_once(still, hanoi, fault, operation):
    """When the answer is lost the outcome is unknown, for a load too, which may begin to dial by itself."""
    still.add_queue("autocall", "Q")
    still.faults.add(Fault("/v2/autocall/queue*", kind=fault, times=None))

    dialling = {
        "start": lambda: hanoi.campaigns.start_queue("Q", kind=QueueKind.AUTOCALL),
        "load": lambda: hanoi.campaigns.load_queue("Q", kind=QueueKind.AUTOCALL, customers=PEOPLE, template="IVR-1"),
    }
    with pytest.raises(OutcomeUnknown):
        await dialling[operation]()

    assert len(paths(still)) == 1


# Queues, customers, agents


@pytest.mark.parametrize("kind", KINDS)
async def test_a_queue_is_loaded_stopped_started_and_deleted(still, hanoi, kind):
    """The call center holds what was loaded, and each kind's queues are its own."""
    await hanoi.campaigns.load_queue("Q", kind=kind, customers=PEOPLE, **LOADS[kind])
    states = [still.queues[kind, "Q"].running]
    await hanoi.campaigns.stop_queue("Q", kind=kind)
    states.append(still.queues[kind, "Q"].running)
    await hanoi.campaigns.start_queue("Q", kind=kind)
    states.append(still.queues[kind, "Q"].running)
    assert still.queues[kind, "Q"].customers == {"KH01": [NUMBER]}
    with pytest.raises(InvalidRequest, match="queue is running"):
        await hanoi.campaigns.delete_queue("Q", kind=kind)
    await hanoi.campaigns.stop_queue("Q", kind=kind)
    await hanoi.campaigns.delete_queue("Q", kind=kind)

    assert states == [True, False, True]
    assert still.queues == {}


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        (QueueKind.AUTODIALER, "template", "IVR-1"),
        (QueueKind.AUTODIALER, "concurrent_calls", 5),
        (QueueKind.AUTODIALER, "retry_below_seconds", 0),
        (QueueKind.AUTOCALL, "campaign_id", "C1"),
        (QueueKind.AUTOCALL, "agents", ["101"]),
        (QueueKind.AUTOCALL, "calls_per_agent_percent", 150),
    ],
)
async def test_a_queue_takes_what_its_kind_has(still, hanoi, kind, argument, value):
    """An argument of the other kind is refused by name, and nothing is sent."""
    with pytest.raises(Unsupported, match=argument):
        await hanoi.campaigns.load_queue("Q", kind=kind, customers=PEOPLE, **{**LOADS[kind], argument: value})

    assert still.requests == []


async def test_customers_can_be_kept_from_being_called(still, hanoi):
    """The ids arrive at the queue; a queue that is not there is not found."""
    still.add_queue("autocall", "Q")
    await hanoi.campaigns.block_customers("Q", customer_ids=["KH_01", "KH_02"])

    assert still.queues["autocall", "Q"].blocked == {"KH_01", "KH_02"}
    with pytest.raises(NotFound):
        await hanoi.campaigns.block_customers("nothing", customer_ids=["KH_01"])


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("new", CustomerState.NEW),
        ("NEW", CustomerState.NEW),
        ("queue", CustomerState.QUEUED),
        ("answered", CustomerState.ANSWERED),
        ("busy", CustomerState.BUSY),
        ("no-answered", CustomerState.NO_ANSWER),
        ("cancel", CustomerState.CANCELLED),
        ("fail", CustomerState.FAILED),
        ("unknown", CustomerState.UNKNOWN),
        ("levitating", CustomerState.UNKNOWN),
        (None, CustomerState.UNKNOWN),
    ],
)
async def test_a_customers_status_has_our_word(still, hanoi, word, state):
    """Small as in the table and in capitals as in the samples; the vendor's own word stays."""
    still.add_customer(customer_id="KH01", status=word, updated_at="2021-07-15T12:50:23.805319Z")

    customer = await hanoi.customers.get_customer("KH01")

    assert (state, word) == (customer.state, customer.vendor_status)
    assert datetime(2021, 7, 15, 12, 50, 23, 805319, tzinfo=UTC) == customer.updated_at


@pytest.mark.parametrize(("agents", "sent"), [(("5001",), "5001"), (("101", "102"), "101,102"), ((), None)])
async def test_the_agents_of_a_queue_are_one_text(still, hanoi, agents, sent):
    """One as in the sample, several with commas, and none not at all."""
    await hanoi.campaigns.load_queue("Q", kind=KINDS[0], customers=PEOPLE, agents=agents, **LOADS[KINDS[0]])

    assert sent == still.requests[-1].body.get("queue_agents")


async def test_customers_come_page_by_page_with_their_times(still, hanoi):
    """All come once; year 1 is no time, and numbers and codes are text even where the vendor sends numbers."""
    for number in range(120):
        still.add_customer(customer_id=f"id{number}", created_at="0001-01-01T00:00:00Z" if number else NOW.isoformat())
    still.add_customer(customer_id=7, customer_code=12, phone_number=899888999)
    seen, cursor = [], None
    while True:
        page = await hanoi.customers.list_customers(cursor=cursor, limit=50)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break

    assert (len(seen), page.total) == (121, 121)
    assert [each.created_at for each in seen[:2]] == [NOW, None]
    assert (seen[-1].customer_id, seen[-1].customer_code, seen[-1].number) == ("7", "12", "899888999")


@pytest.mark.parametrize(("status", "error"), [(400, InvalidRequest), (409, Conflict), (422, VendorRejected)])
async def test_what_is_wrong_with_a_customer_is_said_by_our_names(still, hanoi, status, error):
    """Whatever the status, the caller is told of the arguments that were given."""
    body = {"code": status, "content": [{"phone_number": "is known already"}], "error": "No"}
    still.faults.add(Fault("/v2/customer", kind="replace", status=status, body=body))

    with pytest.raises(error) as caught:
        await hanoi.customers.create_customer(campaign_id="C", customer_code="K", number=NUMBER, contract_number="H")

    assert {"number": "is known already"} == caught.value.fields


async def test_an_agent_is_found_by_user_name_or_id_and_never_listed(still, hanoi):
    """The vendor is asked for one; whether the softphone is logged in comes as text."""
    phone = still.phones.extensions["104"]
    by_name, by_id = [await hanoi.agents.get_agent(key) for key in (phone.username, phone.user_id)]

    assert by_name == by_id
    assert (by_id.state, by_id.extension) == (AgentState.OFFLINE, "104")
    with pytest.raises(Unsupported, match="list_agents"):
        await hanoi.agents.list_agents()


# Webhooks


async def test_a_hook_that_was_made_is_told_even_when_it_cannot_be_looked_up(still, hanoi):
    """An error would have the application make a second one; the answer of 2021 has no id."""
    still.faults.add(Fault("/v1/event", method="GET", kind="replace", status=400, body={"error": "no"}))

    hook = await hanoi.events.create_hook(event=EventType.ENDED, url="https://crm.example.vn/hooks")

    assert (hook.hook_id, hook.event) == (None, EventType.ENDED)
    assert len(still.webhooks.hooks) == 1


async def test_a_records_webhook_carries_its_status(still, hanoi):
    """`status` is said with `cdr` only, and becomes the event's outcome; the word itself stays."""
    body = b'{"call_id": "1", "direction": "outbound", "from_number": "101", "to_number": "0899888999", "state": "cdr",'
    body += b' "status": "not-available", "customer_id": "KH1", "duration": 10, "billsec": 0}'
    request = WebhookRequest(headers={"content-type": "application/json"}, body=body, received_at=NOW)

    (event,) = await hanoi.events.parse_webhook(request)

    assert (event.type, event.outcome) == (EventType.RECORD_CREATED, Outcome.UNREACHABLE)
    assert "not-available" == event.vendor_status
    assert (event.extension, event.to_number, event.raw["customer_id"]) == ("101", NUMBER, "KH1")


@pytest.mark.parametrize("edition", ["cc-2021", "cc-2023"])
async def test_only_the_edition_of_2023_tells_of_missed_calls(still, edition):
    """The document has four events; a hook for another would be taken, and never fired."""
    still.behaviour.hook_shape = edition[-4:]
    async with account(still, edition=edition) as hanoi:
        with contextlib.nullcontext() if edition == "cc-2023" else pytest.raises(Unsupported, match=r"call\.missed"):
            await hanoi.events.create_hook(event=EventType.MISSED, url="https://crm.example.vn/h")

    assert (["missed"] if edition == "cc-2023" else []) == [hook.event for hook in still.webhooks.hooks.values()]


async def test_there_is_no_stream_of_events(hanoi):
    """This vendor calls us; asking for a stream says so."""
    with pytest.raises(Unsupported):
        await anext(aiter(hanoi.events.follow_events()))


# Editions and settings


async def test_the_edition_of_2023_has_its_own_paths(still):
    """What moved is asked for where it moved to, with the answers of that place."""
    record_id = still.add_record()["id"].strip()
    still.behaviour.envelope = "flat"
    async with account(
        still, edition="cc-2023", api_key=None, username=still.username, password=still.password
    ) as hanoi:
        started = await hanoi.click_to_call.start_call(extension="101", number=NUMBER)
        await still.answer(started.call_id)
        await hanoi.call_control.list_calls()
        await hanoi.call_control.listen_call(started.call_id, extension="102")
        await hanoi.history.list_records()
        record = await hanoi.history.get_record(record_id)
        there, away = [await hanoi.agents.get_agent(extension) for extension in ("101", "104")]
        with pytest.raises(NotFound):
            await hanoi.agents.get_agent("999")

    assert [request.path for request in still.requests] == [
        "/v3/auth",
        "/v3/auth/token",
        "/v1/click2call/async",
        "/v1/call",
        f"/v1/call/{started.call_id}/listen",
        "/v3/cdr",
        "/v3/cdr",
        f"/v3/cdr/{record_id}",
        "/v3/extension/101/loggedin",
        "/v3/extension/104/loggedin",
        "/v3/extension/999/loggedin",
    ]
    assert record.record_id == record_id
    assert (there.state, away.state) == (AgentState.AVAILABLE, AgentState.OFFLINE)


async def test_the_edition_of_2023_has_no_call_by_post(still):
    """Nothing is sent, unless the path is given."""
    async with account(still, edition="cc-2023", click_to_call="post") as hanoi:
        with pytest.raises(Unsupported, match="click_to_call"):
            await hanoi.click_to_call.start_call(extension="101", number=NUMBER, customer_id="KH1")
    assert still.requests == []

    given = {"start_call_by_post": "/v2/click2call"}
    async with account(still, edition="cc-2023", click_to_call="post", paths=given) as hanoi:
        await hanoi.click_to_call.start_call(extension="101", number=NUMBER, customer_id="KH1")
    assert len(still.originated) == 1


async def test_single_paths_can_be_replaced(still):
    """A host that is between two editions is described path by path."""
    still.add_record(id="one")
    given = {"list_records": "/v3/cdr", "get_record": "/v3/cdr/{record_id}"}
    async with account(still, paths=given) as hanoi:
        await hanoi.history.list_records()
        await hanoi.history.get_record("one")
        await hanoi.call_control.list_calls()

    assert paths(still) == ["/v3/cdr", "/v3/cdr", "/v3/cdr/one", "/v2/call"]


async def test_a_token_that_is_asked_for_at_the_wrong_path_says_so(still):
    """The credentials may be right: what to look at is named."""
    async with account(still, paths={"issue_token": "/v9/auth/token"}) as hanoi:
        with pytest.raises(VendorAuthFailed, match=r"/v9/auth/token.*there may be nothing at that path"):
            await hanoi.call_control.list_calls()


@pytest.mark.parametrize(
    ("settings", "path", "text"),
    [
        ({"base_url": "http://pbx.example.vn"}, "accounts.hanoi.settings", "allow_http"),
        ({"api_key": None}, "accounts.hanoi.settings", "username and password"),
        ({"edition": "cc-2022"}, "accounts.hanoi.settings.edition", "cc-2023"),
        ({"click_to_call": "put"}, "accounts.hanoi.settings.click_to_call", "post"),
        ({"paths": {"list_record": "/v3/cdr"}}, "accounts.hanoi.settings", "did you mean 'list_records'"),
        ({"paths": {"list_records": "v3/cdr"}}, "accounts.hanoi.settings", "/v2/cdr"),
        ({"paths": {"get_record": "/v3/cdr/{id}"}}, "accounts.hanoi.settings", "{record_id}"),
        ({"paths": {"list_records": "/v3/cdr?x=1"}}, "accounts.hanoi.settings", "without a query"),
        ({"paths": {"list_records": "/v3/cdr#x"}}, "accounts.hanoi.settings", "without a query"),
        ({"paths": {"list_records": "/v3/c dr"}}, "accounts.hanoi.settings", "plain characters"),
        ({"paths": {"list_records": "/v3/cdr\r\nX-A: b"}}, "accounts.hanoi.settings", "plain characters"),
        ({"paths": {"list_records": "/v3/đ"}}, "accounts.hanoi.settings", "plain characters"),
        ({"page_sizes": 5}, "accounts.hanoi.settings.page_sizes", "page_size"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_write(settings, path, text):
    """The start stops with the key's path and a hint."""
    whole = {"base_url": "https://pbx.example.vn", "api_key": "k", **settings}

    with pytest.raises(ConfigError) as caught:
        Gateway.from_config({"accounts": {"hanoi": {"vendor": "tel4vn-v2", "settings": whole}}})

    assert path == caught.value.path
    assert text in caught.value.message


def test_the_wire_document_takes_the_sample_of_a_queue():
    """The document's own sample of an autocall queue, whose customers have more fields than its table."""
    customer = {
        "id": "TEL4VN_Test",
        "mobiles": ["0982596021"],
        "contract_number": "HD123456",
        "upcoming_due_date": "2021-07-13",
        "upcoming_amount": 5000000,
        "due_date": "2021-07-13",
        "dpd": 5,
        "number_of_ovd_inst": 6,
        "total_ovd_amount": 3211100,
    }
    settings = {"concurrent_call": 5, "max_recall_count": 3, "min_recall_duration": 3}
    body = {"queue_code": "Autocall-Q1", "template": "IVR-1", **settings, "customers": [customer]}

    Wire.load("tel4vn-v2").check_request("POST", "/v2/autocall/queue", [], body)


@pytest.mark.parametrize(
    ("kind", "details", "error"),
    [
        (QueueKind.AUTODIALER, {"due": 1}, Unsupported),
        (QueueKind.AUTOCALL, {"mobiles": "0899"}, InvalidRequest),
        (QueueKind.AUTOCALL, {"id": "other", "due": 1}, InvalidRequest),
    ],
)
async def test_details_that_cannot_be_said_are_refused(still, hanoi, kind, details, error):
    """An autodialer has nobody to read them out, and no detail replaces whom to call."""
    with pytest.raises(error):
        await hanoi.campaigns.load_queue(
            "Q1",
            kind=kind,
            customers=[QueueCustomer(customer_id="KH01", numbers=(NUMBER,), details=details)],
            **LOADS[kind],
        )

    assert not any("queue" in request.path for request in still.requests)
