"""Finds out how unknown dials ended, by looking: into events, live calls and records. It never dials."""

import asyncio
import functools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs
from gateway_contracts import (
    OPERATIONS,
    Call,
    CallControl,
    CallRecord,
    Direction,
    GatewayError,
    History,
    Timeouts,
)
from gateway_contracts.backoff import delays

from ..accounts.account import AccountFacade
from ..journal import dials
from ..journal.conversations import NEAR
from ..journal.dials import Seen, StoredDial
from ..journal.leases import while_held
from ..journal.store import Store
from ..logs import log, place_of
from ..texts import cleaned
from .errors import lost_error, problem_text
from .process import Opening


@attrs.frozen(kw_only=True)
class Patience:
    """How long unknown dials are looked for, in seconds.

    Looking is over when the vendor was looked through *looking* after the dial's `dial_wait`, and showed nothing: its
    records may come late. *every* is the time between two looks at an account, which grows to *rarely* with the age of
    the dials that are looked for, and when the vendor cannot be asked.
    """

    looking: float = 24 * 3600
    every: float = 5
    rarely: float = 300


PATIENCE = Patience()
MARGIN = timedelta(minutes=1)  # after its `dial_wait` a call may begin, by the vendor's clock
EXTENSIONS_A_LOOK = 20
ROWS_A_LOOK = 5_000


def _pauses() -> Iterator[float]:
    yield from delays(2 * PATIENCE.every, PATIENCE.rarely)


@attrs.define
class _Account:
    """When a resolver looks at an account again, by the monotonic clock."""

    next_look: float = 0
    pauses: Iterator[float] = attrs.field(factory=_pauses)  # after failures in a row
    looking: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class Resolver:
    """Finds out about the dials of *accounts*, by name; *timeouts* are theirs."""

    def __init__(
        self, opening: Opening, accounts: Mapping[str, AccountFacade], timeouts: Mapping[str, Timeouts]
    ) -> None:
        self._opening = opening
        self._accounts = accounts
        self._timeouts = timeouts
        self._known = {name: _Account() for name in accounts}

    async def run(self) -> None:
        """Find out for ever, in one process of those that share a journal."""
        store = (await self._opening.get()).store
        while True:
            try:
                await while_held(store, "resolver", self._steadily, life_seconds=dials.LIFE_SECONDS)
            except Exception as error:  # noqa: BLE001 # the journal's trouble or a fault of ours: looking goes on
                log.warning("resolver.failed", **place_of(error))
            await asyncio.sleep(PATIENCE.every)

    async def _steadily(self) -> None:
        while True:
            await asyncio.gather(*(self.look(name) for name in await self._due()))
            await asyncio.sleep(PATIENCE.every)

    async def _due(self) -> list[str]:
        """The accounts that have dials to look for; those of processes that are gone become such first."""
        store = (await self._opening.get()).store
        names = list(self._accounts)
        await self._give_up(store, names)
        since = datetime.now(UTC) - timedelta(seconds=PATIENCE.looking)
        return await store.read(functools.partial(dials.accounts_to_look_at, accounts=names, since=since))

    async def _give_up(self, store: Store, names: Sequence[str]) -> None:
        if not await store.read(functools.partial(dials.abandoned, accounts=names)):
            return
        lost = problem_text(lost_error(None, None))
        await store.write(functools.partial(dials.give_up, accounts=names, lost=lost, now=datetime.now(UTC)))

    async def look(self, name: str) -> None:
        """Look once for the unknown dials of the account *name*, unless that was done just now.

        Raises: JournalError. That the vendor cannot be asked is no error: it is asked again later.
        """
        account = self._known.get(name)
        if account is None:
            return
        async with account.looking:
            if time.monotonic() >= account.next_look:
                await self._look(name, account)

    async def _look(self, name: str, account: _Account) -> None:
        store = (await self._opening.get()).store
        facade, dial_wait, now = self._accounts[name], self._timeouts[name].dial_wait, datetime.now(UTC)
        over = now - timedelta(seconds=dial_wait + PATIENCE.looking)
        await self._give_up(store, [name])
        elsewhere = dials.stop_looking_elsewhere
        await store.write(functools.partial(elsewhere, account=name, far_end=facade.far_end, before=over, now=now))
        account.next_look = time.monotonic() + PATIENCE.every
        latest = timedelta(seconds=dial_wait) + MARGIN
        settle = functools.partial(dials.settle, account=name, latest=latest)
        wanted = await self._wanted(store, facade, over)
        if not wanted:
            return
        await self._settle(store, functools.partial(settle, wanted=wanted, seen=[], looked=False))
        wanted = await self._wanted(store, facade, over)
        # Some extensions at a time; the others are those that were looked for the longest ago then.
        extensions = list(dict.fromkeys(each.extension for each in wanted))[:EXTENSIONS_A_LOOK]
        chosen = [each for each in wanted if each.extension in extensions]
        seen, asked, failed = await self._seen(facade, chosen, latest)
        # What cannot be asked for twice as long is not waited for either.
        given_up = over - timedelta(seconds=abs(PATIENCE.looking))
        final = {
            (each.dial_id, each.tried_at)
            for each in chosen
            if each.tried_at < (over if each.extension in asked else given_up)
        }
        await self._settle(store, functools.partial(settle, wanted=chosen, seen=seen, over=final))
        if failed is not None:
            account.next_look = time.monotonic() + next(account.pauses)
            log.debug("dial.look_failed", account=name, code=failed.code)
            return
        account.pauses = _pauses()
        if len(chosen) == len(wanted) < dials.MOST and wanted:
            youngest = min((now - each.tried_at).total_seconds() for each in wanted)
            account.next_look = time.monotonic() + max(PATIENCE.every, min(youngest / 4, PATIENCE.rarely))

    async def _wanted(self, store: Store, facade: AccountFacade, since: datetime) -> list[StoredDial]:
        query = functools.partial(dials.to_look_for, account=facade.name, far_end=facade.far_end, since=since)
        return await store.read(query)

    async def _settle(self, store: Store, work: "functools.partial[dict[str, str]]") -> None:
        for dial_id, state in (await store.write(functools.partial(work, now=datetime.now(UTC)))).items():
            log.debug("dial.resolved", dial_id=dial_id, dial_state=state)

    async def _seen(
        self, account: AccountFacade, wanted: Sequence[StoredDial], latest: timedelta
    ) -> tuple[list[Seen], set[str], GatewayError | None]:
        """The calls that may be those of *wanted*: live ones first, as those that end meanwhile are in the records.

        With them go the extensions that were looked through, and why others were not.
        """
        found: list[Seen] = []
        asked: set[str] = set()
        if CallControl in account.interfaces:
            try:
                calls = (await account.carry_out(OPERATIONS["list_calls"], {})).items
            except GatewayError as error:
                return found, asked, error
            found += [_as_seen(call) for call in calls if call.direction is not Direction.INBOUND]
        extensions = list({each.extension for each in wanted})
        random.shuffle(extensions)  # the one that fails is not always the one before the others
        for extension in extensions:
            tried = [each.tried_at for each in wanted if each.extension == extension]
            rows = 0
            try:
                for since, until in _ranges(tried, NEAR, latest + NEAR) if History in account.interfaces else ():
                    async for record in account.records(since=since, until=until, extension=extension):
                        rows += 1
                        if rows > ROWS_A_LOOK:
                            break
                        if record.direction is not Direction.INBOUND:
                            found.append(_as_seen(record))
            except GatewayError as error:
                return found, asked, error
            if rows <= ROWS_A_LOOK:
                asked.add(extension)
        return found, asked, None


def _ranges(moments: Sequence[datetime], before: timedelta, after: timedelta) -> list[tuple[datetime, datetime]]:
    """The times around *moments*, those that overlap as one."""
    found: list[tuple[datetime, datetime]] = []
    for moment in sorted(moments):
        if found and moment - before <= found[-1][1]:
            found[-1] = found[-1][0], moment + after
        else:
            found.append((moment - before, moment + after))
    return found


def _as_seen(call: Call | CallRecord) -> Seen:
    call = cleaned(call)
    return Seen(
        evidence="live_call" if isinstance(call, Call) else "record",
        call_id=call.call_id,
        record_id=None if isinstance(call, Call) else call.record_id,
        extension=call.extension,
        from_number=call.from_number,
        to_number=call.to_number,
        started_at=call.started_at,
    )
