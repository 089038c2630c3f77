"""What a vendor may be able to do. An adapter inherits the interfaces it can carry out, and nothing else.

    from gateway_contracts import CallControl, Call, Page

    class Adapter(CallControl):
        async def list_calls(self) -> Page[Call]:
            return Page(items=())
        ...

Promises to authors: an operation may run many times at once on one adapter; it may be cancelled at any `await`; only
`GatewayError` should leave it. For an argument that the vendor cannot be told, raise `Unsupported` naming it: never
drop one. An operation that the vendor lacks is one line, `park_call = lacking("acme has no call_control.park_call")`;
one that was added later (`since=…`) may be left out.

In the examples `self.http` is an `HttpClient` of `gateway_contracts.http`, where `Effect` and `segment` are found too.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from .models import (
    Agent,
    Audio,
    Call,
    CallCount,
    CallEvent,
    CallIds,
    CallRecord,
    Customer,
    Direction,
    EventType,
    Hook,
    Leg,
    Outcome,
    Page,
    QueueCustomer,
    QueueKind,
    QueueLoad,
    RecordingLink,
    StartedCall,
    Tenant,
    TenantExtension,
    WebhookRequest,
)
from .operations import Operation, operation, operations_of
from .secrets import Secret


class ClickToCall(ABC):
    """Start calls from an application.

    async def start_call(self, *, extension, number, **rest):
        body = {"from": extension, "to": number}
        answer = await self.http.send("POST", "/dial", json=body, effect=Effect.RING)
        said = {"call_id": answer.parse(DialRow).id, "requested_at": datetime.now(UTC), "raw": answer.data}
        return StartedCall(account=self.account.name, extension=extension, number=number, **said)
    """

    scope: ClassVar[str] = "calls"

    @abstractmethod
    @operation("POST", "/calls", status=201, rings=True, headers={"idempotency_key": "Idempotency-Key"})
    async def start_call(
        self,
        *,
        extension: str,
        number: str,
        wait: bool = False,
        auto_answer: bool = False,
        caller_id_name: str | None = None,
        caller_id_number: str | None = None,
        callee_id_name: str | None = None,
        callee_id_number: str | None = None,
        hotline: str | None = None,
        customer_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> StartedCall:
        """Ring an extension and, when it picks up, call a number from it.

        With *wait* the answer comes when the extension has picked up or hung up, which may take a minute; without, at
        once. *caller_id_name* and *caller_id_number* are what the extension sees; *callee_id_name* and
        *callee_id_number* go into the SIP message to the number. *hotline* is the business's own number to call from.
        *auto_answer* makes the extension's phone pick up by itself. Never sent twice: when the error's `dial_state`
        is `unknown`, look for the call, do not dial again. With *idempotency_key*, up to 200 printable characters of
        your own for this one call, asking again is safe: what the first request did is answered again, for 24 hours at
        least, and only what did not ring is tried again. It needs the gateway's journal.

        Raises: AgentNotRegistered, AgentBusy, VendorRejected, Unsupported, VendorAuthFailed, VendorUnavailable,
        OutcomeUnknown, Conflict and IdempotencyMismatch of a key.
        """


class CallControl(ABC):
    """See and steer the calls in progress.

    async def list_calls(self):
        rows = (await self.http.send("GET", "/live")).parse(tuple[LiveRow, ...])
        return Page(items=tuple(self._call(row) for row in rows), total=len(rows))
    """

    scope: ClassVar[str] = "calls"

    @abstractmethod
    @operation("GET", "/calls")
    async def list_calls(self) -> Page[Call]:
        """List the calls in progress.

        Raises: VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/transfer", rings=True)
    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """Move one side of a call to another extension.

        *leg* is the side that is moved: `a` placed the call, `b` was called. Without it the customer's side is moved,
        as far as the vendor tells which that is.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, Unsupported, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/listen", rings=True)
    async def listen_call(self, call_id: str, *, extension: str) -> None:
        """Let an extension hear a call without being heard.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/whisper", rings=True)
    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        """Let an extension talk to the agent of a call without the customer hearing it.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/barge", rings=True)
    async def barge_call(self, call_id: str, *, extension: str) -> None:
        """Make an extension the third party of a call.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/park", rings=True)
    async def park_call(self, call_id: str, *, leg: Leg) -> None:
        """Cut one side of a call and hold the other until it is transferred.

        *leg* is passed on as the vendor's own parameter. How long the held side waits is the vendor's to say.

        Raises: NotFound, VendorRejected, Unsupported, OutcomeUnknown.
        """


class History(ABC):
    """Read finished calls.

    async def get_record(self, record_id):
        answer = await self.http.send("GET", f"/cdr/{segment('record_id', record_id)}")
        return self._record(answer.parse(CdrRow), answer.data)
    """

    scope: ClassVar[str] = "records"

    @abstractmethod
    @operation("GET", "/records")
    async def list_records(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        extension: str | None = None,
        number: str | None = None,
        direction: Direction | None = None,
        outcome: Outcome | None = None,
        min_duration_seconds: int | None = None,
        duration_seconds: int | None = None,
        ended_since: datetime | None = None,
        ended_until: datetime | None = None,
        recording_name: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[CallRecord]:
        """List finished calls, newest first where the vendor lets us choose.

        Calls that started at *since* or later and before *until*; *ended_since* and *ended_until* do the same for the
        end. *number* matches either side. *min_duration_seconds* means at least. A page may hold fewer than *limit*
        records and still not be the last: go on while `next` is not None, giving it as *cursor*, with the same filters
        or none.

        Raises: InvalidRequest, Unsupported, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/records/{record_id}")
    async def get_record(self, record_id: str) -> CallRecord:
        """Get one finished call by its record id, or by an id that the vendor takes in its place.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """


class Recording(ABC):
    """Hear finished calls.

    async def locate_recording(self, record_id):
        row = (await self.http.send("GET", f"/cdr/{segment('record_id', record_id)}")).parse(CdrRow)
        return RecordingLink(account=self.account.name, record_id=record_id, url=row.audio)
    """

    scope: ClassVar[str] = "records"

    @abstractmethod
    @operation("GET", "/records/{record_id}/recording/link")
    async def locate_recording(self, record_id: str) -> RecordingLink:
        """Get an address where a recording can be fetched without the gateway, for as long as the vendor lets it live.

        Raises: NotFound when there is no recording (yet), VendorAuthFailed, VendorUnavailable, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/records/{record_id}/recording", headers={"byte_range": "Range"})
    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """Fetch a recording's audio.

        *byte_range* is an HTTP range of one part (`bytes=0-499`, `bytes=500-`, `bytes=-500`). The media type is found
        by looking at the audio, not at its name.

        Raises: NotFound when there is no recording (yet), RangeNotSatisfiable, VendorAuthFailed, VendorUnavailable,
        VendorTimeout, VendorProtocolError.
        """


class Events(ABC):
    """Learn what happens while it happens.

    async def parse_webhook(self, request):
        try:
            row = from_json(loads(request.body), HookRow)
        except ValueError as error:
            raise InvalidRequest("That is no webhook of the vendor") from error
        return [self._event(row, event_id=f"{row.call}-{row.state}", received_at=request.received_at)]
    """

    scope: ClassVar[str] = "admin"

    @abstractmethod
    @operation("GET", "/hooks")
    async def list_hooks(self) -> Page[Hook]:
        """List the vendor's registrations that send webhooks.

        Raises: Unsupported, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("POST", "/hooks", status=201)
    async def create_hook(self, *, event: EventType, url: str | None = None, api_key: Secret | None = None) -> Hook:
        """Make the vendor send one type of event to an address.

        *url* is by default the gateway's own hook address of the account. *api_key* is what the vendor shows when it
        calls that address.

        Raises: InvalidRequest, Unsupported, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("DELETE", "/hooks/{hook_id}")
    async def delete_hook(self, hook_id: str) -> None:
        """Stop a registration.

        Raises: NotFound, Unsupported, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    async def parse_webhook(self, request: WebhookRequest) -> Sequence[CallEvent]:
        """What a vendor's webhook says, in our words; the same `event_id` whenever it is delivered again.

        An event we have no word for is of type `unknown`, with the vendor's answer in `raw`.

        Raises: InvalidRequest when the body cannot be understood at all; Unsupported when the vendor sends none.
        """

    @abstractmethod
    def follow_events(self) -> AsyncIterator[CallEvent]:
        """Events of a vendor that is listened to and does not call us; never ends by itself.

        Raises: Unsupported, when first asked for an event, where the vendor calls us.
        """


class Reports(ABC):
    """Ask the vendor for sums that it keeps itself.

    async def count_calls(self, *, since, until):
        params = [("from", self._their(since)), ("to", self._their(until))]
        rows = (await self.http.send("GET", "/report", params=params)).parse(tuple[CountRow, ...])
        return Page(items=tuple(self._count(row) for row in rows))
    """

    scope: ClassVar[str] = "records"

    @abstractmethod
    @operation("GET", "/reports/call-ids")
    async def list_call_ids(self, *, since: datetime, until: datetime) -> Page[CallIds]:
        """List the ids of the calls that started in a time range, *since* included and *until* not.

        Raises: InvalidRequest, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/reports/call-counts")
    async def count_calls(self, *, since: datetime, until: datetime) -> Page[CallCount]:
        """Count the calls of a time range by how they ended, *since* included and *until* not.

        Raises: InvalidRequest, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """


class Agents(ABC):
    """See who can take calls.

    async def list_agents(self):
        rows = (await self.http.send("GET", "/agents")).parse(tuple[AgentRow, ...])
        return Page(items=tuple(self._agent(row) for row in rows))
    """

    scope: ClassVar[str] = "calls"

    @abstractmethod
    @operation("GET", "/agents")
    async def list_agents(self) -> Page[Agent]:
        """List the agents that the vendor shows, and the calls they are in.

        Raises: Unsupported, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/agents/{agent_id}")
    async def get_agent(self, agent_id: str) -> Agent:
        """Get one agent by id, or by user name where the vendor takes it.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """


class Campaigns(ABC):
    """Let the vendor dial lists of customers.

    async def stop_queue(self, queue_code, *, kind):
        await self.http.send("POST", f"/{kind}/stop", json={"queue": queue_code}, effect=Effect.WRITE)
    """

    scope: ClassVar[str] = "campaigns"

    @abstractmethod
    @operation("PUT", "/queues/{queue_code}")
    async def load_queue(
        self,
        queue_code: str,
        *,
        kind: QueueKind,
        customers: Sequence[QueueCustomer],
        campaign_id: str | None = None,
        agents: Sequence[str] | None = None,
        calls_per_agent_percent: int | None = None,
        template: str | None = None,
        concurrent_calls: int | None = None,
        max_retries: int | None = None,
        retry_below_seconds: int | None = None,
    ) -> QueueLoad:
        """Give a queue the customers to call.

        An `autodialer` queue belongs to *campaign_id*, rings *agents* (extensions) and dials *calls_per_agent_percent*
        calls for each hundred free agents. An `autocall` queue plays *template* in up to *concurrent_calls* at once
        and dials again when an answered call was shorter than *retry_below_seconds*. *max_retries* holds for both.

        Raises: InvalidRequest, NotFound, Unsupported, VendorRejected, VendorAuthFailed, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/queues/{queue_code}/start", rings=True)
    async def start_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Start to dial a queue's customers.

        Raises: NotFound, VendorRejected, VendorAuthFailed, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/queues/{queue_code}/stop")
    async def stop_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Pause a queue.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("DELETE", "/queues/{queue_code}")
    async def delete_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Remove a queue that was stopped.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("POST", "/queues/{queue_code}/blocked-customers")
    async def block_customers(self, queue_code: str, *, customer_ids: Sequence[str]) -> None:
        """Stop a queue from calling some of its customers; who was called already is not affected.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """


class Customers(ABC):
    """Keep the vendor's own list of customers.

    async def get_customer(self, customer_id):
        answer = await self.http.send("GET", f"/customers/{segment('customer_id', customer_id)}")
        return self._customer(answer.parse(CustomerRow), answer.data)
    """

    scope: ClassVar[str] = "campaigns"

    @abstractmethod
    @operation("GET", "/customers")
    async def list_customers(
        self, *, campaign_id: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Customer]:
        """List the vendor's customers.

        Raises: VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/customers/{customer_id}")
    async def get_customer(self, customer_id: str) -> Customer:
        """Get one customer.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("POST", "/customers", status=201)
    async def create_customer(
        self, *, campaign_id: str, customer_code: str, number: str, contract_number: str, name: str | None = None
    ) -> Customer:
        """Add a customer to a campaign.

        Raises: InvalidRequest, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """


class Tenants(ABC):
    """Run the PBX for several customers, as the vendor's reseller.

    async def get_tenant(self, tenant_id):
        answer = await self.http.send("GET", f"/tenant/{segment('tenant_id', tenant_id)}")
        return self._tenant(answer.parse(TenantRow), answer.data)
    """

    scope: ClassVar[str] = "admin"

    @abstractmethod
    @operation("POST", "/tenants", status=201)
    async def create_tenant(self, *, tenant_id: str) -> Tenant:
        """Create a tenant; the answer holds its first user's password and api key, which are not shown again.

        Raises: Conflict, InvalidRequest, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("GET", "/tenants/{tenant_id}")
    async def get_tenant(self, tenant_id: str) -> Tenant:
        """Get one tenant.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("PATCH", "/tenants/{tenant_id}")
    async def update_tenant(self, tenant_id: str, *, enabled: bool) -> None:
        """Switch a tenant on or off.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("POST", "/tenants/{tenant_id}/extensions", status=201)
    async def create_extension(self, tenant_id: str, *, extension: str, password: Secret) -> TenantExtension:
        """Create an extension of a tenant, with the password that its phone registers with.

        Raises: NotFound, Conflict, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("GET", "/tenants/{tenant_id}/extensions/{extension}")
    async def get_extension(self, tenant_id: str, extension: str) -> TenantExtension:
        """Get one extension of a tenant, with its password.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """


INTERFACES: tuple[type, ...] = (
    ClickToCall,
    CallControl,
    History,
    Recording,
    Events,
    Reports,
    Agents,
    Campaigns,
    Customers,
    Tenants,
)
"""Every interface, in the order in which documents show them."""

OPERATIONS: Mapping[str, Operation] = {
    name: operation for interface in INTERFACES for name, operation in operations_of(interface).items()
}
"""Every operation by its name, which no two interfaces share."""


def interfaces_of(adapter: type) -> tuple[type, ...]:
    """The interfaces that the class of an adapter inherits, which is what it can do."""
    return tuple(interface for interface in INTERFACES if issubclass(adapter, interface))
