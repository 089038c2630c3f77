"""A gateway over a sidecar that misbehaves: what rings is asked for once, and no answer is taken for what it is not."""

import json

import pytest
from gateway_contracts import INTERFACES, OPERATIONS, Campaigns, Tenants, interface_name, operations_of
from gateway_contracts.http import client as http_client

from gateway import (
    DialState,
    Gateway,
    GatewayError,
    InvalidRequest,
    NotFound,
    Origin,
    OutcomeUnknown,
    QueueKind,
    RateLimited,
    Unauthenticated,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorUnavailable,
)

SECRET = "k3y-s3cr3t"
DIAL = {"extension": "101", "number": "0899098899"}
ACCOUNTS = {
    "items": [
        {
            "name": "pbx",
            "vendor": "memory",
            "accounts": [],
            "state": "open",
            "interfaces": [*(interface_name(each) for each in INTERFACES), "weather"],
            "operations": [],
        }
    ]
}
STEERED = ["transfer_call", "listen_call", "whisper_call", "barge_call", "park_call"]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch):
    monkeypatch.setattr(http_client, "FIRST_BACKOFF_SECONDS", 0)


@pytest.fixture
async def pbx(scripted, http_answer):
    """The account of a scripted sidecar, with a connection that is reused."""
    scripted.answers = [http_answer(body=json.dumps(ACCOUNTS).encode())]
    async with Gateway.remote(scripted.url + "/", key=SECRET) as gateway:
        scripted.received.clear()
        yield gateway["pbx"]


def ring(pbx, name):
    """Carries out an operation that rings."""
    if name == "start_call":
        return pbx.click_to_call.start_call(**DIAL)
    arguments = {"transfer_call": {"to": "1"}, "park_call": {"leg": "a"}}.get(name, {"extension": "1"})
    return getattr(pbx.call_control, name)("c1", **arguments)


@pytest.mark.parametrize("name", ["start_call", *STEERED])
@pytest.mark.parametrize(
    "lost", [(b"", "drop"), (b"", "reset"), (b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", "drop")]
)
async def test_a_sidecar_that_drops_the_connection_is_asked_once(scripted, pbx, name, lost):
    """One POST, over a reused connection, and the outcome is unknown."""
    scripted.answers = [lost]

    with pytest.raises(OutcomeUnknown) as caught:
        await ring(pbx, name)

    assert ["POST"] == [each.verb for each in scripted.received]
    assert (DialState.UNKNOWN, "pbx", name) == (
        caught.value.dial_state,
        caught.value.account,
        caught.value.operation,
    )


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
async def test_something_in_between_proves_nothing(scripted, pbx, http_answer, status):
    """A web page of a load balancer is no answer of the sidecar's."""
    scripted.answers = [http_answer(status, b"<html>", content_type="text/html")]

    with pytest.raises(GatewayError) as caught:
        await pbx.click_to_call.start_call(**DIAL)

    # What stands before the sidecar refuses a key before it passes a request on.
    expected = DialState.NOT_PLACED if status == 401 else DialState.UNKNOWN
    assert expected is caught.value.dial_state
    assert 1 == len(scripted.received)


async def test_a_key_that_is_refused_is_not_shown_again(scripted, pbx, http_answer):
    """It is the same key."""
    problem = {"code": "unauthenticated", "detail": "The key is not known", "dial_state": "not_placed"}
    scripted.answers = [http_answer(401, json.dumps(problem).encode())]

    with pytest.raises(Unauthenticated) as caught:
        await pbx.click_to_call.start_call(**DIAL)

    assert 1 == len(scripted.received)
    assert DialState.NOT_PLACED is caught.value.dial_state


async def test_a_sidecar_that_is_not_there_rang_nothing(closed_port, pbx, monkeypatch):
    """No connection, no request."""
    monkeypatch.setattr(pbx.carry_out._http, "base_url", f"http://127.0.0.1:{closed_port}")

    with pytest.raises(VendorUnavailable) as caught:
        await pbx.click_to_call.start_call(**DIAL)

    assert (DialState.NOT_PLACED, Origin.NETWORK) == (caught.value.dial_state, caught.value.origin)


async def test_a_problem_without_dial_state_is_unknown_for_what_rings(scripted, pbx, http_answer):
    """The sidecar itself failed, who knows when."""
    scripted.answers = [http_answer(500, b'{"code": "internal_error", "detail": "The gateway failed"}')]

    with pytest.raises(OutcomeUnknown) as caught:
        await pbx.click_to_call.start_call(**DIAL)

    assert DialState.UNKNOWN is caught.value.dial_state


@pytest.mark.parametrize(
    "problem",
    [
        {},
        [],
        "text",
        {"code": "of_tomorrow", "detail": "?"},
        {"code": 5},
        {"code": ["not_found"]},
        {"code": "not_found", "fields": "text"},
        {"code": "not_found", "fields": [1]},
        {"code": "not_found", "origin": "moon", "dial_state": 5, "retry_after": "soon", "detail": None},
    ],
)
async def test_a_problem_of_another_shape_is_still_an_error_of_ours(scripted, pbx, http_answer, problem):
    """A newer sidecar, or something that looks like one."""
    scripted.answers = [http_answer(404, json.dumps(problem).encode(), content_type="application/problem+json")]

    with pytest.raises(NotFound) as caught:
        await pbx.history.get_record("r")

    assert "pbx" == caught.value.account
    assert caught.value.as_problem()


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"items": 5}', b'{"items": [{}]}', b'{"items": [{"record_id": 1}]}', b"<p>"]
)
async def test_an_answer_of_another_shape_is_no_value(scripted, pbx, http_answer, body):
    """Types are checked on this side too."""
    scripted.answers = [http_answer(body=body)]

    with pytest.raises(VendorProtocolError):
        await pbx.history.list_records()


@pytest.mark.parametrize("error", [Unsupported, VendorAuthFailed, VendorUnavailable, VendorRejected, RateLimited])
@pytest.mark.parametrize("name", ["create_tenant", "stop_queue"])
async def test_what_the_sidecar_says_of_a_write_is_what_happened(
    scripted, pbx, http_answer, adapter_of, gateway_of, sidecar, error, name
):
    """A 5xx of the sidecar is no guess: it has judged already, and both sides raise the same."""
    adapter = adapter_of(Tenants, Campaigns, **{name: error("Text")})

    def act(account):
        if name == "create_tenant":
            return account.tenants.create_tenant(tenant_id="t")
        return account.campaigns.stop_queue("q", kind=QueueKind.AUTOCALL)

    async with (
        gateway_of({"a": adapter}) as embedded,
        sidecar(embedded) as address,
        Gateway.remote(address) as remote,
    ):
        with pytest.raises(GatewayError) as here:
            await act(embedded["a"])
        with pytest.raises(GatewayError) as there:
            await act(remote["a"])

    assert error is type(there.value)
    assert here.value.as_problem() == {**there.value.as_problem(), "request_id": here.value.request_id}


async def test_an_operation_is_asked_for_as_the_document_says(scripted, pbx, http_answer):
    """Ids in the path, encoded; arguments in query or body, but for defaults, which an older sidecar may not know; the
    key in its header.
    """
    scripted.answers = [http_answer(204, b"")]
    await pbx.call_control.transfer_call("a/b c?", to="102")
    await pbx.tenants.update_tenant("t", enabled=False)
    await pbx.campaigns.delete_queue("q", kind="autocall")
    await pbx.call_control.transfer_call("c", to="102", leg=None)
    with pytest.raises(OutcomeUnknown):  # its response has no body
        await pbx.click_to_call.start_call(**DIAL, wait=False, auto_answer=True)

    assert [
        ("POST", "/v1/accounts/pbx/calls/a%2Fb%20c%3F/transfer", b'{"to":"102"}'),
        ("PATCH", "/v1/accounts/pbx/tenants/t", b'{"enabled":false}'),
        ("DELETE", "/v1/accounts/pbx/queues/q?kind=autocall", b""),
        ("POST", "/v1/accounts/pbx/calls/c/transfer", b'{"to":"102"}'),
        ("POST", "/v1/accounts/pbx/calls", b'{"extension":"101","number":"0899098899","auto_answer":true}'),
    ] == [(each.verb, each.target, each.body) for each in scripted.received]
    assert {f"Bearer {SECRET}"} == {each.headers["authorization"] for each in scripted.received}


async def test_bad_arguments_do_not_leave(scripted, pbx):
    """They are known to be bad here."""
    with pytest.raises(InvalidRequest) as caught:
        await pbx.call_control.transfer_call("..", to="102")
    with pytest.raises(InvalidRequest):
        await pbx.click_to_call.start_call(extension="101", number=5)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert [] == scripted.received


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: nonsense\r\n\r\nRIFF",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\nRIFF",
        b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/html\r\n\r\n<p>x",
        b"nonsense",
    ],
)
async def test_a_recording_of_another_shape_is_an_error_of_ours(scripted, pbx, answer):
    """And the connection is given back."""
    scripted.answers = [(answer, "drop")]

    with pytest.raises(GatewayError):
        await pbx.recording.fetch_recording("r")


async def test_a_recording_that_breaks_off_is_an_error(scripted, pbx):
    """As it is when the account lives here."""
    scripted.answers = [(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nContent-Type: audio/wav\r\n\r\nRIFF", "drop")]

    with pytest.raises(VendorUnavailable):
        async with await pbx.recording.fetch_recording("r") as audio:
            await audio.read()


async def test_an_interface_of_tomorrow_is_passed_over(pbx):
    """A newer sidecar may have more."""
    assert INTERFACES == pbx.interfaces
    assert OPERATIONS.keys() == {name for each in pbx.interfaces for name in operations_of(each)}


@pytest.mark.parametrize("answer", [b"[]", b"<html>", b'{"items": {}}', b'{"items": [{"name": 5}]}'])
async def test_what_is_no_sidecar_is_found_at_once(scripted, http_answer, answer):
    """When the gateway is opened."""
    scripted.answers = [http_answer(body=answer)]

    with pytest.raises(VendorProtocolError):
        async with Gateway.remote(scripted.url):
            pass


async def test_the_key_is_not_shown(scripted, http_answer, caplog):
    """Neither by the gateway nor by its errors."""
    scripted.answers = [http_answer(401, b"{}")]
    gateway = Gateway.remote(scripted.url, key=SECRET)

    with pytest.raises(VendorAuthFailed) as caught:
        await gateway.__aenter__()

    assert SECRET not in f"{gateway!r} {caught.value!r} {caught.value} {caught.value.as_problem()} {caplog.text}"


async def test_webhooks_are_not_parsed_at_a_distance(pbx):
    """They arrive where the account lives."""
    with pytest.raises(Unsupported):
        await pbx.events.parse_webhook(None)
    with pytest.raises(Unsupported):
        await anext(aiter(pbx.events.follow_events()))
