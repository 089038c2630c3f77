"""Legs joined into calls. The switch tells what happens to each leg; applications want to hear about calls.

Every leg is a channel of its own, so one call gives at least two CHANNEL_CREATE and CHANNEL_DESTROY. Legs belong
together by `Bridge-ID`, then by `Other-Leg-Call-ID`; the id of a call is that of its A-leg, the first one. A call that
was told of keeps its legs, whoever they are connected to later: else it would never be told to end. Fields are those of
Kazoo 3.x and 4.x.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
from gateway_contracts import CallEvent, Direction, EventType, Outcome

from .words import Side, parties_of

GREGORIAN = 62_167_219_200  # seconds from the year 0, which the switch counts from, to 1970
REMEMBERED = 20_000  # legs, of calls that have ended too: what is told twice must not begin a new call
MAX_LEGS = 500  # of one call; then those that ended first are forgotten
MAX_VALUE = 512  # characters; what is longer is no id, number or name
_MAX_SECONDS = 10_000_000
_LATEST = 4_102_444_800  # 2100, in seconds since 1970

CAUSES: Mapping[str, Outcome] = {  # FreeSWITCH's words, for calls that nobody answered
    "USER_BUSY": Outcome.BUSY,
    "CALL_REJECTED": Outcome.BUSY,
    "NO_ANSWER": Outcome.NO_ANSWER,
    "NO_USER_RESPONSE": Outcome.NO_ANSWER,
    "ALLOTTED_TIMEOUT": Outcome.NO_ANSWER,
    "PROGRESS_TIMEOUT": Outcome.NO_ANSWER,
    "ORIGINATOR_CANCEL": Outcome.CANCELLED,
    "SUBSCRIBER_ABSENT": Outcome.UNREACHABLE,
    "USER_NOT_REGISTERED": Outcome.UNREACHABLE,
    "DESTINATION_OUT_OF_ORDER": Outcome.UNREACHABLE,
    "RECOVERY_ON_TIMER_EXPIRE": Outcome.UNREACHABLE,
}
_SAYS_LITTLE = frozenset({"NORMAL_CLEARING", "NORMAL_UNSPECIFIED", "LOSE_RACE", ""})
_OURS = frozenset({"device", "user", "sip_device"})  # Authorizing-Type of a leg that is one of us

# What is kept of an event for `raw`: never descriptions of media, which hold addresses and keys, nor tokens.
_KEPT = frozenset(
    {
        "Account-ID",
        "Authorizing-ID",
        "Authorizing-Type",
        "Billing-Seconds",
        "Bridge-ID",
        "Call-Direction",
        "Call-ID",
        "Callee-ID-Name",
        "Callee-ID-Number",
        "Caller-ID-Name",
        "Caller-ID-Number",
        "Custom-Channel-Vars",
        "Disposition",
        "Duration-Seconds",
        "Event-Category",
        "Event-Name",
        "From",
        "From-Uri",
        "Hangup-Cause",
        "Hangup-Code",
        "Msg-ID",
        "Other-Leg-Call-ID",
        "Other-Leg-Caller-ID-Name",
        "Other-Leg-Caller-ID-Number",
        "Other-Leg-Destination-Number",
        "Owner-ID",
        "Presence-ID",
        "Realm",
        "Request",
        "Ringing-Seconds",
        "Timestamp",
        "To",
        "To-Uri",
        "Username",
    }
)


@attrs.define(eq=False)
class Leg:
    """What is known of one leg; a leg that only others spoke of is not *seen*."""

    leg_id: str
    seen: bool = False
    ended: bool = False
    doubted: bool = False  # lived when the connection was lost, and may have ended meanwhile
    side: Side | None = None
    ours: bool = False
    caller: str | None = None
    callee: str | None = None
    cause: str | None = None
    duration: int | None = None
    billed: int | None = None


@attrs.define(eq=False)
class JoinedCall:
    """A call and its legs, A-leg first."""

    call_id: str
    legs: dict[str, Leg] = attrs.field(factory=dict)
    told: bool = False  # applications know of it
    answered: bool = False
    ended: bool = False
    far_leg: str | None = None  # the B-leg that was answered
    holed: bool = False  # the connection was lost while it lasted: something may not have been heard

    @property
    def a_leg(self) -> Leg:
        return self.legs[self.call_id]

    def b_legs(self) -> list[Leg]:
        return [leg for leg in self.legs.values() if leg.leg_id != self.call_id]

    def other_side(self) -> Leg | None:
        """The B-leg that says most: the one that was answered, else the first that was seen."""
        seen = [leg for leg in self.b_legs() if leg.seen]
        return next((leg for leg in seen if leg.leg_id == self.far_leg), seen[0] if seen else None)

    def finished(self) -> bool:
        """Whether no leg is left: the first one is over, and of the others none lives for certain."""
        return self.a_leg.ended and all(leg.ended or leg.doubted for leg in self.b_legs() if leg.seen)


@attrs.define(eq=False)
class Calls:
    """All calls of an account that were heard of lately. *extension_of* knows the extension of a SIP user."""

    account: str
    extension_of: Callable[[str | None], str | None]
    _by_leg: OrderedDict[str, JoinedCall] = attrs.field(factory=OrderedDict, init=False)

    def doubt(self) -> None:
        """The connection was lost: what lives now may end without our hearing of it."""
        for call in self._by_leg.values():
            call.holed = True
            for leg in call.legs.values():
                leg.doubted = not leg.ended

    def hear(self, name: str, payload: Mapping[str, Any], received_at: datetime) -> Iterator[CallEvent]:
        """What an event of a leg means for its call: nothing, one event, or `call.missed` and `call.ended`."""
        leg_id = _text(payload.get("Call-ID"))
        if leg_id is None:
            return
        call = self._call_of(leg_id, payload)
        leg = call.legs[leg_id]
        new = not leg.seen
        self._learn(leg, payload)
        leg.doubted = False
        match name:
            case "CHANNEL_CREATE":
                if new and not call.ended and leg_id != call.call_id:
                    yield self._event(EventType.RINGING, call, leg, payload, received_at)
            case "CHANNEL_ANSWER" | "CHANNEL_BRIDGE":
                # An A-leg that answers is perhaps only a voice menu, or the agent of a click-to-call.
                together = name == "CHANNEL_BRIDGE" or leg_id != call.call_id
                if together and not call.answered and not call.ended:
                    call.answered = True
                    call.far_leg = leg_id if leg_id != call.call_id else _text(payload.get("Other-Leg-Call-ID"))
                    yield self._event(EventType.ANSWERED, call, leg, payload, received_at)
            case "CHANNEL_DESTROY":
                yield from self._destroyed(call, leg, payload, received_at)

    def _destroyed(
        self, call: JoinedCall, leg: Leg, payload: Mapping[str, Any], received_at: datetime
    ) -> Iterator[CallEvent]:
        leg.ended = True
        leg.cause = _text(payload.get("Hangup-Cause"))
        leg.duration, leg.billed = _seconds(payload.get("Duration-Seconds")), _seconds(payload.get("Billing-Seconds"))
        if call.ended or not call.finished():
            return
        call.ended = True
        call.answered = call.answered or any(each.billed for each in call.b_legs())
        ended = self._event(EventType.ENDED, call, leg, payload, received_at)
        if ended.direction is Direction.INBOUND and not call.answered and not call.holed:
            yield attrs.evolve(ended, type=EventType.MISSED, event_id=self._event_id(EventType.MISSED, call))
        yield ended

    # Joining

    def _call_of(self, leg_id: str, payload: Mapping[str, Any]) -> JoinedCall:
        bridge = _text(_variables(payload).get("Bridge-ID"))
        other = _text(payload.get("Other-Leg-Call-ID"))
        own = self._by_leg.get(leg_id)
        known: list[JoinedCall] = []
        for each in (bridge, leg_id, other):
            found = self._by_leg.get(each) if each else None
            if found is not None and found not in known:
                known.append(found)
        if known:
            told = [own, *known] if own else known
            call = next((each for each in told if each.told), known[0])
            for second in known:
                if second is not call and not second.told:
                    self._merge(call, second, bridge)
        elif _text(payload.get("Call-Direction")) == "inbound":
            call = JoinedCall(leg_id)  # somebody placed this leg, so it is the first
        else:
            outward = _text(payload.get("Call-Direction")) == "outbound"
            call = JoinedCall(bridge or (other if outward and other else leg_id))
        for each in (call.call_id, leg_id, other):
            if each and each not in call.legs and self._by_leg.get(each, call) is call:
                call.legs[each] = Leg(each)
        self._forget_legs(call, leg_id)
        for each in (bridge, *call.legs):
            if each and self._by_leg.setdefault(each, call) is call:
                self._by_leg.move_to_end(each)
        while len(self._by_leg) > REMEMBERED:
            self._by_leg.popitem(last=False)
        return call

    def _merge(self, call: JoinedCall, second: JoinedCall, bridge: str | None) -> None:
        # Two legs that were not known to belong together, and nobody was told of the second.
        for leg in second.legs.values():
            call.legs.setdefault(leg.leg_id, leg)
        call.holed = call.holed or second.holed
        for each in (bridge, second.call_id, *second.legs):
            if each and self._by_leg.get(each) is second:
                self._by_leg[each] = call

    def _forget_legs(self, call: JoinedCall, current: str) -> None:
        if len(call.legs) <= MAX_LEGS:
            return
        old = [leg for leg in call.b_legs() if leg.leg_id not in {current, call.far_leg}]
        for leg in sorted(old, key=lambda leg: not leg.ended)[: len(call.legs) - MAX_LEGS]:
            del call.legs[leg.leg_id]
            self._by_leg.pop(leg.leg_id, None)

    def _learn(self, leg: Leg, payload: Mapping[str, Any]) -> None:
        variables = _variables(payload)
        leg.seen = True
        kind = _text(variables.get("Authorizing-Type"))
        leg.ours = leg.ours or (kind in _OURS if kind else bool(_text(variables.get("Owner-ID"))))
        leg.caller = _text(payload.get("Caller-ID-Number")) or _user(payload.get("From")) or leg.caller
        leg.callee = (
            _text(payload.get("Callee-ID-Number"))
            or _user(payload.get("Request"))
            or _user(payload.get("To"))
            or leg.callee
        )
        if leg.ours:
            extension = self.extension_of(_text(variables.get("Username"))) or _user(payload.get("Presence-ID"))
            leg.side = Side(extension, ours=True) if extension else leg.side

    # Telling

    def _event(
        self, kind: EventType, call: JoinedCall, leg: Leg, payload: Mapping[str, Any], received_at: datetime
    ) -> CallEvent:
        call.told = True
        first, second = call.a_leg, call.other_side()
        if kind is EventType.RINGING and leg is not first:
            second = leg
        direction = _direction(first, second)
        source, target, hotline = _sides(direction, first, second)
        who = parties_of(direction, source, target, hotline)
        ended = kind is EventType.ENDED
        talk = None
        if ended:
            talk = _talk(call, first, second)
        return CallEvent(
            account=self.account,
            event_id=self._event_id(kind, call, leg if kind is EventType.RINGING else None),
            type=kind,
            call_id=call.call_id,
            direction=direction,
            from_number=who.from_number,
            to_number=who.to_number,
            extension=who.extension,
            hotline=who.hotline,
            occurred_at=_moment(payload.get("Timestamp")),
            received_at=received_at,
            outcome=_outcome(call) if ended else Outcome.ANSWERED if kind is EventType.ANSWERED else None,
            duration_seconds=(first.duration if first.duration is not None else leg.duration) if ended else None,
            talk_seconds=talk,
            raw=kept(payload),
        )

    def _event_id(self, kind: EventType, call: JoinedCall, leg: Leg | None = None) -> str:
        key = (self.account, call.call_id, kind.value, leg.leg_id if leg else "")
        return hashlib.sha256("\n".join(key).encode()).hexdigest()[:32]


def kept(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What may be shown of an event: the fields that are documented, without media descriptions and tokens."""
    shown = _shown(payload)
    if "Custom-Channel-Vars" in payload:
        shown["Custom-Channel-Vars"] = _shown(_variables(payload))
    return shown


def _shown(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key in _KEPT and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return len(value) <= MAX_VALUE if isinstance(value, str) else not isinstance(value, dict | list)


def _direction(first: Leg, second: Leg | None) -> Direction:
    """Seen from the business: who placed it, one of us or a carrier, and where it goes."""
    if first.seen and not first.ours:
        return Direction.INBOUND
    if second is None or not (first.seen or not second.ours):
        return Direction.UNKNOWN
    return Direction.INTERNAL if second.ours else Direction.OUTBOUND


def _sides(direction: Direction, first: Leg, second: Leg | None) -> tuple[Side, Side, str | None]:
    """Who calls whom, and the business's own number."""
    caller = first.caller or (second.caller if second else None)
    callee = (second.callee if second else None) or first.callee
    source, target = Side(caller, ours=first.ours), Side(callee, ours=bool(second and second.ours))
    if first.side:
        source = first.side
    if second and second.side:
        target = second.side
    if direction is Direction.INBOUND:
        return source, target, first.callee
    if direction is Direction.OUTBOUND and second and second.caller != source.number:
        return source, target, second.caller
    return source, target, None


def _outcome(call: JoinedCall) -> Outcome:
    if call.answered:
        return Outcome.ANSWERED
    if call.holed:
        return Outcome.UNKNOWN  # it may have been answered while nobody listened; the record will say
    causes = [leg.cause or "" for leg in (*call.b_legs(), call.a_leg) if leg.ended]
    telling = next((cause for cause in causes if cause not in _SAYS_LITTLE), None)
    if telling is not None:
        return CAUSES.get(telling, Outcome.FAILED)
    # Cleared as usual, and nobody had picked up: who called gave up.
    return Outcome.CANCELLED if call.b_legs() else Outcome.NO_ANSWER


def _talk(call: JoinedCall, first: Leg, second: Leg | None) -> int | None:
    if not call.answered:
        return None if call.holed else 0
    return second.billed if second and second.billed is not None else first.billed


def _variables(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    found = payload.get("Custom-Channel-Vars")
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= MAX_VALUE else None


def _user(value: Any) -> str | None:
    """Who stands before the `@` of a SIP address."""
    text = _text(value)
    return text.removeprefix("sip:").partition("@")[0] or None if text else None


def _seconds(value: Any) -> int | None:
    """Seconds, which the switch writes as text."""
    try:
        found = max(int(float(value)), 0)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found < _MAX_SECONDS else None


def _moment(value: Any) -> datetime | None:
    try:
        found = int(float(value)) - GREGORIAN
    except (TypeError, ValueError, OverflowError):
        return None
    return datetime.fromtimestamp(found, UTC) if 0 <= found < _LATEST else None
