"""Finds out how unknown dials ended, by looking: into events, live calls and records. It never dials."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

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

from .dialling import Opening, lost_error, problem_text
from .guard import place_of
from .logs import log
from .texts import cleaned

if TYPE_CHECKING:
    from .facade import AccountFacade
    from .journal.dials import Kept, Seen
    from .journal.store import Store


@attrs.frozen(kw_only=True)
class Patience:
    """How long unknown dials are looked for, in seconds.

    A dial was not placed when, *settle* after its `dial_wait` was over, the vendor was looked through twice, *again*
    apart, and showed nothing. Where live calls cannot be seen a call shows
    when it has ended, so there the first of the two comes after *blind*. *every* is the time between two looks at an
    account, which grows to *rarely* with the age of what is looked for, and when the vendor cannot be asked.
    """

    settle: float = 60
    blind: float = 4 * 3600
    again: float = 30
    every: float = 5
    rarely: float = 300


PATIENCE = Patience()
MARGIN = timedelta(minutes=1)  # after its `dial_wait` a call may begin, by the vendor's clock
EXTENSIONS_A_LOOK = 20
ROWS_A_LOOK = 5_000


@attrs.define
class _Account:
    """What a resolver remembers of an account: monotonic times, and the tries of which a look showed nothing."""

    next_look: float = 0
    failures: int = 0
    looked_at: dict[tuple[str, datetime], float] = attrs.field(factory=dict)
    missed_at: dict[tuple[str, datetime], float] = attrs.field(factory=dict)
    looking: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class Resolver:
    """Finds out about the dials of *accounts*, by name; *timeouts* are theirs."""

    def __init__(
        self, opening: Opening, accounts: "Mapping[str, AccountFacade]", timeouts: Mapping[str, Timeouts]
    ) -> None:
        self._opening = opening
        self._accounts = accounts
        self._timeouts = timeouts
        self._known = {name: _Account() for name in accounts}

    async def run(self) -> None:
        """Find out for ever, in one process of those that share a journal."""
        from .journal import dials
        from .journal.leases import while_held

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
        from .journal import dials

        store = (await self._opening.get()).store
        names = list(self._accounts)
        await self._give_up(store, names)
        return sorted({each.account for each in await store.read(functools.partial(dials.unknown, accounts=names))})

    async def _give_up(self, store: "Store", names: Sequence[str]) -> None:
        from .journal import dials

        if not await store.read(functools.partial(dials.under_way, accounts=names)):
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
        from .journal import dials

        store = (await self._opening.get()).store
        await self._give_up(store, [name])
        latest = timedelta(seconds=self._timeouts[name].dial_wait) + MARGIN
        settle = functools.partial(dials.settle, account=name, latest=latest)
        await self._settle(store, functools.partial(settle, seen=[], hopeless=[]))
        wanted = await store.read(functools.partial(dials.unknown, accounts=[name]))
        if not wanted:
            account.next_look = time.monotonic() + PATIENCE.every
            return
        still = {(each.dial_id, each.sent_at) for each in wanted}
        for remembered in (account.looked_at, account.missed_at):
            for gone in remembered.keys() - still:
                del remembered[gone]
        # Some extensions at a time, those that were looked for the longest ago.
        wanted.sort(key=lambda each: account.looked_at.get((each.dial_id, each.sent_at), 0))
        extensions = list(dict.fromkeys(each.extension for each in wanted))[:EXTENSIONS_A_LOOK]
        chosen = [each for each in wanted if each.extension in extensions]
        now = datetime.now(UTC)
        try:
            seen = [call async for call in self._seen(self._accounts[name], chosen, latest)]
        except GatewayError as error:
            account.failures += 1
            account.next_look = time.monotonic() + min(PATIENCE.every * 2**account.failures, PATIENCE.rarely)
            log.debug("dial.look_failed", account=name, code=error.code)
            return
        account.failures = 0
        hopeless = self._hopeless(self._accounts[name], account, chosen, now)
        await self._settle(store, functools.partial(settle, seen=seen, hopeless=hopeless))
        youngest = min((now - each.sent_at).total_seconds() for each in wanted)
        account.next_look = time.monotonic() + max(PATIENCE.every, min(youngest / 4, PATIENCE.rarely))

    async def _settle(self, store: "Store", work: "functools.partial[dict[str, str]]") -> None:
        for dial_id, state in (await store.write(functools.partial(work, now=datetime.now(UTC)))).items():
            log.debug("dial.resolved", dial_id=dial_id, dial_state=state)

    async def _seen(
        self, account: "AccountFacade", wanted: "Sequence[Kept]", latest: timedelta
    ) -> "AsyncIterator[Seen]":
        """The calls that may be those of *wanted*: live ones first, as those that end meanwhile are in the records."""
        from .journal.conversations import NEAR

        if CallControl in account.interfaces:
            for call in (await account.carry_out(OPERATIONS["list_calls"], {})).items:
                if call.direction is not Direction.INBOUND:
                    yield _as_seen(call)
        if History in account.interfaces:
            rows = 0
            for extension in {each.extension for each in wanted}:
                sent = [each.sent_at for each in wanted if each.extension == extension]
                since, until = min(sent) - NEAR, max(sent) + latest + NEAR
                async for record in account.records(since=since, until=until, extension=extension):
                    rows += 1
                    if rows > ROWS_A_LOOK:
                        raise GatewayError("There are too many records to look through")
                    if record.direction is not Direction.INBOUND:
                        yield _as_seen(record)

    def _hopeless(
        self, facade: "AccountFacade", account: _Account, looked_for: "Sequence[Kept]", now: datetime
    ) -> set[tuple[str, datetime]]:
        """The tries of which this look and an earlier one showed nothing, when it would have been seen."""
        present = time.monotonic()
        tries = [(each.dial_id, each.sent_at) for each in looked_for]
        account.looked_at |= dict.fromkeys(tries, present)
        if History not in facade.interfaces:
            return set()  # who cannot see the past cannot say that nothing was there
        patience = self._timeouts[facade.name].dial_wait + PATIENCE.settle
        if CallControl not in facade.interfaces:
            patience = max(patience, PATIENCE.blind)
        for each in tries:
            if (now - each[1]).total_seconds() >= patience:
                account.missed_at.setdefault(each, present)
        missed = {each: account.missed_at[each] for each in tries if each in account.missed_at}
        return {each for each, since in missed.items() if present - since >= PATIENCE.again}


def _as_seen(call: Call | CallRecord) -> "Seen":
    from .journal.dials import Seen

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
