"""The gateway that applications open: it puts the accounts, the routes and the journal together."""

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
from gateway_contracts import (
    CallEvent,
    NotFound,
    Origin,
    PluginError,
    Unsupported,
    nearest,
)

from .accounts.account import AccountFacade
from .accounts.connecting import Plan, broken_account, connected, plan_or_fault
from .accounts.hook_addresses import hook_urls
from .accounts.routes import make_routes
from .accounts.vendors import load_vendor
from .config import Config, make_config, read_config, timeouts_of
from .journal.lazy import LazyJournal
from .models import EventQuery, query_of

DEFAULT_JOURNAL = "sqlite:///gateway.db"


Opener = Callable[[], contextlib.AbstractAsyncContextManager[Mapping[str, AccountFacade]]]
Follow = Callable[[EventQuery], AsyncGenerator[CallEvent, None]]


class Gateway:
    """All accounts and routes, for as long as the context is open.

    async with Gateway.from_file("gateway.toml") as gateway:
        pbx = gateway["hanoi"]
        call = await pbx.click_to_call.start_call(extension="101", number="0899098899")
    """

    def __init__(
        self,
        opener: Opener,
        config: Config | None = None,
        journal: LazyJournal | None = None,
        follow: Follow | None = None,
    ) -> None:
        self._opener = opener
        self._follow = follow
        self.journal = journal
        self._open: contextlib.AsyncExitStack | None = None
        self._accounts: Mapping[str, AccountFacade] = {}
        self.config = config

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """A gateway whose accounts live in this process; one whose plugin is broken stops no other.

        Raises: ConfigError.
        """
        return cls._local(read_config(path), Path(path).parent)

    @classmethod
    def from_config(cls, data: Mapping[str, Any]) -> Self:
        """As `from_file`, from what such a file holds; it keeps a journal only where *data* names one.

        Raises: ConfigError.
        """
        return cls._local(make_config(data), None)

    @classmethod
    def remote(cls, url: str, *, key: str | None = None, raw: bool = False) -> Self:
        """A gateway whose accounts live in the sidecar at *url*. With *raw* the vendor's own answers come along.

        Opening it asks the sidecar what its accounts can do. Raises: Unauthenticated, VendorUnavailable, …
        """
        from .remote import follow_remote, open_remote  # not before it is needed: it takes aiohttp along

        return cls(
            functools.partial(open_remote, url, key, raw), follow=functools.partial(follow_remote, url, key, raw)
        )

    @classmethod
    def _local(cls, config: Config, beside: Path | None) -> Self:
        load = functools.cache(load_vendor)  # to look for a plugin reads what is installed, every time
        plans = {name: plan_or_fault(name, account, beside, load) for name, account in config.accounts.items()}
        url = config.journal.url.reveal() if config.journal.url else DEFAULT_JOURNAL if beside else None
        journal = LazyJournal(url, beside) if url else None
        return cls(functools.partial(_open_local, plans, config, journal), config, journal)

    async def __aenter__(self) -> Self:
        if self._open is not None:
            raise RuntimeError("this gateway is open already")
        async with contextlib.AsyncExitStack() as stack:
            self._accounts = await stack.enter_async_context(self._opener())
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack, self._open = self._open, None
        self._accounts = {}
        if stack is not None:
            await stack.aclose()

    async def follow_events(
        self,
        *,
        after: int | None = None,
        accounts: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        extension: str | None = None,
        number: str | None = None,
    ) -> AsyncGenerator[CallEvent, None]:
        """Every event in the order in which it became known, for ever, whichever process received it.

        It begins after the event whose `seq` is *after*: each event comes once, also over lost connections. 0 begins at
        the oldest that is kept, None at what is new when the first event is asked for. *types* are those of
        `EventType`; *number* is an outside number, however its country is written.

        Raises: EventsLost when what comes after *after* has been removed, or *after* is beyond the newest event, as the
        journal was restored from a backup; follow on from its `after`. NotFound, InvalidRequest for accounts and types
        that are none; Unsupported where no journal is kept, JournalError; from a sidecar also Unauthenticated and
        Forbidden. A sidecar that cannot be reached is asked again until it can.
        """
        from .events.feed import check_filter, follow_log, selection_of  # with the journal comes SQLAlchemy

        if self._open is None:
            raise RuntimeError("open the gateway first: async with Gateway.from_file(…) as gateway")
        query = query_of(after, accounts, types, extension, number)
        if self._follow is not None:
            events = self._follow(query)
        elif self.journal is not None:
            check_filter(self.__getitem__, query)
            events = follow_log((await self.journal.get()).log, selection_of(query, None), after)
        else:
            raise Unsupported("This gateway keeps no journal: set journal.url", origin=Origin.GATEWAY)
        async with contextlib.aclosing(events):
            async for event in events:
                yield event

    def __getitem__(self, name: str) -> AccountFacade:
        """The account or route called *name*. Raises: NotFound."""
        if self._open is None:
            raise RuntimeError("open the gateway first: async with Gateway.from_file(…) as gateway")
        found = self._accounts.get(name)
        if found is None:
            raise NotFound(f"There is no account {name!r}{nearest(name, self._accounts)}", account=name)
        return found

    def __iter__(self) -> Iterator[AccountFacade]:
        return iter(self._accounts.values())

    def __len__(self) -> int:
        return len(self._accounts)


@contextlib.asynccontextmanager
async def _open_local(
    plans: Mapping[str, Plan | PluginError], config: Config, journal: LazyJournal | None
) -> AsyncIterator[Mapping[str, AccountFacade]]:
    """Open every account and route, and put together what a request passes on its way to an adapter.

    From the outside to the inside, each layer calls the next one (`CarryOut`):

        account.click_to_call.start_call(…)    accounts.binding: the method of an interface becomes an operation
        └─ Dialling.over                       writes the intent of a dial into the journal; replays; keeps its end
           └─ Route                            of a route only: picks the account, and fails over
              └─ Dialling.tried                of a route only: the journal moves the dial to the account that is next
                 └─ Guard                      checks arguments, sets a deadline, logs a line, turns faults into errors
                    └─ adapter                 the plugin's code; its HTTP client passes the fence before it dials

    Without a journal there are no `Dialling` layers, and idempotency keys are refused.
    """
    async with contextlib.AsyncExitStack() as stack:
        if journal is not None:
            await stack.enter_async_context(journal.closing())
        urls = await hook_urls(config, journal)
        accounts: dict[str, AccountFacade] = {}
        for name, plan in plans.items():
            try:
                if isinstance(plan, PluginError):
                    raise plan
                accounts[name] = await stack.enter_async_context(connected(plan, urls.get(name)))
            except PluginError as error:
                accounts[name] = broken_account(name, config.accounts[name].vendor, error)
        if journal is None:
            yield accounts | make_routes(config.routes, accounts)
            return
        from .dialling.dials import Dialling  # not before there is a journal: it takes SQLAlchemy along
        from .dialling.lookup import DialLookup
        from .dialling.resolver import Resolver

        far_ends = {name: each.far_end for name, each in accounts.items() if each.far_end is not None}
        dialling = Dialling(journal, timeouts_of(config), far_ends)
        look = Resolver(journal, accounts, timeouts_of(config)).look
        lookup = DialLookup(process=dialling.process, timeouts=timeouts_of(config), far_ends=far_ends, look=look)
        await stack.enter_async_context(dialling.closing())
        tried = {
            name: attrs.evolve(each, carry_out=dialling.tried(name, each.carry_out)) for name, each in accounts.items()
        }
        yield {
            name: attrs.evolve(
                each,
                carry_out=dialling.over(name, (each.routed or (name,))[0], each.carry_out),
                find_dial=functools.partial(lookup.find, name),
                state_dial=functools.partial(lookup.make_statement, name),
            )
            for name, each in (accounts | make_routes(config.routes, tried)).items()
        }
