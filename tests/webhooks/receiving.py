"""An application that receives our webhooks, as it is told, and a clock that is moved by hand."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiohttp import web


class Message(NamedTuple):
    """A webhook as it came."""

    target: str
    headers: dict[str, str]
    body: bytes
    at: datetime | None

    @property
    def data(self):
        return json.loads(self.body)["data"]


class Receiver:
    """Answers each webhook with what `answer` gives for it: a status, or a response. Keeps them in `got`."""

    def __init__(self, clock=None):
        self.got = []
        self.answer = lambda message: 200
        self.url = ""
        self._clock = clock
        self._news = asyncio.Event()

    async def receive(self, request):
        message = Message(request.path, dict(request.headers), await request.read(), self._clock and self._clock.now())
        self.got.append(message)
        self._news.set()
        found = self.answer(message)
        if asyncio.iscoroutine(found):
            found = await found
        return web.Response(status=found) if isinstance(found, int) else found

    async def has(self, count):
        """The first *count* messages, once they have come."""
        async with asyncio.timeout(20):
            while len(self.got) < count:
                self._news.clear()
                await self._news.wait()
        return self.got[:count]


@contextlib.asynccontextmanager
async def receiving(clock=None):
    """A `Receiver` on a free port of this machine."""
    receiver = Receiver(clock)
    runner = web.ServerRunner(web.Server(receiver.receive, access_log=None), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    try:
        yield receiver
    finally:
        await runner.cleanup()


class HandClock:
    """A clock of the deliverer that stands still until it is moved. `idle` is set while it is waited for."""

    def __init__(self):
        self._now = datetime.now(UTC)
        self._moved = asyncio.Event()
        self.until = None
        self.idle = asyncio.Event()

    def now(self):
        return self._now

    def advance(self, seconds):
        """Move on by *seconds*."""
        self._now += timedelta(seconds=seconds)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def wait(self, event, until):
        waiting = asyncio.create_task(event.wait())
        self.until = until
        try:
            while self._now < until and not event.is_set():
                moving = asyncio.create_task(self._moved.wait())
                self.idle.set()
                try:
                    await asyncio.wait({waiting, moving}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    moving.cancel()
        finally:
            self.idle.clear()
            waiting.cancel()
