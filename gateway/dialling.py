"""Safe dialling: what was asked to ring is in the journal before a vendor hears of it, and so is how it ended.

Importing this imports no database: the journal is opened when something is dialled.
"""

import asyncio
import contextlib
import functools
import hashlib
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs
from gateway_contracts import (
    ConfigError,
    Conflict,
    DialState,
    GatewayError,
    IdempotencyMismatch,
    JournalError,
    NotFound,
    Operation,
    Origin,
    OutcomeUnknown,
    StartedCall,
    dumps,
    from_json,
    to_json,
)
from gateway_contracts.errors import error_of

from .guard import CarryOut, check_arguments, place_of, seal
from .logs import log
from .texts import plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .journal import Journal
    from .journal.dials import Ending, Kept

DIAL = "start_call"
_AGAIN_SECONDS = 1.0
_MOST_SECONDS = 30.0
_LOST = "The process that asked the vendor has ended, and what the vendor answered is not known"
_LOOK = "the gateway looks for the call and the dial says when it has found out; do not dial again"

T = TypeVar("T")


class DialProgress(StrEnum):
    """Where a dial stands. `unknown` becomes `placed` or `not_placed` when the gateway has found out."""

    IN_PROGRESS = "in_progress"
    PLACED = "placed"
    NOT_PLACED = "not_placed"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class DialError:
    """Why a dial was not placed, or why that is not known; the members are those of the problem that was answered."""

    code: str
    detail: str
    retryable: bool
    vendor_code: str | None = None


@attrs.frozen(kw_only=True)
class Dial:
    """A click-to-call that was asked for, and what is known of it.

    *asked* is the account or route that was asked, *account* the one that did it. *evidence* says how its end is known:
    by the vendor's `answer`, an `event`, a `live_call`, a `record`, or because nothing was there where was `looked`.
    """

    dial_id: str
    account: str
    asked: str
    state: DialProgress
    extension: str
    number: str
    call_id: str | None
    conversation_id: str | None
    requested_at: datetime
    finished_at: datetime | None
    evidence: str | None
    error: DialError | None


@attrs.define
class Asking:
    """Who asks, and whether the answer had been given before. Others than *caller* are seen by who *sees_all*.

    It is asked in its context; without one the application itself asks.
    """

    caller: str = ""
    sees_all: bool = True
    replayed: bool = False
    _before: "Token[Asking | None] | None" = attrs.field(default=None, init=False, repr=False)

    def __enter__(self) -> "Asking":
        self._before = ASKING.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            ASKING.reset(self._before)


ASKING: ContextVar[Asking | None] = ContextVar("asking", default=None)


class Opening(Protocol):
    """Gives the open journal. Raises: ConfigError."""

    async def get(self) -> "Journal": ...


@attrs.define(eq=False)
class _Try:
    """One try of a dial, from its intent to its end."""

    dial_id: str
    account: str
    sent_at: datetime
    seen_at: float  # when it was last known to be this process's, by the monotonic clock
    abandoned: bool = False


_TRY: ContextVar[_Try | None] = ContextVar("try", default=None)


class Dialling:
    """All dials of one open gateway. *look* finds out about the unknown ones of an account, where it can."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._process = secrets.token_hex(8)
        self._running: dict[asyncio.Task[Any], asyncio.Future[None]] = {}  # and who waits for it
        self._late: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None
        self._renewed_at = -math.inf  # the process's lease, by the monotonic clock
        self.look: Callable[[str], Awaitable[None]] | None = None

    def over(self, asked: str, first: str, carry_out: CarryOut) -> CarryOut:
        """*carry_out* of the account or route *asked*, with every dial in the journal; *first* is tried first."""
        return _Dialler(self, asked, first, carry_out)

    def tried(self, account: str, carry_out: CarryOut) -> CarryOut:
        """*carry_out* of an *account* in a route: before it dials, the journal knows that it is this account's turn."""

        async def on_this_account(operation: Operation, arguments: Mapping[str, Any]) -> Any:
            current = _TRY.get()
            if operation.name == DIAL and current is not None and current.account != account:
                await self._move(current, account)
                await self._hold(current)
            return await carry_out(operation, arguments)

        return on_this_account

    @contextlib.asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """End what is under way when this context ends: it is unknown then, unless the vendor has answered."""
        try:
            yield
        finally:
            for tasks in (self._running, self._late):
                for task in tuple(tasks):
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if self._beating is not None:
                self._beating.cancel()
                await asyncio.wait([self._beating])
                await self._leave()

    async def find(self, asked: str, dial_id: str) -> Dial:
        """The dial called *dial_id* of the account or route *asked*, as far as who asks may see it.

        Where the application itself asks, an unknown one is looked for once. Raises: NotFound, JournalError.
        """
        kept = await self._find(asked, dial_id)
        unsure = kept.state in (DialProgress.UNKNOWN, DialProgress.IN_PROGRESS)
        if unsure and ASKING.get() is None and self.look is not None:
            await self.look(kept.account)
            kept = await self._find(asked, dial_id)
        return _dial_of(kept)

    async def _find(self, asked: str, dial_id: str) -> "Kept":
        from .journal import dials

        asking = ASKING.get() or Asking()
        kept = await (await self._journal()).store.read(functools.partial(dials.read, dial_id=plain(dial_id)))
        if (
            kept is None
            or asked not in (kept.asked, kept.account)
            or not (asking.sees_all or kept.caller == asking.caller)
        ):
            raise NotFound(f"There is no dial {dial_id!r}", account=asked)
        return kept

    # One dial

    async def dial(
        self, asked: str, first: str, carry_out: CarryOut, operation: Operation, arguments: Mapping[str, Any]
    ) -> Any:
        """Dial once, or give the answer that this key's dial had. A cancelled caller does not stop what was sent."""
        try:
            checked = check_arguments(operation, arguments)
            waited = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._dial(asked, first, carry_out, operation, checked, waited))
            self._running[task] = waited
            task.add_done_callback(self._forget)
            await waited  # which leaves the task alone when this is cancelled
            if task.cancelled():
                raise _closed(DialState.UNKNOWN)
            return task.result()
        except GatewayError as error:
            if error.operation is None or error.account is None:  # no guard has seen it
                seal(error, operation, asked)
                log.warning(
                    "operation.failed",
                    account=error.account,
                    operation=operation.name,
                    code=error.code,
                    dial_state=error.dial_state,
                )
            raise

    def _forget(self, task: asyncio.Task[Any]) -> None:
        waited = self._running.pop(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone
        if not waited.done():
            waited.set_result(None)

    async def _dial(
        self,
        asked: str,
        first: str,
        carry_out: CarryOut,
        operation: Operation,
        arguments: Mapping[str, Any],
        waited: asyncio.Future[None],
    ) -> Any:
        begun = await self._begin(asked, first, arguments)
        if not isinstance(begun, _Try):
            return begun
        if asked != first:  # a route, whose accounts take turns
            _TRY.set(begun)
        if waited.cancelled():  # nobody waits any more
            await self._end(begun, _ending(DialState.NOT_PLACED))
            raise _closed(DialState.NOT_PLACED)
        asking = arguments
        if "idempotency_key" in arguments:
            asking = {name: value for name, value in arguments.items() if name != "idempotency_key"}
        try:
            await self._hold(begun)
            answer = await carry_out(operation, asking)
        except GatewayError as error:
            error.dial_id = begun.dial_id
            await self._end(begun, _ending(error.dial_state, error=problem_text(error)))
            raise
        except asyncio.CancelledError:
            closed = seal(_closed(DialState.UNKNOWN), operation, begun.account)
            closed.dial_id = begun.dial_id
            await self._end(begun, _ending(DialState.UNKNOWN, error=problem_text(closed)))
            raise closed from None
        answer = attrs.evolve(answer, dial_id=begun.dial_id, call_id=answer.call_id and plain(answer.call_id))
        await self._end(begun, _ending(DialState.PLACED, call_id=answer.call_id, answer=_as_json(answer)))
        return answer

    async def _begin(self, asked: str, first: str, arguments: Mapping[str, Any]) -> "_Try | StartedCall":
        """A try that is in the journal; or the answer that the key's dial had, as it was or as it turned out."""
        from .journal import dials

        asking = ASKING.get() or Asking()
        key = arguments.get("idempotency_key")
        request = _canonical(arguments)
        intent = dials.Intent(
            dial_id=f"dl_{secrets.token_hex(12)}",
            account=first,
            asked=asked,
            caller=asking.caller,
            key=key,
            fingerprint=hashlib.sha256(request).hexdigest(),
            request=request.decode(),
            extension=arguments["extension"],
            number=arguments["number"],
            at=datetime.now(UTC),
            process=self._process,
        )
        started = time.monotonic()
        renewing = started - self._renewed_at >= dials.LIFE_SECONDS / 3
        try:
            kept, new = await self._write(
                functools.partial(dials.begin, intent=intent, lost=_lost_text(first), renewing=renewing)
            )
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED
            # It may be there all the same, when only the word that it is was lost.
            ending = _ending(DialState.NOT_PLACED, error=problem_text(error))
            now = datetime.now(UTC)
            self._write_later(functools.partial(dials.undo, intent=intent, ending=ending, now=now))
            raise
        if renewing:
            self._renewed_at = started
        if new:
            self._beat()
            return _Try(kept.dial_id, first, kept.sent_at, started)
        return self._answered_before(kept, intent, asking)

    def _answered_before(self, kept: "Kept", intent: Any, asking: Asking) -> StartedCall:
        if kept.fingerprint != intent.fingerprint:
            raise IdempotencyMismatch(
                "The idempotency key was used for another request: take a new key for a new call",
                fields={"idempotency_key": "belongs to another request"},
                dial_state=DialState.NOT_PLACED,
            )
        if kept.state == DialProgress.IN_PROGRESS:
            raise Conflict(
                "The dial of this idempotency key is under way: ask again later, with the same key",
                origin=Origin.GATEWAY,
                account=kept.account,
                dial_state=DialState.UNKNOWN,
                dial_id=kept.dial_id,
                retry_after=_AGAIN_SECONDS,
                retryable=True,  # with the same key it rings nobody
            )
        asking.replayed = True
        log.debug("dial.replayed", account=kept.account, dial_id=kept.dial_id, dial_state=kept.state)
        if kept.state == DialProgress.UNKNOWN:
            error = error_of(kept.error or {}) or lost_error(kept.account, kept.dial_id)
            error.account, error.operation = error.account or kept.account, DIAL
            error.dial_id, error.dial_state = kept.dial_id, DialState.UNKNOWN
            raise error
        if kept.answer is not None:
            return from_json(kept.answer, StartedCall)
        return StartedCall(
            account=kept.account,
            call_id=kept.call_id,
            extension=kept.extension,
            number=kept.number,
            requested_at=kept.sent_at,
            dial_id=kept.dial_id,
        )

    async def _hold(self, current: _Try) -> None:
        """Make sure, right before the vendor is asked, that others do not take this process for dead.

        Raises: GatewayError when they have: whoever asks again may have dialled.
        """
        from .journal import dials

        while time.monotonic() - current.seen_at >= dials.LIFE_SECONDS / 2:  # this process was stopped, or starved
            current.seen_at = time.monotonic()
            await self._write(functools.partial(dials.renew, process=self._process))
            await self._move(current, current.account)

    async def _move(self, current: _Try, account: str) -> None:
        """Raises: GatewayError when the journal does not know of it; what was tried before did not ring."""
        from .journal import dials

        try:
            moved = await self._write(
                functools.partial(
                    dials.move, dial_id=current.dial_id, sent_at=current.sent_at, account=account, now=datetime.now(UTC)
                )
            )
            if moved is None:
                raise GatewayError("The dial was given up before it was sent: dial again")
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED
            raise
        current.account, current.sent_at = account, moved

    async def _end(self, current: _Try, ending: "Ending") -> None:
        """Write the end; when that cannot be done now, later: the caller gets the vendor's answer all the same."""
        from .journal import dials

        work = functools.partial(
            dials.end, dial_id=current.dial_id, sent_at=current.sent_at, ending=ending, now=datetime.now(UTC)
        )
        try:
            await self._write(work)
        except GatewayError as error:
            log.error("dial.unwritten", account=current.account, dial_id=current.dial_id, **place_of(error))
            self._write_later(work)

    def _write_later(self, work: "Callable[[Connection], object]") -> None:
        async def until_written() -> None:
            pause = _AGAIN_SECONDS
            while True:
                await asyncio.sleep(pause)
                try:
                    await self._write(work)
                except GatewayError:
                    pause = min(2 * pause, _MOST_SECONDS)
                else:
                    return

        task = asyncio.create_task(until_written())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    # The process

    def _beat(self) -> None:
        if self._beating is None:
            self._beating = asyncio.create_task(self._keep_beating())

    async def _keep_beating(self) -> None:
        from .journal import dials

        while True:
            await asyncio.sleep(dials.LIFE_SECONDS / 3)
            if self._running or self._late:
                with contextlib.suppress(GatewayError):  # then others take over: they look, they do not dial
                    await self._write(functools.partial(dials.renew, process=self._process))

    async def _leave(self) -> None:
        from .journal import dials

        with contextlib.suppress(GatewayError):
            await self._write(functools.partial(dials.leave, process=self._process))

    async def _write(self, work: "Callable[[Connection], T]") -> T:
        return await (await self._journal()).store.write(work)

    async def _journal(self) -> "Journal":
        try:
            return await self._opening.get()
        except ConfigError as error:
            raise JournalError(f"The journal cannot be opened: {error}") from error


@attrs.frozen
class _Dialler:
    """Carries operations out, dials through the journal."""

    dialling: Dialling
    asked: str
    first: str
    carry_out: CarryOut

    def __call__(self, operation: Operation, arguments: Mapping[str, Any]) -> Awaitable[Any]:
        if operation.name != DIAL:
            return self.carry_out(operation, arguments)
        return self.dialling.dial(self.asked, self.first, self.carry_out, operation, arguments)


def lost_error(account: str | None, dial_id: str | None) -> OutcomeUnknown:
    """The error of a dial whose process ended before the vendor's answer was written."""
    return OutcomeUnknown(
        f"{_LOST}: {_LOOK}",
        account=account,
        operation=DIAL,
        origin=Origin.GATEWAY,
        dial_state=DialState.UNKNOWN,
        dial_id=dial_id,
    )


@functools.lru_cache
def _lost_text(account: str) -> str:
    return problem_text(lost_error(account, None))  # the dial that is lost may have another id than the one begun


def _closed(state: DialState) -> OutcomeUnknown | GatewayError:
    if state is DialState.NOT_PLACED:
        return GatewayError("Nobody waited for the call any more, so it was not placed", dial_state=state)
    return OutcomeUnknown(
        f"The gateway was closed while the vendor was asked: {_LOOK}", origin=Origin.GATEWAY, dial_state=state
    )


def _ending(
    state: DialState | None, *, call_id: str | None = None, answer: str | None = None, error: str | None = None
) -> "Ending":
    from .journal import dials

    state = state or DialState.UNKNOWN
    return dials.Ending(state=state.value, evidence="answer", call_id=call_id, answer=answer, error=error)


def _canonical(arguments: Mapping[str, Any]) -> bytes:
    """The request as JSON that does not depend on how it was written; *arguments* are checked."""
    named = {name: arguments.get(name, default) for name, default in _request_of()}
    # A mapping of its kind would be looked at value by value, and nearly all are plain.
    return dumps({name: one if isinstance(one, str | bool | None) else to_json(one) for name, one in named.items()})


@functools.cache
def _request_of() -> list[tuple[str, Any]]:
    """The arguments that make a request what it is, and their defaults."""
    from gateway_contracts import OPERATIONS

    found = [(each.name, each.default) for each in OPERATIONS[DIAL].parameters if each.name != "idempotency_key"]
    return sorted(found, key=lambda each: each[0])


def _as_json(answer: StartedCall) -> str:
    try:
        return dumps(to_json(answer, raw=True)).decode()
    except (TypeError, RecursionError):  # the vendor's own answer is no JSON
        return dumps(to_json(answer)).decode()


def problem_text(error: GatewayError) -> str:
    """*error* as the journal keeps it."""
    return dumps(error.as_problem()).decode()


def _dial_of(kept: "Kept") -> Dial:
    told = kept.error if kept.state != DialProgress.PLACED else None
    error = (
        DialError(
            code=told["code"], detail=told["detail"], retryable=told["retryable"], vendor_code=told.get("vendor_code")
        )
        if told
        else None
    )
    return Dial(
        dial_id=kept.dial_id,
        account=kept.account,
        asked=kept.asked,
        state=DialProgress(kept.state),
        extension=kept.extension,
        number=kept.number,
        call_id=kept.call_id,
        conversation_id=kept.conversation_id,
        requested_at=kept.sent_at,
        finished_at=kept.finished_at,
        evidence=kept.evidence,
        error=error,
    )
