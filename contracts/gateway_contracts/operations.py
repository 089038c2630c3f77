"""An operation is said once: a method of an interface, marked with its HTTP verb and path. The rest is read from here.

Route, argument checks, OpenAPI, command line and remote client all work from the `Operation` that is derived from the
method's signature and docstring: adding one touches the interface, the plugins that can do it, and the suite.
"""

import functools
import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import attrs

from .models import Audio, Page

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""


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


@attrs.frozen(kw_only=True)
class Operation:
    """Everything about one operation that does not depend on who carries it out.

    `rings` is True when it makes a phone ring: it is sent at most once and its errors carry `dial_state`.
    `scope` is what a caller's key must have.
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
    summary: str
    description: str

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
    verb: str, path: str, *, status: int | None = None, rings: bool = False, headers: Mapping[str, str] | None = None
) -> Callable[[F], F]:
    """Mark an abstract method as an operation, at *verb* and *path* below `/v1/accounts/{account}`.

    Arguments named in *path* travel there, those in *headers* (argument to header name) in headers, the others in the
    query of a GET or DELETE and in the JSON body of anything else. *status* is 200 unless told, 204 for no answer.
    """

    def mark(method: F) -> F:
        method.__operation__ = (verb, path, status, rings, headers or {})  # type: ignore[attr-defined] # read below
        return method

    return mark


def interface_name(interface: type) -> str:
    """`ClickToCall` as it is written in code and in JSON: `click_to_call`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", interface.__name__).lower()


@functools.cache
def operations_of(interface: type) -> Mapping[str, Operation]:
    """The operations that *interface* declares, by name, in the order of declaration."""
    return {
        name: _derive(interface, name, method)
        for name, method in vars(interface).items()
        if hasattr(method, "__operation__")
    }


def _derive(interface: type, name: str, method: Any) -> Operation:
    verb, path, status, rings, headers = method.__operation__
    hints = typing.get_type_hints(method)
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
    summary, _, description = inspect.cleandoc(method.__doc__ or "").partition("\n\n")
    return Operation(
        name=name,
        interface=interface_name(interface),
        verb=verb,
        path=path,
        status=status or (204 if hints["return"] is type(None) else 200),
        scope=interface.scope,  # type: ignore[attr-defined] # every interface names the scope that its operations need
        rings=rings,
        parameters=tuple(parameters),
        returns=hints["return"],
        summary=" ".join(summary.split()),
        description=description.strip(),
    )
