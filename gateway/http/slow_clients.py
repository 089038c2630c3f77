"""Cuts off a client that takes nothing of its response for long, and sooner when the sidecar stops.

This looks at the connections and not at the requests. So it works for pages, streams and recordings alike, and a slow
client holds up no other.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import attrs

from ..logs import log

STUCK_SECONDS = 30
"""How long a client may take nothing of what waits for it, until its connection is broken off."""
GRACE_SECONDS = 1.0
"""The same, when the sidecar stops."""
_LOOKS = 10  # in that time


@attrs.define(eq=False)
class SlowClients:
    """The connections of one application, and how much of the responses waits for the clients."""

    _connections: set[asyncio.WriteTransport] = attrs.field(factory=set, init=False)
    _waiting: dict[asyncio.WriteTransport, tuple[int, float]] = attrs.field(factory=dict, init=False)
    """How many bytes wait for a client, and since when they have been as many."""
    _stopping: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def __len__(self) -> int:
        return len(self._connections)

    def watch(self, connection: asyncio.WriteTransport | None) -> None:
        """Watch *connection*, on which a request came, until it is closed."""
        if connection is not None:
            self._connections.add(connection)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Break off, in this context, the connections of clients that take nothing for `STUCK_SECONDS`."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    def stop(self) -> None:
        """From now on, break off the connections of clients that take nothing for `GRACE_SECONDS`."""
        self._stopping.set()

    def look(self, now: float, patience: float) -> None:
        """Break off the connections of clients that have taken nothing for *patience* seconds up to *now*."""
        waiting = {}
        for connection in tuple(self._connections):
            size = connection.get_write_buffer_size()
            if not size:
                if connection.is_closing():
                    self._connections.discard(connection)
                continue
            before, since = self._waiting.get(connection, (0, now))
            if before != size:  # also when it is more: only to those who keep up is more written
                since = now
            if now - since < patience:
                waiting[connection] = (size, since)
                continue
            log.warning("response.dropped", waiting=size, seconds=round(now - since, 1))
            connection.abort()
            self._connections.discard(connection)
        self._waiting = waiting

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STUCK_SECONDS / _LOOKS):
                    await self._stopping.wait()
            self.look(loop.time(), STUCK_SECONDS)
        while True:
            self.look(loop.time(), GRACE_SECONDS)
            await asyncio.sleep(GRACE_SECONDS / _LOOKS)
