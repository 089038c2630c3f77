"""The event socket: Socket.IO 0.9 as Kazoo 3's bundled server speaks it, or Kazoo 4's plain WebSocket.

Both are as strict as the real ones: the 0.9 server's session crashes on a client's event that has an id or not exactly
one argument, so here the connection ends too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
import orjson
from aiohttp import WSMsgType, web

from gateway_simulators.antbuddy.access import Access
from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.clock import Clock

BINDINGS = tuple(f"call.CHANNEL_{each}.*" for each in ("CREATE", "ANSWER", "BRIDGE", "DESTROY"))
SILENCE_SECONDS = 30
_PACKET = re.compile(r"(\d):([^:]*):([^:]*)(?::(.*))?", re.DOTALL)
_MARK = "\ufffd"


@attrs.frozen
class Emitted:
    """An event that the switch told. *receivers* is how many connected subscribers it went to."""

    event: str
    call_id: str
    payload: dict[str, Any] = attrs.field(repr=False)
    receivers: int


class _Killed(Exception):
    """The session ends without a word."""


@attrs.define(eq=False, kw_only=True)
class Session:
    """One connection, and its subscriptions."""

    socket: web.WebSocketResponse
    request: web.Request
    plain: bool
    heard_at: datetime
    bindings: set[str] = attrs.field(factory=set)
    sent: asyncio.Queue[str] = attrs.field(factory=asyncio.Queue)
    gone: bool = False

    @property
    def subscribed(self) -> bool:
        return not self.gone and set(BINDINGS) <= self.bindings

    def wants(self, event: str) -> bool:
        return not self.gone and f"call.{event}.*" in self.bindings


@attrs.define(eq=False, kw_only=True)
class Sockets:
    """All sessions, and all events that were told."""

    clock: Clock
    behaviour: Behaviour
    access: Access
    account_id: str
    on_change: Callable[[], None]
    sessions: list[Session] = attrs.field(factory=list, init=False)
    emitted: list[Emitted] = attrs.field(factory=list, init=False)
    killed: int = attrs.field(default=0, init=False)
    received: list[str] = attrs.field(factory=list, init=False)
    _sids: dict[str, datetime] = attrs.field(factory=dict, init=False)

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/socket.io/1/", self._shake_hands)
        app.router.add_get("/socket.io/1/websocket/{sid}", self._socketio)
        app.router.add_get("/", self._plain)

    # -- telling ---------------------------------------------------------------------------------------------------

    def tell(self, event: str, payload: dict[str, Any]) -> None:
        """Give an event to every session that subscribed to it."""
        receivers = [session for session in self.sessions if session.wants(event)]
        for session in receivers:
            self._give(session, event, payload)
        self.emitted.append(Emitted(event, payload["Call-ID"], payload, len(receivers)))
        self.on_change()

    def _give(self, session: Session, event: str, payload: dict[str, Any]) -> None:
        if session.plain:
            message = {
                "action": "event",
                "name": event,
                "routing_key": f"{event}.{payload.get('Call-ID', '')}",
                "subscribed_key": f"call.{event}.*",
                "subscription_key": f"call.{self.account_id}.{event}.*",
                "data": payload,
            }
            session.sent.put_nowait(_json(message))
        else:
            session.sent.put_nowait(f"5:::{_json({'name': event, 'args': payload})}")

    def send(self, text: str) -> None:
        """Send *text*, even if it is no packet, to every session."""
        for session in self.sessions:
            session.sent.put_nowait(text)

    async def settle(self) -> None:
        """Wait until everything is on its way."""
        await asyncio.gather(*(session.sent.join() for session in self.sessions))

    async def cut(self) -> int:
        """Send all that is on its way, then drop every connection without a goodbye; gives how many there were."""
        await self.settle()
        for session in (cut := [session for session in self.sessions if not session.gone]):
            self._end(session)
        self.on_change()
        return len(cut)

    def _end(self, session: Session) -> None:
        session.gone = True
        if session.request.transport is not None:
            session.request.transport.close()

    # -- Socket.IO 0.9 ---------------------------------------------------------------------------------------------

    async def _shake_hands(self, request: web.Request) -> web.Response:
        if self.behaviour.socket_protocol != "socketio09":
            raise web.HTTPNotFound
        sid = uuid4().hex
        self._sids[sid] = self.clock.now() + timedelta(seconds=SILENCE_SECONDS)
        return web.Response(text=f"{sid}:{SILENCE_SECONDS}:{SILENCE_SECONDS}:websocket,xhr-polling")

    async def _socketio(self, request: web.Request) -> web.StreamResponse:
        until = self._sids.pop(request.match_info["sid"], None)
        if self.behaviour.socket_protocol != "socketio09" or until is None or self.clock.now() > until:
            raise web.HTTPNotFound
        return await self._serve(request, plain=False)

    def _hear_socketio(self, session: Session, text: str) -> None:
        found = _PACKET.fullmatch(text)
        if found is None:
            raise _Killed
        kind, packet_id, endpoint, data = found.groups()
        if kind in "28":
            return
        if kind == "0":
            raise _Killed
        # Kazoo's server matches an empty id and a list of one argument, and crashes on everything else.
        if kind != "5" or packet_id or endpoint:
            raise _Killed
        event = _loaded(data)
        arguments = event.get("args")
        if not isinstance(arguments, list) or len(arguments) != 1 or not isinstance(arguments[0], dict):
            raise _Killed
        if event.get("name") != "subscribe":
            self._give(session, "error", {"message": "unknown error"})
            return
        given = arguments[0]
        if not self._may_subscribe(given.get("auth_token")):
            self._give(session, "auth_failure", {"message": "invalid auth token", "cause": given.get("auth_token")})
        elif given.get("account_id") == self.account_id:
            session.bindings.add(str(given.get("binding")))  # and no word about it

    def _may_subscribe(self, token: object) -> bool:
        if self.behaviour.auth_failures:
            self.behaviour.auth_failures -= 1
            return False
        return self.access.accepts(token)

    # -- Kazoo 4 ---------------------------------------------------------------------------------------------------

    async def _plain(self, request: web.Request) -> web.StreamResponse:
        if self.behaviour.socket_protocol != "kazoo4" or "Upgrade" not in request.headers:
            raise web.HTTPNotFound
        if "Sec-WebSocket-Protocol" in request.headers:
            raise web.HTTPBadRequest
        return await self._serve(request, plain=True)

    def _hear_plain(self, session: Session, text: str) -> None:
        message = _loaded(text)
        if message.get("action") != "subscribe" or not isinstance(message.get("data"), dict):
            raise _Killed
        data = message["data"]
        reply: dict[str, Any] = {"action": "reply", "request_id": message.get("request_id")}
        if not self._may_subscribe(message.get("auth_token")):
            errors = {"errors": [f"failed to authenticate token {message.get('auth_token')}"]}
            session.sent.put_nowait(_json({**reply, "status": "error", "data": errors}))
            return
        bindings = data.get("bindings", [data.get("binding")])
        if data.get("account_id") != self.account_id or not isinstance(bindings, list):
            session.sent.put_nowait(_json({**reply, "status": "error", "data": {"errors": ["unauthorized account"]}}))
            return
        session.bindings |= {str(binding) for binding in bindings}
        session.sent.put_nowait(_json({**reply, "status": "success", "data": {"subscribed": bindings}}))

    # -- every connection ------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request, *, plain: bool) -> web.StreamResponse:
        socket = web.WebSocketResponse(timeout=1.0)
        await socket.prepare(request)
        session = Session(socket=socket, request=request, plain=plain, heard_at=self.clock.now())
        self.sessions.append(session)
        writer = asyncio.ensure_future(self._write(session))
        if not plain:
            session.sent.put_nowait("1::")
            self._beat(session)
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    raise _Killed
                session.heard_at = self.clock.now()
                self.received.append(message.data)
                (self._hear_plain if plain else self._hear_socketio)(session, message.data)
                self.on_change()
        except _Killed:
            self.killed += 1
            self._end(session)
        finally:
            session.gone = True
            self.sessions.remove(session)
            writer.cancel()
            _drain(session.sent)
            self.on_change()
        return socket

    async def _write(self, session: Session) -> None:
        while True:
            due = [await session.sent.get()]
            if self.behaviour.batches and not session.plain:
                while len(due) < 2 and not session.sent.empty():
                    due.append(session.sent.get_nowait())
                text = "".join(f"{_MARK}{len(packet)}{_MARK}{packet}" for packet in due)
            else:
                text = due[0]
            with suppress(ConnectionError):
                await session.socket.send_str(text)
            for _ in due:
                session.sent.task_done()

    def _beat(self, session: Session) -> None:
        async def beat() -> None:
            if session.gone:
                return
            if (self.clock.now() - session.heard_at).total_seconds() > SILENCE_SECONDS:
                self.killed += 1
                self._end(session)
                return
            session.sent.put_nowait("2::")
            self._beat(session)

        if self.behaviour.heartbeat_seconds:
            self.clock.call_later(self.behaviour.heartbeat_seconds, beat)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _loaded(text: str | None) -> dict[str, Any]:
    try:
        value = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        raise _Killed from None
    if not isinstance(value, dict):
        raise _Killed
    return value


def _drain(queue: asyncio.Queue[str]) -> None:
    while not queue.empty():
        queue.get_nowait()
        queue.task_done()
