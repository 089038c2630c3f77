"""Help with the rows of a vendor's list: they are read one by one and field by field, so one odd row is one odd row.

    found = await read_rows(response, response.data["records"], RecordRow, self._record)
    return found.page(next=response.data["next"])

    def _record(self, row: RecordRow, raw: Any, unreadable: tuple[str, ...] = ()) -> CallRecord: ...

A number stands for text where text is expected. A field that cannot be read has its default in the row, and its name is
in *unreadable*. A row that cannot be read at all is left out, counted in `Page.skipped` and kept in `Page.raw`.
"""

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, get_args

import attrs

from .converters import from_json
from .http import Response
from .models import Page

T = TypeVar("T")
R = TypeVar("R")

Reader = Callable[..., T]
"""Makes one of our models of a row, of the vendor's own row, and of the names of the fields that could not be read.

It raises `Unreadable` for a field that makes no sense, and is asked again without that field; any other ValueError
means that the row cannot be read.
"""

ROWS_AT_ONCE = 50  # half a millisecond
_EXACT = 2**53  # a float beyond is not the number that was written
_TEXT = frozenset({str, type(None)})
_ABSENT = object()


class Unreadable(ValueError):
    """The field *name* of a row cannot be read; *said* is what is wrong with it."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name} {said}")
        self.name = name


@attrs.frozen(kw_only=True)
class Rows(Generic[T]):
    """What the rows of a response were read as; *skipped* are the others by their place, as the vendor sent them."""

    items: tuple[T, ...]
    skipped: Mapping[int, Any] = attrs.field(factory=dict)

    def __len__(self) -> int:
        return len(self.items) + len(self.skipped)

    def page(self, *, next: str | None = None, total: int | None = None) -> Page[T]:  # noqa: A002 # as `Page` has it
        """All of it as a page."""
        return Page(
            items=self.items,
            next=next,
            total=total,
            skipped=len(self.skipped),
            raw=tuple(self.skipped.values()) or None,
        )


def _itself(raw: Any) -> Any:
    return raw


async def read_rows(
    response: Response, found: Any, kind: type[R], reader: Reader[T], *, as_row: Callable[[Any], Any] = _itself
) -> Rows[T]:
    """What *reader* makes of the rows *found* in *response*, each as *kind*. Others have their turn amid a long list.

    *as_row* gives a row of the vendor's the names of *kind*. Rows are read all at once, and with care only where that
    fails.

    Raises: VendorProtocolError when *found* is no list of such rows: not one row has text where *kind* wants only text.
    """
    raws = response.parse(list[Any], found)
    if raws and not any(_is_row(as_row(raw), kind) for raw in raws):
        raise response.nonsense("its answer does not fit its documents: its list holds no such rows")
    items: list[T] = []
    skipped: dict[int, Any] = {}
    for first in range(0, len(raws), ROWS_AT_ONCE):
        if first:
            await asyncio.sleep(0)
        some = raws[first : first + ROWS_AT_ONCE]
        try:
            rows = from_json([as_row(raw) for raw in some], tuple[kind, ...])  # type: ignore[valid-type] # it is a class
            items += [reader(row, raw) for row, raw in zip(rows, some, strict=True)]
        except (ValueError, OverflowError):
            for place, raw in enumerate(some, first):
                try:
                    items.append(read_row(raw, kind, reader, as_row=as_row))
                except (ValueError, OverflowError):
                    skipped[place] = raw
    return Rows(items=tuple(items), skipped=skipped)


def read_row(raw: Any, kind: type[R], reader: Reader[T], *, as_row: Callable[[Any], Any] = _itself) -> T:
    """What *reader* makes of *raw* as *kind*, field by field. Raises: ValueError when the row cannot be read."""
    row, unreadable = _field_by_field(as_row(raw), kind)
    while True:
        try:
            return reader(row, raw, unreadable)
        except Unreadable as error:
            if getattr(row, error.name, None) is None:
                raise
            row = attrs.evolve(row, **{error.name: None})  # type: ignore[misc] # every kind is an attrs class
            unreadable = (*unreadable, error.name)


@attrs.frozen
class _Field:
    """What is known of a field of a row's class: the types that it may have, and the class of a row within the row."""

    name: str
    kind: Any
    parts: frozenset[Any]
    nested: Any
    required: bool


@functools.lru_cache(maxsize=64)
def _fields_of(kind: Any) -> tuple[_Field, ...]:
    attrs.resolve_types(kind)
    found = []
    for field in attrs.fields(kind):
        parts = get_args(field.type) or (field.type,)
        nested = next((part for part in parts if attrs.has(part)), None)
        found.append(_Field(field.name, field.type, frozenset(parts), nested, field.default is attrs.NOTHING))
    return tuple(found)


def _is_row(row: Any, kind: type[Any]) -> bool:
    texts = [field.name for field in _fields_of(kind) if field.parts <= _TEXT]  # type: ignore[arg-type] # a class can be hashed
    return isinstance(row, dict) and any(type(text := row.get(name)) is str and text.strip() for name in texts)


def _field_by_field(row: Any, kind: type[R]) -> tuple[R, tuple[str, ...]]:
    if not isinstance(row, dict):
        raise ValueError("a row must be an object")
    values: dict[str, Any] = {}
    unreadable: list[str] = []
    for field in _fields_of(kind):  # type: ignore[arg-type] # see above
        value = row.get(field.name, _ABSENT)
        if value is _ABSENT:
            if field.required:
                raise Unreadable(field.name, "is missing")
            continue
        try:
            if field.nested is not None and isinstance(value, dict):
                values[field.name], names = _field_by_field(value, field.nested)
                unreadable += [f"{field.name}.{name}" for name in names]
            else:
                values[field.name] = _value(value, field)
        except ValueError:
            if field.required:
                raise Unreadable(field.name, "cannot be read") from None
            unreadable.append(field.name)
    return kind(**values), tuple(unreadable)


def _value(value: Any, field: _Field) -> Any:
    found = type(value)
    if found in field.parts and found in _TEXT:
        return value
    if found not in field.parts and str in field.parts and (found is int or (found is float and _is_whole(value))):
        return str(int(value))
    return from_json(value, field.kind)


def _is_whole(number: float) -> bool:
    return number.is_integer() and abs(number) < _EXACT
