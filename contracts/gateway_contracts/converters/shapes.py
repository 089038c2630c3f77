"""Objects made of dicts whose shape is known: what was checked for one row need not be checked for the next like it.

This makes attrs objects without their `__init__`, and without cattrs, for speed: 1.9 µs a row of TEL4VN's in place of
4.3, of the 14 to 16 that a record takes in the benchmark `history` of `tests/benchmarks`. The tests of shapes in
`tests/contracts/test_converters.py` compare it with what cattrs makes of the same values, and fail when it is not used.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .kinds import PLAIN, parts_of

_MAX_SHAPES, _MAX_SHAPE_KEYS, _MAX_KEY = 256, 64, 64  # who sends data must not choose how much is remembered of it


@attrs.frozen
class _Shape:
    """What is to be done with dicts of one shape: what they leave out, what is not asked for, what has a range."""

    absent: Mapping[str, Any]
    extra: tuple[str, ...]
    whole: tuple[str, ...]


def by_shape(made: Any, careful: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Make *made* of a dict as *careful* does, but check only the first dict of each shape.

    The shape of a dict is its keys and the types of its values. Plain fields ask for no more than a type, so of one
    shape either all dicts are good or none is; and the rows of a vendor have few shapes. This is for classes without
    slots, whose objects are made by giving them their attributes.
    """
    if not _only_keeps(made):
        return careful
    takes = {field.name: _taken_by_type(field.type) for field in attrs.fields(made)}
    defaults = {field.name: field.default for field in attrs.fields(made) if field.default is not attrs.NOTHING}
    if not all(types for name, types in takes.items() if name not in defaults):
        return careful
    shapes: dict[tuple[Any, ...], _Shape | None] = {}  # None where more than the shape decides
    new, unseen = object.__new__, object()

    def learn(value: dict[Any, Any], found: Any) -> _Shape | None:
        known = {name: value[name] for name in takes if name in value}
        absent = {name: default for name, default in defaults.items() if name not in value}
        kept = {name: id(each) for name, each in (known | absent).items()}
        decided = all(type(each) in takes[name] for name, each in known.items())
        if not decided or kept != {name: id(each) for name, each in vars(found).items()}:
            return None
        whole = tuple(name for name, each in known.items() if type(each) is int)
        return _Shape(absent, tuple(key for key in value if key not in takes), whole)

    def structure(value: dict[Any, Any], kind: Any) -> Any:
        if len(value) > _MAX_SHAPE_KEYS:
            return careful(value, kind)
        shape = (*value, *map(type, value.values()))
        known: Any = shapes.get(shape, unseen)
        if known is unseen:
            found = careful(value, kind)
            if all(type(key) is str and len(key) <= _MAX_KEY for key in value):
                if len(shapes) >= _MAX_SHAPES:
                    shapes.clear()
                shapes[shape] = learn(value, found)
            return found
        if known is None:
            return careful(value, kind)
        for name in known.whole:
            if value[name].bit_length() > 63:
                return careful(value, kind)  # which refuses it
        found = new(made)
        inside = found.__dict__
        inside.update(value)
        for name in known.extra:
            del inside[name]
        inside.update(known.absent)
        return found

    return structure


def _only_keeps(made: Any) -> bool:
    """Whether an object of a class is no more than a dict of what it was given."""
    more = ("__slots__", "__attrs_init__", "__attrs_pre_init__", "__attrs_post_init__")
    return (
        "__attrs_attrs__" in vars(made)
        and made.__new__ is object.__new__
        and not any(hasattr(made, name) for name in more)
        and not any(
            field.validator or field.converter or not field.init or field.alias != field.name
            for field in attrs.fields(made)
        )
    )


def _taken_by_type(kind: Any) -> frozenset[type]:
    """The types of values that are taken for *kind* whatever they are, but for the range of a whole number."""
    parts = set(parts_of(kind))
    return frozenset(parts - {float}) if parts <= PLAIN else frozenset()
