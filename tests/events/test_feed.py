"""`gateway.follow_events` in this process and over a sidecar: the same events, once, over lost connections."""

import asyncio
import contextlib
import itertools
import json

import pytest
from aiohttp import web
from sqlalchemy import delete

from gateway import EventsLost, EventType, Forbidden, Gateway, InvalidRequest, NotFound, Unauthenticated, Unsupported
from gateway import remote as gateway_remote
from gateway.journal.schema import events as rows
from gateway.keys import hash_of
from tests.events.calls import ENDED, event, rings, until

BOTH = pytest.mark.parametrize("way", ["local", "remote"])


async def log_of(gateway):
    return (await gateway.journal.get()).log


@pytest.fixture
def following(running):
    """The gateway whose events are followed, in one of both ways, and the one that has the journal."""

    @contextlib.asynccontextmanager
    async def follow(way, **proxy):
        async with running(**proxy) as (gateway, address), contextlib.AsyncExitStack() as stack:
            if way == "remote":
                yield await stack.enter_async_context(Gateway.remote(address, raw=True)), gateway
            else:
                yield gateway, gateway

    return follow


async def some(events, count):
    """The next *count* of *events*; then they are closed."""
    async with contextlib.aclosing(events):
        return [await anext(events) for _ in range(count)]


@BOTH
async def test_events_come_from_where_the_follower_was_and_as_they_happen(following, way):
    """Old ones first, then the new ones, each whole."""
    async with following(way) as (gateway, writer):
        log = await log_of(writer)
        await log.append(rings(3))
        events = gateway.follow_events(after=1)
        found = [await anext(events), await anext(events)]
        coming = asyncio.create_task(anext(events))
        stored = await log.append([event(ENDED, raw={"x": 1})])
        found.append(await coming)
        await events.aclose()

    assert [2, 3, 4] == [each.seq for each in found]
    assert (stored[0], {"x": 1}) == (found[2], found[2].raw)


@BOTH
async def test_a_follower_without_a_place_begins_now(following, way):
    """Nothing that was before comes."""
    async with following(way) as (gateway, writer):
        log = await log_of(writer)
        await log.append(rings(3))
        events = gateway.follow_events()
        others = len(log._listeners)
        coming = asyncio.create_task(anext(events))
        await until(lambda: len(log._listeners) > others)
        for number in itertools.count():  # what comes before it has looked where the log ends is before, too
            if coming.done():
                break
            await log.append([event(ENDED, f"c{number}")])

        assert (await coming).seq > 3
        await events.aclose()


@BOTH
async def test_a_follower_says_what_it_wants(following, way):
    """Accounts, types, an extension and a number."""
    async with following(way) as (gateway, writer):
        log = await log_of(writer)
        await log.append([event(), event(ENDED), event(account="saigon"), event(call_id="x", extension="102")])
        await log.append([event(ENDED, "last")])
        by = [
            await some(gateway.follow_events(after=0, types=[EventType.ENDED]), 2),
            await some(gateway.follow_events(after=0, accounts=["saigon"]), 1),
            await some(gateway.follow_events(after=0, extension="102", number="+84 899 098 899"), 1),
        ]

    assert [[2, 5], [3], [4]] == [[each.seq for each in found] for found in by]


@BOTH
async def test_a_follower_that_was_away_too_long_is_told_so(following, way):
    """Not quietly: the error says where to follow on."""
    async with following(way) as (gateway, writer):
        await (await log_of(writer)).append(rings(9))
        store = (await writer.journal.get()).store
        await store.write(lambda connection: connection.execute(delete(rows).where(rows.c.seq <= 6)).rowcount)
        with pytest.raises(EventsLost) as caught:
            await some(gateway.follow_events(after=2), 1)
        found = await some(gateway.follow_events(after=caught.value.after), 3)

    assert (6, "events_lost") == (caught.value.after, caught.value.code)
    assert "the log begins at 7" in caught.value.message
    assert [7, 8, 9] == [each.seq for each in found]


@BOTH
async def test_a_follower_that_has_read_more_than_there_is_notices(following, way):
    """The journal was restored from an older backup: what comes would have numbers that it has seen."""
    async with following(way) as (gateway, writer):
        await (await log_of(writer)).append(rings(3))
        with pytest.raises(EventsLost, match="restored from an older backup") as caught:
            await some(gateway.follow_events(after=99), 1)
        found = await some(gateway.follow_events(after=caught.value.after), 3)

    assert [1, 2, 3] == [each.seq for each in found]


@BOTH
@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"accounts": ["nowhere"]}, NotFound),
        ({"accounts": ["both"]}, InvalidRequest),
        ({"types": ["call.danced"]}, InvalidRequest),
        ({"extension": " "}, InvalidRequest),
        ({"after": -1}, InvalidRequest),
    ],
)
async def test_a_follower_that_asks_for_what_is_not_there_is_told_so(following, way, wanted, error):
    """The same in both ways."""
    async with following(way) as (gateway, _):
        with pytest.raises(error):
            await some(gateway.follow_events(**wanted), 1)


async def test_a_gateway_without_a_journal_has_no_events():
    """It says what to set."""
    async with Gateway.from_config({"accounts": {"hanoi": {"vendor": "memory"}}}) as gateway:
        with pytest.raises(Unsupported, match=r"journal\.url"):
            await some(gateway.follow_events(), 1)


async def test_events_of_another_process_come_too(running, monkeypatch):
    """Two gateways on one database."""
    monkeypatch.setattr("gateway.journal.log.POLL_SECONDS", 0.01)
    async with running() as (one, _), running() as (other, _):
        events = one.follow_events(after=0)
        coming = asyncio.create_task(anext(events))
        await (await log_of(other)).append(rings(1))

        assert 1 == (await coming).seq
        await events.aclose()


async def test_a_key_that_may_not_read_events_ends_it(running):
    """Asking again would not help."""
    keys = [{"name": "calls", "sha256": hash_of("calls"), "scopes": ["calls"]}]
    async with running(keys=keys) as (_, address), Gateway.remote(address, key="calls") as gateway:
        with pytest.raises(Forbidden):
            await some(gateway.follow_events(), 1)


class Interrupted:
    """A sidecar before which something answers 503, breaks off, or sends a web page, every other time."""

    def __init__(self, address, session):
        self.address = address
        self.session = session
        self.asked = 0
        self.keys_refused = False

    async def __call__(self, request):
        if request.path == "/v1/accounts":
            return web.json_response({"items": []})
        self.asked += 1
        if self.keys_refused:
            problem = {"code": "unauthenticated", "detail": "The key is not known"}
            return web.json_response(problem, status=401)
        if self.asked % 2:
            return await self.break_it(request)
        async with self.session.get(f"{self.address}{request.path_qs}") as answer:
            return web.Response(body=await answer.read(), content_type="application/json")

    async def break_it(self, request):
        kind = self.asked // 2 % 3
        if kind == 0:
            return web.Response(status=503, text="<html>", content_type="text/html")
        if kind == 1:
            return web.json_response({"code": "internal_error", "detail": "The journal is full"}, status=503)
        async with self.session.get(f"{self.address}{request.path_qs}") as answer:
            whole = await answer.read()
        response = web.StreamResponse(headers={"Content-Length": str(len(whole))})
        await response.prepare(request)
        await response.write(whole[: len(whole) // 2])
        request.transport.close()
        return response


@pytest.fixture
async def interrupted(running, session, monkeypatch):
    """A gateway over a sidecar that is interrupted all the time, the one with the journal, and what interrupts."""
    monkeypatch.setattr(gateway_remote, "FIRST_BACKOFF_SECONDS", 0)
    async with running() as (writer, address):
        between = Interrupted(address, session)
        server = web.ServerRunner(web.Server(between), access_log=None)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0).start()
        async with Gateway.remote(f"http://127.0.0.1:{server.addresses[0][1]}") as gateway:
            yield gateway, writer, between
        await server.cleanup()


async def test_nothing_is_lost_or_doubled_when_the_sidecar_is_lost(interrupted):
    """The follower asks again, from where it was."""
    gateway, writer, between = interrupted
    log = await log_of(writer)
    events = gateway.follow_events(after=0)
    found = []
    for number in range(12):
        coming = asyncio.create_task(anext(events))
        await log.append([event(call_id=f"c{number}")])
        found.append((await coming).seq)
    await events.aclose()

    assert list(range(1, 13)) == found
    assert between.asked > 12


async def test_a_key_that_is_taken_away_ends_it(interrupted):
    """It is the same key; whoever follows must act."""
    gateway, writer, between = interrupted
    await (await log_of(writer)).append(rings(1))
    events = gateway.follow_events(after=0)
    await anext(events)
    between.keys_refused = True

    with pytest.raises(Unauthenticated):
        await anext(events)


def test_the_error_of_lost_events_is_public():
    """With a code that does not change."""
    assert {"code": "events_lost", "status": 410} == {
        name: json.loads(json.dumps(EventsLost("x").as_problem()))[name] for name in ("code", "status")
    }
