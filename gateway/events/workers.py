"""The workers of a sidecar: they listen to vendors, keep hooks, reconcile and remove old rows.

Of several sidecars on one journal, one does each piece of work; another takes over when its lease ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import attrs
from gateway_contracts import CallEvent, Events, EventSource, GatewayError, JournalError
from sqlalchemy import Connection, select

from ..accounts.account import AccountFacade
from ..accounts.hook_addresses import hook_url
from ..config import Config
from ..journal.event_rows import event_of
from ..journal.leases import while_held
from ..journal.opening import Journal
from ..journal.positions import read_positions
from ..journal.retention import prune
from ..journal.schema import events
from ..logs import log, place_of
from ..metrics import Metrics
from ..models import IntakeState, IntakeStatus
from .hook_sync import HookSync
from .listener import Listener, is_gap
from .reconciler import Progress, Reconciler, can_reconcile, position_of

RETENTION_SECONDS = 3600.0
INTAKE_SECONDS = 0.25
"""How long the metrics wait for the journal before they show its last values."""
_AGAIN_SECONDS = 5.0
_LATELY = 50_000  # events that are looked through for the last one of an account
_NEWEST = 20

Work = Callable[[], Awaitable[None]]


@attrs.define(eq=False)
class Workers:
    """The workers for *accounts*, whose hook addresses hold *tokens*."""

    accounts: Sequence[AccountFacade]
    config: Config
    journal: Journal
    tokens: Mapping[str, str] = attrs.field(repr=False)
    metrics: Metrics = attrs.field(factory=Metrics, repr=False)
    _last: dict[str, datetime] = attrs.field(factory=dict, init=False)  # when the last vendor event arrived
    _not_listened: set[str] = attrs.field(factory=set, init=False)  # accounts whose configuration lacks something
    _gaps: dict[str, datetime] = attrs.field(factory=dict, init=False)  # the end of the last gap
    _told: Mapping[str, IntakeStatus] | None = attrs.field(default=None, init=False)
    _asking: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    def works(self) -> Iterator[tuple[str, Work]]:
        """Each piece of work with the name of its lease. Add new work here."""
        for account in self.accounts:
            watched = account.vendor is not None and (Events in account.interfaces or self._reconciled(account))
            if watched:
                yield f"account:{account.name}", partial(self._watch, account)
        yield "retention", self._retain

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do all the work until the context ends. Raises: JournalError."""
        with self.journal.log.listening(self._note):
            self._note(await self.journal.store.read(self._newest))
            tasks = [asyncio.create_task(self._do(name, work), name=name) for name, work in self.works()]
            try:
                yield
            finally:
                if self._asking is not None:
                    tasks.append(self._asking)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def intake(self) -> dict[str, IntakeStatus]:
        """How each account's events come in. Raises: JournalError."""
        await self.journal.log.catch_up()
        names = {position_of(account.name): account.name for account in self.accounts}
        found = await read_positions(self.journal.store, list(names), Progress)
        by_account = {names[name]: progress for name, progress in found.items()}
        return {
            account.name: self._intake_of(account, by_account.get(account.name))
            for account in self.accounts
            if account.vendor is not None
        }

    async def last_intake(self) -> Mapping[str, IntakeStatus] | None:
        """The last intake status that the journal gave, or None if it gave none yet. It does not wait for a stalled
        journal.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await asyncio.wait([self._asking], timeout=INTAKE_SECONDS)
        if self._asking.done():
            self._asking.result()
        return self._told

    async def _ask(self) -> None:
        with contextlib.suppress(JournalError):
            self._told = await self.intake()

    def _intake_of(self, account: AccountFacade, progress: Progress | None) -> IntakeStatus:
        watermark = progress.watermark if progress and self._reconciled(account) else None
        gap = self._gaps.get(account.name)
        if Events not in account.interfaces or account.name in self._not_listened:
            state = IntakeState.OFF
        elif progress and progress.silent_since and self._reconciled(account):
            state = IntakeState.SILENT
        elif gap is not None and (watermark is None or watermark < gap):
            state = IntakeState.GAP
        else:
            state = IntakeState.OK
        return IntakeStatus(state=state, last_event_at=self._last.get(account.name), watermark=watermark)

    # The work

    async def _do(self, name: str, work: Work) -> None:
        while True:
            try:
                await while_held(self.journal.store, name, work)
            except Exception as error:  # noqa: BLE001 # no error may end this: the work is still to be done
                code = error.code if isinstance(error, GatewayError) else "internal_error"
                log.error("background.failed", work=name, code=code, **place_of(error))
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _watch(self, account: AccountFacade) -> None:
        """Watch one account: listen to its events, keep its hooks, and reconcile it."""
        name, config = account.name, self.config.accounts[account.name]
        async with asyncio.TaskGroup() as group:
            on_gap: Callable[[], None] = lambda: None  # noqa: E731 # there is no reconciler to wake
            if self._reconciled(account):
                reconciler = Reconciler(
                    account,
                    self.journal,
                    config.reconcile_seconds,
                    last_event_at=lambda: self._last.get(name),
                    sends_events=lambda: name not in self._not_listened,
                    on_quarantine=partial(self._count_quarantined, name),
                )
                on_gap = reconciler.wake
                group.create_task(reconciler.run())
            group.create_task(self._listen(Listener(account, self.journal.log, on_gap)))
            public = self.config.proxy.public_url
            if public is not None and name in self.tokens:
                url = hook_url(public, name, self.tokens[name])
                group.create_task(HookSync(account, url, hook_url(public, name, ""), config.hook_key).run())

    async def _listen(self, listener: Listener) -> None:
        self._not_listened.discard(listener.account.name)
        if not await listener.run():
            self._not_listened.add(listener.account.name)

    def _count_quarantined(self, name: str, count: int) -> None:
        self.metrics.quarantined[(name,)] += count

    def _reconciled(self, account: AccountFacade) -> bool:
        config = self.config.accounts.get(account.name)
        return config is not None and config.reconcile_seconds > 0 and can_reconcile(account)

    async def _retain(self) -> None:
        """Remove rows that are older than the configured days, every hour."""
        while True:
            try:
                before = datetime.now(UTC) - timedelta(days=self.config.journal.retention_days)
                removed = await prune(self.journal.store, before)
            except GatewayError as error:
                log.warning("retention.failed", code=error.code)
            else:
                log.info("retention.done", rows=removed)
            await asyncio.sleep(RETENTION_SECONDS)

    # Events

    def _note(self, page: Sequence[CallEvent]) -> None:
        for event in page:
            if is_gap(event):
                self._gaps[event.account] = event.received_at
            elif event.source is EventSource.VENDOR:
                before = self._last.get(event.account, event.received_at)
                self._last[event.account] = max(event.received_at, before)

    def _newest(self, connection: Connection) -> list[CallEvent]:
        """The last few recent events of each account."""
        found: list[CallEvent] = []
        for account in self.accounts:
            query = select(events.c.body, events.c.raw).where(
                events.c.account == account.name, events.c.seq > self.journal.log.head - _LATELY
            )
            rows = connection.execute(query.order_by(events.c.seq.desc()).limit(_NEWEST)).mappings()
            found += reversed([event_of(row) for row in rows])
        return found
