"""`GET /v1/accounts`: the accounts and routes of a client's key, and what each can do."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import attrs
from gateway_contracts import Support, SupportReport, interface_name, operations_of, to_json

from ..accounts.account import AccountFacade
from ..accounts.support import briefly
from ..models import IntakeStatus


class AccountState(StrEnum):
    """Whether an account works; a `broken` one can do nothing, because of its plugin."""

    OPEN = "open"
    BROKEN = "broken"


@attrs.frozen(kw_only=True)
class ListedAccount:
    """An account or a route. `vendor` is null for a route, and `accounts` are the accounts of a route, in the order in
    which they are tried. `reason` says what is broken, and what to do.

    `support` says how far each operation is supported; it is null where that is not known. Reasons that hold for all
    accounts of a vendor are given once, in `vendors` of the list.
    """

    name: str
    vendor: str | None
    accounts: tuple[str, ...]
    state: AccountState
    reason: str | None
    interfaces: tuple[str, ...]
    operations: tuple[str, ...]
    support: Mapping[str, Support] | None
    events: IntakeStatus


@attrs.frozen(kw_only=True)
class AccountList:
    """The accounts and routes that the key may use; `vendors` tells what is known of their vendors, by name."""

    items: tuple[ListedAccount, ...]
    vendors: Mapping[str, SupportReport]


def as_plain_list(accounts: Sequence[AccountFacade], intake: Mapping[str, IntakeStatus]) -> dict[str, Any]:
    """An `AccountList` of *accounts* as plain data. *intake* says how the events of each account come in.

    It is plain from the start, because many accounts have the same support, which is long and is made plain once.
    """
    brief = {id(each.support): briefly(each.support, each.report) for each in accounts if each.support is not None}
    reports = {each.report.vendor: each.report for each in accounts if each.report is not None}
    items = [
        {
            "name": each.name,
            "vendor": each.vendor,
            "accounts": list(each.routed),
            "state": each.state,
            "reason": str(each.broken) if each.broken else None,
            "interfaces": [interface_name(interface) for interface in each.interfaces],
            "operations": [name for interface in each.interfaces for name in operations_of(interface)],
            "support": brief.get(id(each.support)),
            "events": to_json(intake.get(each.name, IntakeStatus())),
        }
        for each in accounts
    ]
    return {"items": items, "vendors": to_json(reports)}
