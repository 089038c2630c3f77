"""How far a vendor supports each operation: found by a run of the suite, shipped by its plugin, told by the gateway."""

import json
from collections.abc import Mapping
from enum import StrEnum

import attrs

from .converters import to_json


class SupportLevel(StrEnum):
    """How far an operation is supported."""

    FULL = "full"
    PARTIAL = "partial"  # the vendor cannot be told some of its arguments
    UNSUPPORTED = "unsupported"


@attrs.frozen(kw_only=True)
class Support:
    """How far one operation is supported, where everything that it needs is configured.

    `without` are the arguments that the vendor cannot be told. `reasons` say why, by argument, and under its own name
    for an operation that is unsupported.
    """

    support: SupportLevel
    without: tuple[str, ...] = ()
    reasons: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Limits:
    """What was measured at the vendor. Null stands where there was nothing to measure.

    `page_rows` is how many records came on one page when 300 were asked for and there. `range_days` is, by operation,
    the longest range of 1, 7, 31 and 366 days that was answered. `totals` are the lists that say how long they are.
    `values` are those of our words that the vendor has a word for, by `operation.argument`, where it has not all.
    `recording_ranges` says whether a part of a recording comes without the rest, `started_call_id` whether a call's id
    is known as soon as it was started.
    """

    page_rows: int | None = None
    range_days: Mapping[str, int] = attrs.field(factory=dict)
    totals: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    recording_ranges: bool | None = None
    started_call_id: bool | None = None


@attrs.frozen(kw_only=True)
class SupportReport:
    """What a vendor supports: every operation by name, and its limits."""

    vendor: str
    operations: Mapping[str, Support]
    limits: Limits = Limits()

    def as_text(self) -> str:
        """The JSON that a plugin ships."""
        return json.dumps(to_json(self), indent=2, ensure_ascii=False) + "\n"
