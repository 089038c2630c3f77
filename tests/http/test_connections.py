"""Connections without a request: how long they are kept, and what becomes of them when no more files can be opened."""

import asyncio
import contextlib
import inspect
import os
import resource
import socket

import pytest
from aiohttp import web
from gateway_contracts import CallControl, Page

from gateway.http import connections, server
from gateway.http.connections import Connection, Connections
from gateway.http.server import serving
from tests.events.calls import until

PATIENCE_SECONDS = 20
SOON = 0.05
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "


class Slow(CallControl):
    """A vendor that lists its calls when it is told to."""

    def __init__(self):
        self.asked, self.told = asyncio.Event(), asyncio.Event()

    async def list_calls(self):
        self.asked.set()
        await self.told.wait()
        return Page(items=())

    transfer_call = listen_call = whisper_call = barge_call = park_call = None


Slow.__abstractmethods__ = frozenset()
HELD = b"GET /v1/accounts/a/calls HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Client:
    """A connection to a sidecar, and what is read of it."""

    def __init__(self, reader, writer):
        self.send, self._reader, self._writer = writer.write, reader, writer

    async def response(self):
        """The status of the next response; 0 when the connection is closed instead."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(int(length.split(b":")[1]))
        return int(head.split()[1])

    async def drip(self, content):
        """Send *content* byte by byte, again and again, until the connection is closed."""
        with contextlib.suppress(ConnectionError):
            while not self._reader.at_eof():
                self.send(content)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SOON / 5):
                        assert b"" == await self._reader.read()

    def close(self):
        self._writer.transport.abort()


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def sidecar(gateway_of, slow):
    """Serves the account `a`, as `gateway serve` does; gives what connects to it."""

    @contextlib.asynccontextmanager
    async def serve():
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(PATIENCE_SECONDS))
            gateway = await stack.enter_async_context(gateway_of({"a": slow}, proxy={"listen": "127.0.0.1:0"}))
            url = await stack.enter_async_context(serving(gateway))
            stack.callback(slow.told.set)
            address = "127.0.0.1", int(url.rpartition(":")[2])

            async def connect(*, connected=None):
                client = Client(*await asyncio.open_connection(*(() if connected else address), sock=connected))
                stack.callback(client.close)
                return client

            connect.address = address
            yield connect

    return serve


@pytest.fixture
def hurried(monkeypatch):
    """Heads must come soon."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", SOON)


@pytest.mark.parametrize(
    "before", [b"", LIVEZ, b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc"]
)
async def test_a_head_that_drips_is_waited_for_so_long_and_no_longer(sidecar, hurried, before):
    """The first one of a connection, or a later one: each byte does not begin the time anew."""
    async with sidecar() as connect:
        client = await connect()
        client.send(before)
        if before:
            assert await client.response()
        client.send(HALF)
        await client.drip(b"a")


async def test_heads_have_their_time_and_nothing_else_has(sidecar, hurried, slow):
    """A connection without a request stays open. So do a request that is worked on, and a body on its way, which may be
    one that is not read.
    """
    async with sidecar() as connect:
        silent, idle, refused, held, posting, late = [await connect() for _ in range(6)]
        idle.send(LIVEZ)
        assert 200 == await idle.response()
        refused.send(b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{")
        assert 404 == await refused.response()
        refused.send(b"}")
        held.send(HELD)
        posting.send(b"POST /v1/accounts/a/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
        posting.send(b"Content-Length: 2\r\n\r\n{")
        await slow.asked.wait()
        late.send(HALF)
        await late.drip(b"a")
        late = await connect()
        late.send(HALF)
        await late.drip(b"a")

        slow.told.set()
        posting.send(b"}")
        for client in (silent, idle, refused):
            client.send(LIVEZ)
        expected = {silent: 200, idle: 200, refused: 200, held: 200, posting: 501}
        assert expected == {each: await each.response() for each in expected}


@pytest.mark.parametrize("before", [b"", LIVEZ])
async def test_an_idle_connection_is_closed(sidecar, monkeypatch, slow, before):
    """Whether or not it had a request before; a request that is worked on has its time."""
    monkeypatch.setitem(connections._SETTINGS, "keepalive_timeout", SOON)
    async with sidecar() as connect:
        held, idle = await connect(), await connect()
        held.send(HELD)
        await slow.asked.wait()
        idle.send(before)
        if before:
            assert 200 == await idle.response()
        assert 0 == await idle.response()

        slow.told.set()
        assert 200 == await held.response()


async def test_of_many_idle_connections_the_oldest_are_closed(sidecar, monkeypatch, slow):
    """Half of the files that may be open stay free of them. The one that was used last is not the oldest."""
    monkeypatch.setattr(server, "_open_files", lambda: 6)
    async with sidecar() as connect:
        held = await connect()
        held.send(HELD)
        await slow.asked.wait()
        first, second, third = [await connect() for _ in range(3)]
        for client in (third, second, first):
            client.send(LIVEZ)
            assert 200 == await client.response()
        fourth, fifth = await connect(), await connect()

        assert [0, 0] == [await third.response(), await second.response()]
        for client in (first, fourth, fifth):
            client.send(LIVEZ)
        assert [200] * 3 == [await each.response() for each in (first, fourth, fifth)]
        slow.told.set()
        assert 200 == await held.response()


@contextlib.contextmanager
def no_more_files():
    """No further file can be opened by this process; a number that becomes free can be taken again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_without_files_it_waits_and_says_so_once(sidecar, monkeypatch, caplog):
    """Nothing is accepted for a while, then again: the client has its response in the end."""
    tries = []

    def told(self, error, *, before=Connections._out_of_files):
        tries.append(error)
        before(self, error)

    monkeypatch.setattr(Connections, "_out_of_files", told)
    monkeypatch.setattr(connections, "PAUSE_SECONDS", 0.001)
    async with sidecar() as connect:
        waiting = [socket.create_connection(connect.address) for _ in range(3)]
        with no_more_files():
            await until(lambda: len(tries) == 5)
        logged = [line for line in caplog.text.splitlines() if "accept" in line or "Traceback" in line]
        clients = [await connect(connected=each) for each in waiting]
        for client in clients:
            client.send(LIVEZ)
        assert [200] * 3 == [await each.response() for each in clients]

    assert 1 == len(logged)
    assert 'event=accept.failed reason="Too many open files" connections=0 idle=0' in logged[0]


async def test_without_files_the_oldest_idle_connections_make_room(sidecar, monkeypatch):
    """A client that has something to ask has its response, though the limit stays."""
    monkeypatch.setattr(connections, "PAUSE_SECONDS", 0.001)
    async with sidecar() as connect:
        first, _ = await connect(), await connect()
        first.send(LIVEZ)
        assert 200 == await first.response()
        late = socket.create_connection(connect.address)
        with no_more_files():
            assert 0 == await first.response()
            client = await connect(connected=late)
            client.send(LIVEZ)
            assert 200 == await client.response()


def test_aiohttp_has_what_connections_override():
    """Otherwise it would no longer call them: aiohttp promises none of these to others."""
    for name in ("connection_made", "connection_lost", "data_received", "finish_response"):
        theirs, ours = (inspect.signature(getattr(each, name)) for each in (web.RequestHandler, Connection))
        assert list(theirs.parameters) == list(ours.parameters), name
    served = inspect.signature(web.Server._make_request), inspect.signature(Connections._begin)

    assert len(served[0].parameters) == len(served[1].parameters)
    assert connections._SETTINGS.keys() <= inspect.signature(web.RequestHandler).parameters.keys()
    assert ".request_factory" in inspect.getsource(web.RequestHandler)
