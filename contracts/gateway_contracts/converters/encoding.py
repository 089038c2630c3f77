"""JSON as bytes, and plain data: written and read, also where one odd text or number is in it."""

import json
import math
import re
from typing import Any

import orjson

_HALF = re.compile("[\ud800-\udfff]")  # of a pair; bytes that are no text become such ones too
_MAX_DIGITS = 20  # of a number of 64 bits


class Damaged(str):
    """Text of which a part could not be decoded, with U+FFFD in its place.

    It is written down like any other text, and refused wherever text is checked for.
    """

    __slots__ = ()


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
