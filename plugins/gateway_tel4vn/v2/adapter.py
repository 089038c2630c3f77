"""TEL4VN v2 in our words. The source is document 002, named with its lines."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from gateway_contracts import (
    Account,
    Agent,
    Agents,
    AgentState,
    Audio,
    Call,
    CallControl,
    CallEvent,
    CallRecord,
    Campaigns,
    ClickToCall,
    Customer,
    Customers,
    CustomerState,
    DialState,
    Direction,
    EventType,
    GatewayError,
    History,
    Hook,
    Hooks,
    Leg,
    Outcome,
    Page,
    QueueCustomer,
    QueueKind,
    QueueLoad,
    Recording,
    RecordingLink,
    Secret,
    StartedCall,
    Unsupported,
    WebhookRequest,
    lacking,
)
from gateway_contracts.arguments import given, query, refuse
from gateway_contracts.http import Effect, HttpClient, segment
from gateway_contracts.rows import Rows, read_row, read_rows

from ..calls import Calls, asked
from ..hooks import HOOK_EVENTS, HOOK_EVENTS_2023, Registrations, parse_webhook
from ..pages import Came, ids_of, start, turn
from ..reading import Reading, is_empty, read
from ..records import Records
from ..responses import MAINTENANCE, rows, unwrap
from ..settings import Paging
from ..tokens import connected
from ..words import DIRECTION_FILTERS, text, truth
from . import Form, Settings, wire
from .queues import Queues


@contextlib.asynccontextmanager
async def open_adapter(account: Account, settings: Settings) -> AsyncIterator["Tel4vnV2"]:
    """The adapter, its session and its token, for as long as the context is open."""
    paths = {**wire.PATHS[settings.edition], **settings.paths}
    known = {name: path for name, path in paths.items() if path is not None}
    async with connected(account, settings, login_path=known["log_in"], token_path=known["issue_token"]) as http:
        reading = Reading.of("tel4vn-v2", account.name, settings)
        yield Tel4vnV2(
            account=account,
            settings=settings,
            http=http,
            paths=known,
            reading=reading,
            calls=Calls(http=http, reading=reading),
            hooks=Registrations(
                http=http,
                reading=reading,
                list_path=known["list_hooks"],
                create_path=known["create_hook"],
                delete_path=known["delete_hook"],
                own_url=account.hook_url,
                events=HOOK_EVENTS if settings.edition is wire.Edition.CC_2021 else HOOK_EVENTS_2023,
            ),
            recorded=Records(
                http=http,
                reading=reading,
                list_path=known["list_records"],
                get_path=known["get_record"],
                paging=settings.paging,
                page_size=settings.page_size,
                settings=settings,
                as_row=wire.default_names,
                name_in=wire.name_in,
            ),
            queues=Queues(http=http, paths=known, reading=reading),
        )


@attrs.frozen(kw_only=True)
class Tel4vnV2(ClickToCall, CallControl, History, Recording, Hooks, Agents, Campaigns, Customers):
    """One account of a TEL4VN v2 call center. *paths* are those of its edition, by the names of `wire.PATHS`."""

    account: Account
    settings: Settings
    http: HttpClient
    paths: Mapping[str, str]
    reading: Reading
    calls: Calls
    hooks: Registrations
    recorded: Records
    queues: Queues

    # Click to call

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
        """Ring an extension, then call a number (002:552 with *wait*, 002:606 without): a GET, sent once all the same.

        By POST where the settings ask for it (002:664), which says no more than a customer, a number and an extension.
        """
        optional = asked(
            caller_id_name=caller_id_name,
            caller_id_number=caller_id_number,
            callee_id_name=callee_id_name,
            callee_id_number=callee_id_number,
            auto_answer=auto_answer,
            hotline=hotline,
            customer_id=customer_id,
        )
        if self.settings.click_to_call is Form.GET:
            path = self.paths["start_call_and_wait" if wait else "start_call"]
            return await self.calls.dial(path, extension, number, optional, wait=wait)
        refuse(
            "tel4vn-v2",
            'a call by click_to_call = "post"',
            wait=wait,
            auto_answer=auto_answer,
            caller_id_name=caller_id_name,
            caller_id_number=caller_id_number,
            callee_id_name=callee_id_name,
            callee_id_number=callee_id_number,
            hotline=hotline,
        )
        return await self._post_call(extension, number, customer_id)

    async def _post_call(self, extension: str, number: str, customer_id: str | None) -> StartedCall:
        path = self.paths.get("start_call_by_post")
        if path is None:
            raise Unsupported(
                f"Edition {self.settings.edition} has no click-to-call by POST: leave click_to_call out of "
                f"accounts.{self.account.name}.settings",
                account=self.account.name,
                dial_state=DialState.NOT_PLACED,
            )
        requested_at = datetime.now(UTC)
        body = given(id=customer_id, mobile=number, agent=extension)  # no field of 002:668-672 is said to be needed
        response = await self.http.send("POST", path, json=body, effect=Effect.RING, refusals={MAINTENANCE})
        return self.calls.started(response, extension, number, requested_at)

    # Call control

    async def list_calls(self) -> Page[Call]:
        """List the calls in progress (002:716)."""
        return await self.calls.list(self.paths["list_calls"])

    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """Move a side of a call to an extension (002:752, which has no legs: the vendor chooses)."""
        refuse("tel4vn-v2", "a transfer", leg=leg)
        await self.calls.steer(self.paths["transfer_call"], call_id, {"ext": to})

    async def listen_call(self, call_id: str, *, extension: str) -> None:
        """Let an extension hear a call (002:794)."""
        await self.calls.steer(self.paths["listen_call"], call_id, {"ext": extension})

    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        """Let an extension talk to the agent of a call (002:836)."""
        await self.calls.steer(self.paths["whisper_call"], call_id, {"ext": extension})

    async def barge_call(self, call_id: str, *, extension: str) -> None:
        """Make an extension the third party of a call (002:878)."""
        await self.calls.steer(self.paths["barge_call"], call_id, {"ext": extension})

    # The call center's documents have no park.
    park_call = lacking("tel4vn-v2 has no call_control.park_call")

    # History

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
        """List finished calls (002:435). The adapter picks out filters that its table lacks, so pages may be short."""
        if direction is Direction.UNKNOWN:
            raise Unsupported("tel4vn-v2 cannot look for a direction that is unknown", account=self.account.name)
        if is_empty(since, until):
            return Page(items=(), total=0)
        first, last = self.reading.between(since, until)
        optional = {
            "start_date": first,
            "end_date": last,
            "duration": _words(duration_seconds),
            "extension": extension,
            "phone": number,
            "direction": DIRECTION_FILTERS[direction] if direction else None,
        }
        picks = {
            "outcome": outcome,
            "min_duration_seconds": _words(min_duration_seconds),
            "ended_since": ended_since.isoformat() if ended_since else None,
            "ended_until": ended_until.isoformat() if ended_until else None,
            "recording_name": recording_name,
        }
        return await self.recorded.page(optional, picks, cursor, limit)

    async def get_record(self, record_id: str) -> CallRecord:
        """Get one finished call by its record's id or its SIP call id (002:505)."""
        return await self.recorded.get(record_id)

    # Recording

    async def locate_recording(self, record_id: str) -> RecordingLink:
        """Give the address of a recording: `recording_url` or `recordFile` of 002:505."""
        return await self.recorded.locate(record_id)

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """Fetch a recording from its address, without the token unless `recording_bearer` is set."""
        return await self.recorded.fetch(record_id, byte_range)

    # Events

    async def list_hooks(self) -> Page[Hook]:
        """List the hooks (002:150)."""
        return await self.hooks.list()

    async def create_hook(self, *, event: EventType, url: str | None = None, api_key: Secret | None = None) -> Hook:
        """Create a hook (002:177)."""
        return await self.hooks.create(event, url, api_key)

    async def delete_hook(self, hook_id: str) -> None:
        """Delete a hook (002:218)."""
        await self.hooks.delete(hook_id)

    async def parse_webhook(self, request: WebhookRequest) -> Sequence[CallEvent]:
        """Read a webhook (002:227-261)."""
        return parse_webhook(self.reading, request)

    # Agents

    # The call center's documents ask for one agent at a time.
    list_agents = lacking("tel4vn-v2 has no agents.list_agents: ask for one with get_agent")

    async def get_agent(self, agent_id: str) -> Agent:
        """Get one agent by the user's id or name (002:1426); by the extension in the edition of 2023."""
        path = self.paths["get_agent"].format(agent_id=segment("agent_id", agent_id))
        response = await self.http.send("GET", path)
        raw = unwrap(response.data, "extension")
        row = read(response, read_row, raw, wire.AgentRow, lambda row, *_: row)
        extension, username = text(row.extension), text(row.username)
        found = text(row.user_uuid) or username or extension
        if found is None:
            raise response.nonsense("names no agent")
        logged_in = truth(row.is_logged_in if row.ext_loggedin is None else row.ext_loggedin)
        states = {True: AgentState.AVAILABLE, False: AgentState.OFFLINE, None: AgentState.UNKNOWN}
        return Agent(
            account=self.account.name,
            agent_id=found,
            name=text(row.agent_name),
            extension=extension,
            state=states[logged_in],
            username=username,
            raw=raw,
        )

    # Campaigns

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
        """Give a queue the customers to call (002:929, 002:1163)."""
        optional: dict[str, str | int | None] = {
            "campaign_id": campaign_id,
            "agents": ",".join(agents or ()) or None,  # in the sample only, and one (002:899): several are a guess
            "calls_per_agent_percent": calls_per_agent_percent,
            "template": template,
            "concurrent_calls": concurrent_calls,
            "max_retries": max_retries,
            "retry_below_seconds": retry_below_seconds,
        }
        return await self.queues.load(queue_code, kind, customers, optional)

    async def start_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Start to dial a queue's customers (002:1085, 002:1405)."""
        await self.queues.start(queue_code, kind)

    async def stop_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Pause a queue (002:991, 002:1307)."""
        await self.queues.stop(queue_code, kind)

    async def delete_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Remove a queue that was stopped (002:1038, 002:1356)."""
        await self.queues.delete(queue_code, kind)

    async def block_customers(self, queue_code: str, *, customer_ids: Sequence[str]) -> None:
        """Stop a queue from calling some of its customers (002:1246)."""
        await self.queues.block(queue_code, customer_ids)

    # Customers

    async def list_customers(
        self, *, campaign_id: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Customer]:
        """List the customers (002:1554)."""
        filters = tuple(query(campaign_id=campaign_id))
        place = start(Paging.OFFSET, cursor, filters, of="customers")

        async def ask(params: Sequence[tuple[str, str]]) -> Came[Rows[Customer]]:
            response = await self.http.send("GET", self.paths["list_customers"], params=params)
            found = await read_rows(response, rows(response.data), wire.CustomerRow, self._customer)
            return Came(response, ids_of(found, lambda customer: customer.customer_id), found)

        came, turned = await turn(place, limit, self.settings.page_size, ask)
        kept = tuple(each for each in came.found.items if each.customer_id not in turned.again)
        return attrs.evolve(came.found, items=kept).page(next=turned.next, total=turned.total)

    async def get_customer(self, customer_id: str) -> Customer:
        """Get one customer (002:1632)."""
        path = self.paths["get_customer"].format(customer_id=segment("customer_id", customer_id))
        response = await self.http.send("GET", path)
        raw = unwrap(response.data, "customer_id")
        customer: Customer = read(response, read_row, raw, wire.CustomerRow, self._customer)
        return customer

    def _customer(self, row: wire.CustomerRow, raw: Any, _: tuple[str, ...] = ()) -> Customer:
        customer_id = text(row.customer_id)
        if customer_id is None:
            raise ValueError("customer_id is empty")
        return Customer(
            account=self.account.name,
            customer_id=customer_id,
            campaign_id=text(row.campaign_id),
            customer_code=text(row.customer_code),
            name=text(row.customer_name),
            number=text(row.phone_number),
            contract_number=text(row.contract_number),
            state=wire.CUSTOMER_STATES.get((row.status or "").strip().lower(), CustomerState.UNKNOWN),
            vendor_status=text(row.status),
            created_at=self.reading.time.read(row.created_at, "created_at"),
            updated_at=self.reading.time.read(row.updated_at, "updated_at"),
            raw=raw,
        )

    async def create_customer(
        self, *, campaign_id: str, customer_code: str, number: str, contract_number: str, name: str | None = None
    ) -> Customer:
        """Add a customer (002:1681), whom the vendor dials for an agent within seven days (002:1677)."""
        told = {
            "campaign_id": campaign_id,
            "customer_code": customer_code,
            "number": number,
            "contract_number": contract_number,
            "name": name,
        }
        body = {wire.CUSTOMER_FIELDS[argument]: value for argument, value in told.items() if value is not None}
        try:
            response = await self.http.send(
                "POST", self.paths["create_customer"], json=body, effect=Effect.WRITE, refusals={MAINTENANCE}
            )
        except GatewayError as error:
            ours = {spelt: argument for argument, spelt in wire.CUSTOMER_FIELDS.items()}
            error.fields = {ours.get(field, field): said for field, said in error.fields.items()}
            raise
        customer_id = text(response.parse(wire.CreatedCustomer, unwrap(response.data, "id")).id)
        if customer_id is None:
            raise response.nonsense("gives the customer no id")
        return Customer(
            account=self.account.name,
            customer_id=customer_id,
            campaign_id=campaign_id,
            customer_code=customer_code,
            name=name,
            number=number,
            contract_number=contract_number,
            raw=response.data,
        )


def _words(value: int | None) -> str | None:
    return None if value is None else str(value)
