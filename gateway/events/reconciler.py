"""The reconciler: events that the vendor failed to send are recovered from its live calls and records.

Its watermark says: every call of the account that ended before it, and after the reconciler first looked, is in the
journal with its end. Why that is so:

- A pass reads all records of calls that *began* after some moment, since that is what all vendors can be asked, and the
  watermark goes no further than its beginning less `FILED_WITHIN` and `CLOCKS_APART`. So a record is there to be read,
  if the vendor files it within that time and its clock is not further from ours.
- Where the vendor shows its live calls, a call that ended after the last watermark either began after a look at them
  that is not after that watermark, or was seen in one, and so is an open conversation. A pass reads from
  the last such look, or the beginning of the oldest open conversation that is not live, whichever is earlier.
- Where it does not, only a deep pass moves the watermark. It reads from `LONGEST` before the last watermark: a longer
  call must have sent an event. Every vendor gets deep passes, in case its live calls are not complete.
- The watermark never passes the beginning of an open conversation that is not seen live. When its record does not
  come in time either, the conversation is ended, with an unknown outcome.
- It moves when all was read and written. Whatever fails leaves it where it is. A row of a record that cannot be read,
  or that the journal cannot take, is written into the quarantine instead, once however often it is read.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import attrs
from gateway_contracts import (
    OPERATIONS,
    Call,
    CallControl,
    CallRecord,
    Events,
    GatewayError,
    History,
    JournalError,
    Unsupported,
    to_json,
)
from gateway_contracts.backoff import delays

from ..accounts.account import AccountFacade
from ..journal.accounting import (
    OpenConversation,
    Recovered,
    give_up,
    open_conversations,
    over_at,
    take_live,
    take_records,
)
from ..journal.event_rows import MAX_BATCH
from ..journal.matching import LinkKey
from ..journal.opening import Journal
from ..journal.positions import read_positions, write_position
from ..logs import log, place_of
from ..skipped import body_of, digest_of, skipped_rows
from ..texts import cleaned

FIRST_LOOK = timedelta(days=1)
"""How far back the first pass of an account looks. It does not read years of history."""
FILED_WITHIN = timedelta(seconds=60)
"""How long after the end of a call its record is there. Younger ones are left to the events that are under way."""
CLOCKS_APART = timedelta(seconds=30)
"""How far the vendor's clock may be from ours."""
LONGEST = timedelta(hours=4)
"""The longest call without any event, for vendors that do not show their live calls."""
DEEP_EVERY = timedelta(minutes=15)
GRACE = timedelta(minutes=5)
"""How long a call may be neither live nor recorded before it is ended."""
SILENT_AFTER = timedelta(minutes=3)
"""How old a live call must be to show that the vendor's events do not come."""
WAITED = timedelta(hours=1)  # how long before a conversation's first event its record may say that it began
MAX_PAUSE_SECONDS = 600.0


@attrs.frozen(kw_only=True)
class Progress:
    """How far an account has been accounted for. Times are moments of our clock."""

    begun: datetime
    watermark: datetime | None = None
    looked: tuple[
        datetime, ...
    ] = ()  # when live calls were seen: the last time up to the watermark, and those after it
    deep_at: datetime | None = None
    missed: dict[str, datetime] = attrs.field(factory=dict)  # conversations that were no longer seen, and since when
    silent_since: datetime | None = None


def position_of(account: str) -> str:
    """The name under which the journal keeps the progress of *account*."""
    return f"watermark:{account}"


def can_reconcile(account: AccountFacade) -> bool:
    """Whether the vendor has live calls or records to compare events with."""
    return bool({CallControl, History}.intersection(account.interfaces))


def _now() -> datetime:
    return datetime.now(UTC)


@attrs.define(eq=False)
class Reconciler:
    """Reconciles one account, every *seconds*, and when it is woken. Only one may work on an account at a time.

    *last_event_at* gives when the last vendor event arrived, *sends_events* whether the vendor can send any. The
    reconciler calls *on_quarantine* with the number of rows that it put into quarantine.
    """

    account: AccountFacade
    journal: Journal
    seconds: float
    last_event_at: Callable[[], datetime | None] = lambda: None
    sends_events: Callable[[], bool] = lambda: True
    on_quarantine: Callable[[int], None] = lambda count: None
    now: Callable[[], datetime] = _now
    _woken: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Make a pass soon: events may have been missed."""
        self._woken.set()

    async def run(self) -> None:
        """Make passes until cancelled, the first one at once. After a failure the pause grows. Return if the account
        cannot be asked, such as one that has a reseller's secret only.
        """
        pauses: Iterator[float] | None = None  # after failures in a row
        while True:
            self._woken.clear()
            pause = self.seconds
            try:
                await self.make_pass()
                pauses = None
            except Unsupported as error:
                log.warning("reconciler.stopped", account=self.account.name, code=error.code, **place_of(error))
                return
            except Exception as error:  # noqa: BLE001 # no error may end this: later passes are still needed
                pauses = pauses or delays(2 * self.seconds, MAX_PAUSE_SECONDS)
                hint = error.retry_after if isinstance(error, GatewayError) else None
                pause = max(next(pauses), hint or 0.0)
                code = error.code if isinstance(error, GatewayError) else "internal_error"
                log.warning(
                    "reconciler.failed", account=self.account.name, code=code, retry_seconds=pause, **place_of(error)
                )
            await self._rest(pause * random.uniform(0.9, 1.1), failed=pauses is not None)  # noqa: S311 # not all at once

    async def _rest(self, seconds: float, *, failed: bool) -> None:
        if failed:  # the vendor asked for patience, so nothing wakes us
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def make_pass(self) -> Progress:
        """Compare once; return how far that came. Raises: what `list_calls` and `list_records` raise, JournalError."""
        name, started = self.account.name, self.now()
        progress = await self._progress(started)
        log_of = self.journal.log
        added, left, live = 0, None, await self._live(started)
        keys: list[LinkKey] = [(name, "call_id", call.call_id) for call in live or ()]
        silent_since = self._silence(live, started, progress.silent_since)
        if live:
            old = [call for call in live if call.started_at is None or started - call.started_at >= FILED_WITHIN]
            added += await log_of.deduce(partial(take_live, calls=old, now=started))
        before = await self._open(keys)
        deep = self._is_due(progress.deep_at, started)
        if History in self.account.interfaces:
            since = self._since(progress, before, started, live_known=live is not None, deep=deep)
            taken = await self._read_records(since, progress.begun, keys, started)
            added += taken.added
            left = taken.waiting
        gone = [each for each in await self._open(keys) if not each.live]
        missed = {
            each.conversation.conversation_id: progress.missed.get(each.conversation.conversation_id, started)
            for each in gone
        }
        lost = self._lost(gone, missed, started, live_known=live is not None)
        added += await log_of.deduce(partial(give_up, missed=lost.items(), now=started))
        watermark = progress.watermark
        if History in self.account.interfaces and (live is not None or deep):
            still = [each.conversation.begun_at for each in gone if each.conversation.conversation_id not in lost]
            reached = min([started - FILED_WITHIN - CLOCKS_APART, *still, *([left - CLOCKS_APART] if left else [])])
            watermark = max(filter(None, (watermark, reached)))
        progress = Progress(
            begun=progress.begun,
            watermark=watermark,
            looked=_looked((*progress.looked, started) if live is not None else (), watermark),
            deep_at=started if deep else progress.deep_at,
            missed={each: at for each, at in missed.items() if each not in lost},
            silent_since=silent_since,
        )
        await write_position(self.journal.store, position_of(name), progress)
        if added:
            log.info("reconciler.found", account=name, events=added)
        return progress

    async def _progress(self, now: datetime) -> Progress:
        name = position_of(self.account.name)
        found = await read_positions(self.journal.store, [name], Progress)
        return found.get(name) or Progress(begun=now - FIRST_LOOK, watermark=None)

    async def _live(self, now: datetime) -> list[Call] | None:
        """The live calls; None where the vendor does not show them."""
        if CallControl not in self.account.interfaces:
            return None
        calls: list[Call] = []
        async for page in self.account.pages(OPERATIONS["list_calls"], {}):
            calls += [cleaned(call, now) for call in page.items]
        return calls

    async def _open(self, live: Collection[LinkKey]) -> list[OpenConversation]:
        return await self.journal.store.read(partial(open_conversations, account=self.account.name, live=live))

    async def _read_records(
        self, since: datetime, begun: datetime, live: Collection[LinkKey], started: datetime
    ) -> Recovered:
        added, waiting = 0, []
        arguments: dict[str, Any] = {"since": since}
        async with contextlib.aclosing(self.account.pages(OPERATIONS["list_records"], arguments)) as pages:
            async for page in pages:
                await self._quarantine(skipped_rows(page), "unreadable_row", started)
                taken = await self._take(page.items, begun, live, started)
                added += taken.added
                waiting += [taken.waiting] if taken.waiting else []
        return Recovered(added, min(waiting, default=None))

    async def _take(
        self, records: Sequence[CallRecord], begun: datetime, live: Collection[LinkKey], started: datetime
    ) -> Recovered:
        """Take those of *records* that are old enough. One that the journal cannot take costs no other: it is put into
        quarantine.
        """
        try:
            known = [cleaned(each, started) for each in records]
            settled = [each for each in known if begun <= (over_at(each) or begun) <= started - FILED_WITHIN]
            if not settled:
                return Recovered(0, None)
            return await self.journal.log.deduce(partial(take_records, records=settled, live=live, now=started))
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 # any error here is about one of the records
            if len(records) == 1:
                (record,) = records
                log.warning("reconciler.refused", account=self.account.name, **place_of(error))
                row = to_json(record) if record.raw is None else record.raw
                await self._quarantine([row], f"refused_row:{type(error).__name__}", started)
                return Recovered(0, None)
        half = len(records) // 2
        parts = [await self._take(some, begun, live, started) for some in (records[:half], records[half:])]
        return Recovered(
            sum(each.added for each in parts), min(filter(None, (each.waiting for each in parts)), default=None)
        )

    async def _quarantine(self, rows: Sequence[Any], reason: str, now: datetime) -> None:
        """Keep *rows* of the vendor's for a person to look at. Raises: JournalError."""
        name = self.account.name
        for first in range(0, len(rows), MAX_BATCH):  # other writes have their turn
            some = {digest_of(name, row): body_of(row) for row in rows[first : first + MAX_BATCH]}
            new = await self.journal.quarantine_rows(some, account=name, reason=reason, at=now)
            if new:
                self.on_quarantine(new)
                log.warning("rows.quarantined", account=name, reason=reason, rows=new)

    @staticmethod
    def _is_due(deep_at: datetime | None, now: datetime) -> bool:
        return deep_at is None or now - deep_at >= DEEP_EVERY

    @staticmethod
    def _since(
        progress: Progress, before: list[OpenConversation], started: datetime, *, live_known: bool, deep: bool
    ) -> datetime:
        """From which beginning on records are read, on the vendor's clock. See the module's argument."""
        reached = progress.watermark or progress.begun
        if deep:
            since = reached - LONGEST
        elif not live_known:
            since = started - 2 * DEEP_EVERY  # healing most within a minute; the next deep pass misses nothing
        else:
            since = min([*progress.looked, reached])
        if live_known:
            # An event may say of its call that it began long ago, and then all records since would be read.
            begun = [
                max(each.begun_at, each.created_at - LONGEST)
                for each in (it.conversation for it in before if not it.live)
            ]
            since = min([since, *(at - WAITED for at in begun)])
        return since - CLOCKS_APART - FILED_WITHIN  # younger live calls were not taken into the journal

    @staticmethod
    def _lost(
        gone: list[OpenConversation], missed: dict[str, datetime], now: datetime, *, live_known: bool
    ) -> dict[str, datetime | None]:
        """Those of *gone* that are given up, and when they were no longer seen, if that is known."""
        if live_known:
            return {each: at for each, at in missed.items() if now - at >= GRACE}
        return {
            each.conversation.conversation_id: None
            for each in gone
            if now - each.conversation.begun_at >= LONGEST + GRACE
        }

    def _silence(self, live: list[Call] | None, now: datetime, since: datetime | None) -> datetime | None:
        """Since when live calls have had no events; warns when that begins."""
        if Events not in self.account.interfaces or not self.sends_events():
            return None
        last = self.last_event_at()
        silent = [
            call.started_at
            for call in live or ()
            if call.started_at is not None
            and now - call.started_at >= SILENT_AFTER
            and (last is None or last < call.started_at)
        ]
        if not silent:
            return None
        if since is None:
            log.warning(
                "events.silent",
                account=self.account.name,
                live=len(silent),
                hint="calls are live and no event came since they began: look at the vendor's hooks and public_url",
            )
        return since or min(silent)


def _looked(times: tuple[datetime, ...], watermark: datetime | None) -> tuple[datetime, ...]:
    """Those of *times* that are still needed: the last one up to the *watermark*, and those after it."""
    if watermark is None:
        return times[-1:]
    before = [each for each in times if each <= watermark]
    return (*before[-1:], *(each for each in times if each > watermark))
