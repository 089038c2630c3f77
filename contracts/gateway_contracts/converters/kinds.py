"""What a type is of: the questions that every converter asks of an annotation."""

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

PLAIN = frozenset({str, bool, int, float, type(None)})


def is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def is_sequence(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Sequence) and not issubclass(origin, str | bytes)


def is_mapping(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)


def is_word(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.StrEnum)


def is_attrs(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and attrs.has(origin)


def parts_of(kind: Any) -> Sequence[Any]:
    """The types that a value of *kind* may be of."""
    return typing.get_args(kind) if is_union(kind) else (kind,)
