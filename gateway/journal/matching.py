"""Matches events to conversations: by the ids that an event has, or by its parties and time.

A `ConversationMatcher` serves one batch of events. It reads what the batch touches, and writes what has changed.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from gateway_contracts import CallEvent, CallState, Direction, EventSource, EventType
from sqlalchemy import Connection, Text, and_, bindparam, cast, insert, literal, or_, select

from .conversation_rows import add_conversations, change_conversations, conversation_of, read_conversations
from .conversations import NEAR, Conversation, number_key, outside_of, same_number
from .event_rows import add_rows, digest_of, known_digests, stored_event, take_numbers
from .prepared import Prepared, PreparedIn
from .schema import conversations, dials, events, from_micros, links, to_micros, tries

_CANDIDATES = 1_000  # conversations of late that an event is compared with
_LATELY = timedelta(hours=6)  # how long the parts of a conversation may come apart
_LIVE_TYPES = (EventType.RINGING, EventType.ANSWERED, EventType.MISSED, EventType.UNKNOWN)
_LINK_KINDS: Mapping[EventType, str] = {  # of the events that tell of a record, beside `call_id`
    EventType.RECORD_CREATED: "record_id",
    EventType.RECORDING_READY: "recording",
}
_DIAL_LIFE = timedelta(minutes=10)  # how long after a click-to-call its first event may come
_LINKED = PreparedIn(
    lambda values: select(links.c.value, links.c.conversation_id).where(
        links.c.account == bindparam("of_account"), links.c.kind == bindparam("of_kind"), links.c.value.in_(values)
    )
)
_DIALS_WITHOUT_CALL = Prepared(
    select(dials.c.extension, dials.c.number, dials.c.created_at, links.c.conversation_id)
    .join(
        links,
        and_(links.c.account == dials.c.account, links.c.kind == "dial_id", links.c.value == dials.c.dial_id),
    )
    .where(
        dials.c.account == bindparam("of_account"),
        or_(dials.c.state.in_((literal("placed"), literal("unknown"))), dials.c.resolution == literal("stated")),
        dials.c.call_id.is_(None),
        dials.c.created_at >= bindparam("since"),
    )
    .order_by(dials.c.created_at.desc())
)
_TRIES_WITHOUT_CALL = Prepared(  # the earlier tries of these dials that a person said did not ring
    select(dials.c.extension, dials.c.number, tries.c.tried_at, links.c.conversation_id)
    .join(tries, tries.c.dial_id == dials.c.dial_id)
    .join(
        links,
        and_(
            links.c.account == tries.c.account,
            links.c.kind == "try",
            links.c.value == tries.c.dial_id + "/" + cast(tries.c.tried_at, Text),
        ),
    )
    .where(
        tries.c.account == bindparam("of_account"),
        tries.c.tried_at >= bindparam("since"),
        dials.c.state != "in_progress",  # the event may be of the try that rings now, and that try finds it itself
    )
    .order_by(tries.c.tried_at.desc())
)
_RECORD = select(links.c.value).where(
    links.c.conversation_id == conversations.c.conversation_id, links.c.kind == "record_id"
)
_PARTS = Prepared(
    select(conversations)
    .where(
        conversations.c.account == bindparam("of_account"),
        conversations.c.updated_at >= bindparam("since"),
        or_(
            conversations.c.state == CallState.UNKNOWN,
            conversations.c.end_source == EventSource.RECONCILED,
            ~_RECORD.exists(),
        ),
    )
    .order_by(conversations.c.updated_at.desc())
    .limit(_CANDIDATES)
)
_HAVE_LINK = PreparedIn(
    lambda ids: select(links.c.conversation_id).where(
        links.c.conversation_id.in_(ids), links.c.kind == bindparam("of_kind")
    )
)
_HAVE_LIVE_EVENT = PreparedIn(
    lambda ids: select(events.c.conversation_id).where(
        events.c.conversation_id.in_(ids), events.c.type.in_(list(map(literal, _LIVE_TYPES)))
    )
)
_ADD_LINKS = Prepared(insert(links))

LinkKey = tuple[str, str, str]
"""Identifies a link: account, kind and value."""


@attrs.define
class ConversationMatcher:
    """Matches one batch of events to conversations, and holds what the batch touches until `save` writes it.

    *earliest* is when the first event of the batch happened.
    """

    connection: Connection
    earliest: datetime | None = None
    links: dict[LinkKey, str] = attrs.field(factory=dict)  # the ids of their conversations
    conversations: dict[str, Conversation] = attrs.field(factory=dict)
    new: set[str] = attrs.field(factory=set)
    changed: set[str] = attrs.field(factory=set)
    link_rows: list[tuple[Any, ...]] = attrs.field(factory=list)
    event_rows: list[tuple[Any, ...]] = attrs.field(factory=list)
    called: set[str] = attrs.field(factory=set)  # conversations that got a call id in this batch
    live: set[str] = attrs.field(factory=set)  # conversations that got one of _LIVE_TYPES in this batch
    by_number: dict[tuple[str, str], set[str]] = attrs.field(factory=lambda: defaultdict(set))
    not_by_number: set[str] = attrs.field(factory=set)  # conversations that are not yet, or no longer all, in it
    recorded: set[str] = attrs.field(factory=set)  # conversations that got their record in this batch
    dials: dict[str, Sequence[Any]] = attrs.field(factory=dict)  # rows of `_DIALS_WITHOUT_CALL` by account
    read_since: dict[tuple[str, str], datetime] = attrs.field(
        factory=dict
    )  # how far back was read, by account and kind

    @classmethod
    def load(cls, connection: Connection, batch: Collection[CallEvent]) -> "ConversationMatcher":
        """Return a matcher for *batch*, with the conversations that its ids lead to."""
        matcher = cls(connection, min(each.occurred_at or each.received_at for each in batch))
        matcher.look_up({key for event in batch for key in _keys_of(event)})
        return matcher

    def look_up(self, keys: Collection[LinkKey]) -> None:
        """Load the links of *keys*, and the conversations that they lead to."""
        # By account and kind, as the index is: SQLite reads the whole table for an IN of rows.
        wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
        for account, kind, value in set(keys) - self.links.keys():
            wanted[(account, kind)].append(value)
        for (account, kind), values in wanted.items():
            for value, found in _LINKED.rows(self.connection, values, {"of_account": account, "of_kind": kind}):
                self.links[(account, kind, value)] = found
        self.fetch(set(self.links.values()))

    def add(self, event: CallEvent, conversation: Conversation | None = None) -> CallEvent | None:
        """Add *event* to *conversation*, or to the conversation that its ids lead to; return None if the log has it."""
        digest = digest_of(event)
        if known_digests(self.connection, [digest]):
            return None
        seq = take_numbers(self.connection, 1) + 1
        if conversation is None:
            self.look_up(_keys_of(event))
            changes = self.place(event, seq)
        else:
            self.changed.add(conversation.conversation_id)
            changes = conversation.take(event, seq)
            self._hold(conversation)
        return self.keep(event, digest, changes)

    def keep(self, event: CallEvent, digest: bytes, changes: Mapping[str, Any]) -> CallEvent:
        """Add *event*, with the *changes* that `place` gave, to the rows that are written; return it as it is there."""
        stored, row = stored_event(event, digest, changes)
        self.event_rows.append(row)
        if stored.type in _LIVE_TYPES and stored.conversation_id:
            self.live.add(stored.conversation_id)
        return stored

    def begin(self, account: str, at: datetime) -> Conversation:
        """Return a new conversation."""
        conversation = Conversation(account=account, created_at=at, updated_at=at)
        self.conversations[conversation.conversation_id] = conversation
        self.new.add(conversation.conversation_id)
        self.changed.add(conversation.conversation_id)
        return conversation

    def fetch(self, ids: Collection[str]) -> None:
        """Load the conversations with these *ids*."""
        for conversation in read_conversations(self.connection, set(ids) - self.conversations.keys()):
            self._hold(conversation)

    def _hold(self, conversation: Conversation) -> None:
        self.conversations[conversation.conversation_id] = conversation
        self.not_by_number.add(conversation.conversation_id)

    def place(self, event: CallEvent, seq: int) -> dict[str, Any]:
        """Put *event*, which is number *seq*, into the conversation it belongs to; return what changes in the event."""
        keys = _keys_of(event)
        if event.type is EventType.UNKNOWN and not keys:
            return {"seq": seq}  # it belongs to no call, such as a gap
        new = [key for key in keys if key not in self.links]
        found, evidence = next((self.links[key] for key in keys if key not in new), None), "sip_call_id"
        if found is None:
            found, evidence = self._matching(event)
        conversation = self.conversations.get(found or "")
        if conversation is None:
            conversation = self.begin(event.account, event.received_at)
        known_record = (event.account, _LINK_KINDS.get(event.type), event.call_id) in self.links
        for key in new:
            self.link(key, conversation.conversation_id, evidence, event.received_at)
        self.changed.add(conversation.conversation_id)
        self._hold(conversation)
        return conversation.take(event, seq, known_record=known_record)

    def link(self, key: LinkKey, conversation_id: str, evidence: str, at: datetime) -> None:
        """Let *key* lead to the conversation; *evidence* says how that is known."""
        self.links[key] = conversation_id
        if key[1] == "record_id":
            self.recorded.add(conversation_id)
        elif key[1] == "call_id":
            self.called.add(conversation_id)
        self.link_rows.append((*key, conversation_id, evidence, to_micros(at)))

    def _matching(self, event: CallEvent) -> tuple[str | None, str]:
        """Find the conversation of an event whose ids are new; return its id, or None, and how that is known."""
        found = self._dialled(event) if event.direction is not Direction.INBOUND else None
        if found is not None:
            return found, "extension_number_time"
        live = event.source is EventSource.RECONCILED  # the call is in progress, so it has no record yet
        if (event.direction is Direction.INBOUND or not event.call_id) and not live:
            found = self._other_part(event)
            if found is not None:
                return found, "number_hotline_time"
        return None, "event" if event.source is EventSource.VENDOR else "live_call"

    def _dialled(self, event: CallEvent) -> str | None:
        """Find the conversation of the click-to-call that *event* may be of: the vendor gave that no call id."""
        seen = event.occurred_at or event.received_at
        for extension, number, created_at, found in self._without_call(event):
            if (
                extension == event.extension
                and same_number(number, event.to_number)
                and -NEAR <= seen - from_micros(created_at) <= _DIAL_LIFE
            ):
                self.fetch({found})
                if self.conversations[found].state is not CallState.ENDED and not self._has_call(found):
                    return str(found)
        return None

    def _without_call(self, event: CallEvent) -> Sequence[Any]:
        """Read the recent dials to which the vendor gave no call id, the newest first."""
        since = self._new_since("dials", event, _DIAL_LIFE)
        if since is not None:
            late = {"of_account": event.account, "since": to_micros(since)}
            self.dials[event.account] = [
                row for query in (_DIALS_WITHOUT_CALL, _TRIES_WITHOUT_CALL) for row in query.rows(self.connection, late)
            ]
        return self.dials[event.account]

    def _has_call(self, conversation_id: str) -> bool:
        return conversation_id in self.called or bool(
            _HAVE_LINK.rows(self.connection, [conversation_id], {"of_kind": "call_id"})
        )

    def _other_part(self, event: CallEvent) -> str | None:
        """Find the conversation of the same call that has its record, or that lacks it when *event* is the record.

        The vendor may give the call and its record different ids.
        """
        self._read_parts(event)
        self._sort_by_number()
        number = number_key(outside_of(event))
        same = self.by_number[(event.account, number)] if number else ()
        mine = [each for each in map(self.conversations.__getitem__, same) if each.fits(event)]
        records = self._recorded({each.conversation_id for each in mine})
        is_record = event.type is EventType.RECORD_CREATED
        # A record joins a conversation without one. Other events join one that has only a record, and perhaps its end.
        fitting = [each for each in mine if is_record != (each.conversation_id in records)]
        if is_record:
            fitting = [each for each in fitting if not each.outlasts(event.duration_seconds)]
        else:
            live = self._known_live({each.conversation_id for each in fitting})
            fitting = [each for each in fitting if each.conversation_id not in live and each.just_ended_with(event)]
        seen = event.occurred_at or event.received_at
        nearest = min(fitting, key=lambda each: abs((each.ended_at or each.updated_at) - seen), default=None)
        return nearest.conversation_id if nearest else None

    def _read_parts(self, event: CallEvent) -> None:
        """Load the recent conversations that lack their record, or that only records told of."""
        since = self._new_since("conversations", event, _LATELY)
        if since is None:
            return
        for row in _PARTS.rows(self.connection, {"of_account": event.account, "since": to_micros(since)}):
            if row[0] not in self.conversations:
                self._hold(conversation_of(row))

    def _sort_by_number(self) -> None:
        for each in map(self.conversations.__getitem__, self.not_by_number):
            for number in (each.from_number, each.to_number):
                self.by_number[(each.account, number_key(number))].add(each.conversation_id)
        self.not_by_number.clear()

    def _new_since(self, what: str, event: CallEvent, before: timedelta) -> datetime | None:
        """Return since when *what* must be read for *event*; None when it has been read for the whole batch."""
        happened = event.occurred_at or event.received_at
        since = min(happened, self.earliest or happened) - before
        if self.read_since.get((event.account, what), since + before) <= since:
            return None
        self.read_since[(event.account, what)] = since
        return since

    def _known_live(self, ids: Collection[str]) -> set[str]:
        """Return those of the conversations *ids* that events of the live call told of, and not records only."""
        found = {
            each
            for each in ids
            if self.conversations[each].state not in {CallState.UNKNOWN, CallState.ENDED}
            or self.conversations[each].end_source == EventSource.VENDOR
        }
        found.update(self.live.intersection(ids))
        return found | {each for (each,) in _HAVE_LIVE_EVENT.rows(self.connection, list(ids))}

    def _recorded(self, ids: Collection[str]) -> set[str]:
        unsure = list(set(ids) - self.new)
        found = _HAVE_LINK.rows(self.connection, unsure, {"of_kind": "record_id"})
        return self.recorded.intersection(ids) | {each for (each,) in found}

    def save(self) -> None:
        """Write the events, and what they changed."""
        add_conversations(self.connection, [self.conversations[each] for each in self.changed if each in self.new])
        old = [self.conversations[each] for each in self.changed if each not in self.new]
        change_conversations(self.connection, old)
        _ADD_LINKS.write(self.connection, self.link_rows)
        add_rows(self.connection, self.event_rows)


def _keys_of(event: CallEvent) -> list[LinkKey]:
    """Return the keys of the links of *event*; an earlier one says more about the conversation than a later one."""
    found: list[LinkKey] = []
    if event.call_id:
        found.append((event.account, "call_id", event.call_id))
    if event.sip_call_id:
        found.append((event.account, "sip_call_id", event.sip_call_id))
    if event.call_id and event.type in _LINK_KINDS:
        found.append((event.account, _LINK_KINDS[event.type], event.call_id))
    return found
