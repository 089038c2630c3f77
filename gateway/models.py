"""What several parts of the gateway speak of: dials, events and how they are asked for, subscriptions and deliveries,
and what is known of a conversation.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import attrs
from gateway_contracts import (
    CallEvent,
    CallState,
    Direction,
    EventsLost,
    EventSource,
    EventType,
    InvalidRequest,
    Outcome,
    Secret,
)

from .parameters import between, make, short
from .texts import plain_lines


class DialProgress(StrEnum):
    """Where a dial stands. `unknown` becomes `placed` when the gateway has found the call."""

    IN_PROGRESS = "in_progress"
    PLACED = "placed"
    NOT_PLACED = "not_placed"
    UNKNOWN = "unknown"


class Resolution(StrEnum):
    """What is done about a dial that was unknown: the gateway is `looking`; looking is over and the call was
    `not_found`, which proves nothing; a person has `stated` what happened.
    """

    LOOKING = "looking"
    NOT_FOUND = "not_found"
    STATED = "stated"


class StatedState(StrEnum):
    """What a person may state of a dial."""

    PLACED = "placed"
    NOT_PLACED = "not_placed"


@attrs.frozen(kw_only=True)
class DialError:
    """Why a dial was not placed, or why that is not known; the members are those of the problem that was answered."""

    code: str
    detail: str
    retryable: bool
    vendor_code: str | None = None


@attrs.frozen(kw_only=True)
class DialTry:
    """An earlier try of a dial: its key was used again, or a route went on to its next account."""

    account: str
    state: DialProgress
    requested_at: datetime
    finished_at: datetime | None
    call_id: str | None
    evidence: str | None
    resolution: Resolution | None
    error: DialError | None


@attrs.frozen(kw_only=True)
class DialStatement:
    """What a person said of a dial. *key* is the name of the sidecar's key; it is empty in a library process."""

    state: StatedState
    note: str
    key: str
    stated_at: datetime


MAX_NOTE = 1_000


def _note(_: object, __: object, value: str) -> None:
    if not value.strip() or len(value) > MAX_NOTE or plain_lines(value) != value:
        raise ValueError(f"must say how it is known, in 1 to {MAX_NOTE} characters, none of them a control character")


@attrs.frozen(kw_only=True)
class NewStatement:
    """What a person says of a dial, with a *note* of how that is known."""

    state: StatedState
    note: str = attrs.field(validator=_note)


@attrs.frozen(kw_only=True)
class Dial:
    """A click-to-call that was asked for, and what is known of it.

    *asked* is the account or route that was asked, *account* the one that did it. *evidence* says how its end is known:
    by the vendor's `answer`, an `event`, a `live_call`, a `record`, or a person's `statement`. *resolution* is set
    where none of the first four says how it ended. *elsewhere* says that the account no longer leads to the PBX
    that was asked, so that nothing can be found out. *tries* are the earlier ones, *statements* what people said.
    """

    dial_id: str
    account: str
    asked: str
    state: DialProgress
    extension: str
    number: str
    call_id: str | None
    conversation_id: str | None
    requested_at: datetime
    finished_at: datetime | None
    evidence: str | None
    error: DialError | None
    resolution: Resolution | None = None
    elsewhere: bool = False
    tries: tuple[DialTry, ...] = ()
    statements: tuple[DialStatement, ...] = ()


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


MAX_SEQ = 10**18 - 1
"""As many digits as are read of a number."""


MAX_WAIT_SECONDS = 60


MAX_EVENTS = 1_000


class ResyncReason(StrEnum):
    """Why a reader cannot go on from where it was: what came next was `removed`, or its place is `ahead` of the newest
    event, as the journal is another one, or was restored from an older backup.
    """

    REMOVED = "removed"
    AHEAD = "ahead"


@attrs.frozen
class Lost:
    """A reader's place is lost, and where the log begins."""

    reason: ResyncReason
    oldest: int


@attrs.frozen(kw_only=True)
class EventFilter:
    """Which events are wanted: of these accounts, of these types, of one extension, of one outside number."""

    account: tuple[str, ...] = attrs.field(default=(), validator=short(100))
    type: tuple[EventType, ...] = ()
    extension: str | None = attrs.field(default=None, validator=short(100))
    number: str | None = attrs.field(default=None, validator=short(100))


@attrs.frozen(kw_only=True)
class EventQuery(EventFilter):
    """What a reader asks for. `after` is the number of the last event that it has, 0 for none; without it, it begins
    at the newest. `wait` is in seconds.
    """

    after: int | None = attrs.field(default=None, validator=between(0, MAX_SEQ))
    wait: int = attrs.field(default=0, validator=between(0, MAX_WAIT_SECONDS))
    limit: int = attrs.field(default=100, validator=between(1, MAX_EVENTS))
    raw: bool = False


@attrs.frozen(kw_only=True)
class EventPage:
    """Events in the order in which they became known, and the number to give as `after` to go on.

    With `resync` true, the log does not go on from the asked-for number, and `reason` says why. `oldest` is the number
    at which it begins now, and the items go on from there.
    """

    items: tuple[CallEvent, ...]
    next: int
    resync: bool = False
    reason: ResyncReason | None = None
    oldest: int | None = None


class SubscriptionState(StrEnum):
    """Whether events are delivered."""

    ACTIVE = "active"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    """Where the delivery of an event stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class Subscription:
    """An application that we send events to, signed as Standard Webhooks says.

    No accounts means all of the key's, no types means all. `key` is the name of the key that made it, and `after` the
    number of the last event that is delivered or about to be. `reason` says why it is disabled, where no client
    disabled it: `gone` (its address answered 410) or `key` (its key is no longer there, or may not read events).
    `secret` is shown once, when it is made.
    """

    subscription_id: str
    key: str
    url: str
    accounts: tuple[str, ...] = ()
    types: tuple[EventType, ...] = ()
    extension: str | None = None
    number: str | None = None
    state: SubscriptionState = SubscriptionState.ACTIVE
    reason: str | None = None
    after: int
    created_at: datetime
    updated_at: datetime
    secret: Secret | None = None


@attrs.frozen(kw_only=True)
class Attempt:
    """One attempt to deliver: the status that was answered, or why there is none."""

    number: int
    at: datetime
    status: int | None
    milliseconds: int
    error: str | None


@attrs.frozen(kw_only=True)
class Delivery:
    """The delivery of one event to one subscription. `replay` is 0 for the first one, and counts those asked for later.

    `next_at` is when it is tried next; a pending one without it waits for an earlier event of its conversation.
    """

    delivery_id: str
    subscription_id: str
    webhook_id: str
    seq: int
    replay: int
    event_id: str
    conversation_id: str | None
    state: DeliveryState
    next_at: datetime | None
    status: int | None
    error: str | None
    created_at: datetime
    updated_at: datetime
    attempts: tuple[Attempt, ...] = ()


class IntakeState(StrEnum):
    """Whether an account's events come in."""

    OK = "ok"
    SILENT = "silent"  # calls are live, and no event came since they began
    GAP = "gap"  # the vendor could not be heard for a time, of which not everything is accounted for yet
    OFF = "off"  # the vendor has no events, or the sidecar no journal


@attrs.frozen(kw_only=True)
class IntakeStatus:
    """How an account's events come in.

    The state is `ok`; `silent` when calls are live and no event came since they began; `gap` when the vendor could not
    be heard for a time that is not accounted for yet; `off` without events, without what they need, or
    without a journal.

    Every call that ended before `watermark` is in the journal with its end; null as long as nothing is known. The event
    of `last_event_at` came from the vendor.
    """

    state: IntakeState = IntakeState.OFF
    last_event_at: datetime | None = None
    watermark: datetime | None = None


def events_lost(lost: Lost) -> EventsLost:
    """The error for a reader whose place is *lost*."""
    after = lost.oldest - 1
    if lost.reason is ResyncReason.AHEAD:
        text = (
            "The log does not reach to that number: the journal is another one, or was restored from an older backup. "
            f"Numbers that you have seen will come again: follow on with after={after}, and tell events by event_id"
        )
    else:
        text = (
            f"Events were removed before they were read: the log begins at {lost.oldest}. Look at the records for what "
            f"was missed, and follow on with after={after}"
        )
    error = EventsLost(text)
    error.after = after
    return error


def query_of(
    after: int | None,
    accounts: Sequence[str] | None,
    types: Sequence[str] | None,
    extension: str | None,
    number: str | None,
) -> EventQuery:
    """What arguments in Python ask for. Raises: InvalidRequest."""
    try:
        kinds = tuple(map(EventType, types or ()))
    except ValueError:
        text = f"must be of {', '.join(EventType)}"
        raise InvalidRequest(f"types {text}", fields={"types": text}) from None
    found = {
        "after": after,
        "account": tuple(accounts or ()),
        "type": kinds,
        "extension": extension,
        "number": number,
    }
    return make(EventQuery, {name: value for name, value in found.items() if value is not None})
