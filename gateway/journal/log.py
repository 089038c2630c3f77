"""The log: every event, once, in the order in which it became known, with the conversation it belongs to."""

import asyncio
import contextlib
import functools
import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

import attrs
from gateway_contracts import (
    CallEvent,
    CallState,
    Direction,
    EventSource,
    EventType,
    JournalError,
    Outcome,
    dumps,
    from_json,
    loads,
)
from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from ..logs import log, place_of
from ..texts import cleaned
from .conversations import NEAR, Conversation, number_key, outside_of, same_number
from .schema import conversations, counters, dials, events, from_micros, links, to_micros, tries
from .statements import Prepared, PreparedIn
from .store import Store
from .troubles import UnreadableRow

MAX_BATCH = 500
POLL_SECONDS = 1.0
"""How often what other processes write is looked for, while there is a listener."""
MAX_TEXT = 2 * 1024 * 1024
"""How many characters of events are read at once; the event that exceeds them is the last."""
_MOST_LOOKED = 20  # batches that one reading looks through
_ROWS = 20  # that come at once
_CANDIDATES = 1_000
_LATELY = timedelta(hours=6)  # how long the parts of a conversation may come apart
_TELLING = (EventType.RINGING, EventType.ANSWERED, EventType.MISSED, EventType.UNKNOWN)
_OF_RECORDS: Mapping[EventType, str] = {  # what tells of a record, and the kind of the link that it makes
    EventType.RECORD_CREATED: "record_id",
    EventType.RECORDING_READY: "recording",
}
_DIAL_LIFE = timedelta(minutes=10)  # how long after a click-to-call its first event may come

_LINKED = PreparedIn(
    lambda wanted: select(links.c.value, links.c.conversation_id).where(
        links.c.account == bindparam("of_account"), links.c.kind == bindparam("of_kind"), links.c.value.in_(wanted)
    )
)
_KNOWN = PreparedIn(lambda wanted: select(events.c.digest).where(events.c.digest.in_(wanted)))
_CONVERSATIONS = PreparedIn(lambda wanted: select(conversations).where(conversations.c.conversation_id.in_(wanted)))
_TAKEN = Prepared(
    update(counters)
    .where(counters.c.name == "events")
    .values(value=counters.c.value + bindparam("count"))
    .returning(counters.c.value)
)
_UNTOLD = Prepared(
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
_UNTOLD_TRIES = Prepared(  # of these dials, the earlier tries that a person said did not ring
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
        dials.c.state != "in_progress",  # or it may be of the try that rings just now, which finds it by itself
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
    lambda wanted: select(links.c.conversation_id).where(
        links.c.conversation_id.in_(wanted), links.c.kind == bindparam("of_kind")
    )
)
_TOLD = PreparedIn(
    lambda wanted: select(events.c.conversation_id).where(
        events.c.conversation_id.in_(wanted), events.c.type.in_(list(map(literal, _TELLING)))
    )
)
_NUMBERED = PreparedIn(lambda wanted: select(events.c.body).where(events.c.seq.in_(wanted)).order_by(events.c.seq))
_ADD_EVENTS, ADD_CONVERSATIONS, _ADD_LINKS = map(Prepared, map(insert, (events, conversations, links)))
_CHANGE_CONVERSATIONS = Prepared(
    update(conversations)
    .where(conversations.c.conversation_id == bindparam("of_conversation"))
    .values({column.name: bindparam(column.name) for column in conversations.columns if not column.primary_key})
)

T = TypeVar("T")

Key = tuple[str, str, str]
"""What a link leads from: account, kind and value."""

Listener = Callable[[Sequence[CallEvent]], None]


@attrs.frozen(kw_only=True)
class Wanted:
    """Which events a reader wants; None for all."""

    accounts: frozenset[str] | None = None
    types: frozenset[EventType] | None = None
    extension: str | None = None
    number: str | None = None

    def fits(self, event: CallEvent) -> bool:
        """Whether the reader wants *event*."""
        return (
            (self.accounts is None or event.account in self.accounts)
            and (self.types is None or event.type in self.types)
            and (self.extension is None or event.extension == self.extension)
            and (
                self.number is None
                or same_number(event.from_number, self.number)
                or same_number(event.to_number, self.number)
            )
        )


class Log:
    """The events in a store, and those who listen to what is added."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: list[Listener] = []
        self._head = 0
        self._untold: list[CallEvent] = []
        self._behind = asyncio.Event()
        self._tailing = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None

    @property
    def head(self) -> int:
        """The number of the newest event that the listeners were told of."""
        return self._head

    async def start(self) -> None:
        """Begin at the newest event that there is. Raises: JournalError."""
        self._head = await self._store.read(_head)

    async def append(self, new: Sequence[CallEvent]) -> list[CallEvent]:
        """Write *new* durably. Gives those that were not known before, as the log keeps them: with their conversations,
        and `cleaned`. The listeners are told next, so that the writer need not wait for them.

        Raises: JournalError, and then nothing of it is written.
        """
        stored: list[CallEvent] = []
        for start in range(0, len(new), MAX_BATCH):
            stored += await self._store.append(_append, [cleaned(event) for event in new[start : start + MAX_BATCH]])
        if stored:
            if not self._untold:
                asyncio.get_running_loop().call_soon(self._tell_untold)
            self._untold += stored
        return stored

    def _tell_untold(self) -> None:
        """Tell of all that was written in one go; what another process wrote in between is read first."""
        new = sorted(
            (event for event in self._untold if (event.seq or 0) > self._head), key=lambda event: event.seq or 0
        )
        self._untold = []
        if new and new[-1].seq == self._head + len(new) and not self._tailing.locked():
            self._tell(new)
        elif new:
            self._behind.set()

    def _tell(self, page: Sequence[CallEvent]) -> None:
        self._head = page[-1].seq or self._head
        for listener in tuple(self._listeners):
            try:
                listener(page)
            except Exception as error:  # noqa: BLE001 # the boundary: what fails one of them is no matter to the others
                log.error("listener.failed", first=page[0].seq, last=page[-1].seq, **place_of(error))

    async def deduce(self, work: "Callable[[Known], T]") -> T:
        """What *work* gives, which looks at conversations and adds what follows from them, in one transaction.

        Raises: JournalError, and then nothing of it is written.
        """

        def run(connection: Connection) -> tuple[T, bool]:
            known = Known(connection)
            result = work(known)
            known.save()
            return result, bool(known.rows)

        result, added = await self._store.write(run)
        if added:
            self._behind.set()
        return result

    async def after(self, seq: int, wanted: Wanted, *, limit: int, raw: bool = True) -> tuple[list[CallEvent], int]:
        """At most *limit* wanted events that come after *seq*, and the number up to which was looked.

        It may stop before the newest, also without having found one, and stops when it has read `MAX_TEXT`: go on from
        that number. Without *raw* the vendor's own is left out.

        Raises: JournalError.
        """
        found: list[CallEvent] = []
        length = 0
        for _ in range(_MOST_LOOKED):
            page, reached, read = await self._store.read(functools.partial(_after, seq=seq, wanted=wanted, raw=raw))
            for event in page:
                if wanted.fits(event):
                    found.append(event)
                    if len(found) == limit:
                        return found, event.seq or 0
            length += read
            if reached <= seq or len(page) < MAX_BATCH or (found and length > MAX_TEXT):
                return found, max(reached, seq)
            seq = reached
        return found, seq

    async def numbered(self, numbers: Sequence[int]) -> list[CallEvent]:
        """The events with these *numbers* that are kept, without the vendor's own. Raises: JournalError."""
        return await self._store.read(functools.partial(_numbered, numbers=numbers))

    async def oldest(self) -> int:
        """The number of the oldest event that is kept; one more than the newest where there is none.

        Raises: JournalError.
        """
        return await self._store.read(_oldest)

    @contextlib.contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Tell *listener* of all events that are added, in their order, until the context ends. It must not block.

        What other processes add is looked for every `POLL_SECONDS`, and when this one finds that it is behind.
        """
        self._listeners.append(listener)
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._listeners.remove(listener)
            if not self._listeners and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def catch_up(self) -> None:
        """Tell the listeners of what was added since they were told last, by this process or by another one.

        Raises: JournalError.
        """
        async with self._tailing:
            while True:
                page, *_ = await self._store.read(functools.partial(_after, seq=self._head, wanted=Wanted()))
                if not page:
                    return
                self._tell(page)

    async def _poll(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._behind.wait()
            self._behind.clear()
            try:
                await self.catch_up()
            except JournalError:
                pass  # the store reports it to its writers
            except Exception as error:  # noqa: BLE001 # the boundary: listeners get the later events
                log.error("log.unread", after=self._head, **place_of(error))


# What is done in the database. A digest says that an event is known; the counter gives numbers without a gap, and its
# row makes other processes wait, so that events become visible in their order.


def _append(connection: Connection, batches: Sequence[Sequence[CallEvent]]) -> list[list[CallEvent]]:
    by_digest: dict[bytes, CallEvent] = {}
    digests = [[_digest(event) for event in batch] for batch in batches]
    for batch, own in zip(batches, digests, strict=True):
        for event, digest in zip(batch, own, strict=True):
            by_digest.setdefault(digest, event)
    for (digest,) in _KNOWN.rows(connection, list(by_digest)):
        del by_digest[digest]
    if not by_digest:
        return [[] for _ in batches]
    known = Known.load(connection, by_digest.values())
    seq = _take_numbers(connection, len(by_digest))
    stored: list[list[CallEvent]] = []
    for batch, own in zip(batches, digests, strict=True):
        kept = []
        for event, digest in zip(batch, own, strict=True):
            if by_digest.pop(digest, None) is not None:
                seq += 1
                kept.append(known.keep(event, digest, known.place(event, seq)))
        stored.append(kept)
    known.save()
    return stored


def _take_numbers(connection: Connection, count: int) -> int:
    """Take *count* numbers; gives the last one that was taken before."""
    return int(_TAKEN.rows(connection, {"count": count})[0][0]) - count


@attrs.define
class Known:
    """What a batch of events touches: links by account, kind and value, and the conversations they lead to.

    *earliest* is when the first event of the batch happened.
    """

    connection: Connection
    earliest: datetime | None = None
    links: dict[Key, str] = attrs.field(factory=dict)
    conversations: dict[str, Conversation] = attrs.field(factory=dict)
    new: set[str] = attrs.field(factory=set)
    changed: set[str] = attrs.field(factory=set)
    linked: list[tuple[Any, ...]] = attrs.field(factory=list)  # rows
    rows: list[tuple[Any, ...]] = attrs.field(factory=list)  # of the log
    called: set[str] = attrs.field(factory=set)  # conversations that got a call id in this batch
    told: set[str] = attrs.field(factory=set)  # conversations that more than a record told of in this batch
    by_number: dict[tuple[str, str], set[str]] = attrs.field(factory=lambda: defaultdict(set))
    not_by_number: set[str] = attrs.field(factory=set)  # conversations that are not yet, or no longer all, in it
    recorded: set[str] = attrs.field(factory=set)  # conversations that got their record in this batch
    dials: dict[str, Sequence[Any]] = attrs.field(factory=dict)  # by account
    read_since: dict[tuple[str, str], datetime] = attrs.field(factory=dict)  # what was read already, by account

    @classmethod
    def load(cls, connection: Connection, batch: Collection[CallEvent]) -> "Known":
        known = cls(connection, min(each.occurred_at or each.received_at for each in batch))
        known.look_up({key for event in batch for key in _keys(event)})
        return known

    def look_up(self, keys: Collection[Key]) -> None:
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
        """Write *event*, which belongs to *conversation*, or where its ids lead; None when the log has it."""
        digest = _digest(event)
        if _KNOWN.rows(self.connection, [digest]):
            return None
        seq = _take_numbers(self.connection, 1) + 1
        if conversation is None:
            self.look_up(_keys(event))
            changes = self.place(event, seq)
        else:
            self.changed.add(conversation.conversation_id)
            changes = conversation.take(event, seq)
            self._hold(conversation)
        return self.keep(event, digest, changes)

    def keep(self, event: CallEvent, digest: bytes, changes: Mapping[str, Any]) -> CallEvent:
        """Add *event* to the log; gives it as it is there, with *changes*."""
        told = {**dict(zip(_FIELDS, _values_of(event), strict=False)), **changes}
        kept = CallEvent(**told)  # `attrs.evolve` takes twice as long
        self.rows.append(_row(kept, digest, told))
        if kept.type in _TELLING and kept.conversation_id:
            self.told.add(kept.conversation_id)
        return kept

    def begin(self, account: str, at: datetime) -> Conversation:
        """A new conversation."""
        conversation = Conversation(account=account, created_at=at, updated_at=at)
        self.conversations[conversation.conversation_id] = conversation
        self.new.add(conversation.conversation_id)
        self.changed.add(conversation.conversation_id)
        return conversation

    def fetch(self, ids: Collection[str]) -> None:
        for row in _CONVERSATIONS.rows(self.connection, list(set(ids) - self.conversations.keys())):
            self._hold(conversation_of(row))

    def _hold(self, conversation: Conversation) -> None:
        self.conversations[conversation.conversation_id] = conversation
        self.not_by_number.add(conversation.conversation_id)

    def place(self, event: CallEvent, seq: int) -> dict[str, Any]:
        """Put *event*, the log's number *seq*, into the conversation it belongs to; gives what that changes in it."""
        keys = _keys(event)
        if event.type is EventType.UNKNOWN and not keys:
            return {"seq": seq}  # of no call, such as a gap
        new = [key for key in keys if key not in self.links]
        found, evidence = next((self.links[key] for key in keys if key not in new), None), "sip_call_id"
        if found is None:
            found, evidence = self._matching(event)
        conversation = self.conversations.get(found or "")
        if conversation is None:
            conversation = self.begin(event.account, event.received_at)
        known_record = (event.account, _OF_RECORDS.get(event.type), event.call_id) in self.links
        for key in new:
            self.link(key, conversation.conversation_id, evidence, event.received_at)
        self.changed.add(conversation.conversation_id)
        self._hold(conversation)
        return conversation.take(event, seq, known_record=known_record)

    def link(self, key: Key, conversation_id: str, evidence: str, at: datetime) -> None:
        self.links[key] = conversation_id
        if key[1] == "record_id":
            self.recorded.add(conversation_id)
        elif key[1] == "call_id":
            self.called.add(conversation_id)
        self.linked.append((*key, conversation_id, evidence, to_micros(at)))

    def _matching(self, event: CallEvent) -> tuple[str | None, str]:
        """The conversation of an event whose ids are new, and how that is known."""
        found = self._dialled(event) if event.direction is not Direction.INBOUND else None
        if found is not None:
            return found, "extension_number_time"
        live = event.source is EventSource.RECONCILED  # seen in progress, so it has no record yet
        if (event.direction is Direction.INBOUND or not event.call_id) and not live:
            found = self._other_part(event)
            if found is not None:
                return found, "number_hotline_time"
        return None, "event" if event.source is EventSource.VENDOR else "live_call"

    def _dialled(self, event: CallEvent) -> str | None:
        """The conversation of a click-to-call whose call id the vendor did not tell."""
        seen = event.occurred_at or event.received_at
        for extension, number, created_at, found in self._untold(event):
            if (
                extension == event.extension
                and same_number(number, event.to_number)
                and -NEAR <= seen - from_micros(created_at) <= _DIAL_LIFE
            ):
                self.fetch({found})
                if self.conversations[found].state is not CallState.ENDED and not self._has_call(found):
                    return str(found)
        return None

    def _untold(self, event: CallEvent) -> Sequence[Any]:
        """The dials of late whose call ids the vendor did not tell, the newest first."""
        since = self._new_since("dials", event, _DIAL_LIFE)
        if since is not None:
            late = {"of_account": event.account, "since": to_micros(since)}
            self.dials[event.account] = [
                row for query in (_UNTOLD, _UNTOLD_TRIES) for row in query.rows(self.connection, late)
            ]
        return self.dials[event.account]

    def _has_call(self, conversation_id: str) -> bool:
        return conversation_id in self.called or bool(
            _HAVE_LINK.rows(self.connection, [conversation_id], {"of_kind": "call_id"})
        )

    def _other_part(self, event: CallEvent) -> str | None:
        """The conversation that has the record of *event*'s call, or lacks it when *event* is the record: the vendor
        may give the two different ids.
        """
        self._read_parts(event)
        self._sort_by_number()
        number = number_key(outside_of(event))
        same = self.by_number[(event.account, number)] if number else ()
        mine = [each for each in map(self.conversations.__getitem__, same) if each.fits(event)]
        records = self._recorded({each.conversation_id for each in mine})
        is_record = event.type is EventType.RECORD_CREATED
        # A record joins what has none; anything else joins what has nothing but a record, and perhaps its end.
        fitting = [each for each in mine if is_record != (each.conversation_id in records)]
        if is_record:
            fitting = [each for each in fitting if not each.outlasts(event.duration_seconds)]
        else:
            told = self._told({each.conversation_id for each in fitting})
            fitting = [each for each in fitting if each.conversation_id not in told and each.just_ended_with(event)]
        seen = event.occurred_at or event.received_at
        nearest = min(fitting, key=lambda each: abs((each.ended_at or each.updated_at) - seen), default=None)
        return nearest.conversation_id if nearest else None

    def _read_parts(self, event: CallEvent) -> None:
        """Fetch the conversations of late that lack their record, or that nothing but records told of."""
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
        """Since when *what* is to be read for *event*; None when that was done. One reading serves the whole batch."""
        happened = event.occurred_at or event.received_at
        since = min(happened, self.earliest or happened) - before
        if self.read_since.get((event.account, what), since + before) <= since:
            return None
        self.read_since[(event.account, what)] = since
        return since

    def _told(self, ids: Collection[str]) -> set[str]:
        """Which of the conversations *ids*, which have records, are known by more than what records say."""
        found = {
            each
            for each in ids
            if self.conversations[each].state not in {CallState.UNKNOWN, CallState.ENDED}
            or self.conversations[each].end_source == EventSource.VENDOR
        }
        found.update(self.told.intersection(ids))
        return found | {each for (each,) in _TOLD.rows(self.connection, list(ids))}

    def _recorded(self, ids: Collection[str]) -> set[str]:
        unsure = list(set(ids) - self.new)
        found = _HAVE_LINK.rows(self.connection, unsure, {"of_kind": "record_id"})
        return self.recorded.intersection(ids) | {each for (each,) in found}

    def save(self) -> None:
        """Write what the batch changed."""
        new, changed = [], []
        for each in self.changed:
            row = conversation_row(self.conversations[each])
            if each in self.new:
                new.append(row)
            else:
                changed.append((*row[1:], each))
        ADD_CONVERSATIONS.write(self.connection, new)
        _CHANGE_CONVERSATIONS.write(self.connection, changed)
        _ADD_LINKS.write(self.connection, self.linked)
        _ADD_EVENTS.write(self.connection, self.rows)


def _keys(event: CallEvent) -> list[Key]:
    """The ids of *event* that lead to a conversation, the most telling first."""
    found: list[Key] = []
    if event.call_id:
        found.append((event.account, "call_id", event.call_id))
    if event.sip_call_id:
        found.append((event.account, "sip_call_id", event.sip_call_id))
    if event.call_id and event.type in _OF_RECORDS:
        found.append((event.account, _OF_RECORDS[event.type], event.call_id))
    return found


def _digest(event: CallEvent) -> bytes:
    return hashlib.sha256(f"{event.account}\n{event.event_id}".encode()).digest()[:16]


_FIELDS = [field.name for field in attrs.fields(CallEvent)]
_values_of = attrgetter(*_FIELDS)


def _row(event: CallEvent, digest: bytes, told: dict[str, Any]) -> tuple[Any, ...]:
    """*event*, whose members are *told*, as the database keeps it."""
    return (
        event.seq,
        digest,
        event.account,
        event.event_id,
        event.type,
        event.call_id,
        event.sip_call_id,
        event.conversation_id,
        event.extension,
        event.from_number,
        event.to_number,
        to_micros(event.received_at),
        event.late,
        _body(told),
        _raw_text(event.raw),
    )


def _body(told: dict[str, Any]) -> str:
    """An event as JSON, as `to_json` would give it, which takes twice as long."""
    del told["raw"]
    for name in ("received_at", "occurred_at"):
        moment = told[name]
        if moment is not None and moment.tzinfo not in (UTC, None):
            told[name] = moment.astimezone(UTC)
    return dumps(told).decode()


def _raw_text(raw: Any) -> str | None:
    try:
        return None if raw is None else dumps(raw).decode()
    except (TypeError, RecursionError):
        return None  # what is no JSON is the vendor's oddity; the event itself is whole


def event_of(row: Mapping[str, Any] | RowMapping) -> CallEvent:
    """The event in *row* of the log."""
    try:
        event = from_json(loads(row["body"]), CallEvent)
        return attrs.evolve(event, raw=loads(row["raw"])) if row["raw"] else event
    except ValueError:
        raise UnreadableRow from None


def _after(connection: Connection, seq: int, wanted: Wanted, raw: bool = True) -> tuple[list[CallEvent], int, int]:
    """At most MAX_BATCH events after *seq* that may be wanted, the number up to which was looked, and their length."""
    newest = _head(connection)
    columns = (events.c.body, events.c.raw if raw else null().label("raw"))
    query = select(*columns).where(events.c.seq > seq).order_by(events.c.seq).limit(MAX_BATCH)
    if wanted.accounts is not None:
        query = query.where(events.c.account.in_(sorted(wanted.accounts)))
    if wanted.types is not None:
        query = query.where(events.c.type.in_(sorted(wanted.types)))
    if wanted.extension is not None:
        query = query.where(events.c.extension == wanted.extension)
    found, length = events_of(connection, query)
    last = (found[-1].seq or 0) if found else 0
    return found, last if len(found) == MAX_BATCH or length > MAX_TEXT else max(newest, last), length


def events_of(connection: Connection, query: Select[Any]) -> tuple[list[CallEvent], int]:
    """The events that *query* gives, of `body` and `raw`, until they exceed `MAX_TEXT`; and how long they are."""
    found: list[CallEvent] = []
    length = 0
    # A server's answer would come whole otherwise, however little of it is used.
    with connection.execute(query.execution_options(yield_per=_ROWS)) as result:
        for row in result.mappings():
            found.append(event_of(row))
            length += len(row["body"]) + len(row["raw"] or "")
            if length > MAX_TEXT:
                break
    return found, length


def _numbered(connection: Connection, numbers: Sequence[int]) -> list[CallEvent]:
    return [event_of({"body": body, "raw": None}) for (body,) in _NUMBERED.rows(connection, numbers)]


def _head(connection: Connection) -> int:
    return int(connection.execute(select(counters.c.value).where(counters.c.name == "events")).scalar_one())


def _oldest(connection: Connection) -> int:
    found = connection.execute(select(func.min(events.c.seq))).scalar_one()
    return _head(connection) + 1 if found is None else int(found)


_STATES = {each.value: each for each in CallState}  # to ask an enumeration takes five times as long
_DIRECTIONS: dict[str | None, Direction] = {None: Direction.UNKNOWN, **{each.value: each for each in Direction}}
_OUTCOMES: dict[str | None, Outcome | None] = {None: None, **{each.value: each for each in Outcome}}


def conversation_of(row: Sequence[Any]) -> Conversation:
    """The conversation in *row*, which has the columns of the table in their order."""
    own, account, state, direction, from_number, to_number, extension, hotline, started, answered, ended, *others = row
    outcome, end_seq, end_source, talk_seconds, duration_seconds, exact, created, updated = others
    try:
        return Conversation(
            conversation_id=own,
            account=account,
            state=_STATES[state],
            direction=_DIRECTIONS[direction],
            from_number=from_number,
            to_number=to_number,
            extension=extension,
            hotline=hotline,
            started_at=None if started is None else from_micros(started),
            answered_at=None if answered is None else from_micros(answered),
            ended_at=None if ended is None else from_micros(ended),
            outcome=_OUTCOMES[outcome],
            end_seq=end_seq,
            end_source=end_source,
            talk_seconds=talk_seconds,
            duration_seconds=duration_seconds,
            exact=bool(exact),  # SQLite's driver gives a number
            created_at=from_micros(created),
            updated_at=from_micros(updated),
        )
    except (KeyError, OverflowError, TypeError):
        raise UnreadableRow from None


_COLUMNS = tuple(column.name for column in conversations.columns)
_MOMENTS = [_COLUMNS.index(f"{name}_at") for name in ("started", "answered", "ended", "created", "updated")]
_columns_of = attrgetter(*_COLUMNS)


def conversation_row(conversation: Conversation) -> tuple[Any, ...]:
    """*conversation* as the database keeps it."""
    row = list(_columns_of(conversation))
    for place in _MOMENTS:
        if row[place] is not None:
            row[place] = to_micros(row[place])
    return tuple(row)
