"""TEL4VN v1 in our words. Sources are the documents 000, 001 and 003, named with their lines."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
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
    EventType,
    GatewayError,
    History,
    Hook,
    Hooks,
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
    Unsupported,
    VendorProtocolError,
    VendorRejected,
    WebhookRequest,
)
from gateway_contracts.arguments import refuse
from gateway_contracts.http import HttpClient
from gateway_contracts.rows import read_rows

from ..calls import Calls, asked
from ..hooks import Registrations, parse_webhook
from ..pages import total_of
from ..reading import Reading, is_empty
from ..records import Records
from ..responses import rows
from ..tokens import connected
from ..words import DIRECTION_FILTERS, text
from . import Settings, wire
from .reports import CallReports
from .tenants import TenantAdministration


@contextlib.asynccontextmanager
async def open_adapter(account: Account, settings: Settings) -> AsyncIterator["Tel4vnV1"]:
    """The adapter, its session and its token, for as long as the context is open."""
    paths = {**wire.PATHS, **settings.paths}
    async with connected(account, settings, login_path=paths["log_in"], token_path=paths["issue_token"]) as http:
        reading = Reading.of("tel4vn-v1", account.name, settings)
        yield Tel4vnV1(
            account=account,
            settings=settings,
            http=http,
            paths=paths,
            reading=reading,
            calls=Calls(http=http, reading=reading),
            hooks=Registrations(
                http=http,
                reading=reading,
                list_path=paths["list_hooks"],
                create_path=paths["create_hook"],
                delete_path=paths["delete_hook"],
                own_url=account.hook_url,
            ),
            recorded=Records(
                http=http,
                reading=reading,
                list_path=paths["list_records"],
                get_path=paths["get_record"],
                paging=settings.paging,
                page_size=settings.page_size,
                settings=settings,
            ),
            reports=CallReports(http=http, paths=paths, reading=reading),
            tenants=TenantAdministration(
                http=http,
                paths=paths,
                reading=reading,
                secret=settings.tenant_secret,
                tries_later_path="get_extension" not in settings.paths,
            ),
        )


@attrs.frozen(kw_only=True)
class Tel4vnV1(ClickToCall, CallControl, History, Recording, Hooks, Reports, Agents, Tenants):
    """One account of a TEL4VN v1 PBX. *paths* are those of its operations, by the names of `wire.PATHS`."""

    account: Account
    settings: Settings
    http: HttpClient
    paths: Mapping[str, str]
    reading: Reading
    calls: Calls
    hooks: Registrations
    recorded: Records
    reports: CallReports
    tenants: TenantAdministration

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
        """Ring an extension, then call a number (001:40 with *wait*, 001:93 without): a GET, sent once all the same."""
        refuse("tel4vn-v1", customer_id=customer_id)
        optional = asked(
            caller_id_name=caller_id_name,
            caller_id_number=caller_id_number,
            callee_id_name=callee_id_name,
            callee_id_number=callee_id_number,
            auto_answer=auto_answer,
            hotline=hotline,
        )
        path = self.paths["start_call_and_wait" if wait else "start_call"]
        return await self.calls.dial(path, extension, number, optional, wait=wait)

    # Call control

    async def list_calls(self) -> Page[Call]:
        """List the calls in progress (000:36). The curl line of 003:573 names another path, by mistake."""
        return await self.calls.list(self.paths["list_calls"])

    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """Move one side of a call to an extension (000:73, where `legs` is required, and 003:639, which has none).

        Without *leg* the customer's side moves, which the list of calls tells. Of a call that is not in the list, the
        vendor chooses the side, or says that there is no such call.
        """
        chosen = leg or await self._customer_leg(call_id)
        await self._control("transfer_call", call_id, {"ext": to, **({"legs": wire.LEGS[chosen]} if chosen else {})})

    async def _customer_leg(self, call_id: str) -> Leg | None:
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
            return None
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
        """Let an extension hear a call (000:116)."""
        await self._control("listen_call", call_id, {"ext": extension})

    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        """Let an extension talk to the agent of a call (000:158)."""
        await self._control("whisper_call", call_id, {"ext": extension})

    async def barge_call(self, call_id: str, *, extension: str) -> None:
        """Make an extension the third party of a call (000:200)."""
        await self._control("barge_call", call_id, {"ext": extension})

    async def park_call(self, call_id: str, *, leg: Leg) -> None:
        """Cut one side of a call and hold the other for ten seconds, until a transfer takes it (000:240).

        The documents do not say which side `legs` names. A failure carries no word (000:230), and is a documented
        refusal all the same.
        """
        try:
            await self._control("park_call", call_id, {"legs": wire.LEGS[leg]})
        except VendorRejected as error:
            if error.vendor_code is None:
                error.dial_state = DialState.NOT_PLACED
                error.message = "The vendor did not park the call; its documents give this response without a reason"
                error.args = (error.message,)
            raise

    async def _control(self, name: str, call_id: str, body: Mapping[str, str]) -> None:
        await self.calls.steer(self.paths[name], call_id, body)

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
        """List finished calls (003:391).

        The adapter picks out an outcome without a documented spelling, and calls that are long enough, of each page, so
        pages may be short.
        """
        if direction is Direction.UNKNOWN:
            raise Unsupported("tel4vn-v1 cannot look for an unknown direction", account=self.account.name)
        if is_empty(since, until) or is_empty(ended_since, ended_until):
            return Page(items=(), total=0)
        first, last = self.reading.between(since, until)
        first_ended, last_ended = self.reading.between(ended_since, ended_until)
        # 003:400 says "at least" and, of 5, "more than five seconds"; 0 may be no filter. So what comes is looked at.
        longer_than = str(min_duration_seconds - 1) if min_duration_seconds else None
        optional = {
            "start_date": first,
            "end_date": last,
            "extension": extension,
            "phone": number,
            "direction": DIRECTION_FILTERS[direction] if direction else None,
            "status": wire.STATUS_FILTERS.get(outcome) if outcome else None,
            "min_duration": longer_than,
            "duration": str(duration_seconds) if duration_seconds is not None else None,
            "start_date_ended": first_ended,
            "end_date_ended": last_ended,
            "recordingfile": recording_name,
        }
        picks = {
            "outcome": outcome if outcome not in wire.STATUS_FILTERS else None,
            "longer_than_seconds": longer_than,
        }
        return await self.recorded.page(optional, picks, cursor, limit)

    async def get_record(self, record_id: str) -> CallRecord:
        """Get one finished call by its record's id or its SIP call id (003:446)."""
        return await self.recorded.get(record_id)

    # Recording

    async def locate_recording(self, record_id: str) -> RecordingLink:
        """Give the address of a recording (003:251)."""
        return await self.recorded.locate(record_id)

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """Fetch a recording from its `recording_url`, without the token unless `recording_bearer` is set."""
        return await self.recorded.fetch(record_id, byte_range)

    # Events

    async def list_hooks(self) -> Page[Hook]:
        """List the hooks (003:141)."""
        return await self.hooks.list()

    async def create_hook(self, *, event: EventType, url: str | None = None, api_key: Secret | None = None) -> Hook:
        """Create a hook (003:168)."""
        return await self.hooks.create(event, url, api_key)

    async def delete_hook(self, hook_id: str) -> None:
        """Delete a hook (003:209)."""
        await self.hooks.delete(hook_id)

    async def parse_webhook(self, request: WebhookRequest) -> Sequence[CallEvent]:
        """Read a webhook (003:218-251)."""
        return parse_webhook(self.reading, request)

    # Reports

    async def list_call_ids(self, *, since: datetime, until: datetime) -> Page[CallIds]:
        """List the ids of a range's calls (003:814)."""
        return await self.reports.call_ids(since, until)

    async def count_calls(self, *, since: datetime, until: datetime) -> Page[CallCount]:
        """Count a range's calls by how they ended (003:873)."""
        return await self.reports.counts(since, until)

    # Agents

    async def list_agents(self) -> Page[Agent]:
        """List the agents that are logged in (003:960). The list of calls tells who calls them."""
        response = await self.http.send("GET", self.paths["list_agents"])
        found = await read_rows(response, rows(response.data), wire.AgentRow, self._agent)
        if any(agent.call_direction is Direction.INBOUND for agent in found.items):
            callers = await self._callers()
            agents = tuple(
                attrs.evolve(agent, call_number=callers.get(agent.call_id))
                if agent.call_direction is Direction.INBOUND
                else agent
                for agent in found.items
            )
            found = attrs.evolve(found, items=agents)
        return found.page(total=total_of(response, len(found)))

    async def _callers(self) -> Mapping[str | None, str | None]:
        """Who placed each inbound call, by its id: `destination` of 003:950 is who was called."""
        try:
            calls = (await self.list_calls()).items
        except GatewayError:  # what the agents do is known all the same
            return {}
        return {call.call_id: call.from_number for call in calls if call.direction is Direction.INBOUND}

    def _agent(self, row: wire.AgentRow, raw: Any, _: tuple[str, ...] = ()) -> Agent:
        extension, call_id, called = text(row.extension), text(row.call_id), text(row.destination)
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
            call_direction=self.reading.direction(row.direction, extension, called) if call_id else None,
            call_number=called if called != extension else None,
            call_started_at=self.reading.time.read(row.call_time, "call_time"),
            domain=text(row.domain_name),
            device=text(row.user_agent),
            raw=raw,
        )

    async def get_agent(self, agent_id: str) -> Agent:
        """Get one agent by id, user name or extension, out of the list (003:960): the vendor has no request for one."""
        page = await self.list_agents()
        for agent in page.items:
            if agent_id in {agent.agent_id, agent.username, agent.extension}:
                return agent
        if page.skipped:
            raise VendorProtocolError("An agent cannot be read, and may be the one", account=self.account.name)
        raise NotFound(f"There is no agent {agent_id} logged in", account=self.account.name)

    # Tenants

    async def create_tenant(self, *, tenant_id: str) -> Tenant:
        """Create a tenant (003:1001)."""
        return await self.tenants.create(tenant_id)

    async def get_tenant(self, tenant_id: str) -> Tenant:
        """Get one tenant (003:1032)."""
        return await self.tenants.get(tenant_id)

    async def update_tenant(self, tenant_id: str, *, enabled: bool) -> None:
        """Switch a tenant on or off (003:1061)."""
        await self.tenants.update(tenant_id, enabled)

    async def create_extension(self, tenant_id: str, *, extension: str, password: Secret) -> TenantExtension:
        """Create an extension of a tenant (003:1096)."""
        return await self.tenants.create_extension(tenant_id, extension, password)

    async def get_extension(self, tenant_id: str, extension: str) -> TenantExtension:
        """Get one extension of a tenant, with its password (003:1108)."""
        return await self.tenants.get_extension(tenant_id, extension)
