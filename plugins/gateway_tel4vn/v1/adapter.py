"""TEL4VN v1 in our words. Sources are the documents 000, 001 and 003, named with their lines."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
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
    lacking,
)
from gateway_contracts.http import Answer, Effect, HttpClient, segment
from gateway_contracts.rows import Rows, read_rows

from ..answers import MAINTENANCE, confirm, rows, unwrap
from ..calls import Calls, asked
from ..hooks import Hooks, parse_webhook
from ..pages import total_in, total_of
from ..reading import SECOND, Reading, is_empty, read
from ..records import Records
from ..tokens import connected
from ..words import DIRECTION_FILTERS, STAMP, outcome_of, text, truth, whole
from . import Settings, wire

MAX_REPORT = timedelta(hours=24)  # 003:806


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
            hooks=Hooks(
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
        )


@attrs.frozen(kw_only=True)
class Tel4vnV1(ClickToCall, CallControl, History, Recording, Events, Reports, Agents, Tenants):
    """One account of a TEL4VN v1 PBX. *paths* are those of its operations, by the names of `wire.PATHS`."""

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
        path = self.paths["start_call_and_wait" if wait else "start_call"]
        return await self.calls.dial(path, extension, number, optional, wait=wait)

    # Call control

    async def list_calls(self) -> Page[Call]:
        """000:36. The curl line of 003:573 names another path, by mistake."""
        return await self.calls.list(self.paths["list_calls"])

    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """000:73, where `legs` is required, or 003:639, which has none: of a call that is not in the list of calls the
        customer's side is not known, and the vendor says which one moves, or that there is no such call.
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
        """000:116."""
        await self._control("listen_call", call_id, {"ext": extension})

    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        """000:158."""
        await self._control("whisper_call", call_id, {"ext": extension})

    async def barge_call(self, call_id: str, *, extension: str) -> None:
        """000:200."""
        await self._control("barge_call", call_id, {"ext": extension})

    async def park_call(self, call_id: str, *, leg: Leg) -> None:
        """000:240: one side is cut, the other is dropped after ten seconds unless a transfer takes it. Which of them
        `legs` names is not said. A failure carries no word (000:230), and is a documented refusal all the same.
        """
        try:
            await self._control("park_call", call_id, {"legs": wire.LEGS[leg]})
        except VendorRejected as error:
            if error.vendor_code is None:
                error.dial_state = DialState.NOT_PLACED
                error.message = "The vendor did not park the call; its documents give this answer without a reason"
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
        """003:391. An outcome without a documented spelling, and calls that are long enough, are picked out of each
        page here, so pages may be short.
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

    follow_events = lacking("tel4vn-v1 sends webhooks and has no stream of events")

    # Reports

    async def list_call_ids(self, *, since: datetime, until: datetime) -> Page[CallIds]:
        """003:814, in slices of the 24 hours that it allows (003:806)."""
        found: dict[str, CallIds] = {}
        skipped: list[Any] = []
        total = 0
        # Counted on the vendor's own clock on the wall, which is what it compares.
        for start, last in _days(*self.reading.on_the_wall(since, until)):
            answer = await self._report("list_call_ids", start, last)
            some = await read_rows(answer, rows(answer.data), wire.CallIdRow, self._call_ids)
            found.update((each.call_id, each) for each in some.items)
            skipped += some.skipped.values()
            total += total_of(answer, len(some))
        every = Rows(items=tuple(found.values()), skipped=dict(enumerate(skipped)))
        return every.page(total=total)

    def _call_ids(self, row: wire.CallIdRow, raw: Any, _: tuple[str, ...] = ()) -> CallIds:
        call_id = row.call_id.strip()
        if not call_id:
            raise ValueError("call_id is empty")
        return CallIds(account=self.account.name, call_id=call_id, sip_call_id=text(row.sip_call_id), raw=raw)

    async def count_calls(self, *, since: datetime, until: datetime) -> Page[CallCount]:
        """003:873, in one question. Its documents know a limit of 24 hours for the other report only (003:806): where
        the vendor names it here too, day by day. The `total` is that of the calls, not of the words (003:857).
        """
        start, end = self.reading.on_the_wall(since, until)
        if start >= end:
            return Page(items=(), total=0)
        try:
            found, total = await self._counts(start, end - SECOND)
        except InvalidRequest as error:
            if error.vendor_code != "date range must be in 24 hours" or end - start <= MAX_REPORT:
                raise
            found, total = await self._counts_by_day(start, end)
        return found.page(total=total)

    async def _counts(self, start: datetime, last: datetime) -> tuple[Rows[CallCount], int]:
        answer = await self._report("count_calls", start, last)
        found = await read_rows(answer, rows(answer.data), wire.CallCountRow, self._count)
        counted = sum(each.count for each in found.items)
        return found, (total_in(answer) or counted) if found.skipped else total_of(answer, counted)

    async def _counts_by_day(self, start: datetime, end: datetime) -> tuple[Rows[CallCount], int]:
        """The sums of all days, each word by itself, with the rows that were added up as `raw`."""
        sums: dict[str, CallCount] = {}
        skipped: list[Any] = []
        total = 0
        for first, last in _days(start, end):
            some, counted = await self._counts(first, last)
            skipped += some.skipped.values()
            total += counted
            for each in some.items:
                known = sums.get(each.vendor_status, attrs.evolve(each, count=0, raw=[]))
                sums[each.vendor_status] = attrs.evolve(
                    known, count=known.count + each.count, raw=[*known.raw, each.raw]
                )
        return Rows(items=tuple(sums.values()), skipped=dict(enumerate(skipped))), total

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
            return await self.http.send("GET", self.paths[name], params=[("start_date", first), ("end_date", last)])
        except InvalidRequest as error:
            # Both samples and this very text have the two ends the wrong way round (003:778, 003:826, 003:865).
            if error.vendor_code != "start_date must be after end_date":
                raise
        return await self.http.send("GET", self.paths[name], params=[("start_date", last), ("end_date", first)])

    # Agents

    async def list_agents(self) -> Page[Agent]:
        """003:960: the agents that are logged in. Who calls them is told by the list of calls."""
        answer = await self.http.send("GET", self.paths["list_agents"])
        found = await read_rows(answer, rows(answer.data), wire.AgentRow, self._agent)
        if any(agent.call_direction is Direction.INBOUND for agent in found.items):
            callers = await self._callers()
            agents = tuple(
                attrs.evolve(agent, call_number=callers.get(agent.call_id))
                if agent.call_direction is Direction.INBOUND
                else agent
                for agent in found.items
            )
            found = attrs.evolve(found, items=agents)
        return found.page(total=total_of(answer, len(found)))

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
        answer = await self._tenants("POST", self.paths["create_tenant"], {}, {"tenant_id": tenant_id})
        confirm(answer, "created")
        return self._tenant(answer, tenant_id)

    async def get_tenant(self, tenant_id: str) -> Tenant:
        """003:1032."""
        return self._tenant(await self._tenants("GET", self.paths["get_tenant"], {"tenant_id": tenant_id}), tenant_id)

    async def update_tenant(self, tenant_id: str, *, enabled: bool) -> None:
        """003:1061."""
        ids, body = {"tenant_id": tenant_id}, {"enable": enabled}
        confirm(await self._tenants("PUT", self.paths["update_tenant"], ids, body))

    async def create_extension(self, tenant_id: str, *, extension: str, password: Secret) -> TenantExtension:
        """003:1096."""
        ids, body = {"tenant_id": tenant_id}, {"ext": extension, "pwd": password}
        answer = await self._tenants("POST", self.paths["create_extension"], ids, body)
        confirm(answer, "created")
        return self._tenant_extension(answer, tenant_id, made=extension)

    async def get_extension(self, tenant_id: str, extension: str) -> TenantExtension:
        """003:1108, whose path says "extension" twice; the later edition says it once, which is asked for after a 404
        unless `paths` says which it is.
        """
        ids = {"tenant_id": tenant_id, "extension": extension}
        try:
            answer = await self._tenants("GET", self.paths["get_extension"], ids)
        except NotFound:
            if "get_extension" in self.settings.paths:
                raise
            answer = await self._tenants("GET", wire.OTHER_EXTENSION_PATH, ids)
        return self._tenant_extension(answer, tenant_id)

    async def _tenants(
        self, verb: str, path: str, ids: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> Answer:
        secret = self.settings.tenant_secret
        if secret is None:
            raise Unsupported(
                "Tenants need the vendor's separate secret token: set tenant_secret in "
                f"accounts.{self.account.name}.settings",
                account=self.account.name,
            )
        return await self.http.send(
            verb,
            path.format(**{name: segment(name, value) for name, value in ids.items()}),
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

    def _tenant_extension(self, answer: Answer, tenant_id: str, made: str | None = None) -> TenantExtension:
        """The extension of *answer*, which names it; what was *made* need not be described."""
        row = answer.parse(wire.ExtensionRow, unwrap(answer.data, "ext"))
        extension = text(row.ext) or made
        if extension is None:
            raise answer.nonsense("names no extension")
        return TenantExtension(
            account=self.account.name,
            tenant_id=tenant_id,
            extension=extension,
            password=Secret(row.pwd) if row.pwd else None,
            enabled=truth(row.enabled),
            raw=answer.data,
        )


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The slices of a range that a report takes, each with its first and its last second."""
    while start < end:
        last = min(start + MAX_REPORT, end) - SECOND
        yield start, last
        start = last + SECOND
