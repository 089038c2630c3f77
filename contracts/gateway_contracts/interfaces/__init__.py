"""What a vendor may be able to do. An adapter inherits the interfaces it can carry out, and nothing else.

    from gateway_contracts import CallControl, Call, Page

    class Adapter(CallControl):
        async def list_calls(self) -> Page[Call]:
            return Page(items=())
        ...

Promises to authors: an operation may run many times at once on one adapter; it may be cancelled at any `await`; only
`GatewayError` should leave it. For an argument that the vendor cannot be told, raise `Unsupported` naming it: never
drop one. An operation that the vendor lacks is one line, `park_call = lacking("acme has no call_control.park_call")`;
one that was added later (`since=…`) may be left out.

In the examples `self.http` is an `HttpClient` of `gateway_contracts.http`, where `Effect` and `segment` are found too.
"""

from collections.abc import Mapping

from ..operations import Operation, operations_of
from .agents import Agents
from .calls import CallControl, ClickToCall
from .campaigns import Campaigns, Customers
from .events import Events, EventStream, Hooks
from .history import History, Recording, Reports
from .tenants import Tenants

__all__ = [
    "INTERFACES",
    "OPERATIONS",
    "Agents",
    "CallControl",
    "Campaigns",
    "ClickToCall",
    "Customers",
    "EventStream",
    "Events",
    "History",
    "Hooks",
    "Recording",
    "Reports",
    "Tenants",
    "interfaces_of",
]

INTERFACES: tuple[type, ...] = (
    ClickToCall,
    CallControl,
    History,
    Recording,
    Events,
    Reports,
    Agents,
    Campaigns,
    Customers,
    Tenants,
)
"""Every interface, in the order in which documents show them."""

OPERATIONS: Mapping[str, Operation] = {
    name: operation for interface in INTERFACES for name, operation in operations_of(interface).items()
}
"""Every operation by its name, which no two interfaces share."""


_PARTS: Mapping[type, tuple[type, ...]] = {Events: (Hooks, EventStream)}


def interfaces_of(adapter: type) -> tuple[type, ...]:
    """The interfaces that the class of an adapter inherits, which is what it can do. A part of `Events` (`Hooks` or
    `EventStream`) stands for `Events`, whose other operations the account refuses.
    """
    return tuple(each for each in INTERFACES if issubclass(adapter, _PARTS.get(each, each)))
