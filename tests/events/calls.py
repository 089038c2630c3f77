"""Events of calls, as a vendor's plugin gives them."""

import asyncio
from datetime import UTC, datetime, timedelta

from gateway_contracts import CallEvent, Direction, EventType

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
NUMBER = "0899098899"
RINGING, ANSWERED, ENDED = EventType.RINGING, EventType.ANSWERED, EventType.ENDED


def event(kind=RINGING, call_id="c1", after=0, **more):
    """An event of an outbound call from 101, *after* seconds."""
    at = NOW + timedelta(seconds=after)
    values = {
        "account": "hanoi",
        "event_id": f"{kind}-{call_id}-{after}",
        "type": kind,
        "call_id": call_id,
        "received_at": at,
        "occurred_at": at,
        "direction": Direction.OUTBOUND,
        "from_number": "101",
        "to_number": NUMBER,
        "extension": "101",
    }
    return CallEvent(**{**values, **more})


def rings(count, first=1, **more):
    """*count* events of as many calls: c1, c2, …"""
    return [event(call_id=f"c{number}", **more) for number in range(first, first + count)]


async def until(condition):
    """Let everything else run until *condition* holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 # what is waited for sets no event
            await asyncio.sleep(0)
