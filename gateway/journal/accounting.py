"""Live calls and records against conversations: events that the vendor failed to send are added, as reconciled ones.

Their ids follow from what they tell, so the same pass may be made twice, or by two processes, and adds them once.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

import attrs
from gateway_contracts import Call, CallEvent, CallRecord, CallState, Direction, EventSource, EventType, Outcome
from sqlalchemy import Connection, and_, or_, select

from .conversation_rows import conversation_of
from .conversations import NEAR, RANKS, Conversation
from .matching import ConversationMatcher, LinkKey
from .schema import conversations, dials, links, to_micros

_TOLD_BY: dict[CallState, EventType] = {CallState.ANSWERED: EventType.ANSWERED}  # any other live state: it rings
EVENTS_MAY_COME = timedelta(minutes=3)
"""How long after its end a call whose events may be under way under another id is left to them."""
_SURE = timedelta(seconds=10)  # two ways of telling of one call are hardly further apart
_LATE = timedelta(hours=1)  # after its call, what tells of it may have come
_CALL_KINDS = ("call_id", "sip_call_id", "record_id", "dial_id")


@attrs.frozen
class Recovered:
    """How many events were *added*, and when the first call was over whose record is left for later."""

    added: int
    waiting: datetime | None


@attrs.frozen
class OpenConversation:
    """A conversation that has no end yet, and whether the vendor shows it as live."""

    conversation: Conversation
    live: bool


def over_at(record: CallRecord) -> datetime | None:
    """When the call of *record* was over, as far as it says; None where it has no time at all."""
    if record.ended_at is None and record.started_at is not None:
        return record.started_at + timedelta(seconds=record.duration_seconds or 0)
    return record.ended_at


def take_live(matcher: ConversationMatcher, calls: Sequence[Call], now: datetime) -> int:
    """Add what *calls*, live at the vendor, tell and no event did; gives the number of events."""
    matcher.look_up([(call.account, "call_id", call.call_id) for call in calls])
    return sum(_take_live(matcher, call, now) for call in calls)


def _take_live(matcher: ConversationMatcher, call: Call, now: datetime) -> bool:
    kind = _TOLD_BY.get(call.state, EventType.RINGING)
    found = matcher.links.get((call.account, "call_id", call.call_id))
    if found is not None:
        reached = matcher.conversations[found].state
        if kind is EventType.RINGING or RANKS[reached] >= RANKS[CallState.ANSWERED]:
            return False
    event = CallEvent(
        account=call.account,
        event_id=_event_id(call.account, call.call_id, kind),
        type=kind,
        call_id=call.call_id,
        received_at=now,
        direction=call.direction,
        from_number=call.from_number,
        to_number=call.to_number,
        extension=call.extension,
        hotline=call.hotline,
        occurred_at=call.answered_at if kind is EventType.ANSWERED else call.started_at,
        source=EventSource.RECONCILED,
    )
    return matcher.add(event) is not None


def take_records(
    matcher: ConversationMatcher, records: Sequence[CallRecord], live: Collection[LinkKey], now: datetime
) -> Recovered:
    """Add what *records* tell and no event did, each to the conversation of its call, or to a new one.

    Left for later are a record whose conversation has one of the links *live*, and for a while an inbound one of which
    nothing was heard: its events may be under way with another id, and then nothing but the time would join them.
    """
    matcher.look_up([key for record in records for key, _ in _keys(record)] + list(live))
    talking = {matcher.links[key] for key in live if key in matcher.links}
    placed = {index: found for index, record in enumerate(records) if (found := _by_id(matcher, record))}
    others = [index for index in range(len(records)) if index not in placed]
    met, unsure = _by_parties(matcher, records, others, talking | {each for each, _ in placed.values()}, now)
    placed |= met
    added, waiting = 0, []
    for index, record in enumerate(records):
        found, over = placed.get(index) or _by_id(matcher, record), over_at(record) or now
        unheard = found is None and record.direction is Direction.INBOUND and now - over < EVENTS_MAY_COME
        if index in unsure or unheard or (found and found[0] in talking):
            waiting.append(over)
        else:
            conversation_id, evidence = found or (matcher.begin(record.account, now).conversation_id, "record")
            added += _take_record(matcher, record, matcher.conversations[conversation_id], evidence, now)
    return Recovered(added, min(waiting, default=None))


def _take_record(
    matcher: ConversationMatcher, record: CallRecord, conversation: Conversation, evidence: str, now: datetime
) -> int:
    event = CallEvent(
        account=record.account,
        event_id=_event_id(record.account, record.record_id, EventType.RECORD_CREATED),
        type=EventType.RECORD_CREATED,
        call_id=record.call_id,
        sip_call_id=record.sip_call_id,
        received_at=now,
        direction=record.direction,
        from_number=record.from_number,
        to_number=record.to_number,
        extension=record.extension,
        hotline=record.hotline,
        occurred_at=over_at(record),
        outcome=record.outcome,
        vendor_status=record.vendor_status,
        duration_seconds=record.duration_seconds,
        talk_seconds=record.talk_seconds,
        source=EventSource.RECONCILED,
        raw=record.raw,
    )
    added = 0
    if conversation.state is not CallState.ENDED:
        end = attrs.evolve(
            event, type=EventType.ENDED, event_id=_event_id(record.account, record.record_id, EventType.ENDED), raw=None
        )
        added += matcher.add(end, conversation) is not None
    if (record.account, "record_id", record.record_id) not in matcher.links:
        added += matcher.add(event, conversation) is not None
    if record.has_recording and (record.account, "recording", record.record_id) not in matcher.links:
        ready = attrs.evolve(
            event,
            type=EventType.RECORDING_READY,
            event_id=_event_id(record.account, record.record_id, EventType.RECORDING_READY),
            occurred_at=None,
        )
        added += matcher.add(ready, conversation) is not None
    for key, kind in _keys(record):
        if key not in matcher.links:
            matcher.link(key, conversation.conversation_id, "record" if evidence == kind else evidence, now)
    conversation.learn_from(record)
    matcher.changed.add(conversation.conversation_id)
    return added


def _keys(record: CallRecord) -> list[tuple[LinkKey, str]]:
    """The links that *record* makes, with their kinds, the most telling first. A recording is found by its record."""
    values = [
        ("record_id", record.record_id),
        ("call_id", record.call_id),
        ("sip_call_id", record.sip_call_id),
        ("recording", record.record_id if record.has_recording else None),
    ]
    return [((record.account, kind, value), kind) for kind, value in values if value]


def _by_id(matcher: ConversationMatcher, record: CallRecord) -> tuple[str, str] | None:
    """The conversation that one of the ids of *record* leads to, and the kind of that id."""
    return next(((matcher.links[key], kind) for key, kind in _keys(record) if key in matcher.links), None)


def _by_parties(
    matcher: ConversationMatcher,
    records: Sequence[CallRecord],
    wanting: Sequence[int],
    taken: Collection[str],
    now: datetime,
) -> tuple[dict[int, tuple[str, str]], set[int]]:
    """The conversations of those of *records* whose ids nobody has seen, by their index, and how that is known; and the
    records of which it is too early to say. The nearest pairs come first; none is given twice, or if *taken*.
    """
    ends = {index: end for index in wanting if (end := over_at(records[index])) is not None}
    if not ends:
        return {}, set()
    first = min(records[index].started_at or end for index, end in ends.items())
    candidates, called = _without_record(matcher, records[0].account, first - NEAR, max(ends.values()) + _LATE)
    pairs = [
        (distance, index, each.conversation_id)
        for index, end in ends.items()
        for each in candidates
        if each.conversation_id not in taken
        and (each.conversation_id not in called or _ids_may_differ(records[index]))
        and (distance := each.apart(records[index], end)) is not None
    ]
    found: dict[int, tuple[str, str]] = {}
    unsure: set[int] = set()
    used: set[str] = set()
    for distance, index, conversation_id in sorted(pairs):
        if index in found or conversation_id in used:
            continue
        if distance > _SURE and now - ends[index] < EVENTS_MAY_COME:
            unsure.add(index)  # a nearer record may come
        else:
            how = "number_hotline_time" if conversation_id in called else "extension_number_time"
            found[index] = conversation_id, how
            used.add(conversation_id)
    return found, unsure


def _ids_may_differ(record: CallRecord) -> bool:
    # A queue's record has the id of the whole flow; a record without a recording may have none.
    return record.call_id is None or record.direction is Direction.INBOUND


def _without_record(
    matcher: ConversationMatcher, account: str, since: datetime, until: datetime
) -> tuple[list[Conversation], set[str]]:
    """The conversations of that time without a record, and the ids of those that have a call id."""
    recorded = select(links.c.conversation_id).where(
        links.c.conversation_id == conversations.c.conversation_id, links.c.kind == "record_id"
    )
    query = select(conversations.c.conversation_id).where(
        conversations.c.account == account,
        conversations.c.updated_at >= to_micros(since),
        conversations.c.created_at <= to_micros(until),
        ~recorded.exists(),
    )
    ids = [str(found) for found in matcher.connection.scalars(query)]
    matcher.fetch(ids)
    called: set[str] = set()
    for start in range(0, len(ids), 400):
        some = links.c.conversation_id.in_(ids[start : start + 400])
        called |= set(
            matcher.connection.scalars(select(links.c.conversation_id).where(some, links.c.kind == "call_id"))
        )
    return [matcher.conversations[each] for each in ids], called


def open_conversations(connection: Connection, account: str, live: Collection[LinkKey]) -> list[OpenConversation]:
    """The conversations of *account* that have no end yet, oldest first.

    Those of a dial that has not rung, or is being placed right now, are not counted: nothing can be said of them.
    """
    has_id = select(links.c.conversation_id).where(
        links.c.conversation_id == conversations.c.conversation_id, links.c.kind.in_(_CALL_KINDS)
    )
    dial = links.alias()
    undecided = (
        select(dial.c.conversation_id)
        .join(dials, and_(dial.c.kind == "dial_id", dials.c.dial_id == dial.c.value))
        .where(
            dial.c.conversation_id == conversations.c.conversation_id,
            dials.c.state.in_(("in_progress", "not_placed")),
        )
    )
    query = (
        select(conversations)
        .where(
            conversations.c.account == account,
            conversations.c.ended_at.is_(None),
            conversations.c.state != CallState.ENDED,
            has_id.exists(),
            or_(~undecided.exists(), conversations.c.state.not_in((CallState.DIALING, CallState.UNKNOWN))),
        )
        .order_by(conversations.c.created_at)
    )
    found = [conversation_of(row) for row in connection.execute(query)]
    matcher = ConversationMatcher(connection)
    matcher.look_up(live)
    talking = set(matcher.links.values())
    return [OpenConversation(each, each.conversation_id in talking) for each in found]


def give_up(matcher: ConversationMatcher, missed: Iterable[tuple[str, datetime | None]], now: datetime) -> int:
    """End the conversations of which nothing is heard or seen any more; nobody knows how. Gives the number of events.

    *missed* are their ids, and when they were no longer seen, if that is matcher.
    """
    ends = dict(missed)
    matcher.fetch(ends)
    added = 0
    for conversation_id, at in ends.items():
        conversation = matcher.conversations.get(conversation_id)
        if conversation is None or conversation.state is CallState.ENDED:
            continue
        event = CallEvent(
            account=conversation.account,
            event_id=_event_id(conversation.account, conversation_id, EventType.ENDED),
            type=EventType.ENDED,
            call_id=_call_id_of(matcher.connection, conversation_id),
            received_at=now,
            direction=conversation.direction,
            from_number=conversation.from_number,
            to_number=conversation.to_number,
            extension=conversation.extension,
            hotline=conversation.hotline,
            occurred_at=at,
            outcome=Outcome.UNKNOWN,
            source=EventSource.RECONCILED,
        )
        added += matcher.add(event, conversation) is not None
    return added


def _call_id_of(connection: Connection, conversation_id: str) -> str | None:
    query = select(links.c.value).where(links.c.conversation_id == conversation_id, links.c.kind == "call_id")
    return connection.execute(query.order_by(links.c.linked_at).limit(1)).scalar_one_or_none()


def _event_id(account: str, what: str, kind: EventType) -> str:
    return hashlib.sha256("\n".join((account, "reconciled", what, kind)).encode()).hexdigest()[:32]
