"""The telephones of the PBX: extensions, live calls, and the next step of each call.

Everything here is synchronous: a change of state is one step, with every clock. `Phones` tells the other parts of the
PBX through `on_event` and `on_end`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import attrs

from gateway_simulators.clock import Clock, Timer
from gateway_simulators.tel4vn.behaviour import PbxBehaviour

Leg = Literal["aleg", "bleg"]
Monitoring = Literal["listen", "whisper", "barge"]
Phase = Literal["extension_ringing", "number_ringing", "answered", "parked", "ended"]


@attrs.frozen
class Originated:
    """A phone that click-to-call really rang, with all parameters of the request."""

    call_id: str
    extension: str
    number: str
    query: Mapping[str, str]
    at: datetime


class Rung(NamedTuple):
    """A call control operation that was really executed: transfer, listen, whisper, barge or park."""

    operation: str
    call_id: str
    extension: str | None


@attrs.define(eq=False, kw_only=True)
class Extension:
    """An agent's phone. *call_id* is the call it rings or talks in, or None."""

    extension: str
    agent_name: str
    username: str
    registered: bool = True
    call_id: str | None = None
    extension_id: str = attrs.field(factory=lambda: str(uuid4()))
    user_id: str = attrs.field(factory=lambda: str(uuid4()))


@attrs.define(eq=False, kw_only=True)
class Call:
    """A call in progress.

    *aleg* is the party who placed it and *bleg* the party called [000:80], None once that leg was cut; *number* is
    the outside party, *extension* the agent whose call it is now. *record_id* is the id that the record will have: for
    a ring group it is not the id of the call [003:262]. *supervisors* are the extensions that listen, whisper or barge.
    """

    call_id: str
    sip_call_id: str
    record_id: str
    record_sip_call_id: str
    direction: Literal["inbound", "outbound"]
    extension: str
    number: str
    hotline: str
    aleg: str | None
    bleg: str | None
    created_at: datetime
    phase: Phase = "extension_ringing"
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    status: str = ""
    cause: str = ""
    query: Mapping[str, str] = attrs.field(factory=dict)
    in_ring_group: bool = False
    ringing: list[str] = attrs.field(factory=list)
    """Extensions that ring in an inbound call; empty once one of them has answered."""
    supervisors: dict[str, Monitoring] = attrs.field(factory=dict)
    timer: Timer | None = None
    picked_up: asyncio.Future[None] | None = None
    """Done when the extension picked up or hung up; the synchronous click-to-call waits for it [001:32]."""

    @property
    def state(self) -> str:
        """The state of the channel; FreeSWITCH's words, of which the documents show CS_EXECUTE [000:24]."""
        return {"answered": "CS_EXECUTE", "parked": "CS_PARK"}.get(self.phase, "CS_ROUTING")

    @property
    def duration_seconds(self) -> int:
        """Whole seconds from the first ring to the end."""
        return 0 if self.ended_at is None else int(self.ended_at.timestamp()) - int(self.created_at.timestamp())

    @property
    def talk_seconds(self) -> int:
        """Whole seconds since both sides were connected [003:250]."""
        if self.ended_at is None or self.answered_at is None:
            return 0
        return int(self.ended_at.timestamp()) - int(self.answered_at.timestamp())

    def shown(self) -> dict[str, Any]:
        """Give all of it that JSON can say."""
        unsayable = ("timer", "picked_up")
        return {**attrs.asdict(self, filter=lambda field, value: field.name not in unsayable), "state": self.state}


class PhoneError(Exception):
    """A refusal; *code* is the vendor's word for it, None where it has none [000:230]."""

    def __init__(self, code: str | None) -> None:
        super().__init__(code or "refused")
        self.code = code


class NoSuchCall(LookupError):
    """There is no live call with that id."""


# The status of an unanswered call by its cause; of any other cause FAILED.
_UNANSWERED = {
    "NORMAL_CLEARING": "CANCELLED",
    "ORIGINATOR_CANCEL": "CANCELLED",
    "NO_ANSWER": "NO ANSWER",
    "NO_USER_RESPONSE": "NO ANSWER",
    "USER_BUSY": "BUSY",
    "CALL_REJECTED": "BUSY",
    "SUBSCRIBER_ABSENT": "not-available",
}


@attrs.define(eq=False, kw_only=True)
class Phones:
    """All extensions and all live calls. A call waits for at most one timer, and needs no task of its own.

    *on_event* hears the events of a call in the vendor's words, with the extension that each concerns; *on_end*
    hears of an ended call first, to write its record. *settle* is waited for after each step that the clock makes.
    """

    clock: Clock
    behaviour: PbxBehaviour
    hotline: str
    on_event: Callable[[str, Call, str], None]
    on_end: Callable[[Call], None]
    settle: Callable[[], Awaitable[None]]
    extensions: dict[str, Extension] = attrs.field(factory=dict, init=False)
    calls: dict[str, Call] = attrs.field(factory=dict, init=False)
    originated: list[Originated] = attrs.field(factory=list, init=False)
    rung: list[Rung] = attrs.field(factory=list, init=False)

    def register(self, extension: str, agent_name: str | None, username: str | None, *, registered: bool) -> Extension:
        """Make an extension, or change the one that exists."""
        phone = self.extensions.get(extension)
        if phone is None:
            phone = self.extensions[extension] = Extension(
                extension=extension, agent_name=f"Agent {extension}", username=f"agent{extension}"
            )
        phone.registered = registered
        phone.agent_name = agent_name or phone.agent_name
        phone.username = username or phone.username
        return phone

    def call(self, call_id: str) -> Call:
        """Give a live call. Raises: NoSuchCall."""
        try:
            return self.calls[call_id]
        except KeyError:
            raise NoSuchCall(f"there is no live call {call_id!r}") from None

    def close(self) -> None:
        """Stop all timers, and let requests go on that wait for an extension to pick up."""
        for call in self.calls.values():
            self._stop(call)

    # -- calls -----------------------------------------------------------------------------------------------------

    def dial(self, query: Mapping[str, str]) -> Call:
        """Ring the extension of a click-to-call. Raises: PhoneError, and then nothing rang."""
        phone = self._free_phone(query["ext"])
        call_id, sip_call_id = str(uuid4()), uuid4().hex
        call = Call(
            call_id=call_id,
            sip_call_id=sip_call_id,
            record_id=call_id,
            record_sip_call_id=sip_call_id,
            direction="outbound",
            extension=phone.extension,
            number=query["phone"],
            hotline=query.get("hotline") or self.hotline,
            aleg=phone.extension,
            bleg=query["phone"],
            created_at=self.clock.now(),
            query=dict(query),
        )
        self.calls[call_id] = call
        phone.call_id = call_id
        self.originated.append(Originated(call_id, phone.extension, call.number, call.query, call.created_at))
        self.on_event("ringing", call, phone.extension)
        if query.get("auto_answer", "").lower() in ("true", "1"):
            self._pick_up(call)
        else:
            self._next(call, self.behaviour.ring_seconds, self._extension_rang)
        return call

    def incoming(self, number: str, hotline: str, targets: Sequence[str], *, ring_group: bool) -> Call:
        """Let a customer call; those of *targets* ring that are registered and free."""
        unknown = [target for target in targets if target not in self.extensions]
        if unknown or not targets:
            raise ValueError(f"there is no extension {', '.join(unknown) or 'to ring'}")
        free = [target for target in targets if self._refusal(target) is None]
        call_id, sip_call_id = str(uuid4()), uuid4().hex
        same_sip = not ring_group or self.behaviour.ring_group_shares_sip_call_id
        first = (free or targets)[0]
        call = Call(
            call_id=call_id,
            sip_call_id=sip_call_id,
            record_id=str(uuid4()) if ring_group else call_id,
            record_sip_call_id=sip_call_id if same_sip else uuid4().hex,
            direction="inbound",
            extension=first,
            number=number,
            hotline=hotline,
            aleg=number,
            bleg=first,
            created_at=self.clock.now(),
            in_ring_group=ring_group,
            ringing=list(free),
        )
        self.calls[call_id] = call
        for target in free:
            self.extensions[target].call_id = call_id
            self.on_event("ringing", call, target)
        if free:
            self._next(call, self.behaviour.ring_seconds, self._extension_rang)
        else:
            busy = any(self._refusal(target) == "USER_BUSY" for target in targets)
            cause = "USER_BUSY" if busy else "SUBSCRIBER_ABSENT"
            self._next(call, self.behaviour.ring_seconds, lambda call: self.end(call, cause))
        return call

    def answer(self, call: Call, extension: str | None) -> None:
        """Let the phones pick up that the call waits for; of a ring group *extension*, or the first that rings."""
        if call.phase not in ("extension_ringing", "number_ringing"):
            raise ValueError(f"call {call.call_id} is {call.phase} already")
        if call.direction == "inbound":
            answering = extension or call.extension
            if answering not in call.ringing:
                raise ValueError(f"extension {answering} does not ring in call {call.call_id}")
            self._settle_ring_group(call, answering)
        elif extension not in (None, call.extension):
            raise ValueError(f"extension {extension} does not ring in call {call.call_id}")
        self._connect(call)

    def end(self, call: Call, cause: str, status: str | None = None) -> None:
        """End a call: its phones are free again, then come the record and the last events."""
        call.ended_at = self.clock.now()
        call.cause = cause
        call.status = status or ("ANSWERED" if call.answered_at else _UNANSWERED.get(cause, "FAILED"))
        self._forget(call)
        self.on_end(call)
        if call.direction == "inbound" and call.answered_at is None:
            self.on_event("missed", call, call.extension)
        self.on_event("hangup", call, call.extension)
        self.on_event("cdr", call, call.extension)

    def crash(self) -> None:
        """Lose all calls that are under way: all phones are free again, and no event is sent."""
        for call in tuple(self.calls.values()):
            self._forget(call)

    def _forget(self, call: Call) -> None:
        call.phase = "ended"
        for party in {call.aleg, call.bleg, call.extension, *call.ringing, *call.supervisors}:
            self._free(call, party)
        del self.calls[call.call_id]
        self._stop(call)

    # -- call control ----------------------------------------------------------------------------------------------

    def transfer(self, call: Call, extension: str, leg: Leg) -> None:
        """Connect the party of *leg* with *extension*; the other party is out. Raises: PhoneError."""
        phone = self._free_phone(extension)
        if call.phase not in ("answered", "parked") or getattr(call, leg) is None:
            raise PhoneError(None)
        other = "bleg" if leg == "aleg" else "aleg"
        self._free(call, getattr(call, other))
        setattr(call, other, extension)
        call.extension, phone.call_id = extension, call.call_id
        if call.phase == "parked":
            call.phase = "answered"
            self._next(call, self.behaviour.talk_seconds, self._talked)
        self.rung.append(Rung("transfer", call.call_id, extension))

    def supervise(self, call: Call, extension: str, how: Monitoring) -> None:
        """Ring *extension* and let it into the call. Raises: PhoneError."""
        phone = self._free_phone(extension)
        if call.phase != "answered":
            raise PhoneError(None)
        phone.call_id = call.call_id
        call.supervisors[extension] = how
        self.rung.append(Rung(how, call.call_id, extension))

    def park(self, call: Call, leg: Leg) -> None:
        """Cut *leg*; the other party waits for a transfer, but not for long [000:236]. Raises: PhoneError."""
        if call.phase != "answered":
            raise PhoneError(None)
        self._free(call, getattr(call, leg))
        setattr(call, leg, None)
        call.phase = "parked"
        self._next(call, self.behaviour.park_seconds, self._talked)
        self.rung.append(Rung("park", call.call_id, None))

    # -- steps -----------------------------------------------------------------------------------------------------

    def _extension_rang(self, call: Call) -> None:
        if not self.behaviour.extension_answers:
            self.end(call, "NO_ANSWER")
        elif call.direction == "outbound":
            self._pick_up(call)
        else:
            self._settle_ring_group(call, call.extension)
            self._connect(call)

    def _pick_up(self, call: Call) -> None:
        _let_go(call)
        call.phase = "number_ringing"
        self._next(call, self.behaviour.number_ring_seconds, self._number_rang)

    def _number_rang(self, call: Call) -> None:
        match self.behaviour.number_answers:
            case "busy":
                self.end(call, "NORMAL_CLEARING", "BUSY")  # not USER_BUSY [003:318,329]
            case True:
                self._connect(call)
            case _:
                self.end(call, "NO_ANSWER")

    def _settle_ring_group(self, call: Call, answering: str) -> None:
        for target in call.ringing:
            if target != answering:
                self._free(call, target)
        call.ringing = []
        call.extension = call.bleg = answering

    def _connect(self, call: Call) -> None:
        _let_go(call)
        call.phase, call.answered_at = "answered", self.clock.now()
        self.on_event("answered", call, call.extension)
        self._next(call, self.behaviour.talk_seconds, self._talked)

    def _talked(self, call: Call) -> None:
        self.end(call, "NORMAL_CLEARING")

    def _next(self, call: Call, seconds: float, step: Callable[[Call], None]) -> None:
        if call.timer is not None:
            call.timer.cancel()

        async def run() -> None:
            if call.timer is timer:  # a live clock may have begun just when something else happened to the call
                step(call)
                await self.settle()

        timer = call.timer = self.clock.call_later(seconds, run)

    def _stop(self, call: Call) -> None:
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        _let_go(call)

    def _free_phone(self, extension: str) -> Extension:
        refusal = self._refusal(extension)
        if refusal is not None:
            raise PhoneError(refusal)
        return self.extensions[extension]

    def _refusal(self, extension: str) -> str | None:
        phone = self.extensions.get(extension)
        if phone is None or not phone.registered:
            return "USER_NOT_REGISTERED"
        return "USER_BUSY" if phone.call_id is not None else None

    def _free(self, call: Call, party: str | None) -> None:
        phone = self.extensions.get(party or "")
        if phone is not None and phone.call_id == call.call_id:
            phone.call_id = None


def _let_go(call: Call) -> None:
    if call.picked_up is not None and not call.picked_up.done():
        call.picked_up.set_result(None)
