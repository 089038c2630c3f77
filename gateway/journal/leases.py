"""Leases: of several processes on one database, one does a work at a time, and another takes over when it is gone."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable

from gateway_contracts import JournalError
from sqlalchemy import Connection, delete, func, or_, select

from .schema import inserting, leases
from .store import Store

LIFE_SECONDS = 10.0
"""How long a lease holds that is not renewed: the time until the work of a dead process goes on elsewhere."""
_RENEWALS = 3  # in one life


async def while_held(
    store: Store, name: str, work: Callable[[], Awaitable[None]], *, life_seconds: float = LIFE_SECONDS
) -> None:
    """Wait for the lease *name*, then do *work*; returns when that is done, raises what it raises.

    The work is cancelled when the lease is lost, or can no longer be renewed and may so be somebody else's; then this
    waits for the lease again. What a cancelled work had begun to write may still be written.
    """
    holder = secrets.token_hex(8)
    try:
        while True:
            reached = time.monotonic() + life_seconds
            if not await _taken(store, name, holder, life_seconds):
                await asyncio.sleep(life_seconds / _RENEWALS)
                continue
            doing = asyncio.ensure_future(work())
            try:
                if await _kept(doing, store, name, holder, reached, life_seconds):
                    return await doing
            finally:
                doing.cancel()
                await asyncio.wait([doing])
    finally:
        with contextlib.suppress(JournalError):
            await store.write(lambda connection: give_up(connection, name, holder))


async def _kept(
    doing: asyncio.Future[None], store: Store, name: str, holder: str, reached: float, life_seconds: float
) -> bool:
    """Renew the lease while *doing* lasts; gives whether it was kept to its end. *reached* is when it will run out."""
    while True:
        left = reached - time.monotonic()
        done, _ = await asyncio.wait([doing], timeout=max(min(left, life_seconds / _RENEWALS), 0))
        if done:
            return True
        started = time.monotonic()
        try:
            async with asyncio.timeout(max(reached - started, 0)):
                if not await _taken(store, name, holder, life_seconds):
                    return False
        except TimeoutError:
            return False
        except JournalError:
            if time.monotonic() >= reached:
                return False
        else:
            reached = started + life_seconds


async def _taken(store: Store, name: str, holder: str, life_seconds: float) -> bool:
    def run(connection: Connection) -> bool:
        now = time_of(connection)
        return take(connection, name, holder, now=now, until=now + int(life_seconds * 1_000_000))

    return await store.write(run)


def take(connection: Connection, name: str, holder: str, *, now: int, until: int) -> bool:
    """Let *holder* have the lease *name* until *until*, unless another has it *now*. Gives whether it has it.

    Both are microseconds since 1970.
    """
    statement = inserting(connection, leases).values(name=name, holder=holder, until=until)
    mine = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": holder, "until": until},
        where=or_(leases.c.holder == holder, leases.c.until <= now),
    )
    return connection.execute(mine).rowcount == 1


def give_up(connection: Connection, name: str, holder: str) -> None:
    """Let others have the lease *name* now, if *holder* has it."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def time_of(connection: Connection) -> int:
    """The time in microseconds on one clock for all holders: this machine's, or that of the database's server."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    return int(connection.execute(select(func.extract("epoch", func.clock_timestamp()) * 1_000_000)).scalar_one())
