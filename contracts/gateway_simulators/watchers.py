"""Waiting until a simulator has received or done something, for tests that must not sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Watchers:
    """All tests that wait now for a change of one simulator."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def changed(self) -> None:
        """Tell all that wait to look again."""
        for watcher in self._waiting:
            if not watcher.done():
                watcher.set_result(None)

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until *happened* gives something true, and look again after each change."""
        while not happened():
            watcher = asyncio.get_running_loop().create_future()
            self._waiting.add(watcher)
            try:
                await watcher
            finally:
                self._waiting.discard(watcher)

    def close(self) -> None:
        """Cancel all that wait."""
        for watcher in self._waiting:
            watcher.cancel()
