"""Safe dialling: what was asked to ring is in the journal before a vendor hears of it, and so is how it ended."""

import asyncio
import contextlib
import functools
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import attrs
from gateway_contracts import (
    DialState,
    GatewayError,
    JournalError,
    Operation,
    StartedCall,
    Timeouts,
)
from gateway_contracts.deadlines import Deadlines
from gateway_contracts.fence import FENCE
from sqlalchemy import Connection

from ..accounts.arguments import Checked, check_arguments
from ..accounts.binding import CarryOut
from ..accounts.guard import seal, told_of_key
from ..clocks import moment
from ..journal import dials
from ..journal.dials import Ending, FarEnds, StoredDial
from ..logs import log, place_of
from ..texts import plain
from .errors import gateway_closed, given_up, lost_text, problem_text, sent_too_late
from .fingerprints import canonical_request
from .process import DiallingProcess, Opening
from .request_context import DIAL, REQUEST_CONTEXT, RequestContext
from .views import LOOKING, call_as_json, replayed

_FRESH_SECONDS = 1.0  # after which this process may have been stopped between the journal and here


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
    """All dials of one open gateway, whose accounts have these *timeouts* and speak to these PBXs (*far_ends*)."""

    def __init__(self, opening: Opening, timeouts: Mapping[str, Timeouts], far_ends: FarEnds) -> None:
        self._timeouts = timeouts
        self._far_ends = far_ends
        self._deadlines = Deadlines()
        self._running: dict[asyncio.Task[Any], asyncio.Future[None]] = {}  # and who waits for it
        self.process = DiallingProcess(opening, lambda: bool(self._running))

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
        async with self.process.living():
            try:
                yield
            finally:
                for task in tuple(self._running):
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

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
                raise gateway_closed(DialState.UNKNOWN)
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
        arguments: Checked,
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
            raise gateway_closed(DialState.NOT_PLACED)
        given = arguments.without("idempotency_key")  # which the journal keeps
        try:
            await self._pass(begun)
            answer = await carry_out(operation, given)
        except GatewayError as error:
            error.dial_id = begun.dial_id
            await self._end(begun, _ending(error.dial_state, error=problem_text(error)))
            if error.dial_state is DialState.UNKNOWN:
                error.message = f"{error.message}. {LOOKING}"
            raise
        except asyncio.CancelledError:
            closed = seal(gateway_closed(DialState.UNKNOWN), operation, begun.account)
            closed.dial_id = begun.dial_id
            await self._end(begun, _ending(DialState.UNKNOWN, error=problem_text(closed)))
            raise closed from None
        answer = attrs.evolve(answer, dial_id=begun.dial_id, call_id=answer.call_id and plain(answer.call_id))
        await self._end(begun, _ending(DialState.PLACED, call_id=answer.call_id, answer=call_as_json(answer)))
        return answer

    async def _begin(
        self, asked: str, first: str, arguments: Mapping[str, Any], context: RequestContext, at: float
    ) -> "_Try | StartedCall":
        """A try that is in the journal; or the answer that the key's dial had, as it was or as it turned out."""
        request = canonical_request(arguments)
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
            process=self.process.name,
            far_end=self._far_ends.get(first),
        )
        started, renewing = time.monotonic(), self.process.renewal_is_due
        written: list[StoredDial] = []  # the try that this began, as far as the journal was asked

        def begin(connection: Connection) -> tuple[StoredDial, bool, float]:
            kept, new = dials.begin(connection, intent, lost_text(first), self._far_ends, renewing=renewing)
            written[:] = [kept] if new else []
            return kept, new, moment()

        try:
            kept, new, known_at = await self._begun(begin, self._timeouts_of(first).dial_start)
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED
            # It may be there all the same, when only the word that it is was lost.
            ending = _ending(DialState.NOT_PLACED, error=problem_text(error))
            self.process.write_later(
                functools.partial(dials.undo, written=written, ending=ending, now=datetime.now(UTC))
            )
            raise
        if renewing:
            self.process.renewed(started)
        if new:
            self.process.beat()
            begun = _Try(kept.dial_id, first, kept.tried_at, at, known_at)
            begun.is_known(known_at)
            return begun
        elsewhere = dials.is_elsewhere(kept, self._far_ends)
        return replayed(kept, intent.fingerprint, context, elsewhere=elsewhere)

    async def _begun(
        self, begin: Callable[[Connection], tuple[StoredDial, bool, float]], seconds: float
    ) -> tuple[StoredDial, bool, float]:
        """What *begin* gives, if it is written in time. Raises: GatewayError."""
        try:
            with self._deadlines.after(seconds):
                return await self.process.write(begin)
        except TimeoutError:
            raise JournalError("The journal did not take the dial in time, so nothing was sent") from None

    async def _pass(self, current: _Try) -> None:
        """Return when *current* may be sent, and the caller writes its bytes next. Raises: GatewayError."""

        def ask(connection: Connection) -> tuple[bool, float]:
            return dials.is_current(connection, current.dial_id, current.tried_at), moment()

        self._check_time(current)
        while current.waited or moment() - current.known_at > _FRESH_SECONDS:
            try:
                with self._deadlines.after(self._left(current)):
                    own, at = await (await self.process.journal()).store.read(ask)
            except TimeoutError:
                own, at = True, moment()  # and too late, which is said below
            except GatewayError as error:
                error.dial_state = DialState.NOT_PLACED
                raise
            current.is_known(at)
            if not own:
                raise given_up()
            self._check_time(current)

    def _left(self, current: _Try) -> float:
        return current.asked_at + self._timeouts_of(current.account).dial_start - moment()

    def _check_time(self, current: _Try) -> None:
        if self._left(current) <= 0:
            raise sent_too_late(self._timeouts_of(current.account).dial_start)

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
            moved = await self.process.write(move)
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED
            # It may have moved all the same, when only the word that it has was lost: then that try ends too.
            ending, tried_at = (
                _ending(DialState.NOT_PLACED, error=problem_text(error)),
                dials.later(now, current.tried_at),
            )
            self.process.write_later(
                functools.partial(dials.end, dial_id=current.dial_id, tried_at=tried_at, ending=ending, now=now)
            )
            raise
        if moved is None:
            raise given_up()
        current.account, current.tried_at, current.refused, current.waited = account, moved, None, True

    async def _end(self, current: _Try, ending: Ending) -> None:
        """Write the end; when that cannot be done now, later: the caller gets the vendor's answer all the same."""
        work = functools.partial(
            dials.end, dial_id=current.dial_id, tried_at=current.tried_at, ending=ending, now=datetime.now(UTC)
        )
        try:
            await self.process.write(work)
        except GatewayError as error:
            log.error("dial.unwritten", account=current.account, dial_id=current.dial_id, **place_of(error))
            self.process.write_later(work)

    def _timeouts_of(self, account: str) -> Timeouts:
        return self._timeouts.get(account) or Timeouts()


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


def _ending(
    state: DialState | None, *, call_id: str | None = None, answer: str | None = None, error: str | None = None
) -> Ending:
    state = state or DialState.UNKNOWN
    return dials.Ending(state=state.value, evidence="answer", call_id=call_id, answer=answer, error=error)
