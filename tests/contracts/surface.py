"""What plugins may rely on, as text: `python -m tests.contracts.surface` (`make surface`) writes surface.txt."""

import enum
import inspect
import re
import typing
from collections.abc import Iterable
from pathlib import Path

import attrs
import gateway_contracts
from gateway_contracts import (
    CONTRACTS_VERSION,
    GatewayError,
    arguments,
    audio,
    backoff,
    cursors,
    http,
    operations_of,
    parties,
    rows,
    testing,
)

FILE = Path(__file__).with_name("surface.txt")
HEAD = f"""contracts {CONTRACTS_VERSION}
# Raise CONTRACTS_VERSION with a change to this file: the minor number when something was added that plugins may ignore,
# the major number when something was taken away or changed, or when plugins must do more. `make surface` writes it.
"""


def surface():
    """The public names with their signatures, fields, values, codes and tests."""
    parts = [
        ("gateway_contracts", gateway_contracts, gateway_contracts.__all__),
        ("gateway_contracts.http", http, http.__all__),
        ("gateway_contracts.audio", audio, _own_names(audio)),
        ("gateway_contracts.rows", rows, _own_names(rows)),
        ("gateway_contracts.arguments", arguments, _own_names(arguments)),
        ("gateway_contracts.parties", parties, _own_names(parties)),
        ("gateway_contracts.cursors", cursors, _own_names(cursors)),
        ("gateway_contracts.backoff", backoff, _own_names(backoff)),
        ("gateway_contracts.testing", testing, testing.__all__),
    ]
    lines = [line for place, module, names in parts for name in names for line in _lines(place, module, name)]
    return HEAD + "".join(f"{line}\n" for line in lines)


def _own_names(module):
    """What a module without `__all__` defines: classes, functions, and names for types; its numbers are its own."""
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (getattr(value, "__module__", None) == module.__name__ or typing.get_origin(value) is not None)
        and not isinstance(value, typing.TypeVar)
        and value is not typing.Generic
    )


def _lines(place, module, name):
    value = getattr(module, name)
    yield f"\n{place}.{name}{_said(value)}"
    if inspect.isclass(value):
        yield from (f"    {line}" for line in _members(value))


def _said(value):
    if inspect.isfunction(value):
        return _signature(value)
    if inspect.isclass(value) and typing.get_origin(value) is None:
        return f": class({', '.join(each.__name__ for each in value.__bases__ if each is not object)})"
    if typing.get_origin(value) is not None:
        return f" = {_short(inspect.formatannotation(value))}"
    if isinstance(value, str | int | float):
        return f" = {value!r}"
    names = (
        [each.__name__ if inspect.isclass(each) else str(each) for each in value] if isinstance(value, Iterable) else []
    )
    return f": {', '.join(names)}"


def _members(kind):
    if issubclass(kind, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in kind)
        return
    if issubclass(kind, GatewayError):
        yield f"code={kind.code!r} status={kind.status} retryable={kind.retryable} origin={kind.default_origin.value}"
    if attrs.has(kind):
        yield from (_field(field) for field in attrs.fields(kind) if not field.name.startswith("_"))
    operations = operations_of(kind)
    for name, annotation in vars(kind).get("__annotations__", {}).items():
        if not name.startswith("_") and not attrs.has(kind):
            yield f"{name}: {_annotation(annotation)}"
    for name in sorted(name for name in dir(kind) if name.startswith("test_")):
        yield name
    for name, value in list(vars(kind).items()):
        made = name == "__init__" and not attrs.has(kind) and not issubclass(kind, typing.Protocol)
        if name.startswith("_") and not (made and inspect.isfunction(value)):
            continue
        if name.startswith("test_"):
            continue
        if name in operations:
            found = operations[name]
            since = f" since={found.since}" if found.since else ""
            yield f"{found.verb} {found.path} {found.status} scope={found.scope} rings={found.rings}{since}"
        if inspect.isfunction(value):
            yield f"{'async ' if inspect.iscoroutinefunction(value) else ''}{name}{_signature(value)}"
        elif isinstance(value, property | classmethod | staticmethod):
            yield f"{name} ({type(value).__name__})"


def _field(field):
    default = ""
    if field.default is not attrs.NOTHING:
        default = " = …" if isinstance(field.default, attrs.Factory) else f" = {field.default!r}"
    return f"{field.name}: {_annotation(field.type)}{default}"


def _annotation(annotation):
    return _short(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))


def _signature(function):
    return _short(re.sub(r"<(?:built-in )?function (\w+)[^>]*>", r"\1", str(inspect.signature(function))))


def _short(text):
    """*text* without the modules of what it names."""
    return re.sub(r"\b[a-z_]+(?:\.[a-z_]+)*\.(?=[a-z]*\w)", "", text)


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
