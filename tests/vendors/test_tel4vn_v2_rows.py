"""Every operation of TEL4VN v2's document, through the facade, HTTP, the remote client and the command line.

The rows are those of the vendor's operations, in the order of its document; what is compared is what the application
sees and what the call center received.
"""

from typing import Any

import pytest

from gateway import Gateway
from tests.vendors.access_paths import WAYS, Row, check
from tests.vendors.tel4vn_rows import EVERY_DIAL_ARGUMENT, EVERY_DIAL_PARAMETER, HOOKS, NUMBER, STARTED
from tests.vendors.tel4vn_v2_far_side import Tel4vnV2FarSide

DEFAULT = {  # 002:340-354
    "id": "ad4c9b90-c071-405a-9723-980d2e5e1623 ",
    "sip_call_id": "112233aabbccddee..",
    "cause": "NORMAL_CLEARING",
    "duration": 11,
    "direction": 3,
    "extension": "101",
    "from_number": "19001919",
    "to_number": NUMBER,
    "receive_dest": "",
    "time_started": "2021-02-17 17:30:35",
    "time_answered": "2021-02-17 17:30:43",
    "time_ended": "2021-02-17 17:30:46",
    "status": "ANSWERED",
    "customer_id": "KH1",
}
DEFAULT_ID = "ad4c9b90-c071-405a-9723-980d2e5e1623"
SEEN_DEFAULT = {
    "account": "hanoi",
    "record_id": DEFAULT_ID,
    "call_id": DEFAULT_ID,
    "sip_call_id": "112233aabbccddee..",
    "direction": "outbound",
    "outcome": "answered",
    "vendor_status": "ANSWERED",
    "cause": "NORMAL_CLEARING",
    "from_number": "101",
    "to_number": NUMBER,
    "extension": "101",
    "hotline": "19001919",
    "queue": None,
    "started_at": "2021-02-17T10:30:35Z",
    "ringing_at": None,
    "answered_at": "2021-02-17T10:30:43Z",
    "ended_at": "2021-02-17T10:30:46Z",
    "duration_seconds": 11,
    "talk_seconds": 3,
    "customer_id": "KH1",
    "has_recording": True,
}
FLEX = {  # 002:387-400
    "cdrId": "0c1d6ff3-c9b0-4fd1-8f5c-7be53f5f6973",
    "sip_call_id": "80bea701-49de-123a-89ab-fa163e3b9b38",
    "extensionId": "101",
    "to": NUMBER,
    "hangupAt": "2021-06-17 14:14:56",
    "answeredAt": "2021-06-17 14:14:33",
    "ringAt": "2021-06-17 14:14:36",
    "dialAt": "2021-06-17 14:14:31",
    "status": "answered",
    "duration": 25,
    "direction": "outbound",
    "billsec": 23,
    "customerId": "KH1",
}
FLEX_ID = FLEX["cdrId"]
SEEN_FLEX = {
    "account": "hanoi",
    "record_id": FLEX_ID,
    "call_id": FLEX_ID,
    "sip_call_id": "80bea701-49de-123a-89ab-fa163e3b9b38",
    "direction": "outbound",
    "outcome": "answered",
    "vendor_status": "answered",
    "cause": None,
    "from_number": "101",
    "to_number": NUMBER,
    "extension": "101",
    "hotline": None,
    "queue": None,
    "started_at": "2021-06-17T07:14:31Z",
    "ringing_at": "2021-06-17T07:14:36Z",  # after the answer, which is the agent's
    "answered_at": "2021-06-17T07:14:33Z",
    "ended_at": "2021-06-17T07:14:56Z",
    "duration_seconds": 25,
    "talk_seconds": 23,
    "customer_id": "KH1",
    "has_recording": True,
}
FILTERS = {
    "since": "2021-02-17T00:00:00+07:00",
    "until": "2021-07-01T00:00:00.500000+07:00",
    "extension": "101",
    "number": NUMBER,
    "direction": "outbound",
    "duration_seconds": 11,
    "limit": 20,
}
SENT_FILTERS = {
    "start_date": "2021-02-17 00:00:00",
    "end_date": "2021-07-01 00:00:00",
    "extension": "101",
    "phone": NUMBER,
    "direction": "outbound",
    "duration": "11",
    "limit": "20",
    "page": "1",
    "offset": "0",
}
CUSTOMERS = [{"customer_id": "TEL4VN_Test", "numbers": ["0899123456", NUMBER]}, {"customer_id": "2", "numbers": ["1"]}]
DETAILS = {  # 002:1121-1127
    "contract_number": "HD123456",
    "upcoming_due_date": "2021-07-13",
    "upcoming_amount": 5000000,
    "due_date": "2021-07-13",
    "dpd": 5,
    "number_of_ovd_inst": 6,
    "total_ovd_amount": 3211100,
}
SENT_CUSTOMERS = [{"id": "TEL4VN_Test", "mobiles": ["0899123456", NUMBER]}, {"id": "2", "mobiles": ["1"]}]
CUSTOMER = {
    "account": "hanoi",
    "campaign_id": "C1",
    "customer_code": "KH01",
    "name": "Khach Hang 01",
    "number": "0899888998",
    "contract_number": "ABC123",
}
SEEN_CUSTOMER = {**CUSTOMER, "customer_id": "KH01", "state": "new", "vendor_status": "NEW", "updated_at": None}
BY_POST = {"click_to_call": "post"}
CONTROL = {"call_id": "{call}", "extension": "102"}
ROWS = [
    *HOOKS,
    Row(
        "6 default",
        "list_records",
        FILTERS,
        "GET",
        "/v2/cdr",
        query=SENT_FILTERS,
        sees={"items": [SEEN_DEFAULT], "next": None, "total": 1},
    ),
    Row(
        "6 flex",
        "list_records",
        {**FILTERS, "duration_seconds": 25},
        "GET",
        "/v2/cdr",
        query={**SENT_FILTERS, "duration": "25"},
        sees={"items": [SEEN_FLEX], "next": None, "total": 1},
    ),
    Row(
        "6 what its table does not have",
        "list_records",
        {
            "outcome": "answered",
            "min_duration_seconds": 12,
            "ended_since": "2021-06-17T07:14:56Z",
            "ended_until": "2021-06-17T07:14:57Z",
            "recording_name": f"{FLEX_ID}.mp3",
        },
        "GET",
        "/v2/cdr",
        query={"limit": "50", "page": "1", "offset": "0"},
        sees={"items": [SEEN_FLEX], "next": None},
    ),
    Row("7 by id", "get_record", {"record_id": DEFAULT_ID}, "GET", f"/v2/cdr/{DEFAULT_ID}", sees=SEEN_DEFAULT),
    Row("7 flex", "get_record", {"record_id": FLEX_ID}, "GET", f"/v2/cdr/{FLEX_ID}", sees=SEEN_FLEX),
    Row(
        "7 by SIP call id",
        "get_record",
        {"record_id": "112233aabbccddee.."},
        "GET",
        "/v2/cdr/112233aabbccddee..",
        sees=SEEN_DEFAULT,
    ),
    Row(
        "7 recording link",
        "locate_recording",
        {"record_id": FLEX_ID},
        "GET",
        f"/v2/cdr/{FLEX_ID}",
        sees={"account": "hanoi", "record_id": FLEX_ID, "expires_at": None},
    ),
    Row("7 recording", "fetch_recording", {"record_id": DEFAULT_ID}, "GET", f"/v2/cdr/{DEFAULT_ID}", sees=b"RIFF"),
    Row(
        "7 part of a recording",
        "fetch_recording",
        {"record_id": FLEX_ID, "byte_range": "bytes=8-11"},
        "GET",
        f"/v2/cdr/{FLEX_ID}",
        sees=b"WAVE",
    ),
    Row(
        "8",
        "start_call",
        {"extension": "101", "number": NUMBER, "wait": True, "customer_id": "KH 1"},
        "GET",
        "/v1/click2call",
        query={"ext": "101", "phone": NUMBER, "customer_id": "KH 1"},
        sees=STARTED,
    ),
    Row(
        "9",
        "start_call",
        {**EVERY_DIAL_ARGUMENT, "customer_id": "KH1"},
        "GET",
        "/v1/click2call/async",
        query={**EVERY_DIAL_PARAMETER, "customer_id": "KH1"},
        sees=STARTED,
    ),
    Row(
        "10",
        "start_call",
        {"extension": "101", "number": NUMBER, "customer_id": "KH1"},
        "POST",
        "/v2/click2call",
        body={"id": "KH1", "mobile": NUMBER, "agent": "101"},
        sees=STARTED,
        settings=BY_POST,
    ),
    Row(
        "10 of nobody",
        "start_call",
        {"extension": "101", "number": NUMBER},
        "POST",
        "/v2/click2call",
        body={"mobile": NUMBER, "agent": "101"},
        sees=STARTED,
        settings=BY_POST,
    ),
    Row(
        "11",
        "list_calls",
        {},
        "GET",
        "/v2/call",
        sees={"items": [{"call_id": "{call}", "direction": "outbound", "extension": "101", "to_number": NUMBER}]},
    ),
    Row(
        "12",
        "transfer_call",
        {"call_id": "{call}", "to": "102"},
        "POST",
        "/v2/call/{call}/transfer",
        body={"ext": "102"},
    ),
    Row("13", "listen_call", CONTROL, "POST", "/v2/call/{call}/listen", body={"ext": "102"}),
    Row("14", "whisper_call", CONTROL, "POST", "/v2/call/{call}/whisper", body={"ext": "102"}),
    Row("15", "barge_call", CONTROL, "POST", "/v2/call/{call}/barge", body={"ext": "102"}),
    Row(
        "16",
        "load_queue",
        {
            "queue_code": "Autodialer",
            "kind": "autodialer",
            "customers": CUSTOMERS[:1],
            "campaign_id": "C1",
            "agents": ["5001", "5002"],
            "calls_per_agent_percent": 150,
            "max_retries": 2,
        },
        "POST",
        "/v2/autodialer/queue",
        body={
            "campaign_id": "C1",
            "queue_code": "Autodialer",
            "precall_ratio": "150",
            "max_recall_count": "2",
            "queue_agents": "5001,5002",
            "customers": SENT_CUSTOMERS[:1],
        },
        sees={"queue_code": "Autodialer", "accepted": ["TEL4VN_Test"], "rejected": []},
    ),
    *(
        Row(
            number,
            operation,
            {"queue_code": "Q1", "kind": "autodialer"},
            "POST",
            f"/v2/autodialer/queue/{word}",
            body={"queue_code": "Q1"},
        )
        for number, operation, word in (
            ("17", "stop_queue", "stop"),
            ("18", "delete_queue", "delete"),
            ("19", "start_queue", "start"),
        )
    ),
    Row(
        "20",
        "load_queue",
        {
            "queue_code": "Autocall-Q1",
            "kind": "autocall",
            "customers": [{**CUSTOMERS[0], "details": DETAILS}, CUSTOMERS[1]],
            "template": "IVR-1",
            "concurrent_calls": 5,
            "max_retries": 3,
            "retry_below_seconds": 3,
        },
        "POST",
        "/v2/autocall/queue",
        body={
            "queue_code": "Autocall-Q1",
            "template": "IVR-1",
            "concurrent_call": 5,
            "max_recall_count": 3,
            "min_recall_duration": 3,
            "customers": [{**SENT_CUSTOMERS[0], **DETAILS}, SENT_CUSTOMERS[1]],
        },
        sees={"queue_code": "Autocall-Q1", "accepted": ["TEL4VN_Test"], "rejected": ["2"]},
    ),
    Row(
        "21",
        "block_customers",
        {"queue_code": "Q1", "customer_ids": ["KH_01", "KH_02"]},
        "POST",
        "/v2/autocall/queue/dnc",
        body={"queue_code": "Q1", "customers": [{"id": "KH_01"}, {"id": "KH_02"}]},
    ),
    *(
        Row(
            number,
            operation,
            {"queue_code": "Q1", "kind": "autocall"},
            "POST",
            f"/v2/autocall/queue/{word}",
            body={"queue_code": "Q1"},
        )
        for number, operation, word in (
            ("22", "stop_queue", "stop"),
            ("23", "delete_queue", "delete"),
            ("24", "start_queue", "start"),
        )
    ),
    Row(
        "25 by user name",
        "get_agent",
        {"agent_id": "agent102"},
        "GET",
        "/v2/user/agent102/status",
        sees={
            "agent_id": "{user}",
            "name": "Agent 102",
            "username": "agent102",
            "extension": "102",
            "state": "available",
            "call_id": None,
        },
    ),
    Row(
        "25 by id, logged out",
        "get_agent",
        {"agent_id": "{away}"},
        "GET",
        "/v2/user/{away}/status",
        sees={"agent_id": "{away}", "extension": "104", "state": "offline"},
    ),
    Row(
        "26",
        "list_customers",
        {"campaign_id": "C1", "limit": 5},
        "GET",
        "/v2/customer",
        query={"campaign_id": "C1", "limit": "5", "offset": "0"},
        sees={
            "items": [SEEN_CUSTOMER],
            "next": None,
            "total": 1,
        },
    ),
    Row(
        "27",
        "get_customer",
        {"customer_id": "KH01"},
        "GET",
        "/v2/customer/KH01",
        sees=SEEN_CUSTOMER,
    ),
    Row(
        "28",
        "create_customer",
        {
            "campaign_id": "C1",
            "customer_code": "KH01",
            "number": "0899888998",
            "contract_number": "ABC123",
            "name": "Khach Hang 01",
        },
        "POST",
        "/v2/customer",
        body={
            "campaign_id": "C1",
            "customer_name": "Khach Hang 01",
            "customer_code": "KH01",
            "phone_number": "0899888998",
            "contract_number": "ABC123",
        },
        sees=CUSTOMER,
    ),
]
CALLS = {"list_calls", "transfer_call", "listen_call", "whisper_call", "barge_call"}


@pytest.fixture
async def far() -> Any:
    """The vendor's end."""
    async with Tel4vnV2FarSide.open() as far:
        yield far


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.numbers} {row.operation}".replace(" ", "-"))
async def test_every_documented_operation_works_in_all_four_ways(row: Row, way: Any, far: Any, tmp_path: Any) -> None:
    """The call center receives exactly what its document asks for; the application sees the same whichever way."""
    far.pbx.behaviour.cdr_mapping = "mixed"
    far.pbx.add_record(**DEFAULT)
    far.pbx.add_record(**FLEX)
    far.pbx.add_queue("autodialer", "Q1")
    phones = far.pbx.phones.extensions
    made = {"hook": await far.hook(), "call": "", "user": phones["102"].user_id, "away": phones["104"].user_id}
    if row.operation in CALLS:
        made["call"] = await far.live_call()

    await check(row, way, far, made, tmp_path)


def test_every_row_of_the_documents_operations_is_here() -> None:
    """All 28 are, the first two in the test below."""
    assert {str(number) for number in range(3, 29)} == {row.numbers.partition(" ")[0] for row in ROWS}


async def test_user_name_and_password_are_exchanged_for_a_key_and_that_for_a_token(far: Any) -> None:
    """Rows 1 and 2: the login gives the api key, the api key gives the token, and the token goes along."""
    pbx = far.pbx
    async with Gateway.from_config(
        {"accounts": {"hanoi": {"vendor": far.vendor, "settings": far.settings}}}
    ) as gateway:
        await gateway["hanoi"].call_control.list_calls()

    login, token, calls = pbx.requests
    assert ("/v1/auth", {"username": pbx.username, "password": pbx.password}) == (login.path, login.body)
    assert ("/v2/auth/token", {"api_key": pbx.api_key}) == (token.path, token.body)
    assert calls.path == "/v2/call"
    assert calls.headers["authorization"].startswith("Bearer ")
