"""This process in the journal: its lease, by which others know that it lives, and what it writes of its dials."""

import asyncio
import contextlib
import functools
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol, TypeVar

from gateway_contracts import ConfigError, GatewayError, JournalError
from gateway_contracts.backoff import delays
from sqlalchemy import Connection

from ..journal import dials
from ..journal.opening import Journal

T = TypeVar("T")


class Opening(Protocol):
    """Gives the open journal. Raises: ConfigError."""

    async def get(self) -> Journal: ...


class DiallingProcess:
    """The process that dials, over the journal that *opening* gives. Its lease is renewed while `busy` says so."""

    pauses: Callable[[], Iterator[float]] = functools.partial(delays, 1.0, 30.0)
    """The seconds before each new attempt to write what could not be written."""

    def __init__(self, opening: Opening, busy: Callable[[], bool]) -> None:
        self._opening = opening
        self._busy = busy
        self.name = secrets.token_hex(8)
        self._late: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None
        self._renewed_at = -math.inf  # by the monotonic clock

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Give the lease back when this context ends, and write no more."""
        try:
            yield
        finally:
            for task in tuple(self._late):
                task.cancel()
            await asyncio.gather(*self._late, return_exceptions=True)
            if self._beating is not None:
                self._beating.cancel()
                await asyncio.wait([self._beating])
                await self._leave()

    async def journal(self) -> Journal:
        """The open journal. Raises: JournalError."""
        try:
            return await self._opening.get()
        except ConfigError as error:
            raise JournalError(f"The journal cannot be opened: {error}") from error

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What *work* gives, when it is committed. Raises: JournalError."""
        return await (await self.journal()).store.write(work)

    def write_later(self, work: Callable[[Connection], object]) -> None:
        """Do *work* as soon as the journal takes it, again and again until then."""

        async def until_written() -> None:
            for pause in self.pauses():
                await asyncio.sleep(pause)
                with contextlib.suppress(GatewayError):
                    await self.write(work)
                    return

        task = asyncio.create_task(until_written())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    @property
    def renewal_is_due(self) -> bool:
        """Whether the next write should renew the lease."""
        return time.monotonic() - self._renewed_at >= dials.LIFE_SECONDS / 3

    def renewed(self, started: float) -> None:
        """The lease was renewed by a write that *started* then, by the monotonic clock."""
        self._renewed_at = started

    def beat(self) -> None:
        """Begin to renew the lease, unless that has begun."""
        if self._beating is None:
            self._beating = asyncio.create_task(self._keep_beating())

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(dials.LIFE_SECONDS / 3)
            if self._busy() or self._late:
                with contextlib.suppress(GatewayError):  # then others take over: they look, they do not dial
                    await self.write(functools.partial(dials.renew, process=self.name))

    async def _leave(self) -> None:
        with contextlib.suppress(GatewayError):
            await self.write(functools.partial(dials.leave, process=self.name))
