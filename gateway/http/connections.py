"""The connections of clients: accepted while the system has files for them, and closed when no request comes.

The server of aiohttp closes a connection that is idle for long, but lets the head of a request take as much time. The
server of asyncio, when no more files can be opened, tries a thousand times in a row and logs a traceback each time.

`Connection` overrides methods of aiohttp's `RequestHandler`, and `Connections` replaces its server's `request_factory`.
Nothing in the public interface of aiohttp tells when the first byte of a head came, and two promises need that:

- A client that sends its head byte by byte is cut off
  (`test_a_head_that_drips_is_waited_for_so_long_and_no_longer`).
- A dial is not sent later than `timeouts.dial_start` after its head came, also when its request was sent ahead of the
  response before it (`test_a_dial_that_was_sent_ahead_takes_its_time_from_its_head`).

`test_aiohttp_has_what_connections_override` notices when aiohttp changes these parts.
"""

import asyncio
import contextlib
import logging
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import attrs
from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from ..clocks import moment
from ..logs import log

HEAD_SECONDS = 15
"""How long the head of a request may take from its first byte on, however it is sent."""
IDLE_SECONDS = 75
"""How long a connection may wait for the next request, or for its first: longer than the proxies in front of us."""
LINGER_SECONDS = 1.0
"""How long the rest of a request is read, unused, after its response, so that a client that still sends gets it."""
PAUSE_SECONDS = 1.0
"""How long the sidecar accepts no connection after the system had no file for one."""
QUIET_SECONDS = 60
"""How long the log does not repeat that."""
_AT_ONCE = 64  # connections that are accepted before the other work has its turn

_UNHEARD = logging.getLogger("gateway.http")
_UNHEARD.setLevel(logging.CRITICAL + 1)

_SETTINGS: Mapping[str, Any] = {
    # The access log would cost most of the throughput; aiohttp's own log shows requests that it could not read.
    "access_log": None,
    "logger": _UNHEARD,
    "lingering_time": LINGER_SECONDS,
    "keepalive_timeout": IDLE_SECONDS,
    "auto_decompress": False,
}


@attrs.define(eq=False)
class Connections:
    """The connections to *server*. Of those that are idle the oldest are closed when they are more than *most_idle*."""

    server: web.Server
    most_idle: int
    _idle: "OrderedDict[Connection, None]" = attrs.field(factory=OrderedDict, init=False)
    """The connections without a request to respond to, the longest idle first."""
    _begun: "dict[Connection, float]" = attrs.field(factory=dict, init=False)
    """When the first byte of each head came whose rest has not come; the earliest first."""
    _arriving: set[asyncio.Task[Any]] = attrs.field(factory=set, init=False)
    _told_at: float | None = attrs.field(default=None, init=False)
    _make_request: Callable[..., web.BaseRequest] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._make_request = self.server.request_factory
        self.server.request_factory = self._begin

    @contextlib.asynccontextmanager
    async def accepting(self, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Accept connections on *sockets*, which listen and do not block, as long as the context is open."""
        tasks = [asyncio.create_task(each) for each in (*map(self._accept, sockets), self._watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait([*tasks, *self._arriving])

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if len(self._arriving) >= _AT_ONCE:
                await asyncio.wait(self._arriving)
            try:
                client, _ = await loop.sock_accept(listening)
            except ConnectionError:  # the client has gone already
                continue
            except OSError as error:
                self._out_of_files(error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            arriving = loop.create_task(loop.connect_accepted_socket(lambda: Connection(self), client))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arrived)

    def _arrived(self, arriving: asyncio.Task[Any]) -> None:
        self._arriving.discard(arriving)
        if not arriving.cancelled():
            arriving.exception()  # a client that has gone meanwhile

    def _out_of_files(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if self._told_at is None or now - self._told_at >= QUIET_SECONDS:
            self._told_at = now
            open_now = len(self.server.connections)
            log.error("accept.failed", reason=error.strerror, connections=open_now, idle=len(self._idle))
        # Only the older half: Linux reports that there is no file also when no client waits to be accepted.
        self._close_idle((len(self._idle) + 1) // 2)

    def _close_idle(self, most: int) -> None:
        while len(self._idle) > most:
            connection, _ = self._idle.popitem(last=False)
            connection.force_close()

    async def _watch(self) -> None:
        """Close connections whose head takes too long."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            for connection, begun in tuple(self._begun.items()):
                if now - begun < HEAD_SECONDS:
                    break
                self.forget(connection)
                connection.force_close()
            await asyncio.sleep(next(iter(self._begun.values()), now) + HEAD_SECONDS - now)

    # Connections call these

    def _begin(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        connection: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if isinstance(connection, Connection):
            connection.begin(payload)
        return self._make_request(message, payload, connection, writer, task)

    def rest(self, connection: "Connection") -> None:
        """*connection* waits for a request from now on."""
        self._idle[connection] = None
        self._close_idle(self.most_idle)

    def hear(self, connection: "Connection") -> None:
        """Bytes came on *connection* that belong to no body."""
        if connection in self._idle:
            self._begun.setdefault(connection, asyncio.get_running_loop().time())

    def forget(self, connection: "Connection") -> None:
        """*connection* waits for no request any more."""
        self._idle.pop(connection, None)
        self._begun.pop(connection, None)


class Connection(web.RequestHandler):
    """A client's connection, one of *connections*."""

    __slots__ = ("_body", "_connections", "_earliest", "_heard_at", "_last_at", "head_at")

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections.server, loop=asyncio.get_running_loop(), **_SETTINGS)
        self._connections = connections
        self._body: StreamReader = EMPTY_PAYLOAD
        self.head_at = self._last_at = self._earliest = moment()
        """When the head of the present request came, at the latest: aiohttp begins a request that was sent ahead only
        when the one before is done.
        """
        self._heard_at: float | None = None  # when the first bytes came, since the present request began

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.rest(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        of_a_head = self._body.is_eof()
        now = self._last_at = moment()
        if not of_a_head:  # a head can come only behind this body
            if self._heard_at is None:
                self._earliest = now
            else:
                self._heard_at = now
        elif self._heard_at is None and data.strip(b"\r\n"):
            self._heard_at = now
        super().data_received(data)
        if data and of_a_head:
            self._connections.hear(self)

    def begin(self, body: StreamReader) -> None:
        """Note that the head of a request has come, which *body* follows."""
        self._body = body
        # Nothing has come since the request before was done: this one was sent ahead of that.
        self.head_at = self._earliest if self._heard_at is None else self._heard_at
        self._heard_at = self._last_at
        self._connections.forget(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        self._earliest, self._heard_at = self._last_at if self._heard_at is None else self._heard_at, None
        if self.transport is not None:
            self._connections.rest(self)
        return finished


def head_at(request: web.BaseRequest) -> float:
    """When the head of *request* came, at the latest; now for a connection that another server accepted."""
    connection = request.protocol
    return connection.head_at if isinstance(connection, Connection) else moment()
