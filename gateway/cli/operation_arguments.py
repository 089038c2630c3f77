"""The arguments of operations, read from the words of a command line, and explained as such."""

import enum
import types
import typing
import zoneinfo
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import attrs
import click
from gateway_contracts import (
    OPERATIONS,
    InvalidRequest,
    InvalidValue,
    Operation,
    Parameter,
    Secret,
    from_text,
    nearest,
)

_WORDS: Mapping[Any, str] = {
    str: "TEXT",
    int: "NUMBER",
    float: "NUMBER",
    bool: "true|false",
    datetime: "TIME",
    Secret: "SECRET",
}


def operation_called(name: str) -> Operation:
    """The operation called *name*. Raises: click.UsageError with the nearest one."""
    found = OPERATIONS.get(name.replace("-", "_"))
    if found is None:
        raise click.UsageError(
            f"There is no operation {name!r}{nearest(name, OPERATIONS)}. "
            "`gateway call --list` shows those that there are, with their arguments."
        )
    return found


def arguments_in(operation: Operation, words: Sequence[str]) -> dict[str, Any]:
    """The arguments that *words*, each `name=value` or `name=@file`, give to *operation*, in their types.

    A name that is given several times makes a list. Raises: click.UsageError, InvalidRequest.
    """
    known = {parameter.name: parameter for parameter in operation.parameters}
    texts: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.replace("-", "_")
        if not equals:
            raise _usage(operation, f"{word!r} is not an argument: write it as name=value")
        if name not in known:
            raise _usage(operation, f"{operation.name} has no argument {name!r}{nearest(name, known)}")
        texts.setdefault(name, []).append(_content(name, value[1:]) if value.startswith("@") else value)
    arguments: dict[str, Any] = {}
    fields: dict[str, str] = {}
    for name, values in texts.items():
        try:
            arguments[name] = from_text(values[0] if len(values) == 1 else values, known[name].type)
        except InvalidValue as error:
            fields.update({f"{name}{path}": text for path, text in error.fields.items()})
    for parameter in operation.parameters:
        if parameter.required and parameter.name not in texts:
            fields[parameter.name] = "is missing"
    if fields:
        text = "; ".join(f"{path} {problem}" for path, problem in fields.items())
        raise InvalidRequest(
            f"{text}. {operation.name} takes {synopsis(operation)}", operation=operation.name, fields=fields
        )
    return arguments


def synopsis(operation: Operation) -> str:
    """The arguments of *operation* as they are written, the optional ones in brackets."""
    words = [
        f"{parameter.name}={word_for(parameter.type)}"
        if parameter.required
        else f"[{parameter.name}={word_for(parameter.type)}]"
        for parameter in sorted(operation.parameters, key=lambda each: not each.required)
    ]
    return " ".join(words) or "no arguments"


def word_for(kind: Any) -> str:
    """What stands for a value of *kind* in a synopsis."""
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "|".join(str(member.value) for member in kind)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return "|".join(word_for(part) for part in parts if part is not types.NoneType)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return "JSON" if attrs.has(parts[0]) else f"{word_for(parts[0])}..."
    return "JSON"


def is_time(parameter: Parameter) -> bool:
    """Whether a moment is wanted."""
    return datetime in (parameter.type, *typing.get_args(parameter.type))


def moment_in(text: str, zone: tzinfo | None) -> datetime:
    """The moment that *text* names: a time with its zone, or a date or time read in *zone*. A date is its midnight.

    Raises: click.BadParameter.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time: write 2026-01-31, or 2026-01-31T09:00:00+07:00") from None
    if moment.tzinfo is not None:
        return moment
    if zone is None:
        raise click.BadParameter(
            f"{text!r} does not say its time zone: add --timezone, such as --timezone Asia/Ho_Chi_Minh, "
            f"or write {moment.isoformat()}+07:00, with Z for UTC"
        )
    return moment.replace(tzinfo=zone)


def zone_called(name: str) -> tzinfo:
    """The time zone called *name*. Raises: click.BadParameter with the nearest one."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(name, zoneinfo.available_timezones())
        raise click.BadParameter(
            f"{name!r} is not known{hint}: write one such as Asia/Ho_Chi_Minh or UTC", param_hint="--timezone"
        ) from None


def filters_in(texts: Mapping[str, str | None], zone: tzinfo | None) -> dict[str, Any]:
    """The filters of `list_records` that the options *texts* give, times read in *zone* where they do not say theirs.

    Raises: click.BadParameter.
    """
    operation = OPERATIONS["list_records"]
    filters: dict[str, Any] = {}
    for parameter in operation.parameters:
        text = texts.get(parameter.name)
        if text is None:
            continue
        option = f"--{parameter.name.replace('_', '-')}"
        try:
            filters[parameter.name] = moment_in(text, zone) if is_time(parameter) else from_text(text, parameter.type)
        except InvalidValue as error:
            raise click.BadParameter(f"{text!r} {error}", param_hint=option) from None
        except click.BadParameter as error:
            error.param_hint = option
            raise
    return filters


def _content(name: str, path: str) -> str:
    """What is in the file at *path*, without the line's end that editors leave."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise click.UsageError(
            f"{name}: the file {path!r} cannot be read ({reason}). A value that starts with @ names a file."
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def _usage(operation: Operation, problem: str) -> click.UsageError:
    return click.UsageError(f"{problem}. {operation.name} takes {synopsis(operation)}.")
