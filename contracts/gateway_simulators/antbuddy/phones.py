"""The telephone switch: devices, calls, and the events of each leg of a call, as Kazoo names them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

import attrs

from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.clock import Clock, Timer

GREGORIAN = 62_167_219_200  # seconds from the year 0 to 1970
REALM = "sim.antbuddy.example.vn"
# Addresses and keys of the media: a leg brings them along, and no client should keep them.
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.15\r\na=ice-pwd:sdp-secret-of-the-simulator\r\n"

Phase = Literal["extension_ringing", "number_ringing", "answered", "ended"]


class NoSuchCall(LookupError):
    """There is no live call with that id."""


@attrs.define(eq=False)
class Device:
    """A SIP device, by the extension that people know it by."""

    extension: str
    sip_user: str
    sip_password: str
    registered: bool = True
    call_id: str | None = None
    device_id: str = attrs.field(factory=lambda: uuid4().hex, init=False)


@attrs.frozen
class Originated:
    """A device that click-to-call rang."""

    extension: str
    number: str
    call_id: str
    at: datetime


@attrs.define(eq=False)
class LegState:
    """One leg of a call: a channel of the switch."""

    call_id: str
    a_leg: bool
    device: Device | None
    created_at: datetime
    answered_at: datetime | None = None
    ended: bool = False


@attrs.define(eq=False, kw_only=True)
class Call:
    """A call with all its legs; its id is that of the first."""

    call_id: str
    direction: Literal["inbound", "outbound", "internal"]
    clicked: bool
    device: Device
    number: str
    hotline: str
    phase: Phase
    created_at: datetime
    ringing: list[Device] = attrs.field(factory=list)
    legs: list[LegState] = attrs.field(factory=list)
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    cause: str | None = None
    timer: Timer | None = None

    @property
    def status(self) -> str:
        """The word that the history has for how it ended (004:91)."""
        if self.answered_at:
            return "SUCCESS"
        if self.direction == "inbound":
            return "IVR"
        return {"USER_BUSY": "BUSY", "ORIGINATOR_CANCEL": "CANCELLED"}.get(self.cause or "", "UNSUCCESS")

    def shown(self) -> dict[str, Any]:
        """Give all of it that JSON can say."""
        return attrs.asdict(self, filter=lambda field, value: field.name != "timer")


@attrs.define(eq=False, kw_only=True)
class Phones:
    """All devices and live calls. *on_event* is told each leg's event, *on_end* each call's end."""

    clock: Clock
    behaviour: Behaviour
    account_id: str
    hotline: str
    on_event: Callable[[str, dict[str, Any]], None]
    on_end: Callable[[Call], None]
    settle: Callable[[], Awaitable[None]]
    devices: dict[str, Device] = attrs.field(factory=dict, init=False)
    calls: dict[str, Call] = attrs.field(factory=dict, init=False)
    originated: list[Originated] = attrs.field(factory=list, init=False)
    _serial: int = attrs.field(default=0, init=False)

    def register(self, extension: str, sip_user: str | None, sip_password: str | None, *, registered: bool) -> Device:
        """Make a device, or change the one there is."""
        device = self.devices.get(extension)
        if device is None:
            device = self.devices[extension] = Device(
                extension, sip_user or f"agent{extension}", sip_password or f"sip-password-{extension}"
            )
        device.sip_user, device.sip_password = sip_user or device.sip_user, sip_password or device.sip_password
        device.registered = registered
        return device

    def close(self) -> None:
        """Let nothing happen any more."""
        for call in self.calls.values():
            _stop(call)

    def call(self, call_id: str) -> Call:
        """Find a live call. Raises: NoSuchCall."""
        try:
            return self.calls[call_id]
        except KeyError:
            raise NoSuchCall(f"there is no live call {call_id}") from None

    def login(self, sip_user: object, sip_password: object) -> Device | None:
        """Find a registered device by its credentials."""
        return next(
            (
                device
                for device in self.devices.values()
                if (device.sip_user, device.sip_password) == (sip_user, sip_password) and device.registered
            ),
            None,
        )

    # -- beginnings ------------------------------------------------------------------------------------------------

    def dial(self, device: Device, number: str) -> Call:
        """Ring *device*, and when it picks up call *number* from it."""
        call = self._new("outbound", device, number, "", "extension_ringing", clicked=True)
        self.originated.append(Originated(device.extension, number, call.call_id, self.clock.now()))
        self._create(call, call.call_id, device)
        self._next(call, self.behaviour.ring_seconds, self._device_rang)
        return call

    def incoming(self, number: str, hotline: str, devices: list[Device]) -> Call:
        """Let an outside party call; all of *devices* ring that are registered."""
        call = self._new("inbound", devices[0], number, hotline, "extension_ringing")
        self._create(call, call.call_id, None)
        for device in devices:
            if device.registered:
                call.ringing.append(device)
                self._create(call, uuid4().hex, device)
        self._next(call, self.behaviour.ring_seconds, self._device_rang)
        return call

    def internal(self, device: Device, other: Device) -> Call:
        """Let one device call another."""
        call = self._new("internal", device, other.extension, "", "extension_ringing")
        self._create(call, call.call_id, device)
        call.ringing.append(other)
        self._create(call, uuid4().hex, other)
        self._next(call, self.behaviour.ring_seconds, self._device_rang)
        return call

    def _new(
        self,
        direction: Literal["inbound", "outbound", "internal"],
        device: Device,
        number: str,
        hotline: str,
        phase: Phase,
        *,
        clicked: bool = False,
    ) -> Call:
        call = Call(
            call_id=str(uuid4()),
            direction=direction,
            clicked=clicked,
            device=device,
            number=number,
            hotline=hotline,
            phase=phase,
            created_at=self.clock.now(),
        )
        self.calls[call.call_id] = call
        return call

    # -- answers and ends ------------------------------------------------------------------------------------------

    def answer(self, call: Call, extension: str | None = None) -> None:
        """Let the devices pick up that the call waits for; of several that of *extension*, or the first."""
        if call.phase == "answered":
            raise ValueError(f"call {call.call_id} is answered already")
        if call.direction == "outbound":
            if call.phase == "extension_ringing":
                self._pick_up(call)
            self._connect(call, call.legs[1])
            return
        rings = [device for device in call.ringing if extension in (None, device.extension)]
        if not rings:
            raise ValueError(f"extension {extension or call.device.extension} does not ring in call {call.call_id}")
        call.device = rings[0] if call.direction == "inbound" else call.device
        self._connect(call, next(leg for leg in call.legs if leg.device is rings[0] and not leg.a_leg))

    def end(self, call: Call, cause: str) -> None:
        """End a call: every leg that is left is destroyed, the first one last, and the history has a row."""
        call.cause = cause
        for leg in [*call.legs[1:], call.legs[0]]:
            self._destroy(call, leg, cause)
        call.phase, call.ended_at = "ended", self.clock.now()
        del self.calls[call.call_id]
        _stop(call)
        self.on_end(call)

    # -- steps -----------------------------------------------------------------------------------------------------

    def _device_rang(self, call: Call) -> None:
        if not self.behaviour.extension_answers or (call.direction != "outbound" and not call.ringing):
            self.end(call, "NO_ANSWER")
        elif call.direction == "outbound":
            self._pick_up(call)
        else:
            self.answer(call)

    def _pick_up(self, call: Call) -> None:
        self._answered(call, call.legs[0])
        call.phase = "number_ringing"
        self._create(call, uuid4().hex, None)
        self._next(call, self.behaviour.number_ring_seconds, self._number_rang)

    def _number_rang(self, call: Call) -> None:
        match self.behaviour.number_answers:
            case "busy":
                self.end(call, "USER_BUSY")
            case True:
                self._connect(call, call.legs[1])
            case _:
                self.end(call, "NO_ANSWER")

    def _connect(self, call: Call, far: LegState) -> None:
        self._answered(call, far)
        if call.legs[0].answered_at is None:
            self._answered(call, call.legs[0])
        call.phase, call.answered_at = "answered", self.clock.now()
        self._tell("CHANNEL_BRIDGE", call, call.legs[0], other=far)
        for leg in call.legs[1:]:
            if leg is not far:
                self._destroy(call, leg, "LOSE_RACE")
        self._next(call, self.behaviour.talk_seconds, lambda call: self.end(call, "NORMAL_CLEARING"))

    def _next(self, call: Call, seconds: float, step: Callable[[Call], None]) -> None:
        _stop(call)

        async def run() -> None:
            if call.timer is timer:  # a live clock may have begun just when something else happened to the call
                step(call)
                await self.settle()

        timer = call.timer = self.clock.call_later(seconds, run)

    # -- legs ------------------------------------------------------------------------------------------------------

    def _create(self, call: Call, leg_id: str, device: Device | None) -> None:
        leg = LegState(leg_id, not call.legs, device, self.clock.now())
        call.legs.append(leg)
        self._tell("CHANNEL_CREATE", call, leg)

    def _answered(self, call: Call, leg: LegState) -> None:
        leg.answered_at = self.clock.now()
        self._tell("CHANNEL_ANSWER", call, leg)

    def _destroy(self, call: Call, leg: LegState, cause: str) -> None:
        if leg.ended:
            return
        leg.ended = True
        now = self.clock.now()
        talked = int((now - leg.answered_at).total_seconds()) if leg.answered_at else 0
        whole = int((now - leg.created_at).total_seconds())
        more = {
            "Hangup-Cause": cause,
            "Hangup-Code": f"sip:{ {'USER_BUSY': 486, 'NO_ANSWER': 480}.get(cause, 200) }",
            "Duration-Seconds": str(whole),
            "Billing-Seconds": str(talked),
            "Ringing-Seconds": str(whole - talked),
            "Remote-SDP": SDP,
            "Local-SDP": SDP,
        }
        self._tell("CHANNEL_DESTROY", call, leg, more=more)

    def _tell(
        self,
        event: str,
        call: Call,
        leg: LegState,
        *,
        other: LegState | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        if other is None and not leg.a_leg:
            other = call.legs[0]
        self._serial += 1
        self.on_event(event, {**self._fields(event, call, leg, other), **(more or {})})

    def _fields(self, event: str, call: Call, leg: LegState, other: LegState | None) -> dict[str, Any]:
        caller, callee = self._numbers(call, leg)
        now = self.clock.now()
        # Seen from the switch: a leg that a person placed comes in, one that the switch placed goes out.
        inwards = leg.a_leg and not call.clicked
        variables: dict[str, Any] = {"Account-ID": self.account_id}
        if self.behaviour.bridge_ids:
            variables["Bridge-ID"] = call.call_id
        if leg.device is not None:
            variables |= {
                "Authorizing-ID": leg.device.device_id,
                "Authorizing-Type": "device",
                "Owner-ID": f"owner-of-{leg.device.device_id}",
                "Username": leg.device.sip_user,
                "Realm": REALM,
            }
        else:
            variables |= {"Authorizing-Type": "resource"}
        fields: dict[str, Any] = {
            "Event-Category": "call_event",
            "Event-Name": event,
            "Msg-ID": str(int(now.timestamp() * 1_000_000) + self._serial),
            "Timestamp": int(now.timestamp()) + GREGORIAN,
            "Call-ID": leg.call_id,
            "Call-Direction": "inbound" if inwards else "outbound",
            "Caller-ID-Name": caller,
            "Caller-ID-Number": caller,
            "Callee-ID-Name": callee,
            "Callee-ID-Number": callee,
            "From": f"{caller}@{REALM}",
            "To": f"{callee}@{REALM}",
            "Request": f"{callee}@{REALM}",
            "Custom-Channel-Vars": variables,
            "Auth-Token": "token-of-a-leg",
        }
        if leg.device is not None:
            fields["Presence-ID"] = f"{leg.device.extension}@{REALM}"
        if other is not None:
            other_caller, other_callee = self._numbers(call, other)
            fields |= {
                "Other-Leg-Call-ID": other.call_id,
                "Other-Leg-Caller-ID-Number": other_caller,
                "Other-Leg-Destination-Number": other_callee,
            }
        return fields

    def _numbers(self, call: Call, leg: LegState) -> tuple[str, str]:
        """Give the numbers that the leg comes from and goes to."""
        match call.direction:
            case "inbound":
                return call.number, call.hotline if leg.device is None else leg.device.extension
            case "outbound":
                return call.device.extension if leg.a_leg else self.hotline, call.number
            case _:
                return call.device.extension, call.number


def _stop(call: Call) -> None:
    if call.timer is not None:
        call.timer.cancel()
        call.timer = None
