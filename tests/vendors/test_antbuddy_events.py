"""AntBuddy's event socket: both protocols, calls joined from their legs, and connections that are lost."""

import asyncio
import collections
import contextlib
import logging
import random
from datetime import UTC, datetime

import attrs
import pytest
from gateway_antbuddy import Settings, SocketProtocol
from gateway_antbuddy.adapter import open_adapter
from gateway_antbuddy.calls import GREGORIAN, Calls
from gateway_antbuddy.packets import PacketType, event_packet, packets
from gateway_contracts import Account, from_settings
from gateway_simulators import Fault, ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator

from gateway import ConfigError, Direction, EventType, Gateway, InvalidRequest, Outcome, Secret, VendorAuthFailed
from tests.vendors.antbuddy_far_side import check_requests, counted
from tests.vendors.test_antbuddy import settings_of

NUMBER = "0899888999"
HOTLINE = "02873019555"
PROTOCOLS = ["socketio09", "kazoo4"]
RINGING, ANSWERED, ENDED, MISSED = EventType.RINGING, EventType.ANSWERED, EventType.ENDED, EventType.MISSED


@pytest.fixture
async def pbx():
    """A vendor whose clock stands still, where nothing happens by itself."""
    async with AntbuddySimulator(clock=ManualClock()) as pbx:
        pbx.behaviour.ring_seconds = pbx.behaviour.number_ring_seconds = pbx.behaviour.talk_seconds = 10**6
        yield pbx
        check_requests(pbx)


class Follower:
    """Follows the events of an account, without a pause before new connections."""

    def __init__(self, adapter):
        self.events = []
        self.pauses = []
        self._heard = asyncio.Condition()
        self.adapter = attrs.evolve(adapter, pauses=counted(self.pauses))
        self.task = asyncio.ensure_future(self._follow())

    async def _follow(self):
        async for event in self.adapter.follow_events():
            async with self._heard:
                self.events.append(event)
                self._heard.notify_all()

    async def until(self, happened):
        async with self._heard:
            await self._heard.wait_for(happened)

    async def ended(self, call_id):
        await self.until(lambda: any((e.type, e.call_id) == (ENDED, call_id) for e in self.events))

    def of(self, call_id):
        return [event for event in self.events if event.call_id == call_id]

    @property
    def gaps(self):
        return [event for event in self.events if event.raw.get("gap")]


@contextlib.asynccontextmanager
async def following(pbx, *, subscribed=True, **settings):
    own = from_settings(settings_of(pbx, **settings), Settings, Secret)
    async with open_adapter(Account(name="hanoi"), own) as adapter:
        follower = Follower(adapter)
        try:
            if subscribed:
                await pbx.until(lambda: pbx.subscribers)
            yield follower
        finally:
            follower.task.cancel()
            await asyncio.wait([follower.task])


# Calls


@pytest.mark.parametrize("setting", ["auto", "named"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_inbound_call_rings_is_answered_and_ends_once(pbx, protocol, setting):
    """Over both protocols, named in the settings or found out; the business's direction, sides and durations."""
    pbx.behaviour.socket_protocol = protocol
    async with following(pbx, socket_protocol=protocol if setting == "named" else "auto") as follower:
        call_id = pbx.incoming(NUMBER)
        await pbx.advance(4)
        await pbx.answer(call_id)
        await pbx.advance(9)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    seen = follower.of(call_id)
    assert [event.type for event in seen] == [RINGING, ANSWERED, ENDED]
    for event in seen:
        sides = (event.direction, event.from_number, event.to_number, event.extension, event.hotline)
        assert sides == (Direction.INBOUND, NUMBER, "101", "101", HOTLINE)
    assert [datetime(2026, 1, 15, 9, 0, second, tzinfo=UTC) for second in (0, 4, 13)] == [e.occurred_at for e in seen]
    assert (seen[2].outcome, seen[2].duration_seconds, seen[2].talk_seconds) == (Outcome.ANSWERED, 13, 9)
    assert pbx.sessions_killed == 0


async def test_a_click_to_call_is_outbound_though_the_switch_places_both_legs(pbx):
    """The agent's leg that answers is not yet an answered call."""
    async with following(pbx) as follower:
        await follower.adapter.start_call(extension="101", number=NUMBER)
        call_id = pbx.originated[0].call_id
        pbx.phones._pick_up(pbx.calls[call_id])
        await follower.until(lambda: follower.events)
        assert [event.type for event in follower.events] == [RINGING]
        await pbx.answer(call_id)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    assert [event.type for event in follower.events] == [RINGING, ANSWERED, ENDED]
    for event in follower.events:
        sides = (event.direction, event.from_number, event.to_number, event.extension, event.hotline)
        assert sides == (Direction.OUTBOUND, "101", NUMBER, "101", HOTLINE)


async def test_a_call_between_extensions_is_internal(pbx):
    """Both legs are ours."""
    async with following(pbx) as follower:
        call_id = pbx.internal("101", "102")
        await pbx.answer(call_id)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    assert {(Direction.INTERNAL, "101", "102")} == {(e.direction, e.from_number, e.to_number) for e in follower.events}


async def test_a_ring_group_rings_each_extension_and_ends_once(pbx):
    """The legs that lose end before the call; the extension that answered is named from then on."""
    async with following(pbx) as follower:
        call_id = pbx.incoming(NUMBER, ring_group=["101", "102", "103"])
        await pbx.answer(call_id, extension="102")
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    kinds = [(event.type, event.extension) for event in follower.events]
    assert kinds == [(RINGING, "101"), (RINGING, "102"), (RINGING, "103"), (ANSWERED, "102"), (ENDED, "102")]
    assert len({event.event_id for event in follower.events}) == 5


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        ("USER_BUSY", Outcome.BUSY),
        ("NO_ANSWER", Outcome.NO_ANSWER),
        ("ORIGINATOR_CANCEL", Outcome.CANCELLED),
        ("SUBSCRIBER_ABSENT", Outcome.UNREACHABLE),
        ("NORMAL_TEMPORARY_FAILURE", Outcome.FAILED),
        ("NORMAL_CLEARING", Outcome.CANCELLED),
    ],
)
async def test_the_cause_of_an_unanswered_call_is_its_outcome(pbx, cause, outcome):
    """An inbound one is missed, too, and that is told before its end."""
    async with following(pbx) as follower:
        call_id = pbx.incoming(NUMBER)
        await pbx.hang_up(call_id, cause)
        await follower.ended(call_id)

    assert [event.type for event in follower.events] == [RINGING, MISSED, ENDED]
    assert (outcome, 0) == (follower.events[-1].outcome, follower.events[-1].talk_seconds)


async def test_events_that_come_twice_are_told_once_with_the_same_id(pbx):
    """Delivered again, in this stream or another, they are the same events."""
    async with following(pbx) as one, following(pbx, subscribed=False) as other:
        await pbx.until(lambda: pbx.subscribers == 2)
        call_id = pbx.incoming(NUMBER)
        await pbx.answer(call_id)
        await pbx.hang_up(call_id)
        for each in list(pbx.emitted):
            pbx.emit(each.event, each.payload)
        last = pbx.incoming(NUMBER)
        await pbx.hang_up(last)
        await asyncio.gather(one.ended(last), other.ended(last))

    assert [event.type for event in one.of(call_id)] == [RINGING, ANSWERED, ENDED]
    assert [event.event_id for event in one.events] == [event.event_id for event in other.events]


def test_what_the_switch_writes_as_text_or_not_at_all_is_read():
    """Times as text, durations as text, no variables, no numbers: whatever is there is used, nothing is made up."""
    calls = Calls("hanoi", lambda user: None)
    leg = {"Call-ID": "a", "Timestamp": f"{GREGORIAN + 60}", "Caller-ID-Number": "0900", "To": "sip:1900@x"}
    later = {**leg, "Hangup-Cause": "NO_ANSWER", "Duration-Seconds": "12", "Billing-Seconds": "x"}
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert list(calls.hear("CHANNEL_CREATE", leg, now)) == []
    assert list(calls.hear("CHANNEL_CREATE", {"no": "id"}, now)) == []
    missed, ended = calls.hear("CHANNEL_DESTROY", later, now)
    assert (missed.type, ended.type) == (MISSED, ENDED)
    assert (datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 12, "1900") == (
        ended.occurred_at,
        ended.duration_seconds,
        ended.hotline,
    )
    assert list(calls.hear("CHANNEL_DESTROY", later, now)) == []


def test_what_was_told_before_a_gap_is_not_told_after_it():
    """Answer and bridge of one call, on both sides of a lost connection, are one answered call, and it ends once."""
    calls = Calls("hanoi", lambda user: None)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    first, second = {"Call-ID": "a"}, {"Call-ID": "b", "Call-Direction": "outbound", "Other-Leg-Call-ID": "a"}
    steps = [
        ("CHANNEL_CREATE", first, []),
        ("CHANNEL_CREATE", second, [RINGING]),
        ("CHANNEL_ANSWER", second, [ANSWERED]),
        None,
        ("CHANNEL_CREATE", second, []),
        ("CHANNEL_BRIDGE", {**first, "Other-Leg-Call-ID": "b"}, []),
        ("CHANNEL_DESTROY", first, []),
        None,
        ("CHANNEL_DESTROY", second, [ENDED]),
        ("CHANNEL_DESTROY", first, []),
    ]
    for step in steps:
        if step is None:
            calls.doubt()
            continue
        name, payload, told = step
        heard = list(calls.hear(name, payload, now))
        assert (name, told) == (name, [event.type for event in heard])
        assert {"a"} >= {event.call_id for event in heard}


# Connections


@pytest.mark.parametrize("batches", [False, True])
async def test_frames_are_exactly_what_the_real_server_survives(pbx, batches):
    """Four subscriptions with an empty id and one argument, heartbeats answered, nothing else; batches are read."""
    pbx.behaviour.batches = batches
    async with following(pbx) as follower:
        for _ in range(20):
            answered = pbx.socket_frames.count("2::")
            await pbx.advance(5)
            await pbx.until(lambda before=answered: pbx.socket_frames.count("2::") > before)
        call_id = pbx.incoming(NUMBER)
        await pbx.answer(call_id)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    assert [event.type for event in follower.events] == [RINGING, ANSWERED, ENDED]
    assert all(frame.startswith('5:::{"name":"subscribe","args":[{') for frame in pbx.socket_frames[:4])
    assert {"2::"} == set(pbx.socket_frames[4:])
    assert (pbx.sessions_killed, pbx.token_requests) == (0, 1)


async def test_heartbeats_are_answered_while_the_application_is_busy(pbx):
    """Whoever takes its time with one event keeps the connection, and gets the others afterwards."""
    own = from_settings(settings_of(pbx), Settings, Secret)
    async with open_adapter(Account(name="hanoi"), own) as adapter:
        events = adapter.follow_events()
        first = asyncio.ensure_future(anext(events))
        await pbx.until(lambda: pbx.subscribers)
        call_id = pbx.incoming(NUMBER)
        await first
        await pbx.hang_up(call_id)
        for _ in range(10):
            answered = pbx.socket_frames.count("2::")
            await pbx.advance(5)
            await pbx.until(lambda before=answered: pbx.socket_frames.count("2::") > before)
        later = [await anext(events) for _ in range(2)]
        await events.aclose()

    assert pbx.sessions_killed == 0
    assert [event.type for event in later] == [MISSED, ENDED]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_lost_connection_is_a_gap_and_a_new_subscription_with_a_new_token(pbx, protocol):
    """The application sees from when until when nothing was heard, and the call that went on goes on."""
    pbx.behaviour.socket_protocol = protocol
    async with following(pbx) as follower:
        call_id = pbx.incoming(NUMBER)
        await pbx.settle()
        pbx.expire_tokens()
        await pbx.cut_sockets()
        await pbx.until(lambda: pbx.subscribers)
        await pbx.answer(call_id)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    kinds = [event.type for event in follower.events]
    assert kinds == [RINGING, EventType.UNKNOWN, ANSWERED, ENDED]
    (gap,) = follower.gaps
    since, until = (datetime.fromisoformat(gap.raw["gap"][name]) for name in ("from", "until"))
    assert follower.events[0].received_at <= since <= until <= follower.events[2].received_at
    assert gap.call_id is None
    assert (pbx.token_requests, follower.pauses) == (2, [1])


async def test_a_call_that_lost_its_answer_in_a_gap_is_not_called_missed(pbx):
    """What was not heard is not made up: the talk of the far leg proves the answer, without it the outcome is open."""
    async with following(pbx) as follower:
        talked, silent = pbx.incoming(NUMBER), pbx.incoming(NUMBER, extension="102")
        await pbx.settle()
        await pbx.cut_sockets()
        pbx.phones.answer(pbx.calls[talked])
        await pbx.until(lambda: pbx.subscribers)
        await pbx.advance(3)
        for call_id in (talked, silent):
            await pbx.hang_up(call_id)
            await follower.ended(call_id)

    ends = {event.call_id: event for event in follower.events if event.type is ENDED}
    assert (ends[talked].outcome, ends[talked].talk_seconds) == (Outcome.ANSWERED, 3)
    assert (ends[silent].outcome, ends[silent].talk_seconds) == (Outcome.UNKNOWN, None)
    assert MISSED not in {event.type for event in follower.events}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_refused_token_is_replaced_by_a_fresh_one(pbx, protocol, caplog):
    """Also when the server only wanted fewer subscriptions at once; the token that it sends back is logged nowhere."""
    caplog.set_level(logging.DEBUG)
    pbx.behaviour.socket_protocol = protocol
    pbx.behaviour.auth_failures = 2
    async with following(pbx) as follower:
        call_id = pbx.incoming(NUMBER)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    assert follower.gaps
    issued = list(pbx._access.tokens)
    subscribed = "".join(pbx.socket_frames)
    assert len([each for each in issued if each in subscribed]) >= 2
    assert "the token was refused" in caplog.text or "the subscription was refused" in caplog.text
    everything = caplog.text + "".join(str(event) + str(event.raw) for event in follower.events)
    assert not [each for each in issued if each in everything]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_garbage_is_passed_over(pbx, protocol):
    """Frames that nobody understands, and events that make no sense, cost nothing."""
    pbx.behaviour.socket_protocol = protocol
    garbage = [
        "",
        "hello",
        "5:::",
        "5:::{",
        "5:::[]",
        '5:::{"name":"CHANNEL_CREATE"}',
        '5:::{"name":"CHANNEL_CREATE","args":[]}',
        '5:::{"name":7,"args":{}}',
        "8::",
        "6:::1",
        "\ufffd999\ufffd5:::{",
        "\ufffd",
        "[]",
        "{}",
        '{"action":"event","name":"CHANNEL_CREATE","data":[]}',
        '{"action":"event","name":"CHANNEL_DESTROY","data":{"Call-ID":{},"Timestamp":[]}}',
    ]
    async with following(pbx) as follower:
        for text in garbage:
            pbx.send_frame(text)
        pbx.emit("CHANNEL_CREATE", {"Call-ID": "lonely", "Custom-Channel-Vars": 5, "Timestamp": "soon", "To": []})
        call_id = pbx.incoming(NUMBER)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    assert {call_id} == {event.call_id for event in follower.events}
    assert follower.pauses == []


async def test_arguments_in_a_list_are_read_as_well(pbx):
    """What the protocol wants, and Kazoo's server does not send."""
    async with following(pbx) as follower:
        call_id = pbx.incoming(NUMBER)
        await pbx.settle()
        payload = {**pbx.emitted[0].payload, "Call-ID": "b2", "Call-Direction": "outbound"}
        pbx.send_frame(event_packet("CHANNEL_CREATE", payload))
        await follower.until(lambda: len(follower.events) == 2)

    assert {call_id} == {event.call_id for event in follower.events}


async def test_a_server_that_is_not_there_is_tried_again_and_seen_as_a_gap(pbx):
    """Handshakes that fail, with whatever status, are told as one gap once there is a connection."""
    pbx.faults.add(*(Fault("/socket.io/1/", kind="refuse", status=status) for status in (500, 503, 403)))
    pbx.faults.add(Fault("/oapi/v1/voice/auth_token", kind="refuse", status=500, skip=1, times=3))
    async with following(pbx) as follower:
        await follower.until(lambda: follower.gaps)

    assert follower.pauses[:3] == [1, 2, 3]
    assert len(follower.gaps) == 1


async def test_credentials_that_do_not_work_end_the_stream(pbx):
    """They will not work in a minute either."""
    async with following(pbx, subscribed=False, app_secret="wrong") as follower:
        with pytest.raises(VendorAuthFailed):
            await follower.task


async def test_following_needs_the_accounts_id(pbx):
    """The error names the setting."""
    settings = {name: value for name, value in settings_of(pbx).items() if name != "account_id"}
    async with Gateway.from_config({"accounts": {"hanoi": {"vendor": "antbuddy", "settings": settings}}}) as gateway:
        with pytest.raises(InvalidRequest, match=r"accounts\.hanoi\.settings\.account_id"):
            await anext(gateway["hanoi"].events.follow_events())


async def test_closing_the_stream_closes_the_connection(pbx):
    """Nothing is left behind, in the gateway or at the vendor."""
    config = {"accounts": {"hanoi": {"vendor": "antbuddy", "settings": settings_of(pbx)}}}
    async with Gateway.from_config(config) as gateway:
        before = asyncio.all_tasks()
        events = gateway["hanoi"].events.follow_events()
        first = asyncio.ensure_future(anext(events))
        await pbx.until(lambda: pbx.subscribers)
        pbx.incoming(NUMBER)
        await first
        await events.aclose()
        await pbx.until(lambda: not pbx._sockets.sessions)
        ours = {task for task in asyncio.all_tasks() - before if "gateway_antbuddy" in str(task.get_coro())}

    assert not ours


async def test_neither_media_nor_tokens_are_in_raw_or_logs(pbx, caplog):
    """Of an event only documented fields are kept."""
    caplog.set_level(logging.DEBUG)
    async with following(pbx) as follower:
        call_id = pbx.incoming(NUMBER)
        await pbx.answer(call_id)
        await pbx.hang_up(call_id)
        await follower.ended(call_id)

    everything = caplog.text + "".join(f"{event}{event.raw}" for event in follower.events)
    for secret in ("sdp-secret", "SDP", "token-of-a-leg", pbx.app_secret, NUMBER[3:] + "@sdp"):
        assert secret not in everything
    assert follower.events[-1].raw["Hangup-Cause"] == "NORMAL_CLEARING"


def test_packets_are_told_apart_whatever_their_length_counts():
    """Framed packets whose length counts characters, bytes, or nothing sensible."""
    one, two = '5:::{"name":"é","args":{"x":"ü"}}', "2::"
    for length in (len(one), len(one.encode()), 3):
        text = f"\ufffd{length}\ufffd{one}\ufffd3\ufffd{two}"

        found = list(packets(text))

        assert [packet.type for packet in found] == [PacketType.EVENT, PacketType.HEARTBEAT]
        assert found[0].event() == ("é", {"x": "ü"})


def test_the_protocols_that_can_be_set():
    """`auto` looks; the two others are what Kazoo 3 and 4 speak."""
    assert {"auto", "socketio09", "kazoo4"} == {each.value for each in SocketProtocol}
    with pytest.raises(ConfigError):
        Gateway.from_config({"accounts": {"hanoi": {"vendor": "antbuddy", "settings": {"socket_protocol": "eio"}}}})


# The soak


def expected(emitted):
    """What must be heard of what was told to a connected subscriber: each event of a call, once."""
    wanted = collections.Counter()
    seen = collections.defaultdict(set)
    created = [each for each in emitted if each.event == "CHANNEL_CREATE"]
    call_of = {each.call_id: each.payload.get("Other-Leg-Call-ID", each.call_id) for each in created}
    for each in emitted:
        if not each.receivers:
            continue
        call_id, leg = call_of[each.call_id], each.call_id
        match each.event:
            case "CHANNEL_CREATE" if leg != call_id:
                wanted[call_id, "call.ringing", leg] += 1
            case "CHANNEL_ANSWER" if leg != call_id:
                seen[call_id].add("call.answered")
            case "CHANNEL_BRIDGE":
                seen[call_id].add("call.answered")
            case "CHANNEL_DESTROY" if leg == call_id:
                seen[call_id].add("call.ended")
    wanted.update((call_id, kind, None) for call_id, kinds in seen.items() for kind in kinds)
    return wanted


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("seed", range(3))
async def test_fifty_cuts_lose_and_double_nothing_that_was_told_while_connected(pbx, seed, protocol):
    """At random moments, with calls in every state; each loss of the connection is seen as a gap."""
    pbx.behaviour.socket_protocol = protocol
    pbx.behaviour.batches = seed == 1
    pbx.behaviour.bridge_ids = seed != 2
    chance = random.Random(seed)  # noqa: S311 # repeatable

    def something():
        live = list(pbx.calls.values())
        match chance.randrange(6) if live else 0:
            case 0 | 1:
                pbx.incoming(NUMBER, ring_group=chance.sample(["101", "102", "103"], chance.randint(1, 3)))
            case 2:
                pbx.phones.dial(pbx.phones.devices["101"], NUMBER)
            case 3 | 4 if waiting := [call for call in live if call.phase != "answered"]:
                pbx.phones.answer(chance.choice(waiting))
            case _:
                pbx.phones.end(chance.choice(live), "NORMAL_CLEARING")

    async with following(pbx) as follower:
        for _ in range(50):
            for _ in range(chance.randrange(8)):
                something()
                if chance.random() < 0.3:
                    await pbx.settle()
            assert await pbx.cut_sockets() == 1
            for _ in range(chance.randrange(3)):
                something()  # nobody is connected
            await pbx.until(lambda: pbx.subscribers)
        last = pbx.incoming(NUMBER)
        await pbx.hang_up(last)
        await follower.ended(last)

    heard = collections.Counter(
        (event.call_id, event.type.value, event.raw["Call-ID"] if event.type is RINGING else None)
        for event in follower.events
        if event.type in {RINGING, ANSWERED, ENDED}
    )
    assert expected(pbx.emitted) == heard
    assert len(heard) > 100
    assert any(not each.receivers for each in pbx.emitted)
    assert (len(follower.gaps), pbx.token_requests) == (50, 51)
    assert len({event.event_id for event in follower.events}) == len(follower.events)
