"""An account or a route as applications use it."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import attrs
from gateway_contracts import (
    OPERATIONS,
    Agents,
    CallControl,
    CallRecord,
    Campaigns,
    ClickToCall,
    Customers,
    DialState,
    Direction,
    Events,
    GatewayError,
    History,
    Limits,
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
    Unsupported,
    VendorUnavailable,
    interface_name,
    operations_of,
)

from ..models import Dial
from .binding import CarryOut, bind

T = TypeVar("T")


class _Interface(Generic[T]):
    """An attribute that is an account's own object with the methods of one interface."""

    def __init__(self, interface: type[T]) -> None:
        self._interface = interface

    def __get__(self, account: "AccountFacade", _: object = None) -> T:
        if self._interface not in account.interfaces:
            raise account.lacks(interface_name(self._interface))
        return bind(self._interface, account.name, account.carry_out, account.adapter)


@attrs.frozen(kw_only=True)
class AccountFacade:
    """One account, or a route over several, as an application uses it.

    `vendor` is None for a route. An interface that the vendor has not raises `Unsupported` when it is asked for. An
    account whose plugin is `broken` has no interface, and raises `VendorUnavailable`; a route tells of its broken
    accounts, and works as long as another can take their place.

    `far_end` is a digest of which PBX the account speaks to, and as whom.

    `support` says of each operation, by name, how far it is supported and why not further; for a route what its
    accounts can do in its place. `report` is what the plugin ships about the vendor, with its limits. Both are None
    where that is not known.
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
                if not ahead.done():  # the reader has stopped
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
    """The error of every operation of an account whose plugin is *broken*. Nothing was sent."""
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
