"""The sidecar over real sockets: every operation is a route, and nothing that is sent to it ends as a 500."""

import asyncio
import gzip
import io
import json
import logging
import re

import jsonschema
import pytest
from gateway_contracts import ERRORS, OPERATIONS, ClickToCall
from gateway_memory import Settings
from gateway_memory.adapter import Memory

from gateway import ConfigError, DialState, Gateway, StartedCall, make_app
from gateway.accounts.guard import Guard
from gateway.http import handlers, request_bodies
from gateway.http.openapi import make_openapi

DIAL = {"extension": "101", "number": "0899098899"}
CALLS = "/v1/accounts/pbx/calls"
RECORDS = "/v1/accounts/pbx/records"
JSON = {"Content-Type": "application/json"}
PROBLEM = jsonschema.Draft202012Validator(make_openapi()["components"]["schemas"]["Problem"])


def check_problem(response, status, code, **members):
    """*response* is the problem of *code*, complete and as the OpenAPI document says."""
    problem = response.json
    PROBLEM.validate(problem)
    assert (status, code) == (response.status, problem["code"]), problem
    assert "application/problem+json" == response.headers["Content-Type"]
    assert status == problem["status"]
    assert response.headers["X-Request-Id"] == problem["request_id"]
    assert members == {name: problem.get(name) for name in members}
    return problem


# Operations


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_every_operation_has_its_route(http, name):
    """An account that lacks it says so; the others respond or refuse what was sent, and never 404 for the path."""
    operation = OPERATIONS[name]
    path = "/v1/accounts/pbx" + re.sub(r"{\w+}", "x", operation.path)

    response = await http(operation.verb, path, **({"json": {}} if operation.verb in ("POST", "PUT", "PATCH") else {}))

    supported = operation.interface in ("click_to_call", "call_control", "history", "recording")
    if supported and response.status != 200:
        assert name == response.json["operation"]
    if not supported:
        check_problem(response, 501, "unsupported", operation=name, account="pbx")


async def test_a_call_is_started_over_http(http, gateway):
    """201 and the response's attributes as JSON."""
    response = await http("POST", CALLS, json=DIAL)

    assert (201, "application/json") == (response.status, response.headers["Content-Type"])
    assert {
        "account": "pbx",
        "call_id": "call-1",
        "extension": "101",
        "number": "0899098899",
        "requested_at": "2026-01-31T09:00:00Z",
        "dial_id": None,
    } == response.json
    assert [("start_call", "call-1", "101")] == gateway["pbx"].adapter.told


async def test_what_has_no_answer_is_204(http):
    """With an empty body."""
    await http("POST", CALLS, json=DIAL)

    response = await http("POST", f"{CALLS}/call-1/transfer", json={"to": "102", "leg": None})

    assert (204, b"") == (response.status, response.body)


async def test_the_vendors_answer_comes_along_when_asked(adapter_of, gateway_of, sidecar, ask, now):
    """`?raw=1`."""
    started = StartedCall(
        account="a", call_id=None, extension="1", number="2", requested_at=now, raw={"status": "success"}
    )
    async with gateway_of({"a": adapter_of(ClickToCall, start_call=started)}) as gateway, sidecar(gateway) as address:
        http = ask(address)
        plain = await http("POST", "/v1/accounts/a/calls", json=DIAL)
        raw = await http("POST", "/v1/accounts/a/calls?raw=1", json=DIAL)

    assert "raw" not in plain.json
    assert {"status": "success"} == raw.json["raw"]


@pytest.mark.parametrize("raw", [[[]], b"bytes", {1: object}, 2**70])
async def test_a_vendors_answer_that_is_no_json_does_not_hide_that_a_phone_rang(
    adapter_of, gateway_of, sidecar, ask, now, raw
):
    """The call was placed; an odd `raw` is left out rather than made a 500."""
    for _ in range(400):
        raw = [raw]
    started = StartedCall(account="a", call_id="c", extension="1", number="2", requested_at=now, raw=raw)
    async with gateway_of({"a": adapter_of(ClickToCall, start_call=started)}) as gateway, sidecar(gateway) as address:
        response = await ask(address)("POST", "/v1/accounts/a/calls?raw=1", json=DIAL)

    assert (201, "c", False) == (response.status, response.json["call_id"], "raw" in response.json)


# Bad requests


@pytest.mark.parametrize(
    ("field", "path", "body"),
    [
        ("call_id", f"{CALLS}/c1/transfer", {"to": "102", "call_id": "c2"}),
        ("extensio", CALLS, {**DIAL, "extensio": "1"}),
        ("account", CALLS, {**DIAL, "account": "other"}),
        ("raw", CALLS, {**DIAL, "raw": True}),
        ("idempotency_key", CALLS, {**DIAL, "idempotency_key": "k"}),
        ("extension", CALLS, {"number": "1"}),
        ("extension", CALLS, {"extension": 101, "number": "1"}),
        ("extension", CALLS, {"extension": None, "number": "1"}),
        ("extension", CALLS, {"extension": {"$ne": ""}, "number": "1"}),
        ("wait", CALLS, {**DIAL, "wait": "true"}),
        ("number", CALLS, {"extension": "101", "number": ""}),
        ("leg", f"{CALLS}/c1/park", {"leg": "c"}),
        ("leg", f"{CALLS}/c1/park", {}),
    ],
)
async def test_a_bad_field_of_a_body_is_named_and_nothing_rings(http, gateway, field, path, body):
    """Path beats body; unknown fields are refused; types are taken strictly."""
    problem = check_problem(
        await http("POST", path, json=body), 400, "invalid_request", dial_state="not_placed", origin="caller"
    )

    assert [field] == list(problem["fields"])
    assert [] == gateway["pbx"].adapter.told


async def test_a_path_parameter_in_the_body_is_told_where_it_belongs(http):
    """So that the mistake is seen."""
    response = await http("POST", f"{CALLS}/c1/listen", json={"extension": "102", "call_id": "c2"})

    assert "is given in the path, not here" == response.json["fields"]["call_id"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"nul", "JSON"),
        (b"{'extension': '101'}", "JSON"),
        (b'{"extension": NaN}', "JSON"),
        (b'{"extension": "\xff"}', "JSON"),
        (b'{"extension": "\\ud800"}', "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"text"', "object"),
        (b"5", "object"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(http, content, text):
    """With what is wrong."""
    problem = check_problem(
        await http("POST", CALLS, data=content, headers=JSON), 400, "invalid_request", dial_state="not_placed"
    )

    assert text in problem["fields"]["body"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", "json", "", "\xff"],
)
async def test_only_json_is_taken(http, gateway, content_type):
    """A web page can make a browser send a form, but not this."""
    response = await http("POST", CALLS, data=json.dumps(DIAL).encode(), headers={"Content-Type": content_type})

    check_problem(response, 415, "unsupported_media_type", dial_state="not_placed")
    assert [] == gateway["pbx"].adapter.told


async def test_json_may_name_its_charset(http):
    """As many clients do."""
    response = await http(
        "POST", CALLS, data=json.dumps(DIAL).encode(), headers={"Content-Type": "Application/JSON; charset=utf-8"}
    )

    assert 201 == response.status


async def test_a_body_that_is_too_large_is_refused(http, gateway):
    """Nothing rang."""
    content = json.dumps({**DIAL, "caller_id_name": "x" * request_bodies.MAX_BODY_BYTES}).encode()

    response = await http("POST", CALLS, data=io.BytesIO(content), headers=JSON)

    check_problem(response, 413, "payload_too_large", dial_state="not_placed", operation="start_call")
    assert [] == gateway["pbx"].adapter.told


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "X-Gzip", "identity, gzip", "\xff"])
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", CALLS),
        ("PUT", "/v1/accounts/pbx/queues/q"),
        ("GET", RECORDS),
        ("POST", "/v1/subscriptions"),
        ("POST", "/hooks/pbx/token"),
        ("POST", "/livez"),
        ("POST", "/nowhere"),
    ],
)
async def test_a_body_that_is_packed_is_refused(http, gateway, verb, path, coding):
    """Wherever it is sent, and before a key is looked at."""
    packed = gzip.compress(json.dumps(DIAL).encode())

    response = await http(verb, path, data=packed, headers={**JSON, "Content-Encoding": coding})

    check_problem(response, 415, "unsupported_media_type", dial_state="not_placed" if path == CALLS else None)
    assert [] == gateway["pbx"].adapter.told


async def test_a_packed_body_is_never_unpacked(sidecar, gateway):
    """One that is none breaks nothing: the connection goes on behind it."""
    async with sidecar(gateway) as address:
        status, rest = await raw(
            address,
            b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nabcdef"
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )

    assert (415, True) == (status, b"HTTP/1.1 200 OK" in rest)


async def test_a_retry_whose_body_is_packed_says_nothing_of_the_dial(http):
    """The key's dial may have rung."""
    headers = {**JSON, "Content-Encoding": "gzip", "Idempotency-Key": "k"}

    check_problem(await http("POST", CALLS, data=b"x", headers=headers), 415, "unsupported_media_type", dial_state=None)


async def test_a_body_may_say_that_it_is_as_it_is(http):
    """Some clients name the coding that is none, and some name one where there is no body."""
    said = await http("POST", CALLS, json=DIAL, headers={"Content-Encoding": "Identity"})
    bodiless = await http("GET", CALLS, headers={"Content-Encoding": "gzip"})

    assert (201, 200) == (said.status, bodiless.status)


@pytest.mark.parametrize(
    ("allowed", "verb", "path"),
    [
        ("GET, POST", "DELETE", CALLS),
        ("GET, POST", "PUT", CALLS),
        ("GET, POST", "OPTIONS", CALLS),
        ("GET, POST", "QUERY", CALLS),
        ("POST", "GET", f"{CALLS}/c1/listen"),
        ("GET", "POST", RECORDS),
        ("GET", "POST", "/v1/accounts"),
        ("GET", "POST", "/livez"),
        ("GET, PATCH", "DELETE", "/v1/accounts/pbx/tenants/t"),
    ],
)
async def test_another_method_is_told_which_there_are(http, allowed, verb, path):
    """405 with Allow. There is no CORS to be had either."""
    response = await http(verb, path)

    check_problem(response, 405, "method_not_allowed")
    assert allowed == response.headers["Allow"]
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_head_is_refused_without_a_body(http):
    """As HTTP wants it."""
    response = await http("HEAD", RECORDS)

    assert (405, b"", "GET") == (response.status, response.body, response.headers["Allow"])


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v2/accounts", "/v1/accounts/", f"{CALLS}/", f"{CALLS}/c1/dance", "/hooks/pbx", "//", "/%00"],
)
async def test_another_path_is_not_found(http, path):
    """With where to look."""
    problem = check_problem(await http("GET", path), 404, "not_found")

    assert "/docs" in problem["detail"]


async def test_an_account_that_there_is_not_is_told_with_the_nearest(http):
    """Nothing was dialled."""
    problem = check_problem(
        await http("POST", "/v1/accounts/pbxx/calls", json=DIAL), 404, "not_found", dial_state="not_placed"
    )

    assert "did you mean 'pbx'" in problem["detail"]


@pytest.mark.parametrize(
    ("field", "query"),
    [
        ("limt", "limt=5"),
        ("limit", "limit=5&limit=6"),
        ("limit", "limit=abc"),
        ("limit", "limit="),
        ("limit", "limit=1.5"),
        ("limit", "limit=" + "9" * 5000),
        ("limit", "limit=0"),
        ("since", "since=2026-01-31"),
        ("since", "since=yesterday"),
        ("since", "since=2026-01-31T09:00:00"),
        ("until", "since=2026-01-31T09:00:00Z&until=2026-01-30T09:00:00Z"),
        ("direction", "direction=sideways"),
        ("extension", "extension=101&extension=102"),
        ("extension", "extension=%20"),
        ("raw", "raw=maybe"),
        ("raw", "raw=1&raw=1"),
        ("cursor", "cursor=nonsense"),
        ("", "=x"),
        ("record_id", "record_id=x"),
    ],
)
async def test_a_bad_query_is_named(http, field, query):
    """Unknown, repeated or of the wrong form."""
    problem = check_problem(await http("GET", f"{RECORDS}?{query}"), 400, "invalid_request", operation="list_records")

    assert [field] == list(problem["fields"])


async def test_a_zone_in_a_query_need_not_be_encoded(http):
    """`+07:00` arrives as ` 07:00`."""
    response = await http("GET", f"{RECORDS}?since=2026-01-31T09:00:00+07:00")

    assert 200 == response.status


async def test_a_body_of_a_get_is_refused(http):
    """It would be ignored, and nothing is ignored."""
    check_problem(await http("GET", CALLS, json={}), 400, "invalid_request")


# Nothing is a 500

NASTY_PATHS = [
    "/v1/accounts/%2e%2e/calls",
    "/v1/accounts/..%2f..%2fetc%2fpasswd/calls",
    "/v1/accounts/pbx/records/%00",
    "/v1/accounts/pbx/records/%0d%0aX-Evil:%201",
    "/v1/accounts/pbx/records/%ff%fe",
    "/v1/accounts/pbx/records/%ed%a0%80",
    "/v1/accounts/pbx/records/%",
    "/v1/accounts/pbx/records/%zz",
    "/v1/accounts/pbx/records/%20",
    "/v1/accounts/pbx/records/" + "x" * 7000,
    "/v1/accounts/pbx/records/{record_id}",
    "/v1/accounts/pbx/records/%2e%2e/recording",
    "/v1/accounts/pbx/records?" + "&".join(f"a{number}=1" for number in range(500)),
    "/v1/accounts/pbx/records?since=%ff",
    "/v1/accounts/pbx/records?since=0001-01-01T00:00:00%2B14:00",
    "/v1/accounts/pbx/records?%00=%00",
    "/v1/accounts/pbx/records?cursor=%F0%9F%98%80",
    "/v1/accounts/pbx/records?cursor=e30=",
    "/v1/accounts/pbx/records?cursor=eyJsaW1pdCI6IDB9",
    "/v1/accounts/pbx/records?cursor=eyJzaW5jZSI6ICJ4In0=",
    "/v1/accounts/pbx/records?number[$ne]=1",
    "/v1/accounts/%F0%9F%98%80/calls",
    "/docs/..%2f..%2fsetup.py",
    "/docs/%2e%2e/%2e%2e/etc/passwd",
    "/docs/%00",
    "/v1/accounts?x=1",
    "/v1/accounts/pbx/calls;jsessionid=1",
    "/v1/accounts/sales/records?cursor=pbx",
]


@pytest.mark.parametrize("path", NASTY_PATHS)
async def test_a_nasty_path_is_the_callers_mistake(sidecar, gateway, caplog, path):
    """As it stands, on a raw socket. The response is a 2xx or 4xx, in JSON, and not a line of ours about a failure."""
    caplog.set_level(logging.ERROR)
    async with sidecar(gateway) as address:
        status, body = await raw(
            address, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )

    assert 200 <= status < 500, body
    assert [] == caplog.records


NASTY_HEADERS = [
    b"Authorization: Bearer \xff\xfe",
    b"Authorization: Bearer",
    b"Authorization: Basic dTpw",
    b"Authorization: " + b"x" * 8000,
    b"Accept: \xff",
    b"Accept: */*;q=\x80",
    b"Range: \xff",
    b"Range:",
    b"Idempotency-Key: \xff",
    b"X-Request-Id: \xff",
    b"X-Request-Id: " + b"x" * 5000,
    b"Origin: \xff",
    b"Origin: null",
    b"Content-Type: \xff/\xfe",
    b"Content-Type: application/json\xff",
    b"Content-Type: ;;;",
    b"Content-Type: application/json; charset=\xff",
    b"Content-Encoding: \xff",
    b"Cookie: \xff=\xff",
    b"If-None-Match: \xff",
    b"If-Modified-Since: \xff",
    b"X-HTTP-Method-Override: DELETE",
]


@pytest.mark.parametrize(
    "start",
    [
        b"POST /v1/accounts/pbx/calls",
        b"GET /v1/accounts/pbx/records/r/recording",
        b"GET /v1/accounts/pbx/records",
        b"GET /docs/swagger-ui.css",
    ],
)
@pytest.mark.parametrize("keys", [[], [{"name": "k", "sha256": "a" * 64, "scopes": ["calls"]}]])
async def test_a_nasty_header_is_the_callers_mistake(gateway_of, sidecar, caplog, start, keys):
    """Bytes that are no text included."""
    caplog.set_level(logging.ERROR)
    statuses = {}
    pbx = Memory("pbx", Settings())
    async with gateway_of({"pbx": pbx}, proxy={"keys": keys}) as gateway, sidecar(gateway) as address:
        for header in NASTY_HEADERS:
            head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n" + header
            statuses[header], _ = await raw(address, start + head + b"\r\n\r\n{}")

    assert {} == {header: status for header, status in statuses.items() if not 200 <= status < 500}
    assert [] == caplog.records


async def test_what_a_sidecar_counts_has_no_words_of_its_clients(http):
    """However many paths, accounts and ids somebody makes up; there is something to see without a journal, too."""
    await http("POST", CALLS, json=DIAL)
    await http("POST", CALLS, json={**DIAL, "extension": "103"})
    for path in ("/made-up", "/v1/accounts/made-up/calls", "/v1/accounts/pbx/dials/made-up", "/v1/made-up"):
        await http("GET", path)
    response = await http("GET", "/metrics")
    shown = response.body.decode()

    assert (200, "text/plain") == (response.status, response.headers["Content-Type"].partition(";")[0])
    for line in (
        'gateway_requests_total{code="ok",operation="start_call"} 1.0',
        'gateway_requests_total{code="agent_busy",operation="start_call"} 1.0',
        'gateway_requests_total{code="not_found",operation="none"} 2.0',
        'gateway_requests_total{code="not_found",operation="list_calls"} 1.0',
        'gateway_dials_total{account="pbx",outcome="placed"} 1.0',
        'gateway_dials_total{account="pbx",outcome="not_placed"} 1.0',
        'gateway_account_open{account="pbx"} 1.0',
        "gateway_journal_trouble 0.0",
    ):
        assert line in shown.splitlines()
    assert not [word for word in ("made-up", DIAL["number"]) if word in shown]


@pytest.mark.parametrize("name", ["Idempotency-Key", "Authorization", "idempotency-key"])
async def test_a_header_that_is_sent_twice_is_refused(gateway_of, sidecar, name):
    """Two that stand between could each take another one for the one that is meant; nobody is rung."""
    pbx = Memory("pbx", Settings())
    head = f"POST {CALLS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    body = json.dumps(DIAL)
    async with gateway_of({"pbx": pbx}) as gateway, sidecar(gateway) as address:
        head += f"Content-Length: {len(body)}\r\n{name}: one\r\n{name}: one\r\n\r\n"
        status, response = await raw(address, (head + body).encode())

    problem = json.loads(response)
    state = "not_placed" if name == "Authorization" else None  # of a key's dial nothing is known
    assert (400, "invalid_request", state) == (status, problem["code"], problem.get("dial_state"))
    assert {name.title(): "must be sent once"} == problem["fields"]
    assert [] == pbx.told


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 100\r\n\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
async def test_half_a_body_is_the_callers_mistake(sidecar, gateway, caplog, body):
    """The client hung up, or sent what is no HTTP; nothing rang and nothing failed here."""
    caplog.set_level(logging.ERROR)
    async with sidecar(gateway) as address:
        await raw(
            address,
            b"POST /v1/accounts/pbx/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + body,
            half=True,
        )

    assert [] == gateway["pbx"].adapter.told
    assert [] == [record for record in caplog.records if record.name == "gateway"]


async def raw(address, request, *, half=False):
    """Status and body of the response to the bytes of *request*; with *half*, our side is closed after them."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    if half:
        writer.write_eof()
    response = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


# Request ids


@pytest.mark.parametrize("given", ["abc-123_X", "0" * 64])
async def test_a_request_id_is_kept(http, given):
    """In the response, in the problem."""
    found = await http("GET", CALLS, headers={"X-Request-Id": given})
    problem = await http("GET", "/nowhere", headers={"X-Request-Id": given})

    assert given == found.headers["X-Request-Id"]
    assert given == problem.json["request_id"]


@pytest.mark.parametrize("given", ["", "a b", "a" * 65, "<script>", "a=b"])
async def test_a_request_id_that_could_spoil_a_log_is_replaced(http, given):
    """By one of ours."""
    found = await http("GET", CALLS, headers={"X-Request-Id": given})

    assert re.fullmatch(r"[0-9a-f]{16}", found.headers["X-Request-Id"])


async def test_a_request_id_is_in_the_log(http, caplog):
    """Of everything that is done for the request."""
    caplog.set_level(logging.INFO, logger="gateway")

    await http("GET", CALLS, headers={"X-Request-Id": "trace-me"})

    assert ["request_id=trace-me" in each.getMessage() for each in caplog.records if each.name == "gateway"] == [True]


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": ""},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "0.0.0.0"},  # noqa: S104 # a name that browsers take for this machine
        {"Host": ""},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("path", [CALLS, "/v1/accounts"])
async def test_a_web_page_of_another_site_can_do_nothing(http, gateway, headers, path):
    """Not with a form, not with a name that points here."""
    verb = {"json": DIAL} if path == CALLS else {}
    response = await http("POST" if verb else "GET", path, headers=headers, **verb)

    check_problem(response, 403, "forbidden")
    assert [] == gateway["pbx"].adapter.told
    if path == CALLS:
        assert "not_placed" == response.json["dial_state"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "127.1.2.3", "[::1]:80"])
async def test_this_machine_has_several_names(http, host):
    """And our own page, the viewer, may ask."""
    response = await http("GET", CALLS, headers={"Host": host, "Origin": f"http://{host.lower()}"})

    assert 200 == response.status


# Beside the operations


async def test_accounts_say_what_they_can_do(http):
    """Interfaces and operations by name; a route names its accounts."""
    items = {each["name"]: each for each in (await http("GET", "/v1/accounts")).json["items"]}

    assert ["pbx", "other", "sales"] == list(items)
    assert {
        "name": "pbx",
        "vendor": "memory",
        "accounts": [],
        "state": "open",
        "reason": None,
        "interfaces": ["click_to_call", "call_control", "history", "recording"],
        "operations": [
            name
            for name, each in OPERATIONS.items()
            if each.interface in ("click_to_call", "call_control", "history", "recording")
        ],
        "support": None,
        "events": {"state": "off", "last_event_at": None, "watermark": None},
    } == items["pbx"]
    assert (None, ["pbx", "other"]) == (items["sales"]["vendor"], items["sales"]["accounts"])


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_answer(http, path):
    """Without asking a vendor."""
    response = await http("GET", path)

    assert (200, {"status": "ok"}) == (response.status, response.json)


async def test_the_viewer_works_offline(http):
    """Every file that the page names is served from here, and nothing else may be loaded."""
    page = await http("GET", "/docs")
    files = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())

    assert (200, "text/html") == (page.status, page.headers["Content-Type"].partition(";")[0])
    assert 3 == len(files)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for file in files:
        response = await http("GET", f"/{file}")
        assert 200 == response.status
        assert len(response.body) > 50
    assert "openapi.json" in (await http("GET", "/docs/start.js")).body.decode()
    assert 200 == (await http("GET", "/openapi.json")).status


@pytest.mark.parametrize("name", ["index.html", "swagger-ui.css.map", "..", "%2e%2e%2f__init__.py", "__init__.py"])
async def test_the_viewer_serves_its_own_files_only(http, name):
    """Not the package's."""
    check_problem(await http("GET", f"/docs/{name}"), 404, "not_found")


@pytest.mark.parametrize("path", [CALLS, "/v1/accounts", "/livez", "/openapi.json", "/docs", "/nowhere"])
async def test_responses_are_neither_kept_nor_guessed(http, path):
    """They hold what not everybody may see."""
    response = await http("GET", path)

    assert ("nosniff", "no-store") == (response.headers["X-Content-Type-Options"], response.headers["Cache-Control"])


async def test_a_fault_of_ours_is_told_and_logged_without_its_text(http, caplog, monkeypatch):
    """A 500 with a request id, and where it happened in the log."""

    def fail(*_):
        raise RuntimeError("s3cr3t")

    monkeypatch.setattr(handlers, "as_plain_list", fail)

    response = await http("GET", "/v1/accounts")

    check_problem(response, 500, "internal_error", origin="gateway", retryable=False)
    assert "s3cr3t" not in response.body.decode() + caplog.text
    assert "event=request.failed" in caplog.text
    assert f"request_id={response.headers['X-Request-Id']}" in caplog.text


@pytest.mark.parametrize("kind", sorted(ERRORS.values(), key=lambda kind: kind.code))
async def test_every_error_is_a_problem_with_its_status(adapter_of, gateway_of, sidecar, ask, kind, monkeypatch):
    """With everything that it carries, and Retry-After where that is known."""
    # The guard lets no plugin raise those that are the gateway's own; they come from its other parts.
    monkeypatch.setattr(Guard, "_declared", lambda _, __, error: error)
    error = kind("Text", vendor_code="E1", retry_after=2.2, dial_state=DialState.PLACED, fields={"number": "odd"})
    async with gateway_of({"a": adapter_of(ClickToCall, start_call=error)}) as gateway, sidecar(gateway) as address:
        response = await ask(address)("POST", "/v1/accounts/a/calls", json=DIAL)

    check_problem(
        response,
        kind.status,
        kind.code,
        detail="Text",
        account="a",
        operation="start_call",
        vendor_code="E1",
        dial_state="placed",
        retry_after=2.2,
        fields={"number": "odd"},
    )
    assert "2" == response.headers["Retry-After"]


async def test_a_remote_gateway_has_no_sidecar(gateway, sidecar):
    """It would be a sidecar of a sidecar, without keys of its own."""
    async with sidecar(gateway) as address, Gateway.remote(address) as remote:
        with pytest.raises(ConfigError, match="accounts of its own"):
            make_app(remote)


async def test_many_unknown_fields_are_told_in_a_few_words(http):
    """Whoever sends forty thousand misspelt names is told of some of them, and nobody else waits for it."""
    response = await http("POST", CALLS, json={**DIAL, **{f"extensio{number}": 1 for number in range(40_000)}})

    problem = check_problem(response, 400, "invalid_request", dial_state="not_placed")
    assert 0 < len(problem["fields"]) <= 20


async def test_a_range_that_is_none_is_left_out_as_http_allows(http, gateway):
    """The header is not an argument: the whole recording is the response."""
    adapter = gateway["pbx"].adapter
    await http("POST", CALLS, json=DIAL)
    record = adapter.end_call("call-1")

    whole = await http("GET", f"{RECORDS}/{record.record_id}/recording")
    response = await http("GET", f"{RECORDS}/{record.record_id}/recording", headers={"Range": "bytes=9-1,pages=2"})

    assert (200, whole.body) == (response.status, response.body)


async def test_a_second_origin_is_looked_at_too(http):
    """The first may be ours, the second a page's."""
    headers = [("Host", "127.0.0.1"), ("Origin", "http://127.0.0.1"), ("Origin", "https://evil.example")]

    response = await http("POST", CALLS, json=DIAL, headers=headers)

    check_problem(response, 403, "forbidden", dial_state="not_placed")


async def test_the_vendors_answer_has_no_column(http):
    """`raw` and CSV do not go together, and that is said."""
    response = await http("GET", f"{RECORDS}?raw=1", headers={"Accept": "text/csv"})

    problem = check_problem(response, 400, "invalid_request")
    assert {"raw"} == set(problem["fields"])
