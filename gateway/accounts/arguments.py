"""The arguments of operations: each is checked, and turned into the type that its operation declares."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, get_origin

import attrs
from gateway_contracts import InvalidRequest, Location, Operation, checker, problems_of

MAX_LIMIT = 10_000
MAX_TEXT = 8_000  # a cursor is the longest
MAX_KEY = 200  # characters of an idempotency key
# Vendors know no calls before, and arithmetic with zones has room on both sides.
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
_PLAIN = re.compile(r"[!-~]+").fullmatch  # what almost every text is; nothing can be wrong with it
_RANGES = (("since", "until"), ("ended_since", "ended_until"))
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')


@attrs.frozen
class Checks:
    """How the arguments of one operation are checked: what is the same for all its calls."""

    of: Mapping[str, tuple[Callable[[Any, Any], Any], Any]]
    in_headers: frozenset[str]
    required: tuple[str, ...]
    ranges: tuple[tuple[str, str], ...]
    defaults: Mapping[str, Any]
    answer: type


@functools.cache
def checks_of(operation: Operation) -> Checks:
    """How the arguments of *operation* are checked."""
    checks = {each.name: (checker(each.type), each.type) for each in operation.parameters}
    return Checks(
        checks,
        frozenset(each.name for each in operation.parameters_in(Location.HEADER)),
        tuple(each.name for each in operation.parameters if each.required),
        tuple((first, last) for first, last in _RANGES if first in checks and last in checks),
        {each.name: each.default for each in operation.parameters if not each.required},
        get_origin(operation.returns) or operation.returns,
    )


class Checked(dict[str, Any]):
    """Arguments that `check_arguments` has checked. It does not check them again, through whatever layer they go on."""

    def without(self, name: str) -> "Checked":
        """These arguments less the one called *name*."""
        return Checked((each, value) for each, value in self.items() if each != name)


def check_arguments(operation: Operation, arguments: Mapping[str, Any]) -> Checked:
    """Check every value of *arguments* and turn it into its own type. An argument that has a default may be absent.

    Raises: InvalidRequest with every bad argument in `fields`.
    """
    if type(arguments) is Checked:
        return arguments
    checks = checks_of(operation)
    checked = Checked()
    fields: dict[str, str] = {}
    for name, value in arguments.items():
        check = checks.of.get(name)
        if check is None:
            fields[name] = "is not known here"
            continue
        try:
            kept = checked[name] = check[0](value, check[1])
        except Exception as error:  # noqa: BLE001 # whatever a check raises says what is wrong with the value
            fields.update(problems_of(error, name))
            continue
        if name == "idempotency_key" and isinstance(kept, str):
            kept = checked[name] = plain_key(kept)
        if not (type(kept) is str and len(kept) <= MAX_KEY and _PLAIN(kept)):
            fields.update(_problems(name, kept))
        if name in checks.in_headers and not str(value).isprintable():
            fields[name] = "must be printable text"
    for name in checks.required:
        if name not in arguments:
            fields[name] = "is missing"
    for first, last in checks.ranges:
        since, until = checked.get(first), checked.get(last)
        if isinstance(since, datetime) and isinstance(until, datetime) and until < since:
            fields[last] = f"is before {first}"
    if fields:
        raise InvalidRequest(
            "; ".join(f"{path} {text}" for path, text in fields.items()), operation=operation.name, fields=fields
        )
    return checked


def _problems(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a *value* of the right type, by path."""
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _problems(f"{name}[{index}]", item)
    elif isinstance(value, str) and not value.strip():
        yield name, "must not be blank"
    elif isinstance(value, str) and len(value) > (most := MAX_KEY if name == "idempotency_key" else MAX_TEXT):
        yield name, f"must be at most {most} characters"
    elif isinstance(value, str) and any(character < " " or character == "\x7f" for character in value):
        yield name, "must not hold control characters"
    elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield name, "must be text that can be encoded"
    elif isinstance(value, datetime) and not _EARLIEST <= value <= _LATEST:
        yield name, f"is out of range: from {_EARLIEST:%Y} to {_LATEST:%Y}"
    elif type(value) is int and value < 0:
        yield name, "must not be negative"
    elif name == "limit" and value is not None and not 1 <= value <= MAX_LIMIT:
        yield name, f"must be from 1 to {MAX_LIMIT}"


def plain_key(key: str) -> str:
    """The idempotency key *key*; one that is sent as a quoted string (RFC 9651, 3.3.3) without its quotes."""
    found = _QUOTED.fullmatch(key)
    return _ESCAPED.sub(r"\1", found[1]) if found else key
