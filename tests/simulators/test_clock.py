"""The clocks of the simulators."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from gateway_simulators import LiveClock, ManualClock


def noting(log, what, clock=None):
    async def note():
        log.append((what, clock.now()) if clock else what)

    return note


async def test_manual_clock_runs_what_is_due_in_order_at_its_own_time():
    """Advancing past several moments shows each of them its own time, the earliest first."""
    clock, log = ManualClock(), []
    start = clock.now()
    clock.call_later(5, noting(log, "late", clock))
    clock.call_at(start + timedelta(seconds=2), noting(log, "early", clock))

    await clock.advance(5)

    assert [("early", start + timedelta(seconds=2)), ("late", start + timedelta(seconds=5))] == log


async def test_manual_clock_keeps_the_order_of_what_is_due_together():
    """Of two things at one moment the one that was asked for first happens first."""
    clock, log = ManualClock(), []
    for what in "abc":
        clock.call_later(1, noting(log, what))

    await clock.advance(1)

    assert log == ["a", "b", "c"]


async def test_manual_clock_runs_what_is_asked_for_on_the_way():
    """Something scheduled by something due happens in the same advance when it is due in it."""
    clock, log = ManualClock(), []

    async def first():
        clock.call_later(3, noting(log, "inside"))
        clock.call_later(30, noting(log, "outside"))

    clock.call_later(2, first)

    await clock.advance(10)

    assert log == ["inside"]


async def test_manual_clock_runs_what_is_due_now_without_moving():
    """Advancing by nothing runs what is due at this moment, and what is overdue."""
    clock, log = ManualClock(), []
    clock.call_later(0, noting(log, "now"))
    clock.call_at(clock.now() - timedelta(hours=1), noting(log, "overdue"))
    clock.call_later(0.001, noting(log, "later"))

    await clock.advance(0)

    assert log == ["now", "overdue"]


async def test_manual_clock_stands_where_advance_ends():
    """The time moves by exactly the seconds asked for, also when nothing is due."""
    clock = ManualClock(datetime(2026, 1, 15, 9, 0, tzinfo=UTC))

    await clock.advance(90)

    assert datetime(2026, 1, 15, 9, 1, 30, tzinfo=UTC) == clock.now()


async def test_manual_clock_forgets_cancelled_timers():
    """A cancelled timer does not run."""
    clock, log = ManualClock(), []
    clock.call_later(1, noting(log, "never")).cancel()

    await clock.advance(5)

    assert log == []


async def test_manual_clock_does_not_go_back():
    """Time that runs backwards is refused."""
    with pytest.raises(ValueError, match="only moves forward"):
        await ManualClock().advance(-1)


def test_manual_clock_wants_an_aware_start():
    """A start without a time zone is refused."""
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 15))


async def test_live_clock_runs_by_itself():
    """Something scheduled on a live clock happens without anybody's doing."""
    done = asyncio.Event()

    async def happen():
        done.set()

    LiveClock(speed=1000).call_later(10, happen)

    await asyncio.wait_for(done.wait(), 5)


async def test_live_clock_speed_shortens_waiting_but_not_time():
    """Twice the speed halves the wait, and the clock still shows the real time."""
    clock = LiveClock(speed=2)
    timer = clock.call_later(3600, noting([], ""))
    wait = timer.due - datetime.now(UTC)
    timer.cancel()

    assert timedelta(minutes=29) < wait <= timedelta(minutes=30)


async def test_live_clock_forgets_cancelled_timers():
    """A cancelled timer does not run, whereas a later one does."""
    clock, log, done = LiveClock(), [], asyncio.Event()

    async def end():
        done.set()

    clock.call_later(0, noting(log, "never")).cancel()
    clock.call_later(0, end)
    await asyncio.wait_for(done.wait(), 5)

    assert log == []


def test_live_clock_wants_some_speed():
    """A clock that would never move is refused."""
    with pytest.raises(ValueError, match="more than 0"):
        LiveClock(speed=0)
