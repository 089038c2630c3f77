"""Models as JSON, NDJSON and CSV."""

import csv
import io
import operator
import re
import typing
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
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
"""How many rows are written at once: less than two milliseconds, in which no other task has a turn."""


def in_parts(models: Sequence[T]) -> Iterator[Sequence[T]]:
    """*models* in their order, as many at a time as are to be written at once."""
    for first in range(0, len(models), ROWS_AT_ONCE):
        yield models[first : first + ROWS_AT_ONCE]


def columns(operation: Operation) -> tuple[str, ...]:
    """The columns that the items of a paged *operation* have as CSV: every attribute but the vendor's own answer."""
    model = typing.get_args(operation.returns)[0]
    return tuple(field.name for field in attrs.fields(model) if field.name != "raw")


def csv_header(names: Iterable[str]) -> bytes:
    """The first line of a CSV file."""
    return _line(list(names)).encode()


def csv_rows(models: Iterable[Any], names: tuple[str, ...]) -> bytes:
    """One line a model, as RFC 4180 says; text that a spreadsheet would run is given a leading apostrophe.

    The lines are joined here, and only those with something to quote go through `csv`. That takes 7 µs a record where
    `csv` for all of them takes 9.4. Through the sidecar it was about 35 µs of CPU instead of 55: "ours, CSV" of
    `tests/benchmarks/history.py`.
    """
    values = operator.attrgetter(*names)
    lines = [
        # Most are nothing, or text that begins with a letter or digit, as no formula does.
        _line(
            [
                "" if each is None else each if type(each) is str and each[:1].isalnum() else _cell(each)
                for each in values(model)
            ]
        )
        for model in models
    ]
    return "".join(lines).encode(errors="replace")  # half a surrogate pair is no text, and costs no other row


def _line(cells: list[str]) -> str:
    line = ",".join(cells)
    if line.count(",") < len(cells) and not ('"' in line or "\r" in line or "\n" in line):
        return line + "\r\n"
    text = io.StringIO(newline="")  # something is to be quoted, which takes ten times as long
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        moment = value if value.tzinfo is UTC else to_json(value)
        return dumps(moment)[1:-1].decode()  # in less than half the time of `isoformat`
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = str(value)
        return text if text[:1].isalnum() or not _FORMULA.match(text) else f"'{text}"
    if isinstance(value, tuple):
        return _cell(" ".join(value))
    return str(value if isinstance(value, int) else to_json(value))
