"""One connection to the event socket, in either of its protocols, from the handshake to its end."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import attrs
from gateway_contracts import Secret, dumps, loads

from . import SocketProtocol
from .packets import HEARTBEAT, PacketType, event_packet, packets

BINDINGS = tuple(f"call.CHANNEL_{each}.*" for each in ("CREATE", "ANSWER", "BRIDGE", "DESTROY"))
SILENCE_SECONDS = 30.0  # the server is heard every 5 seconds
MIN_SILENCE, MAX_SILENCE = 10.0, 120.0  # whatever a handshake says
PING_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
_MAX_MESSAGE = 1024 * 1024
_MAX_HANDSHAKE = 1024
_HANDSHAKE = re.compile(r"([^:/?#\s]{1,128}):(\d*):(\d*):(?:[\w-]+,)*websocket(?:,[\w-]+)*\s*")


class ConnectionLost(Exception):  # turned into a gap and a new connection, never leaves the plugin
    """The connection is no good any more; the text says why, without anything secret."""


class SubscriptionRefused(ConnectionLost):
    """The vendor does not take the token or the subscription, or takes them more slowly than they came."""


Named = tuple[str, dict[str, Any]]
"""An event: its name and what it says."""


class Connection(Protocol):
    """A connection that is open and not yet subscribed."""

    async def subscribe(self, account_id: str, token: Secret, *, answer_seconds: float) -> None:
        """Ask for the events of all calls of an account, and wait for the answer where there is one."""

    def events(self) -> AsyncGenerator[Named | None, None]:
        """What arrives: events, and None for signs that the subscription lives. Ends by raising ConnectionLost."""


@contextlib.asynccontextmanager
async def open_connection(
    connector: aiohttp.BaseConnector, url: str, protocol: SocketProtocol, *, connect_seconds: float
) -> AsyncIterator[Connection]:
    """A connection to the server at *url*, for as long as the context is open. Raises: ConnectionLost."""
    with _as_lost():
        async with contextlib.AsyncExitStack() as stack:
            # A session of its own: `ws_connect` follows redirects and cannot be told not to, so a middleware has to.
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=connector,
                    connector_owner=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    middlewares=(_refuse_redirects,),
                    headers={"User-Agent": "telephony-gateway"},
                )
            )
            async with asyncio.timeout(connect_seconds):
                connection = await _connect(session, url, protocol, stack)
            yield connection


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    response = await handler(request)
    if "Upgrade" in request.headers and 300 <= response.status < 400:  # the token would go to whoever it names
        response.close()
        raise ConnectionLost(f"the server answered {response.status}, a redirect, which is not followed")
    return response


async def _connect(
    session: aiohttp.ClientSession, url: str, protocol: SocketProtocol, stack: contextlib.AsyncExitStack
) -> Connection:
    base = url.rstrip("/")
    if protocol is not SocketProtocol.KAZOO4:
        async with session.get(f"{base}/socket.io/1/", allow_redirects=False) as response:
            answer = (await _beginning(response)).decode("utf-8", "replace")
            status = response.status
        shaken = _HANDSHAKE.fullmatch(answer) if status == 200 else None
        if shaken:
            address = _websocket(f"{base}/socket.io/1/websocket/{shaken[1]}")
            socket = await _open(session, address, stack, ping_seconds=None)
            silence = min(max(float(shaken[3] or SILENCE_SECONDS), MIN_SILENCE), MAX_SILENCE)
            return SocketIo(socket, silence)
        if protocol is SocketProtocol.SOCKETIO09 or status >= 500 or status in {401, 403, 429}:
            raise ConnectionLost(f"the Socket.IO handshake was answered {status}")
    return KazooSocket(await _open(session, _websocket(f"{base}/"), stack, ping_seconds=PING_SECONDS))


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The body, which may come in pieces, or as much of it as a handshake can be long."""
    content = b""
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) >= _MAX_HANDSHAKE:
            break
    return content


async def _open(
    session: aiohttp.ClientSession, address: str, stack: contextlib.AsyncExitStack, *, ping_seconds: float | None
) -> aiohttp.ClientWebSocketResponse:
    # No sub-protocol: Kazoo 4 answers 400 to one. Pings are for Kazoo 4; Socket.IO has heartbeats of its own.
    socket: aiohttp.ClientWebSocketResponse = await stack.enter_async_context(
        session.ws_connect(
            address,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            heartbeat=ping_seconds,
            max_msg_size=_MAX_MESSAGE,
        )
    )
    return socket


def _websocket(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws"))


@attrs.frozen
class SocketIo:
    """Socket.IO 0.9, as Kazoo 3 speaks it: nothing acknowledges a subscription, only a failure is told."""

    _socket: aiohttp.ClientWebSocketResponse
    _silence_seconds: float

    async def subscribe(self, account_id: str, token: Secret, *, answer_seconds: float) -> None:
        for binding in BINDINGS:  # the server takes one at a time
            argument = {"account_id": account_id, "auth_token": token.reveal(), "binding": binding}
            await _send(self._socket, event_packet("subscribe", argument))

    async def events(self) -> AsyncGenerator[Named | None, None]:
        while True:
            for packet in packets(await _receive(self._socket, self._silence_seconds)):
                match packet.type:
                    case PacketType.HEARTBEAT:
                        await _send(self._socket, HEARTBEAT)
                    case PacketType.DISCONNECT:
                        raise ConnectionLost("the server said goodbye")
                    case PacketType.ERROR:
                        raise ConnectionLost("the server reported an error")
                event = packet.event()
                if event and event[0] == "auth_failure":
                    raise SubscriptionRefused("the token was refused")  # which the event holds, and we must not
                if event and event[0] == "error":
                    raise SubscriptionRefused("the server did not take a subscription")
                if event or packet.type is PacketType.HEARTBEAT:
                    yield event


@attrs.define(eq=False)
class KazooSocket:
    """Kazoo 4's WebSocket of JSON messages, which answers a subscription."""

    _socket: aiohttp.ClientWebSocketResponse
    _first: Named | None = attrs.field(default=None, init=False)  # an event that came before the answer

    async def subscribe(self, account_id: str, token: Secret, *, answer_seconds: float) -> None:
        message = {
            "action": "subscribe",
            "auth_token": token.reveal(),
            "request_id": uuid4().hex,
            "data": {"account_id": account_id, "bindings": list(BINDINGS)},
        }
        await _send(self._socket, dumps(message).decode())
        try:
            async with asyncio.timeout(answer_seconds):
                async with contextlib.aclosing(self._heard()) as heard:
                    self._first = await anext(heard)
        except TimeoutError:
            raise SubscriptionRefused("the subscription was not answered") from None

    async def events(self) -> AsyncGenerator[Named | None, None]:
        yield self._first
        async with contextlib.aclosing(self._heard()) as heard:
            async for named in heard:
                yield named

    async def _heard(self) -> AsyncGenerator[Named | None, None]:
        while True:
            text = await _receive(self._socket, None)  # may be silent for long: pings tell whether it lives
            try:
                message = loads(text)
            except ValueError:
                continue
            if not isinstance(message, dict):
                continue
            if message.get("action") == "reply" and message.get("status") == "error":
                raise SubscriptionRefused("the subscription was refused")
            name, data = message.get("name"), message.get("data")
            if message.get("action") == "event" and isinstance(name, str) and isinstance(data, dict):
                yield name, data
            elif message.get("action") == "reply":
                yield None


async def _send(socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
    """Send a text message to a server that may have stopped reading. Raises: ConnectionLost."""
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            await socket.send_str(text)
    except TimeoutError:
        raise ConnectionLost("the server does not take what is sent") from None


async def _receive(socket: aiohttp.ClientWebSocketResponse, silence_seconds: float | None) -> str:
    """The next text message. Raises: ConnectionLost."""
    while True:
        try:
            message = await socket.receive(timeout=silence_seconds)
        except TimeoutError:
            raise ConnectionLost("the server fell silent") from None
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data)
        if message.type in {
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSING,
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.ERROR,
        }:
            raise ConnectionLost("the connection was closed")


@contextlib.contextmanager
def _as_lost() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        raise ConnectionLost(f"no connection to {error.host}:{error.port} ({type(error).__name__})") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionLost(f"the connection failed ({type(error).__name__})") from error
