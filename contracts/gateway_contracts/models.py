"""What operations answer with: frozen values in the gateway's own words, whatever the vendor calls them.

Every model carries `account`, the account that really did it, and `raw`, the vendor's own answer. Datetimes are aware
and in UTC, durations are whole seconds, ids and numbers are text.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import attrs

from .secrets import Secret

T = TypeVar("T")


def _raw() -> Any:
    return attrs.field(default=None, repr=False, eq=False)


class Direction(StrEnum):
    """Who called whom, seen from the business."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


class CallState(StrEnum):
    """Where a call in progress stands."""

    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How a finished call ended. The vendor's own word stays in `vendor_status`."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CANCELLED = "cancelled"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    UNKNOWN = "unknown"


class EventType(StrEnum):
    """What happened to a call."""

    RINGING = "call.ringing"
    ANSWERED = "call.answered"
    ENDED = "call.ended"
    MISSED = "call.missed"
    RECORD_CREATED = "record.created"
    RECORDING_READY = "recording.ready"
    UNKNOWN = "unknown"


class EventSource(StrEnum):
    """Who says so: the vendor, or the gateway after comparing events with live calls and records."""

    VENDOR = "vendor"
    RECONCILED = "reconciled"


class Leg(StrEnum):
    """One side of a call: `a` placed it, `b` was called."""

    A = "a"
    B = "b"


class QueueKind(StrEnum):
    """How a campaign's queue dials: agents wait for people (autodialer), or a recording is played (autocall)."""

    AUTODIALER = "autodialer"
    AUTOCALL = "autocall"


class CustomerState(StrEnum):
    """How far a campaign has come with a customer. The vendor's own word stays in `vendor_status`."""

    NEW = "new"
    QUEUED = "queued"
    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"


class AgentState(StrEnum):
    """What an agent is doing now."""

    AVAILABLE = "available"
    RINGING = "ringing"
    ON_CALL = "on_call"
    PAUSED = "paused"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """Some of many: *items*, the opaque cursor of what is *next* (None at the end), and *total* where it is known.

    *skipped* counts the rows of the vendor's that could not be read and are missing in *items*; *raw* holds these rows
    as the vendor sent them.
    """

    items: tuple[T, ...]
    next: str | None = None
    total: int | None = None
    skipped: int = 0
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class StartedCall:
    """The vendor accepted a click-to-call. `call_id` is None where the vendor gives none; `dial_id` is the
    gateway's own, where it keeps a journal.
    """

    account: str
    call_id: str | None
    extension: str
    number: str
    requested_at: datetime
    dial_id: str | None = None
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class Call:
    """A call in progress."""

    account: str
    call_id: str
    direction: Direction
    state: CallState
    from_number: str | None
    to_number: str | None
    extension: str | None = None
    hotline: str | None = None
    started_at: datetime | None = None
    answered_at: datetime | None = None
    raw: Any = _raw()


@attrs.frozen(kw_only=True, slots=False)  # made by the hundred thousand: slots would take half as long again
class CallRecord:
    """A finished call. `talk_seconds` counts from the answer, `duration_seconds` from the start.

    `unreadable` names the vendor's fields that hold something that makes no sense, such as a negative duration: what
    they would have told is None.
    """

    account: str
    record_id: str
    call_id: str | None
    sip_call_id: str | None
    direction: Direction
    outcome: Outcome
    vendor_status: str | None
    cause: str | None
    from_number: str | None
    to_number: str | None
    extension: str | None
    hotline: str | None
    queue: str | None
    started_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    talk_seconds: int | None
    customer_id: str | None
    has_recording: bool
    unreadable: tuple[str, ...] = ()
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class RecordingLink:
    """Where a recording can be fetched without the gateway. `expires_at` is None where the vendor says nothing."""

    account: str
    record_id: str
    url: str
    expires_at: datetime | None = None
    media_type: str | None = None
    raw: Any = _raw()


@attrs.define(kw_only=True, eq=False)
class Audio:
    """The audio of a record, read once, as it arrives. Use it with `async with`, which gives the connection back.

    `start` and `end` are the first and last byte that this answer holds; `size` is the whole recording's, or None where
    the vendor does not tell. `partial` is True when the answer is the asked-for range and not the whole.
    """

    account: str
    record_id: str
    media_type: str
    chunks: AsyncIterator[bytes] = attrs.field(repr=False)
    partial: bool = False
    start: int = 0
    end: int | None = None
    size: int | None = None
    _finish: Callable[[], Awaitable[None]] | None = attrs.field(default=None, repr=False)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks

    async def read(self) -> bytes:
        """Everything that is left, in memory."""
        return b"".join([chunk async for chunk in self.chunks])

    async def aclose(self) -> None:
        """Give the connection back; safe to call twice."""
        finish, self._finish = self._finish, None
        if finish is not None:
            await finish()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


@attrs.frozen(kw_only=True)
class CallEvent:
    """Something that happened to a call. `event_id` is the same when the vendor delivers the same event again.

    The journal gives `seq`, the order in which events became known, `conversation_id`, which all events of one human
    conversation share, and `late`: a later state of that conversation was known before.
    """

    account: str
    event_id: str
    type: EventType
    call_id: str | None
    received_at: datetime
    seq: int | None = None
    sip_call_id: str | None = None
    conversation_id: str | None = None
    direction: Direction = Direction.UNKNOWN
    from_number: str | None = None
    to_number: str | None = None
    extension: str | None = None
    hotline: str | None = None
    occurred_at: datetime | None = None
    outcome: Outcome | None = None
    vendor_status: str | None = None
    duration_seconds: int | None = None
    talk_seconds: int | None = None
    source: EventSource = EventSource.VENDOR
    late: bool = False
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class WebhookRequest:
    """What a vendor sent to our hook address, not yet understood. Header names are lower-case."""

    headers: dict[str, str] = attrs.field(factory=dict, repr=False)
    query: dict[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    received_at: datetime


@attrs.frozen(kw_only=True)
class Hook:
    """A registration at the vendor that makes it send us webhooks. `event` is None for an event we have no word for;
    `domain` is the tenant's, where the vendor names it.
    """

    account: str
    hook_id: str | None
    event: EventType | None
    vendor_event: str
    url: str
    domain: str | None = None
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class CallIds:
    """The two ids of one call: the vendor's own and that of the SIP messages."""

    account: str
    call_id: str
    sip_call_id: str | None
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class CallCount:
    """How many calls ended in one way. Several of the vendor's words can share an outcome; each has its own count."""

    account: str
    outcome: Outcome
    vendor_status: str
    count: int
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class Agent:
    """A person who takes calls at an extension, and the call they are in. `call_number` is the other side of that call,
    `device` what the phone says of itself, and `domain` the tenant's.
    """

    account: str
    agent_id: str
    name: str | None
    extension: str | None
    state: AgentState
    username: str | None = None
    call_id: str | None = None
    call_direction: Direction | None = None
    call_number: str | None = None
    call_started_at: datetime | None = None
    domain: str | None = None
    device: str | None = None
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class QueueCustomer:
    """Somebody a campaign calls: the application's own *customer_id* and the *numbers* to try, in order.

    *details* is what the queue's template says to them, such as an amount that is due, by the template's own names.
    """

    customer_id: str
    numbers: tuple[str, ...]
    details: dict[str, str | int | float] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class QueueLoad:
    """Which customers the vendor took into a queue and which it refused."""

    account: str
    queue_code: str
    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class Customer:
    """A person in the vendor's own customer list."""

    account: str
    customer_id: str
    campaign_id: str | None = None
    customer_code: str | None = None
    name: str | None = None
    number: str | None = None
    contract_number: str | None = None
    state: CustomerState = CustomerState.UNKNOWN
    vendor_status: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class TenantUser:
    """The first user of a new tenant. Its secrets are shown once, in the answer that created it."""

    user_id: str | None
    username: str | None
    password: Secret | None
    api_key: Secret | None
    group: str | None = None
    enabled: bool | None = None


@attrs.frozen(kw_only=True)
class Tenant:
    """A customer of the vendor's reseller: a domain of its own on the PBX."""

    account: str
    tenant_id: str
    domain: str | None = None
    url: str | None = None
    outbound_proxy: str | None = None
    port: int | None = None
    transports: str | None = None
    websocket_url: str | None = None
    enabled: bool | None = None
    user: TenantUser | None = None
    raw: Any = _raw()


@attrs.frozen(kw_only=True)
class TenantExtension:
    """An extension of a tenant, with the password its phone registers with."""

    account: str
    tenant_id: str
    extension: str
    password: Secret | None
    enabled: bool | None
    raw: Any = _raw()
