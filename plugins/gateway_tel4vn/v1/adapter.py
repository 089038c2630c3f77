"""TEL4VN v1 in our words. Sources are the documents 000, 001 and 003, named with their lines."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
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
    CallCount,
    CallEvent,
    CallIds,
    CallRecord,
    ClickToCall,
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
    Outcome,
    Page,
    Recording,
    RecordingLink,
    Reports,
    Secret,
    StartedCall,
    Tenant,
    TenantExtension,
    Tenants,
    TenantUser,
    Unsupported,
    VendorProtocolError,
    VendorRejected,
    WebhookRequest,
)
from gateway_contracts.http import Answer, Effect, HttpClient, segment
from gateway_contracts.rows import Rows, read_rows

from ..answers import MAINTENANCE, rows, unwrap
from ..calls import Calls, asked
from ..hooks import Hooks, parse_webhook
from ..reading import SECOND, Reading, is_empty, read
from ..records import Records
from ..tokens import connected
from ..words import DIRECTION_FILTERS, STAMP, outcome_of, text, truth, whole
from . import Settings, wire

MAX_REPORT = timedelta(hours=24)  # 003:806


@contextlib.asynccontextmanager
async def open_adapter(account: Account, settings: Settings) -> AsyncIterator["Tel4vnV1"]:
    """The adapter, its session and its token, for as long as the context is open."""
    paths = {"login_path": "/v1/auth", "token_path": "/v1/auth/token"}
    async with connected(account, settings, **paths) as http:
        reading = Reading.of("tel4vn-v1", account.name, settings)
        yield Tel4vnV1(
            account=account,
            settings=settings,
            http=http,
            reading=reading,
            calls=Calls(http=http, reading=reading),
            hooks=Hooks(
                http=http,
                reading=reading,
                list_path="/v1/event",
                create_path="/v1/event",
                delete_path="/v1/event/{hook_id}",
                own_url=account.hook_url,
            ),
            recorded=Records(
                http=http,
                reading=reading,
                list_path="/v1/cdr",
                get_path="/v1/cdr/{record_id}",
                paging=settings.paging,
                page_size=settings.page_size,
                settings=settings,
            ),
        )


@attrs.frozen(kw_only=True)
class Tel4vnV1(ClickToCall, CallControl, History, Recording, Events, Reports, Agents, Tenants):
    """One account of a TEL4VN v1 PBX."""

    account: Account
    settings: Settings
    http: HttpClient
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
        """001:40 with *wait*, 001:93 without. It is a GET, and is sent once all the same."""
        if customer_id is not None:
            raise Unsupported(
                "tel4vn-v1 has no customers: leave customer_id out",
                account=self.account.name,
                dial_state=DialState.NOT_PLACED,
            )
        optional = asked(
            caller_id_name=caller_id_name,
            caller_id_number=caller_id_number,
            callee_id_name=callee_id_name,
            callee_id_number=callee_id_number,
            auto_answer=auto_answer,
            hotline=hotline,
        )
        path = "/v1/click2call" if wait else "/v1/click2call/async"
        return await self.calls.dial(path, extension, number, optional, wait=wait)

    # Call control

    async def list_calls(self) -> Page[Call]:
        """000:36. The curl line of 003:573 names another path, by mistake."""
        return await self.calls.list("/v1/call")

    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """000:73. `legs` is required there and missing in 003:643; it is always sent."""
        chosen = leg or await self._customer_leg(call_id)
        await self._control(call_id, "transfer", {"ext": to, "legs": wire.LEGS[chosen]})

    async def _customer_leg(self, call_id: str) -> Leg:
        try:
            calls = await self.list_calls()
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED  # this only looked
            raise
        call = next((call for call in calls.items if call.call_id == call_id.strip()), None)
        if call is None and calls.skipped:
            raise VendorProtocolError(
                "A live call cannot be read, and may be the one: say which leg to move",
                account=self.account.name,
                dial_state=DialState.NOT_PLACED,
            )
        if call is None:
            raise NotFound(
                f"There is no call {call_id} in progress",
                account=self.account.name,
                dial_state=DialState.NOT_PLACED,
            )
        leg = self.settings.transfer_leg.get(call.direction)
        if leg is None:
            raise InvalidRequest(
                f"The direction of call {call_id} is not known, nor the customer's side: say which leg to move",
                account=self.account.name,
                fields={"leg": "is needed for this call: a (who placed it) or b (who was called)"},
                dial_state=DialState.NOT_PLACED,
            )
        return leg

    async def listen_call(self, call_id: str, *, extension: str) -> None:
        """000:116."""
        await self._control(call_id, "listen", {"ext": extension})

    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        """000:158."""
        await self._control(call_id, "whisper", {"ext": extension})

    async def barge_call(self, call_id: str, *, extension: str) -> None:
        """000:200."""
        await self._control(call_id, "barge", {"ext": extension})

    async def park_call(self, call_id: str, *, leg: Leg) -> None:
        """000:240: one side is cut, the other is dropped after ten seconds unless a transfer takes it. Which of them
        `legs` names is not said. A failure carries no word (000:230), and is a documented refusal all the same.
        """
        try:
            await self._control(call_id, "park", {"legs": wire.LEGS[leg]})
        except VendorRejected as error:
            if error.vendor_code is None:
                error.dial_state = DialState.NOT_PLACED
            raise

    async def _control(self, call_id: str, action: str, body: dict[str, str]) -> None:
        await self.calls.steer(f"/v1/call/{{call_id}}/{action}", call_id, body)

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
        """003:391. An outcome without a documented spelling is picked out of each page here, so pages may be short."""
        if direction is Direction.UNKNOWN:
            raise Unsupported("tel4vn-v1 cannot look for an unknown direction", account=self.account.name)
        if is_empty(since, until) or is_empty(ended_since, ended_until):
            return Page(items=(), total=0)
        first, last = self.reading.between(since, until)
        first_ended, last_ended = self.reading.between(ended_since, ended_until)
        optional = {
            "start_date": first,
            "end_date": last,
            "extension": extension,
            "phone": number,
            "direction": DIRECTION_FILTERS[direction] if direction else None,
            "status": wire.STATUS_FILTERS.get(outcome) if outcome else None,
            # 003:402: "5" finds calls of more than five seconds.
            "min_duration": str(min_duration_seconds - 1) if min_duration_seconds else None,
            "duration": str(duration_seconds) if duration_seconds is not None else None,
            "start_date_ended": first_ended,
            "end_date_ended": last_ended,
            "recordingfile": recording_name,
        }
        picks = {"outcome": outcome if outcome not in wire.STATUS_FILTERS else None}
        return await self.recorded.page(optional, picks, cursor, limit)

    async def get_record(self, record_id: str) -> CallRecord:
        """003:446: by the record's id or by the SIP call id."""
        return await self.recorded.get(record_id)

    # Recording

    async def locate_recording(self, record_id: str) -> RecordingLink:
        """003:251."""
        return await self.recorded.locate(record_id)

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """From `recording_url`, without the token unless `recording_bearer` is set."""
        return await self.recorded.fetch(record_id, byte_range)

    # Events

    async def list_hooks(self) -> Page[Hook]:
        """003:141."""
        return await self.hooks.list()

    async def create_hook(self, *, event: EventType, url: str | None = None, api_key: Secret | None = None) -> Hook:
        """003:168."""
        return await self.hooks.create(event, url, api_key)

    async def delete_hook(self, hook_id: str) -> None:
        """003:209."""
        await self.hooks.delete(hook_id)

    async def parse_webhook(self, request: WebhookRequest) -> Sequence[CallEvent]:
        """003:218-251."""
        return parse_webhook(self.reading, request)

    async def follow_events(self) -> AsyncIterator[CallEvent]:
        """TEL4VN v1 calls us; there is nothing to follow."""
        raise Unsupported("tel4vn-v1 sends webhooks and has no stream of events", account=self.account.name)
        yield  # type: ignore[unreachable] # makes this an iterator, as the interface says

    # Reports

    async def list_call_ids(self, *, since: datetime, until: datetime) -> Page[CallIds]:
        """003:814, in slices of the 24 hours that it allows (003:806)."""
        found: dict[str, CallIds] = {}
        skipped: list[Any] = []
        # Counted on the vendor's own clock on the wall, which is what it compares.
        start, end = self.reading.on_the_wall(since, until)
        while start < end:
            last = min(start + MAX_REPORT, end) - SECOND
            answer = await self._report("call_id", start, last)
            some = await read_rows(answer, rows(answer.data), wire.CallIdRow, self._call_ids)
            found.update((each.call_id, each) for each in some.items)
            skipped += some.skipped.values()
            start = last + SECOND
        every = Rows(items=tuple(found.values()), skipped=dict(enumerate(skipped)))
        return every.page(total=len(every))

    def _call_ids(self, row: wire.CallIdRow, raw: Any, _: tuple[str, ...] = ()) -> CallIds:
        call_id = row.call_id.strip()
        if not call_id:
            raise ValueError("call_id is empty")
        return CallIds(account=self.account.name, call_id=call_id, sip_call_id=text(row.sip_call_id), raw=raw)

    async def count_calls(self, *, since: datetime, until: datetime) -> Page[CallCount]:
        """003:873."""
        start, end = self.reading.on_the_wall(since, until)
        if start >= end:
            return Page(items=(), total=0)
        answer = await self._report("call_status", start, end - SECOND)
        found = await read_rows(answer, rows(answer.data), wire.CallCountRow, self._count)
        return found.page(total=len(found))

    def _count(self, row: wire.CallCountRow, raw: Any, unreadable: tuple[str, ...] = ()) -> CallCount:
        if unreadable:
            raise ValueError("a count of what cannot be read is none")
        return CallCount(
            account=self.account.name,
            outcome=outcome_of(row.status),
            vendor_status=text(row.status) or "",
            count=whole(row.count) or 0,
            raw=raw,
        )

    async def _report(self, name: str, start: datetime, end: datetime) -> Answer:
        first, last = (f"{moment:{STAMP}}" for moment in (start, end))
        try:
            return await self.http.send("GET", f"/v1/report/{name}", params=[("start_date", first), ("end_date", last)])
        except InvalidRequest as error:
            # Both samples and this very text have the two ends the wrong way round (003:778, 003:826, 003:865).
            if error.vendor_code != "start_date must be after end_date":
                raise
        return await self.http.send("GET", f"/v1/report/{name}", params=[("start_date", last), ("end_date", first)])

    # Agents

    async def list_agents(self) -> Page[Agent]:
        """003:960: the agents that are logged in."""
        answer = await self.http.send("GET", "/v1/monitor/agent")
        found = await read_rows(answer, rows(answer.data), wire.AgentRow, self._agent)
        return found.page(total=len(found))

    def _agent(self, row: wire.AgentRow, raw: Any, _: tuple[str, ...] = ()) -> Agent:
        extension, call_id = text(row.extension), text(row.call_id)
        agent_id = text(row.user_id) or text(row.username) or text(row.extension_id) or extension
        if agent_id is None:
            raise ValueError("the agent has no id")
        return Agent(
            account=self.account.name,
            agent_id=agent_id,
            name=text(row.agent_name),
            extension=extension,
            state=wire.AGENT_STATES.get((row.call_state or "").strip().upper(), AgentState.UNKNOWN),
            username=text(row.username),
            call_id=call_id,
            call_direction=self.reading.direction(row.direction, extension, text(row.destination)) if call_id else None,
            call_number=text(row.destination),
            call_started_at=self.reading.time.read(row.call_time, "call_time"),
            raw=raw,
        )

    async def get_agent(self, agent_id: str) -> Agent:
        """One of 003:960, by id, user name or extension: the vendor has no question for one agent."""
        page = await self.list_agents()
        for agent in page.items:
            if agent_id in {agent.agent_id, agent.username, agent.extension}:
                return agent
        if page.skipped:
            raise VendorProtocolError("An agent cannot be read, and may be the one", account=self.account.name)
        raise NotFound(f"There is no agent {agent_id} logged in", account=self.account.name)

    # Tenants

    async def create_tenant(self, *, tenant_id: str) -> Tenant:
        """003:1001."""
        answer = await self._tenants("POST", "", {"tenant_id": tenant_id})
        return self._tenant(answer, tenant_id)

    async def get_tenant(self, tenant_id: str) -> Tenant:
        """003:1032."""
        return self._tenant(await self._tenants("GET", f"/{segment('tenant_id', tenant_id)}"), tenant_id)

    async def update_tenant(self, tenant_id: str, *, enabled: bool) -> None:
        """003:1061."""
        await self._tenants("PUT", f"/{segment('tenant_id', tenant_id)}", {"enable": enabled})

    async def create_extension(self, tenant_id: str, *, extension: str, password: Secret) -> TenantExtension:
        """003:1096."""
        path = f"/{segment('tenant_id', tenant_id)}/extension"
        answer = await self._tenants("POST", path, {"ext": extension, "pwd": password})
        return self._tenant_extension(answer, tenant_id)

    async def get_extension(self, tenant_id: str, extension: str) -> TenantExtension:
        """003:1108, whose curl line says "extension" twice; the later edition says it once."""
        path = f"/{segment('tenant_id', tenant_id)}/extension/{segment('extension', extension)}"
        return self._tenant_extension(await self._tenants("GET", path), tenant_id)

    async def _tenants(self, verb: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        secret = self.settings.tenant_secret
        if secret is None:
            raise Unsupported(
                "Tenants need the vendor's separate secret token: set tenant_secret in "
                f"accounts.{self.account.name}.settings",
                account=self.account.name,
            )
        return await self.http.send(
            verb,
            f"/v1/tenant{path}",
            json=body,
            effect=Effect.READ if verb == "GET" else Effect.WRITE,
            headers={"Authorization": Secret(f"Bearer {secret.reveal()}")},
            authorized=False,
            refusals={MAINTENANCE},
        )

    def _tenant(self, answer: Answer, tenant_id: str) -> Tenant:
        raw = unwrap(answer.data, "domain")
        row = answer.parse(wire.TenantRow, raw)
        user = None
        if row.user is not None:
            user = TenantUser(
                user_id=text(row.user.user_id),
                username=text(row.user.username),
                password=Secret(row.user.password) if row.user.password else None,
                api_key=Secret(row.user.api_key) if row.user.api_key else None,
                group=text(row.user.group),
                enabled=truth(row.user.enabled),
            )
        return Tenant(
            account=self.account.name,
            tenant_id=tenant_id,
            domain=text(row.domain),
            url=text(row.tenant_url),
            outbound_proxy=text(row.outbound_proxy),
            port=read(answer, whole, row.port),
            transports=text(row.transports),
            websocket_url=text(row.wss),
            enabled=truth(row.enabled),
            user=user,
            raw=answer.data,
        )

    def _tenant_extension(self, answer: Answer, tenant_id: str) -> TenantExtension:
        row = answer.parse(wire.ExtensionRow, unwrap(answer.data, "ext"))
        return TenantExtension(
            account=self.account.name,
            tenant_id=tenant_id,
            extension=text(row.ext) or "",
            password=Secret(row.pwd) if row.pwd else None,
            enabled=truth(row.enabled),
            raw=answer.data,
        )
