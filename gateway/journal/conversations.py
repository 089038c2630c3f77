"""Conversations: what belongs to one human conversation, whatever ids the vendor used for its parts.

A conversation's state only moves forward, whatever the order in which its events arrive, and it ends exactly once.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from gateway_contracts import CallEvent, CallRecord, CallState, Direction, EventSource, EventType, Outcome

from .schema import new_id

RANKS: Mapping[str, int] = {
    CallState.UNKNOWN: -1,
    CallState.DIALING: 0,
    CallState.RINGING: 1,
    CallState.ANSWERED: 2,
    CallState.ENDED: 3,
}
STATES: Mapping[EventType, CallState] = {
    EventType.RINGING: CallState.RINGING,
    EventType.ANSWERED: CallState.ANSWERED,
    EventType.ENDED: CallState.ENDED,
}
"""The state that an event leaves a call in; the others only inform."""

NEAR = timedelta(minutes=2)
"""How far apart the times of two parts of one conversation may be said to be."""
_AT_ONCE = timedelta(seconds=10)  # what a vendor sends together comes within that time
_ROUNDED = 2  # seconds that two ways of saying how long a call was may differ
_OF_RECORDS = (EventType.RECORD_CREATED, EventType.RECORDING_READY)  # which know better than an end
_NOT_TOLD = (None, Outcome.UNKNOWN)
_NUMBER_DIGITS = 9  # of a phone number: what stays the same whether the country is written as 0 or as +84


@attrs.define(kw_only=True)
class Conversation:
    """What is known of one conversation. Times are moments in UTC, durations seconds."""

    conversation_id: str = attrs.field(factory=lambda: new_id("cv"))
    account: str
    state: CallState = CallState.UNKNOWN
    direction: Direction = Direction.UNKNOWN
    from_number: str | None = None
    to_number: str | None = None
    extension: str | None = None
    hotline: str | None = None
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    duration_seconds: int | None = None
    talk_seconds: int | None = None
    end_seq: int | None = None
    end_source: str | None = None
    exact: bool = False  # its times are what the vendor said, and not when we heard of it
    created_at: datetime
    updated_at: datetime

    def take(self, event: CallEvent, seq: int, *, known_record: bool = False) -> dict[str, Any]:
        """Move forward with *event*, which is the log's number *seq*; gives what is other in it as the log keeps it.

        An event of an earlier state than this one's is marked late. A second end, and the news of a record that is
        known already, are kept as unknown events, late too: whoever counts them, or acts on them, meets one.
        """
        state = STATES.get(event.type)
        late, kind = False, event.type
        if (state is CallState.ENDED and self.state is CallState.ENDED) or known_record:
            late, kind = True, EventType.UNKNOWN
        elif state is not None:
            late = RANKS[state] < RANKS[self.state]
            self._reach(state, event, seq)
        self._learn(event)
        self.updated_at = event.received_at
        return {"seq": seq, "conversation_id": self.conversation_id, "late": late, "type": kind}

    def _reach(self, state: CallState, event: CallEvent, seq: int) -> None:
        moment = event.occurred_at or event.received_at
        first = self.state in {CallState.UNKNOWN, CallState.DIALING}
        self.exact = event.occurred_at is not None and (first or self.exact)
        if state is CallState.RINGING:
            self.started_at = min(self.started_at or moment, moment)
        elif state is CallState.ANSWERED:
            self.answered_at = min(self.answered_at or moment, moment)
            self.extension = event.extension or self.extension  # of all that rang, the one that took it
        else:
            self.ended_at, self.end_seq, self.end_source = moment, seq, event.source
        if RANKS[state] > RANKS[self.state]:
            self.state = state

    def _learn(self, event: CallEvent) -> None:
        if self.direction is Direction.UNKNOWN:
            self.direction = event.direction
        for name in ("from_number", "to_number", "extension", "hotline"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(event, name))
        if event.type in {EventType.ENDED, *_OF_RECORDS}:
            for name in ("outcome", "duration_seconds", "talk_seconds"):
                value: Any = getattr(event, name)
                if value is not None and (getattr(self, name) is None or event.type in _OF_RECORDS):
                    setattr(self, name, value)

    def fits(self, event: CallEvent) -> bool:
        """Whether *event*, whose ids are not known, may belong here: the same parties at the same time."""
        moment = event.occurred_at or event.received_at
        times = [each for each in (self.started_at, self.created_at, self.ended_at) if each is not None]
        # Added to the event's time, which is one of a call; what is kept may be near the end of time.
        near = min(times) <= moment + NEAR and moment - NEAR <= (self.ended_at or max(moment, self.updated_at))
        opposed = {self.direction, event.direction} == {Direction.INBOUND, Direction.OUTBOUND}
        hotlines = self.hotline is None or event.hotline is None or same_number(self.hotline, event.hotline)
        return near and not opposed and hotlines and same_number(self._outside, outside_of(event))

    @property
    def begun_at(self) -> datetime:
        """The earliest moment at which anything is known to have happened in it."""
        return min(filter(None, (self.started_at, self.answered_at, self.ended_at)), default=self.created_at)

    def just_ended_with(self, event: CallEvent) -> bool:
        """Whether *event*, which came after this one's record, may be of the same call, and not of the next one of the
        same people: it is not later than the end, or is an end after the same time.
        """
        lengths = (event.duration_seconds, self.duration_seconds)
        if event.type is EventType.ENDED and None not in lengths:
            return abs((lengths[0] or 0) - (lengths[1] or 0)) <= _ROUNDED
        return (event.occurred_at or event.received_at) - _AT_ONCE <= (self.ended_at or self.updated_at)

    def outlasts(self, seconds: int | None) -> bool:
        """Whether its end came after more than *seconds*. A record may tell of a longer time than events, with that in
        the queue, but of no shorter one.
        """
        return None not in (seconds, self.duration_seconds) and (self.duration_seconds or 0) > (seconds or 0) + _ROUNDED

    def apart(self, record: CallRecord, over_at: datetime) -> timedelta | None:
        """How far this is from *record*, of a call that was over at *over_at*; None when they are not of one call.

        They are when the parties are the same, at the same time, and no more than one says that nobody answered.
        """
        started = record.started_at or over_at
        guessed = self.end_source == EventSource.RECONCILED and self.outcome in _NOT_TOLD
        begun, ended = self.begun_at, None if guessed else self.ended_at
        opposed = {self.direction, record.direction} == {Direction.INBOUND, Direction.OUTBOUND}
        placed_by_us = record.direction in {Direction.OUTBOUND, Direction.INTERNAL}
        others = placed_by_us and None not in (self.extension, record.extension) and self.extension != record.extension
        hotlines = self.hotline is None or record.hotline is None or same_number(self.hotline, record.hotline)
        answered = record.outcome is Outcome.ANSWERED
        contradicted = (self.answered_at is not None and not answered) or (
            answered and self.end_source == EventSource.VENDOR and self.outcome not in (*_NOT_TOLD, Outcome.ANSWERED)
        )
        slack = _AT_ONCE if self.exact else NEAR
        near = started - slack <= begun and (ended or begun) <= over_at + slack
        outside = record.to_number if record.direction is Direction.OUTBOUND else record.from_number
        sides = {self.from_number, self.to_number} if self.direction is Direction.UNKNOWN else {self._outside}
        same = any(same_number(side, outside) for side in sides)
        shorter = self.outlasts(record.duration_seconds)
        if opposed or others or not hotlines or contradicted or not near or not same or shorter:
            return None
        return abs(ended - over_at) if ended else abs(begun - started)

    def learn_from(self, record: CallRecord) -> None:
        """Take over what *record* knows better than events, and the times that nothing told."""
        self.started_at = self.started_at or record.started_at
        self.answered_at = self.answered_at or record.answered_at
        self.extension, self.hotline = self.extension or record.extension, self.hotline or record.hotline
        for name in ("outcome", "duration_seconds", "talk_seconds"):
            if getattr(record, name) is not None:
                setattr(self, name, getattr(record, name))
        if self.direction is Direction.UNKNOWN:
            self.direction = record.direction

    @property
    def _outside(self) -> str | None:
        return self.to_number if self.direction is Direction.OUTBOUND else self.from_number


def outside_of(event: CallEvent) -> str | None:
    """The number of the party that is not ours."""
    return event.to_number if event.direction is Direction.OUTBOUND else event.from_number


def same_number(one: str | None, other: str | None) -> bool:
    """Whether two ways of writing a phone number are of the same one."""
    key = number_key(one)
    return bool(key) and key == number_key(other)


def number_key(text: str | None) -> str:
    """What all ways of writing a phone number have in common; empty when there is none."""
    text = text or ""
    return (text if text.isdigit() else "".join(filter(str.isdigit, text)))[-_NUMBER_DIGITS:]
