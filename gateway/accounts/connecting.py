"""Accounts from their configuration: the plugin is loaded, the settings are checked, the adapter is connected."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from gateway_contracts import INTERFACES, Account, ConfigError, Operation, PluginError, Vendor, dumps, interfaces_of

from ..config import AccountConfig, settings_from
from ..logs import log, place_of
from .account import AccountFacade, unusable
from .guard import Guard
from .support import report_of, support_of
from .vendors import NotInstalled, load_vendor

_PYTHONS_OWN = re.compile(
    r"Can't instantiate abstract class \w+ with(out an implementation for)? abstract [\w', ]+|No module named '[\w.]+'"
)
CONNECT_SECONDS = 30.0  # connecting sends nothing, so only a plugin that hangs takes as long


@attrs.frozen(kw_only=True)
class Plan:
    """An account that is checked and can be opened."""

    account: Account
    vendor: Vendor
    settings: Any


def make_plan(
    name: str, config: AccountConfig, beside: Path | None, *, load: Callable[[str], Vendor] = load_vendor
) -> Plan:
    """What can be known of an account without a request: its plugin, and its settings, checked.

    Raises: ConfigError, PluginError.
    """
    try:
        vendor = load(config.vendor)
    except NotInstalled as error:
        raise ConfigError(f"accounts.{name}.vendor", str(error)) from None
    except PluginError as error:
        raise PluginError(f"accounts.{name}: {error}") from error.__cause__
    settings = settings_from(config.settings, vendor.settings, f"accounts.{name}.settings", beside=beside)
    return Plan(account=Account(name=name, timeouts=config.timeouts), vendor=vendor, settings=settings)


def plan_or_fault(
    name: str, config: AccountConfig, beside: Path | None, load: Callable[[str], Vendor]
) -> Plan | PluginError:
    """What `make_plan` gives, or the PluginError that it raises. Raises: ConfigError."""
    try:
        return make_plan(name, config, beside, load=load)
    except PluginError as error:
        return error


def _cause(error: Exception) -> str:
    # Any other text may hold a setting, and the log says where it came from; these two are Python's own.
    own = isinstance(error, TypeError | ImportError) and _PYTHONS_OWN.fullmatch(str(error))
    return f"{type(error).__name__}: {error}" if own else type(error).__name__


@contextlib.asynccontextmanager
async def connected(plan: Plan, address: str | None) -> AsyncIterator[AccountFacade]:
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


def broken_account(name: str, vendor: str, error: PluginError) -> AccountFacade:
    """The account called *name*, which can do nothing because of *error*; logs it."""
    cause = place_of(error.__cause__) if error.__cause__ else {}
    log.error("account.broken", account=name, vendor=vendor, reason=str(error), **cause)
    return AccountFacade(name=name, vendor=vendor, interfaces=(), carry_out=_Unusable(name, error), broken=error)


@attrs.frozen
class _Unusable:
    """Carries nothing out: the plugin of the account is broken."""

    account: str
    broken: PluginError

    async def __call__(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        raise unusable(self.account, self.broken, operation.name)


def _names(interfaces: tuple[type, ...]) -> str:
    return ", ".join(interface.__name__ for interface in interfaces)
