"""What Acme says: XML read without surprises, its rows, its words. The source is its "PBX API 3" of 2026-01."""

import re
from collections.abc import Callable, Mapping
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
from gateway_contracts.http import Response
from gateway_contracts.rows import Unreadable

T = TypeVar("T")

MAX_DEPTH = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


# XML


def decode(body: bytes) -> dict[str, Any]:
    """A response's root as plain data: its `element`, its attributes, its `text` and its `items`.

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


def read(response: Response, data: Any, element: str, kind: type[T]) -> T:
    """*data*, an element of that name, as *kind*; attributes that *kind* does not name are ignored.

    Raises: VendorProtocolError, or OutcomeUnknown where the request was more than a read.
    """
    found = data if isinstance(data, dict) else {}
    if found.get("element") != element:
        raise response.nonsense(f"its answer is {found.get('element', 'nothing')!r}, not {element!r}")
    names = [field.name for field in attrs.fields(kind)]  # type: ignore[arg-type] # every kind is an attrs class
    try:
        return kind(**{name: found[name] for name in names if name in found})
    except (TypeError, ValueError) as error:
        raise response.nonsense(f"its {element!r} does not fit its documents: {error}") from error


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


# Rows. Everything in XML is text; what is read out of it stands below.


def _id() -> Any:
    return attrs.field(converter=_whole)


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

    id: str
    direction: str | None = None
    state: str | None = None
    agent: str | None = None
    number: str | None = None
    line: str | None = None
    started: str | None = None
    answered: str | None = None


@attrs.frozen(kw_only=True)
class RecordRow:
    """`<record>`."""

    id: str
    call: str | None = None
    direction: str | None = None
    result: str | None = None
    agent: str | None = None
    number: str | None = None
    line: str | None = None
    started: str | None = None
    answered: str | None = None
    ended: str | None = None
    audio: str | None = None


@attrs.frozen(kw_only=True)
class EventRow:
    """`<event>`."""

    id: str
    kind: str
    call: str
    direction: str | None = None
    agent: str | None = None
    number: str | None = None
    line: str | None = None
    at: str | None = None
    result: str | None = None


def row_of(element: str) -> Callable[[Any], Any]:
    """What gives the attributes of an element of that name, and None for any other."""

    def attributes(data: Any) -> Any:
        if not isinstance(data, dict) or data.get("element") != element:
            return None
        return {name: value for name, value in data.items() if name not in {"element", "text", "items"}}

    return attributes


def id_of(text: str | None) -> str:
    """An id. Raises: ValueError for text that is none."""
    return str(_whole(text or ""))


def time(text: str | None, name: str) -> datetime | None:
    """The time that the attribute *name* says, None where it is absent. Raises: Unreadable for one that no call has."""
    if not text:
        return None
    try:
        found = moment(text)
    except ValueError:
        raise Unreadable(name, "is no time") from None
    if not _FIRST <= found < _LAST:
        raise Unreadable(name, "is no time of a call")
    return found


def flag(text: str | None, name: str) -> bool:
    """Whether the attribute *name* says yes. Raises: Unreadable for anything but yes and no."""
    try:
        return text is not None and _flag(text)
    except ValueError:
        raise Unreadable(name, "is neither yes nor no") from None


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
