"""The checks of text that came in a query or from a command line."""

import re
import typing
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cattrs import Converter

from .encoding import loads
from .kinds import is_attrs, is_sequence
from .strict import STRICT_JSON, aware_datetime, strict_converter

_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


def text_converter() -> Converter:
    converter = strict_converter(refuse_unknown=True, exact=False)

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
            return STRICT_JSON.structure(loads(texts[0]), kind)
        member = (typing.get_args(kind) or (Any,))[0]
        items = [converter.structure(text, member) for text in texts]
        return items if (typing.get_origin(kind) or kind) is list else tuple(items)

    def moment(value: Any, kind: Any) -> datetime:
        # A `+` in a query that nobody encoded arrives as a blank, which would lose a zone such as +07:00.
        return aware_datetime(re.sub(r" (?=\d\d:\d\d$)", "+", one(value)), kind)

    hooks: dict[type, Callable[[Any, Any], Any]] = {
        str: lambda value, _: one(value),
        int: whole,
        float: number,
        bool: boolean,
        datetime: moment,
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_func(is_sequence, several)
    converter.register_structure_hook_func(is_attrs, lambda value, kind: STRICT_JSON.structure(loads(one(value)), kind))
    return converter
