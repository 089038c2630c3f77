"""Data from outside, checked strictly: nothing is guessed, and every bad value is named by its path.

A cattrs converter as it comes turns None into "None", "false" into True and 1.9 into 1. These refuse.
"""

import typing
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import orjson
from cattrs import BaseValidationError, Converter, StructureHandlerNotFoundError

from ..secrets import Secret
from .encoding import Damaged, dumps, loads, loads_mended
from .plain import plain_converter
from .problems import MAX_PROBLEMS, InvalidValue, flatten, nearest, say
from .strict import STRICT_JSON, strict_converter
from .texts import text_converter

__all__ = [
    "MAX_PROBLEMS",
    "Damaged",
    "InvalidValue",
    "checker",
    "dumps",
    "from_json",
    "from_settings",
    "from_text",
    "loads",
    "loads_mended",
    "nearest",
    "problems_of",
    "to_json",
    "to_json_lines",
]

T = TypeVar("T")


def from_json(value: Any, kind: type[T], *, refuse_unknown: bool = False) -> T:
    """*value*, as it came out of JSON or TOML, as *kind*. Keys that *kind* does not have are ignored unless told.

    Raises: InvalidValue.
    """
    return _structure(STRICT_JSON if refuse_unknown else _JSON, value, kind)


def from_settings(value: Any, kind: type[T], secret: Callable[[Any], Secret]) -> T:
    """*value* of a configuration file as *kind*; *secret* makes a `Secret` of whatever stands where one is wanted.

    Raises: InvalidValue, and what *secret* raises, as part of it.
    """
    token = _SECRET.set(secret)
    try:
        return _structure(_SETTINGS, value, kind)
    finally:
        _SECRET.reset(token)


def checker(kind: Any) -> Callable[[Any, Any], Any]:
    """What checks one value for *kind* as `from_json` does, ready to be called many times with the value and *kind*."""
    return STRICT_JSON.get_structure_hook(kind)


def problems_of(error: Exception, path: str) -> dict[str, str]:
    """What a `checker` that raised *error* for the value at *path* found, as `InvalidValue.fields`."""
    return dict(flatten(error, path))


def from_text(value: str | Sequence[str], kind: type[T]) -> T:
    """Text of a query or a command line as *kind*; several texts, or one that is JSON, for a *kind* of many parts.

    Raises: InvalidValue.
    """
    return _structure(_TEXT, value, kind)


def to_json(value: Any, *, raw: bool = False) -> Any:
    """A model as plain dicts, lists and values that `dumps` takes. The vendor's own answer is left out unless *raw*.

    Datetimes are taken to UTC.
    """
    return (_WITH_RAW if raw else _WITHOUT_RAW).unstructure(value)


def to_json_lines(models: typing.Iterable[Any], *, raw: bool = False) -> bytes:
    """*models* as JSON, one in each line, as `to_json` and `dumps` give them."""
    converter, option = _WITH_RAW if raw else _WITHOUT_RAW, orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    lines: list[bytes] = []
    kind: type | None = None
    plain: Callable[[Any], Any] = converter.unstructure
    for model in models:
        if type(model) is not kind:
            kind = type(model)
            plain = converter.get_unstructure_hook(kind)
        lines.append(orjson.dumps(plain(model), option=option))
    return b"".join(lines)


def _structure(converter: Converter, value: Any, kind: type[T]) -> T:
    try:
        return converter.structure(value, kind)
    except BaseValidationError as error:
        raise InvalidValue(dict(flatten(error, ""))) from error
    except (ValueError, TypeError, KeyError, StructureHandlerNotFoundError) as error:
        raise InvalidValue({"": say(error)}) from error


def _settings_converter() -> Converter:
    # One for all files: to make one, and what it generates for each class of settings, takes milliseconds.
    converter = strict_converter(refuse_unknown=True)
    converter.register_structure_hook(Secret, lambda found, _: _SECRET.get()(found))
    return converter


_JSON = strict_converter(refuse_unknown=False)
_TEXT = text_converter()
_SETTINGS = _settings_converter()
_SECRET: ContextVar[Callable[[Any], Secret]] = ContextVar("secret")
_WITH_RAW = plain_converter(raw=True)
_WITHOUT_RAW = plain_converter(raw=False)
