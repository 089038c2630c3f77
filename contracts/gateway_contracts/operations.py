"""An operation is said once: a method of an interface, marked with its HTTP verb and path. The rest is read from here.

Route, argument checks, OpenAPI, command line and remote client all work from the `Operation` that is derived from the
method's signature and docstring: adding one touches the interface, the plugins that can do it, and the suite.

What is added later breaks no plugin. An operation that came after its interface (`since`) is not abstract: an adapter
without it refuses it. An argument that has its default is not handed to an adapter that does not take it. An operation
that once returned None is declared `-> Model | None`, so that None stays an answer.
"""

import functools
import inspect
import re
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

import attrs

from .errors import ERRORS, GatewayError, Unsupported
from .models import Audio, Page

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""

KEPT_BY_GATEWAY = frozenset({"idempotency_key", "metadata", "dial_id"})
"""The arguments that the gateway itself keeps: an adapter gets them only where its method names them."""


_BY_NAME = {kind.__name__: kind for kind in ERRORS.values()}


class Location(StrEnum):
    """Where an argument travels over HTTP."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    HEADER = "header"


@attrs.frozen(kw_only=True)
class Parameter:
    """One argument of an operation. `sent_as` is its name over HTTP."""

    name: str
    type: Any
    default: Any
    location: Location
    sent_as: str

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


@attrs.frozen(kw_only=True, eq=False)  # each is made once, and asked for by what it is
class Operation:
    """Everything about one operation that does not depend on who carries it out.

    `rings` is True when it makes a phone ring: it is sent at most once and its errors carry `dial_state`.
    `scope` is what a caller's key must have. `since` is the version of the contracts that added the operation to its
    interface; None for one that is as old as the interface. `returns` is what it returns; where `may_return_none` is
    True, an adapter may return None in its place, as all did once.
    """

    name: str
    interface: str
    verb: str
    path: str
    status: int
    scope: str
    rings: bool
    parameters: tuple[Parameter, ...]
    returns: Any
    may_return_none: bool
    since: str | None
    summary: str
    description: str
    errors: frozenset[type[GatewayError]]
    """The errors that its docstring declares (`Raises:`)."""

    @property
    def reads(self) -> bool:
        """It changes nothing at the vendor."""
        return self.verb == "GET"

    @property
    def paged(self) -> bool:
        """It answers a `Page` and takes a cursor, so that everything can be streamed."""
        return typing.get_origin(self.returns) is Page and any(p.name == "cursor" for p in self.parameters)

    @property
    def binary(self) -> bool:
        """It answers audio, not JSON."""
        return self.returns is Audio

    def parameters_in(self, location: Location) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.location is location)


def operation(
    verb: str,
    path: str,
    *,
    status: int | None = None,
    rings: bool = False,
    headers: Mapping[str, str] | None = None,
    since: str | None = None,
) -> Callable[[F], F]:
    """Mark a method as an operation, at *verb* and *path* below `/v1/accounts/{account}`.

    Arguments named in *path* travel there, those in *headers* (argument to header name) in headers, the others in the
    query of a GET or DELETE and in the JSON body of anything else. *status* is 200 unless told, 204 for no answer.

    The method is abstract, unless it is added to an interface that plugins inherit already. Then *since* is the
    version of the contracts that adds it, and its body (`raise NotImplementedError`) never runs: an adapter that does
    not override it raises `Unsupported`.
    """

    def mark(method: F) -> F:
        declared = method if since is None else _refusing(method, since)
        declared.__operation__ = (verb, path, status, rings, headers or {}, since)  # type: ignore[attr-defined] # read below
        return declared

    return mark


def _refusing(method: F, since: str) -> F:
    interface, name = method.__qualname__.split(".")[-2:]

    @functools.wraps(method)
    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise Unsupported(lacks_later(_in_words(interface), name, since))

    return refuse  # type: ignore[return-value] # it is called as *method* is


def lacks_later(interface: str, name: str, since: str) -> str:
    """Why a plugin lacks the operation *name*, which came to its *interface* with the contracts *since*."""
    return f"The plugin has no {interface}.{name}: it is older than that (contracts {since}), or its vendor has none"


def lacking(reason: str) -> Callable[..., NoReturn]:
    """A method that only refuses, for what an interface has and the vendor has not. Say in *reason* what to do instead.

    class Adapter(Events):
        list_hooks = create_hook = delete_hook = lacking("acme sends no webhooks: its events come by follow_events")
    """

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise Unsupported(reason)

    return refuse


def interface_name(interface: type) -> str:
    """`ClickToCall` as it is written in code and in JSON: `click_to_call`."""
    return _in_words(interface.__name__)


def _in_words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@functools.cache
def operations_of(interface: type) -> Mapping[str, Operation]:
    """The operations that *interface* and its parts declare, by name, in the order of declaration."""
    return {
        name: _derive(interface, name, method)
        for part in interface.__mro__
        for name, method in vars(part).items()
        if hasattr(method, "__operation__")
    }


def _derive(interface: type, name: str, method: Any) -> Operation:
    verb, path, status, rings, headers, since = method.__operation__
    hints = typing.get_type_hints(method)
    returns = [kind for kind in kinds_of(hints["return"]) if kind is not type(None)] or [type(None)]
    in_path = set(re.findall(r"{(\w+)}", path))
    parameters = []
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.name in in_path:
            location = Location.PATH
        elif parameter.name in headers:
            location = Location.HEADER
        else:
            location = Location.QUERY if verb in {"GET", "DELETE"} else Location.BODY
        parameters.append(
            Parameter(
                name=parameter.name,
                type=hints[parameter.name],
                default=parameter.default,
                location=location,
                sent_as=headers.get(parameter.name, parameter.name),
            )
        )
    doc = inspect.cleandoc(method.__doc__ or "")
    summary, _, description = doc.partition("\n\n")
    _, _, raises = doc.partition("Raises:")
    return Operation(
        name=name,
        interface=interface_name(interface),
        verb=verb,
        path=path,
        status=status or (204 if returns == [type(None)] else 200),
        scope=interface.scope,  # type: ignore[attr-defined] # every interface names the scope that its operations need
        rings=rings,
        parameters=tuple(parameters),
        returns=returns[0],
        may_return_none=type(None) in kinds_of(hints["return"]),
        since=since,
        summary=" ".join(summary.split()),
        description=description.strip(),
        errors=frozenset(kind for name, kind in _BY_NAME.items() if re.search(rf"\b{name}\b", raises)),
    )


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)
