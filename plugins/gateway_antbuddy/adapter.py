"""AntBuddy in our words. The source is document 004, named with its lines."""

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from gateway_contracts import (
    Account,
    Audio,
    CallEvent,
    CallRecord,
    ClickToCall,
    DialState,
    Direction,
    EventStream,
    History,
    InvalidRequest,
    NotFound,
    Outcome,
    Page,
    Recording,
    RecordingLink,
    StartedCall,
    VendorProtocolError,
)
from gateway_contracts.arguments import refuse
from gateway_contracts.cursors import other_filters
from gateway_contracts.http import Effect, HttpClient, segment
from gateway_contracts.rows import read_rows

from . import Settings, history, wire
from .limits import RequestLimit
from .recordings import Recordings
from .requests import RETRIED, Requests, classify
from .stream import CallStream, Pauses, pauses
from .words import Side, direction_of, parties_of

_PLACED = range(200, 300)  # 004:51 has the status, and no body


@contextlib.asynccontextmanager
async def open_adapter(account: Account, settings: Settings) -> AsyncIterator["AntBuddy"]:
    """The adapter and its session, for as long as the context is open."""
    async with HttpClient(settings.base_url, account=account, classify=classify, retried_statuses=RETRIED) as http:
        requests = Requests(account, settings, http, RequestLimit(settings.requests_per_second))
        yield AntBuddy(account, settings, http, requests, Recordings(requests))


@attrs.frozen
class AntBuddy(ClickToCall, History, Recording, EventStream):
    """One account of AntBuddy."""

    account: Account
    settings: Settings
    http: HttpClient
    requests: Requests
    recordings: Recordings
    pauses: Pauses = pauses  # between connections to the event socket

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
        """Ring an extension, then call a number (004:29): the device and its password go along as JSON.

        The status says that the call is placed, whatever the body is; no call id comes back.
        """
        refuse(
            "antbuddy",
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
        await self.requests.turn(time.monotonic() + self.account.timeouts.dial, DialState.NOT_PLACED)
        requested_at = datetime.now(UTC)
        response = await self.http.send(
            "POST",
            f"/oapi/v1/call/click-to-call/{segment('number', number)}",
            json={"sipUser": device.sip_user, "sipPassword": device.sip_password},
            headers=self.requests.credentials(),
            effect=Effect.RING,
            successes=_PLACED,
        )
        return StartedCall(
            account=self.account.name,
            call_id=None,
            extension=extension,
            number=number,
            requested_at=requested_at,
            raw=response.data,
        )

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
        """List finished calls of any range (004:61). The adapter picks out the rest, so pages may be short or empty."""
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
            raise other_filters()
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
        response = await self.requests.ask("/oapi/v1/call/histories", params)
        found = await read_rows(response, wire.rows(response.data), wire.HistoryRow, self._row, as_row=wire.named)
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
        who = parties_of(direction, self._side(row.caller), self._side(row.callee), wire.text(row.did_number))
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
        """Get one finished call. The vendor has no records by id: our id says where the row is."""
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
        """Give the address of a recording (004:104). It is signed and soon expires, so each call asks for a new one."""
        return await self.recordings.locate(record_id, await self._media(record_id))

    async def _media(self, record_id: str) -> str:
        record = await self.get_record(record_id)
        media = wire.text(record.raw["recording"]) if record.has_recording else None
        if media is None:
            raise NotFound(f"There is no recording of {record_id} (yet)", account=self.account.name)
        return media

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """Fetch a recording from its signed address."""
        return await self.recordings.fetch(record_id, await self._media(record_id), byte_range)

    # Events

    async def follow_events(self) -> AsyncGenerator[CallEvent, None]:
        """Follow the account's calls as they happen, over the vendor's socket; the token's request is 004:8.

        A time without a connection is an event of type `unknown` without a call, with
        `raw = {"gap": {"from": …, "until": …}}`: calls that ended in it are found in the records.

        Raises: InvalidRequest without `account_id`; VendorAuthFailed when the credentials do not work.
        """
        account_id = self.settings.account_id
        if account_id is None:
            place = f"accounts.{self.account.name}.settings.account_id"
            raise InvalidRequest(
                f"Events need the account's id on the vendor's switch: ask the vendor for it and set {place}",
                account=self.account.name,
            )
        stream = CallStream(
            account=self.account,
            session=self.http.session,
            url=self.settings.socket_url,
            protocol=self.settings.socket_protocol,
            account_id=account_id,
            extension_of=self.settings.extension_of,
            token=self.requests.token,
            pauses=self.pauses,
        )
        async with contextlib.aclosing(stream.follow()) as events:
            async for event in events:
                yield event
