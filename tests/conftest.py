"""What tests of several kinds need: a sidecar on a free port, and a server that answers with the bytes it is told."""

import asyncio
import contextlib
import functools
import socket
import struct
from typing import NamedTuple

import pytest
from aiohttp import web
from hypothesis import settings

from gateway import make_app
from tests import postgres
from tests.installed_package import beside

pytest_plugins = ["tests.gateways", "tests.journals"]

# The same examples every time, and no clock: a slow machine is not a failing test.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile("repeatable")


def pytest_terminal_summary(terminalreporter):
    """Say what was left out; the header would not be shown by `make test`."""
    if not postgres.wanted():
        terminalreporter.write_line("PostgreSQL is not installed: the journal was tested on SQLite only", yellow=True)


@pytest.fixture
def sidecar():
    """Serves an open gateway on a free port of this machine, for as long as the context is open; gives its address."""

    @contextlib.asynccontextmanager
    async def serve(gateway):
        runner = web.AppRunner(make_app(gateway), access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    return serve


@pytest.fixture
def install_beside(tmp_path):
    """Makes the environment of a process that finds the package in a folder as if pip had installed it there."""

    return functools.partial(beside, tmp_path)


class Received(NamedTuple):
    """A request as it was read. `connection` counts from 1."""

    connection: int
    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Reads whole requests and answers each with the next of `answers`, the last of them for ever.

    An answer is the bytes to send, or a pair of bytes and what then happens to the connection: `drop` closes it,
    `reset` breaks it, `hang` leaves the client waiting. Or it makes that of the request.
    """

    def __init__(self):
        self.answers = [answer()]
        self.received = []
        self.arrived = asyncio.Event()
        self.url = ""
        self._connections = 0
        self._tasks = set()

    async def serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self._connections += 1
        connection = self._connections
        try:
            while await self._once(connection, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _once(self, connection, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head.strip().split("\r\n")
        verb, target, _ = start.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(connection, verb, target, headers, body))
        self.arrived.set()
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        given = given(self.received[-1]) if callable(given) else given
        content, then = given if isinstance(given, tuple) else (given, "keep")
        writer.write(content)
        await writer.drain()
        if then == "hang":
            await asyncio.Event().wait()
        if then == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return then == "keep"

    async def stop(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)


def answer(status=200, body=b"{}", *, content_type="application/json", **headers):
    """The bytes of an HTTP answer. Underscores in header names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def http_answer():
    """Makes the bytes of an HTTP answer."""
    return answer


@pytest.fixture
async def scripted():
    """A `ScriptedServer` on a free port of this machine."""
    scripted = ScriptedServer()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0, backlog=1000)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield scripted
    server.close()
    await scripted.stop()
    await server.wait_closed()


@pytest.fixture
def closed_port():
    """A port of this machine that refuses connections: bound, so that nobody gets it, and not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
