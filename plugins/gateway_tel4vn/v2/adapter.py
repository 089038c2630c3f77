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
    Events,
    EventType,
    GatewayError,
    History,
    Hook,
    InvalidRequest,
    Leg,
    NotFound,
    Origin,
    Outcome,
    OutcomeUnknown,
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
from gateway_contracts.http import Answer, Effect, HttpClient, segment
from gateway_contracts.rows import Rows, read_row, read_rows

from ..answers import GONE, MAINTENANCE, ImportRefused, confirm, customer_code, rows, unwrap
from ..calls import Calls, asked
from ..hooks import HOOK_EVENTS, HOOK_EVENTS_2023, Hooks, parse_webhook
from ..pages import Came, given, ids_of, start, turn
from ..reading import Reading, is_empty, read
from ..records import Records
from ..settings import Paging
from ..tokens import connected
from ..words import DIRECTION_FILTERS, text, truth
from . import Form, Settings, wire


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
            hooks=Hooks(
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
        )


@attrs.frozen(kw_only=True)
class Tel4vnV2(ClickToCall, CallControl, History, Recording, Events, Agents, Campaigns, Customers):
    """One account of a TEL4VN v2 call center. *paths* are those of its edition, by the names of `wire.PATHS`."""

    account: Account
    settings: Settings
    http: HttpClient
    paths: Mapping[str, str]
    reading: Reading
    calls: Calls
    hooks: Hooks
    recorded: Records

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
        """002:552 with *wait*, 002:606 without: a GET that is sent once all the same. By POST where the settings ask
        for it (002:664), which says no more than a customer, a number and an extension.
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
        self._refuse(
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
        customer = (
            {"id": customer_id} if customer_id is not None else {}
        )  # no field of 002:668-672 is said to be needed
        body = {**customer, "mobile": number, "agent": extension}
        answer = await self.http.send("POST", path, json=body, effect=Effect.RING, refusals={MAINTENANCE})
        return self.calls.started(answer, extension, number, requested_at)

    def _refuse(self, what: str, **arguments: object) -> None:
        named = [name for name, value in arguments.items() if value is not None and value is not False]
        if named:
            raise Unsupported(
                f"tel4vn-v2 cannot be told {', '.join(named)} for {what}",
                account=self.account.name,
                dial_state=DialState.NOT_PLACED,
            )

    # Call control

    async def list_calls(self) -> Page[Call]:
        """002:716."""
        return await self.calls.list(self.paths["list_calls"])

    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """002:752, which knows no legs: the vendor says which side moves."""
        self._refuse("a transfer", leg=leg)
        await self.calls.steer(self.paths["transfer_call"], call_id, {"ext": to})

    async def listen_call(self, call_id: str, *, extension: str) -> None:
        """002:794."""
        await self.calls.steer(self.paths["listen_call"], call_id, {"ext": extension})

    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        """002:836."""
        await self.calls.steer(self.paths["whisper_call"], call_id, {"ext": extension})

    async def barge_call(self, call_id: str, *, extension: str) -> None:
        """002:878."""
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
        """002:435. Filters that its table does not have are applied here, page by page, so pages may be short."""
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
        """002:505: by the record's id or by the SIP call id."""
        return await self.recorded.get(record_id)

    # Recording

    async def locate_recording(self, record_id: str) -> RecordingLink:
        """The `recording_url` or `recordFile` of 002:505."""
        return await self.recorded.locate(record_id)

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """From that address, without the token unless `recording_bearer` is set."""
        return await self.recorded.fetch(record_id, byte_range)

    # Events

    async def list_hooks(self) -> Page[Hook]:
        """002:150."""
        return await self.hooks.list()

    async def create_hook(self, *, event: EventType, url: str | None = None, api_key: Secret | None = None) -> Hook:
        """002:177."""
        return await self.hooks.create(event, url, api_key)

    async def delete_hook(self, hook_id: str) -> None:
        """002:218."""
        await self.hooks.delete(hook_id)

    async def parse_webhook(self, request: WebhookRequest) -> Sequence[CallEvent]:
        """002:227-261."""
        return parse_webhook(self.reading, request)

    follow_events = lacking("tel4vn-v2 sends webhooks and has no stream of events")

    # Agents

    # The call center's documents ask for one agent at a time.
    list_agents = lacking("tel4vn-v2 has no agents.list_agents: ask for one with get_agent")

    async def get_agent(self, agent_id: str) -> Agent:
        """002:1426, by the user's id or name; by the extension in the edition of 2023."""
        path = self.paths["get_agent"].format(agent_id=segment("agent_id", agent_id))
        answer = await self.http.send("GET", path)
        raw = unwrap(answer.data, "extension")
        row = read(answer, read_row, raw, wire.AgentRow, lambda row, *_: row)
        extension, username = text(row.extension), text(row.username)
        found = text(row.user_uuid) or username or extension
        if found is None:
            raise answer.nonsense("names no agent")
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
        """002:929 and 002:1163. Which customers an autodialer queue took is not said, so a success means all. An import
        that failed (002:1150) and took some all the same is a load of those.
        """
        optional: dict[str, str | int | None] = {
            "campaign_id": campaign_id,
            "agents": ",".join(agents or ()) or None,  # in the sample only, and one (002:899): several are a guess
            "calls_per_agent_percent": calls_per_agent_percent,
            "template": template,
            "concurrent_calls": concurrent_calls,
            "max_retries": max_retries,
            "retry_below_seconds": retry_below_seconds,
        }
        fields = wire.QUEUE_FIELDS[kind]
        self._refuse(f"{kind} queues", **{name: value for name, value in optional.items() if name not in fields})
        body: dict[str, Any] = {"queue_code": queue_code}
        for name, (spelt, written) in fields.items():
            value = optional[name]
            if value is not None:
                body[spelt] = written(value)
        body["customers"] = [self._queued(kind, index, each) for index, each in enumerate(customers)]
        refusal: ImportRefused | None = None
        try:
            answer = await self._queue(f"load_{kind}_queue", body)
        except ImportRefused as error:
            refusal, answer = error, error.answer
        told = unwrap(answer.data, "success")
        named = told.keys() & {"success", "fail"} if isinstance(told, dict) else ()
        row = answer.parse(wire.LoadRow, told) if named else wire.LoadRow()
        if refusal is not None and not row.success:
            places = {each.customer_id: f"customers[{index}]" for index, each in enumerate(customers)}
            refusal.fields = {places.get(code, code): said for code, said in refusal.fields.items()}
            raise refusal
        rejected = tuple(map(customer_code, row.fail or ()))
        if "success" in named:
            accepted = tuple(map(str, row.success or ()))
        else:
            accepted = tuple(each.customer_id for each in customers if each.customer_id not in rejected)
        return QueueLoad(
            account=self.account.name, queue_code=queue_code, accepted=accepted, rejected=rejected, raw=answer.data
        )

    def _queued(self, kind: QueueKind, index: int, customer: QueueCustomer) -> dict[str, Any]:
        """A customer as 002:929 and 002:1110-1127 show one; only autocall queues have a template to read out."""
        if customer.details and kind is not QueueKind.AUTOCALL:
            raise Unsupported(f"tel4vn-v2 cannot be told details for {kind} queues", account=self.account.name)
        own = {"id": customer.customer_id, "mobiles": list(customer.numbers)}
        taken = own.keys() & customer.details.keys()
        if taken:
            field = f"customers[{index}].details"
            raise InvalidRequest(
                f"{field} has names that the vendor uses itself: {', '.join(sorted(taken))}",
                account=self.account.name,
                fields={field: f"must not have {', '.join(sorted(taken))}"},
            )
        return {**own, **customer.details}

    async def start_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """002:1085 and 002:1405. Phones ring for it, so it is sent once. That there is no such queue is documented for
        it (002:1077, 002:1397), under whatever status, and proves that none rang.
        """
        try:
            await self._queue(f"start_{kind}_queue", {"queue_code": queue_code}, Effect.RING)
        except OutcomeUnknown as error:
            if isinstance(error.__cause__, NotFound):
                raise NotFound(
                    f"The vendor has no {kind} queue {queue_code}",
                    account=self.account.name,
                    origin=Origin.VENDOR,
                    vendor_code=error.vendor_code,
                    dial_state=DialState.NOT_PLACED,
                ) from None
            raise

    async def stop_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """002:991 and 002:1307."""
        await self._queue(f"stop_{kind}_queue", {"queue_code": queue_code})

    async def delete_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """002:1038 and 002:1356, of a queue that was stopped (002:1034, 002:1352)."""
        await self._queue(f"delete_{kind}_queue", {"queue_code": queue_code})

    async def block_customers(self, queue_code: str, *, customer_ids: Sequence[str]) -> None:
        """002:1246, which autocall queues only have."""
        body = {"queue_code": queue_code, "customers": [{"id": each} for each in customer_ids]}
        await self._queue("block_customers", body)

    async def _queue(self, name: str, body: Mapping[str, Any], effect: Effect = Effect.WRITE) -> Answer:
        answer = await self.http.send("POST", self.paths[name], json=body, effect=effect, refusals={MAINTENANCE, GONE})
        confirm(answer)
        return answer

    # Customers

    async def list_customers(
        self, *, campaign_id: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Customer]:
        """002:1554."""
        query = given({"campaign_id": campaign_id})
        place = start(self.account.name, Paging.OFFSET, cursor, query, of="customers")

        async def ask(params: Sequence[tuple[str, str]]) -> Came[Rows[Customer]]:
            answer = await self.http.send("GET", self.paths["list_customers"], params=params)
            found = await read_rows(answer, rows(answer.data), wire.CustomerRow, self._customer)
            return Came(answer, ids_of(found, lambda customer: customer.customer_id), found)

        came, turned = await turn(place, limit, self.settings.page_size, ask)
        kept = tuple(each for each in came.found.items if each.customer_id not in turned.again)
        return attrs.evolve(came.found, items=kept).page(next=turned.next, total=turned.total)

    async def get_customer(self, customer_id: str) -> Customer:
        """002:1632."""
        path = self.paths["get_customer"].format(customer_id=segment("customer_id", customer_id))
        answer = await self.http.send("GET", path)
        raw = unwrap(answer.data, "customer_id")
        customer: Customer = read(answer, read_row, raw, wire.CustomerRow, self._customer)
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
        """002:1681. The vendor dials the customer for an agent within seven days (002:1677)."""
        told = {
            "campaign_id": campaign_id,
            "customer_code": customer_code,
            "number": number,
            "contract_number": contract_number,
            "name": name,
        }
        body = {wire.CUSTOMER_FIELDS[argument]: value for argument, value in told.items() if value is not None}
        try:
            answer = await self.http.send(
                "POST", self.paths["create_customer"], json=body, effect=Effect.WRITE, refusals={MAINTENANCE}
            )
        except GatewayError as error:
            ours = {spelt: argument for argument, spelt in wire.CUSTOMER_FIELDS.items()}
            error.fields = {ours.get(field, field): said for field, said in error.fields.items()}
            raise
        customer_id = text(answer.parse(wire.CreatedCustomer, unwrap(answer.data, "id")).id)
        if customer_id is None:
            raise answer.nonsense("gives the customer no id")
        return Customer(
            account=self.account.name,
            customer_id=customer_id,
            campaign_id=campaign_id,
            customer_code=customer_code,
            name=name,
            number=number,
            contract_number=contract_number,
            raw=answer.data,
        )


def _words(value: int | None) -> str | None:
    return None if value is None else str(value)
