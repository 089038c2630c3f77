"""AntBuddy in our words. The source is document 004, named with its lines."""

import contextlib
import itertools
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import attrs
from gateway_contracts import (
    Account,
    AgentNotRegistered,
    Audio,
    CallEvent,
    CallRecord,
    ClickToCall,
    DialState,
    Direction,
    Events,
    GatewayError,
    History,
    InvalidRequest,
    NotFound,
    Origin,
    Outcome,
    Page,
    RateLimited,
    Recording,
    RecordingLink,
    Secret,
    StartedCall,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorTimeout,
    VendorUnavailable,
    lacking,
)
from gateway_contracts.audio import open_audio
from gateway_contracts.http import RETRIED_STATUSES, Answer, Effect, HttpClient, error_for_status, segment
from gateway_contracts.rows import read_rows

from . import Settings, history, wire
from .hashes import hash_of
from .limits import RequestLimit
from .stream import EventStream, backoff
from .words import Side, direction_of, parties

T = TypeVar("T")

_REQUEST_LIMIT = 503  # not maintenance: this vendor's "request limit exceeded"
_OFFLINE = 400  # 004:52
_PLACED = range(200, 300)  # 004:51 has the status, and no body
_MAX_MESSAGE = 200
_INPUT = re.compile(r"invalid|missing|required|malformed|wrong|hash|signature", re.IGNORECASE)
_DEVICE = re.compile(r"regist|offline|online|device", re.IGNORECASE)


@contextlib.asynccontextmanager
async def open_adapter(account: Account, settings: Settings) -> AsyncIterator["AntBuddy"]:
    """The adapter and its session, for as long as the context is open."""
    retried = RETRIED_STATUSES - {_REQUEST_LIMIT}  # which asks for more patience, see `_ask`
    async with HttpClient(settings.base_url, account=account, classify=classify, retried_statuses=retried) as http:
        yield AntBuddy(account, settings, http, RequestLimit(settings.requests_per_second))


def classify(answer: Answer) -> GatewayError | None:
    """The error that *answer* stands for; None for success."""
    if 200 <= answer.status < 300:
        return None
    message = _message(answer.data)
    plain = error_for_status(answer, message)
    if answer.status == _REQUEST_LIMIT:
        return RateLimited(
            "The vendor's request limit is reached: ask less often, or set requests_per_second",
            origin=Origin.VENDOR,
            vendor_code=str(answer.status),
            dial_state=DialState.NOT_PLACED if answer.effect is Effect.RING else None,
            retry_after=plain.retry_after if plain else None,
        )
    if answer.status == _OFFLINE and answer.effect is Effect.RING:
        if message and _INPUT.search(message) and not _DEVICE.search(message):
            return InvalidRequest(
                f"The vendor refused the request: {message}",
                origin=Origin.VENDOR,
                vendor_code=str(answer.status),
                dial_state=DialState.NOT_PLACED,
            )
        return AgentNotRegistered(
            "The extension's device is not connected to the vendor, so nothing rang: start the softphone first",
            vendor_code=str(answer.status),
            dial_state=DialState.NOT_PLACED,
        )
    return plain


def _message(data: Any) -> str | None:
    if not isinstance(data, dict):
        return None
    found = next((data[key] for key in ("error", "message", "content") if isinstance(data.get(key), str)), None)
    return found.strip()[:_MAX_MESSAGE] or None if found else None


@attrs.frozen
class AntBuddy(ClickToCall, History, Recording, Events):
    """One account of AntBuddy."""

    account: Account
    settings: Settings
    http: HttpClient
    limit: RequestLimit
    pause: Callable[[int], float] = backoff  # before each new connection to the event socket

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
        """004:29: the device and its password go along as JSON. The call is placed when the status says so, whatever
        the body is; no call id comes back.
        """
        self._refuse(
            "start_call",
            wait=wait,
            auto_answer=auto_answer,
            caller_id_name=caller_id_name,
            caller_id_number=caller_id_number,
            callee_id_name=callee_id_name,
            callee_id_number=callee_id_number,
            hotline=hotline,
            customer_id=customer_id,
        )
        device = self.settings.devices.get(extension)
        if device is None:
            place = f"accounts.{self.account.name}.settings.devices"
            raise InvalidRequest(
                f"Extension {extension} has no device: add it, with sip_user and sip_password, to {place}",
                account=self.account.name,
                fields={"extension": f"is not in {place}"},
                dial_state=DialState.NOT_PLACED,
            )
        await self._turn(time.monotonic() + self.account.timeouts.dial, DialState.NOT_PLACED)
        requested_at = datetime.now(UTC)
        answer = await self.http.send(
            "POST",
            f"/oapi/v1/call/click-to-call/{segment('number', number)}",
            json={"sipUser": device.sip_user, "sipPassword": device.sip_password},
            headers=self._credentials(),
            effect=Effect.RING,
            successes=_PLACED,
        )
        return StartedCall(
            account=self.account.name,
            call_id=None,
            extension=extension,
            number=number,
            requested_at=requested_at,
            raw=answer.data,
        )

    def _refuse(self, operation: str, **given: object) -> None:
        for name, value in given.items():
            if value not in (None, False):
                raise Unsupported(
                    f"antbuddy cannot be told {name}: leave it out",
                    account=self.account.name,
                    operation=operation,
                    dial_state=DialState.NOT_PLACED,
                )

    def _credentials(self) -> dict[str, str | Secret]:
        settings = self.settings
        return {
            "x-auth-app-id": settings.app_id,
            "x-auth-app-hash": Secret(hash_of(settings.app_id, settings.app_secret.reveal())),
        }

    async def _turn(self, until: float, dial_state: DialState | None = None) -> None:
        """Wait until our own limit lets a request through. Raises: RateLimited when that is after *until*."""
        seconds = await self.limit.wait(until=until)
        if seconds is not None:
            raise RateLimited(
                "Too many requests wait for requests_per_second: ask less often, or set it higher",
                account=self.account.name,
                origin=Origin.GATEWAY,
                dial_state=dial_state,
                retry_after=seconds,
            )

    async def _ask(self, path: str, params: Sequence[tuple[str, str]]) -> Answer:
        """A GET with its hash; what is sent is exactly what was hashed."""
        settings = self.settings
        found = hash_of(settings.app_id, settings.app_secret.reveal(), params, settings.hash_order)
        sent = [("appId", settings.app_id), *params, ("hash", found)]
        deadline = time.monotonic() + self.account.timeouts.read
        for attempt in itertools.count(1):
            await self._turn(deadline)
            try:
                return await self.http.send("GET", path, params=sent)
            except GatewayError as error:
                error.message = error.message.replace(found, "********")  # whoever has it may ask the same again
                error.args = (error.message,)
                limited = isinstance(error, RateLimited)
                if not (limited and await self.limit.rest(attempt, error.retry_after, until=deadline)):
                    raise
        raise AssertionError("counting does not end")

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
        """004:61, over any range. All but the range is picked out here, so pages may be short or empty."""
        filters = history.Filters(
            extension=extension,
            number=number,
            direction=direction,
            outcome=outcome,
            min_duration_seconds=min_duration_seconds,
            duration_seconds=duration_seconds,
            ended_since=ended_since.timestamp() if ended_since else None,
            ended_until=ended_until.timestamp() if ended_until else None,
            recording_name=recording_name,
        )
        if cursor is None:
            place = history.first_place(since, until, filters, now=datetime.now(UTC))
        else:
            place = self._continued(history.Place.decode(cursor), since, until, filters)
        if place is None:
            return Page(items=())
        found, following = await history.read(
            place,
            limit or history.PAGE,
            self._fetch,
            self._picked(place.filters),
            seconds=self.account.timeouts.read,
        )
        return found.page(next=following.encode() if following else None)

    def _continued(
        self, place: history.Place, since: datetime | None, until: datetime | None, filters: history.Filters
    ) -> history.Place:
        other = filters not in (history.Filters(), place.filters)
        if since and max(history.ceil(since), 0) != place.since:
            other = True
        if until and history.ceil(until) < place.until:  # a later one was cut to the present
            other = True
        if other:
            raise InvalidRequest(
                "The cursor belongs to other filters: give the same ones again, or none",
                account=self.account.name,
                fields={"cursor": "belongs to other filters"},
            )
        return place

    async def _fetch(self, place: history.Place, page: int) -> list[history.Row | history.OddRow]:
        return await self._rows(place.start - 1, place.end + self.settings.late_seconds, page)

    @staticmethod
    def _picked(filters: history.Filters) -> history.Pick:
        def pick(row: history.Row, record_id: str) -> CallRecord | None:
            record = row.record(record_id)
            recording = wire.text(record.raw["recording"]) if record.has_recording else None
            return record if filters.fit(record, recording) else None

        return pick

    async def _rows(self, first: int, last: int, page: int) -> list[history.Row | history.OddRow]:
        params = [
            ("created_from", history.written(max(first, 0))),
            ("created_to", history.written(last)),
            ("limit", str(history.PAGE)),
            ("page", str(page)),
        ]
        answer = await self._ask("/oapi/v1/call/histories", params)
        found = await read_rows(answer, wire.rows(answer.data), wire.HistoryRow, self._row, as_row=wire.named)
        every: list[history.Row | history.OddRow] = list(found.items)
        for place, raw in found.skipped.items():
            every.insert(place, history.OddRow(raw))
        return every

    def _row(self, row: wire.HistoryRow, raw: Any, unreadable: tuple[str, ...] = ()) -> history.Row:
        names = tuple("class" if name == "kind" else name for name in unreadable)
        return history.Row(
            at=wire.moment(row.unix_timestamp),
            digest=history.digest_of(row),
            duration=wire.seconds(row.duration_seconds, "duration_seconds") or 0,
            record=lambda record_id: self._record(row, raw, record_id, names),
            odd=bool(unreadable),
        )

    def _record(self, row: wire.HistoryRow, raw: Any, record_id: str, unreadable: tuple[str, ...]) -> CallRecord:
        direction = direction_of(row)
        who = parties(direction, self._side(row.caller), self._side(row.callee), wire.text(row.did_number))
        status = wire.text(row.status_detail)
        outcome = wire.OUTCOMES.get((status or "").upper(), Outcome.UNKNOWN)
        duration = wire.seconds(row.duration_seconds, "duration_seconds")
        billed = wire.seconds(row.billing_seconds, "billing_seconds")
        # An IVR is billed too, though nobody talked to anybody.
        talk = billed if outcome is Outcome.ANSWERED else 0
        started = datetime.fromtimestamp(wire.moment(row.unix_timestamp), UTC)
        ended = started + timedelta(seconds=duration) if duration is not None else None
        answered = None
        if ended and talk is not None and outcome is Outcome.ANSWERED:
            answered = max(ended - timedelta(seconds=talk), started)
        recording = wire.text(row.recording)
        return CallRecord(
            account=self.account.name,
            record_id=record_id,
            call_id=wire.call_id_of(recording),
            sip_call_id=None,
            direction=direction,
            outcome=outcome,
            vendor_status=status,
            cause=None,
            from_number=who.from_number,
            to_number=who.to_number,
            extension=who.extension,
            hotline=who.hotline,
            queue=None,
            started_at=started,
            ringing_at=None,
            answered_at=answered,
            ended_at=ended,
            duration_seconds=duration,
            talk_seconds=talk,
            customer_id=None,
            has_recording=recording is not None,
            unreadable=unreadable,
            raw=raw,
        )

    def _side(self, party: wire.PartyRow | None) -> Side:
        if party is None:
            return Side(None)
        number, username = wire.text(party.number), wire.text(party.username)
        known = self.settings.extension_of(username) or self.settings.extension_of(number)
        ours = (party.type or "").strip().lower() == wire.USER
        return Side(known or number or username, ours or known is not None)

    async def get_record(self, record_id: str) -> CallRecord:
        """The vendor has no record by id: the id says where the row is, and it is looked for there."""
        wanted, odd = history.RecordId.parse(record_id), False
        if wanted is not None:
            near, far = wanted.at + wanted.duration + 60, wanted.at + self.settings.late_seconds
            for last in (near, far) if far > near else (near,):
                record, odd = await self._search(wanted, last, record_id)
                if record is not None:
                    return record
        if odd:
            raise VendorProtocolError(
                f"There is no record {record_id} among those that can be read, and a row that cannot be read whole",
                account=self.account.name,
            )
        raise NotFound(f"There is no record {record_id}", account=self.account.name)

    async def _search(self, wanted: history.RecordId, last: int, record_id: str) -> tuple[CallRecord | None, bool]:
        """The record, if it is there, and whether one that could not be read may be it."""
        seen, odd, before = 0, False, [""]
        for page in range(1, history.MAX_REQUESTS + 1):
            rows = await self._rows(wanted.at - 1, last, page)
            marks = [row.mark for row in rows]
            if not rows:
                return None, odd
            if marks == before:
                break
            before = marks
            for row in rows:
                odd = odd or row.odd
                seen += isinstance(row, history.Row) and row.digest == wanted.digest
                if isinstance(row, history.Row) and seen == wanted.ordinal:
                    return row.record(record_id), odd
        raise VendorProtocolError(
            f"There is no record {record_id} on {page} pages of the history, which are not all: the vendor gave the "
            "last of them again, or more",
            account=self.account.name,
        )

    # Recording

    async def locate_recording(self, record_id: str) -> RecordingLink:
        """004:104. The address is signed and soon expires, so it is asked for each time and kept nowhere."""
        return await self._locate(record_id, await self._media(record_id))

    async def _media(self, record_id: str) -> str:
        record = await self.get_record(record_id)
        media = wire.text(record.raw["recording"]) if record.has_recording else None
        if media is None:
            raise NotFound(f"There is no recording of {record_id} (yet)", account=self.account.name)
        return media

    async def _locate(self, record_id: str, media: str) -> RecordingLink:
        answer = await self._ask("/oapi/v1/call/play_recording", [("media", media)])
        data = answer.data.get("data", answer.data) if isinstance(answer.data, dict) else answer.data
        url = wire.text(answer.parse(wire.PlayRow, data).media)
        if url is None:
            raise NotFound(f"There is no recording of {record_id} (yet)", account=self.account.name)
        return RecordingLink(
            account=self.account.name,
            record_id=record_id,
            url=self._read(answer, wire.address_of, url, self.http.base_url),
            expires_at=wire.expiry_of(url),
            raw=answer.data,
        )

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """From the signed address; when that has expired, or breaks off half-way, from a new one, once."""
        media = await self._media(record_id)
        try:
            audio = await self._open(record_id, media, byte_range)
            spare = True
        except (VendorAuthFailed, VendorUnavailable, VendorTimeout):  # a signature that has expired, or an early break
            audio = await self._open(record_id, media, byte_range)
            spare = False
        return _Resumed(self, record_id, media, audio, spare=spare).whole()

    async def _open(self, record_id: str, media: str, byte_range: str | None) -> Audio:
        link = await self._locate(record_id, media)
        return await open_audio(
            self.http,
            link.url,
            record_id=record_id,
            allowed_hosts=self.settings.recording_hosts,
            byte_range=byte_range,
        )

    # Events

    # The vendor sends no webhooks.
    list_hooks = create_hook = delete_hook = parse_webhook = lacking(
        "antbuddy sends no webhooks: its events come over a socket, by follow_events"
    )

    async def follow_events(self) -> AsyncGenerator[CallEvent, None]:
        """The account's calls as they happen, over the vendor's socket; the token's request is 004:8.

        A time without a connection is an event of type `unknown` without a call, with
        `raw = {"gap": {"from": …, "until": …}}`: what ended in it is found in the records.

        Raises: InvalidRequest without `account_id`; VendorAuthFailed when the credentials do not work.
        """
        account_id = self.settings.account_id
        if account_id is None:
            place = f"accounts.{self.account.name}.settings.account_id"
            raise InvalidRequest(
                f"Events need the account's id on the vendor's switch: ask the vendor for it and set {place}",
                account=self.account.name,
            )
        stream = EventStream(
            account=self.account,
            session=self.http.session,
            url=self.settings.socket_url,
            protocol=self.settings.socket_protocol,
            account_id=account_id,
            extension_of=self.settings.extension_of,
            token=self._token,
            pause=self.pause,
        )
        async with contextlib.aclosing(stream.follow()) as events:
            async for event in events:
                yield event

    async def _token(self) -> Secret:
        await self._turn(time.monotonic() + self.account.timeouts.read)
        answer = await self.http.send("POST", "/oapi/v1/voice/auth_token", headers=self._credentials())
        data = answer.data.get("data", answer.data) if isinstance(answer.data, dict) else answer.data
        return Secret(answer.parse(wire.TokenRow, data).value)

    @staticmethod
    def _read(answer: Answer, read: Callable[..., T], *args: Any) -> T:
        """*read* of a part of *answer*; what it cannot read is an answer that does not fit the documents."""
        try:
            return read(*args)
        except (ValueError, OverflowError, OSError) as error:
            raise answer.nonsense(f"its answer does not fit its documents: {error}") from error


@attrs.define(eq=False)
class _Resumed:
    """A recording that goes on from a new address, once, where the first one breaks off."""

    adapter: AntBuddy
    record_id: str
    media: str
    audio: Audio
    spare: bool = attrs.field(kw_only=True)

    def whole(self) -> Audio:
        first = self.audio
        return attrs.evolve(first, chunks=self._chunks(), finish=self._finish)

    async def _chunks(self) -> AsyncIterator[bytes]:
        reached, end = self.audio.start, self.audio.end
        while True:
            try:
                async for chunk in self.audio.chunks:
                    reached += len(chunk)
                    yield chunk
                return
            except (VendorUnavailable, VendorTimeout):
                if not self.spare:
                    raise
            self.spare = False
            if end is not None and reached > end:
                return
            await self.audio.aclose()
            size = self.audio.size
            self.audio = await self.adapter._open(
                self.record_id, self.media, f"bytes={reached}-{'' if end is None else end}"
            )
            if self.audio.start != reached or (size is not None and self.audio.size not in (None, size)):
                await self.audio.aclose()
                raise VendorProtocolError(
                    "The recording broke off, and its new address holds another one", account=self.adapter.account.name
                )

    async def _finish(self) -> None:
        await self.audio.aclose()
