"""Models made into plain dicts, lists and values.

`copied` stands beside the functions that cattrs generates, for speed: 4.8 µs for a record's line in place of 6.2, of
the 14 to 16 that a record takes in the benchmark `history` of `tests/benchmarks`. `tests/contracts/test_converters.py`
compares the two, and fails when a model of calls cannot be copied.
"""

import functools
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
from cattrs import Converter
from cattrs.fns import identity
from cattrs.gen import make_dict_unstructure_fn, override

from ..secrets import Secret
from .kinds import PLAIN, is_attrs, is_union, is_word, parts_of


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo in (UTC, None) else moment.astimezone(UTC)


def _plain_union(converter: Converter, kind: Any) -> Callable[[Any], Any]:
    # As it comes, cattrs looks at the class of every value; with `identity` it does not even call it.
    members = set(typing.get_args(kind))
    if members <= {str, bool, int, float, type(None)}:
        return identity
    return _in_utc if members == {datetime, type(None)} else lambda value: converter.unstructure(value)


def copied(kind: Any, raw: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """Give a function that makes plain data of a model without slots by copying its attributes.

    None where that would not be enough. *raw* makes plain data of the vendor's own answer, which is left out without.
    """
    fields = {field.name: set(parts_of(field.type)) for field in attrs.fields(kind) if field.name != "raw"}
    moments = [name for name, parts in fields.items() if datetime in parts and parts <= {datetime, type(None)}]
    texts = [name for name, parts in fields.items() if parts == {tuple[str, ...]}]
    others = (part for name, parts in fields.items() if name not in (*moments, *texts) for part in parts)
    only_fields = "__attrs_attrs__" in vars(kind) and not hasattr(kind, "__slots__") and not _caches(kind)
    if not only_fields or not all(part in PLAIN or is_word(part) for part in others):
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


def plain_converter(*, raw: bool) -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(Secret, Secret.reveal)
    converter.register_unstructure_hook(datetime, _in_utc)
    converter.register_unstructure_hook_factory(is_union, functools.partial(_plain_union, converter))

    def own_answer(value: Any) -> Any:
        flat = type(value) is dict and PLAIN.issuperset(map(type, value.values()))
        return value.copy() if flat else converter.unstructure(value)

    def model(kind: Any) -> Callable[[Any], Any]:
        origin = typing.get_origin(kind) or kind
        if (quick := copied(origin, own_answer if raw else None)) is not None:
            return quick
        left_out = not raw and any(field.name == "raw" for field in attrs.fields(origin))
        hidden = {"raw": override(omit=True)} if left_out else {}
        return make_dict_unstructure_fn(kind, converter, **hidden)  # type: ignore[arg-type] # the overrides' names vary

    converter.register_unstructure_hook_factory(is_attrs, model)
    return converter
