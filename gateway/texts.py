"""Ids, numbers and other short texts of vendors, as they are kept and told: the same one whichever way it came, by
webhook, socket, answer or record, so that ids of one call stay equal. Times and lengths that no call has are left out.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

import attrs
from gateway_contracts import Call, CallEvent, CallRecord, InvalidRequest

MAX_CHARACTERS = 512
"""Of one text: more is no id, number or name, and would not fit into the index of a database."""
MAX_DEPTH = 32
"""Of what a vendor said, as it is kept in `raw`: more cannot be written down everywhere, and is no call."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No call of a vendor that has an API was before."""
AHEAD = timedelta(days=2)
"""How far in the future what happened to a call may be said to be: a clock in a wrong zone is off by a day and more."""
MAX_SECONDS = 2**31 - 1
"""The longest time that every database takes."""
_DIGITS = 32
# What no terminal, header or address is to be given; PostgreSQL takes no NUL, and half a surrogate pair is no text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_NESTS = (dict, list, tuple)
_OURS = ("account", "conversation_id")

Told = TypeVar("Told", bound=CallEvent | Call | CallRecord)


_TEXTS: dict[type, tuple[str, ...]] = {}
_GETTERS: dict[type, Callable[[Any], tuple[str | None, ...]]] = {}


def _texts_of(kind: type[Any]) -> tuple[str, ...]:
    """The names of the attributes of *kind* that are a vendor's texts."""
    if kind not in _TEXTS:
        texts = [each.name for each in attrs.fields(kind) if each.type in (str, str | None)]
        _TEXTS[kind] = tuple(name for name in texts if name not in _OURS)
    return _TEXTS[kind]


_TIMES: dict[type, tuple[list[str], list[str]]] = {}


def _times_of(kind: type[Any]) -> tuple[list[str], list[str]]:
    """The names of the attributes of *kind* that are a vendor's times, and of those that are lengths in seconds."""
    if kind not in _TIMES:
        fields = [(each.name, each.type) for each in attrs.fields(kind)]
        moments = [name for name, type_ in fields if type_ == datetime | None]
        _TIMES[kind] = moments, [name for name, _ in fields if name.endswith("_seconds")]
    return _TIMES[kind]


def _impossible(told: CallEvent | Call | CallRecord, now: datetime) -> list[str]:
    """The names of the times and lengths in *told* that no call has."""
    moments, lengths = _times_of(type(told))
    found = [
        name
        for name in moments
        if (moment := getattr(told, name)) is not None
        and (moment.tzinfo is None or moment < EARLIEST or moment - AHEAD > now)
    ]
    begun = getattr(told, "started_at", None) if lengths and "started_at" not in found else None
    most = MAX_SECONDS if begun is None else min((now - begun + AHEAD).total_seconds(), MAX_SECONDS)
    for name in lengths:
        length = getattr(told, name)
        if length is not None and not (type(length) is int and 0 <= length <= most):
            found.append(name)
    return found


def _together(told: CallEvent | Call | CallRecord) -> str:
    """All texts of *told*: nearly always there is nothing wrong with any of them, and one look tells."""
    kind = type(told)
    if kind not in _GETTERS:
        _GETTERS[kind] = attrgetter(*_texts_of(kind))
    return "".join([text for text in _GETTERS[kind](told) if text is not None])


def plain(text: str) -> str:
    """*text* without control characters; of one that is too long its beginning, and a digest of all of it."""
    if text.isprintable() and len(text) <= MAX_CHARACTERS:
        return text
    text = _CONTROL.sub("", text)
    if len(text) > MAX_CHARACTERS:
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
        text = f"{text[: MAX_CHARACTERS - _DIGITS - 1]}~{digest}"
    return text


def plain_lines(text: str) -> str:
    """*text*, which may have several lines, without other control characters."""
    return "\n".join(_CONTROL.sub("", line) for line in text.split("\n"))


def cleaned(told: Told, now: datetime | None = None) -> Told:
    """*told*, which a vendor did, with every text of it made `plain`, and without times and lengths that no call has
    *now*, which for an event is when it was received. The vendor's own, in `raw`, stays as it is, but for one that is
    nested too deeply to be told again.
    """
    changed: dict[str, Any] = {"raw": None} if is_deep(told.raw) else {}
    if now is None:
        now = told.received_at if isinstance(told, CallEvent) else datetime.now(UTC)
    changed |= dict.fromkeys(_impossible(told, now))
    together = _together(told)
    if not together.isprintable() or len(together) > MAX_CHARACTERS:
        for name in _texts_of(type(told)):
            text = getattr(told, name)
            if text is not None and text != (made := plain(text)):
                changed[name] = made
    return attrs.evolve(told, **changed) if changed else told


def is_deep(data: Any, most: int = MAX_DEPTH) -> bool:
    """Whether plain *data* is nested more than *most* times."""
    if isinstance(data, dict):
        data = data.values()
    elif not isinstance(data, _NESTS):
        return False
    return any(isinstance(each, _NESTS) and (not most or is_deep(each, most - 1)) for each in data)


def check_lengths(events: Sequence[CallEvent]) -> None:
    """Raises: InvalidRequest when one of *events* has a text that is too long to be what it is said to be."""
    for event in events:
        for name in _texts_of(type(event)) if len(_together(event)) > MAX_CHARACTERS else ():
            text = getattr(event, name)
            if text is not None and len(text) > MAX_CHARACTERS:
                raise InvalidRequest(f"{name} is longer than {MAX_CHARACTERS} characters", fields={name: "is too long"})
