"""Events of a vendor that is listened to: into the log, whatever fails on the way."""

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime

import pytest
from gateway_contracts import (
    CallEvent,
    Events,
    EventStream,
    EventType,
    InvalidRequest,
    JournalError,
    Unsupported,
    VendorUnavailable,
)

from gateway.accounts.account import AccountFacade
from gateway.events.listener import Listener
from gateway.journal.log import EventLog
from gateway.journal.reading import EventSelection

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)


def event(name, **more):
    values = {"account": "hanoi", "event_id": name, "type": EventType.RINGING, "call_id": name, "received_at": NOW}
    return CallEvent(**{**values, **more})


GAP = event("gap", type=EventType.UNKNOWN, call_id=None, raw={"gap": {"from": "…", "until": "…"}})


class Adapter(EventStream):
    """Gives what it is told; an exception is raised, and the end of a list is the end of the stream."""

    def __init__(self, *streams):
        self.streams = list(streams)
        self.idle = asyncio.Event()

    async def follow_events(self):
        stream = self.streams.pop(0) if self.streams else None
        if stream is None:
            self.idle.set()
            await asyncio.Event().wait()
        for each in stream or ():
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture
async def log(store):
    log = EventLog(store)
    await log.start()
    return log


@contextlib.asynccontextmanager
async def following(log, *streams):
    adapter, gaps, pauses = Adapter(*streams), [], []
    account = AccountFacade(name="hanoi", vendor="x", interfaces=(Events,), carry_out=None, adapter=adapter)

    def delays():
        return (pauses.append(failures) or 0.0 for failures in itertools.count(1))

    listener = Listener(account, log, lambda: gaps.append(1), delays)
    task = asyncio.ensure_future(listener.run())
    try:
        yield adapter, task, gaps, pauses
    finally:
        task.cancel()
        await asyncio.wait([task])


async def names(log):
    return [each.event_id for each in (await log.after(0, EventSelection(), limit=100))[0]]


async def test_events_come_into_the_log_and_gaps_wake(log):
    """In their order; a gap belongs to no conversation."""
    async with following(log, [event("a"), GAP, event("b")], None) as (adapter, _, gaps, __):
        await adapter.idle.wait()

    found = (await log.after(0, EventSelection(), limit=9))[0]
    assert ["a", "gap", "b"] == [each.event_id for each in found]
    assert [True, False, True] == [each.conversation_id is not None for each in found]
    assert len(gaps) == 2  # and the end of the stream is another one


async def test_a_stream_that_fails_or_ends_is_begun_anew(log):
    """Less and less often, as long as nothing comes; each time something may have been missed."""
    streams = [VendorUnavailable("x")], [ValueError("y")], [], [event("a"), VendorUnavailable("z")], None
    async with following(log, *streams) as (adapter, _, gaps, pauses):
        await adapter.idle.wait()

    assert ["a"] == await names(log)
    assert [1, 2, 3, 1] == pauses
    assert 4 == len(gaps)


async def test_no_event_is_lost_while_the_journal_cannot_write(log, monkeypatch):
    """Nobody sends it again, so it is kept until it is written."""
    append, fails = log.append, [True, True, False, False]

    async def failing(events):
        if fails.pop(0):
            raise JournalError("full")
        return await append(events)

    monkeypatch.setattr(log, "append", failing)
    async with following(log, [event("a"), event("b")], None) as (adapter, _, __, ___):
        await adapter.idle.wait()

    assert ["a", "b"] == await names(log)


async def test_a_vendor_that_calls_us_is_not_followed(log):
    """There is nothing to listen to, and that is no failure."""
    async with following(log, [Unsupported("x")]) as (_, task, gaps, __):
        assert await task is True

    assert [] == gaps


async def test_a_missing_setting_is_said_once(log):
    """Asking again would change nothing."""
    async with following(log, [InvalidRequest("set account_id")]) as (_, task, gaps, __):
        assert await task is False

    assert [] == gaps
