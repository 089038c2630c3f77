"""Every operation of TEL4VN v1's documents, through the facade, HTTP, the remote client and the command line.

The rows are those of the vendor's operations, in the order of its documents; what is compared is what the application
sees and what the PBX received.
"""

from typing import Any

import pytest

from gateway import Gateway
from tests.vendors.access_paths import WAYS, Row, check
from tests.vendors.tel4vn_rows import EVERY_DIAL_ARGUMENT, EVERY_DIAL_PARAMETER, HOOKS, NUMBER, STARTED

RECORD = {
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
}
RECORD_ID = "ad4c9b90-c071-405a-9723-980d2e5e1623"
SEEN_RECORD = {
    "account": "hanoi",
    "record_id": RECORD_ID,
    "call_id": RECORD_ID,
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
    "customer_id": None,
    "has_recording": True,
}
FILTERS = {
    "since": "2021-02-17T00:00:00+07:00",
    "until": "2021-02-18T00:00:00+07:00",
    "ended_since": "2021-02-16T17:00:00Z",
    "ended_until": "2021-02-17T17:00:00.500000Z",
    "extension": "101",
    "number": NUMBER,
    "direction": "outbound",
    "outcome": "answered",
    "min_duration_seconds": 6,
    "duration_seconds": 11,
    "limit": 50,
}
SENT_FILTERS = {
    "start_date": "2021-02-17 00:00:00",
    "end_date": "2021-02-17 23:59:59",
    "start_date_ended": "2021-02-17 00:00:00",
    "end_date_ended": "2021-02-18 00:00:00",
    "extension": "101",
    "phone": NUMBER,
    "direction": "outbound",
    "status": "ANSWERED",
    "min_duration": "5",
    "duration": "11",
    "limit": "50",
}


ROWS = [
    *HOOKS,
    Row(
        "6",
        "list_records",
        FILTERS,
        "GET",
        "/v1/cdr",
        query={**SENT_FILTERS, "page": "1", "offset": "0"},
        sees={"items": [SEEN_RECORD], "next": None, "total": 1},
    ),
    Row(
        "6 by offset",
        "list_records",
        FILTERS,
        "GET",
        "/v1/cdr",
        query={**SENT_FILTERS, "offset": "0"},
        sees={"items": [SEEN_RECORD], "total": None},  # the text makes a scroll of it
        settings={"paging": "offset"},
    ),
    Row(
        "6 by page",
        "list_records",
        FILTERS,
        "GET",
        "/v1/cdr",
        query={**SENT_FILTERS, "page": "1"},
        sees={"items": [SEEN_RECORD], "next": None, "total": 1},
        settings={"paging": "page"},
    ),
    Row(
        "6 by scroll",
        "list_records",
        FILTERS,
        "GET",
        "/v1/cdr",
        query=SENT_FILTERS,
        sees={"items": [SEEN_RECORD], "total": None},
        settings={"paging": "scroll"},
    ),
    Row(
        "6 by recording",
        "list_records",
        {"recording_name": RECORD_ID},
        "GET",
        "/v1/cdr",
        query={"recordingfile": RECORD_ID, "limit": "100", "page": "1", "offset": "0"},
        sees={"items": [SEEN_RECORD]},
    ),
    Row("7 by id", "get_record", {"record_id": RECORD_ID}, "GET", f"/v1/cdr/{RECORD_ID}", sees=SEEN_RECORD),
    Row(
        "7 by SIP call id",
        "get_record",
        {"record_id": "112233aabbccddee.."},
        "GET",
        "/v1/cdr/112233aabbccddee..",
        sees=SEEN_RECORD,
    ),
    Row(
        "7 recording link",
        "locate_recording",
        {"record_id": RECORD_ID},
        "GET",
        f"/v1/cdr/{RECORD_ID}",
        sees={"account": "hanoi", "record_id": RECORD_ID, "expires_at": None},
    ),
    Row("7 recording", "fetch_recording", {"record_id": RECORD_ID}, "GET", f"/v1/cdr/{RECORD_ID}", sees=b"RIFF"),
    Row(
        "7 part of a recording",
        "fetch_recording",
        {"record_id": RECORD_ID, "byte_range": "bytes=8-11"},
        "GET",
        f"/v1/cdr/{RECORD_ID}",
        sees=b"WAVE",
    ),
    Row(
        "8",
        "start_call",
        {"extension": "101", "number": NUMBER, "wait": True},
        "GET",
        "/v1/click2call",
        query={"ext": "101", "phone": NUMBER},
        sees=STARTED,
    ),
    Row(
        "9",
        "start_call",
        EVERY_DIAL_ARGUMENT,
        "GET",
        "/v1/click2call/async",
        query=EVERY_DIAL_PARAMETER,
        sees=STARTED,
    ),
    Row(
        "10",
        "list_calls",
        {},
        "GET",
        "/v1/call",
        sees={"items": [{"call_id": "{call}", "direction": "outbound", "extension": "101", "to_number": NUMBER}]},
    ),
    Row(
        "11",
        "transfer_call",
        {"call_id": "{call}", "to": "102", "leg": "a"},
        "POST",
        "/v1/call/{call}/transfer",
        body={"ext": "102", "legs": "aleg"},
    ),
    Row(
        "11 the customer's leg",
        "transfer_call",
        {"call_id": "{call}", "to": "102"},
        "POST",
        "/v1/call/{call}/transfer",
        body={"ext": "102", "legs": "bleg"},
    ),
    Row(
        "12",
        "listen_call",
        {"call_id": "{call}", "extension": "102"},
        "POST",
        "/v1/call/{call}/listen",
        body={"ext": "102"},
    ),
    Row(
        "13",
        "whisper_call",
        {"call_id": "{call}", "extension": "102"},
        "POST",
        "/v1/call/{call}/whisper",
        body={"ext": "102"},
    ),
    Row(
        "14",
        "barge_call",
        {"call_id": "{call}", "extension": "102"},
        "POST",
        "/v1/call/{call}/barge",
        body={"ext": "102"},
    ),
    Row("15", "park_call", {"call_id": "{call}", "leg": "b"}, "POST", "/v1/call/{call}/park", body={"legs": "bleg"}),
    Row(
        "16",
        "list_call_ids",
        {"since": "2021-02-17T00:00:00+07:00", "until": "2021-02-18T00:00:00+07:00"},
        "GET",
        "/v1/report/call_id",
        query={"start_date": "2021-02-17 00:00:00", "end_date": "2021-02-17 23:59:59"},
        sees={"items": [{"call_id": RECORD_ID, "sip_call_id": "112233aabbccddee.."}], "total": 1},
    ),
    Row(
        "17",
        "count_calls",
        {"since": "2021-02-17T00:00:00+07:00", "until": "2021-02-18T00:00:00+07:00"},
        "GET",
        "/v1/report/call_status",
        query={"start_date": "2021-02-17 00:00:00", "end_date": "2021-02-17 23:59:59"},
        sees={"items": [{"outcome": "answered", "vendor_status": "ANSWERED", "count": 1}]},
    ),
    Row(
        "18",
        "list_agents",
        {},
        "GET",
        "/v1/monitor/agent",
        sees={"items": [{"extension": "101", "state": "available"}, {"extension": "102"}, {"extension": "103"}]},
    ),
    Row(
        "18 one agent",
        "get_agent",
        {"agent_id": "102"},
        "GET",
        "/v1/monitor/agent",
        sees={"extension": "102", "state": "available", "call_id": None},
    ),
    Row(
        "19",
        "create_tenant",
        {"tenant_id": "test02"},
        "POST",
        "/v1/tenant",
        body={"tenant_id": "test02"},
        sees={"tenant_id": "test02", "domain": "test02.tel4vn.com", "port": 50061, "user": {"username": "admin"}},
    ),
    Row("20", "get_tenant", {"tenant_id": "{tenant}"}, "GET", "/v1/tenant/{tenant}", sees={"tenant_id": "{tenant}"}),
    Row(
        "21",
        "update_tenant",
        {"tenant_id": "{tenant}", "enabled": False},
        "PUT",
        "/v1/tenant/{tenant}",
        body={"enable": False},
    ),
    Row(
        "22",
        "create_extension",
        {"tenant_id": "{tenant}", "extension": "105", "password": "123Abc!@#"},
        "POST",
        "/v1/tenant/{tenant}/extension",
        body={"ext": "105", "pwd": "123Abc!@#"},
        sees={"tenant_id": "{tenant}", "extension": "105", "password": "123Abc!@#", "enabled": True},
    ),
    Row(
        "23",
        "get_extension",
        {"tenant_id": "{tenant}", "extension": "101"},
        "GET",
        "/v1/tenant/{tenant}/extension/extension/101",
        sees={"tenant_id": "{tenant}", "extension": "101", "password": "123Abc!@#", "enabled": True},
    ),
    Row(
        "23 elsewhere",
        "get_extension",
        {"tenant_id": "{tenant}", "extension": "101"},
        "GET",
        "/v1/tenant/{tenant}/extension/101",
        sees={"extension": "101", "password": "123Abc!@#"},
        settings={"paths": {"get_extension": "/v1/tenant/{tenant_id}/extension/{extension}"}},
    ),
]
CALLS = {"list_calls", "transfer_call", "listen_call", "whisper_call", "barge_call", "park_call"}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.numbers} {row.operation}".replace(" ", "-"))
async def test_every_documented_operation_works_in_all_four_ways(row: Row, way: Any, far: Any, tmp_path: Any) -> None:
    """The PBX receives exactly what its documents ask for, and the application sees the same whichever way it took."""
    if row.operation not in CALLS:
        far.pbx.add_record(**RECORD)
    made = {"hook": await far.hook(), "tenant": await far.tenant(), "call": ""}
    if row.operation in CALLS:
        made["call"] = await far.live_call()

    await check(row, way, far, made, tmp_path)


async def test_user_name_and_password_are_exchanged_for_a_key_and_that_for_a_token(far: Any) -> None:
    """Rows 1 and 2: the login gives the api key, the api key gives the token, and the token goes along."""
    pbx = far.pbx
    async with Gateway.from_config(
        {"accounts": {"hanoi": {"vendor": far.vendor, "settings": far.settings}}}
    ) as gateway:
        await gateway["hanoi"].call_control.list_calls()

    login, token, calls = pbx.requests
    assert ("/v1/auth", {"username": pbx.username, "password": pbx.password}) == (login.path, login.body)
    assert ("/v1/auth/token", {"api_key": pbx.api_key}) == (token.path, token.body)
    assert calls.path == "/v1/call"
    assert calls.headers["authorization"].startswith("Bearer ")
