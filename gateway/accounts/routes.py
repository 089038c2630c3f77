"""A route: several accounts that look like one. The next account is tried only when that cannot ring a phone twice."""

import asyncio
from collections.abc import Mapping
from typing import Any, get_origin

import attrs
from gateway_contracts import (
    DialState,
    GatewayError,
    InvalidRequest,
    NotFound,
    Operation,
    Origin,
    OutcomeUnknown,
    Page,
    PluginError,
    Unsupported,
    VendorTimeout,
    VendorUnavailable,
    operations_of,
)

from ..config import RouteConfig
from .account import AccountFacade
from .support import support_of_route


def make_routes(configs: Mapping[str, RouteConfig], accounts: Mapping[str, AccountFacade]) -> dict[str, AccountFacade]:
    """The routes of *configs* by name, each over its own of the *accounts*."""
    return {
        name: _make_route(name, config, [accounts[each] for each in config.accounts])
        for name, config in configs.items()
    }


def _make_route(name: str, config: RouteConfig, accounts: list[AccountFacade]) -> AccountFacade:
    """*accounts*, in this order, as one."""
    interfaces = tuple(dict.fromkeys(interface for account in accounts for interface in account.interfaces))
    broken = "; ".join(str(account.broken) for account in accounts if account.broken)
    return AccountFacade(
        name=name,
        vendor=None,
        interfaces=interfaces,
        carry_out=Route(name, accounts, frozenset(config.failover_on)),
        routed=tuple(account.name for account in accounts),
        broken=PluginError(broken) if broken else None,
        # What a broken account could do is not known, and its place is taken by the others.
        support=support_of_route(
            {account.name: (account.support, account.interfaces) for account in accounts if not account.broken}
        ),
    )


class Route:
    """Carries an operation out on the first account that can.

    Lists are of all accounts: one after the other where they come in pages, together where they do not.
    """

    def __init__(self, name: str, accounts: list[AccountFacade], failover_on: frozenset[str]) -> None:
        self._name = name
        self._accounts = accounts
        self._failover_on = failover_on

    async def __call__(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        # What a broken account could do is not known, so it is asked: a list without its part would pass for the whole.
        able = [
            each
            for each in self._accounts
            if each.broken or any(operation.name in operations_of(i) for i in each.interfaces)
        ]
        if not able:
            raise Unsupported(f"No account of route {self._name} has {operation.interface}", account=self._name)
        if operation.paged:
            return await self._chained(operation, arguments, able)
        if get_origin(operation.returns) is Page:
            return await self._together(operation, arguments, able)
        trouble: GatewayError | None = None
        for account in able:
            try:
                return await account.carry_out(operation, arguments)
            except GatewayError as error:
                if not self._may_fail_over(operation, error):
                    raise
                # "Not found" says nothing while another account could not be asked.
                if (
                    trouble is None
                    or not isinstance(error, Unsupported | NotFound)
                    or isinstance(trouble, Unsupported | NotFound)
                ):
                    trouble = error
        raise trouble or GatewayError("a route has accounts")

    def _may_fail_over(self, operation: Operation, error: GatewayError) -> bool:
        if isinstance(error, OutcomeUnknown) or (operation.rings and error.dial_state is not DialState.NOT_PLACED):
            return False  # it may have been done, and what may have been done is not done again elsewhere
        if error.code in self._failover_on or isinstance(error, Unsupported | NotFound):
            return True
        if isinstance(error.__cause__, PluginError):  # the account is broken, so nothing was sent
            return True
        if operation.rings:  # nothing was sent: no connection, no name, no certificate
            return error.origin is Origin.NETWORK
        return operation.reads and isinstance(error, VendorUnavailable | VendorTimeout)

    async def _together(
        self, operation: Operation, arguments: Mapping[str, Any], able: list[AccountFacade]
    ) -> Page[Any]:
        pages = await asyncio.gather(*(account.carry_out(operation, arguments) for account in able))
        items = tuple(item for page in pages for item in page.items)
        raw = tuple(row for page in pages for row in page.raw or ())
        totals = (len(page.items) + page.skipped if page.total is None else page.total for page in pages)
        return Page(items=items, total=sum(totals), skipped=sum(page.skipped for page in pages), raw=raw or None)

    async def _chained(
        self, operation: Operation, arguments: Mapping[str, Any], able: list[AccountFacade]
    ) -> Page[Any]:
        names = [account.name for account in able]
        given = arguments.get("cursor")
        name, colon, cursor = (f"{names[0]}:" if given is None else str(given)).partition(":")
        if name not in names or not colon:
            raise InvalidRequest(
                "The cursor is not one of ours",
                account=self._name,
                operation=operation.name,
                fields={"cursor": "is not one of this route"},
            )
        index = names.index(name)
        own = {key: value for key, value in arguments.items() if key != "cursor"} | (
            {"cursor": cursor} if cursor else {}
        )
        page = await able[index].carry_out(operation, own)
        if page.next is not None:
            following: str | None = f"{name}:{page.next}"
        else:
            following = f"{names[index + 1]}:" if index + 1 < len(names) else None
        return attrs.evolve(page, next=following, total=page.total if len(able) == 1 else None)
