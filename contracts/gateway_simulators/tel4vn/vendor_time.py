"""The vendor's way to write times: local, without an offset, whole seconds [003:310]."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

# Viet Nam has had +07:00 without summer time since 1975, so no time zone database is needed.
_LOCAL = timezone(timedelta(hours=7))
_DAY = 86_400
_TEXT = re.compile(r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}:\d{2})?")


def to_text(moment: datetime) -> str:
    """Write an aware datetime as the vendor does."""
    return moment.astimezone(_LOCAL).strftime("%Y-%m-%d %H:%M:%S")


def epoch_to_text(epoch: int) -> str:
    """Write Unix seconds as the vendor does."""
    return to_text(datetime.fromtimestamp(epoch, UTC))


def to_epoch(text: str, *, end_of_day: bool = False) -> int:
    """Read a date, or a date and time, into Unix seconds.

    A date alone is the first second of that day, or its last when *end_of_day*.

    Raises: ValueError when *text* is neither.
    """
    if not _TEXT.fullmatch(text):
        raise ValueError(f"{text!r} is neither YYYY-MM-DD nor YYYY-MM-DD HH:MM:SS")
    epoch = int(datetime.fromisoformat(text).replace(tzinfo=_LOCAL).timestamp())
    return epoch + _DAY - 1 if end_of_day and len(text) == len("2021-02-18") else epoch


def epoch_of(text: Any) -> int | None:
    """Read a row's time; None when there is none, or when it is nonsense."""
    try:
        return to_epoch(text.strip())
    except (AttributeError, ValueError):
        return None
