"""The wire document of TEL4VN v1, and the checker that holds requests and responses against it."""

import re

import pytest
from openapi_spec_validator import validate

from tests import wire
from tests.wire import Wire

DOCUMENT = Wire.load("tel4vn-v1").document
OPERATIONS = [
    (method, path, said)
    for path, item in DOCUMENT["paths"].items()
    for method, said in item.items()
    if method != "parameters"
]
RECORD = {
    "id": "ad4c9b90-c071-405a-9723-980d2e5e1623",
    "sip_call_id": "112233aabbccddee..",
    "cause": "NORMAL_CLEARING",
    "duration": 11,
    "direction": 3,
    "recording_url": "",
    "extension": "101",
    "from_number": "19001919",
    "to_number": "0899888999",
    "receive_dest": "",
    "time_started": "2021-02-17 17:30:35",
    "time_answered": "",
    "time_ended": "2021-02-17 17:30:46",
    "status": "BUSY",
}
EVENT = {
    "call_id": "avavavav-1111-2222-3333-eeeeeeee",
    "sip_call_id": "dddddddd-1111-2222-3333-eeeeeeee",
    "domain": "test.tel4vn.com",
    "direction": "outbound",
    "from_number": "0899888999",
    "to_number": "101",
    "hotline": "19001919",
    "state": "ringing",
}


def test_the_document_is_openapi():
    """The document is valid OpenAPI 3.1."""
    validate(DOCUMENT)

    assert DOCUMENT["openapi"].startswith("3.1")


def test_the_document_has_every_operation_with_its_source():
    """All 23 documented operations are there, with the document and line, and a date; one has a later path, too."""
    documented = [(path, said) for _, path, said in OPERATIONS if said["x-date"] != "2023"]
    assert (len(OPERATIONS), len(documented)) == (24, 23)
    for path, said in documented:
        assert re.fullmatch(r"00[013]:\d+", said["x-source"]), path
        assert re.fullmatch(r"2021-\d\d-\d\d", said["x-date"]), path
    assert len({said["operationId"] for _, _, said in OPERATIONS}) == 24


async def test_the_simulator_serves_every_operation(client):
    """No documented operation is unknown to the simulator: without a token each is refused for the token only."""
    client.token = ""
    for method, path, said in OPERATIONS:
        async with client.session.request(method, re.sub(r"\{\w+\}", "x", path)) as response:
            expected = 400 if said.get("security") == [] else 401
            assert (path, response.status) == (path, expected)


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("POST", "/v1/auth", [], {"username": "foo@test.tel4vn.com", "password": "foo123"}),
        ("POST", "/v1/auth/token", [], {"api_key": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee"}),
        ("POST", "/v1/event", [], {"callback_url": "https://webhook.demo/", "event": "cdr"}),
        ("DELETE", "/v1/event/eeeeeeee-1111-2222-3333-eeeeeeee", [], None),
        ("GET", "/v1/cdr", [("start_date", "2021-02-18"), ("end_date", "2021-02-19 00:00:00")], None),
        ("GET", "/v1/click2call", [("ext", "101"), ("phone", "0899098899")], None),
        ("POST", "/v1/call/01b7d166/transfer", [], {"ext": "101", "legs": "bleg"}),
        ("POST", "/v1/call/01b7d166/transfer", [], {"ext": "101"}),
        ("POST", "/v1/call/01b7d166/park", [], {"legs": "aleg"}),
        ("PUT", "/v1/tenant/test01", [], {"enable": False}),
        ("GET", "/v1/tenant/test01/extension/extension/101", [], None),
        ("GET", "/v1/tenant/test01/extension/101", [], None),
    ],
)
def test_documented_requests_pass(method, path, query, body):
    """What the documents show is right."""
    wire.check_request(method, path, query, body)


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "told"),
    [
        ("GET", "/v1/nothing", [], None, "no such operation"),
        ("PATCH", "/v1/tenant/test01", [], {"enable": True}, "no such operation"),
        ("POST", "/v1/auth", [], {"username": "foo", "password": "x"}, "does not match"),
        ("POST", "/v1/event", [], {"callback_url": "https://webhook.demo/", "event": "create"}, "create"),
        ("POST", "/v1/event", [], {"callback_url": "https://webhook.demo/", "event": "missed"}, "missed"),
        ("GET", "/v1/cdr", [("since", "2021-02-18")], None, "no query parameter since"),
        ("GET", "/v1/cdr", [("start_date", "2021-02-18T00:00:00")], None, "start_date"),
        ("GET", "/v1/cdr", [("limit", "0")], None, "limit"),
        ("GET", "/v1/cdr", [("limit", "5"), ("limit", "6")], None, "2 times"),
        ("GET", "/v1/cdr", [("direction", "3")], None, "direction"),
        ("GET", "/v1/cdr", [], {}, "must be no body"),
        ("GET", "/v1/click2call", [("ext", "101")], None, "phone is missing"),
        ("GET", "/v1/click2call", [("ext", "101"), ("phone", "1"), ("auto_answer", "True")], None, "auto_answer"),
        ("GET", "/v1/report/call_id", [("start_date", "2021-02-18 17:20:58")], None, "end_date is missing"),
        ("POST", "/v1/call/01b7d166/transfer", [], {"legs": "aleg"}, "'ext' is a required property"),
        ("POST", "/v1/call/01b7d166/transfer", [], {"ext": "101", "legs": "b"}, "'b' is not one of"),
        ("POST", "/v1/call/01b7d166/listen", [], {"ext": "101", "legs": "aleg"}, "'legs' was unexpected"),
        ("POST", "/v1/call/01b7d166/listen", [], {"ext": 101}, "not of type 'string'"),
        ("POST", "/v1/call/01b7d166/park", [], None, "body is missing"),
        ("PUT", "/v1/tenant/test01", [], {"enable": "true"}, "not of type 'boolean'"),
    ],
)
def test_wrong_requests_are_caught(method, path, query, body, told):
    """Whatever the documents do not allow is an AssertionError that says where."""
    with pytest.raises(AssertionError, match=re.escape(told)):
        wire.check_request(method, path, query, body)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v1/cdr", 200, {"data": [RECORD], "limit": 10, "page": 1, "total": 22}),
        ("/v1/cdr", 200, {"data": [RECORD | {"direction": "local"}], "scroll_id": "111222333444aaabbbcccddd=="}),
        ("/v1/cdr/x", 404, {"error": "Not Found"}),
        ("/v1/click2call", 200, {"status": "fail", "error": "USER_BUSY"}),
        ("/v1/click2call/async", 200, {"status": "fail", "message": "…", "error": "USER_NOT_REGISTERED"}),
        ("/v1/report/call_id", 400, {"error": "date range must be in 24 hours"}),
    ],
)
def test_documented_answers_pass(path, status, body):
    """What the documents show is right."""
    wire.check_answer("GET", path, status, body)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v1/cdr", 200, {"data": [RECORD]}),
        ("/v1/cdr", 200, {"data": [RECORD | {"direction": 1}], "scroll_id": "x"}),
        ("/v1/cdr", 200, {"data": [RECORD | {"billsec": 3}], "scroll_id": "x"}),
        ("/v1/cdr", 200, {"data": [RECORD | {"time_started": "2021-02-17T17:30:35Z"}], "scroll_id": "x"}),
        ("/v1/cdr/x", 200, {"data": RECORD}),
        ("/v1/cdr/x", 302, {}),
        ("/v1/cdr/x", 404, {"detail": "Not Found"}),
        ("/v1/click2call", 200, {"status": "success"}),
        ("/v1/click2call", 200, {"status": "fail", "error": "TIRED"}),
        ("/v1/call", 200, {"data": [], "total": "0"}),
    ],
)
def test_wrong_answers_are_caught(path, status, body):
    """A response that the documents do not show is an AssertionError."""
    with pytest.raises(AssertionError):
        wire.check_answer("GET", path, status, body)


def test_webhooks_are_checked():
    """Durations belong to the end of a call, the states are the documented ones."""
    wire.check_webhook(EVENT)
    wire.check_webhook(EVENT | {"state": "hangup", "duration": 10, "billsec": 5})
    for wrong in ({"duration": 10}, {"state": "cdr"}, {"state": "missed"}, {"direction": 3}):
        with pytest.raises(AssertionError):
            wire.check_webhook(EVENT | wrong)


async def test_a_log_of_requests_is_checked(pbx, client):
    """The simulator's log passes as it is, recordings aside, and a wrong request in it is found."""
    pbx.add_record(id="one")
    await client.get("/v1/cdr", phone="0899 098")
    await client.get("/recording/one", checked=False)
    wire.check_requests(pbx.requests)

    await client.get("/v1/call", checked=False, verbose="1")
    with pytest.raises(AssertionError, match="verbose"):
        wire.check_requests(pbx.requests)
