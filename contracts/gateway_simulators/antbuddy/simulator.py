"""The AntBuddy that tests and demos hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import attrs
from aiohttp import web

from gateway_simulators.antbuddy.access import Access
from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.antbuddy.phones import Call, Device, Originated, Phones
from gateway_simulators.antbuddy.records import RecordBook, Row
from gateway_simulators.antbuddy.server import Server
from gateway_simulators.antbuddy.sockets import Emitted, Sockets
from gateway_simulators.clock import Clock, LiveClock, moved_by_hand
from gateway_simulators.control_plane import ControlPlane
from gateway_simulators.faults import Faults
from gateway_simulators.received_requests import ReceivedRequest
from gateway_simulators.serving import serving
from gateway_simulators.watchers import Watchers

HOTLINE = "02873019555"
APP_ID = "6544646543674"
APP_SECRET = "app-secret-of-the-simulator"
ACCOUNT_ID = "4f0c9c1de5e24a5fb5e3a5b0a9a3c1d2"


class AntbuddySimulator:
    """AntBuddy on a socket of its own, with the devices of extensions 101, 102 and 103 registered, and that of 104 not.

    It obeys the vendor's wire document, makes the faults of `faults`, and is moved by its clock: with a `ManualClock`
    nothing happens until `advance`. The event socket is at the same address. Beside the vendor's operations it serves a
    control plane below `/_simulator/`, for users in other languages; keep it on loopback.

        async with AntbuddySimulator(clock=ManualClock()) as pbx:
            call_id = pbx.incoming("0899888999")
            await pbx.answer(call_id)
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        app_id: str = APP_ID,
        app_secret: str = APP_SECRET,
        account_id: str = ACCOUNT_ID,
    ) -> None:
        self.clock: Clock = clock if clock is not None else LiveClock()
        self.behaviour = Behaviour()
        self.faults = Faults()
        self.account_id = account_id
        self._host, self._port = host, port
        self._url = ""
        self._watchers = Watchers()
        self._exits = AsyncExitStack()
        self._access = Access(clock=self.clock, behaviour=self.behaviour, app_id=app_id, app_secret=app_secret)
        self._sockets = Sockets(
            clock=self.clock,
            behaviour=self.behaviour,
            access=self._access,
            account_id=account_id,
            on_change=self._watchers.changed,
        )
        self._phones = Phones(
            clock=self.clock,
            behaviour=self.behaviour,
            account_id=account_id,
            hotline=HOTLINE,
            on_event=self._sockets.tell,
            on_end=self._ended,
            settle=self._sockets.settle,
        )
        self._records = RecordBook(
            HOTLINE, self.clock.now, lambda: [device.sip_user for device in self._phones.devices.values()]
        )
        self._server = Server(
            clock=self.clock,
            behaviour=self.behaviour,
            faults=self.faults,
            access=self._access,
            phones=self._phones,
            records=self._records,
            sockets=self._sockets,
            url=lambda: self.url,
            on_change=self._watchers.changed,
        )
        self.faults.on_change = self._watchers.changed
        for extension in ("101", "102", "103"):
            self.register(extension)
        self._phones.register("104", None, None, registered=False)

    @property
    def control(self) -> ControlPlane:
        """The control plane below `/_simulator/`."""
        return ControlPlane(
            simulator=self,
            phone_fields=("sip_user", "sip_password"),
            more=[("POST", "cut-sockets", self._cut_sockets_from_outside)],
        )

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def _start(self) -> None:
        app = self._server.application()
        self.control.add_to(app)
        self._url = await self._exits.enter_async_context(serving(app, self._host, self._port))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.requests.closing = True
        self.faults.close()
        self._phones.close()
        await self._sockets.cut()
        self._watchers.close()
        await self._exits.aclose()

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address of the API, without a slash at its end."""
        if not self._url:
            raise RuntimeError("the simulator has no address before `async with`")
        return self._url

    @property
    def socket_url(self) -> str:
        """The address of the event socket."""
        return self.url

    @property
    def app_id(self) -> str:
        """The id of the one application that is let in."""
        return self._access.app_id

    @property
    def app_secret(self) -> str:
        """The secret that hashes are made with."""
        return self._access.app_secret

    @property
    def devices(self) -> dict[str, dict[str, str]]:
        """The SIP user and password of each extension, as an account's `devices` are written."""
        return {
            device.extension: {"sip_user": device.sip_user, "sip_password": device.sip_password}
            for device in self._phones.devices.values()
        }

    # -- what happened ---------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request that was received, oldest first; not the sockets', nor the control plane's."""
        return self._server.requests.kept

    @property
    def originated(self) -> list[Originated]:
        """Every device that click-to-call really rang, oldest first."""
        return self._phones.originated

    @property
    def calls(self) -> dict[str, Call]:
        """The live calls by id."""
        return self._phones.calls

    @property
    def records(self) -> list[Row]:
        """The history, newest first."""
        return self._records.rows

    @property
    def emitted(self) -> list[Emitted]:
        """Every event of every leg, oldest first, and how many connected subscribers it went to."""
        return self._sockets.emitted

    @property
    def subscribers(self) -> int:
        """How many connections are subscribed to all events of calls."""
        return sum(session.subscribed for session in self._sockets.sessions)

    @property
    def sessions_killed(self) -> int:
        """How many sessions ended because the client sent nothing, or a frame that the real server crashes on."""
        return self._sockets.killed

    @property
    def socket_frames(self) -> list[str]:
        """Every frame that clients sent over the sockets, oldest first."""
        return self._sockets.received

    @property
    def token_requests(self) -> int:
        """How many socket tokens were issued."""
        return self._access.token_requests

    @property
    def phones(self) -> Phones:
        """The devices and the calls."""
        return self._phones

    def state(self) -> dict[str, Any]:
        """Give what the control plane shows beside the time, the address, the faults and the behaviour."""
        return {
            "socket_url": self.socket_url,
            "credentials": {"app_id": self.app_id, "app_secret": self.app_secret, "account_id": self.account_id},
            "devices": self.devices,
            "extensions": [attrs.asdict(device) for device in self._phones.devices.values()],
            "calls": [call.shown() for call in self.calls.values()],
            "originated": [attrs.asdict(dialled) for dialled in self.originated],
            "subscribers": self.subscribers,
            "emitted": [{"event": each.event, "call_id": each.call_id} for each in self.emitted],
        }

    # -- what can be done to it ------------------------------------------------------------------------------------

    def register(self, extension: str, *, sip_user: str | None = None, sip_password: str | None = None) -> Device:
        """Let the device of an extension log in; makes it when there is none."""
        return self._phones.register(extension, sip_user, sip_password, registered=True)

    def unregister(self, extension: str) -> Device:
        """Let the device of an extension log out; a call that it is in goes on."""
        if extension not in self._phones.devices:
            raise ValueError(f"there is no extension {extension!r}")
        return self._phones.register(extension, None, None, registered=False)

    def add_record(self, **overrides: Any) -> Row:
        """Add a finished call and give back its row as the vendor would send it.

        Without overrides: the first device reached 0899888999 and talked for 43 of 50 seconds until now. Any field can
        be given, also with a wrong type or an unknown name; `unix_timestamp` may be an aware datetime, and `class` is
        given as `**{"class": …}`. The row can be changed later.
        """
        return self._records.add(overrides)

    def seed_records(self, count: int, since: datetime, step_seconds: int = 60, seed: int = 1) -> None:
        """Add *count* records, one every *step_seconds*; the same arguments make the same records."""
        self._records.seed(count, since, step_seconds, seed)

    def incoming(
        self, number: str, hotline: str = HOTLINE, extension: str = "101", ring_group: list[str] | None = None
    ) -> str:
        """Let *number* call and give the id of the call, which rings at *extension* or at all of *ring_group*."""
        targets = [self._phones.devices.get(target) for target in ([extension] if ring_group is None else ring_group)]
        devices = [device for device in targets if device is not None]
        if not devices or len(devices) < len(targets):
            raise ValueError("there is no such extension to ring")
        return self._phones.incoming(number, hotline, devices).call_id

    def internal(self, extension: str, other: str) -> str:
        """Let one extension call another and give the id of the call."""
        return self._phones.internal(self._phones.devices[extension], self._phones.devices[other]).call_id

    async def answer(self, call_id: str, *, extension: str | None = None) -> None:
        """Let the devices pick up now that a call waits for, and wait until the events are sent.

        *extension* says which device of a ring group picks up. Raises: NoSuchCall, and ValueError when no device rings.
        """
        self._phones.answer(self._phones.call(call_id), extension)
        await self.settle()

    async def hang_up(self, call_id: str, cause: str = "NORMAL_CLEARING") -> None:
        """End a call now with FreeSWITCH's *cause*, and wait until the events are sent. Raises: NoSuchCall."""
        self._phones.end(self._phones.call(call_id), cause)
        await self.settle()

    def expire_tokens(self) -> None:
        """Let every socket token that was issued be refused from now on; subscriptions live on."""
        self._access.tokens.clear()

    async def cut_sockets(self) -> int:
        """Drop every event connection without a goodbye, once all events are sent; gives how many there were."""
        return await self._sockets.cut()

    def cut_recording(self, after: int) -> None:
        """Break the next recording off after that many bytes."""
        self._server.cut_recording_after = after

    def send_frame(self, text: str) -> None:
        """Send *text*, whatever it is, over every event connection."""
        self._sockets.send(text)

    def emit(self, event: str, payload: dict[str, Any]) -> None:
        """Tell an event that no call of the simulator made; *payload* needs a Call-ID."""
        self._sockets.tell(event, payload)

    async def advance(self, seconds: float) -> None:
        """Run all that becomes due in *seconds*, in order, and wait until its events are sent.

        Raises: TypeError when the clock is not a `ManualClock`.
        """
        clock = moved_by_hand(self.clock)
        await self.settle()
        await clock.advance(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Wait until every event is sent."""
        await self._sockets.settle()

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until *happened* gives something true; it is tried again each time something was received or done.

        For example `await pbx.until(lambda: pbx.subscribers)`.
        """
        await self._watchers.until(happened)

    # -- between its parts -----------------------------------------------------------------------------------------

    async def _cut_sockets_from_outside(self, request: web.Request, body: dict[str, Any]) -> object:
        return {"cut": await self.cut_sockets()}

    def _ended(self, call: Call) -> None:
        async def write() -> None:
            self._write_record(call)

        if self.behaviour.record_delay_seconds:
            self.clock.call_later(self.behaviour.record_delay_seconds, write)
        else:
            self._write_record(call)

    def _write_record(self, call: Call) -> None:
        ended = call.ended_at or self.clock.now()
        user = call.device.sip_user
        ours = {"number": user, "type": "user", "username": user}
        theirs: dict[str, str] = {"number": call.number, "type": "realnumber"}
        if call.direction == "internal":
            other = self._phones.devices[call.number].sip_user
            theirs = {"number": other, "type": "user", "username": other}
        inbound = call.direction == "inbound"
        self._records.add(
            {
                "caller": theirs if inbound else ours,
                "callee": ours if inbound else theirs,
                "class": "one_one" if call.direction == "internal" else "trunking",
                "did_number": call.hotline if inbound else None,
                "direction": "to_ab" if inbound else "from_ab",
                "status_detail": call.status,
                "duration_seconds": int((ended - call.created_at).total_seconds()),
                "unix_timestamp": int(call.created_at.timestamp()),
                "billing_seconds": int((ended - call.answered_at).total_seconds()) if call.answered_at else 0,
                "recording": f"call_recording_{call.call_id}.mp3" if call.answered_at else "",
            }
        )
        self._watchers.changed()
