"""The HTTP helper against real servers: what rings is sent once, and every trouble is one of our errors."""

import asyncio
import contextlib
import datetime
import gzip
import logging
import socket
import ssl

import pytest
import trustme
from gateway_contracts import (
    Account,
    AgentBusy,
    Conflict,
    DialState,
    GatewayError,
    InvalidRequest,
    Origin,
    OutcomeUnknown,
    RateLimited,
    Secret,
    Timeouts,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorTimeout,
    VendorUnavailable,
)
from gateway_contracts.fence import FENCE
from gateway_contracts.http import (
    Answer,
    Effect,
    HttpClient,
    Response,
    SentAndLost,
    Token,
    TokenCache,
    basic_authorization,
    segment,
)
from gateway_contracts.http import client as http_client
from gateway_contracts.http.client import READ_ATTEMPTS

SECRET = "t0ken-s3cr3t"
IN_NO_TIME = Timeouts(connect=1, read=0.4, dial=0.4)  # of which a busy machine may need some to connect
LOST = {
    "dropped": (b"", "drop"),
    "reset": (b"", "reset"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "drop"),
    "half a body": (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"call', "drop"),
    "half a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", "drop"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "drop"),
    "no gzip": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n\r\nabcd", "drop"),
}
GET_AND_OTHERS = ["GET", "POST", "PUT", "DELETE"]


class Tokens:
    """Counts: each token is another."""

    def __init__(self):
        self.given = 0
        self.refused = []

    async def get(self):
        return f"{SECRET}-{self.given + len(self.refused)}"

    def refuse(self, token):
        self.refused.append(token)


@pytest.mark.parametrize("effect", [Effect.RING, Effect.WRITE])
@pytest.mark.parametrize("verb", GET_AND_OTHERS)
@pytest.mark.parametrize("lost", ["dropped", "reset"])
async def test_what_is_more_than_a_read_is_sent_once_over_a_reused_connection(
    scripted, client, http_answer, verb, effect, lost
):
    """aiohttp sends a GET, PUT or DELETE again when a reused connection drops; TEL4VN's click-to-call is a GET."""
    scripted.answers = [http_answer(), LOST[lost], http_answer()]
    http = await client()
    await http.send("GET", "/warm-up")

    with pytest.raises(OutcomeUnknown) as caught:
        await http.send(verb, "/dial", effect=effect)

    assert [(1, "/warm-up"), (1, "/dial")] == [(each.connection, each.target) for each in scripted.received]
    assert (DialState.UNKNOWN if effect is Effect.RING else None) is caught.value.dial_state


async def test_the_session_itself_never_sends_twice(scripted, client, http_answer):
    """Streams and sockets use the session without `send`; the same holds there."""
    scripted.answers = [http_answer(), LOST["dropped"], http_answer()]
    http = await client()
    await http.send("GET", "/warm-up")

    with pytest.raises(SentAndLost):
        await http.session.get(scripted.url)

    assert 2 == len(scripted.received)


async def test_a_read_over_a_reused_connection_is_tried_by_us_alone(scripted, client, http_answer):
    """Our own tries and none of aiohttp's below them."""
    scripted.answers = [http_answer(), LOST["dropped"]]
    http = await client()
    await http.send("GET", "/warm-up")

    with pytest.raises(VendorUnavailable) as caught:
        await http.send("GET", "/list")

    assert READ_ATTEMPTS == len(scripted.received) - 1
    assert Origin.NETWORK is caught.value.origin


async def test_a_read_that_is_answered_later_succeeds(scripted, client, http_answer):
    """A dropped connection and a 503 cost a request each, and no error."""
    scripted.answers = [LOST["dropped"], http_answer(503), http_answer(body=b'{"rows": []}')]
    http = await client()

    answer = await http.send("GET", "/list")

    assert {"rows": []} == answer.data
    assert 3 == len(scripted.received)


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
async def test_a_dial_whose_reply_is_lost_is_unknown_and_not_repeated(scripted, client, lost):
    """Whatever part of the answer arrived: the request was sent."""
    scripted.answers = [lost]
    http = await client()

    with pytest.raises(OutcomeUnknown) as caught:
        await http.send("GET", "/dial", effect=Effect.RING)

    assert 1 == len(scripted.received)
    assert (DialState.UNKNOWN, Origin.NETWORK, "hanoi") == (
        caught.value.dial_state,
        caught.value.origin,
        caught.value.account,
    )


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
async def test_a_read_whose_reply_is_lost_is_unavailable(scripted, client, lost):
    """After our tries."""
    scripted.answers = [lost]
    http = await client()

    with pytest.raises(VendorUnavailable) as caught:
        await http.send("GET", "/list")

    assert READ_ATTEMPTS == len(scripted.received)
    assert caught.value.dial_state is None


async def test_a_redirect_is_not_followed(scripted, client, http_answer):
    """A token must not go wherever an answer points."""
    scripted.answers = [http_answer(302, Location="/elsewhere")]

    with pytest.raises(VendorProtocolError):
        await (await client()).send("GET", "/")

    assert ["/"] == [each.target for each in scripted.received]


async def test_the_adapters_own_reading_of_an_answer_comes_first(scripted, client, http_answer):
    """A 200 can be a refusal, and the adapter says whether it proves that nothing rang."""
    scripted.answers = [http_answer(body=b'{"status": "fail"}')]
    http = await client(classify=lambda _: AgentBusy("busy", vendor_code="BUSY", dial_state=DialState.NOT_PLACED))

    with pytest.raises(AgentBusy) as caught:
        await http.send("GET", "/dial", effect=Effect.RING)

    assert ("hanoi", "BUSY", DialState.NOT_PLACED) == (
        caught.value.account,
        caught.value.vendor_code,
        caught.value.dial_state,
    )


async def test_a_classified_error_without_proof_is_unknown_for_a_dial(scripted, client, http_answer):
    """An adapter that does not think of dialling does not make a lost call look like a refusal."""
    scripted.answers = [http_answer(400)]
    http = await client(classify=lambda _: Conflict("in the way", vendor_code="X"))

    with pytest.raises(OutcomeUnknown) as caught:
        await http.send("GET", "/dial", effect=Effect.RING)

    assert "X" == caught.value.vendor_code
    assert isinstance(caught.value.__cause__, Conflict)


# Nothing was sent


@pytest.mark.parametrize("effect", Effect)
async def test_a_refused_connection_is_a_proof_that_nothing_was_sent(client, closed_port, effect):
    """Nobody listens, so no phone rang."""
    http = await client(f"http://127.0.0.1:{closed_port}")

    with pytest.raises(VendorUnavailable, match="Nothing was sent") as caught:
        await http.send("GET", "/dial", effect=effect)

    assert Origin.NETWORK is caught.value.origin
    assert (DialState.NOT_PLACED if effect is Effect.RING else None) is caught.value.dial_state


async def test_a_name_that_is_not_found_is_a_proof_that_nothing_was_sent(client):
    """`.invalid` is never found (RFC 6761)."""
    http = await client("http://pbx.invalid")

    with pytest.raises(VendorUnavailable, match=r"pbx\.invalid") as caught:
        await http.send("GET", "/dial", effect=Effect.RING)

    assert (DialState.NOT_PLACED, Origin.NETWORK) == (caught.value.dial_state, caught.value.origin)


async def test_a_server_that_speaks_no_tls_is_a_proof_that_nothing_was_sent(client):
    """The request goes out after the handshake only."""
    server = await asyncio.start_server(_say_no, "127.0.0.1", 0)
    async with server:
        http = await client(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

        with pytest.raises(VendorUnavailable, match="Nothing was sent") as caught:
            await http.send("GET", "/dial", effect=Effect.RING)

    assert DialState.NOT_PLACED is caught.value.dial_state


async def _say_no(reader, writer):
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def test_a_certificate_that_nobody_vouches_for_is_a_proof_that_nothing_was_sent(client, tls_server):
    """Certificates are always checked."""
    http = await client(tls_server)

    with pytest.raises(VendorUnavailable, match="TLS") as caught:
        await http.send("GET", "/dial", effect=Effect.RING)

    assert DialState.NOT_PLACED is caught.value.dial_state


@pytest.fixture
def full_server():
    """A port whose queue of new connections is full, so that the next one hangs."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(("connect", "dial"), [(0.1, 5), (0.6, 0.6), (5, 0.6)])
async def test_a_connection_that_hangs_is_a_proof_that_nothing_was_sent(full_server, client, connect, dial):
    """Whichever of the two limits is the shorter."""
    http = await client(full_server, timeouts=Timeouts(connect=connect, dial=dial))

    with pytest.raises(VendorUnavailable) as caught:
        await http.send("GET", "/dial", effect=Effect.RING)

    assert DialState.NOT_PLACED is caught.value.dial_state


@pytest.fixture
async def tls_server():
    """A server with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(_say_no, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_no_time_left_for_a_dial_is_a_proof_that_nothing_was_sent(scripted, client):
    """Getting a token can take all the time there is."""
    http = await client()

    with pytest.raises(VendorUnavailable) as caught:
        await http.send("GET", "/dial", effect=Effect.RING, timeout=1e-9)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert [] == scripted.received


async def test_what_fails_before_the_request_is_a_proof_that_nothing_was_sent(scripted, client):
    """No token, no dial: the login's error says that nothing rang."""

    class Refused(Tokens):
        async def get(self):
            raise VendorAuthFailed("check the api_key")

    http = await client(tokens=Refused())

    with pytest.raises(VendorAuthFailed) as caught:
        await http.send("GET", "/dial", effect=Effect.RING)

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert [] == scripted.received


async def test_a_parameter_takes_the_place_of_the_same_in_the_path(scripted, client, http_answer):
    """A path may bring a query of its own."""
    scripted.answers = [http_answer()]

    await (await client()).send("GET", "/list?page=1&of=all", params=[("page", "2"), ("each", "a"), ("each", "b")])

    assert ["/list?page=2&of=all&each=a&each=b"] == [each.target for each in scripted.received]


def test_a_client_may_be_opened_again_in_another_loop():
    """What it keeps between requests belongs to one opening."""
    http = HttpClient("http://127.0.0.1:9", account=Account(name="hanoi"))

    async def ask():
        async with http:
            with pytest.raises(VendorUnavailable):
                await http.send("GET", "/list", timeout=0.05)

    asyncio.run(ask())
    asyncio.run(ask())


# Deadlines


@pytest.mark.parametrize(
    "answer", [(b"", "hang"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "hang")], ids=["silent", "half"]
)
async def test_a_dial_that_is_not_answered_in_time_is_unknown(scripted, client, answer):
    """The request arrived, so a phone may be ringing."""
    scripted.answers = [answer]

    with pytest.raises(OutcomeUnknown) as caught:
        await (await client(timeouts=IN_NO_TIME)).send("GET", "/dial", effect=Effect.RING)

    assert 1 == len(scripted.received)
    assert DialState.UNKNOWN is caught.value.dial_state


async def test_a_read_that_is_not_answered_in_time_has_changed_nothing(scripted, client):
    """And is not asked again: the time is over."""
    scripted.answers = [(b"", "hang")]

    with pytest.raises(VendorTimeout) as caught:
        await (await client(timeouts=IN_NO_TIME)).send("GET", "/list")

    assert 1 == len(scripted.received)
    assert caught.value.dial_state is None


async def test_a_dial_that_waits_starves_nobody(scripted, client, http_answer):
    """A hundred synchronous click-to-calls are in the air and a read still gets its answer."""
    scripted.answers = [(b"", "hang")]
    http = await client()
    dials = [asyncio.create_task(http.send("GET", "/dial", effect=Effect.RING)) for _ in range(110)]
    async with asyncio.timeout(30):  # only so that a starved dial fails here instead of waiting for ever
        while len(scripted.received) < 110:
            scripted.arrived.clear()
            await scripted.arrived.wait()
    scripted.answers = [http_answer(body=b'{"a": 1}')]

    answer = await http.send("GET", "/list")

    assert {"a": 1} == answer.data
    for dial in dials:
        dial.cancel()
    await asyncio.gather(*dials, return_exceptions=True)


# Tokens


async def test_a_refused_token_is_replaced_and_the_request_sent_once_more(scripted, client, http_answer):
    """A 401 comes before the vendor acts, so even a dial goes out again, with another token."""
    scripted.answers = [http_answer(401), http_answer(body=b'{"a": 1}')]
    tokens = Tokens()

    answer = await (await client(tokens=tokens)).send("GET", "/dial", effect=Effect.RING)

    assert {"a": 1} == answer.data
    assert [f"Bearer {SECRET}-0", f"Bearer {SECRET}-1"] == [each.headers["authorization"] for each in scripted.received]


@pytest.mark.parametrize("effect", Effect)
async def test_a_second_401_is_the_end(scripted, client, http_answer, effect):
    """The account's credentials do not work; nothing rang."""
    scripted.answers = [http_answer(401)]
    tokens = Tokens()

    with pytest.raises(VendorAuthFailed) as caught:
        await (await client(tokens=tokens)).send("GET", "/dial", effect=effect)

    assert 2 == len(scripted.received)
    assert (DialState.NOT_PLACED if effect is Effect.RING else None) is caught.value.dial_state


async def test_a_dial_is_lost_only_once_after_a_401(scripted, client, http_answer):
    """The second request is a dial like any other."""
    scripted.answers = [http_answer(401), LOST["dropped"], http_answer()]

    with pytest.raises(OutcomeUnknown):
        await (await client(tokens=Tokens())).send("GET", "/dial", effect=Effect.RING)

    assert 2 == len(scripted.received)


async def test_without_another_token_nothing_is_sent_again(scripted, client, http_answer):
    """The same token would be refused again."""

    class Fixed(Tokens):
        async def get(self):
            return SECRET

    scripted.answers = [http_answer(401)]

    with pytest.raises(VendorAuthFailed):
        await (await client(tokens=Fixed())).send("GET", "/dial", effect=Effect.RING)

    assert 1 == len(scripted.received)


async def test_without_authorization_no_token_goes_out(scripted, client, http_answer):
    """Logins carry none, and their 401 is final."""
    scripted.answers = [http_answer(401)]
    tokens = Tokens()

    with pytest.raises(VendorAuthFailed):
        await (await client(tokens=tokens)).send("POST", "/login", json={}, authorized=False)

    assert ["authorization" in each.headers for each in scripted.received] == [False]
    assert [] == tokens.refused


REFUSED = {  # what a vendor answers to a token that it no longer takes, beside 401
    "403": (403, b"{}"),
    "400": (400, b'{"error": "token is expired"}'),
    "200": (200, b'{"error": "token is expired"}'),
}


def in_words(answer):
    """The reading of a vendor that refuses a token in words, under whatever status."""
    if isinstance(answer.data, dict) and "token" in answer.data.get("error", ""):
        return VendorAuthFailed(answer.data["error"])
    return None


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_a_read_whose_token_is_refused_in_another_way_is_sent_once_more(scripted, client, http_answer, refused):
    """With another token, and only once."""
    scripted.answers = [http_answer(*refused), http_answer(body=b'{"a": 1}')]
    tokens = Tokens()

    answer = await (await client(tokens=tokens, classify=in_words)).send("GET", "/list")

    assert {"a": 1} == answer.data
    assert [f"{SECRET}-0"] == tokens.refused
    assert [f"Bearer {SECRET}-0", f"Bearer {SECRET}-1"] == [each.headers["authorization"] for each in scripted.received]


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(
    ("effect", "error", "state"),
    [(Effect.RING, OutcomeUnknown, DialState.UNKNOWN), (Effect.WRITE, VendorAuthFailed, None)],
)
async def test_a_dial_or_a_write_whose_token_is_refused_in_another_way_is_sent_once(
    scripted, client, http_answer, refused, effect, error, state
):
    """Only a 401 is known to come before the vendor acts. The next request has another token."""
    scripted.answers = [http_answer(*refused), http_answer()]
    http = await client(tokens=Tokens(), classify=in_words)

    with pytest.raises(error) as caught:
        await http.send("POST", "/dial", effect=effect)
    sent = len(scripted.received)
    await http.send("POST", "/dial", effect=effect)

    assert (1, state) == (sent, caught.value.dial_state)
    assert f"Bearer {SECRET}-1" == scripted.received[-1].headers["authorization"]


async def test_a_dial_that_is_refused_by_403_says_what_the_documents_say_of_it(scripted, client, http_answer):
    """Where 403 is documented as "not done" it proves that nothing rang, and is sent once all the same."""
    scripted.answers = [http_answer(403)]

    with pytest.raises(VendorAuthFailed) as caught:
        await (await client(tokens=Tokens())).send("POST", "/dial", effect=Effect.RING, refusals={403})

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert 1 == len(scripted.received)


async def test_a_missing_right_costs_one_token_and_not_one_for_every_read(scripted, client, http_answer):
    """A 403 that a fresh token does not mend is told, and for a while no other one replaces a token."""
    scripted.answers = [http_answer(403)]
    tokens = Tokens()
    http = await client(tokens=tokens)

    for path in ("/agents", "/agents", "/agents/1"):
        with pytest.raises(VendorAuthFailed):
            await http.send("GET", path)
    with pytest.raises(OutcomeUnknown):
        await http.send("GET", "/dial", effect=Effect.RING)

    assert [f"{SECRET}-0"] == tokens.refused
    assert 5 == len(scripted.received)


async def test_a_refusal_that_another_token_mended_does_not_keep_the_next_from_being_mended(
    scripted, client, http_answer
):
    """A vendor may drop one token after the other."""
    scripted.answers = [http_answer(403), http_answer()] * 3
    tokens = Tokens()
    http = await client(tokens=tokens)

    for _ in range(3):
        await http.send("GET", "/list")

    assert [f"{SECRET}-{count}" for count in range(3)] == tokens.refused


async def test_another_request_that_gets_through_does_not_clear_a_missing_right(scripted, client, http_answer):
    """Else a forbidden read would cost a token whenever an allowed one came between."""
    tokens = Tokens()
    http = await client(tokens=tokens)

    for _ in range(3):
        scripted.answers = [http_answer(403)]
        with pytest.raises(VendorAuthFailed):
            await http.send("GET", "/list", params=[("of", "others")])
        scripted.answers = [http_answer()]
        await http.send("GET", "/list", params=[("of", "us")])

    assert 1 == len(tokens.refused)


async def test_after_a_while_a_refusal_is_taken_for_the_tokens_again(scripted, client, http_answer, monkeypatch):
    """So that a token that is revoked meanwhile is not kept for a day."""
    monkeypatch.setattr(http_client, "DOUBT_SECONDS", 0)
    scripted.answers = [http_answer(403)]
    tokens = Tokens()
    http = await client(tokens=tokens)

    for _ in range(2):
        with pytest.raises(VendorAuthFailed):
            await http.send("GET", "/agents")

    assert 2 == len(tokens.refused)


async def test_many_whose_token_is_refused_by_403_share_the_next_one(scripted, client, http_answer):
    """One token for all, whatever they asked for."""
    fetched = []

    async def fetch():
        fetched.append(len(fetched))
        await asyncio.sleep(0)
        return Token(f"t{len(fetched)}", renew_at=1e12)

    scripted.answers = [lambda request: http_answer(403 if request.headers["authorization"] == "Bearer t1" else 200)]
    http = await client(tokens=TokenCache(fetch))

    await asyncio.gather(*(http.send("GET", f"/list/{count}") for count in range(20)))

    assert 2 == len(fetched)


class NoSecond(Tokens):
    """Has one token, and cannot get another."""

    async def get(self):
        if self.refused:
            raise VendorUnavailable("the vendor gives no tokens")
        return SECRET


@pytest.mark.parametrize(("status", "state"), [(401, DialState.NOT_PLACED), (403, DialState.UNKNOWN)])
async def test_a_dial_is_not_placed_only_where_its_refusal_says_so(scripted, client, http_answer, status, state):
    """That no other token comes adds nothing to a 401, and takes nothing from a 403."""
    scripted.answers = [http_answer(status)]

    with pytest.raises(GatewayError) as caught:
        await (await client(tokens=NoSecond())).send("GET", "/dial", effect=Effect.RING)

    assert state is caught.value.dial_state
    assert 1 == len(scripted.received)


async def test_a_read_that_send_does_not_cover_gets_another_token_once(client):
    """A stream that the vendor refuses is opened once more; a missing right costs one token."""
    seen = []
    tokens = Tokens()
    http = await client(tokens=tokens)

    async def read(headers):
        seen.append(headers["Authorization"])
        if len(seen) != 2:
            raise VendorAuthFailed("no")
        return "audio"

    found = await http.authorized(read, of="/recording/1")
    for _ in range(2):
        with pytest.raises(VendorAuthFailed):
            await http.authorized(read, of="/recording/2")

    assert ("audio", [0, 1, 1, 2, 2]) == (found, [int(each.rpartition("-")[2]) for each in seen])


# A success that needs no body


BODIES = {
    "none": b"",
    "text": b"OK",
    "a page": b"<html>",
    "a list": b"[1]",
    "a refusal": b'{"status": "fail", "code": 400}',
    "no UTF-8": b"\xff\xfe{",
    "half of JSON": b'{"call_id": ',
    "JSON behind a mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_status_that_is_a_success_is_one_whatever_its_body_is(scripted, client, http_answer, body):
    """The vendor documents the status and shows no body, so there is none that would take it back."""
    scripted.answers = [http_answer(200, body, content_type="text/html")]
    http = await client(classify=lambda _: AgentBusy("busy", dial_state=DialState.NOT_PLACED))

    answer = await http.send("POST", "/dial", effect=Effect.RING, successes={200})

    assert (200, body) == (answer.status, answer.body)


@pytest.mark.parametrize("lost", ["half a body", "half a chunk", "no gzip", "reset", "hung", "too large"])
async def test_a_status_that_is_a_success_is_not_lost_with_its_body(scripted, client, http_answer, monkeypatch, lost):
    """It was seen. The request is not sent again."""
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 1000)
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    others = {"reset": (begun, "reset"), "hung": (begun, "hang"), "too large": http_answer(body=b" " * 2000)}
    scripted.answers = [others.get(lost) or LOST[lost]]

    answer = await (await client(timeouts=IN_NO_TIME)).send("POST", "/dial", effect=Effect.RING, successes={200})

    assert (200, None) == (answer.status, answer.data)
    assert 1 == len(scripted.received)


@pytest.mark.parametrize("lost", ["dropped", "reset", "half a head"])
async def test_a_status_that_was_not_seen_is_no_success(scripted, client, lost):
    """The connection is gone before it, or half-way through what stands around it."""
    scripted.answers = [LOST[lost]]

    with pytest.raises(OutcomeUnknown):
        await (await client()).send("POST", "/dial", effect=Effect.RING, successes={200})


# Requests


async def test_a_request_arrives_as_it_was_given(scripted, client):
    """Query, body and headers; nothing is added to the body, nothing encoded twice."""
    http = await client(headers={"X-Vendor": "1"})

    await http.send(
        "POST",
        f"/calls/{segment('call_id', 'a/b c%')}",
        params=[("from", "+84 1"), ("a", "1"), ("a", "ă&=")],
        json={"x": [1, None]},
        headers={"X-More": "2"},
    )

    found = scripted.received[0]
    assert ("POST", b'{"x":[1,null]}') == (found.verb, found.body)
    assert found.target.startswith("/calls/a%2Fb%20c%25?from=%2B84")
    assert found.target.endswith("&a=1&a=%C4%83%26%3D")
    assert ("application/json", "1", "2", "application/json") == (
        found.headers["content-type"],
        found.headers["x-vendor"],
        found.headers["x-more"],
        found.headers["accept"],
    )


async def test_cookies_are_not_kept(scripted, client, http_answer):
    """A vendor's session cookie must not tie one request to another."""
    scripted.answers = [http_answer(Set_Cookie="session=1; Path=/")]
    http = await client(scripted.url.replace("127.0.0.1", "localhost"))  # addresses have no cookies anyway

    await http.send("GET", "/")
    await http.send("GET", "/")

    assert [False, False] == ["cookie" in each.headers for each in scripted.received]


async def test_proxies_and_passwords_of_the_environment_are_not_used(scripted, client, monkeypatch, tmp_path):
    """A .netrc of the machine's user must not become a vendor's credentials."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    await (await client()).send("GET", "/")

    assert "authorization" not in scripted.received[0].headers


@pytest.mark.parametrize("value", ["", " ", ".", "..", "a\nb", "a\x00b", "a\tb", "x" * 513, "\u202e"])
def test_an_id_that_would_change_the_path_is_refused(value):
    """`..` would leave the resource, and a line break the request."""
    with pytest.raises(InvalidRequest) as caught:
        segment("call_id", value)

    assert {"call_id": "is not an id"} == caught.value.fields


@pytest.mark.parametrize(
    ("expected", "value"),
    [("a%2Fb", "a/b"), ("..%2F..", "../.."), ("%3Fx%23", "?x#"), ("%25", "%"), ("gi%C3%A1", "giá")],
)
def test_an_id_is_one_part_of_the_path(expected, value):
    """Whatever it holds."""
    assert expected == segment("call_id", value)


async def test_a_client_must_be_open(scripted):
    """The error says what to write."""
    http = HttpClient(scripted.url, account=Account(name="hanoi"))

    with pytest.raises(RuntimeError, match="async with"):
        await http.send("GET", "/")


# Answers


async def test_an_answer_that_is_too_large_is_not_read_on_nor_again(scripted, client, http_answer, monkeypatch):
    """Memory is not the vendor's to fill, and asking again would not help."""
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 1000)
    scripted.answers = [http_answer(body=b"[" + b" " * 2000 + b"]")]
    http = await client()

    with pytest.raises(VendorProtocolError, match="larger"):
        await http.send("GET", "/list")
    with pytest.raises(OutcomeUnknown, match="larger"):
        await http.send("GET", "/dial", effect=Effect.RING)

    assert 2 == len(scripted.received)


async def test_an_answer_that_does_not_say_how_large_it_is_has_the_same_bound(scripted, client, monkeypatch):
    """It is read part by part, and no further."""
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 1000)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    small, large = b"2\r\n[]\r\n0\r\n\r\n", b"7d2\r\n[" + b" " * 2000 + b"]\r\n0\r\n\r\n"
    scripted.answers = [head + small, head + large]
    http = await client()

    assert [] == (await http.send("GET", "/list")).data
    with pytest.raises(VendorProtocolError, match="larger"):
        await http.send("GET", "/list")


async def test_an_answer_that_unpacks_too_large_is_refused(scripted, client, http_answer, monkeypatch):
    """A few bytes of gzip can be a gigabyte."""
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 100_000)
    scripted.answers = [http_answer(body=gzip.compress(b" " * 1_000_000), Content_Encoding="gzip")]

    with pytest.raises(VendorProtocolError, match="larger"):
        await (await client()).send("GET", "/list")


async def test_retry_after_may_be_a_date(scripted, client, http_answer):
    """The seconds until then."""
    scripted.answers = [http_answer(503, Retry_After="Fri, 31 Dec 2999 23:59:59 GMT")]
    http = await client()

    with pytest.raises(VendorUnavailable) as caught:
        await http.send("GET", "/")

    assert caught.value.retry_after > datetime.timedelta(days=365 * 900).total_seconds()


async def test_a_wait_longer_than_the_deadline_is_not_waited(scripted, client, http_answer):
    """The caller is told at once."""
    scripted.answers = [http_answer(429, Retry_After="3600")]

    with pytest.raises(RateLimited) as caught:
        await (await client()).send("GET", "/")

    assert 1 == len(scripted.received)
    assert 3600.0 == caught.value.retry_after


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("effect", Effect)
async def test_no_secret_and_no_payload_gets_into_errors_or_logs(scripted, client, http_answer, caplog, effect, status):
    """Neither token nor what was sent, nor a vendor's page that repeats them."""
    caplog.set_level(logging.DEBUG)
    scripted.answers = [http_answer(status, f"<p>{SECRET} password</p>".encode(), content_type="text/html")]
    http = await client(tokens=Tokens())

    with pytest.raises(GatewayError) as caught:
        await http.send(
            "POST", "/login", params=[("secret", SECRET)], json={"password": f"password {SECRET}"}, effect=effect
        )

    shown = f"{caught.value!r} {caught.value} {caught.value.as_problem()} {caplog.text} {http!r}"
    assert SECRET not in shown
    assert "password" not in shown


@pytest.mark.parametrize("effect", Effect)
async def test_a_secret_that_the_vendor_repeats_is_in_no_cause_either(scripted, client, http_answer, effect):
    """Whoever logs an error with what caused it shows no more than the error."""
    scripted.answers = [http_answer(500, b'{"error": "x"}')]

    def classify(answer):
        return VendorUnavailable(f"refused {SECRET}", vendor_code=SECRET)

    http = await client(classify=classify)
    with pytest.raises(GatewayError) as caught:
        await http.send("POST", "/login", json={"password": Secret(SECRET)}, effect=effect)

    error = caught.value
    while isinstance(error, GatewayError):
        assert SECRET not in f"{error!r} {error.as_problem()}"
        error = error.__cause__


# Bodies that are not JSON


async def test_a_form_arrives_as_one(scripted, client):
    """Every field in its order, one name twice, and whatever must be encoded."""
    http = await client()

    await http.send(
        "POST", "/dial", form=[("agent", "101"), ("agent", "102"), ("text", "a&b=c ü+")], effect=Effect.RING
    )

    (request,) = scripted.received
    assert "application/x-www-form-urlencoded" == request.headers["content-type"]
    assert b"agent=101&agent=102&text=a%26b%3Dc+%C3%BC%2B" == request.body


async def test_what_rings_by_a_form_is_sent_once(scripted, client):
    """The body's kind changes nothing of that."""
    scripted.answers = [LOST["dropped"]]
    http = await client()

    with pytest.raises(OutcomeUnknown):
        await http.send("POST", "/dial", form=[("agent", "101")], effect=Effect.RING)

    assert 1 == len(scripted.received)


def words(body):
    if not body.startswith(b"<"):
        raise ValueError("is not XML")
    return {"words": body[1:-1].decode().split()}


async def test_a_body_is_read_by_the_vendors_own_decoder(scripted, client, http_answer):
    """Its data comes in place of JSON; an empty body is none."""
    scripted.answers = [http_answer(body=b"<a b>", content_type="text/xml"), http_answer(body=b"")]
    http = await client(decode=words)

    first, second = await http.send("GET", "/"), await http.send("GET", "/")

    assert ({"words": ["a", "b"]}, None) == (first.data, second.data)


@pytest.mark.parametrize(("effect", "expected"), [(Effect.READ, VendorProtocolError), (Effect.RING, OutcomeUnknown)])
async def test_what_the_decoder_cannot_read_is_no_success(scripted, client, http_answer, effect, expected):
    """As for JSON: nonsense for a read, nothing proven for a dial."""
    scripted.answers = [http_answer(body=b'{"id": 1}')]
    http = await client(decode=words)

    with pytest.raises(expected, match="cannot be read"):
        await http.send("POST", "/", effect=effect)


async def test_basic_credentials_are_blotted_out_with_and_without_their_scheme(scripted, client, http_answer):
    """A vendor's error may repeat either."""
    header = "Basic Z2F0ZXdheTpodW50ZXIy"
    scripted.answers = [http_answer(400, b"{}")]
    http = await client(classify=lambda _: VendorRejected(f"bad {header}, that is {header[6:]}"))

    with pytest.raises(VendorRejected) as caught:
        await http.send("GET", "/", headers={"Authorization": Secret(header)})

    assert "Z2F0" not in caught.value.message


@pytest.fixture
def fence():
    """What the gateway looks at before a dial is sent: it notes what was received by then, and may *refuse*."""

    class Fence:
        refuses = False
        passed = 0

        async def __call__(self):
            self.passed += 1
            if self.refuses:
                raise GatewayError("too late", dial_state=DialState.NOT_PLACED)

    check = Fence()
    token = FENCE.set(check)
    yield check
    FENCE.reset(token)


@pytest.mark.parametrize("warm", [True, False])
async def test_what_rings_passes_the_fence_when_its_connection_stands(scripted, client, http_answer, fence, warm):
    """A new connection or one that is reused; what does not ring passes none, a token neither."""
    scripted.answers = [http_answer()] * 3
    http = await client()
    if warm:
        await http.send("GET", "/warm-up")
    await http.send("GET", "/dial", effect=Effect.RING)
    assert 1 == fence.passed
    await http.send("POST", "/hook", effect=Effect.WRITE)

    assert 1 == fence.passed


@pytest.mark.parametrize("verb", GET_AND_OTHERS)
@pytest.mark.parametrize("warm", [True, False])
async def test_no_byte_of_what_is_refused_at_the_fence_is_sent(scripted, client, http_answer, fence, verb, warm):
    """Its error comes out as it is, and the connection can be used."""
    scripted.answers = [http_answer()] * 3
    http = await client()
    if warm:
        await http.send("GET", "/warm-up")
    fence.refuses = True
    with pytest.raises(GatewayError, match="too late") as caught:
        await http.send(verb, "/dial", effect=Effect.RING)
    await http.send("GET", "/after")

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert "/dial" not in [each.target for each in scripted.received]
    assert 1 == len({each.connection for each in scripted.received})


def test_basic_authentication_is_a_secret_in_utf_8():
    """The example of RFC 7617, and its header in no log."""
    found = basic_authorization("test", Secret("123\u00a3"))

    assert ("Basic dGVzdDoxMjPCow==", "Secret('********')") == (found.reveal(), repr(found))


def test_the_names_of_before_still_stand_for_the_same():
    """A plugin that was built before imports them."""
    assert Response is Answer
    assert HttpClient.response_of is HttpClient.answer_of
