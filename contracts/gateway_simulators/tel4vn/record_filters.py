"""The filters of a list of records, and the facts of a row that they look at."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, NamedTuple

import attrs

from gateway_simulators.tel4vn.vendor_time import to_epoch

Row = dict[str, Any]

OUTBOUND = 3  # the only integer ever shown, in every row of the 2021 documents [003:304,320,349,365,427]


class Facts(NamedTuple):
    """The facts of a row that the filters look at, made without writing the whole row."""

    ended: int | None
    duration: Any
    extension: str
    from_number: str
    to_number: str
    direction: str
    status: str
    recording_file: str


@attrs.frozen(kw_only=True)
class Filters:
    """The query parameters of `GET /v1/cdr` [003:397-408]; times in Unix seconds, both ends included."""

    started_from: float = -inf
    started_until: float = inf
    ended_from: float = -inf
    ended_until: float = inf
    duration: int | None = None
    min_duration: int | None = None
    extension: str | None = None
    recordingfile: str | None = None
    status: str | None = None
    phone: str | None = None
    direction: str | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Filters:
        """Read the parameters; empty ones count as absent.

        Raises: ValueError with the name of the parameter that cannot be read.
        """
        return cls(
            started_from=_time(query, "start_date", -inf),
            started_until=_time(query, "end_date", inf),
            ended_from=_time(query, "start_date_ended", -inf),
            ended_until=_time(query, "end_date_ended", inf),
            duration=whole_number(query, "duration"),
            min_duration=whole_number(query, "min_duration"),
            **{
                name: query.get(name) or None for name in ("extension", "recordingfile", "status", "phone", "direction")
            },
        )

    @property
    def only_started(self) -> bool:
        """Whether only the time of the start matters, so that rows can be counted instead of looked at."""
        return attrs.evolve(self, started_from=-inf, started_until=inf) == Filters()

    def fit(self, facts: Facts) -> bool:
        """Say whether a row fits, whatever the time of its start."""
        if self.duration is not None and facts.duration != self.duration:
            return False
        if self.min_duration is not None and not (
            isinstance(facts.duration, int) and facts.duration > self.min_duration  # more than, not at least [003:400]
        ):
            return False
        if (self.ended_from, self.ended_until) != (-inf, inf) and not (
            facts.ended is not None and self.ended_from <= facts.ended <= self.ended_until
        ):
            return False
        return (
            self.extension in (None, facts.extension)
            and self.status in (None, facts.status)
            and self.direction in (None, facts.direction)
            and self.phone in (None, facts.from_number, facts.to_number)
            and (self.recordingfile is None or _stem(self.recordingfile) == _stem(facts.recording_file) != "")
        )


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """Read a whole number from a query; empty counts as absent.

    Raises: ValueError when it is not one.
    """
    text = query.get(name) or None
    if text is not None and not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} must be a whole number")
    return None if text is None else int(text)


def _time(query: Mapping[str, str], name: str, absent: float) -> float:
    text = query.get(name)
    if not text:
        return absent
    try:
        return to_epoch(text, end_of_day=name.startswith("end_"))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _stem(file: str) -> str:
    """Give a file's name without folders and suffix: `abcd` of `https://…/abcd.mp3` [003:402]."""
    return file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
