"""The adapter: what it inherits is what it can do. Events, reports, agents, … are missing, so they are unsupported."""

import io
import itertools
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from gateway_contracts import (
    AgentBusy,
    AgentNotRegistered,
    Audio,
    Call,
    CallControl,
    CallRecord,
    CallState,
    ClickToCall,
    DialState,
    Direction,
    History,
    Leg,
    NotFound,
    Outcome,
    Page,
    Recording,
    StartedCall,
    Unsupported,
    lacking,
    pass_fence,
)
from gateway_contracts.arguments import given, refuse
from gateway_contracts.audio import audio_of
from gateway_contracts.cursors import other_filters, read_cursor, write_cursor
from gateway_contracts.parties import from_and_to

from . import Settings


@attrs.frozen(kw_only=True)
class _Asked:
    """What a page was asked for. A cursor is one of these, so that nothing else is needed with it."""

    since: datetime | None = None
    until: datetime | None = None
    extension: str | None = None
    number: str | None = None
    direction: Direction | None = None
    outcome: Outcome | None = None
    min_duration_seconds: int = 0
    limit: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    before: datetime | None = None
    place: int = 0

    def match(self, record: CallRecord) -> bool:
        assert record.started_at is not None  # noqa: S101 # ours always have a start
        return (
            (self.since is None or record.started_at >= self.since)
            and (self.until is None or record.started_at < self.until)
            and self.extension in (None, record.extension)
            and self.number in (None, record.from_number, record.to_number)
            and self.direction in (None, record.direction)
            and self.outcome in (None, record.outcome)
            and (record.duration_seconds or 0) >= self.min_duration_seconds
        )


# This PBX speaks our words. One that is not listed is unknown, and no error.
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_DIRECTIONS = {direction.value: direction for direction in Direction}


@attrs.define
class Memory(ClickToCall, CallControl, History, Recording):
    """One account. Tests set `clock`, read `told` and `calls`, and call `end_call` and `add_record`.

    `told` holds the operation, call and extension (or leg) of everything that reached a phone, oldest first.
    """

    account: str
    settings: Settings
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    told: list[tuple[str, str, str]] = attrs.field(factory=list)
    calls: dict[str, Call] = attrs.field(factory=dict)
    _records: dict[str, CallRecord] = attrs.field(factory=dict)
    _ids: "itertools.count[int]" = attrs.field(factory=lambda: itertools.count(1))

    async def start_call(
        self, *, extension: str, number: str, wait: bool = False, auto_answer: bool = False, **others: Any
    ) -> StartedCall:
        """The extension picks up at once where the caller waits for it or its phone does so by itself."""
        refuse("memory", **others)
        self._check_phone(extension)
        await pass_fence()  # what is sent through HttpClient passes it by itself
        now, call_id, answered = self.clock(), f"call-{next(self._ids)}", wait or auto_answer
        self.calls[call_id] = Call(
            account=self.account,
            call_id=call_id,
            direction=Direction.OUTBOUND,
            state=CallState.ANSWERED if answered else CallState.RINGING,
            from_number=extension,
            to_number=number,
            extension=extension,
            started_at=now,
            answered_at=now if answered else None,
            raw={"call": call_id, "auto_answer": auto_answer, "waited": wait},
        )
        self.told.append(("start_call", call_id, extension))
        return StartedCall(
            account=self.account,
            call_id=call_id,
            extension=extension,
            number=number,
            requested_at=now,
            raw={"call": call_id},
        )

    async def list_calls(self) -> Page[Call]:
        return Page(items=tuple(self.calls.values()), total=len(self.calls))

    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        call = self._call(call_id)
        if leg is Leg.A:
            raise Unsupported("memory moves the customer's side only: leave leg out", dial_state=DialState.NOT_PLACED)
        self._check_phone(to)
        self.calls[call_id] = attrs.evolve(call, extension=to)
        self.told.append(("transfer_call", call_id, to))

    async def listen_call(self, call_id: str, *, extension: str) -> None:
        self._join("listen_call", call_id, extension)

    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        self._join("whisper_call", call_id, extension)

    async def barge_call(self, call_id: str, *, extension: str) -> None:
        self._join("barge_call", call_id, extension)

    async def park_call(self, call_id: str, *, leg: Leg) -> None:
        self.told.append(("park_call", self._call(call_id).call_id, leg))

    async def list_records(
        self,
        *,
        duration_seconds: int | None = None,
        ended_since: datetime | None = None,
        ended_until: datetime | None = None,
        recording_name: str | None = None,
        cursor: str | None = None,
        **filters: Any,
    ) -> Page[CallRecord]:
        refuse("memory", duration_seconds=duration_seconds, recording_name=recording_name)
        refuse("memory", ended_since=ended_since, ended_until=ended_until)
        asked = _continued(cursor, given(**filters)) if cursor else _Asked(**given(**filters))
        matching = [(_place(each, at), each) for at, each in enumerate(self._records.values()) if asked.match(each)]
        # Newest first, going on by start and place: records that come meanwhile do not move the pages.
        left = [each for each in matching if asked.before is None or each[0] < (asked.before, asked.place)]
        left.sort(key=lambda each: each[0], reverse=True)
        page, following = left[: asked.limit], None
        if len(left) > len(page):
            before, place = page[-1][0]
            following = write_cursor(attrs.evolve(asked, before=before, place=place))
        return Page(items=tuple(each for _, each in page), next=following, total=len(matching))

    async def get_record(self, record_id: str) -> CallRecord:
        if record_id not in self._records:
            raise NotFound(f"There is no record {record_id!r}")
        return self._records[record_id]

    locate_recording = lacking("memory has no addresses for its recordings: use fetch_recording")

    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        if not (await self.get_record(record_id)).has_recording:
            raise NotFound(f"There is no recording of {record_id!r}: the call was not answered")
        return audio_of(second_of_silence(), account=self.account, record_id=record_id, byte_range=byte_range)

    def end_call(self, call_id: str, *, outcome: str = Outcome.ANSWERED) -> CallRecord:
        """Hang up, and keep the record. An answer that nobody saw came when the call started."""
        call = self.calls.pop(call_id)
        return self._keep(call_id, call, call.direction, outcome, self.clock())

    def add_record(
        self,
        *,
        started_at: datetime,
        seconds: int,
        extension: str,
        number: str,
        direction: str = Direction.OUTBOUND,
        outcome: str = Outcome.ANSWERED,
    ) -> CallRecord:
        """Keep the record of a call that nobody saw while it went on."""
        way = _DIRECTIONS.get(direction, Direction.UNKNOWN)
        source, target = from_and_to(way, extension=extension, number=number)
        call_id = f"call-{next(self._ids)}"
        call = Call(
            account=self.account,
            call_id=call_id,
            direction=way,
            state=CallState.ENDED,
            from_number=source,
            to_number=target,
            extension=extension,
            started_at=started_at,
        )
        return self._keep(call_id, call, direction, outcome, started_at + timedelta(seconds=seconds))

    def _keep(self, call_id: str, call: Call, direction: str, outcome: str, ended_at: datetime) -> CallRecord:
        answered = outcome == Outcome.ANSWERED
        answered_at = (call.answered_at or call.started_at) if answered else None
        record = CallRecord(
            account=self.account,
            record_id=call_id.replace("call", "record"),
            call_id=call_id,
            sip_call_id=None,
            direction=call.direction,
            outcome=_OUTCOMES.get(outcome, Outcome.UNKNOWN),
            vendor_status=str(outcome),
            cause=None,
            from_number=call.from_number,
            to_number=call.to_number,
            extension=call.extension,
            hotline=None,
            queue=None,
            started_at=call.started_at,
            ringing_at=call.started_at,
            answered_at=answered_at,
            ended_at=ended_at,
            duration_seconds=_seconds(call.started_at, ended_at),
            talk_seconds=_seconds(answered_at, ended_at),
            customer_id=None,
            has_recording=answered,
            raw={"call": call_id, "direction": str(direction), "outcome": str(outcome)},
        )
        self._records[record.record_id] = record
        return record

    def _call(self, call_id: str) -> Call:
        if call_id not in self.calls:
            raise NotFound(f"There is no call {call_id!r}, or it has ended", dial_state=DialState.NOT_PLACED)
        return self.calls[call_id]

    def _join(self, how: str, call_id: str, extension: str) -> None:
        self._call(call_id)
        self._check_phone(extension)
        self.told.append((how, call_id, extension))

    def _check_phone(self, extension: str) -> None:
        # `not_placed` is said with proof only: here we know that nothing rang.
        if extension not in self.settings.extensions:
            raise AgentNotRegistered("The extension's phone is not connected", dial_state=DialState.NOT_PLACED)
        if extension in self.settings.busy or any(call.extension == extension for call in self.calls.values()):
            raise AgentBusy("The extension is in a call", dial_state=DialState.NOT_PLACED)


def _seconds(start: datetime | None, end: datetime) -> int:
    return int((end - start).total_seconds()) if start else 0


def _continued(cursor: str, filters: dict[str, Any]) -> _Asked:
    asked = read_cursor(cursor, _Asked)
    if any(value != getattr(asked, name) for name, value in filters.items() if name != "limit"):
        raise other_filters()
    return attrs.evolve(asked, limit=filters.get("limit", asked.limit))


def _place(record: CallRecord, at: int) -> tuple[datetime, int]:
    assert record.started_at is not None  # noqa: S101 # ours always have a start
    return record.started_at, at


def second_of_silence() -> bytes:
    """What every recording holds."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(1)
        audio.setframerate(8000)
        audio.writeframes(b"\x80" * 8000)
    return file.getvalue()
