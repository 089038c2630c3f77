"""The checks of the values that users may give a simulator's behaviour while it runs."""

from __future__ import annotations

from math import inf
from typing import Any

import attrs
from attrs import setters, validators

flag = validators.instance_of(bool)
checked = setters.pipe(setters.convert, setters.validate)


def seconds(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """Refuse a value that is no number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        raise ValueError(f"{field.name} is a number of seconds from 0 on, not {value!r}")


def whole_number_from(least: int) -> Any:
    """Make a check that refuses a value that is no whole number from *least* on."""

    def check(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{field.name} is a whole number from {least} on, not {value!r}")

    return check


def number_answers(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """Refuse a value that is neither true, false nor "busy"."""
    if not isinstance(value, bool) and value != "busy":
        raise ValueError(f'{field.name} is true, false or "busy", not {value!r}')


def share(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    """Refuse a value that is no number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{field.name} is a number from 0 to 1, not {value!r}")
