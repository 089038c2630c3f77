"""How far an account or a route supports each operation, from the reports that plugins ship."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

import attrs
from gateway_contracts import (
    OPERATIONS,
    Limits,
    Operation,
    Page,
    Support,
    SupportLevel,
    SupportReport,
    Vendor,
    from_json,
    interface_name,
    loads,
)
from gateway_contracts.operations import lacks_later

from ..logs import log

Supported = Mapping[str, Support]
"""Every operation by name."""

_MAX_BYTES = 1_000_000


def report_of(vendor: Vendor) -> SupportReport | None:
    """The support report that the plugin of *vendor* ships; None for none, and for one that cannot be read."""
    return None if vendor.support is None else _read(vendor.name, vendor.support)


@functools.lru_cache(maxsize=256)
def _read(vendor: str, path: Path) -> SupportReport | None:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES} bytes")
        report = from_json(loads(text), SupportReport)
        if report.vendor != vendor:
            raise ValueError(f"it is of the vendor {report.vendor!r}")
    except (OSError, ValueError, AttributeError) as error:
        # An account works without it, so it is no reason to stop one.
        log.warning("support.unreadable", vendor=vendor, file=path.name, reason=str(error))
        return None
    # An operation that only a newer suite, or only an older one, knows of is not ours to tell, but for one that came
    # later than the suite which made the report: then the plugin is older, too.
    older = {
        each.name: Support(
            support=SupportLevel.UNSUPPORTED,
            reasons={each.name: lacks_later(each.interface, each.name, each.since)},
        )
        for each in OPERATIONS.values()
        if each.since is not None
    }
    found = {**older, **report.operations}
    return attrs.evolve(report, operations={name: found[name] for name in OPERATIONS if name in found})


def support_of(vendor: Vendor, interfaces: tuple[type, ...]) -> Supported | None:
    """What *vendor* supports through an adapter with *interfaces*; None where its plugin ships no report."""
    return None if vendor.support is None else _support(vendor.name, vendor.support, interfaces)


@functools.lru_cache(maxsize=256)  # so that many accounts of a vendor have one
def _support(vendor: str, path: Path, interfaces: tuple[type, ...]) -> Supported | None:
    report = _read(vendor, path)
    if report is None:
        return None
    there = {interface_name(interface) for interface in interfaces}
    return {
        name: support if OPERATIONS[name].interface in there else _lacking(vendor, OPERATIONS[name], support)
        for name, support in report.operations.items()
    }


def _lacking(vendor: str, operation: Operation, support: Support) -> Support:
    if support.support is SupportLevel.UNSUPPORTED:
        return support
    reason = f"{vendor} has no {operation.interface} with the settings of this account"
    return Support(support=SupportLevel.UNSUPPORTED, reasons={operation.name: reason})


def briefly(supported: Supported, report: SupportReport | None) -> dict[str, dict[str, Any]]:
    """*supported* as it stands in `GET /v1/accounts`: without the reasons that the vendor's *report* gives there."""
    told = report.operations if report else {}
    return {name: _brief(each, told=each == told.get(name)) for name, each in supported.items()}


def _brief(support: Support, *, told: bool) -> dict[str, Any]:
    brief = {"support": support.support, "without": support.without}
    return brief if told or not support.reasons else {**brief, "reasons": support.reasons}


def at_length(brief: Supported, report: SupportReport | None) -> Supported:
    """What `briefly` was made of."""
    told = report.operations if report else {}
    return {
        name: told[name] if name in told and _brief(told[name], told=True) == _brief(each, told=False) else each
        for name, each in brief.items()
    }


def support_of_route(accounts: Mapping[str, tuple[Supported | None, tuple[type, ...]]]) -> Supported | None:
    """What a route over *accounts*, by name with what each supports and its interfaces, can do.

    A list is of all accounts that have its interface, so it can do what all of them can. Anything else is done by the
    first account that can: it is full where one account supports it so; otherwise it is without the arguments that no
    account can be told. None where it is not known of an account.
    """
    found: dict[str, Supported] = {}
    for account, (supported, _) in accounts.items():
        if supported is None:
            return None
        found[account] = supported
    if not found:
        return None
    there = {account: {interface_name(each) for each in interfaces} for account, (_, interfaces) in accounts.items()}
    return {
        name: _together(operation, {account: each[name] for account, each in found.items() if name in each}, there)
        for name, operation in OPERATIONS.items()
        if any(name in each for each in found.values())
    }


def _together(operation: Operation, each: Supported, there: Mapping[str, set[str]]) -> Support:
    able = {account: support for account, support in each.items() if operation.interface in there[account]}
    lacking = {account: support for account, support in able.items() if support.support is SupportLevel.UNSUPPORTED}
    is_list = get_origin(operation.returns) is Page
    if not able or len(lacking) == len(able) or (is_list and lacking):
        return _joined(SupportLevel.UNSUPPORTED, (operation.name,), lacking or each)
    doing = {account: support for account, support in able.items() if account not in lacking}
    names = [parameter.name for parameter in operation.parameters]
    missing = [
        tuple(name for name in names if how(name in support.without for support in doing.values()))
        for how in (any, all)
    ]
    if is_list:
        level = SupportLevel.PARTIAL if missing[0] else SupportLevel.FULL
        return _joined(level, missing[0], doing)
    if any(support.support is SupportLevel.FULL for support in doing.values()):
        return Support(support=SupportLevel.FULL)
    return _joined(SupportLevel.PARTIAL, missing[1], doing)


def _joined(level: SupportLevel, names: Sequence[str], told: Supported) -> Support:
    """*level*, with the reasons for *names* of each account."""
    reasons = {
        name: "; ".join(
            f"{account}: {support.reasons[name]}" for account, support in told.items() if name in support.reasons
        )
        for name in names
    }
    without = () if level is SupportLevel.UNSUPPORTED else tuple(names)
    return Support(support=level, without=without, reasons=reasons)


def rows_of(supported: Supported) -> Iterator[tuple[str, str, str, str]]:
    """*supported* for people: operation, how far, without what, and why; an argument a line."""
    for name, support in supported.items():
        first, *others = support.without or ("",)
        yield name, support.support.value, first, support.reasons.get(first or name, "")
        yield from (("", "", argument, support.reasons.get(argument, "")) for argument in others)


def lines_of(limits: Limits) -> Iterator[tuple[str, str]]:
    """*limits* for people: what was measured, and what came of it."""
    if limits.page_rows is not None:
        yield "records on a page, of 300", str(limits.page_rows)
    if limits.range_days:
        yield "days in one range, of 366", ", ".join(f"{name} {days}" for name, days in limits.range_days.items())
    if limits.totals:
        yield "lists that tell their total", ", ".join(limits.totals)
    yield from ((f"words for {name}", ", ".join(values) or "none") for name, values in limits.values.items())
    for what, known in (
        ("a recording in parts", limits.recording_ranges),
        ("a started call has an id at once", limits.started_call_id),
    ):
        if known is not None:
            yield what, "yes" if known else "no"
