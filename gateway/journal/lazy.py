"""The journal of a gateway, which is opened when it is needed first. Importing this imports no database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .opening import Journal


class LazyJournal:
    """A gateway's journal, which is opened when it is needed first, and closed with the gateway."""

    def __init__(self, url: str, beside: Path | None) -> None:
        self._url = url
        self._beside = beside
        self._open: contextlib.AsyncExitStack | None = None
        self._journal: Journal | None = None
        self._opening = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close it when this context ends."""
        async with contextlib.AsyncExitStack() as self._open:
            yield
        self._open = self._journal = None

    async def get(self) -> "Journal":
        """The open journal. Raises: ConfigError when it cannot be opened."""
        if self._open is None:
            raise RuntimeError("open the gateway first: async with Gateway.from_file(…) as gateway")
        async with self._opening:
            if self._journal is None:
                from .opening import open_journal  # not before it is needed: it takes SQLAlchemy along

                self._journal = await self._open.enter_async_context(open_journal(self._url, beside=self._beside))
        return self._journal
