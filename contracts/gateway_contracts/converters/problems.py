"""What is wrong with data: each bad value by its path."""

import itertools
import typing
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import attrs
from cattrs import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from .encoding import Damaged

MAX_PROBLEMS = 20
"""How many bad values are looked for in one list or table, and named in one error: who sends more is told of these."""


class InvalidValue(ValueError):
    """Data does not have the expected shape. `fields` maps the path of each bad value to what is wrong with it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(itertools.islice(fields.items(), MAX_PROBLEMS))
        super().__init__("; ".join(f"{path}: {text}" if path else text for path, text in self.fields.items()))


def nearest(name: str, names: typing.Iterable[str]) -> str:
    """A hint for a misspelt *name*, starting with a blank; empty when nothing is near."""
    found = get_close_matches(name, list(names), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def flatten(error: BaseException, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(error, ForbiddenExtraKeysError):
        names = [field.name for field in attrs.fields(error.cl)]
        for extra in sorted(map(str, error.extra_fields))[:MAX_PROBLEMS]:
            yield _join(path, extra), f"is not known here{nearest(extra, names)}"
    elif isinstance(error, ClassValidationError):
        with_notes, without = error.group_exceptions()
        for child, note in with_notes:
            yield from flatten(child, _join(path, note.name))
        for child in without:
            yield from flatten(child, path)
    elif isinstance(error, IterableValidationError):
        with_indexes, without = error.group_exceptions()
        for child, index in with_indexes:
            yield from flatten(child, f"{path}[{index.index}]")
        for child in without:
            yield from flatten(child, path)
    elif isinstance(error, KeyError):
        yield _join(path, str(error.args[0])) if not path.endswith(str(error.args[0])) else path, "is missing"
    else:
        yield path, say(error)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def say(error: BaseException) -> str:
    return str(error) or type(error).__name__


def kind_of(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        Damaged: "text that cannot be decoded",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)
