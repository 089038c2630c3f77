"""Acme in our words."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
from gateway_contracts import (
    Account,
    Audio,
    Call,
    CallControl,
    CallEvent,
    CallRecord,
    CallState,
    ClickToCall,
    DialState,
    Direction,
    EventStream,
    EventType,
    GatewayError,
    History,
    Leg,
    Origin,
    Outcome,
    Page,
    Recording,
    Secret,
    StartedCall,
    Unsupported,
    VendorAuthFailed,
    lacking,
)
from gateway_contracts.arguments import query, refuse
from gateway_contracts.audio import open_audio
from gateway_contracts.backoff import delays
from gateway_contracts.http import Effect, HttpClient, Params, Response, basic_authorization, error_for_status, segment
from gateway_contracts.parties import from_and_to
from gateway_contracts.rows import read_row, read_rows

from . import Settings, wire

_MAX_MESSAGE = 200


@contextlib.asynccontextmanager
async def open_adapter(account: Account, settings: Settings) -> AsyncIterator["Acme"]:
    """The adapter and its session, for as long as the context is open."""
    async with HttpClient(
        settings.base_url,
        account=account,
        classify=classify,
        decode=wire.decode,
        headers={"Accept": "application/xml"},
    ) as http:
        yield Acme(account, settings, http)


def classify(response: Response) -> GatewayError | None:
    """The error that *response* stands for; None for success."""
    if 200 <= response.status < 300:
        return None
    data = response.data if isinstance(response.data, dict) else {}
    code, message = data.get("code"), str(data.get("text", ""))[:_MAX_MESSAGE]
    kind = wire.REFUSALS.get(str(code)) if data.get("element") == "error" and response.status < 500 else None
    if kind is None:
        return error_for_status(response, message or None)
    return kind(
        f"Acme refused: {message or code}",
        origin=Origin.VENDOR,
        vendor_code=code,
        dial_state=DialState.NOT_PLACED,  # documented, see the table
    )


@attrs.frozen
class Acme(ClickToCall, CallControl, History, Recording, EventStream):
    """One account of Acme."""

    account: Account
    settings: Settings
    http: HttpClient
    pauses: Callable[[], Iterator[float]] = functools.partial(delays, 1.0, 60.0)  # between failures in a row

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
        refuse(
            "acme",
            wait=wait,
            auto_answer=auto_answer,
            caller_id_name=caller_id_name,
            caller_id_number=caller_id_number,
            callee_id_name=callee_id_name,
            callee_id_number=callee_id_number,
            customer_id=customer_id,
        )
        requested_at = datetime.now(UTC)
        form = query(agent=extension, number=number, line=hotline)
        response = await self._send("POST", "/api/dial", form=form, effect=Effect.RING)
        return StartedCall(
            account=self.account.name,
            call_id=str(wire.read(response, response.data, "dialled", wire.Dialled).call),
            extension=extension,
            number=number,
            requested_at=requested_at,
            raw=response.data,
        )

    # Calls in progress

    async def list_calls(self) -> Page[Call]:
        response = await self._send("GET", "/api/calls")
        wire.read(response, response.data, "calls", wire.Done)
        rows = await read_rows(response, response.data["items"], wire.CallRow, self._call, as_row=wire.row_of("call"))
        return rows.page(total=len(rows))

    def _call(self, row: wire.CallRow, raw: Any, _: tuple[str, ...] = ()) -> Call:
        direction = wire.DIRECTIONS.get(row.direction or "", Direction.UNKNOWN)
        first, second = from_and_to(direction, extension=row.agent, number=row.number)
        return Call(
            account=self.account.name,
            call_id=wire.id_of(row.id),
            direction=direction,
            state=wire.STATES.get(row.state or "", CallState.UNKNOWN),
            from_number=first,
            to_number=second,
            extension=row.agent,
            hotline=row.line,
            started_at=wire.time(row.started, "started"),
            answered_at=wire.time(row.answered, "answered"),
            raw=raw,
        )

    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """Acme moves the number's side, whoever called."""
        refuse("acme", leg=leg)
        await self._steer(call_id, "transfer", [("to", to)])

    async def listen_call(self, call_id: str, *, extension: str) -> None:
        await self._steer(call_id, "join", [("agent", extension), ("mode", "listen")])

    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        await self._steer(call_id, "join", [("agent", extension), ("mode", "whisper")])

    async def barge_call(self, call_id: str, *, extension: str) -> None:
        await self._steer(call_id, "join", [("agent", extension), ("mode", "talk")])

    park_call = lacking("acme has no call_control.park_call: transfer the call to an extension instead")

    async def _steer(self, call_id: str, what: str, form: Params) -> None:
        path = f"/api/calls/{segment('call_id', call_id)}/{what}"
        response = await self._send("POST", path, form=form, effect=Effect.RING)
        wire.read(response, response.data, "done", wire.Done)

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
        """Newest first. Acme's cursor goes on where it was made, and Acme refuses it with other filters. Ours is that
        and the first id of the page, which no later page may show: else Acme would be asked for the same for ever.
        """
        refuse(
            "acme",
            duration_seconds=duration_seconds,
            ended_since=ended_since,
            ended_until=ended_until,
            recording_name=recording_name,
        )
        place, _, before = (cursor or "").partition(":")
        params = query(
            since=wire.milliseconds(since) if since else None,
            until=wire.milliseconds(until) if until else None,
            agent=extension,
            number=number,
            direction=_word("direction", direction, wire.DIRECTIONS),
            result=_word("outcome", outcome, wire.RESULTS),
            least=min_duration_seconds,
            cursor=place or cursor,
            max=limit,
        )
        response = await self._send("GET", "/api/history", params=params)
        page = wire.read(response, response.data, "history", wire.PageRow)
        rows = await read_rows(
            response, response.data["items"], wire.RecordRow, self._record, as_row=wire.row_of("record")
        )
        ids = [record.record_id for record in rows.items]
        if before in ids:
            raise response.nonsense("gives a page of the history again, and not the next one")
        return rows.page(next=f"{page.next}:{ids[0] if ids else before}" if page.next else None)

    async def get_record(self, record_id: str) -> CallRecord:
        response = await self._send("GET", f"/api/history/{segment('record_id', record_id)}")
        try:
            return read_row(response.data, wire.RecordRow, self._record, as_row=wire.row_of("record"))
        except ValueError as error:
            raise response.nonsense(f"its record does not fit its documents: {error}") from error

    def _record(self, row: wire.RecordRow, raw: Any, unreadable: tuple[str, ...] = ()) -> CallRecord:
        direction = wire.DIRECTIONS.get(row.direction or "", Direction.UNKNOWN)
        first, second = from_and_to(direction, extension=row.agent, number=row.number)
        started, ended = wire.time(row.started, "started"), wire.time(row.ended, "ended")
        answered = wire.time(row.answered, "answered")
        if started is None and ended is None:
            raise ValueError("the call has no time")
        return CallRecord(
            account=self.account.name,
            record_id=wire.id_of(row.id),
            call_id=row.call or None,
            sip_call_id=None,
            direction=direction,
            outcome=wire.RESULTS.get(row.result or "", Outcome.UNKNOWN),
            vendor_status=row.result,
            cause=None,
            from_number=first,
            to_number=second,
            extension=row.agent,
            hotline=row.line,
            queue=None,
            started_at=started,
            ringing_at=None,
            answered_at=answered,
            ended_at=ended,
            duration_seconds=_seconds(started, ended) if started else None,
            talk_seconds=None if "answered" in unreadable else _seconds(answered, ended) if answered else 0,
            customer_id=None,
            has_recording=wire.flag(row.audio, "audio"),
            unreadable=unreadable,
            raw=raw,
        )

    # Recordings

    locate_recording = lacking(
        "acme has no recording.locate_recording: its audio needs the password, use fetch_recording"
    )

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        return await open_audio(
            self.http,
            f"{self.http.base_url}/api/history/{segment('record_id', record_id)}/audio",
            record_id=record_id,
            allowed_hosts=(),
            byte_range=byte_range,
            headers={"Authorization": self._credentials().reveal()},
        )

    # Events

    async def follow_events(self) -> AsyncGenerator[CallEvent, None]:
        """From now on, by long-poll. What Acme had to forget meanwhile is one event of type `unknown`.

        Raises: VendorAuthFailed; after any other trouble it asks again, from where it was.
        """
        after: int | None = None
        pauses = self.pauses()
        while True:
            params = query(after=after, wait=self.settings.poll_seconds if after is not None else None)
            seconds = self.settings.poll_seconds + self.account.timeouts.read
            try:
                response = await self._send("GET", "/api/events", params=params, timeout=seconds)
                batch = wire.read(response, response.data, "events", wire.Batch)
                found = response.data["items"]
                events = await read_rows(response, found, wire.EventRow, self._event, as_row=wire.row_of("event"))
            except VendorAuthFailed:
                raise  # and in a minute it would be no better
            except GatewayError:
                await asyncio.sleep(next(pauses))
                continue
            pauses = self.pauses()
            if batch.lost and after is not None:
                yield self._gap(after, batch.last)
            after = batch.last
            for event in events.items:
                yield event

    def _event(self, row: wire.EventRow, raw: Any, _: tuple[str, ...] = ()) -> CallEvent:
        direction = wire.DIRECTIONS.get(row.direction or "", Direction.UNKNOWN)
        first, second = from_and_to(direction, extension=row.agent, number=row.number)
        return CallEvent(
            account=self.account.name,
            event_id=wire.id_of(row.id),
            type=wire.EVENTS.get(row.kind, EventType.UNKNOWN),
            call_id=wire.id_of(row.call),
            received_at=datetime.now(UTC),
            direction=direction,
            from_number=first,
            to_number=second,
            extension=row.agent,
            hotline=row.line,
            occurred_at=wire.time(row.at, "at"),
            outcome=wire.RESULTS.get(row.result, Outcome.UNKNOWN) if row.result else None,
            raw=raw,
        )

    def _gap(self, after: int, last: int) -> CallEvent:
        return CallEvent(
            account=self.account.name,
            event_id=f"gap-{after}-{last}",
            type=EventType.UNKNOWN,
            call_id=None,
            received_at=datetime.now(UTC),
            raw={"gap": {"after": after, "last": last}},
        )

    # Requests

    def _credentials(self) -> Secret:
        return basic_authorization(self.settings.username, self.settings.password)

    async def _send(self, verb: str, path: str, **options: Any) -> Response:
        return await self.http.send(verb, path, headers={"Authorization": self._credentials()}, **options)


def _word(argument: str, value: object, words: Any) -> str | None:
    word = wire.word_for(value, words)
    if value is not None and word is None:
        raise Unsupported(f"acme has no word for {argument} {value}: leave it out")
    return word


def _seconds(start: datetime, end: datetime | None) -> int | None:
    return max(int((end - start).total_seconds()), 0) if end else None
