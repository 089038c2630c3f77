"""The listener: events from a vendor's event socket are written into the journal, as those of webhooks are."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import cast

import attrs
from gateway_contracts import CallEvent, Events, EventType, GatewayError, InvalidRequest, JournalError, Unsupported
from gateway_contracts.backoff import delays

from ..accounts.account import AccountFacade
from ..journal.log import EventLog
from ..logs import log, place_of

MAX_PAUSE_SECONDS = 60.0


@attrs.frozen(eq=False)
class Listener:
    """Writes the events that the adapter of *account* receives into *log*. It calls *on_gap* when events may have been
    missed. *pauses* begins the seconds to wait after failures in a row.
    """

    account: AccountFacade
    log: EventLog
    on_gap: Callable[[], None] = lambda: None
    pauses: Callable[[], Iterator[float]] = functools.partial(delays, 1.0, MAX_PAUSE_SECONDS)

    async def run(self) -> bool:
        """Listen until cancelled. The adapter connects and reconnects; when it fails, the listener starts it again,
        after a growing pause. Return True at once if the vendor has no event socket, False if a setting is missing.
        """
        if Events not in self.account.interfaces:
            return True
        pauses = self.pauses()
        while True:
            code = "ended"
            try:
                events = cast("AsyncGenerator[CallEvent, None]", self.account.events.follow_events())
                async with contextlib.aclosing(events):
                    async for event in events:
                        await self._keep(event)
                        pauses = self.pauses()
            except Unsupported:
                return True
            except InvalidRequest as error:  # which only another configuration changes
                log.warning("listener.off", account=self.account.name, reason=error.message)
                return False
            except Exception as error:  # noqa: BLE001 # no error may end this: later events are still wanted
                code = error.code if isinstance(error, GatewayError) else "plugin_failed"
                log.warning("listener.failed", account=self.account.name, code=code, **place_of(error))
            self.on_gap()  # the adapter begins anew and does not know what it missed
            await asyncio.sleep(next(pauses))

    async def _keep(self, event: CallEvent) -> None:
        """Write *event*, again and again until that succeeds: the vendor does not send it again. Meanwhile the
        adapter keeps the events that arrive.
        """
        pauses = self.pauses()
        while True:
            try:
                kept = await self.log.append([event])
                break
            except JournalError:
                await asyncio.sleep(next(pauses))
        if any(map(is_gap, kept)):
            self.on_gap()


def is_gap(event: CallEvent) -> bool:
    """Whether *event* says that the event socket was broken for a time."""
    return event.type is EventType.UNKNOWN and isinstance(event.raw, dict) and "gap" in event.raw
