"""What applications hold: a gateway, its accounts, and the interfaces of each."""

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import attrs
from gateway_contracts import (
    INTERFACES,
    OPERATIONS,
    Account,
    Agents,
    CallControl,
    CallRecord,
    Campaigns,
    ClickToCall,
    ConfigError,
    Customers,
    Direction,
    Events,
    History,
    NotFound,
    Operation,
    Outcome,
    Page,
    PluginError,
    Recording,
    Reports,
    Tenants,
    Unsupported,
    Vendor,
    interface_name,
    interfaces_of,
    nearest,
    operations_of,
)

from .binding import bind
from .config import AccountConfig, Config, make_config, read_config, settings_from
from .guard import CarryOut, Guard
from .registry import load_vendor

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

    `vendor` is None for a route. An interface that the vendor has not raises `Unsupported` when it is asked for.
    """

    name: str
    vendor: str | None
    interfaces: tuple[type, ...] = attrs.field(repr=False)
    carry_out: CarryOut = attrs.field(repr=False)
    adapter: object | None = attrs.field(default=None, repr=False)
    routed: tuple[str, ...] = ()

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
        async for page in self.pages(OPERATIONS["list_records"], given):
            for record in page.items:
                yield record

    async def pages(self, operation: Operation, arguments: Mapping[str, Any]) -> AsyncGenerator[Page[Any], None]:
        """Every page of a paged *operation*, from the cursor in *arguments* on. Raises: what the operation raises."""
        self.need(operation)
        following = dict(arguments)
        while True:
            page = await self.carry_out(operation, following)
            yield page
            if page.next is None:
                return
            following["cursor"] = page.next

    def need(self, operation: Operation) -> None:
        """Raises: Unsupported when no interface of this account has *operation*."""
        if not any(operation.name in operations_of(interface) for interface in self.interfaces):
            error = self.lacks(operation.interface)
            error.operation = operation.name
            raise error

    def lacks(self, interface: str) -> Unsupported:
        """The error for an *interface* that this account has not."""
        has = ", ".join(interface_name(each) for each in self.interfaces)
        what = f"The vendor {self.vendor} has no" if self.vendor else "No account of this route has"
        return Unsupported(f"{what} {interface}; it has {has}", account=self.name)


Opener = Callable[[], contextlib.AbstractAsyncContextManager[Mapping[str, AccountFacade]]]


class Gateway:
    """All accounts and routes, for as long as the context is open.

    async with Gateway.from_file("gateway.toml") as gateway:
        pbx = gateway["hanoi"]
        call = await pbx.click_to_call.start_call(extension="101", number="0899098899")
    """

    def __init__(self, opener: Opener, config: Config | None = None) -> None:
        self._opener = opener
        self._open: contextlib.AsyncExitStack | None = None
        self._accounts: Mapping[str, AccountFacade] = {}
        self.config = config

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """A gateway whose accounts live in this process. Raises: ConfigError, PluginError."""
        return cls._local(read_config(path), Path(path).parent)

    @classmethod
    def from_config(cls, data: Mapping[str, Any]) -> Self:
        """As `from_file`, from what such a file holds. Raises: ConfigError, PluginError."""
        return cls._local(make_config(data), None)

    @classmethod
    def remote(cls, url: str, *, key: str | None = None, raw: bool = False) -> Self:
        """A gateway whose accounts live in the sidecar at *url*. With *raw* the vendor's own answers come along.

        Opening it asks the sidecar what its accounts can do. Raises: Unauthenticated, VendorUnavailable, …
        """
        from .remote import open_remote  # not before it is needed: it takes aiohttp along

        return cls(functools.partial(open_remote, url, key, raw))

    @classmethod
    def _local(cls, config: Config, beside: Path | None) -> Self:
        plans = [make_plan(name, account, beside) for name, account in config.accounts.items()]
        return cls(functools.partial(_open_local, plans, config), config)

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


def make_plan(name: str, config: AccountConfig, beside: Path | None) -> Plan:
    """Everything about an account that can be known without calling anybody. Raises: ConfigError, PluginError."""
    try:
        vendor = load_vendor(config.vendor)
    except PluginError as error:
        raise PluginError(f"accounts.{name}: {error}") from error.__cause__
    settings = settings_from(config.settings, vendor.settings, f"accounts.{name}.settings", beside=beside)
    return Plan(account=Account(name=name, timeouts=config.timeouts), vendor=vendor, settings=settings)


@contextlib.asynccontextmanager
async def _open_local(plans: list[Plan], config: Config) -> AsyncIterator[Mapping[str, AccountFacade]]:
    from .routing import make_route

    async with contextlib.AsyncExitStack() as stack:
        accounts: dict[str, AccountFacade] = {}
        for plan in plans:
            name, vendor = plan.account.name, plan.vendor.name
            try:
                adapter = await stack.enter_async_context(plan.vendor.connect(plan.account, plan.settings))
            except (ConfigError, PluginError):
                raise
            except Exception as error:
                raise PluginError(
                    f"accounts.{name}: the plugin of {vendor} failed to connect: {type(error).__name__}"
                ) from error
            interfaces = interfaces_of(type(adapter))
            if not interfaces:
                raise PluginError(f"accounts.{name}: the adapter of {vendor} inherits none of {_names(INTERFACES)}")
            accounts[name] = AccountFacade(
                name=name,
                vendor=vendor,
                interfaces=interfaces,
                carry_out=Guard(adapter, name, vendor, plan.account.timeouts),
                adapter=adapter,
            )
        for name, route in config.routes.items():
            accounts[name] = make_route(name, route, [accounts[account] for account in route.accounts])
        yield accounts


def _names(interfaces: tuple[type, ...]) -> str:
    return ", ".join(interface.__name__ for interface in interfaces)
