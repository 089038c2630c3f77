"""Click-to-call by GET, and the calls in progress: the same in all of TEL4VN's products (000, 001, 002:508-878)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from gateway_contracts import Call, CallState, Page, StartedCall
from gateway_contracts.arguments import query
from gateway_contracts.http import Effect, HttpClient, Response, segment
from gateway_contracts.parties import parties
from gateway_contracts.rows import read_rows

from .pages import total_of
from .reading import Reading
from .responses import GONE, MAINTENANCE, confirm, reply, rows
from .words import text

CALL_STATES: Mapping[str, CallState] = {
    # FreeSWITCH's channel states; the documents show CS_EXECUTE only (000:24, 002:704). A channel that executes or
    # consumes media may be ringing the other side or talking to it: its state does not say which, so neither do we.
    "CS_NEW": CallState.DIALING,
    "CS_INIT": CallState.DIALING,
    "CS_ROUTING": CallState.DIALING,
    "CS_EXCHANGE_MEDIA": CallState.ANSWERED,
    "CS_HANGUP": CallState.ENDED,
    "CS_REPORTING": CallState.ENDED,
    "CS_DESTROY": CallState.ENDED,
}

_NOT_DIALLED, _NOT_STEERED = frozenset({MAINTENANCE}), frozenset({MAINTENANCE, GONE})


@attrs.frozen(kw_only=True)
class _Done:
    """What is said of something that rang, 001:64-67, 002:525-528."""

    status: str | None = None
    call_id: str | None = None


@attrs.frozen(kw_only=True)
class _CallRow:
    """A live call, 000:14-27, 002:697-704."""

    call_id: str
    created_time: str | None = None
    destination: str | None = None
    direction: str | int | None = None
    source: str | None = None
    state: str | None = None


@attrs.frozen(kw_only=True)
class Calls:
    """What rings phones in one account, and the calls in progress."""

    http: HttpClient
    reading: Reading

    async def dial(
        self, path: str, extension: str, number: str, optional: Sequence[tuple[str, str]], *, wait: bool
    ) -> StartedCall:
        """A click-to-call by GET, with what else was asked for (see `asked`). It is sent once all the same."""
        requested_at = datetime.now(UTC)
        timeouts = self.http.account.timeouts
        response = await self.http.send(
            "GET",
            path,
            params=[("ext", extension), ("phone", number), *optional],
            effect=Effect.RING,
            timeout=timeouts.dial_wait if wait else timeouts.dial,
            refusals=_NOT_DIALLED,
        )
        return self.started(response, extension, number, requested_at)

    def started(self, response: Response, extension: str, number: str, requested_at: datetime) -> StartedCall:
        """The call that *response* tells of."""
        call_id = text(_accepted(response, needs_call=True).call_id)
        return StartedCall(
            account=self.reading.account,
            call_id=call_id,
            extension=extension,
            number=number,
            requested_at=requested_at,
            raw=response.data,
        )

    async def list(self, path: str) -> Page[Call]:
        """The calls in progress."""
        response = await self.http.send("GET", path)
        found = await read_rows(response, rows(response.data), _CallRow, self._call)
        return found.page(total=total_of(response, len(found)))

    def _call(self, row: _CallRow, raw: Any, _: tuple[str, ...] = ()) -> Call:
        call_id = text(row.call_id)
        if call_id is None:
            raise ValueError("call_id is empty")
        source, target = text(row.source), text(row.destination)
        direction = self.reading.direction(row.direction, source, target)
        who = parties(direction, source, target, self.reading.is_extension)
        return Call(
            account=self.reading.account,
            call_id=call_id,
            direction=direction,
            state=CALL_STATES.get((row.state or "").strip().upper(), CallState.UNKNOWN),
            from_number=who.from_number,
            to_number=who.to_number,
            extension=who.extension,
            hotline=who.hotline,
            started_at=self.reading.time.read(row.created_time, "created_time"),
            raw=raw,
        )

    async def steer(self, path: str, call_id: str, body: Mapping[str, str]) -> None:
        """Do something to a call. *path* has a place for `{call_id}`."""
        response = await self.http.send(
            "POST",
            path.format(call_id=segment("call_id", call_id)),
            json=body,
            effect=Effect.RING,
            refusals=_NOT_STEERED,
        )
        _accepted(response)


def asked(
    *,
    caller_id_name: str | None,
    caller_id_number: str | None,
    callee_id_name: str | None,
    callee_id_number: str | None,
    auto_answer: bool,
    hotline: str | None,
    customer_id: str | None = None,
) -> tuple[tuple[str, str], ...]:
    """What a click-to-call by GET asks for beside its two sides, 001:48-53, 002:560-566."""
    named = query(
        src_cid_name=caller_id_name,
        src_cid_number=caller_id_number,
        dest_cid_name=callee_id_name,
        dest_cid_number=callee_id_number,
        auto_answer="true" if auto_answer else None,
        hotline=hotline,
        customer_id=customer_id,
    )
    return tuple(named)


def _accepted(response: Response, *, needs_call: bool = False) -> _Done:
    """What *response* says, if that is success. Without a `status` it has a call id where it *needs_call*."""
    row = response.parse(_Done, reply(response))
    status = (row.status or "").strip().lower()
    if not status and not needs_call:
        confirm(response)
        return row
    if status == "success" or (not status and row.call_id):
        return row
    raise response.nonsense(f"says {row.status!r}" if status else "says neither success nor failure")
