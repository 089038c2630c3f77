"""The call history: rows as the document shows them (004:84-95), newest first."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

Row = dict[str, Any]

_STATUSES = ("SUCCESS", "SUCCESS", "SUCCESS", "BUSY", "CANCELLED", "UNSUCCESS", "IVR")


@attrs.define(eq=False)
class RecordBook:
    """Rows in the order in which they are listed: the newest first, of equal ones the last added first."""

    hotline: str
    now: Callable[[], datetime]
    devices: Callable[[], list[str]]
    _rows: list[tuple[float, int, Row]] = attrs.field(factory=list, init=False)  # oldest first
    _serial: int = attrs.field(default=0, init=False)

    def add(self, overrides: dict[str, Any]) -> Row:
        """Add a finished call: an answered outbound one until now, with *overrides* on top."""
        duration = overrides.get("duration_seconds", 50)
        seconds = int(duration) if isinstance(duration, int | float) else 0
        self._serial += 1
        started = overrides.get("unix_timestamp", self.now() - timedelta(seconds=seconds))
        if isinstance(started, datetime):
            started = int(started.timestamp())
        user = (self.devices() or ["agent101"])[0]
        row = {
            "caller": {"number": user, "type": "user", "username": user},
            "callee": {"number": "0899888999", "type": "realnumber"},
            "class": "trunking",
            "did_number": None,
            "direction": "from_ab",
            "status_detail": "SUCCESS",
            "duration_seconds": duration,
            "unix_timestamp": started,
            "billing_seconds": 43,
            "recording": f"call_recording_{UUID(int=self._serial)}.mp3",
            **overrides,
        }
        row["unix_timestamp"] = started
        self._file(row, started)
        return row

    def seed(self, count: int, since: datetime, step_seconds: int, seed: int) -> None:
        """Add *count* rows, one every *step_seconds*; the same arguments make the same rows."""
        chance = random.Random(seed)
        users = self.devices() or ["agent101"]
        for index in range(count):
            user, status = chance.choice(users), chance.choice(_STATUSES)
            outbound = status != "IVR" and chance.random() < 0.5
            number = f"09{chance.randrange(10**8):08}"
            ours = {"number": user, "type": "user", "username": user}
            theirs = {"number": number, "type": "realnumber"}
            talk = chance.randrange(5, 300) if status == "SUCCESS" else 0
            self.add(
                {
                    "caller": ours if outbound else theirs,
                    "callee": theirs if outbound else ours,
                    "did_number": None if outbound else self.hotline,
                    "direction": "from_ab" if outbound else "to_ab",
                    "status_detail": status,
                    "duration_seconds": talk + chance.randrange(3, 30),
                    "billing_seconds": talk,
                    "unix_timestamp": int(since.timestamp()) + index * step_seconds,
                    **({} if status == "SUCCESS" else {"recording": ""}),
                }
            )

    def page(self, first: float, last: float, limit: int, page: int, *, by_end: bool, ends_included: bool) -> list[Row]:
        """Give the rows from *first* to *last*, newest first, of which *page* counts from 1."""
        rows = self._rows
        if by_end:
            rows = sorted(((at + _length(row), serial, row) for at, serial, row in rows), key=_place)
        low = bisect_left(rows, first, key=_time)
        high = bisect_right(rows, last, key=_time) if ends_included else bisect_left(rows, last, key=_time)
        end = max(high - (page - 1) * limit, low)
        return [row for _, _, row in reversed(rows[max(end - limit, low) : end])]

    def find_recording(self, name: str) -> Row | None:
        """Find the row whose recording has that name."""
        return next((row for _, _, row in self._rows if name and row.get("recording") == name), None)

    @property
    def rows(self) -> list[Row]:
        """All rows, newest first."""
        return [row for _, _, row in reversed(self._rows)]

    def _file(self, row: Row, started: Any) -> None:
        at = float(started) if isinstance(started, int | float) else self.now().timestamp()
        insort(self._rows, (at, self._serial, row), key=_place)


def _place(entry: tuple[float, int, Row]) -> tuple[float, int]:
    return entry[0], entry[1]


def _time(entry: tuple[float, int, Row]) -> float:
    return entry[0]


def _length(row: Row) -> float:
    duration = row.get("duration_seconds")
    return float(duration) if isinstance(duration, int | float) else 0.0
