"""Data from outside, checked strictly: nothing is guessed, and what is wrong is named by its path.

A cattrs converter as it comes turns None into "None", "false" into True and 1.9 into 1. These refuse.
"""

import enum
import functools
import itertools
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar

import attrs
import orjson
from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
    StructureHandlerNotFoundError,
)
from cattrs.fns import identity
from cattrs.gen import make_dict_unstructure_fn, override

from .secrets import Secret

T = TypeVar("T")

MAX_PROBLEMS = 20
"""How many bad values are looked for in one list or table, and named in one error: who sends more is told of these."""

_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})
_PLAIN = frozenset({str, bool, int, float, type(None)})
_HALF = re.compile("[\ud800-\udfff]")  # of a pair; bytes that are no text become such ones too
_MAX_DIGITS = 20  # of a number of 64 bits
_MAX_SHAPES, _MAX_SHAPE_KEYS, _MAX_KEY = 256, 64, 64  # who sends data must not choose how much is remembered of it


class InvalidValue(ValueError):
    """Data does not have the expected shape. `fields` maps the path of each bad value to what is wrong with it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(itertools.islice(fields.items(), MAX_PROBLEMS))
        super().__init__("; ".join(f"{path}: {text}" if path else text for path, text in self.fields.items()))


class Damaged(str):
    """Text of which a part could not be decoded, with U+FFFD in its place.

    It is written down like any other text, and refused wherever text is checked for.
    """

    __slots__ = ()


def from_json(value: Any, kind: type[T], *, refuse_unknown: bool = False) -> T:
    """*value*, as it came out of JSON or TOML, as *kind*. Keys that *kind* does not have are ignored unless told.

    Raises: InvalidValue.
    """
    return _structure(_STRICT_JSON if refuse_unknown else _JSON, value, kind)


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
    return _STRICT_JSON.get_structure_hook(kind)


def problems_of(error: Exception, path: str) -> dict[str, str]:
    """What a `checker` that raised *error* for the value at *path* found, as `InvalidValue.fields`."""
    return dict(_flatten(error, path))


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


def dumps(value: Any) -> bytes:
    """Plain data, such as `to_json` gives, as JSON; datetimes as RFC 3339, those in UTC with `Z`."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def loads(data: bytes | str) -> Any:
    """JSON as plain data. Raises: ValueError."""
    return orjson.loads(data)


def loads_mended(data: bytes | str) -> Any:
    """JSON as plain data, where one odd value costs no other: a text that cannot be decoded (half an emoji, a bad byte)
    is `Damaged`, a number beyond all bounds is infinite.

    Raises: ValueError.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
        try:
            return _mended(json.loads(text, parse_int=_bounded, parse_constant=_no_number))
        except RecursionError:
            raise error from None


def _mended(value: Any) -> Any:
    if isinstance(value, dict):
        return {_HALF.sub("\ufffd", name): _mended(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return Damaged(_HALF.sub("\ufffd", value)) if isinstance(value, str) and _HALF.search(value) else value


def _bounded(digits: str) -> int | float:
    """A whole number; one that 64 bits have no room for is a float, as it is for `loads`."""
    number = int(digits) if len(digits) <= _MAX_DIGITS else math.inf
    return number if -(2**63) <= number < 2**64 else float(digits)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def nearest(name: str, names: typing.Iterable[str]) -> str:
    """A hint for a misspelt *name*, starting with a blank; empty when nothing is near."""
    found = get_close_matches(name, list(names), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _structure(converter: Converter, value: Any, kind: type[T]) -> T:
    try:
        return converter.structure(value, kind)
    except BaseValidationError as error:
        raise InvalidValue(dict(_flatten(error, ""))) from error
    except (ValueError, TypeError, KeyError, StructureHandlerNotFoundError) as error:
        raise InvalidValue({"": _say(error)}) from error


def _flatten(error: BaseException, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(error, ForbiddenExtraKeysError):
        names = [field.name for field in attrs.fields(error.cl)]
        for extra in sorted(map(str, error.extra_fields))[:MAX_PROBLEMS]:
            yield _join(path, extra), f"is not known here{nearest(extra, names)}"
    elif isinstance(error, ClassValidationError):
        with_notes, without = error.group_exceptions()
        for child, note in with_notes:
            yield from _flatten(child, _join(path, note.name))
        for child in without:
            yield from _flatten(child, path)
    elif isinstance(error, IterableValidationError):
        with_indexes, without = error.group_exceptions()
        for child, index in with_indexes:
            yield from _flatten(child, f"{path}[{index.index}]")
        for child in without:
            yield from _flatten(child, path)
    elif isinstance(error, KeyError):
        yield _join(path, str(error.args[0])) if not path.endswith(str(error.args[0])) else path, "is missing"
    else:
        yield path, _say(error)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _say(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _kind_of(value: Any) -> str:
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


def _exactly(kind: type[T], name: str) -> Callable[[Any, Any], T]:
    def check(value: Any, _: Any) -> T:
        if type(value) is not kind:
            raise ValueError(f"must be {name}, not {_kind_of(value)}")
        return value

    return check


def _whole(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"must be a whole number, not {_kind_of(value)}")
    if value.bit_length() > 63:  # more cannot be said in JSON as it is read and written here
        raise ValueError("is out of range")
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"must be a number, not {_kind_of(value)}")
    if type(value) is int:
        return float(_whole(value, int))
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return float(value)


def _secret(value: Any, _: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if type(value) is not str:
        raise ValueError(f"must be text, not {_kind_of(value)}")
    return Secret(value)


def _datetime(value: Any, _: Any) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a time such as 2026-01-31T09:00:00Z") from None
    else:
        raise ValueError(f"must be a time such as 2026-01-31T09:00:00Z, not {_kind_of(value)}")
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


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _is_sequence(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Sequence) and not issubclass(origin, str | bytes)


def _is_mapping(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_word(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.StrEnum)


def _is_attrs(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and attrs.has(origin)


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
    return frozenset({str, bool}.intersection(members)) if _PLAIN.issuperset(members) else frozenset()


def _sequence_hook_factory(converter: Converter) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def factory(kind: Any) -> Callable[[Any, Any], Any]:
        member = (typing.get_args(kind) or (Any,))[0]
        as_list = (typing.get_origin(kind) or kind) is list

        def structure(value: Any, kind: Any) -> Any:
            if not isinstance(value, list | tuple):
                raise ValueError(f"must be a list, not {_kind_of(value)}")
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
            raise ValueError(f"must be an object, not {_kind_of(value)}")
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
        from_dict = _by_shape(made, converter.gen_structure_attrs_fromdict(kind))

        def structure(value: Any, kind: Any) -> Any:
            if type(value) is dict:
                return from_dict(value, kind)
            if isinstance(value, made):
                return value
            raise ValueError(f"must be an object, not {_kind_of(value)}")

        return structure

    return factory


@attrs.frozen
class _Shape:
    """What is to be done with dicts of one shape: what they leave out, what is not asked for, what has a range."""

    absent: Mapping[str, Any]
    extra: tuple[str, ...]
    whole: tuple[str, ...]


def _by_shape(made: Any, careful: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """*careful*, which makes *made* of a dict, but what it does not have to look at again is not looked at.

    The shape of a dict is its keys and the types of its values. All that plain fields ask of a value is its type, so
    of one shape either all dicts are good or none is; and the rows of a vendor have few shapes. This is for classes
    without slots, whose objects are made by giving them their attributes.
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
    parts = set(_parts(kind))
    return frozenset(parts - {float}) if parts <= _PLAIN else frozenset()


def _parts(kind: Any) -> Sequence[Any]:
    """The types that a value of *kind* may be of."""
    return typing.get_args(kind) if _is_union(kind) else (kind,)


def _strict_converter(*, refuse_unknown: bool, exact: bool = True) -> Converter:
    converter = Converter(forbid_extra_keys=refuse_unknown, detailed_validation=True)
    hooks: dict[type, Callable[[Any, Any], Any]] = {
        str: _exactly(str, "text"),
        bool: _exactly(bool, "true or false"),
        int: _whole,
        float: _number,
        Secret: _secret,
        datetime: _datetime,
        # Named one by one: cattrs asks for the nearest class first, and for a StrEnum `str` is nearer than `Enum`.
        enum.StrEnum: _enumeration,
        enum.IntEnum: _enumeration,
        enum.Enum: _enumeration,
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_factory(_is_sequence, _sequence_hook_factory(converter))
    converter.register_structure_hook_func(_is_mapping, _mapping_hook(converter))
    converter.register_structure_hook_factory(_is_union, _union_hook_factory(converter, exact=exact))
    converter.register_structure_hook_factory(_is_attrs, _object_hook_factory(converter))
    return converter


def _settings_converter() -> Converter:
    # One for all files: to make one, and what it generates for each class of settings, takes milliseconds.
    converter = _strict_converter(refuse_unknown=True)
    converter.register_structure_hook(Secret, lambda found, _: _SECRET.get()(found))
    return converter


def _text_converter() -> Converter:
    converter = _strict_converter(refuse_unknown=True, exact=False)

    def one(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("is given more than once")
        return value

    def whole(value: Any, _: Any) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", one(value)):
            raise ValueError("must be a whole number of at most 18 digits")
        return int(value)

    def number(value: Any, _: Any) -> float:
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", one(value)):
            raise ValueError("must be a number")
        return float(value)

    def boolean(value: Any, _: Any) -> bool:
        word = one(value).lower()
        if word not in _TRUE | _FALSE:
            raise ValueError("must be true or false")
        return word in _TRUE

    def several(value: Any, kind: Any) -> Any:
        texts = [value] if isinstance(value, str) else list(value)
        if len(texts) == 1 and texts[0].lstrip().startswith("["):
            return _STRICT_JSON.structure(loads(texts[0]), kind)
        member = (typing.get_args(kind) or (Any,))[0]
        items = [converter.structure(text, member) for text in texts]
        return items if (typing.get_origin(kind) or kind) is list else tuple(items)

    def moment(value: Any, kind: Any) -> datetime:
        # A `+` in a query that nobody encoded arrives as a blank, which would lose a zone such as +07:00.
        return _datetime(re.sub(r" (?=\d\d:\d\d$)", "+", one(value)), kind)

    hooks: dict[type, Callable[[Any, Any], Any]] = {
        str: lambda value, _: one(value),
        int: whole,
        float: number,
        bool: boolean,
        datetime: moment,
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_func(_is_sequence, several)
    converter.register_structure_hook_func(
        _is_attrs, lambda value, kind: _STRICT_JSON.structure(loads(one(value)), kind)
    )
    return converter


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo in (UTC, None) else moment.astimezone(UTC)


def _plain_union(converter: Converter, kind: Any) -> Callable[[Any], Any]:
    # As it comes, cattrs looks at the class of every value; with `identity` it does not even call it.
    members = set(typing.get_args(kind))
    if members <= {str, bool, int, float, type(None)}:
        return identity
    return _in_utc if members == {datetime, type(None)} else lambda value: converter.unstructure(value)


def _copied(kind: Any, raw: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """What makes plain data of a model without slots by copying its attributes; None where that would not be enough.

    *raw* makes plain data of the vendor's own answer, which is left out without.
    """
    fields = {field.name: set(_parts(field.type)) for field in attrs.fields(kind) if field.name != "raw"}
    moments = [name for name, parts in fields.items() if datetime in parts and parts <= {datetime, type(None)}]
    texts = [name for name, parts in fields.items() if parts == {tuple[str, ...]}]
    others = (part for name, parts in fields.items() if name not in (*moments, *texts) for part in parts)
    only_fields = "__attrs_attrs__" in vars(kind) and not hasattr(kind, "__slots__") and not _caches(kind)
    if not only_fields or not all(part in _PLAIN or _is_word(part) for part in others):
        return None

    def plain(model: Any) -> dict[str, Any]:
        data: dict[str, Any] = model.__dict__.copy()
        if raw is None:
            data.pop("raw", None)
        elif "raw" in data:
            data["raw"] = raw(data["raw"])
        for name in moments:
            moment = data[name]
            if moment is not None and moment.tzinfo is not UTC:
                data[name] = _in_utc(moment)
        for name in texts:
            data[name] = list(data[name] or ())
        return data

    return plain


def _caches(kind: type) -> bool:
    """Whether objects of *kind* may keep more than their fields beside them."""
    return any(isinstance(each, functools.cached_property) for base in kind.__mro__ for each in vars(base).values())


def _plain_converter(*, raw: bool) -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(Secret, Secret.reveal)
    converter.register_unstructure_hook(datetime, _in_utc)
    converter.register_unstructure_hook_factory(_is_union, functools.partial(_plain_union, converter))

    def own_answer(value: Any) -> Any:
        flat = type(value) is dict and _PLAIN.issuperset(map(type, value.values()))
        return value.copy() if flat else converter.unstructure(value)

    def model(kind: Any) -> Callable[[Any], Any]:
        origin = typing.get_origin(kind) or kind
        if (copied := _copied(origin, own_answer if raw else None)) is not None:
            return copied
        left_out = not raw and any(field.name == "raw" for field in attrs.fields(origin))
        hidden = {"raw": override(omit=True)} if left_out else {}
        return make_dict_unstructure_fn(kind, converter, **hidden)  # type: ignore[arg-type] # the overrides' names vary

    converter.register_unstructure_hook_factory(_is_attrs, model)
    return converter


_JSON = _strict_converter(refuse_unknown=False)
_STRICT_JSON = _strict_converter(refuse_unknown=True)
_TEXT = _text_converter()
_SETTINGS = _settings_converter()
_SECRET: ContextVar[Callable[[Any], Secret]] = ContextVar("secret")
_WITH_RAW = _plain_converter(raw=True)
_WITHOUT_RAW = _plain_converter(raw=False)
