"""The clocks that simulators live by: one moved by hand (tests), one that runs by itself (demos)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

import attrs

Action = Callable[[], Awaitable[None]]

_DEFAULT_START = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)


@attrs.define(eq=False)
class Timer:
    """Something that will happen at *due*, unless it is cancelled before it began."""

    due: datetime
    action: Action
    cancelled: bool = False
    _on_cancel: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Forget it. May be called twice, and after it happened."""
        self.cancelled = True
        if self._on_cancel is not None:
            self._on_cancel()


class Clock(Protocol):
    """A clock as simulators use it. One clock may serve several simulators."""

    def now(self) -> datetime:
        """Tell the time, aware, in UTC."""

    def call_at(self, when: datetime, action: Action) -> Timer:
        """Run *action* when the clock reaches *when*; when that is past, soon after this method returns."""

    def call_later(self, seconds: float, action: Action) -> Timer:
        """Run *action* in *seconds* of the clock's time."""


class ManualClock:
    """A clock that stands still until a test calls `advance`."""

    def __init__(self, start: datetime = _DEFAULT_START) -> None:
        if start.tzinfo is None:
            raise ValueError("start must be an aware datetime, for example datetime(2026, 1, 15, 9, 0, tzinfo=UTC)")
        self._now = start.astimezone(UTC)
        self._order = count()  # actions that are due at the same moment run in the order in which they were scheduled
        self._queue: list[tuple[datetime, int, Timer]] = []
        self._moving = asyncio.Lock()

    def now(self) -> datetime:
        return self._now

    def call_at(self, when: datetime, action: Action) -> Timer:
        timer = Timer(max(when.astimezone(UTC), self._now), action)
        heapq.heappush(self._queue, (timer.due, next(self._order), timer))
        return timer

    def call_later(self, seconds: float, action: Action) -> Timer:
        return self.call_at(self._now + timedelta(seconds=seconds), action)

    async def advance(self, seconds: float) -> None:
        """Move on by *seconds*, running in order all actions that become due, also those scheduled on the way.

        Never call it from an action: it waits for the action to end.
        """
        if seconds < 0:
            raise ValueError(f"a clock only moves forward, not by {seconds} seconds")
        async with self._moving:
            until = self._now + timedelta(seconds=seconds)
            while self._queue and self._queue[0][0] <= until:
                due, _, timer = heapq.heappop(self._queue)
                if not timer.cancelled:
                    self._now = due
                    await timer.action()
            self._now = until


def moved_by_hand(clock: Clock) -> ManualClock:
    """Give *clock* back as a `ManualClock`. Raises: TypeError when it is none."""
    if not isinstance(clock, ManualClock):
        raise TypeError("only a ManualClock can be advanced; this clock runs by itself")
    return clock


class LiveClock:
    """A clock that shows the real time and needs a running event loop.

    *speed* shortens delays (2.0: everything happens after half the time). It does not bend the time itself: a
    client that lists records "until now" would not see records that lie in the future.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self._speed = speed
        self._running: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks only weakly

    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_at(self, when: datetime, action: Action) -> Timer:
        return self.call_later((when - self.now()).total_seconds(), action)

    def call_later(self, seconds: float, action: Action) -> Timer:
        delay = max(seconds, 0.0) / self._speed
        handle = asyncio.get_running_loop().call_later(delay, self._run, action)
        return Timer(self.now() + timedelta(seconds=delay), action, on_cancel=handle.cancel)

    def _run(self, action: Action) -> None:
        task = asyncio.ensure_future(_start(action))
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _start(action: Action) -> None:
    await action()
