"""The query and the body of a request as the attributes of a class, for what is not an operation; and its headers."""

import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from gateway_contracts import MAX_PROBLEMS, InvalidRequest, InvalidValue, from_json, from_text, nearest
from multidict import MultiMapping

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

T = TypeVar("T")


def read_query(query: MultiMapping[str], kind: type[T]) -> T:
    """*query* as *kind*, a frozen attrs class. Raises: InvalidRequest with every bad field."""
    values = {name: found[0] if len(found := query.getall(name)) == 1 else found for name in dict.fromkeys(query)}
    return make(kind, _typed(values, kind, from_text))


def read_body(body: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """What *body* gives for the attributes of *kind*, a frozen attrs class, checked.

    Raises: InvalidRequest with every bad field.
    """
    values = _typed(body, kind, lambda value, each: from_json(value, each, refuse_unknown=True))
    refuse(_problems(kind, values))
    return values


def make(kind: type[T], values: Mapping[str, Any]) -> T:
    """A *kind* of *values* that have their types. Raises: InvalidRequest for what is missing or not valid."""
    missing = {
        field.name: "is missing"
        for field in attrs.fields(kind)  # type: ignore[arg-type] # every kind is an attrs class
        if field.name not in values and field.default is attrs.NOTHING
    }
    refuse({**missing, **dict(_problems(kind, values))}.items())
    return kind(**values)


def sent_once(request: "BaseRequest", name: str) -> str | None:
    """The header *name* of *request*, if it has one.

    Raises: InvalidRequest when it has several, since two programs might read different ones.
    """
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise InvalidRequest(f"The header {name} is sent {len(values)} times", fields={name: "must be sent once"})
    return values[0] if values else None


def refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Raises: InvalidRequest of all *problems*, pairs of a path and what is wrong there, if there are any."""
    fields = dict(problems)
    if fields:
        raise InvalidRequest("; ".join(f"{path} {text}" for path, text in fields.items()), fields=fields)


def between(low: int, high: int) -> Any:
    """A validator: from *low* to *high*; None is none of its business."""

    def check(_: object, __: object, value: int | None) -> None:
        if value is not None and not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")

    return check


def short(characters: int, *, most: int = 100) -> Any:
    """A validator: printable text of at most *characters*, or at most *most* of these; None is none of its business."""

    def check(_: object, __: object, value: str | tuple[str, ...] | None) -> None:
        texts = (value,) if isinstance(value, str) else value or ()
        if len(texts) > most:
            raise ValueError(f"must be at most {most}")
        if not all(text.strip() and text.isprintable() and len(text) <= characters for text in texts):
            raise ValueError(f"must be printable text of at most {characters} characters")

    return check


def _typed(values: Mapping[str, Any], kind: type[Any], convert: Callable[[Any, Any], Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields: dict[str, str] = {}
    found = {}
    for name, value in values.items():
        if len(fields) >= MAX_PROBLEMS:
            break
        if name not in hints:
            fields[name] = f"is not known here{nearest(name, hints)}"
            continue
        try:
            found[name] = convert(value, hints[name])
        except InvalidValue as error:
            fields.update({f"{name}{path}": text for path, text in error.fields.items()})
    refuse(fields.items())
    return found


def _problems(kind: type[Any], values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for field in attrs.fields(kind):
        if field.name in values and field.validator is not None:
            try:
                field.validator(None, field, values[field.name])
            except ValueError as error:
                yield field.name, str(error)
