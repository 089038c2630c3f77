"""TEL4VN v1 in our words. Sources are the documents 000, 001 and 003, named with their lines."""

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urljoin, urlsplit
from zoneinfo import ZoneInfo

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
    CallState,
    ClickToCall,
    DialState,
    Direction,
    Events,
    EventType,
    GatewayError,
    History,
    Hook,
    InvalidRequest,
    InvalidValue,
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
    VendorAuthFailed,
    VendorRejected,
    WebhookRequest,
    from_json,
    loads,
)
from gateway_contracts.audio import open_audio
from gateway_contracts.http import Answer, Effect, HttpClient, TokenCache, segment

from ..answers import classify, rows, unwrap
from ..tokens import TokenSource
from ..words import DIRECTION_FILTERS, STAMP, LocalTime, derive_direction, outcome_of, parties, text, whole
from . import Paging, Settings, wire

T = TypeVar("T")

MAX_REPORT = timedelta(hours=24)  # 003:806
_SECOND = timedelta(seconds=1)
_UNAVAILABLE = 503  # maintenance, the vendor's page of errors: nothing was done
_GONE = 404


@contextlib.asynccontextmanager
async def open_adapter(account: Account, settings: Settings) -> AsyncIterator["Tel4vnV1"]:
    """The adapter, its session and its token, for as long as the context is open."""

    async def fetch() -> Any:
        return await source.fetch()

    tokens = TokenCache(fetch)
    async with HttpClient(settings.base_url, account=account, tokens=tokens, classify=classify) as http:
        source = TokenSource(
            http=http,
            login_path="/v1/auth",
            token_path="/v1/auth/token",  # noqa: S106 # a path
            api_key=settings.api_key,
            username=settings.username,
            password=settings.password,
            max_age_seconds=settings.token_max_age_seconds,
        )
        try:
            yield Tel4vnV1(account, settings, http, tokens)
        finally:
            await tokens.aclose()


@attrs.frozen
class Tel4vnV1(ClickToCall, CallControl, History, Recording, Events, Reports, Agents, Tenants):
    """One account of a TEL4VN v1 PBX."""

    account: Account
    settings: Settings
    http: HttpClient
    tokens: TokenCache
    _time: LocalTime = attrs.field(init=False)
    _extension: re.Pattern[str] = attrs.field(init=False)

    @_time.default
    def _make_time(self) -> LocalTime:
        return LocalTime(ZoneInfo(self.settings.timezone), self.settings.z_is_local)

    @_extension.default
    def _make_extension(self) -> re.Pattern[str]:
        return re.compile(self.settings.extension_pattern)

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
        optional = {
            "src_cid_name": caller_id_name,
            "src_cid_number": caller_id_number,
            "dest_cid_name": callee_id_name,
            "dest_cid_number": callee_id_number,
            "auto_answer": "true" if auto_answer else None,
            "hotline": hotline,
        }
        params = [("ext", extension), ("phone", number)]
        params += [(name, value) for name, value in optional.items() if value is not None]
        requested_at = datetime.now(UTC)
        timeouts = self.account.timeouts
        answer = await self.http.send(
            "GET",
            "/v1/click2call" if wait else "/v1/click2call/async",
            params=params,
            effect=Effect.RING,
            timeout=timeouts.dial_wait if wait else timeouts.dial,
            refusals={_UNAVAILABLE},
        )
        call_id = text(self._accepted(answer, lacking_status_but="call_id").call_id)
        return StartedCall(
            account=self.account.name,
            call_id=call_id,
            extension=extension,
            number=number,
            requested_at=requested_at,
            raw=answer.data,
        )

    # Call control

    async def list_calls(self) -> Page[Call]:
        """000:36. The curl line of 003:573 names another path, by mistake."""
        answer = await self.http.send("GET", "/v1/call")
        found = rows(answer.data)
        parsed = answer.parse(tuple[wire.CallRow, ...], found)
        calls = self._rows(answer, self._call, parsed, found)
        return Page(items=calls, total=len(calls))

    def _call(self, row: wire.CallRow, raw: Any) -> Call:
        source, target = text(row.source), text(row.destination)
        direction = self._direction(row.direction, source, target)
        who = parties(direction, source, target, is_extension=self._is_extension)
        return Call(
            account=self.account.name,
            call_id=row.call_id.strip(),
            direction=direction,
            state=wire.CALL_STATES.get((row.state or "").strip().upper(), CallState.UNKNOWN),
            from_number=who.from_number,
            to_number=who.to_number,
            extension=who.extension,
            hotline=who.hotline,
            started_at=self._time.read(row.created_time, "created_time"),
            raw=raw,
        )

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
        answer = await self.http.send(
            "POST",
            f"/v1/call/{segment('call_id', call_id)}/{action}",
            json=body,
            effect=Effect.RING,
            refusals={_UNAVAILABLE, _GONE},
        )
        self._accepted(answer)

    @staticmethod
    def _accepted(answer: Answer, *, lacking_status_but: str = "") -> wire.StartedRow:
        """The answer to what rings, if it says success, or has the field *lacking_status_but* and no status at all."""
        row = answer.parse(wire.StartedRow)
        status = (row.status or "").strip().lower()
        if status == "success" or (not status and lacking_status_but and getattr(row, lacking_status_but)):
            return row
        raise answer.nonsense(f"says {row.status!r}" if status else "says neither success nor failure")

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
        pick = outcome if outcome not in wire.STATUS_FILTERS else None
        optional = {
            "start_date": self._at_least(since),
            "end_date": self._before(until),
            "extension": extension,
            "phone": number,
            "direction": DIRECTION_FILTERS[direction] if direction else None,
            "status": wire.STATUS_FILTERS.get(outcome) if outcome else None,
            # 003:402: "5" finds calls of more than five seconds.
            "min_duration": str(min_duration_seconds - 1) if min_duration_seconds else None,
            "duration": str(duration_seconds) if duration_seconds is not None else None,
            "start_date_ended": self._at_least(ended_since),
            "end_date_ended": self._before(ended_until),
            "recordingfile": recording_name,
        }
        for first, last in (("start_date", "end_date"), ("start_date_ended", "end_date_ended")):
            one, other = optional[first], optional[last]
            if one and other and one > other:  # in an hour that comes twice, where clocks are set back
                optional[first], optional[last] = other, one
        query = tuple((name, value) for name, value in optional.items() if value is not None)
        for begin, end in ((since, until), (ended_since, ended_until)):
            if begin and end and _ceil(begin) >= _ceil(end):
                return Page(items=(), total=0)  # no whole second lies between them, and the vendor includes both ends
        place = self._place(cursor, query, pick)
        if place.size and limit and limit < place.size:
            raise InvalidRequest(
                "The size of a page cannot change on the way when pages are counted",
                account=self.account.name,
                fields={"limit": f"is at least {place.size} for this cursor; leave it out"},
            )
        return await self._page(place, place.size or limit or self.settings.page_size)

    def _place(self, cursor: str | None, query: tuple[tuple[str, str], ...], pick: Outcome | None) -> wire.Cursor:
        if cursor is None:
            first = {Paging.OFFSET: "0", Paging.PAGE: "1", Paging.SCROLL: ""}[self.settings.paging]
            return wire.Cursor(paging=self.settings.paging, position=first, query=query, pick=pick)
        place = wire.Cursor.decode(cursor)
        own = tuple(pair for pair in place.query if pair[0] != "end_date" or "end_date" in dict(query))
        if (query or pick) and (query != own or pick != place.pick):
            raise InvalidRequest(
                "The cursor belongs to other filters: give the same ones again, or none",
                account=self.account.name,
                fields={"cursor": "belongs to other filters"},
            )
        return place

    async def _page(self, place: wire.Cursor, limit: int) -> Page[CallRecord]:
        params = [(pair[0], pair[1]) for pair in place.query]
        if place.paging == Paging.SCROLL:
            params += [("limit", str(limit)), *([("scroll_id", place.position)] if place.position else [])]
        else:
            params += [("limit", str(limit)), (place.paging, place.position)]
        answer = await self.http.send("GET", "/v1/cdr", params=params)
        found = rows(answer.data)
        parsed = answer.parse(tuple[wire.CdrRow, ...], found)
        records = self._rows(answer, self._record, parsed, found)
        envelope = answer.parse(wire.CdrPage)
        total, echoed = (self._read(answer, whole, each) for each in (envelope.total, envelope.limit))
        seen = wire.mark(record.record_id for record in records)
        size = min(echoed or limit, limit) if place.paging is Paging.PAGE else None
        position = self._next_position(place, size, len(records), envelope, total)
        following = None
        if records and position is not None and seen != place.seen:
            pinned = self._pinned(place, records)
            following = wire.Cursor(
                paging=place.paging, position=position, query=pinned, pick=place.pick, seen=seen, size=size
            ).encode()
        if seen == place.seen:
            records = ()
        if place.pick:
            return Page(items=tuple(record for record in records if record.outcome == place.pick), next=following)
        return Page(items=records, next=following, total=total)

    @staticmethod
    def _next_position(
        place: wire.Cursor, size: int | None, count: int, envelope: wire.CdrPage, total: int | None
    ) -> str | None:
        if place.paging is Paging.SCROLL:
            return text(envelope.scroll_id)  # the same id every time is normal; the end is an empty page
        if size is not None:
            page = int(place.position)
            return None if total is not None and page * size >= total else str(page + 1)
        reached = int(place.position) + count
        return None if total is not None and reached >= total else str(reached)

    def _pinned(self, place: wire.Cursor, records: Sequence[CallRecord]) -> tuple[tuple[str, ...], ...]:
        """The query for the pages after the first: nothing newer than the first page's newest call, so that calls
        which end meanwhile do not move rows from one page to the next. The vendor's order is not documented, so this
        is done only where the newest has been seen to come first.
        """
        starts = [record.started_at for record in records if record.started_at is not None]
        newest_first = len(starts) > 1 and starts[0] > starts[-1] and starts == sorted(starts, reverse=True)
        if (
            place.paging is Paging.SCROLL
            or place.seen
            or not newest_first
            or any(p[0] == "end_date" for p in place.query)
        ):
            return place.query
        return (*place.query, ("end_date", self._time.write(starts[0])))

    def _record(self, row: wire.CdrRow, raw: Any) -> CallRecord:
        source, target, extension = text(row.from_number), text(row.to_number), text(row.extension)
        direction = self._direction(row.direction, source, target)
        who = parties(direction, source, target, is_extension=self._is_extension, extension=extension)
        started, answered, ended = (
            self._time.read(getattr(row, name), name) for name in ("time_started", "time_answered", "time_ended")
        )
        outcome = outcome_of(row.status)
        duration, billed = whole(row.duration, "duration"), whole(row.billsec, "billsec")
        if duration is None and started and ended:
            duration = max(int((ended - started).total_seconds()), 0)
        # Samples of 2023 bill calls that nobody answered, so the vendor's figure counts only with an answer.
        if answered is None and outcome is not Outcome.ANSWERED:
            talk: int | None = 0
        elif billed is not None:
            talk = billed
        elif answered and ended:
            talk = max(int((ended - answered).total_seconds()), 0)
        else:
            talk = None
        record_id = row.id.strip()
        if not record_id:
            raise ValueError("id is empty")
        return CallRecord(
            account=self.account.name,
            record_id=record_id,
            call_id=record_id,
            sip_call_id=text(row.sip_call_id),
            direction=direction,
            outcome=outcome,
            vendor_status=text(row.status),
            cause=text(row.cause),
            from_number=who.from_number,
            to_number=who.to_number,
            extension=who.extension,
            hotline=who.hotline,
            queue=text(row.receive_dest),
            started_at=started,
            ringing_at=self._time.read(row.time_ringing or row.time_ringging, "time_ringing"),
            answered_at=answered,
            ended_at=ended,
            duration_seconds=duration,
            talk_seconds=talk,
            customer_id=text(row.customer_id),
            has_recording=bool(text(row.recording_url)),
            raw=raw,
        )

    async def get_record(self, record_id: str) -> CallRecord:
        """003:446: by the record's id or by the SIP call id."""
        answer, row, raw = await self._find(record_id)
        return self._read(answer, self._record, row, raw)

    async def _find(self, record_id: str) -> tuple[Answer, wire.CdrRow, Any]:
        answer = await self.http.send("GET", f"/v1/cdr/{segment('record_id', record_id)}")
        raw = unwrap(answer.data, "id")
        return answer, answer.parse(wire.CdrRow, raw), raw

    # Recording

    async def locate_recording(self, record_id: str) -> RecordingLink:
        """The `recording_url` of 003:251, which the vendor serves to anybody. Its suffix says nothing (003:305)."""
        answer, row, raw = await self._find(record_id)
        url = text(row.recording_url)
        if url is None:
            raise NotFound(f"There is no recording of {record_id} (yet)", account=self.account.name)
        address = self._read(answer, urljoin, self.http.base_url + "/", url)
        if self._read(answer, urlsplit, address).scheme not in {"http", "https"}:
            raise answer.nonsense("gives a recording's address that is none of the web")
        return RecordingLink(account=self.account.name, record_id=row.id.strip(), url=address, raw=raw)

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """From `recording_url`, without the token unless `recording_bearer` is set."""
        link = await self.locate_recording(record_id)
        if not self.settings.recording_bearer:
            return await self._open(link, byte_range, {})
        token = await self.tokens.get()
        try:
            return await self._open(link, byte_range, {"Authorization": f"Bearer {token}"})
        except VendorAuthFailed:
            self.tokens.refuse(token)
        return await self._open(link, byte_range, {"Authorization": f"Bearer {await self.tokens.get()}"})

    async def _open(self, link: RecordingLink, byte_range: str | None, headers: dict[str, str]) -> Audio:
        return await open_audio(
            self.http,
            link.url,
            record_id=link.record_id,
            allowed_hosts=self.settings.recording_hosts,
            byte_range=byte_range,
            headers=headers,
        )

    # Events

    async def list_hooks(self) -> Page[Hook]:
        """003:141."""
        answer = await self.http.send("GET", "/v1/event")
        found = rows(answer.data)
        parsed = answer.parse(tuple[wire.HookRow, ...], found)
        hooks = tuple(self._hook(row, raw) for row, raw in zip(parsed, found, strict=True))
        return Page(items=hooks, total=len(hooks))

    def _hook(self, row: wire.HookRow, raw: Any) -> Hook:
        word = text(row.event) or text(row.event_name) or ""
        return Hook(
            account=self.account.name,
            hook_id=text(row.id) or text(row.event_domain_uuid),
            event=wire.EVENTS.get(word.lower()),
            vendor_event=word,
            url=text(row.callback_url) or "",
            raw=raw,
        )

    async def create_hook(self, *, event: EventType, url: str | None = None, api_key: Secret | None = None) -> Hook:
        """003:168. The answer of 2021 has no id, so the hook is looked up among all of them."""
        word = wire.HOOK_EVENTS.get(event)
        if word is None:
            raise Unsupported(
                f"tel4vn-v1 sends no {event}; it sends {', '.join(wire.HOOK_EVENTS)}", account=self.account.name
            )
        address = url or self.account.hook_url
        if address is None:
            raise InvalidRequest(
                "There is no address to send events to",
                account=self.account.name,
                fields={"url": "is needed: this gateway has no hook address of its own for the account"},
            )
        if urlsplit(address).scheme not in {"http", "https"} or not urlsplit(address).hostname:
            raise InvalidRequest(
                "The vendor could never reach that address",
                account=self.account.name,
                fields={"url": "must be an address such as https://crm.example.vn/hooks"},
            )
        body: dict[str, Any] = {"callback_url": address, "event": word}
        if api_key is not None:
            body["callback_apikey"] = api_key
        answer = await self.http.send("POST", "/v1/event", json=body, effect=Effect.WRITE, refusals={_UNAVAILABLE})
        created = answer.parse(wire.CreatedHook)
        if not created.created:
            raise VendorRejected("The vendor did not create the hook", account=self.account.name)
        hook_id = text(created.id)
        if hook_id is None:
            hooks = (await self.list_hooks()).items
            hook_id = next((h.hook_id for h in hooks if h.vendor_event == word and h.url == address), None)
        return Hook(
            account=self.account.name, hook_id=hook_id, event=event, vendor_event=word, url=address, raw=answer.data
        )

    async def delete_hook(self, hook_id: str) -> None:
        """003:209."""
        path = f"/v1/event/{segment('hook_id', hook_id)}"
        answer = await self.http.send("DELETE", path, effect=Effect.WRITE, refusals={_UNAVAILABLE})
        if not answer.parse(wire.DeletedHook).deleted:
            raise VendorRejected(f"The vendor did not delete hook {hook_id}", account=self.account.name)

    async def parse_webhook(self, request: WebhookRequest) -> Sequence[CallEvent]:
        """003:218-251, as JSON or as a form. Every field is taken in every state, as the samples mix them."""
        try:
            bodies = _bodies(request)
            return [self._event(from_json(body, wire.WebhookRow), body, request.received_at) for body in bodies]
        except InvalidValue as error:
            raise InvalidRequest(
                f"The webhook is not one of tel4vn-v1: {error}", account=self.account.name, fields=error.fields
            ) from error
        except ValueError as error:
            raise InvalidRequest(f"The webhook is not one of tel4vn-v1: {error}", account=self.account.name) from error

    def _event(self, row: wire.WebhookRow, raw: Any, received_at: datetime) -> CallEvent:
        state = row.state.strip().lower()
        kind = wire.EVENTS.get(state, EventType.UNKNOWN)
        source, target = text(row.from_number), text(row.to_number)
        direction = self._direction(row.direction, source, target)
        who = parties(
            direction,
            source,
            target,
            is_extension=self._is_extension,
            extension=text(row.extension),
            hotline=text(row.hotline),
        )
        billed = whole(row.billsec)
        outcome = outcome_of(row.status) if row.status else Outcome.ANSWERED if billed else None
        occurred = {
            EventType.RINGING: row.time_started,
            EventType.ANSWERED: row.time_answered,
            EventType.ENDED: row.time_ended,
            EventType.MISSED: row.time_ended,
            EventType.RECORD_CREATED: row.time_ended,
        }.get(kind)
        call_id = text(row.call_id)
        # A ring group raises several `ringing` with one call id, and the vendor sends again what was not acknowledged.
        key = (self.account.name, row.domain, call_id, text(row.sip_call_id), state, source, target)
        return CallEvent(
            account=self.account.name,
            event_id=hashlib.sha256("\n".join(part or "" for part in key).encode()).hexdigest()[:32],
            type=kind,
            call_id=call_id,
            sip_call_id=text(row.sip_call_id),
            direction=direction,
            from_number=who.from_number,
            to_number=who.to_number,
            extension=who.extension,
            hotline=who.hotline,
            occurred_at=self._time.read(occurred),
            received_at=received_at,
            outcome=outcome,
            duration_seconds=whole(row.duration),
            talk_seconds=billed,
            raw=raw,
        )

    async def follow_events(self) -> AsyncIterator[CallEvent]:
        """TEL4VN v1 calls us; there is nothing to follow."""
        raise Unsupported("tel4vn-v1 sends webhooks and has no stream of events", account=self.account.name)
        yield  # type: ignore[unreachable] # makes this an iterator, as the interface says

    # Reports

    async def list_call_ids(self, *, since: datetime, until: datetime) -> Page[CallIds]:
        """003:814, in slices of the 24 hours that it allows (003:806)."""
        found: dict[str, CallIds] = {}
        # Counted on the vendor's own clock on the wall, which is what it compares.
        start, end = self._wall(since, until)
        while start < end:
            last = min(start + MAX_REPORT, end) - _SECOND
            answer = await self._report("call_id", start, last)
            raws = rows(answer.data)
            for row, raw in zip(answer.parse(tuple[wire.CallIdRow, ...], raws), raws, strict=True):
                call_id = row.call_id.strip()
                found[call_id] = CallIds(
                    account=self.account.name, call_id=call_id, sip_call_id=text(row.sip_call_id), raw=raw
                )
            start = last + _SECOND
        return Page(items=tuple(found.values()), total=len(found))

    async def count_calls(self, *, since: datetime, until: datetime) -> Page[CallCount]:
        """003:873."""
        start, end = self._wall(since, until)
        if start >= end:
            return Page(items=(), total=0)
        answer = await self._report("call_status", start, end - _SECOND)
        raws = rows(answer.data)
        parsed = answer.parse(tuple[wire.CallCountRow, ...], raws)
        counts = self._rows(answer, self._count, parsed, raws)
        return Page(items=counts, total=len(counts))

    def _count(self, row: wire.CallCountRow, raw: Any) -> CallCount:
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
        raws = rows(answer.data)
        parsed = answer.parse(tuple[wire.AgentRow, ...], raws)
        agents = self._rows(answer, self._agent, parsed, raws)
        return Page(items=agents, total=len(agents))

    def _agent(self, row: wire.AgentRow, raw: Any) -> Agent:
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
            call_direction=self._direction(row.direction, extension, text(row.destination)) if call_id else None,
            call_number=text(row.destination),
            call_started_at=self._time.read(row.call_time, "call_time"),
            raw=raw,
        )

    async def get_agent(self, agent_id: str) -> Agent:
        """One of 003:960, by id, user name or extension: the vendor has no question for one agent."""
        for agent in (await self.list_agents()).items:
            if agent_id in {agent.agent_id, agent.username, agent.extension}:
                return agent
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
            refusals={_UNAVAILABLE},
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
                enabled=wire.truth(row.user.enabled),
            )
        return Tenant(
            account=self.account.name,
            tenant_id=tenant_id,
            domain=text(row.domain),
            url=text(row.tenant_url),
            outbound_proxy=text(row.outbound_proxy),
            port=self._read(answer, whole, row.port),
            transports=text(row.transports),
            websocket_url=text(row.wss),
            enabled=wire.truth(row.enabled),
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
            enabled=wire.truth(row.enabled),
            raw=answer.data,
        )

    # Readings that several operations share

    def _is_extension(self, value: str | None) -> bool:
        return value is not None and self._extension.fullmatch(value) is not None

    def _direction(self, word: str | int | None, source: str | None, target: str | None) -> Direction:
        numbers = self.settings.direction_numbers
        return derive_direction(word, source, target, numbers=numbers, is_extension=self._is_extension)

    def _wall(self, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        """The ends on the vendor's clock on the wall; the other way round in an hour that comes twice."""
        start, end = self._time.local(_ceil(since)), self._time.local(_ceil(until))
        return (start, end) if start <= end or _ceil(since) >= _ceil(until) else (end, start)

    def _at_least(self, moment: datetime | None) -> str | None:
        return self._time.write(_ceil(moment)) if moment else None

    def _before(self, moment: datetime | None) -> str | None:
        return self._time.write(moment - timedelta(microseconds=1)) if moment else None

    def _rows(
        self, answer: Answer, read: Callable[..., T], parsed: Sequence[Any], raws: Sequence[Any]
    ) -> tuple[T, ...]:
        """Every row of a list *read*; one that cannot be is named by its place."""
        found = []
        for index, (row, raw) in enumerate(zip(parsed, raws, strict=True)):
            try:
                found.append(read(row, raw))
            except (ValueError, OverflowError) as error:
                raise answer.nonsense(f"its answer does not fit its documents: [{index}] {error}") from error
        return tuple(found)

    @staticmethod
    def _read(answer: Answer, read: Callable[..., T], *args: Any) -> T:
        """*read* of a part of *answer*; what it cannot read is an answer that does not fit the documents."""
        try:
            return read(*args)
        except (ValueError, OverflowError) as error:
            raise answer.nonsense(f"its answer does not fit its documents: {error}") from error


def _ceil(moment: datetime) -> datetime:
    """The first whole second that is not before *moment*: the vendor knows no fractions."""
    return moment.replace(microsecond=0) + (_SECOND if moment.microsecond else timedelta())


def _bodies(request: WebhookRequest) -> list[Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded" or (
        media_type != "application/json" and not request.body.lstrip().startswith((b"{", b"["))
    ):
        return [dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=200))]
    data = loads(request.body)
    return data if isinstance(data, list) else [data]
