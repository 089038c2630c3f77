"""Models as JSON, NDJSON and CSV."""

import csv
import io
import re
import typing
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import attrs
from gateway_contracts import Operation, dumps, to_json

NDJSON = "application/x-ndjson"
CSV = "text/csv"

T = TypeVar("T")

# What a spreadsheet would run as a formula. A number such as +84899098899 is no formula.
# \uff1d, \uff20, \uff0b and \uff0d are the full-width forms of =, @, + and -.
_FORMULA = re.compile("\\s*([=@\uff1d\uff20]|[+\\-\uff0b\uff0d](?![\\d\\s]*$))|[\\t\\r\\n]")

ROWS_AT_ONCE = 100
"""How many rows are written at once: less than two milliseconds, in which nobody else has a turn."""


def in_parts(models: Sequence[T]) -> Iterator[Sequence[T]]:
    """*models* in their order, as many at a time as are to be written at once."""
    for first in range(0, len(models), ROWS_AT_ONCE):
        yield models[first : first + ROWS_AT_ONCE]


def json_lines(models: Iterable[Any], *, raw: bool = False) -> bytes:
    """One JSON object a line."""
    return b"".join(dumps(to_json(model, raw=raw)) + b"\n" for model in models)


def columns(operation: Operation) -> tuple[str, ...]:
    """The columns that the items of a paged *operation* have as CSV: every attribute but the vendor's own answer."""
    model = typing.get_args(operation.returns)[0]
    return tuple(field.name for field in attrs.fields(model) if field.name != "raw")


def csv_header(names: Iterable[str]) -> bytes:
    """The first line of a CSV file."""
    return _csv([list(names)])


def csv_rows(models: Iterable[Any], names: tuple[str, ...]) -> bytes:
    """One line a model, as RFC 4180 says; text that a spreadsheet would run is given a leading apostrophe."""
    return _csv([[_cell(row[name]) for name in names] for row in map(to_json, models)])


def _csv(rows: list[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None or (type(value) is str and value[:1].isalnum()):  # a letter or digit begins no formula
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value
