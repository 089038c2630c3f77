"""Safe dialling: what was asked to ring is in the journal before a vendor hears of it, and so is how it ended."""

import asyncio
import contextlib
import functools
import hashlib
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import attrs
from gateway_contracts import (
    OPERATIONS,
    ConfigError,
    Conflict,
    DialState,
    GatewayError,
    IdempotencyMismatch,
    InvalidRequest,
    JournalError,
    NotFound,
    Operation,
    Origin,
    OutcomeUnknown,
    StartedCall,
    Timeouts,
    VendorTimeout,
    dumps,
    from_json,
    to_json,
)
from gateway_contracts.deadlines import Deadlines
from gateway_contracts.errors import error_of
from gateway_contracts.fence import FENCE
from sqlalchemy import Connection

from ..accounts.arguments import check_arguments
from ..accounts.binding import CarryOut
from ..accounts.guard import seal, told_of_key
from ..clocks import moment
from ..journal import dials
from ..journal.dials import Ending, FarEnds, StoredDial, StoredStatement, StoredTry
from ..journal.opening import Journal
from ..logs import log, place_of
from ..models import Dial, DialError, DialProgress, DialStatement, DialTry, NewStatement, Resolution, StatedState
from ..texts import plain
from .request_context import DIAL, REQUEST_CONTEXT, RequestContext

_AGAIN_SECONDS = 1.0
_MOST_SECONDS = 30.0
_LOOK_SECONDS = 10.0
_FRESH_SECONDS = 1.0  # after which this process may have been stopped between the journal and here
_LOST = "The process that asked the vendor has ended, and what the vendor answered is not known"
_LOOK = "the gateway looks for the call and the dial says when it has found out; do not dial again"
_LOOKING = "The gateway still looks for the call: ask again later"
_STATE_IT = "state it: POST /v1/accounts/{account}/dials/{dial_id}/statement"
_NOT_FOUND = (
    "The gateway has looked for the call and not found it, which does not prove that no phone rang. Ask the agent "
    f"whether it rang. If it did not, use a new idempotency key, or {_STATE_IT}"
)
_ELSEWHERE = (
    "The account no longer leads to the PBX that was asked (its vendor, address or identity was changed), so the "
    f"gateway cannot look for the call. Point the account back, or ask the agent what happened and {_STATE_IT}"
)

T = TypeVar("T")


class Opening(Protocol):
    """Gives the open journal. Raises: ConfigError."""

    async def get(self) -> Journal: ...


@attrs.define(eq=False)
class _Try:
    """One try of a dial, from its intent to its end. *asked_at* and *known_at* are by `moment`: when it was asked for,
    and when the journal last said that it is under way.
    """

    dial_id: str
    account: str
    tried_at: datetime
    asked_at: float
    known_at: float
    waited: bool = False  # something was awaited since
    refused: str | None = None  # by the account before

    def is_known(self, at: float) -> None:
        """The journal said *at* this moment that it is under way, and nothing is awaited from now on."""
        self.known_at, self.waited = at, False
        asyncio.get_running_loop().call_soon(self._wait)

    def _wait(self) -> None:
        self.waited = True


_TRY: ContextVar[_Try | None] = ContextVar("try", default=None)


class Dialling:
    """All dials of one open gateway, whose accounts have these *timeouts* and speak to these PBXs (*far_ends*).

    *look* finds out about the unknown ones of an account, where it can.
    """

    def __init__(self, opening: Opening, timeouts: Mapping[str, Timeouts], far_ends: FarEnds) -> None:
        self._opening = opening
        self._timeouts = timeouts
        self._far_ends = far_ends
        self._deadlines = Deadlines()
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
            if operation.name != DIAL or current is None:
                return await carry_out(operation, arguments)
            if current.account != account:
                await self._move(current, account)
                await self._pass(current)
            try:
                return await carry_out(operation, arguments)
            except GatewayError as error:
                current.refused = problem_text(error)
                raise

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
        if unsure and REQUEST_CONTEXT.get() is None and self.look is not None:
            await self.look(kept.account)
            kept = await self._find(asked, dial_id)
        return await self._told(kept)

    async def make_statement(self, asked: str, dial_id: str, *, state: str, note: str) -> Dial:
        """The dial called *dial_id* of the account or route *asked*, with a person's word on how it ended.

        *state* is `placed` or `not_placed`, which lets its idempotency key be used again; *note* says how it is known.

        Raises: InvalidRequest, NotFound, JournalError; Conflict while the vendor is asked, for `dial_wait` after that,
        and where evidence says how it ended.
        """
        if state not in list(StatedState):
            text = f"must be {' or '.join(StatedState)}"
            raise InvalidRequest(f"state {text}", account=asked, fields={"state": text})
        try:
            new = NewStatement(state=StatedState(state), note=note)
        except ValueError as error:
            raise InvalidRequest(f"note {error}", account=asked, fields={"note": str(error)}) from None
        kept = await self._find(asked, dial_id)
        if kept.state == DialProgress.UNKNOWN and self.look is not None:
            with contextlib.suppress(GatewayError, TimeoutError):  # what is there to be seen is not overruled
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self.look(kept.account)
        times = self._timeouts_of(kept.account)
        said = dials.StoredStatement(
            state=new.state,
            note=new.note,
            caller=(REQUEST_CONTEXT.get() or RequestContext()).caller,
            stated_at=datetime.now(UTC),
        )
        found, refused, left = await self._write(
            functools.partial(
                dials.make_statement,
                dial_id=kept.dial_id,
                said=said,
                wait=timedelta(seconds=max(times.dial_wait, times.dial_start + dials.LIFE_SECONDS)),
                lost=_lost_text(kept.account),
                far_ends=self._far_ends,
            )
        )
        if found is None:
            raise _no_dial(asked, dial_id)
        if refused is not None:
            raise Conflict(
                refused,
                origin=Origin.GATEWAY,
                account=asked,
                dial_id=found.dial_id,
                retry_after=left,
                retryable=left is not None,
            )
        log.warning("dial.stated", account=found.account, dial_id=found.dial_id, dial_state=new.state, key=said.caller)
        return await self._told(found)

    async def _told(self, kept: StoredDial) -> Dial:
        """*kept* with its history, as applications see it."""
        tried, said = await (await self._journal()).store.read(functools.partial(dials.history, dial_id=kept.dial_id))
        accounts = (REQUEST_CONTEXT.get() or RequestContext()).accounts
        if accounts is not None and kept.asked not in accounts:  # who may use a route sees what is done through it
            tried = [each for each in tried if each.account in accounts]
        return _dial_of(kept, tried, said, elsewhere=dials.is_elsewhere(kept, self._far_ends))

    async def _find(self, asked: str, dial_id: str) -> StoredDial:
        context = REQUEST_CONTEXT.get() or RequestContext()
        store = (await self._journal()).store
        kept = await store.read(functools.partial(dials.read, dial_id=plain(dial_id)))
        if (
            kept is None
            or asked not in (kept.asked, kept.account)
            or not (context.sees_all or kept.caller == context.caller)
        ):
            raise _no_dial(asked, dial_id)
        if kept.resolution is not None or kept.state == DialProgress.NOT_PLACED:  # an event may have come since
            hear = functools.partial(dials.hear, dial=kept, far_ends=self._far_ends, now=datetime.now(UTC))
            kept = await store.write(hear)
        return kept

    def _timeouts_of(self, account: str) -> Timeouts:
        return self._timeouts.get(account) or Timeouts()

    # One dial

    async def dial(
        self, asked: str, first: str, carry_out: CarryOut, operation: Operation, arguments: Mapping[str, Any]
    ) -> Any:
        """Dial once, or give the answer that this key's dial had. A cancelled caller does not stop what was sent."""
        context = REQUEST_CONTEXT.get() or RequestContext()
        at = moment() if context.at is None else context.at
        try:
            checked = check_arguments(operation, arguments)
            waited = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._dial(asked, first, carry_out, operation, checked, waited, context, at))
            self._running[task] = waited
            task.add_done_callback(self._forget)
            await waited  # which leaves the task alone when this is cancelled
            if task.cancelled():
                raise _closed(DialState.UNKNOWN)
            return task.result()
        except GatewayError as error:
            if error.operation is None or error.account is None:  # no guard has seen it
                seal(error, operation, asked)
                told_of_key(error, arguments)
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
        context: RequestContext,
        at: float,
    ) -> Any:
        begun = await self._begin(asked, first, arguments, context, at)
        if not isinstance(begun, _Try):
            return begun
        if asked != first:  # a route, whose accounts take turns
            _TRY.set(begun)
        FENCE.set(functools.partial(self._pass, begun))  # of this task, which dials once
        if waited.cancelled():  # the caller has gone
            await self._end(begun, _ending(DialState.NOT_PLACED))
            raise _closed(DialState.NOT_PLACED)
        given = arguments
        if "idempotency_key" in arguments:
            given = {name: value for name, value in arguments.items() if name != "idempotency_key"}
        try:
            await self._pass(begun)
            answer = await carry_out(operation, given)
        except GatewayError as error:
            error.dial_id = begun.dial_id
            await self._end(begun, _ending(error.dial_state, error=problem_text(error)))
            if error.dial_state is DialState.UNKNOWN:
                error.message = f"{error.message}. {_LOOKING}"
            raise
        except asyncio.CancelledError:
            closed = seal(_closed(DialState.UNKNOWN), operation, begun.account)
            closed.dial_id = begun.dial_id
            await self._end(begun, _ending(DialState.UNKNOWN, error=problem_text(closed)))
            raise closed from None
        answer = attrs.evolve(answer, dial_id=begun.dial_id, call_id=answer.call_id and plain(answer.call_id))
        await self._end(begun, _ending(DialState.PLACED, call_id=answer.call_id, answer=_as_json(answer)))
        return answer

    async def _begin(
        self, asked: str, first: str, arguments: Mapping[str, Any], context: RequestContext, at: float
    ) -> "_Try | StartedCall":
        """A try that is in the journal; or the answer that the key's dial had, as it was or as it turned out."""
        request = _canonical(arguments)
        intent = dials.Intent(
            dial_id=f"dl_{secrets.token_hex(12)}",
            account=first,
            asked=asked,
            caller=context.caller,
            key=arguments.get("idempotency_key"),
            fingerprint=hashlib.sha256(request).hexdigest(),
            request=request.decode(),
            extension=arguments["extension"],
            number=arguments["number"],
            at=datetime.now(UTC),
            process=self._process,
            far_end=self._far_ends.get(first),
        )
        started = time.monotonic()
        renewing = started - self._renewed_at >= dials.LIFE_SECONDS / 3
        written: list[StoredDial] = []  # the try that this began, as far as the journal was asked

        def begin(connection: Connection) -> tuple[StoredDial, bool, float]:
            kept, new = dials.begin(connection, intent, _lost_text(first), self._far_ends, renewing=renewing)
            written[:] = [kept] if new else []
            return kept, new, moment()

        try:
            kept, new, known_at = await self._begun(begin, self._timeouts_of(first).dial_start)
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED
            # It may be there all the same, when only the word that it is was lost.
            ending = _ending(DialState.NOT_PLACED, error=problem_text(error))
            self._write_later(functools.partial(dials.undo, written=written, ending=ending, now=datetime.now(UTC)))
            raise
        if renewing:
            self._renewed_at = started
        if new:
            self._beat()
            begun = _Try(kept.dial_id, first, kept.tried_at, at, known_at)
            begun.is_known(known_at)
            return begun
        return self._answered_before(kept, intent, context)

    async def _begun(
        self, begin: Callable[[Connection], tuple[StoredDial, bool, float]], seconds: float
    ) -> tuple[StoredDial, bool, float]:
        """What *begin* gives, if it is written in time. Raises: GatewayError."""
        try:
            with self._deadlines.after(seconds):
                return await self._write(begin)
        except TimeoutError:
            raise JournalError("The journal did not take the dial in time, so nothing was sent") from None

    def _answered_before(self, kept: StoredDial, intent: Any, context: RequestContext) -> StartedCall:
        if kept.fingerprint != intent.fingerprint:
            raise IdempotencyMismatch(
                "The idempotency key was used for another request: take a new key for a new call",
                fields={"idempotency_key": "belongs to another request"},
                dial_state=_state_of(kept),
                dial_id=kept.dial_id,
            )
        if kept.state == DialProgress.IN_PROGRESS:
            raise Conflict(
                "The dial of this idempotency key is under way: ask again later, with the same key",
                origin=Origin.GATEWAY,
                account=kept.account,
                dial_state=DialState.UNKNOWN,
                dial_id=kept.dial_id,
                retry_after=_AGAIN_SECONDS,
                retryable=True,  # with the same key it rings no phone
            )
        context.replayed = True
        log.debug("dial.replayed", account=kept.account, dial_id=kept.dial_id, dial_state=kept.state)
        if kept.state == DialProgress.UNKNOWN:
            error = error_of(kept.error or {}) or lost_error(kept.account, kept.dial_id)
            error.account, error.operation = error.account or kept.account, DIAL
            error.dial_id, error.dial_state, error.retryable = kept.dial_id, DialState.UNKNOWN, False
            if dials.is_elsewhere(kept, self._far_ends):
                error.message = f"{error.message}. {_ELSEWHERE.format(account=kept.asked, dial_id=kept.dial_id)}"
            elif kept.resolution is not None:
                error.message = f"{error.message}. {_NOT_FOUND.format(account=kept.asked, dial_id=kept.dial_id)}"
            else:
                error.message = f"{error.message}. {_LOOKING}"
            raise error
        if kept.answer is not None:
            return from_json(kept.answer, StartedCall)
        return StartedCall(
            account=kept.account,
            call_id=kept.call_id,
            extension=kept.extension,
            number=kept.number,
            requested_at=kept.tried_at,
            dial_id=kept.dial_id,
        )

    async def _pass(self, current: _Try) -> None:
        """Return when *current* may be sent, and the caller writes its bytes next. Raises: GatewayError."""

        def ask(connection: Connection) -> tuple[bool, float]:
            return dials.is_current(connection, current.dial_id, current.tried_at), moment()

        self._check_time(current)
        while current.waited or moment() - current.known_at > _FRESH_SECONDS:
            try:
                with self._deadlines.after(self._left(current)):
                    own, at = await (await self._journal()).store.read(ask)
            except TimeoutError:
                own, at = True, moment()  # and too late, which is said below
            except GatewayError as error:
                error.dial_state = DialState.NOT_PLACED
                raise
            current.is_known(at)
            if not own:
                raise _given_up()
            self._check_time(current)

    def _left(self, current: _Try) -> float:
        return current.asked_at + self._timeouts_of(current.account).dial_start - moment()

    def _check_time(self, current: _Try) -> None:
        if self._left(current) <= 0:
            most = self._timeouts_of(current.account).dial_start
            raise VendorTimeout(
                f"Nothing was sent: the dial could not be sent within {most:g} s (timeouts.dial_start) of being asked "
                "for. Ask again, if it is still wanted",
                origin=Origin.GATEWAY,
                dial_state=DialState.NOT_PLACED,
            )

    async def _move(self, current: _Try, account: str) -> None:
        """Raises: GatewayError when the journal does not know of it; what was tried before did not ring."""
        now = datetime.now(UTC)
        move = functools.partial(
            dials.move,
            dial_id=current.dial_id,
            tried_at=current.tried_at,
            account=account,
            now=now,
            far_end=self._far_ends.get(account),
            refused=current.refused,
        )
        try:
            moved = await self._write(move)
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED
            # It may have moved all the same, when only the word that it has was lost: then that try ends too.
            ending, tried_at = (
                _ending(DialState.NOT_PLACED, error=problem_text(error)),
                dials.later(now, current.tried_at),
            )
            self._write_later(
                functools.partial(dials.end, dial_id=current.dial_id, tried_at=tried_at, ending=ending, now=now)
            )
            raise
        if moved is None:
            raise _given_up()
        current.account, current.tried_at, current.refused, current.waited = account, moved, None, True

    async def _end(self, current: _Try, ending: Ending) -> None:
        """Write the end; when that cannot be done now, later: the caller gets the vendor's answer all the same."""
        work = functools.partial(
            dials.end, dial_id=current.dial_id, tried_at=current.tried_at, ending=ending, now=datetime.now(UTC)
        )
        try:
            await self._write(work)
        except GatewayError as error:
            log.error("dial.unwritten", account=current.account, dial_id=current.dial_id, **place_of(error))
            self._write_later(work)

    def _write_later(self, work: Callable[[Connection], object]) -> None:
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
        while True:
            await asyncio.sleep(dials.LIFE_SECONDS / 3)
            if self._running or self._late:
                with contextlib.suppress(GatewayError):  # then others take over: they look, they do not dial
                    await self._write(functools.partial(dials.renew, process=self._process))

    async def _leave(self) -> None:
        with contextlib.suppress(GatewayError):
            await self._write(functools.partial(dials.leave, process=self._process))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await (await self._journal()).store.write(work)

    async def _journal(self) -> Journal:
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


def _given_up() -> Conflict:
    return Conflict(
        "Another process took this one for dead, and gave the dial up before it was sent. Nothing was sent: ask again",
        origin=Origin.GATEWAY,
        dial_state=DialState.NOT_PLACED,
        retryable=True,
    )


def _no_dial(asked: str, dial_id: str) -> NotFound:
    return NotFound(f"There is no dial {dial_id!r} of {asked} that you may see", account=asked)


def _state_of(kept: StoredDial) -> DialState:
    """What is known of whether *kept* rang."""
    return DialState(kept.state) if kept.state in list(DialState) else DialState.UNKNOWN


def _closed(state: DialState) -> OutcomeUnknown | GatewayError:
    if state is DialState.NOT_PLACED:
        return GatewayError("Nobody waited for the call any more, so it was not placed", dial_state=state)
    return OutcomeUnknown(
        f"The gateway was closed while the vendor was asked: {_LOOK}", origin=Origin.GATEWAY, dial_state=state
    )


def _ending(
    state: DialState | None, *, call_id: str | None = None, answer: str | None = None, error: str | None = None
) -> Ending:
    state = state or DialState.UNKNOWN
    return dials.Ending(state=state.value, evidence="answer", call_id=call_id, answer=answer, error=error)


def _canonical(arguments: Mapping[str, Any]) -> bytes:
    """The request as JSON that does not depend on how it was written; *arguments* are checked."""
    named = {
        name: value
        for name, default in _request_of()
        if (value := arguments.get(name, default)) != default or name in _ALWAYS_IN_REQUESTS
    }
    # A mapping of its kind would be looked at value by value, and nearly all are plain.
    return dumps({name: one if isinstance(one, str | bool | None) else to_json(one) for name, one in named.items()})


# An argument that came later is left out where it says nothing: the requests of before stay what they were.
_ALWAYS_IN_REQUESTS = frozenset(
    {
        "extension",
        "number",
        "wait",
        "auto_answer",
        "caller_id_name",
        "caller_id_number",
        "callee_id_name",
        "callee_id_number",
        "hotline",
        "customer_id",
    }
)


@functools.cache
def _request_of() -> list[tuple[str, Any]]:
    """The arguments that make a request what it is, and their defaults."""
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


def _dial_of(kept: StoredDial, tried: Sequence[StoredTry], said: Sequence[StoredStatement], *, elsewhere: bool) -> Dial:
    return Dial(
        dial_id=kept.dial_id,
        account=kept.account,
        asked=kept.asked,
        state=DialProgress(kept.state),
        extension=kept.extension,
        number=kept.number,
        call_id=kept.call_id,
        conversation_id=kept.conversation_id,
        requested_at=kept.tried_at,
        finished_at=kept.finished_at,
        evidence=kept.evidence,
        error=_error_of(kept),
        resolution=_resolution_of(kept),
        elsewhere=elsewhere and kept.state == DialProgress.UNKNOWN,
        tries=tuple(
            DialTry(
                account=each.account,
                state=DialProgress(each.state),
                requested_at=each.tried_at,
                finished_at=each.finished_at,
                call_id=each.call_id,
                evidence=each.evidence,
                resolution=Resolution(each.resolution) if each.resolution else None,  # none of them is looked for
                error=_error_of(each),
            )
            for each in tried
        ),
        statements=tuple(
            DialStatement(state=StatedState(each.state), note=each.note, key=each.caller, stated_at=each.stated_at)
            for each in said
        ),
    )


def _error_of(kept: StoredDial | StoredTry) -> DialError | None:
    told = kept.error if kept.state != DialProgress.PLACED and kept.evidence != "statement" else None
    if not told:
        return None
    return DialError(
        code=told["code"], detail=told["detail"], retryable=told["retryable"], vendor_code=told.get("vendor_code")
    )


def _resolution_of(kept: StoredDial) -> Resolution | None:
    if kept.resolution is not None:
        return Resolution(kept.resolution)
    return Resolution.LOOKING if kept.state == DialProgress.UNKNOWN else None
