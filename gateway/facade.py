"""What applications hold: a gateway, its accounts, and the interfaces of each."""

import asyncio
import contextlib
import functools
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import attrs
from gateway_contracts import (
    INTERFACES,
    OPERATIONS,
    Account,
    Agents,
    CallControl,
    CallEvent,
    CallRecord,
    Campaigns,
    ClickToCall,
    ConfigError,
    Customers,
    DialState,
    Direction,
    Events,
    GatewayError,
    History,
    Limits,
    NotFound,
    Operation,
    Origin,
    Outcome,
    Page,
    PluginError,
    Recording,
    Reports,
    Support,
    SupportReport,
    Tenants,
    Timeouts,
    Unsupported,
    Vendor,
    VendorUnavailable,
    dumps,
    interface_name,
    interfaces_of,
    nearest,
    operations_of,
)

from .binding import bind
from .config import AccountConfig, Config, make_config, read_config, settings_from
from .guard import CarryOut, Guard, place_of
from .logs import log
from .registry import NotInstalled, load_vendor
from .support import report_of, support_of

if TYPE_CHECKING:
    from .dialling import Dial
    from .following import EventQuery
    from .journal import Journal

DEFAULT_JOURNAL = "sqlite:///gateway.db"
_PYTHONS_OWN = re.compile(
    r"Can't instantiate abstract class \w+ with(out an implementation for)? abstract [\w', ]+|No module named '[\w.]+'"
)
CONNECT_SECONDS = 30.0  # connecting calls nobody, so this is for a plugin that hangs

T = TypeVar("T")


class _Interface(Generic[T]):
    """An attribute that is an account's own object with the methods of one interface."""

    def __init__(self, interface: type[T]) -> None:
        self._interface = interface

    def __get__(self, account: "AccountFacade", _: object = None) -> T:
        if self._interface not in account.interfaces:
            raise account.lacks(interface_name(self._interface))
        return bind(self._interface, account.carry_out, account.adapter)


@attrs.frozen(kw_only=True)
class AccountFacade:
    """One account, or a route over several, as an application uses it.

    `vendor` is None for a route. An interface that the vendor has not raises `Unsupported` when it is asked for. An
    account whose plugin is `broken` has no interface, and raises `VendorUnavailable`; a route tells of its broken
    accounts, and works as long as another can take their place.

    `far_end` is a digest of which PBX the account speaks to, and as whom.

    `support` says of each operation, by name, how far it is supported and why not further; for a route what its
    accounts can do in its place. `report` is what the plugin ships about the vendor, with its limits. Both are None
    where nobody knows.
    """

    name: str
    vendor: str | None
    interfaces: tuple[type, ...] = attrs.field(repr=False)
    carry_out: CarryOut = attrs.field(repr=False)
    adapter: object | None = attrs.field(default=None, repr=False)
    routed: tuple[str, ...] = ()
    find_dial: "Callable[[str], Awaitable[Dial]] | None" = attrs.field(default=None, repr=False)
    state_dial: "Callable[..., Awaitable[Dial]] | None" = attrs.field(default=None, repr=False)
    far_end: str | None = attrs.field(default=None, repr=False)
    broken: PluginError | None = attrs.field(default=None, repr=False)
    support: Mapping[str, Support] | None = attrs.field(default=None, repr=False)
    report: SupportReport | None = attrs.field(default=None, repr=False)

    click_to_call = _Interface(ClickToCall)
    call_control = _Interface(CallControl)
    history = _Interface(History)
    recording = _Interface(Recording)
    events = _Interface(Events)
    reports = _Interface(Reports)
    agents = _Interface(Agents)
    campaigns = _Interface(Campaigns)
    customers = _Interface(Customers)
    tenants = _Interface(Tenants)

    async def records(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        extension: str | None = None,
        number: str | None = None,
        direction: Direction | None = None,
        outcome: Outcome | None = None,
        min_duration_seconds: int | None = None,
        duration_seconds: int | None = None,
        ended_since: datetime | None = None,
        ended_until: datetime | None = None,
        recording_name: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CallRecord]:
        """Every finished call that matches, one after the other, page by page; *limit* is the size of a page.

        Takes the filters of `history.list_records`. Raises: what that raises.
        """
        filters = {
            "since": since,
            "until": until,
            "extension": extension,
            "number": number,
            "direction": direction,
            "outcome": outcome,
            "min_duration_seconds": min_duration_seconds,
            "duration_seconds": duration_seconds,
            "ended_since": ended_since,
            "ended_until": ended_until,
            "recording_name": recording_name,
            "limit": limit,
        }
        given = {name: value for name, value in filters.items() if value is not None}
        async with contextlib.aclosing(self.pages(OPERATIONS["list_records"], given)) as pages:
            async for page in pages:
                for record in page.items:
                    yield record

    async def dial(self, dial_id: str) -> "Dial":
        """What is known of a dial, by the `dial_id` of a started call or of an error.

        Raises: NotFound, Unsupported where no journal is kept, and what reading the journal raises.
        """
        if self.find_dial is None:
            raise self._keeps_no_journal()
        return await self.find_dial(dial_id)

    async def make_statement(self, dial_id: str, *, state: str, note: str) -> "Dial":
        """Say how an unknown dial ended, as a person found out; gives what is known of it then.

        *state* is `placed`, or `not_placed`, after which its idempotency key may dial again. *note* says how it is
        known, in up to 1,000 characters.

        Raises: InvalidRequest, NotFound; Conflict while the vendor is asked, for `timeouts.dial_wait` after that, and
        where evidence says how it ended; Unsupported where no journal is kept, JournalError.
        """
        if self.state_dial is None:
            raise self._keeps_no_journal()
        return await self.state_dial(dial_id, state=state, note=note)

    def _keeps_no_journal(self) -> Unsupported:
        return Unsupported("This gateway keeps no journal: set journal.url", origin=Origin.GATEWAY, account=self.name)

    async def pages(self, operation: Operation, arguments: Mapping[str, Any]) -> AsyncGenerator[Page[Any], None]:
        """Every page of a paged *operation*, from the cursor in *arguments* on. While one is looked at, the next is
        asked for, and no more. Raises: what the operation raises.
        """
        self.need(operation)
        page = await self.carry_out(operation, arguments)
        while page.next is not None:
            ahead = asyncio.ensure_future(self.carry_out(operation, {**arguments, "cursor": page.next}))
            try:
                yield page
                page = await ahead
            finally:
                if not ahead.done():  # nobody wants it any more
                    ahead.cancel()
                await asyncio.wait([ahead])
                if not ahead.cancelled():
                    ahead.exception()
        yield page

    def need(self, operation: Operation) -> None:
        """Raises: Unsupported when no interface of this account has *operation*; VendorUnavailable, see above."""
        if operation.name not in _operations_in(self.interfaces):
            raise self.lacks(operation.interface, operation.name)

    @property
    def state(self) -> str:
        """`open`, or `broken` for an account that can do nothing because of its plugin."""
        return "broken" if self.broken and not self.interfaces else "open"

    @property
    def limits(self) -> Limits | None:
        """What was measured at the account's vendor; None where nothing was, and for a route."""
        return self.report.limits if self.report else None

    def lacks(self, interface: str, operation: str | None = None) -> GatewayError:
        """The error for an *interface* that this account has not; without *operation* it names all that there are."""
        if self.broken:
            return unusable(self.name, self.broken, operation)
        has = ", ".join(interface_name(each) for each in self.interfaces)
        operations = (
            [operation] if operation else [each.name for each in OPERATIONS.values() if each.interface == interface]
        )
        who = (
            f"The vendor {self.vendor} has no"
            if self.vendor
            else f"No account of route {self.name} ({', '.join(self.routed)}) has"
        )
        return Unsupported(
            f"{who} {interface} ({', '.join(operations)}); it has {has}", account=self.name, operation=operation
        )


@functools.cache
def _operations_in(interfaces: tuple[type, ...]) -> frozenset[str]:
    return frozenset(name for interface in interfaces for name in operations_of(interface))


def unusable(account: str, broken: PluginError, operation: str | None = None) -> VendorUnavailable:
    """The error for whatever is asked of an account whose plugin is *broken*. Nothing was sent."""
    rings = operation is not None and OPERATIONS[operation].rings
    error = VendorUnavailable(
        str(broken),
        account=account,
        operation=operation,
        origin=Origin.GATEWAY,
        dial_state=DialState.NOT_PLACED if rings else None,
    )
    error.__cause__ = broken
    return error


class LazyJournal:
    """A gateway's journal, which is opened when it is needed first, and closed with the gateway."""

    def __init__(self, url: str, beside: Path | None) -> None:
        self._url = url
        self._beside = beside
        self._open: contextlib.AsyncExitStack | None = None
        self._journal: Journal | None = None
        self._opening = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close it when this context ends."""
        async with contextlib.AsyncExitStack() as self._open:
            yield
        self._open = self._journal = None

    async def get(self) -> "Journal":
        """The open journal. Raises: ConfigError when it cannot be opened."""
        if self._open is None:
            raise RuntimeError("open the gateway first: async with Gateway.from_file(…) as gateway")
        async with self._opening:
            if self._journal is None:
                from .journal import open_journal  # not before it is needed: it takes SQLAlchemy along

                self._journal = await self._open.enter_async_context(open_journal(self._url, beside=self._beside))
        return self._journal


Opener = Callable[[], contextlib.AbstractAsyncContextManager[Mapping[str, AccountFacade]]]
Follow = Callable[["EventQuery"], AsyncGenerator[CallEvent, None]]


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
        plans = {name: _plan_or_fault(name, account, beside, load) for name, account in config.accounts.items()}
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
        from .following import as_wanted, check_filter, follow_log, query_of

        if self._open is None:
            raise RuntimeError("open the gateway first: async with Gateway.from_file(…) as gateway")
        query = query_of(after, accounts, types, extension, number)
        if self._follow is not None:
            events = self._follow(query)
        elif self.journal is not None:
            check_filter(self, query)
            events = follow_log((await self.journal.get()).log, as_wanted(query, None), after)
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


@attrs.frozen(kw_only=True)
class Plan:
    """An account that is checked and can be opened."""

    account: Account
    vendor: Vendor
    settings: Any


def make_plan(
    name: str, config: AccountConfig, beside: Path | None, *, load: Callable[[str], Vendor] = load_vendor
) -> Plan:
    """Everything about an account that can be known without calling anybody. Raises: ConfigError, PluginError."""
    try:
        vendor = load(config.vendor)
    except NotInstalled as error:
        raise ConfigError(f"accounts.{name}.vendor", str(error)) from None
    except PluginError as error:
        raise PluginError(f"accounts.{name}: {error}") from error.__cause__
    settings = settings_from(config.settings, vendor.settings, f"accounts.{name}.settings", beside=beside)
    return Plan(account=Account(name=name, timeouts=config.timeouts), vendor=vendor, settings=settings)


def _plan_or_fault(
    name: str, config: AccountConfig, beside: Path | None, load: Callable[[str], Vendor]
) -> Plan | PluginError:
    try:
        return make_plan(name, config, beside, load=load)
    except PluginError as error:
        return error


@contextlib.asynccontextmanager
async def _open_local(
    plans: Mapping[str, Plan | PluginError], config: Config, journal: LazyJournal | None
) -> AsyncIterator[Mapping[str, AccountFacade]]:
    from .dialling import Dialling
    from .resolving import Resolver

    async with contextlib.AsyncExitStack() as stack:
        if journal is not None:
            await stack.enter_async_context(journal.closing())
        urls = await _hook_urls(config, journal)
        accounts: dict[str, AccountFacade] = {}
        for name, plan in plans.items():
            try:
                if isinstance(plan, PluginError):
                    raise plan
                accounts[name] = await stack.enter_async_context(_connected(plan, urls.get(name)))
            except PluginError as error:
                vendor = config.accounts[name].vendor
                cause = place_of(error.__cause__) if error.__cause__ else {}
                log.error("account.broken", account=name, vendor=vendor, reason=str(error), **cause)
                accounts[name] = AccountFacade(
                    name=name, vendor=vendor, interfaces=(), carry_out=_Unusable(name, error), broken=error
                )
        if journal is None:
            yield accounts | _routes(config, accounts)
            return
        far_ends = {name: each.far_end for name, each in accounts.items() if each.far_end is not None}
        dialling = Dialling(journal, timeouts_of(config), far_ends)
        dialling.look = Resolver(journal, accounts, timeouts_of(config)).look
        await stack.enter_async_context(dialling.closing())
        tried = {
            name: attrs.evolve(each, carry_out=dialling.tried(name, each.carry_out)) for name, each in accounts.items()
        }
        yield {
            name: attrs.evolve(
                each,
                carry_out=dialling.over(name, (each.routed or (name,))[0], each.carry_out),
                find_dial=functools.partial(dialling.find, name),
                state_dial=functools.partial(dialling.make_statement, name),
            )
            for name, each in (accounts | _routes(config, tried)).items()
        }


def _routes(config: Config, accounts: Mapping[str, AccountFacade]) -> dict[str, AccountFacade]:
    from .routing import make_route

    return {
        name: make_route(name, route, [accounts[account] for account in route.accounts])
        for name, route in config.routes.items()
    }


def timeouts_of(config: Config) -> dict[str, Timeouts]:
    """How long each account waits for its vendor."""
    return {name: account.timeouts for name, account in config.accounts.items()}


def _cause(error: Exception) -> str:
    # Any other text may hold a setting, and the log says where it came from; these two are Python's own.
    own = isinstance(error, TypeError | ImportError) and _PYTHONS_OWN.fullmatch(str(error))
    return f"{type(error).__name__}: {error}" if own else type(error).__name__


@contextlib.asynccontextmanager
async def _connected(plan: Plan, address: str | None) -> AsyncIterator[AccountFacade]:
    """The account of *plan*, whose vendor reaches us at *address*, if it can. Raises: ConfigError, PluginError."""
    name, vendor = plan.account.name, plan.vendor.name
    async with contextlib.AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                account = attrs.evolve(plan.account, hook_url=address)
                adapter = await stack.enter_async_context(plan.vendor.connect(account, plan.settings))
        except (ConfigError, PluginError):
            raise
        except Exception as error:
            what = f"failed to connect: {_cause(error)}; mend or reinstall it"
            raise PluginError(f"accounts.{name}: the plugin of {vendor} {what}") from error
        interfaces = interfaces_of(type(adapter))
        if not interfaces:
            raise PluginError(f"accounts.{name}: the adapter of {vendor} inherits none of {_names(INTERFACES)}")
        yield AccountFacade(
            name=name,
            vendor=vendor,
            interfaces=interfaces,
            carry_out=Guard(adapter, name, vendor, plan.account.timeouts),
            adapter=adapter,
            support=support_of(plan.vendor, interfaces),
            report=report_of(plan.vendor),
            far_end=_far_end_of(plan),
        )


def _far_end_of(plan: Plan) -> str:
    """A digest of which PBX the account of *plan* speaks to, and as whom."""
    named = [str(getattr(plan.settings, name, None)).rstrip("/") for name in plan.vendor.far_end]  # a secret is stars
    return hashlib.sha256(dumps([plan.vendor.name, *named])).hexdigest()[:32]


@attrs.frozen
class _Unusable:
    """Carries nothing out: the plugin of the account is broken."""

    account: str
    broken: PluginError

    async def __call__(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        raise unusable(self.account, self.broken, operation.name)


async def _hook_urls(config: Config, journal: LazyJournal | None) -> dict[str, str]:
    """Where the vendors reach each account's hooks, if they can."""
    public = config.proxy.public_url
    if public is None:
        return {}
    return {name: hook_url(public, name, token) for name, token in (await hook_tokens(config, journal)).items()}


async def hook_tokens(config: Config, journal: LazyJournal | None) -> dict[str, str]:
    """The secret in each account's hook address: the configured one, or that of the journal, which makes one.

    An account without either has none. Raises: ConfigError, JournalError.
    """
    tokens = {name: each.hook_token.reveal() for name, each in config.accounts.items() if each.hook_token}
    others = [name for name in config.accounts if name not in tokens]
    if others and journal is not None:
        tokens |= await (await journal.get()).hook_tokens(others)
    return tokens


def hook_url(public_url: str, account: str, token: str) -> str:
    """Where a vendor sends the webhooks of *account*: letters, digits, `-`, `_` and `/` behind the host, as vendors
    refuse addresses with anything else.
    """
    return f"{public_url.rstrip('/')}/hooks/{account}/{token}"


def _names(interfaces: tuple[type, ...]) -> str:
    return ", ".join(interface.__name__ for interface in interfaces)
