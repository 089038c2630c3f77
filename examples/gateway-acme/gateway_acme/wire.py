"""What Acme says: XML read without surprises, its rows, its words. The source is its "PBX API 3" of 2026-01."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from xml.etree import ElementTree  # see `decode` for what makes it safe here

import attrs
from gateway_contracts import (
    AgentBusy,
    AgentNotRegistered,
    CallState,
    Direction,
    EventType,
    GatewayError,
    InvalidRequest,
    NotFound,
    Outcome,
    VendorRejected,
)
from gateway_contracts.http import Answer

T = TypeVar("T")

MAX_DEPTH = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


# XML


def decode(body: bytes) -> dict[str, Any]:
    """An answer's root as plain data: its `element`, its attributes, its `text` and its `items`.

    A document type is refused before anything is parsed. Without one there are no entities but the five of XML itself:
    nothing to expand, nothing to fetch. The size is limited by `HttpClient`. Raises: ValueError.
    """
    text = body.decode("utf-8")  # and no other encoding, so that the next line sees what the parser will see
    if "<!DOCTYPE" in text:
        raise ValueError("has a document type")
    try:
        return _plain(ElementTree.fromstring(text), 1)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None


def _plain(node: ElementTree.Element, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise ValueError("is nested too deeply")
    return {
        **node.attrib,
        "element": node.tag,
        "text": (node.text or "").strip(),
        "items": [_plain(child, depth + 1) for child in node],
    }


def read(answer: Answer, data: Any, element: str, kind: type[T]) -> T:
    """*data*, an element of that name, as *kind*; attributes that *kind* does not name are ignored.

    Raises: VendorProtocolError, or OutcomeUnknown where the request was more than a read.
    """
    found = data if isinstance(data, dict) else {}
    if found.get("element") != element:
        raise answer.nonsense(f"its answer is {found.get('element', 'nothing')!r}, not {element!r}")
    names = [field.name for field in attrs.fields(kind)]  # type: ignore[arg-type] # every kind is an attrs class
    try:
        return kind(**{name: found[name] for name in names if name in found})
    except (TypeError, ValueError) as error:
        raise answer.nonsense(f"its {element!r} does not fit its documents: {error}") from error


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError("a value that must be a whole number is none")
    return int(text)


def moment(text: str) -> datetime:
    """Acme's milliseconds since 1970 as a time. Raises: ValueError."""
    try:
        return _EPOCH + _whole(text) * _MILLISECOND
    except OverflowError:
        raise ValueError("a time is out of range") from None


def milliseconds(time: datetime) -> str:
    """The first of Acme's milliseconds that is not before *time*."""
    return str(-((_EPOCH - time) // _MILLISECOND))


def _flag(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError("a value that must be yes or no is neither")
    return text == "yes"


# Rows


def _id() -> Any:
    return attrs.field(converter=_whole)


def _moment() -> Any:
    return attrs.field(converter=moment)


def _maybe_moment() -> Any:
    return attrs.field(default=None, converter=attrs.converters.optional(moment))


@attrs.frozen(kw_only=True)
class Dialled:
    """`<dialled call="17"/>`."""

    call: int = _id()


@attrs.frozen(kw_only=True)
class Done:
    """`<done/>`."""


@attrs.frozen(kw_only=True)
class CallRow:
    """`<call>`: agent and number are the two sides, direction says which of them called."""

    id: int = _id()
    direction: str
    state: str
    agent: str | None = None
    number: str | None = None
    line: str | None = None
    started: datetime = _moment()
    answered: datetime | None = _maybe_moment()


@attrs.frozen(kw_only=True)
class RecordRow:
    """`<record>`."""

    id: int = _id()
    call: int = _id()
    direction: str
    result: str
    agent: str | None = None
    number: str | None = None
    line: str | None = None
    started: datetime = _moment()
    answered: datetime | None = _maybe_moment()
    ended: datetime = _moment()
    audio: bool = attrs.field(converter=_flag)


@attrs.frozen(kw_only=True)
class EventRow:
    """`<event>`."""

    id: int = _id()
    kind: str
    call: int = _id()
    direction: str
    agent: str | None = None
    number: str | None = None
    line: str | None = None
    at: datetime = _moment()
    result: str | None = None


@attrs.frozen(kw_only=True)
class Batch:
    """`<events last="42" lost="no">`: *lost* when events since the asked-for one are gone."""

    last: int = _id()
    lost: bool = attrs.field(converter=_flag)


@attrs.frozen(kw_only=True)
class PageRow:
    """`<history next="…">`; without *next* it is the last."""

    next: str | None = None


# Words. What is not listed is unknown to us, and never an error.

DIRECTIONS: Mapping[str, Direction] = {
    "in": Direction.INBOUND,
    "out": Direction.OUTBOUND,
    "local": Direction.INTERNAL,
}
STATES: Mapping[str, CallState] = {
    "dialling": CallState.DIALING,
    "ringing": CallState.RINGING,
    "talking": CallState.ANSWERED,
}
RESULTS: Mapping[str, Outcome] = {
    "ANSWERED": Outcome.ANSWERED,
    "BUSY": Outcome.BUSY,
    "NOANSWER": Outcome.NO_ANSWER,
    "CANCELLED": Outcome.CANCELLED,
    "FAILED": Outcome.FAILED,
}
EVENTS: Mapping[str, EventType] = {
    "ring": EventType.RINGING,
    "answer": EventType.ANSWERED,
    "hangup": EventType.ENDED,
    "audio": EventType.RECORDING_READY,
}
REFUSALS: Mapping[str, type[GatewayError]] = {
    "AGENT_OFFLINE": AgentNotRegistered,
    "AGENT_BUSY": AgentBusy,
    "NO_SUCH_CALL": NotFound,
    "NO_SUCH_RECORD": NotFound,
    "BAD_CURSOR": InvalidRequest,
    "REFUSED": VendorRejected,
}
"""Chapter 2: after each of these nothing was done."""


def word_for(value: object, words: Mapping[str, Any]) -> str | None:
    """Acme's word for *value* of ours; None where it has none."""
    return next((word for word, ours in words.items() if ours is value), None)
