"""The words and numbers that TEL4VN's products share, turned into ours.

Sources: documents 000, 001, 002 and 003 (2021), the later public edition (2023) and spellings seen in real responses.
"""

import functools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

import attrs
from gateway_contracts import Direction, Outcome
from gateway_contracts.rows import Unreadable

Number = int | float | str | None
"""A count, which arrives as a number or as text."""

OUTCOMES: Mapping[str, Outcome] = {
    # Keys are lower-case with `-` between words. 003:830-856, 002:318-326, and spellings seen in real responses.
    "answered": Outcome.ANSWERED,
    "success": Outcome.ANSWERED,
    "busy": Outcome.BUSY,
    "no-answer": Outcome.NO_ANSWER,
    "no-answered": Outcome.NO_ANSWER,
    "busy-line": Outcome.NO_ANSWER,  # rang in a queue and nobody took it
    "abandoned": Outcome.NO_ANSWER,
    "missed": Outcome.NO_ANSWER,
    "cancel": Outcome.CANCELLED,
    "canceled": Outcome.CANCELLED,
    "cancelled": Outcome.CANCELLED,
    "not-available": Outcome.UNREACHABLE,
    "failed": Outcome.FAILED,
    "fail": Outcome.FAILED,
    "congestion": Outcome.FAILED,
    "phone-block": Outcome.FAILED,
    "invalid": Outcome.FAILED,
    "invalid-number": Outcome.FAILED,
    "unknown": Outcome.UNKNOWN,
}

DIRECTIONS: Mapping[str, Direction] = {  # 003:276, 003:405
    "inbound": Direction.INBOUND,
    "outbound": Direction.OUTBOUND,
    "local": Direction.INTERNAL,
}
DIRECTION_FILTERS: Mapping[Direction, str] = {direction: word for word, direction in DIRECTIONS.items()}

STAMP = "%Y-%m-%d %H:%M:%S"

_COUNT = re.compile(r"\s*[0-9]{1,15}(\.0*)?\s*", re.ASCII)
TOO_MANY = 10**15
_SECONDS = re.compile(r"\s*[0-9]{1,15}(\.[0-9]*)?\s*", re.ASCII)
_TOO_LONG = 2**31  # seconds: no call lasts for sixty-eight years
_HOURS_KEPT = 10_000  # a year and more
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # zero values, whatever zone they were written in, lie before
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_ZERO_DATE = "0000-00-00"  # MySQL's


@functools.lru_cache(maxsize=256)
def outcome_of(status: str | None) -> Outcome:
    """Our word for the vendor's *status*; `unknown` for one that nobody has documented."""
    return OUTCOMES.get(re.sub(r"[ _]+", "-", (status or "").strip().lower()), Outcome.UNKNOWN)


def text(value: str | int | None) -> str | None:
    """*value* without the blanks that the vendor leaves around ids and numbers (003:316); None when nothing is left."""
    if type(value) is str:
        return value.strip() or None
    return None if value is None else str(value).strip() or None


def whole(value: str | int | float | None) -> int | None:
    """A count of rows, which arrives as a number or as text; None when absent. Raises: ValueError for anything else."""
    if type(value) is int and 0 <= value < TOO_MANY:
        return value
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if len(value) <= 15 and value.isascii() and value.isdigit():
            return int(value)
        if not _COUNT.fullmatch(value):
            raise ValueError("a number is not a whole number")
        value = float(value)
    if not 0 <= value < TOO_MANY or value != int(value):
        raise ValueError("a number is negative, broken or too large")
    return int(value)


def seconds(value: str | int | float | None, name: str, *, below: int = _TOO_LONG) -> int | None:
    """How long something took, as *name* says it: a number or text, of which whole seconds count; None when absent.

    Raises: Unreadable for anything else, and for what is not *below* a limit.
    """
    if type(value) is int and 0 <= value < below:
        return value
    if value is None:
        return None
    if isinstance(value, str):
        if not value.strip():
            return None
        if not _SECONDS.fullmatch(value):
            raise Unreadable(name, "is not a number of seconds")
        value = float(value)
    if not 0 <= value < below:
        raise Unreadable(name, "is negative or too large")
    return int(value)


def truth(value: str | bool | None) -> bool | None:
    """The vendor's "true" and "false", as text or not. None for anything else."""
    return {"true": True, "false": False}.get(str(value).strip().lower())


@attrs.frozen
class LocalTime:
    """Reads and writes the vendor's times, which have no zone: they are local to *zone*.

    *z_is_local* says that a trailing `Z` is decoration, as some of the vendor's hosts send it.
    """

    zone: tzinfo
    z_is_local: bool = False
    # To ask the zone for every time takes longer than all the rest of reading it. None where an hour has two offsets,
    # and for zero values.
    _offsets: dict[str, timedelta | None] = attrs.field(factory=dict, init=False, eq=False, repr=False)

    def read(self, value: str | None, name: str = "a time") -> datetime | None:
        """The UTC moment that *value* stands for; None for nothing, zero values and what no call can have.

        Raises: Unreadable, naming it, for what is no time.
        """
        if not value:
            return None
        stamp = value[:-1] if self.z_is_local and value[-1] in "Zz" else value
        if len(stamp) == 19:  # as good as all: the first 13 characters are the hour, or none
            try:
                offset = self._offsets[stamp[:13]]
            except KeyError:
                offset = self._offset_in(stamp[:13])
            if offset is not None:
                try:
                    return datetime.fromisoformat(stamp + "+00:00") - offset
                except (ValueError, OverflowError):
                    pass  # said below
        stamp = value.strip()
        if not stamp:
            return None
        if self.z_is_local and stamp[-1] in "Zz":
            stamp = stamp[:-1]
        if stamp.startswith(_ZERO_DATE):
            return None
        try:
            moment = datetime.fromisoformat("" if stamp.isdigit() else stamp)  # digits alone are a number
        except ValueError:
            raise Unreadable(name, "is not a time") from None
        if moment.year <= 1:
            return None
        moment = moment.replace(tzinfo=self.zone) if moment.tzinfo is None else moment
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise Unreadable(name, "is out of range") from None
        return moment if _EARLIEST <= moment < _LATEST else None

    def _offset_in(self, hour: str) -> timedelta | None:
        """The one offset of an *hour* such as `2026-01-31 09`, None where there are two or it is no hour."""
        try:
            first, last = (datetime.fromisoformat(f"{hour}:{end}").replace(tzinfo=self.zone) for end in ("00", "59:59"))
        except ValueError:
            return None
        offset = first.utcoffset()
        if len(self._offsets) >= _HOURS_KEPT:
            self._offsets.clear()
        real = _EARLIEST.year < first.year < _LATEST.year - 1 and offset == last.utcoffset()
        self._offsets[hour] = offset if real else None
        return self._offsets[hour]

    def write(self, moment: datetime) -> str:
        """*moment* as the vendor's filters take it, to the second (003:397)."""
        return f"{self.local(moment):{STAMP}}"

    def local(self, moment: datetime) -> datetime:
        """*moment* on the vendor's clock on the wall, without a zone."""
        return moment.astimezone(self.zone).replace(tzinfo=None)


def direction_between(
    source: str | None, target: str | None, *, is_extension: Callable[[str | None], bool]
) -> Direction:
    """The direction of a call, told from its two sides alone."""
    sides = (is_extension(source), is_extension(target))
    return {
        (True, False): Direction.OUTBOUND,
        (False, True): Direction.INBOUND,
        (True, True): Direction.INTERNAL,
    }.get(sides, Direction.UNKNOWN)
