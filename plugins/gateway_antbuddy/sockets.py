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
from gateway_contracts.http import NotSent, SentAndLost

from . import SocketProtocol
from .packets import HEARTBEAT, PacketType, event_packet, packets

BINDINGS = tuple(f"call.CHANNEL_{each}.*" for each in ("CREATE", "ANSWER", "BRIDGE", "DESTROY"))
SILENCE_SECONDS = 30.0  # the server is heard every 5 seconds
PING_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
_MAX_MESSAGE = 4 * 1024 * 1024
_HANDSHAKE = re.compile(r"([^:/?#\s]{1,128}):(\d*):(\d*):(?:[\w-]+,)*websocket(?:,[\w-]+)*\s*")


class ConnectionLost(Exception):  # turned into a gap and a new connection, never leaves the plugin
    """The connection is no good any more; the text says why, without anything secret."""


class TokenRefused(ConnectionLost):
    """The vendor does not take the token, or takes subscriptions more slowly than they came."""


Named = tuple[str, dict[str, Any]]
"""An event: its name and what it says."""


class Connection(Protocol):
    """A connection that is open and not yet subscribed."""

    async def subscribe(self, account_id: str, token: Secret) -> None:
        """Ask for the events of all calls of an account."""

    def events(self) -> AsyncGenerator[Named | None, None]:
        """What arrives: events, and None for signs that the subscription lives. Ends by raising ConnectionLost."""


@contextlib.asynccontextmanager
async def open_connection(
    session: aiohttp.ClientSession, url: str, protocol: SocketProtocol, *, connect_seconds: float
) -> AsyncIterator[Connection]:
    """A connection to the server at *url*, for as long as the context is open. Raises: ConnectionLost."""
    with _as_lost():
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(connect_seconds):
                connection = await _connect(session, url, protocol, stack)
            yield connection


async def _connect(
    session: aiohttp.ClientSession, url: str, protocol: SocketProtocol, stack: contextlib.AsyncExitStack
) -> Connection:
    base = url.rstrip("/")
    if protocol is not SocketProtocol.KAZOO4:
        async with session.get(f"{base}/socket.io/1/", allow_redirects=False) as response:
            answer = (await response.content.read(1024)).decode("utf-8", "replace")
            status = response.status
        shaken = _HANDSHAKE.fullmatch(answer) if status == 200 else None
        if shaken:
            address = _websocket(f"{base}/socket.io/1/websocket/{shaken[1]}")
            socket = await _open(session, address, stack, ping_seconds=None)
            return SocketIo(socket, float(shaken[3] or SILENCE_SECONDS))
        if protocol is SocketProtocol.SOCKETIO09 or status >= 500 or status in {401, 403, 429}:
            raise ConnectionLost(f"the Socket.IO handshake was answered {status}")
    return KazooSocket(await _open(session, _websocket(f"{base}/"), stack, ping_seconds=PING_SECONDS))


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

    async def subscribe(self, account_id: str, token: Secret) -> None:
        for binding in BINDINGS:  # the server takes one at a time
            argument = {"account_id": account_id, "auth_token": token.reveal(), "binding": binding}
            await self._socket.send_str(event_packet("subscribe", argument))

    async def events(self) -> AsyncGenerator[Named | None, None]:
        while True:
            for packet in packets(await _receive(self._socket, self._silence_seconds)):
                match packet.type:
                    case PacketType.HEARTBEAT:
                        await self._socket.send_str(HEARTBEAT)
                    case PacketType.DISCONNECT:
                        raise ConnectionLost("the server said goodbye")
                    case PacketType.ERROR:
                        raise ConnectionLost("the server reported an error")
                event = packet.event()
                if event and event[0] == "auth_failure":
                    raise TokenRefused("the token was refused")  # its text is in the event, and must not be in ours
                if event and event[0] == "error":
                    raise ConnectionLost("the server did not take a subscription")
                if event or packet.type is PacketType.HEARTBEAT:
                    yield event


@attrs.frozen
class KazooSocket:
    """Kazoo 4's WebSocket of JSON messages."""

    _socket: aiohttp.ClientWebSocketResponse

    async def subscribe(self, account_id: str, token: Secret) -> None:
        message = {
            "action": "subscribe",
            "auth_token": token.reveal(),
            "request_id": uuid4().hex,
            "data": {"account_id": account_id, "bindings": list(BINDINGS)},
        }
        await self._socket.send_str(dumps(message).decode())

    async def events(self) -> AsyncGenerator[Named | None, None]:
        while True:
            text = await _receive(self._socket, None)  # may be silent for long: pings tell whether it lives
            try:
                message = loads(text)
            except ValueError:
                continue
            if not isinstance(message, dict):
                continue
            if message.get("action") == "reply" and message.get("status") == "error":
                raise TokenRefused("the subscription was refused")
            name, data = message.get("name"), message.get("data")
            if message.get("action") == "event" and isinstance(name, str) and isinstance(data, dict):
                yield name, data
            elif message.get("action") == "reply":
                yield None


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
    except NotSent as error:
        raise ConnectionLost(f"nothing was sent: {error}") from error
    except (SentAndLost, aiohttp.ClientError, OSError) as error:
        raise ConnectionLost(f"the connection failed ({type(error).__name__})") from error
