"""Makes an object that has an interface's methods out of one function that carries operations out.

The facade, a route and the remote client hand out such objects, so none of them has code for any one operation.
"""

import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from gateway_contracts import (
    Events,
    EventStream,
    GatewayError,
    Hooks,
    Operation,
    Unsupported,
    WebhookRequest,
    operations_of,
)

T = TypeVar("T")


class CarryOut(Protocol):
    """Carries an operation out with named arguments, and answers or raises as the operation says."""

    def __call__(self, operation: Operation, arguments: Mapping[str, Any]) -> Awaitable[Any]: ...


def bind(interface: type[T], account: str, carry_out: CarryOut, adapter: object | None = None) -> T:
    """An object with the methods of *interface* for an *account*; *adapter* is asked for what is no operation."""
    bound: T = _class_of(interface)(account, carry_out, adapter)  # type: ignore[arg-type] # a class is hashable
    return bound


@functools.cache
def _class_of(interface: Any) -> Any:
    def initialise(self: Any, account: str, carry_out: CarryOut, adapter: object | None) -> None:
        self._account = account
        self._carry_out = carry_out
        self._adapter = adapter

    members: dict[str, Any] = {
        "__init__": initialise,
        "__slots__": ("_account", "_adapter", "_carry_out"),
        "__module__": __name__,
        **{name: _method(operation, getattr(interface, name)) for name, operation in operations_of(interface).items()},
    }
    if interface is Events:
        members |= {"parse_webhook": _parse_webhook, "follow_events": _follow_events}
    return type(f"Bound{interface.__name__}", (interface,), members)


def _method(operation: Operation, declared: Any) -> Any:
    # Not the declaration's own attributes: they say that it is abstract.
    @functools.wraps(declared, assigned=("__name__", "__doc__", "__annotations__"), updated=())
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:  # what it gives is awaited: one coroutine less to wait in
        return self._carry_out(operation, _named(operation, args, kwargs))

    return method


def _named(operation: Operation, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if not args:
        return dict(kwargs)
    # Only what is in the path may be given by position.
    positional = [parameter.name for parameter in operation.parameters if "{" + parameter.name + "}" in operation.path]
    if len(args) > len(positional):
        raise TypeError(f"{operation.name}() takes at most {len(positional)} arguments by position; name the others")
    arguments = dict(zip(positional, args, strict=False))
    twice = arguments.keys() & kwargs.keys()
    if twice:
        raise TypeError(f"{operation.name}() got {', '.join(sorted(twice))} twice")
    return {**arguments, **kwargs}


async def _parse_webhook(self: Any, request: WebhookRequest) -> Any:
    if self._adapter is None:
        raise Unsupported("Webhooks are parsed where the account's adapter runs")
    if not isinstance(self._adapter, Hooks):
        raise Unsupported("The vendor sends no webhooks: its events come by follow_events", account=self._account)
    with _naming(self._account):
        return await self._adapter.parse_webhook(request)


async def _follow_events(self: Any) -> Any:
    if self._adapter is None:
        raise Unsupported("Events are followed where the account's adapter runs")
    if not isinstance(self._adapter, EventStream):
        raise Unsupported("The vendor has no stream of events: it sends webhooks", account=self._account)
    with _naming(self._account):
        events = self._adapter.follow_events()
        try:
            async for event in events:
                yield event
        finally:
            if isinstance(events, AsyncGenerator):  # closed with this one: it may hold a connection open
                await events.aclose()


@contextlib.contextmanager
def _naming(account: str) -> Iterator[None]:
    """Name *account* in an error that does not."""
    try:
        yield
    except GatewayError as error:
        error.account = error.account or account
        raise
