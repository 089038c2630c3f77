"""Records that are made when they are read: a million of them cost no memory."""

from __future__ import annotations

import re
from math import inf
from typing import NamedTuple

import attrs

from gateway_simulators.tel4vn.record_filters import OUTBOUND, Facts, Row
from gateway_simulators.tel4vn.vendor_time import epoch_to_text

LONGEST_SEEDED_SECONDS = 320

# Lengths without a common divisor, so that every direction meets every outcome. Statuses: [003:838-854], and
# "CANCELLED" and "not-available" from the vendor's other pages.
_OUTCOMES = (
    ("ANSWERED", "NORMAL_CLEARING"),
    ("ANSWERED", "NORMAL_CLEARING"),
    ("NO ANSWER", "NO_ANSWER"),
    ("ANSWERED", "NORMAL_CLEARING"),
    ("BUSY", "NORMAL_CLEARING"),  # not USER_BUSY [003:318,329]
    ("ANSWERED", "NORMAL_CLEARING"),
    ("CANCELLED", "ORIGINATOR_CANCEL"),
    ("FAILED", "NORMAL_TEMPORARY_FAILURE"),
    ("ANSWERED", "NORMAL_CLEARING"),
    ("UNKNOWN", "NORMAL_UNSPECIFIED"),
    ("not-available", "SUBSCRIBER_ABSENT"),
)
_DIRECTIONS = ("outbound", "inbound", "outbound", "inbound", "outbound", "local", "outbound")
_EXTENSIONS = ("101", "102", "103")
_HEX = re.compile("[0-9a-f]{1,12}")


class _SeededRow(NamedTuple):
    started: int
    ringing: int
    talk: int
    direction: str
    status: str
    cause: str
    extension: str
    from_number: str
    to_number: str


@attrs.frozen
class SeededRows:
    """*count* rows, one every *step* seconds, each a function of its index: a million cost nothing until read."""

    number: int
    count: int
    since: int
    step: int
    seed: int
    recordings: str
    hotline: str

    def entry(self, index: int) -> tuple[int, int]:
        return self.since + index * self.step, index

    def index_of(self, started: float, serial: float) -> int:
        if started in (-inf, inf):
            return 0 if started == -inf else self.count
        index, rest = divmod(int(started) - self.since, self.step)
        return max(0, min(index + 1 if rest or serial > index else index, self.count))

    def facts(self, index: int) -> Facts:
        made = self._make(index)
        duration = made.ringing + made.talk
        return Facts(
            ended=made.started + duration,
            duration=duration,
            extension=made.extension,
            from_number=made.from_number,
            to_number=made.to_number,
            direction=made.direction,
            status=made.status,
            recording_file=self._recording(index, made),
        )

    def row(self, index: int) -> Row:
        made = self._make(index)
        answered = made.started + made.ringing
        return {
            "id": self._id(index) + (" " if index % 7 == 3 else ""),  # a stray blank, as in [003:316]
            "sip_call_id": self._sip_call_id(index),
            "cause": made.cause,
            "duration": made.ringing + made.talk,
            "direction": OUTBOUND if made.direction == "outbound" else made.direction,
            "recording_url": self._recording(index, made),
            "extension": made.extension,
            "from_number": made.from_number,
            "to_number": made.to_number,
            "receive_dest": "",
            "time_started": epoch_to_text(made.started),
            "time_answered": epoch_to_text(answered) if made.talk else "",
            "time_ended": epoch_to_text(answered + made.talk),
            "status": made.status,
        }

    def find(self, record_id: str) -> Row | None:
        serial = record_id.split(".")[1] if record_id.endswith(".seed") else record_id.rpartition("-")[2]
        if not _HEX.fullmatch(serial) or (index := int(serial, 16)) >= self.count:
            return None
        return self.row(index) if record_id in (self._id(index), self._sip_call_id(index)) else None

    def _id(self, index: int) -> str:
        return f"5eed{self.number:04x}-0000-4000-8000-{index:012x}"

    def _sip_call_id(self, index: int) -> str:
        return f"{self.number:x}.{index:x}.seed"

    def _recording(self, index: int, made: _SeededRow) -> str:
        return f"{self.recordings}/{self._id(index)}{'.wav' if index % 2 else ''}" if made.talk else ""

    def _make(self, index: int) -> _SeededRow:
        # Knuth's multiplicative hash: spread enough for sample data, and the same on every machine.
        dice = (((index + 1) * 2_654_435_761 + self.seed * 2_246_822_519) & 0xFFFFFFFF) >> 4
        status, cause = _OUTCOMES[(index + self.seed) % len(_OUTCOMES)]
        direction = _DIRECTIONS[(index + self.seed) % len(_DIRECTIONS)]
        extension = _EXTENSIONS[dice % len(_EXTENSIONS)]
        customer = f"0899{dice // 8 % 1_000_000:06d}"
        match direction:
            case "outbound":
                from_number, to_number = self.hotline, customer
            case "inbound":
                from_number, to_number = customer, self.hotline
            case _:
                from_number, to_number = extension, str(int(extension) + 1)
        return _SeededRow(
            started=self.since + index * self.step,
            ringing=1 + dice // 16 % 20,
            talk=1 + dice // 64 % 300 if status == "ANSWERED" else 0,
            direction=direction,
            status=status,
            cause=cause,
            extension=extension,
            from_number=from_number,
            to_number=to_number,
        )
