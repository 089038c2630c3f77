"""The checks of data that came as JSON or TOML: nothing is guessed."""

import enum
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    Converter,
    IterableValidationError,
    IterableValidationNote,
)

from ..secrets import Secret
from .kinds import PLAIN, is_attrs, is_mapping, is_sequence, is_union
from .problems import MAX_PROBLEMS, kind_of
from .shapes import by_shape

T = TypeVar("T")


def _exactly(kind: type[T], name: str) -> Callable[[Any, Any], T]:
    def check(value: Any, _: Any) -> T:
        if type(value) is not kind:
            raise ValueError(f"must be {name}, not {kind_of(value)}")
        return value

    return check


def _whole(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"must be a whole number, not {kind_of(value)}")
    if value.bit_length() > 63:  # more cannot be said in JSON as it is read and written here
        raise ValueError("is out of range")
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"must be a number, not {kind_of(value)}")
    if type(value) is int:
        return float(_whole(value, int))
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return float(value)


def _secret(value: Any, _: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if type(value) is not str:
        raise ValueError(f"must be text, not {kind_of(value)}")
    return Secret(value)


def aware_datetime(value: Any, _: Any) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a time such as 2026-01-31T09:00:00Z") from None
    else:
        raise ValueError(f"must be a time such as 2026-01-31T09:00:00Z, not {kind_of(value)}")
    if moment.tzinfo is None:
        raise ValueError("must say its zone, such as 2026-01-31T09:00:00Z or 2026-01-31T09:00:00+07:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _enumeration(value: Any, kind: Any) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(str(member.value) for member in kind)}") from None


def _union_hook_factory(converter: Converter, *, exact: bool) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def factory(kind: Any) -> Callable[[Any, Any], Any]:
        members = typing.get_args(kind)
        nullable = type(None) in members
        others = [member for member in members if member is not type(None)]
        as_it_is = _taken_as_they_are(members) if exact else frozenset()

        def structure(value: Any, _: Any) -> Any:
            if type(value) in as_it_is or (value is None and nullable):
                return value
            for index, member in enumerate(others):
                try:
                    return converter.structure(value, member)
                except (ValueError, TypeError, BaseValidationError):
                    if index == len(others) - 1:
                        raise
            raise ValueError("must be null")

        return structure

    return factory


def _taken_as_they_are(members: Sequence[Any]) -> frozenset[type]:
    """The types of values that a union of *members* takes without a look: a vendor's row is full of `str | None`."""
    # Text could also be for an enumeration, a time or a secret; whole numbers have a range, others may be infinite.
    return frozenset({str, bool}.intersection(members)) if PLAIN.issuperset(members) else frozenset()


def _sequence_hook_factory(converter: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def factory(kind: Any) -> Callable[[Any, Any], Any]:
        member = (typing.get_args(kind) or (Any,))[0]
        as_list = (typing.get_origin(kind) or kind) is list

        def structure(value: Any, kind: Any) -> Any:
            if not isinstance(value, list | tuple):
                raise ValueError(f"must be a list, not {kind_of(value)}")
            if member is Any:
                return list(value) if as_list else tuple(value)
            one = converter.get_structure_hook(member)
            items: list[Any] = []
            errors: list[Exception] = []
            for index, item in enumerate(value):
                try:
                    items.append(one(item, member))
                except (ValueError, TypeError, BaseValidationError) as error:
                    note = IterableValidationNote(f"Structuring @ index {index}", index, member)
                    error.__notes__ = [*getattr(error, "__notes__", []), note]
                    errors.append(error)
                    if len(errors) == MAX_PROBLEMS:
                        break
            if errors:
                raise IterableValidationError("invalid items", errors, kind)
            return items if as_list else tuple(items)

        return structure

    return factory


def _mapping_hook(converter: Converter) -> Callable[[Any, Any], Any]:
    # As it comes, cattrs asks whatever it gets for `.items()`, and names a bad value by its index.
    def structure(value: Any, kind: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"must be an object, not {kind_of(value)}")
        key_kind, member = typing.get_args(kind) or (Any, Any)
        items: dict[Any, Any] = {}
        errors: list[Exception] = []
        for key, item in value.items():
            try:
                items[converter.structure(key, key_kind)] = converter.structure(item, member)
            except (ValueError, TypeError, BaseValidationError) as error:
                note = AttributeValidationNote(f"Structuring key {key}", str(key), member)
                error.__notes__ = [*getattr(error, "__notes__", []), note]
                errors.append(error)
                if len(errors) == MAX_PROBLEMS:
                    break
        if errors:
            raise ClassValidationError("invalid items", errors, dict)
        return items

    return structure


def _object_hook_factory(converter: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def factory(kind: Any) -> Callable[[Any, Any], Any]:
        made = typing.get_origin(kind) or kind
        from_dict = by_shape(made, converter.gen_structure_attrs_fromdict(kind))

        def structure(value: Any, kind: Any) -> Any:
            if type(value) is dict:
                return from_dict(value, kind)
            if isinstance(value, made):
                return value
            raise ValueError(f"must be an object, not {kind_of(value)}")

        return structure

    return factory


def strict_converter(*, refuse_unknown: bool, exact: bool = True) -> Converter:
    converter = Converter(forbid_extra_keys=refuse_unknown, detailed_validation=True)
    hooks: dict[type, Callable[[Any, Any], Any]] = {
        str: _exactly(str, "text"),
        bool: _exactly(bool, "true or false"),
        int: _whole,
        float: _number,
        Secret: _secret,
        datetime: aware_datetime,
        # Named one by one: cattrs asks for the nearest class first, and for a StrEnum `str` is nearer than `Enum`.
        enum.StrEnum: _enumeration,
        enum.IntEnum: _enumeration,
        enum.Enum: _enumeration,
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_factory(is_sequence, _sequence_hook_factory(converter))
    converter.register_structure_hook_func(is_mapping, _mapping_hook(converter))
    converter.register_structure_hook_factory(is_union, _union_hook_factory(converter, exact=exact))
    converter.register_structure_hook_factory(is_attrs, _object_hook_factory(converter))
    return converter


STRICT_JSON = strict_converter(refuse_unknown=True)
