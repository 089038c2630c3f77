"""Dials that applications ask about: what is known of one, and what a person says of it."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import attrs
from gateway_contracts import Conflict, GatewayError, InvalidRequest, Origin, Timeouts

from ..journal import dials
from ..journal.dials import FarEnds, StoredDial, StoredStatement
from ..logs import log
from ..models import Dial, DialProgress, NewStatement, StatedState
from ..texts import plain
from .errors import lost_text, no_dial
from .process import DiallingProcess
from .request_context import REQUEST_CONTEXT, RequestContext
from .views import dial_of

_LOOK_SECONDS = 10.0


@attrs.frozen(kw_only=True)
class DialLookup:
    """Finds the dials of one open gateway, whose accounts have these *timeouts* and speak to these PBXs (*far_ends*).

    *look* finds out about the unknown ones of an account, where it can.
    """

    _process: DiallingProcess
    _timeouts: Mapping[str, Timeouts]
    _far_ends: FarEnds
    _look: Callable[[str], Awaitable[None]] | None = None

    async def find(self, asked: str, dial_id: str) -> Dial:
        """The dial called *dial_id* of the account or route *asked*, as far as who asks may see it.

        Where the application itself asks, an unknown one is looked for once. Raises: NotFound, JournalError.
        """
        kept = await self._find(asked, dial_id)
        unsure = kept.state in (DialProgress.UNKNOWN, DialProgress.IN_PROGRESS)
        if unsure and REQUEST_CONTEXT.get() is None and self._look is not None:
            await self._look(kept.account)
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
        if kept.state == DialProgress.UNKNOWN and self._look is not None:
            with contextlib.suppress(GatewayError, TimeoutError):  # what is there to be seen is not overruled
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._look(kept.account)
        times = self._timeouts_of(kept.account)
        said = StoredStatement(
            state=new.state,
            note=new.note,
            caller=(REQUEST_CONTEXT.get() or RequestContext()).caller,
            stated_at=datetime.now(UTC),
        )
        found, refused, left = await self._process.write(
            functools.partial(
                dials.make_statement,
                dial_id=kept.dial_id,
                said=said,
                wait=timedelta(seconds=max(times.dial_wait, times.dial_start + dials.LIFE_SECONDS)),
                lost=lost_text(kept.account),
                far_ends=self._far_ends,
            )
        )
        if found is None:
            raise no_dial(asked, dial_id)
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
        tried, said = await (await self._process.journal()).store.read(
            functools.partial(dials.history, dial_id=kept.dial_id)
        )
        accounts = (REQUEST_CONTEXT.get() or RequestContext()).accounts
        if accounts is not None and kept.asked not in accounts:  # who may use a route sees what is done through it
            tried = [each for each in tried if each.account in accounts]
        return dial_of(kept, tried, said, elsewhere=dials.is_elsewhere(kept, self._far_ends))

    async def _find(self, asked: str, dial_id: str) -> StoredDial:
        context = REQUEST_CONTEXT.get() or RequestContext()
        store = (await self._process.journal()).store
        kept = await store.read(functools.partial(dials.read, dial_id=plain(dial_id)))
        if (
            kept is None
            or asked not in (kept.asked, kept.account)
            or not (context.sees_all or kept.caller == context.caller)
        ):
            raise no_dial(asked, dial_id)
        if kept.resolution is not None or kept.state == DialProgress.NOT_PLACED:  # an event may have come since
            hear = functools.partial(dials.hear, dial=kept, far_ends=self._far_ends, now=datetime.now(UTC))
            kept = await store.write(hear)
        return kept

    def _timeouts_of(self, account: str) -> Timeouts:
        return self._timeouts.get(account) or Timeouts()
