"""AntBuddy at its worst: a vendor that is broken, hostile, or only strange, over HTTP and over its socket."""

import asyncio
import contextlib
import json
import logging
import random
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from aiohttp import web
from gateway_antbuddy import Settings
from gateway_antbuddy.adapter import open_adapter
from gateway_antbuddy.calls import GREGORIAN, MAX_LEGS, Calls
from gateway_antbuddy.limits import RequestLimit
from gateway_antbuddy.packets import PacketType, packets
from gateway_antbuddy.sockets import MAX_SILENCE, MIN_SILENCE, open_connection
from gateway_antbuddy.stream import STEADY_SECONDS, CallStream
from gateway_antbuddy.wire import call_id_of
from gateway_contracts import Account, Timeouts, dumps, from_settings
from gateway_simulators import Fault, ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator

from gateway import (
    ConfigError,
    DialState,
    EventType,
    GatewayError,
    RateLimited,
    Secret,
    VendorProtocolError,
    VendorUnavailable,
)
from tests.vendors.antbuddy_far_side import counted, record_id_of
from tests.vendors.test_antbuddy import HISTORIES, NUMBER, account, fill, listed, oracle, settings_of

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
TOKEN = "the-token-of-the-socket"  # no real one
RINGING, ANSWERED, ENDED = EventType.RINGING, EventType.ANSWERED, EventType.ENDED
SECOND_LEG = {"Call-ID": "b", "Other-Leg-Call-ID": "a", "Call-Direction": "outbound"}


@pytest.fixture
async def pbx():
    """A vendor whose clock stands still, where nothing happens by itself."""
    async with AntbuddySimulator(clock=ManualClock()) as pbx:
        pbx.behaviour.ring_seconds = pbx.behaviour.number_ring_seconds = pbx.behaviour.talk_seconds = 10**6
        yield pbx


@pytest.fixture
async def hanoi(pbx):
    async with account(pbx) as hanoi:
        yield hanoi


# A vendor of our own making


@contextlib.asynccontextmanager
async def serving(*routes):
    """A server with these routes, and its address."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def give_token(_):
    return web.json_response({"value": TOKEN, "expire": 3600})


async def shake_hands(_):
    return web.Response(text="sid:30:30:websocket")


def vendor(on_socket, *, shake="sid:30:30:websocket"):
    """The routes of a vendor that gives tokens and whose Socket.IO connections *on_socket* serves."""

    async def handshake(request):
        return await shake(request) if callable(shake) else web.Response(text=shake)

    async def connect(request):
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        with contextlib.suppress(ConnectionError):
            await on_socket(socket)
        return socket

    return (
        web.post("/oapi/v1/voice/auth_token", give_token),
        web.get("/socket.io/1/", handshake),
        web.get("/socket.io/1/websocket/sid", connect),
    )


@contextlib.asynccontextmanager
async def following(url, *, pauses=None, **timeouts):
    """The events of an account at *url*, without pauses; *pauses* collects which there would have been."""
    own = {"base_url": url, "socket_url": url, "app_id": "app", "app_secret": "s", "account_id": "id"}
    settings = from_settings(own, Settings, Secret)

    async with open_adapter(Account(name="hanoi", timeouts=Timeouts(**timeouts)), settings) as adapter:
        adapter = attrs.evolve(adapter, pauses=counted([] if pauses is None else pauses))
        async with contextlib.aclosing(adapter.follow_events()) as events:
            yield events


def event(name, argument):
    return "5:::" + json.dumps({"name": name, "args": argument})


def saying(*texts):
    """Serve a connection by sending *texts* and then listening until it is closed."""

    async def serve(socket):
        for text in texts:
            await socket.send_str(text)
        async for _ in socket:
            pass

    return serve


# The socket


@pytest.mark.parametrize("path", ["/", "/socket.io/1/websocket/sid"])
async def test_the_token_does_not_follow_a_redirect(path, caplog):
    """Whoever the server points to gets neither a connection nor a token, in either protocol."""
    caplog.set_level(logging.DEBUG)
    reached, refused = [], asyncio.Event()

    async def elsewhere(request):
        reached.append(request.path)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            reached.append(message.data)
        return socket

    async with serving(web.get("/{path:.*}", elsewhere)) as evil:

        async def away(_):
            refused.set()
            raise web.HTTPFound(evil)

        routes = [web.post("/oapi/v1/voice/auth_token", give_token), web.get(path, away)]
        if path != "/":
            routes += [web.get("/socket.io/1/", shake_hands)]
        pauses = []
        async with serving(*routes) as url, following(url, pauses=pauses) as events:
            first = asyncio.ensure_future(anext(events))
            await refused.wait()
            refused.clear()
            await refused.wait()  # so the first is over
            first.cancel()
            await asyncio.wait([first])

    assert reached == []
    assert pauses
    assert "a redirect" in caplog.text


async def test_a_handshake_that_comes_in_pieces_is_read_to_its_end():
    """One byte at a time is a handshake, too, and not another protocol."""

    async def shake(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in b"sid:30:30:websocket,xhr-polling":
            await response.write(bytes([byte]))
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    pauses = []
    routes = vendor(saying(event("CHANNEL_CREATE", SECOND_LEG)), shake=shake)
    async with serving(*routes) as url, following(url, pauses=pauses) as events:
        first = await anext(events)

    assert (RINGING, "a") == (first.type, first.call_id)
    assert pauses == []


@pytest.mark.parametrize(("said", "kept"), [("0", MIN_SILENCE), ("1", MIN_SILENCE), ("9" * 400, MAX_SILENCE)])
async def test_no_handshake_makes_us_wait_for_ever_or_for_nothing(said, kept):
    """Zero would be no limit at all."""
    async with serving(*vendor(saying(), shake=f"sid:{said}:{said}:websocket")) as url:
        settings = from_settings({"base_url": url, "app_id": "a", "app_secret": "s"}, Settings, Secret)
        async with open_adapter(Account(name="hanoi"), settings) as adapter:
            opening = open_connection(adapter.http.session.connector, url, "auto", connect_seconds=5)
            async with opening as connection:
                assert kept == connection._silence_seconds


async def test_a_connection_that_does_not_last_makes_the_pauses_grow():
    """A server that says something and hangs up is not asked for a token every half second for ever."""

    async def flap(socket):
        await socket.send_str("1::")
        await socket.send_str("2::")
        await socket.close()

    pauses = []
    async with serving(*vendor(flap)) as url, following(url, pauses=pauses) as events:
        for _ in range(4):
            await anext(events)

    assert pauses[:4] == [1, 2, 3, 4]


async def test_a_connection_that_lasted_begins_the_pauses_anew(pbx):
    """A minute is enough; how often it failed before does not matter then."""
    time, pauses = [0.0], []
    own = from_settings(settings_of(pbx), Settings, Secret)
    async with open_adapter(Account(name="hanoi"), own) as adapter:
        stream = CallStream(
            account=adapter.account,
            session=adapter.http.session,
            url=pbx.socket_url,
            protocol=own.socket_protocol,
            account_id=own.account_id,
            extension_of=own.extension_of,
            token=adapter.requests.token,
            pauses=counted(pauses),
            clock=lambda: time[0],
        )
        async with contextlib.aclosing(stream.follow()) as events:
            for lived in (0, 0, STEADY_SECONDS, 0):
                gap = asyncio.ensure_future(anext(events))
                await pbx.until(lambda: pbx.subscribers)
                time[0] += lived
                await pbx.cut_sockets()
                await gap

    assert pauses == [1, 2, 1, 2]


class Ticking:
    """A clock that goes on by a second each time it is looked at."""

    first = datetime(2026, 1, 1, tzinfo=UTC)

    def __init__(self):
        self.looks = -1

    def now(self, _):
        self.looks += 1
        return self.first + timedelta(seconds=self.looks)


async def test_a_gap_begins_where_a_refused_subscription_was_sent(monkeypatch):
    """Heartbeats before the refusal are no sign that events could have come."""
    subscribed = 0

    async def refuse_first(socket):
        nonlocal subscribed
        subscribed += 1
        for _ in range(4):
            await socket.receive()
        if subscribed == 1:
            await socket.send_str("2::")
            await socket.receive()  # the answer, so some time has passed
            await socket.send_str(event("auth_failure", {"message": "invalid auth token", "cause": TOKEN}))
        await saying()(socket)

    monkeypatch.setattr("gateway_antbuddy.stream.datetime", Ticking())
    async with serving(*vendor(refuse_first)) as url, following(url) as events:
        gap = await anext(events)

    # The clock is looked at for the beginning, then for the subscription, then for the heartbeat.
    assert gap.raw["gap"]["from"] == (Ticking.first + timedelta(seconds=1)).isoformat()


async def test_a_kazoo_4_that_does_not_answer_a_subscription_is_left():
    """It answers pings, so nothing else would tell; an event is as good as an answer, and is not lost."""
    silent = 2

    async def serve(request):
        nonlocal silent
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if silent:
            silent -= 1
        else:
            message = {"action": "event", "name": "CHANNEL_CREATE", "data": SECOND_LEG}
            await socket.send_str(json.dumps(message))
        async for _ in socket:
            pass
        return socket

    pauses = []
    routes = (web.post("/oapi/v1/voice/auth_token", give_token), web.get("/", serve))
    async with serving(*routes) as url, following(url, pauses=pauses, read=0.8) as events:
        gap, ringing = await anext(events), await anext(events)

    assert "gap" in gap.raw
    assert (RINGING, "a") == (ringing.type, ringing.call_id)
    assert pauses == [1, 2]


async def test_a_stream_ends_with_its_account(pbx):
    """It does not try for ever to connect with what is closed."""
    own = from_settings(settings_of(pbx), Settings, Secret)
    async with open_adapter(Account(name="hanoi"), own) as adapter:
        events = attrs.evolve(adapter, pauses=counted([])).follow_events()
        first = asyncio.ensure_future(anext(events))
        await pbx.until(lambda: pbx.subscribers)

    with pytest.raises(VendorUnavailable, match="closed"):
        await first


def _nested(depth):
    payload = {"x": 1}
    for _ in range(depth):
        payload = {"Custom-Channel-Vars": payload}
    return payload


@pytest.mark.parametrize(
    "evil",
    [
        "\ufffd" + "9" * 5000 + "\ufffd5:::{}",
        '5:::{"name":"CHANNEL_CREATE","args":'
        + '{"Call-ID":"z","Call-Direction":"outbound","Other-Leg-Call-ID":"y","Custom-Channel-Vars":' * 300
        + "{}"
        + "}" * 301,
        event("CHANNEL_CREATE", {**SECOND_LEG, "Call-ID": "x" * 10_000}),
        event("CHANNEL_DESTROY", {"Call-ID": 1e300, "Timestamp": True}),
    ],
    ids=["length", "deep", "long", "number"],
)
async def test_an_evil_frame_does_not_end_the_stream(evil):
    """Lengths without end, JSON without bottom, ids that fill the memory: the next event is heard."""
    routes = vendor(saying(evil, event("CHANNEL_CREATE", SECOND_LEG)))
    async with serving(*routes) as url, following(url) as events:
        heard = [await anext(events)]
        while heard[-1].call_id != "a":
            heard.append(await anext(events))

    assert not [each for each in heard if "gap" in each.raw]
    assert len(str([(each, each.raw) for each in heard])) < 10_000


def test_a_batch_whose_lengths_are_bytes_loses_no_packet():
    """Names are not always of ASCII, and a length in bytes may point behind all that follows."""
    name = "Nguyễn Thị Ngọc Ánh " * 5
    for count in (1, 2, 3, 4, 5, 6, 20, 80):
        one = event("CHANNEL_DESTROY", {"Call-ID": "a", "Caller-ID-Name": name[:count] + "é" * 3})
        one = one.encode().decode("unicode_escape")  # as it is, not escaped
        for length in (len(one), len(one.encode())):
            found = list(packets(f"\ufffd{length}\ufffd{one}\ufffd3\ufffd2::"))

            assert [packet.type for packet in found] == [PacketType.EVENT, PacketType.HEARTBEAT]
            assert found[0].event() is not None


def test_a_name_that_looks_like_a_frame_is_part_of_its_packet():
    """A length that fits is believed, whatever stands in the packet."""
    one = event("CHANNEL_DESTROY", {"Call-ID": "a"}).replace('"a"', '"\ufffd7\ufffd"')
    found = list(packets(f"\ufffd{len(one)}\ufffd{one}\ufffd3\ufffd2::"))

    assert found[0].event() == ("CHANNEL_DESTROY", {"Call-ID": "\ufffd7\ufffd"})
    assert len(found) == 2


# Calls


def told(calls, *steps):
    """What *steps*, each an event's name and fields, are told as."""
    heard = []
    for name, fields in steps:
        found = calls.hear(f"CHANNEL_{name}", fields, NOW)
        heard += [(each.type, each.call_id) for each in found]
    return heard


def first(leg, **more):
    return {"Call-ID": leg, "Call-Direction": "inbound", **more}


def second(leg, other, **more):
    return {"Call-ID": leg, "Call-Direction": "outbound", "Other-Leg-Call-ID": other, **more}


def test_calls_that_are_connected_with_each_other_end_each_once():
    """An attended transfer: two calls were told of, so two have to end."""
    heard = told(
        Calls("hanoi", lambda user: None),
        ("CREATE", first("a")),
        ("CREATE", second("b", "a")),
        ("ANSWER", second("b", "a")),
        ("CREATE", first("c")),
        ("CREATE", second("d", "c")),
        ("ANSWER", second("d", "c")),
        ("BRIDGE", first("a", **{"Other-Leg-Call-ID": "d"})),
        ("DESTROY", second("b", "a")),
        ("DESTROY", first("c", **{"Other-Leg-Call-ID": "d"})),
        ("DESTROY", second("d", "a")),
        ("DESTROY", first("a", **{"Other-Leg-Call-ID": "d"})),
    )

    assert [(RINGING, "a"), (ANSWERED, "a"), (RINGING, "c"), (ANSWERED, "c"), (ENDED, "c"), (ENDED, "a")] == heard


def test_a_bridge_id_that_is_no_legs_does_not_name_the_call():
    """The call has its first leg's id, which the recording has too, and it ends."""
    bridge = {"Custom-Channel-Vars": {"Bridge-ID": "x"}}
    heard = told(
        Calls("hanoi", lambda user: None),
        ("CREATE", first("a", **bridge)),
        ("CREATE", {"Call-ID": "b", "Call-Direction": "outbound", **bridge}),
        ("ANSWER", {"Call-ID": "b", "Call-Direction": "outbound", **bridge}),
        ("DESTROY", {"Call-ID": "b", "Call-Direction": "outbound", **bridge}),
        ("DESTROY", first("a", **bridge)),
    )

    assert [(RINGING, "a"), (ANSWERED, "a"), (ENDED, "a")] == heard


@pytest.mark.parametrize("seed", range(20))
def test_every_call_that_was_told_of_ends_once_however_legs_are_connected(seed):
    """Calls with several second legs, connected at random with legs of their own and of others."""
    chance = random.Random(seed)  # noqa: S311 # repeatable
    calls, heard = Calls("hanoi", lambda user: None), []
    legs = {}
    for call in range(6):
        bridge = {"Custom-Channel-Vars": {"Bridge-ID": f"a{call}"}} if chance.random() < 0.5 else {}
        heard += told(calls, ("CREATE", first(f"a{call}", **bridge)))
        legs[f"a{call}"] = first(f"a{call}", **bridge)
        for number in range(chance.randint(1, 3)):
            leg = f"b{call}{number}"
            legs[leg] = second(leg, f"a{call}", **bridge)
            heard += told(calls, ("CREATE", legs[leg]))
    living = sorted(legs)
    while living:
        leg = chance.choice(living)
        other = {"Other-Leg-Call-ID": chance.choice(sorted(legs))} if chance.random() < 0.5 else {}
        step = chance.choice(["ANSWER", "BRIDGE", "DESTROY"])
        heard += told(calls, (step, {**legs[leg], **other}))
        if step == "DESTROY":
            living.remove(leg)

    ends = [call for kind, call in heard if kind is ENDED]
    assert len(ends) == len(set(ends))
    assert {call for _, call in heard} == set(ends)


def test_one_call_of_very_many_legs_does_not_fill_the_memory():
    """A queue that rings its agents for hours; those that ended are forgotten, and the call ends all the same."""
    calls = Calls("hanoi", lambda user: None)
    told(calls, ("CREATE", first("a")))
    for number in range(3 * MAX_LEGS):
        leg = second(f"b{number}", "a")
        assert told(calls, ("CREATE", leg), ("DESTROY", leg)) == [(RINGING, "a")]

    assert len(calls._by_leg) <= MAX_LEGS
    assert told(calls, ("DESTROY", first("a")))[-1] == (ENDED, "a")


@pytest.mark.parametrize("stamp", [1_768_467_600, 1_768_467_600_000, GREGORIAN - 1, "5", 1e300, "nan", True, None])
def test_a_time_that_is_not_gregorian_seconds_is_no_time(stamp):
    """Unix seconds read as Gregorian ones would be the year 56."""
    calls = Calls("hanoi", lambda user: None)
    (ringing,) = calls.hear("CHANNEL_CREATE", {**SECOND_LEG, "Timestamp": stamp}, NOW)

    assert ringing.occurred_at is None


def test_a_duration_that_cannot_be_one_is_left_out():
    """An event must be fit to be written down, whatever the vendor sends."""
    calls = Calls("hanoi", lambda user: None)
    told(calls, ("CREATE", first("a")))
    heard = list(calls.hear("CHANNEL_DESTROY", first("a", **{"Duration-Seconds": "1e300"}), NOW))

    assert heard[-1].duration_seconds is None
    assert dumps(attrs.asdict(heard[-1]))


# Over HTTP


async def test_what_the_vendor_repeats_of_our_secrets_is_blotted_out(pbx, hanoi):
    """The SIP password, the hash of all POSTs, and that of a GET, which whoever has it may ask again."""
    secrets = []
    for path, operation in (
        ("*click-to-call*", lambda: hanoi.click_to_call.start_call(extension="101", number=NUMBER)),
        (HISTORIES, lambda: hanoi.history.list_records(since=NOW - timedelta(days=1), until=NOW)),
    ):
        with contextlib.suppress(GatewayError):
            await operation()
        sent = pbx.requests[-1]
        body = sent.body or {}
        values = (sent.headers.get("x-auth-app-hash"), dict(sent.query).get("hash"), body.get("sipPassword"))
        for secret in filter(None, values):
            secrets.append(secret)
            pbx.faults.add(Fault(path, kind="replace", status=400, body={"message": f"invalid value {secret}"}))
            with pytest.raises(GatewayError) as caught:
                await operation()
            assert "invalid value" in str(caught.value)
            assert secret not in f"{caught.value} {caught.value!r} {caught.value.as_problem()}"

    assert len(secrets) == 3


@pytest.mark.parametrize(
    "media", ["http://[", "http://x:99999/a.mp3", "javascript:alert(1)", "file:///etc/passwd", "https:///a.mp3"]
)
async def test_a_recordings_address_that_is_none_is_an_error(pbx, hanoi, media):
    """Whatever stands there, it is the vendor's fault, and is not handed on as a link."""
    record_id = record_id_of(pbx.add_record())
    pbx.faults.add(Fault("*play_recording", kind="replace", body={"media": media}, times=None))

    for operation in (hanoi.recording.locate_recording(record_id), hanoi.recording.fetch_recording(record_id)):
        with pytest.raises(VendorProtocolError, match="vendor answered 200"):
            await operation


@pytest.mark.parametrize("after", [0, 1, 63, 64, 65])
async def test_a_recording_that_breaks_off_at_its_very_beginning_goes_on(pbx, hanoi, after):
    """Also within the bytes that tell what it is, before the application has got any."""
    record_id = record_id_of(pbx.add_record())
    async with await hanoi.recording.fetch_recording(record_id) as audio:
        whole = await audio.read()
    pbx.cut_recording(after)

    async with await hanoi.recording.fetch_recording(record_id) as audio:
        assert whole == await audio.read()


@pytest.mark.parametrize("field", ["duration_seconds", "billing_seconds"])
@pytest.mark.parametrize("value", ["1e300", 12_345_678_901, 12_345_678, "9" * 10_000, "nan", "inf"])
async def test_a_length_that_no_call_has_is_left_out_and_named(pbx, hanoi, field, value):
    """It makes no fault of the plugin's, nor an id that is not found again."""
    pbx.add_record()[field] = value

    (record,) = (await hanoi.history.list_records(since=NOW - timedelta(days=1), until=NOW)).items

    assert (field,) == record.unreadable
    assert record == await hanoi.history.get_record(record.record_id)


async def test_a_page_that_is_given_again_and_again_is_an_error(pbx, hanoi):
    """A vendor that takes no notice of `page` would be read for ever, each row with ever new ids."""
    fill(pbx, 100, seconds=3600)
    pbx.faults.add(Fault(HISTORIES, kind="replace", body=pbx.records, times=None))

    with pytest.raises(VendorProtocolError, match="again"):
        await listed(hanoi, 100, since=NOW - timedelta(days=1), until=NOW)


@pytest.mark.parametrize("page_rows", [20, 50, 99, 150])
async def test_a_vendor_that_overlooks_the_limit_is_read_whole(pbx, hanoi, page_rows):
    """20 is the documented default: a page with as many is not taken for the last. Ids are found on all pages, too."""
    fill(pbx, 320, seconds=3600)
    expected = oracle(pbx.records)
    pbx.behaviour.page_rows = page_rows

    assert expected == await listed(hanoi, 100, since=NOW - timedelta(days=1), until=NOW)
    assert expected[-1] == (await hanoi.history.get_record(expected[-1])).record_id


@pytest.mark.parametrize(("paging", "came"), [("first_page", 20), ("everything", 45)])
@pytest.mark.parametrize("meanwhile", [0, 1])
async def test_a_vendor_that_overlooks_the_page_is_an_error_behind_what_came(pbx, hanoi, paging, came, meanwhile):
    """No total says whether that is all; nothing comes twice, though a call is filed meanwhile, and nothing is lost of
    what was read before the error.
    """
    fill(pbx, 45, seconds=3600)
    expected = oracle(pbx.records)[:came]
    pbx.behaviour.paging, pbx.behaviour.page_rows = paging, 20
    filters = {"since": NOW - timedelta(days=1), "until": NOW + timedelta(hours=1)}

    page = await hanoi.history.list_records(**filters)
    for _ in range(meanwhile):
        pbx.add_record(unix_timestamp=NOW)

    assert expected == [record.record_id for record in page.items]
    for _ in range(2):
        with pytest.raises(VendorProtocolError, match="gave page 1 of the history again as page 2, so its calls from"):
            await hanoi.history.list_records(cursor=page.next)


@pytest.mark.parametrize("page_rows", [5, 7, 19, 100])
async def test_a_slice_ends_at_a_page_without_rows(pbx, hanoi, page_rows):
    """A short page is not the end, since the vendor may give as few as it likes; a record behind it is found, too."""
    fill(pbx, 19, seconds=3600)
    expected = oracle(pbx.records)
    pbx.behaviour.page_rows = page_rows

    assert expected == await listed(hanoi, 100, since=NOW - timedelta(days=1), until=NOW)
    assert expected[-1] == (await hanoi.history.get_record(expected[-1])).record_id


async def test_a_record_that_may_stand_on_a_page_that_never_comes_is_an_error(pbx, hanoi):
    """A vendor that overlooks the page never comes to the end, so nothing says that there is none."""
    fill(pbx, 19, seconds=3600)
    there = oracle(pbx.records)[0]
    missing = there[:-20] + there[-20:][::-1]
    pbx.behaviour.paging, pbx.behaviour.page_rows = "first_page", 5

    with pytest.raises(VendorProtocolError, match=r"There is no record .* on 2 pages of the history"):
        await hanoi.history.get_record(missing)


async def test_a_cursor_behind_more_rows_than_a_page_should_have_is_ours(pbx, hanoi):
    """A vendor that takes no notice of `limit` either gives more; each row comes once."""
    fill(pbx, 250, seconds=3600)
    pbx.faults.add(Fault(HISTORIES, kind="replace", body=pbx.records, times=3))
    filters = {"since": NOW - timedelta(days=1), "until": NOW}

    page = await hanoi.history.list_records(limit=230, **filters)
    more = await hanoi.history.list_records(limit=15, cursor=page.next, **filters)
    last = await hanoi.history.list_records(limit=5, cursor=more.next, **filters)

    ids = [record.record_id for each in (page, more, last) for record in each.items]
    assert (250, 250) == (len(ids), len(set(ids)))


def test_a_call_id_may_hold_a_slash():
    """As SIP's may; what stands before the name is a path."""
    assert call_id_of("2026/01/call_recording_ab/c@10.0.0.1.mp3") == "ab/c@10.0.0.1"
    assert [call_id_of(name) for name in ("my_call_recording_x.mp3", "call_recording_x", "", None)] == [None] * 4


# Our own limit


async def test_a_request_whose_turn_comes_too_late_is_refused_at_once(pbx):
    """Nothing was sent, so a dial is proven not to have been placed, and nobody waits longer for it."""
    own = from_settings(settings_of(pbx), Settings, Secret)
    limit = RequestLimit(0.001, clock=lambda: 0.0)
    await limit.wait()
    async with open_adapter(Account(name="hanoi"), own) as adapter:
        requests = attrs.evolve(adapter.requests, limit=RequestLimit(0.001))
        slow = attrs.evolve(adapter, requests=requests)
        await requests.limit.wait()
        for operation in (slow.start_call(extension="101", number=NUMBER), slow.list_records(), requests.token()):
            with pytest.raises(RateLimited, match="requests_per_second") as caught:
                await operation
            assert 900 < caught.value.retry_after <= 1000
            assert caught.value.dial_state is (DialState.NOT_PLACED if operation.__name__ == "start_call" else None)

    assert pbx.requests == []
    assert await limit.wait(until=20.0) == 1000.0


# Settings


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"base_url": "https://openapi.example.vn:99999"}, "base_url"),
        ({"socket_url": "https://ws.example.vn:port"}, "socket_url"),
        ({"account_id": ""}, "account_id"),
    ],
)
async def test_settings_that_could_not_work_are_refused(pbx, settings, word):
    """Before anybody is called."""
    with pytest.raises(ConfigError, match=word):
        async with account(pbx, **settings):
            pass
