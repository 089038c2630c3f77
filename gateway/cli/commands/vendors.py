"""`gateway vendors`: the installed vendors and what each can do."""

import asyncio
import enum
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import click
from gateway_contracts import (
    Account,
    PluginError,
    Secret,
    SupportLevel,
    SupportReport,
    Vendor,
    interface_name,
    interfaces_of,
    nearest,
    operations_of,
    to_json,
)

from ...accounts.support import report_of
from ...accounts.vendors import load_vendor, vendor_names
from ...config import settings_from
from ...process import run
from ..options import json_option
from ..output import show_json
from ..tables import show_support, show_table

_PATIENCE_SECONDS = 5


@click.command("vendors")
@click.argument("vendor", required=False)
@json_option("Answer as JSON")
def command(vendor: str | None, as_json: bool) -> None:
    """List the installed vendors and what each can do; for one VENDOR also what it cannot, why, and its limits."""
    names = vendor_names()
    if vendor is not None and vendor not in names:
        raise click.UsageError(
            f"No installed plugin supports the vendor {vendor!r}{nearest(vendor, names)}; installed: {', '.join(names)}"
        )
    summaries = run(summarise_vendors(vendor))
    if as_json:
        show_json([summary.as_json() for summary in summaries])
    elif vendor is not None and (report := summaries[0].report) is not None:
        show_support(report)
    else:
        show_table(("vendor", "plugin", "can do"), [(each.name, each.plugin, each.abilities) for each in summaries])


@attrs.frozen(kw_only=True)
class VendorSummary:
    """An installed vendor, with the support report that its plugin ships.

    `interfaces` is None where only a configured account can tell.
    """

    name: str
    plugin: str
    interfaces: tuple[type, ...] | None = None
    broken: str | None = None
    report: SupportReport | None = None

    @property
    def operations(self) -> list[str] | None:
        """What it can do, one by one."""
        if self.report is not None:
            supported = self.report.operations.items()
            return [name for name, each in supported if each.support is not SupportLevel.UNSUPPORTED]
        return None if self.interfaces is None else [name for each in self.interfaces for name in operations_of(each)]

    @property
    def abilities(self) -> str:
        """The same for people, or why it is not known."""
        if self.broken is not None:
            return f"broken: {self.broken}"
        operations = self.operations
        return "known when an account is configured: gateway check" if operations is None else ", ".join(operations)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "plugin": self.plugin,
            "broken": self.broken,
            "interfaces": None if self.interfaces is None else [interface_name(each) for each in self.interfaces],
            "operations": self.operations,
            "report": to_json(self.report),
        }


async def summarise_vendors(wanted: str | None = None) -> list[VendorSummary]:
    """Every installed vendor, or only the *wanted* one, also those whose plugin is broken."""
    return [await _summarise(name, plugin) for name, plugin in vendor_names().items() if wanted in (None, name)]


async def _summarise(name: str, plugin: str) -> VendorSummary:
    try:
        vendor = load_vendor(name)
    except PluginError as error:
        return VendorSummary(name=name, plugin=plugin, broken=str(error))
    return VendorSummary(name=name, plugin=plugin, interfaces=await _interfaces(vendor), report=report_of(vendor))


async def _interfaces(vendor: Vendor) -> tuple[type, ...] | None:
    """What the vendor's adapter can do, found by connecting with made-up settings, which sends nothing."""
    try:
        settings = settings_from(_made_up(vendor.settings), vendor.settings, "")
        async with asyncio.timeout(_PATIENCE_SECONDS), vendor.connect(Account(name=vendor.name), settings) as adapter:
            return interfaces_of(type(adapter))
    except Exception:  # noqa: BLE001 # a plugin may refuse what is made up, in its own way; a real account will tell
        return None


def _made_up(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {
        field.name: _value_of(hints[field.name])
        for field in attrs.fields(kind)
        if field.default is attrs.NOTHING or Secret in (hints[field.name], *typing.get_args(hints[field.name]))
    }


def _value_of(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind)).value
    if isinstance(kind, type) and attrs.has(kind):
        return _made_up(kind)
    origin = typing.get_origin(kind) or kind
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {}
    if isinstance(origin, type) and issubclass(origin, Sequence) and origin is not str:
        return []
    return {int: 1, float: 1.0, bool: False, str: "https://vendor.invalid"}.get(kind, "made-up")
