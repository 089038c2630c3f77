"""The timeline of a conversation or a dial as text, step by step."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway_contracts import CallState, EventSource, EventType, Outcome

from ..models import Timeline, TimelineDial, TimelineTry

_DID = {
    EventType.RINGING: "rings",
    EventType.ANSWERED: "is answered",
    EventType.ENDED: "ends",
    EventType.MISSED: "is missed",
    EventType.RECORD_CREATED: "has a record",
    EventType.RECORDING_READY: "has a recording",
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


def steps_of(timeline: Timeline) -> Iterator[tuple[datetime, str, str]]:
    """What happened, in its order: when, what, and more about it."""
    return iter(sorted(_steps(timeline), key=lambda each: each[0]))


def _steps(timeline: Timeline) -> Iterator[tuple[datetime, str, str]]:
    for dial in timeline.dials:
        yield from steps_of_dial(dial)
    for event in timeline.events:
        notes: list[Any] = [f"seq {event.seq}"]
        notes += ["reconciled"] if event.source is EventSource.RECONCILED else []
        notes += ["late"] if event.late else []
        notes += [event.outcome] if event.outcome else []
        notes += [f"extension {event.extension}"] if event.extension else []
        notes += [f"call {event.call_id}"] if event.call_id else []
        notes += [f"happened {_time(event.occurred_at)}"] if event.occurred_at else []
        did = _DID.get(event.type, "something else")
        yield event.received_at, f"{event.type}: it {did}", ", ".join(map(str, notes))
    for link in timeline.links:
        if link.kind in {"record_id", "recording"}:
            word = "record" if link.kind == "record_id" else "recording, of record"
            yield link.linked_at, f"{word} {link.value}", f"known by {link.evidence}"
    for delivery in timeline.deliveries:
        more = f"seq {delivery.seq}, {delivery.attempts} attempts, status {delivery.status}"
        told = f"delivery to {delivery.subscription_id}: {delivery.state}"
        yield delivery.updated_at, told, more + (f", {delivery.error}" if delivery.error else "")


def steps_of_dial(dial: TimelineDial) -> Iterator[tuple[datetime, str, str]]:
    """What happened with *dial*, in its order: when, what, and more about it."""
    return iter(sorted(_steps_of_dial(dial), key=lambda each: each[0]))


def _steps_of_dial(dial: TimelineDial) -> Iterator[tuple[datetime, str, str]]:
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
