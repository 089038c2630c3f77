"""What is known of one conversation, for programs and for people."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import attrs
from gateway_contracts import CallEvent, CallState, Direction, EventSource, EventType, Outcome


@attrs.frozen(kw_only=True)
class Link:
    """An id that belongs to a conversation. *kind* is call_id, sip_call_id, record_id, dial_id, try (an earlier one of
    a dial) or recording (which is found by its record's id); *evidence* says how that is known.
    """

    kind: str
    value: str
    evidence: str
    linked_at: datetime


@attrs.frozen(kw_only=True)
class TimelineTry:
    """An earlier try of a dial, and what the vendor answered: *answer*, or *error*."""

    account: str
    state: str
    tried_at: datetime
    finished_at: datetime | None
    evidence: str | None
    resolution: str | None
    answer: Any
    error: Any


@attrs.frozen(kw_only=True)
class TimelineStatement:
    """What a person said of a dial. *caller* is the name of the key; it is empty in a library process."""

    state: str
    note: str
    caller: str
    stated_at: datetime


@attrs.frozen(kw_only=True)
class TimelineDial:
    """A click-to-call that the conversation began with, and what the vendor answered: *answer*, or *error*.

    *tries* are its earlier tries, *statements* what people said of it.
    """

    dial_id: str
    state: str
    asked: str
    extension: str | None
    number: str | None
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    evidence: str | None
    resolution: str | None
    answer: Any
    error: Any
    tries: tuple[TimelineTry, ...] = ()
    statements: tuple[TimelineStatement, ...] = ()


@attrs.frozen(kw_only=True)
class TimelineDelivery:
    """An event of the conversation on its way to a subscription."""

    delivery_id: str
    subscription_id: str
    seq: int
    event_id: str
    state: str
    attempts: int
    status: int | None
    error: str | None
    updated_at: datetime


@attrs.frozen(kw_only=True)
class Timeline:
    """Everything that belongs to one human conversation, whatever ids the vendor used for its parts.

    *ended_by* is who said that it ended, null while it has not.
    """

    account: str
    conversation_id: str
    state: CallState
    direction: Direction
    from_number: str | None
    to_number: str | None
    extension: str | None
    hotline: str | None
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: Outcome | None
    duration_seconds: int | None
    talk_seconds: int | None
    ended_by: EventSource | None
    links: tuple[Link, ...]
    dials: tuple[TimelineDial, ...]
    events: tuple[CallEvent, ...]
    deliveries: tuple[TimelineDelivery, ...]


_DID = {
    EventType.RINGING: "rings",
    EventType.ANSWERED: "is answered",
    EventType.ENDED: "ends",
    EventType.MISSED: "is missed",
    EventType.RECORD_CREATED: "has a record",
    EventType.RECORDING_READY: "has a recording",
    EventType.UNKNOWN: "something else",
}


def head_of(timeline: Timeline) -> Iterator[tuple[str, str]]:
    """The conversation itself, as pairs of a word and what is to be said."""
    yield "conversation", timeline.conversation_id
    yield "account", timeline.account
    sides = f"{timeline.from_number or '?'} to {timeline.to_number or '?'}"
    yield "call", f"{timeline.direction}, {sides}"
    for word in ("extension", "hotline"):
        if getattr(timeline, word):
            yield word, getattr(timeline, word)
    yield "state", timeline.state
    for word in ("started_at", "answered_at", "ended_at"):
        if getattr(timeline, word):
            yield word.removesuffix("_at"), _time(getattr(timeline, word))
    if timeline.state is CallState.ENDED:
        yield "how", _how_it_ended(timeline)


def _how_it_ended(timeline: Timeline) -> str:
    said = {
        EventSource.VENDOR: "said by the vendor",
        EventSource.RECONCILED: "found by the reconciler",
    }.get(timeline.ended_by or EventSource.VENDOR, "")
    parts = [str(timeline.outcome or Outcome.UNKNOWN), said]
    if timeline.duration_seconds is not None:
        parts.append(f"after {timeline.duration_seconds} s")
    if timeline.talk_seconds:
        parts.append(f"of which {timeline.talk_seconds} s were talked")
    return ", ".join(parts)


def story_of(timeline: Timeline) -> Iterator[tuple[datetime, str, str]]:
    """What happened, in its order: when, what, and more about it."""
    return iter(sorted(_story(timeline), key=lambda each: each[0]))


def _story(timeline: Timeline) -> Iterator[tuple[datetime, str, str]]:
    for dial in timeline.dials:
        yield from story_of_dial(dial)
    for event in timeline.events:
        notes: list[Any] = [f"seq {event.seq}"]
        notes += ["reconciled"] if event.source is EventSource.RECONCILED else []
        notes += ["late"] if event.late else []
        notes += [event.outcome] if event.outcome else []
        notes += [f"extension {event.extension}"] if event.extension else []
        notes += [f"call {event.call_id}"] if event.call_id else []
        notes += [f"happened {_time(event.occurred_at)}"] if event.occurred_at else []
        yield event.received_at, f"{event.type}: it {_DID[event.type]}", ", ".join(map(str, notes))
    for link in timeline.links:
        if link.kind in {"record_id", "recording"}:
            word = "record" if link.kind == "record_id" else "recording, of record"
            yield link.linked_at, f"{word} {link.value}", f"known by {link.evidence}"
    for delivery in timeline.deliveries:
        more = f"seq {delivery.seq}, {delivery.attempts} attempts, status {delivery.status}"
        told = f"delivery to {delivery.subscription_id}: {delivery.state}"
        yield delivery.updated_at, told, more + (f", {delivery.error}" if delivery.error else "")


def story_of_dial(dial: TimelineDial) -> Iterator[tuple[datetime, str, str]]:
    """What happened with *dial*, in its order: when, what, and more about it."""
    return iter(sorted(_story_of_dial(dial), key=lambda each: each[0]))


def _story_of_dial(dial: TimelineDial) -> Iterator[tuple[datetime, str, str]]:
    tried = [each.tried_at for each in dial.tries]
    begun = min([*tried, dial.created_at])
    yield begun, f"asked: ring {dial.extension}, call {dial.number}", f"{dial.dial_id}, through {dial.asked}"
    for each in dial.tries:
        yield each.tried_at, f"begun at {each.account}", ""
        if each.finished_at:
            yield each.finished_at, _ending(each), _said(each)
    if dial.sent_at:
        yield dial.sent_at, "begun again" if tried else "begun", ""
        if dial.state == "unknown" and not dial.finished_at:
            yield dial.sent_at, "unknown: the gateway still looks for the call", _said(dial)
    if dial.finished_at:
        yield dial.finished_at, _ending(dial), _said(dial)
    for said in dial.statements:
        who = f" by {said.caller}" if said.caller else ""
        yield said.stated_at, f"stated{who}: {said.state}", said.note


def _ending(tried: TimelineDial | TimelineTry) -> str:
    if tried.resolution == "not_found":
        return "looked for and not found: it may have rung"
    if tried.evidence not in {"answer", None}:
        return f"{tried.state}, known by {tried.evidence}"
    ours = tried.error is not None and tried.error.get("origin") == "gateway"
    return f"the gateway ended it: {tried.state}" if ours else f"the vendor answered: {tried.state}"


def _said(tried: TimelineDial | TimelineTry) -> str:
    """What the vendor answered, as far as that still counts."""
    if tried.evidence == "statement":
        return ""
    said = tried.answer or tried.error or {}
    return ", ".join(f"{name} {said[name]}" for name in ("call_id", "code", "detail") if said.get(name))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
