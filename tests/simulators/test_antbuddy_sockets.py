"""The simulator's event sockets are as strict as the real ones."""

import asyncio
import contextlib
import json

import aiohttp
import pytest
from gateway_simulators import ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator

NUMBER = "0899888999"
CREATED = "call.CHANNEL_CREATE.*"


@pytest.fixture
async def pbx():
    async with AntbuddySimulator(clock=ManualClock()) as pbx:
        yield pbx


@pytest.fixture
async def session(pbx):
    async with aiohttp.ClientSession(pbx.url) as session:
        yield session


@contextlib.asynccontextmanager
async def socketio(session):
    """A Socket.IO 0.9 connection that has been greeted."""
    async with session.get("/socket.io/1/") as response:
        sid, *rest = (await response.text()).split(":")
    assert rest == ["30", "30", "websocket,xhr-polling"]
    async with session.ws_connect(f"/socket.io/1/websocket/{sid}") as socket:
        assert await socket.receive_str() == "1::"
        yield socket


def subscription(pbx, binding=CREATED, **changed):
    token = pbx._access.issue()["value"]
    argument = {"account_id": pbx.account_id, "auth_token": token, "binding": binding, **changed}
    return f"5:::{json.dumps({'name': 'subscribe', 'args': [argument]})}"


async def test_a_subscription_is_not_acknowledged_and_events_are_objects(pbx, session):
    """Kazoo sends the argument itself, not a list of it, and only of what was subscribed to."""
    async with socketio(session) as socket:
        await socket.send_str(subscription(pbx))
        await pbx.until(lambda: any(each.bindings for each in pbx._sockets.sessions))
        call_id = pbx.incoming(NUMBER)
        await pbx.hang_up(call_id)
        first, second = [await socket.receive_str() for _ in range(2)]
        await pbx.cut_sockets()
        end = await socket.receive()

    assert first.startswith('5:::{"name":"CHANNEL_CREATE","args":{')
    assert json.loads(second[4:])["args"]["Other-Leg-Call-ID"] == call_id
    assert end.type is aiohttp.WSMsgType.CLOSED
    assert [each.receivers for each in pbx.emitted] == [1, 1, 0, 0]


@pytest.mark.parametrize(
    "frame",
    [
        '5:1::{"name":"subscribe","args":[{}]}',
        '5:1+::{"name":"subscribe","args":[{}]}',
        '5::/x:{"name":"subscribe","args":[{}]}',
        '5:::{"name":"subscribe","args":[{},{}]}',
        '5:::{"name":"subscribe","args":[]}',
        '5:::{"name":"subscribe","args":{}}',
        '5:::{"name":"subscribe"}',
        "5:::{",
        "5:::[]",
        "3:::hello",
        "0::",
        "hello",
        '42["subscribe",{}]',
    ],
)
async def test_a_wrong_frame_kills_the_session(pbx, session, frame):
    """As Kazoo's session process crashes, without a word."""
    async with socketio(session) as socket:
        await socket.send_str(frame)
        end = await socket.receive()

    assert end.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE}
    assert pbx.sessions_killed == 1


async def test_a_bad_token_is_told_with_the_token_in_it(pbx, session):
    """And other events than subscriptions are an error."""
    async with socketio(session) as socket:
        await socket.send_str(subscription(pbx, auth_token="stale"))
        refused = json.loads((await socket.receive_str())[4:])
        await socket.send_str('5:::{"name":"dance","args":[{}]}')
        unknown = json.loads((await socket.receive_str())[4:])

    assert refused == {"name": "auth_failure", "args": {"message": "invalid auth token", "cause": "stale"}}
    assert unknown == {"name": "error", "args": {"message": "unknown error"}}


async def test_another_accounts_events_are_not_heard(pbx, session):
    """The subscription is taken and nothing comes."""
    async with socketio(session) as socket:
        await socket.send_str(subscription(pbx, account_id="other"))
        await socket.send_str("8::")
        await pbx.until(lambda: "8::" in pbx.socket_frames)
        pbx.incoming(NUMBER)

    assert {0} == {each.receivers for each in pbx.emitted}


async def test_who_does_not_answer_heartbeats_is_cut(pbx, session):
    """After 30 silent seconds; a client that sends heartbeats stays."""
    async with socketio(session) as socket:
        await pbx.advance(5)
        assert await socket.receive_str() == "2::"
        await socket.send_str("2::")
        await pbx.until(lambda: "2::" in pbx.socket_frames)
        await pbx.advance(30)
        assert pbx.sessions_killed == 0
        await pbx.advance(5)

    assert pbx.sessions_killed == 1


async def test_a_session_is_opened_once_and_in_time(pbx, session):
    """Unknown, used and late session ids are not found."""
    async with session.get("/socket.io/1/") as response:
        sid = (await response.text()).partition(":")[0]
    await pbx.advance(31)
    for each in (sid, "unknown"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"/socket.io/1/websocket/{each}")
        assert caught.value.status == 404


async def test_two_packets_can_come_in_one_frame(pbx, session):
    """Each behind its length between replacement characters."""
    async with socketio(session) as socket:
        await socket.send_str(subscription(pbx))
        await pbx.until(lambda: any(each.bindings for each in pbx._sockets.sessions))
        pbx.behaviour.batches = True
        pbx.send_frame("8::")
        pbx.send_frame("2::")
        text = await socket.receive_str()

    assert text == "\ufffd3\ufffd8::\ufffd3\ufffd2::"


# Kazoo 4


async def test_kazoo_4_answers_subscriptions_and_wraps_events(pbx, session):
    """The reply carries the request's id; the event its name and routing."""
    pbx.behaviour.socket_protocol = "kazoo4"
    async with session.get("/socket.io/1/") as response:
        assert response.status == 404
    async with session.ws_connect("/") as socket:
        wish = {
            "action": "subscribe",
            "auth_token": pbx._access.issue()["value"],
            "request_id": "r1",
            "data": {"account_id": pbx.account_id, "binding": CREATED},
        }
        await socket.send_json(wish)
        reply = await socket.receive_json()
        await socket.send_json({**wish, "auth_token": "stale"})
        refused = await socket.receive_json()
        await socket.send_json({**wish, "data": {**wish["data"], "account_id": "other"}})
        other = await socket.receive_json()
        call_id = pbx.incoming(NUMBER)
        event = await socket.receive_json()

    assert (reply["request_id"], reply["status"]) == ("r1", "success")
    assert (refused["status"], other["status"]) == ("error", "error")
    assert ("event", "CHANNEL_CREATE", call_id) == (event["action"], event["name"], event["data"]["Call-ID"])


@pytest.mark.parametrize("frame", ["hello", "[]", "{}", '{"action":"subscribe"}', '{"action":"dance","data":{}}'])
async def test_kazoo_4_kills_who_talks_nonsense(pbx, session, frame):
    """As the other one does."""
    pbx.behaviour.socket_protocol = "kazoo4"
    async with session.ws_connect("/") as socket:
        await socket.send_str(frame)
        await asyncio.gather(socket.receive(), pbx.until(lambda: pbx.sessions_killed))

    assert pbx.sessions_killed == 1


async def test_kazoo_4_wants_no_sub_protocol(pbx, session):
    """400, as since its version 4.3."""
    pbx.behaviour.socket_protocol = "kazoo4"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await session.ws_connect("/", protocols=["kazoo"])
    async with session.get("/") as response:
        assert response.status == 404

    assert caught.value.status == 400
