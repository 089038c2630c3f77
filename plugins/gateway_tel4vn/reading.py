"""How one account reads what its vendor writes: times, directions, and which numbers are extensions."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

import attrs
from gateway_contracts import Direction
from gateway_contracts.http import Response

from .settings import AccountSettings
from .words import DIRECTIONS, STAMP, LocalTime, direction_between

T = TypeVar("T")

_WORDS_KEPT, _WORD = 100, 20  # words, and characters of one
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Reading:
    """What the readers of all of a vendor's responses share. *vendor* and *account* are names for errors and models;
    *domain* is the account's own at the vendor, None where it is not known.
    """

    vendor: str
    account: str
    time: LocalTime
    extension: re.Pattern[str]
    direction_numbers: Mapping[str, Direction]
    domain: str | None = None
    _directions: dict[str | int | None, Direction | None] = attrs.field(factory=dict, init=False, eq=False, repr=False)

    @classmethod
    def of(cls, vendor: str, account: str, settings: AccountSettings) -> Self:
        """The reading that *settings* ask for."""
        return cls(
            vendor=vendor,
            account=account,
            time=LocalTime(ZoneInfo(settings.timezone), settings.z_is_local),
            extension=re.compile(settings.extension_pattern),
            direction_numbers=settings.direction_numbers,
            domain=settings.own_domain,
        )

    def is_extension(self, value: str | None) -> bool:
        return value is not None and self.extension.fullmatch(value) is not None

    def direction(self, word: str | int | None, source: str | None, target: str | None) -> Direction:
        """The direction that *word* stands for, told from the two sides where it says nothing."""
        try:
            known = self._directions[word]
        except KeyError:
            known = self._known(word)
        return known or direction_between(source, target, is_extension=self.is_extension)

    def _known(self, word: str | int | None) -> Direction | None:
        spelt = str(word).strip().lower() if word is not None else ""
        known = DIRECTIONS.get(spelt) or self.direction_numbers.get(spelt)
        if len(self._directions) >= _WORDS_KEPT:
            self._directions.clear()
        if len(str(word)) <= _WORD:  # what a vendor invents must not fill the memory
            self._directions[word] = known
        return known

    def at_least(self, moment: datetime | None) -> str | None:
        """The first whole second that is not before *moment*, as the vendor's filters take it."""
        return self.time.write(whole_second(moment)) if moment else None

    def between(self, since: datetime | None, until: datetime | None) -> tuple[str | None, str | None]:
        """The two ends of a range as the vendor's filters take them: they include both, and know whole seconds only."""
        if since is None and until is None:
            return None, None
        first, last = self._walls(whole_second(since or EARLIEST), (until or LATEST) - timedelta(microseconds=1))
        return (f"{first:{STAMP}}" if since else None, f"{last:{STAMP}}" if until else None)

    def on_the_wall(self, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        """The whole seconds that a range starts and ends at on the vendor's clock on the wall, without a zone."""
        first, last = self._walls(whole_second(since), whole_second(until) - SECOND)
        return (first, first) if is_empty(since, until) else (first, last + SECOND)

    def _walls(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        """The first and the last time that the clock on the wall shows from *start* to *end*, both included.

        Where clocks are set back in between, an hour comes twice. All of it is asked for then: rows do not say which of
        the two they mean.
        """
        first, last = self.time.local(start), self.time.local(end)
        for hour in (self._twice(first), self._twice(last)):
            if hour and start < hour[0].replace(tzinfo=self.time.zone, fold=1).astimezone(UTC) <= end:
                first, last = min(first, hour[0]), max(last, hour[1])
        return first, last

    def _twice(self, wall: datetime) -> tuple[datetime, datetime] | None:
        """The first and the last second of the hour that comes twice around *wall*, None where none does."""

        def comes_twice(minute: datetime) -> bool:
            once, again = (minute.replace(tzinfo=self.time.zone, fold=fold).utcoffset() for fold in (0, 1))
            return once is not None and again is not None and once > again

        begin = wall.replace(second=0, microsecond=0)
        if not comes_twice(begin):
            return None
        end = begin
        while comes_twice(begin - MINUTE):
            begin -= MINUTE
        while comes_twice(end + MINUTE):
            end += MINUTE
        return begin, end + MINUTE - SECOND


def is_empty(since: datetime | None, until: datetime | None) -> bool:
    """Whether no whole second lies in a range: the vendor knows no others, and includes both ends."""
    return bool(since and until and whole_second(since) >= whole_second(until))


def read(response: Response, reader: Callable[..., T], *args: Any) -> T:
    """Call *reader* with a part of *response*; where it fails, the response does not fit the documents."""
    try:
        return reader(*args)
    except (ValueError, OverflowError) as error:
        raise response.nonsense(f"its response does not fit its documents: {error}") from error


def whole_second(moment: datetime) -> datetime:
    """The first whole second that is not before *moment*: the vendor knows no fractions."""
    return moment.replace(microsecond=0) + (SECOND if moment.microsecond else timedelta())
