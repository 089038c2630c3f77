"""The deliverer: sends events to subscriptions, signed, at least once, and in order for each conversation.

Of several sidecars on one journal, one delivers; another takes over when its lease ends. All its state is in the
journal, so it can stop at any moment.
"""

import asyncio
import contextlib
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import attrs
from gateway_contracts import JournalError, dumps, loads

from ..journal import deliveries, leases, subscriptions
from ..journal.deliveries import DeliveryOutcome, Due, Planned
from ..journal.opening import Journal
from ..journal.reading import EventSelection
from ..journal.schema import to_micros
from ..journal.subscriptions import StoredSubscription
from ..keys import Keyring
from ..logs import log, place_of
from ..metrics import Metrics
from ..models import DeliveryState, SubscriptionState
from .destinations import Destinations, SendResult
from .signatures import signed

SCHEDULE = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long each attempt waits after the one before, as Standard Webhooks recommends."""
MAX_RETRY_AFTER = timedelta(hours=24)
AT_ONCE = 8
"""How many messages may be on their way to one subscription at once, each of another conversation."""
LEASE = timedelta(seconds=30)
_LEASE_NAME = "deliveries"
_AGAIN = timedelta(seconds=5)  # after trouble with the journal
_PAGE = 500


class Clock(Protocol):
    """The time that the schedule uses; tests have one of their own."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""

    async def wait(self, event: asyncio.Event, until: datetime) -> None:
        """Wait until *event* is set or it is *until*."""


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, until: datetime) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max((until - self.now()).total_seconds(), 0)):
                await event.wait()


def _jitter() -> float:
    return random.uniform(1.0, 1.1)  # noqa: S311 # so that not all come back at the same moment


@attrs.define(eq=False)
class Deliverer:
    """Delivers the events of *journal* while `running` is open. *keyring* says what each key may read now."""

    journal: Journal
    keyring: Keyring
    destinations: Destinations
    clock: Clock = attrs.field(factory=SystemClock)
    jitter: Callable[[], float] = _jitter
    metrics: Metrics = attrs.field(factory=Metrics)
    _holder: str = attrs.field(factory=lambda: secrets.token_hex(8), init=False)
    _renew_at: datetime | None = attrs.field(default=None, init=False)
    _holds: bool = attrs.field(default=False, init=False)
    _woken: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _under_way: dict[str, asyncio.Task[None]] = attrs.field(factory=dict, init=False)
    _listening: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack, init=False)
    _listens: bool = attrs.field(default=False, init=False)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver until the context ends. Attempts that are under way then are cancelled, and made again later."""
        async with self.destinations:
            task = asyncio.create_task(self._run())
            try:
                yield
            finally:
                tasks = [task, *self._under_way.values()]
                for each in tasks:
                    each.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._listening.close()
                with contextlib.suppress(JournalError):
                    await self.journal.store.write(partial(leases.give_up, name=_LEASE_NAME, holder=self._holder))

    def wake(self) -> None:
        """A subscription or its deliveries have changed."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                until = await self._step()
            except JournalError:
                until = self.clock.now() + _AGAIN  # the store reports it
            except Exception as error:  # noqa: BLE001 # a fault of ours must not end all deliveries
                log.error("deliveries.failed", **place_of(error))
                until = self.clock.now() + _AGAIN
            await self.clock.wait(self._woken, until)

    async def _step(self) -> datetime:
        """Plan and start the deliveries that are due; return when the next ones are."""
        now = self.clock.now()
        renew_at = await self._lease(now)
        found = await self.journal.store.read(subscriptions.active) if self._holds else []
        active = {each.subscription.subscription_id: each for each in await self._entitled(found, now)}
        self._listen(bool(active))
        if not active:
            return renew_at
        await self._plan(list(active.values()), now)
        under_way = Counter(task.get_name() for task in self._under_way.values())
        # What is under way is still due, too.
        room = {each: AT_ONCE + under_way[each] for each in active if under_way[each] < AT_ONCE}
        before = set(self._under_way)  # one that ends meanwhile is due in what is read, and no longer
        due, nearest = await self.journal.store.read(partial(deliveries.due, now=now, room=room))
        for each in due:
            if each.delivery_id not in before and under_way[each.subscription_id] < AT_ONCE:
                under_way[each.subscription_id] += 1
                self._start(active[each.subscription_id], each)
        return min(filter(None, (renew_at, nearest)))

    async def _lease(self, now: datetime) -> datetime:
        if self._renew_at is None or now >= self._renew_at:
            self._holds = False
            until = to_micros(now + LEASE)
            take = partial(leases.take, name=_LEASE_NAME, holder=self._holder, now=to_micros(now), until=until)
            self._holds = await self.journal.store.write(take)
            self._renew_at = now + LEASE / 3
        return self._renew_at

    def _listen(self, wanted: bool) -> None:
        if wanted and not self._listens:
            self._listening.enter_context(self.journal.log.listening(lambda _: self._woken.set()))
        elif not wanted:
            self._listening.close()
        self._listens = wanted

    async def _entitled(self, found: Sequence[StoredSubscription], now: datetime) -> list[StoredSubscription]:
        """Those of *found* whose key may still read events; the others are disabled."""
        entitled = []
        for kept in found:
            client = self.keyring.named(kept.subscription.key)
            if client is not None and "events" in client.scopes:
                entitled.append(kept)
                continue
            identity = kept.subscription.subscription_id
            values = {"state": SubscriptionState.DISABLED, "reason": "key", "updated_at": to_micros(now)}
            change = partial(subscriptions.change, subscription_id=identity, values=values)
            await self.journal.store.write(change)
            log.warning("subscription.disabled", subscription=identity, reason="key")
        return entitled

    async def _plan(self, active: Sequence[StoredSubscription], now: datetime) -> None:
        """Make deliveries of the next events, a page of them at most."""
        start = min(each.subscription.after for each in active)
        if start >= self.journal.log.head:
            return
        page, reached = await self.journal.log.after(start, EventSelection(), limit=_PAGE, raw=False)
        planned = []
        for each in active:
            one = each.subscription
            if one.after < reached:
                selection = selection_of(each, self.keyring)
                events = [event for event in page if (event.seq or 0) > one.after and selection.fits(event)]
                planned.append(Planned(subscription_id=one.subscription_id, events=events, reached=reached))
        await self.journal.store.write(partial(deliveries.plan, planned=planned, now=now))
        if reached < self.journal.log.head:
            self._woken.set()

    def _start(self, kept: StoredSubscription, due: Due) -> None:
        task = asyncio.create_task(self._deliver(kept, due), name=due.subscription_id)
        self._under_way[due.delivery_id] = task

        def over(_: asyncio.Task[None]) -> None:
            del self._under_way[due.delivery_id]
            self._woken.set()

        task.add_done_callback(over)

    async def _deliver(self, kept: StoredSubscription, due: Due) -> None:
        """Make one attempt and write its outcome."""
        one = kept.subscription
        accounts = selection_of(kept, self.keyring).accounts
        if due.body is None:
            outcome = _over(due, self.clock.now(), "event_removed")
        elif accounts is not None and due.account not in accounts:
            outcome = _over(due, self.clock.now(), "account_forbidden")
        else:
            body = message(loads(due.body))
            at = self.clock.now()
            headers = signed(kept.signing(at), due.webhook_id, at, body)
            result = await self.destinations.send(one.url, body, headers)
            outcome = self._outcome(due, result, at)
        log.info(
            "webhook.sent",
            subscription=one.subscription_id,
            delivery=due.delivery_id,
            attempt=due.attempt,
            state=outcome.state,
            status=outcome.status,
            error=outcome.error,
            milliseconds=outcome.milliseconds,
        )
        self.metrics.delivery_attempts[(outcome.state,)] += 1
        if outcome.disable is not None:
            log.warning("subscription.disabled", subscription=one.subscription_id, reason=outcome.disable)
        while True:
            try:
                await self.journal.store.append(deliveries.settle, outcome)
            except JournalError:  # or it would be sent again and again
                await self.clock.wait(asyncio.Event(), self.clock.now() + _AGAIN)
            else:
                return

    def _outcome(self, due: Due, result: SendResult, at: datetime) -> DeliveryOutcome:
        known = partial(DeliveryOutcome, due=due, at=at, milliseconds=result.milliseconds, status=result.status)
        status = result.status or 0
        if 200 <= status < 300:
            return known(state=DeliveryState.DELIVERED, error=None)
        error = result.error or ("redirect" if 300 <= status < 400 else "status")
        if status == 410:
            return known(state=DeliveryState.FAILED, error=error, disable="gone")
        if due.attempt >= len(SCHEDULE):
            return known(state=DeliveryState.FAILED, error=error)
        pause = SCHEDULE[due.attempt] * self.jitter()
        if result.retry_after is not None:
            pause = max(pause, min(timedelta(seconds=max(result.retry_after, 0)), MAX_RETRY_AFTER))
        return known(state=DeliveryState.PENDING, error=error, next_at=self.clock.now() + pause)


def selection_of(kept: StoredSubscription, keyring: Keyring) -> EventSelection:
    """What a subscription is sent: what it asks for, of the accounts that its key may use now."""
    one, client = kept.subscription, keyring.named(kept.subscription.key)
    allowed = client.accounts if client is not None else frozenset[str]()
    return EventSelection.narrowed(
        accounts=one.accounts, types=one.types, extension=one.extension, number=one.number, allowed=allowed
    )


def message(event: Mapping[str, object]) -> bytes:
    """The body that is sent for *event*, a CallEvent as JSON."""
    moment = event.get("occurred_at") or event["received_at"]
    return dumps({"type": event["type"], "timestamp": moment, "data": event})


def _over(due: Due, at: datetime, error: str) -> DeliveryOutcome:
    return DeliveryOutcome(due=due, state=DeliveryState.FAILED, at=at, milliseconds=0, status=None, error=error)
