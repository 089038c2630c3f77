"""The journal's store: one thread that writes and commits for all who wait, and a few that read."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gateway_contracts import ConfigError, GatewayError, JournalError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..logs import log
from . import engines, schema
from .engines import READERS, is_whole, make_engines, transaction, unhurried
from .migrations import migrate
from .troubles import STALLED, Trouble, UnreadableRow, failure_of, trouble_of

T = TypeVar("T")
Item = TypeVar("Item")

Work = Callable[[Connection], T]
"""Reads or writes on a connection that is in a transaction. It does nothing else, as it may run twice."""
Batcher = Callable[[Connection, Sequence[Item]], Sequence[T]]
"""One work for many items at once; its results are in their order."""

MAX_WAITING = 2_048
"""How many writes wait for the next commit before further callers wait for room."""
QUIET_SECONDS = 3.0
"""How long nothing may have been written until something is, to see whether it can be."""
STALL_SECONDS = 5.5
"""How long that may take until it is a trouble; longer than a lock is waited for, which says more."""
RECOVERY_SECONDS = 0.5
"""How long a check during a trouble waits for the trouble to end."""


class _Waiting(NamedTuple):
    batcher: Batcher[Any, Any]
    item: Any
    done: asyncio.Future[Any]


_Outcome = tuple[asyncio.Future[Any], Any, Exception | None]


@contextlib.asynccontextmanager
async def open_store(url: str, *, beside: Path | None = None) -> AsyncIterator["Store"]:
    """The open store of the database at *url*, with today's schema. A SQLite file is relative to *beside*.

    At the end everything that waits is written, and the threads are over.

    Raises: ConfigError when it cannot be opened, is damaged, or was written by a newer version.
    """
    store = Store(*await asyncio.to_thread(_opened, url, beside or Path()))
    try:
        yield store
    finally:
        await store._close()


class Store:
    """One database, written by one thread. `open_store` makes it; it belongs to one event loop.

    `trouble` says what is wrong with the database and what to do. A failed write sets it, the
    next that succeeds clears it. Damage, whoever finds it, stays until the store is opened anew: that other pages can
    be written does not mend it.
    """

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self.trouble: str | None = None
        self._name = _name_of(writer)
        self._damaged = False
        self._noting = threading.Lock()
        self._writer = writer
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._gathered: list[_Waiting] = []
        self._waiting: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._closed = False
        self._wrote_at = self._loop.time()
        self._probing: asyncio.Task[None] | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="journal-reader")
        self._thread = threading.Thread(target=self._write_all, name="journal-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T]) -> T:
        """What *work* gives, once it is committed.

        Writes that come while another commit runs share the next one, in the order in which they came. Should one of
        them fail, each is run again in a transaction of its own. A cancelled caller does not take back its write.

        Raises: JournalError when the database cannot be used, and what *work* raises.
        """
        return await self.append(_each, work)

    async def append(self, batcher: Batcher[Item, T], item: Item) -> T:
        """*batcher*'s result for *item*, once it is committed. Neighbours with the same *batcher* share one call of it.

        Otherwise as `write`.

        Raises: JournalError when the database cannot be used, and what *batcher* raises for this item alone.
        """
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise _closed()
        waiting = _Waiting(batcher, item, self._loop.create_future())
        if not self._gathered:  # those who go on together after a commit come together: no commit for the first alone
            self._loop.call_soon(self._hand_over)
        self._gathered.append(waiting)
        return await waiting.done  # type: ignore[no-any-return] # the future holds what the batcher gave

    def _hand_over(self) -> None:
        if self._gathered:
            self._waiting.put(self._gathered)
            self._gathered = []

    async def read(self, work: Work[T]) -> T:
        """What *work* gives, from one moment's view of the database. Writers never hold it up, nor it them.

        Raises: JournalError when the database cannot be used or takes longer than `READ_SECONDS`, and what *work*
        raises.
        """
        if self._closed:
            raise _closed()
        try:
            async with asyncio.timeout(engines.READ_SECONDS) as limit:
                return await self._loop.run_in_executor(self._readers, self._read, work)
        except TimeoutError:
            if limit.expired():
                raise JournalError(STALLED.text) from None
            raise

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """A context in which `trouble` is set soon after the database stalls, also while no caller writes."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            ending = [each for each in (watching, self._probing) if each is not None]
            for each in ending:
                each.cancel()
            await asyncio.wait(ending)

    async def check(self) -> None:
        """Say whether the database can be used, without waiting for it longer than `RECOVERY_SECONDS`.

        Raises: JournalError.
        """
        if self.trouble:
            await asyncio.wait([self._probe()], timeout=RECOVERY_SECONDS)
        if trouble := self.trouble:
            raise JournalError(trouble)

    async def probe(self) -> None:
        """Write something tiny. Raises: JournalError when that cannot be done, as `trouble` then says, or the database
        is damaged.
        """
        await self.append(_touch, None)
        if self._damaged and self.trouble:
            raise JournalError(self.trouble)

    async def _watch(self) -> None:
        while True:
            quiet = self._loop.time() - self._wrote_at
            if quiet >= QUIET_SECONDS:
                quiet, probing = 0.0, self._probe()
                await asyncio.wait([probing], timeout=STALL_SECONDS)
                if not probing.done() and self._loop.time() - self._wrote_at >= STALL_SECONDS:
                    self._in_trouble(STALLED)
                    await asyncio.wait([probing])
            await asyncio.sleep(QUIET_SECONDS - quiet)

    def _probe(self) -> asyncio.Task[None]:
        """The probe that is under way: there is one at a time, however many ask."""

        async def probe() -> None:
            with contextlib.suppress(GatewayError):  # `trouble` says so
                await self.probe()

        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(probe())
        return self._probing

    def _read(self, work: Work[T]) -> T:
        try:
            with transaction(self._reader) as connection:
                return work(connection)
        except (SQLAlchemyError, StopIteration, UnreadableRow) as error:
            trouble = trouble_of(error, self._name)
            if trouble and trouble.lasting:
                self._in_trouble(trouble)
            raise failure_of(error, self._name) from None

    def _write_all(self) -> None:
        while first := self._waiting.get():
            batch = first
            with contextlib.suppress(queue.Empty):
                while more := self._waiting.get_nowait():
                    batch += more
                self._waiting.put(None)  # taken too early: it ends the loop above
            outcomes = self._outcomes(batch)
            with contextlib.suppress(RuntimeError):  # nobody waits in a loop that is closed
                self._loop.call_soon_threadsafe(self._settle, outcomes)

    def _outcomes(self, batch: list[_Waiting]) -> list[_Outcome]:
        """What becomes of each in *batch*: it is in the database when this returns, or has failed."""
        try:
            results = self._commit(batch)
        except Exception as error:  # noqa: BLE001 # whatever it is, it is the answer of those who wait
            trouble = trouble_of(error, self._name)
            if trouble:
                self._in_trouble(trouble)
            if trouble or len(batch) == 1:  # a trouble is everybody's; after a lost commit nothing may be run again
                return [(each.done, None, failure_of(error, self._name)) for each in batch]
            return self._one_by_one(batch)
        self._in_trouble(None)
        return [(each.done, result, None) for each, result in zip(batch, results, strict=True)]

    def _one_by_one(self, batch: list[_Waiting]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        for index, each in enumerate(batch):
            outcomes += self._outcomes([each])
            if isinstance(outcomes[-1][2], JournalError):  # the others would wait as long, one after the other
                return outcomes + [
                    (other.done, None, JournalError(str(outcomes[-1][2]))) for other in batch[index + 1 :]
                ]
        return outcomes

    def _commit(self, batch: list[_Waiting]) -> list[Any]:
        results: list[Any] = []
        with transaction(self._writer) as connection:
            for batcher, neighbours in groupby(batch, key=lambda waiting: waiting.batcher):
                items = [each.item for each in neighbours]
                found = batcher(connection, items)
                if len(found) != len(items):
                    raise TypeError(f"a batcher gave {len(found)} results for {len(items)} items")
                results += found
            if not is_whole(connection):
                raise RuntimeError("a work hid the failure of a statement: use a savepoint, or on_conflict_do_nothing")
        return results

    def _settle(self, outcomes: list[_Outcome]) -> None:
        if any(error is None for *_, error in outcomes):
            self._wrote_at = self._loop.time()
        for done, result, error in outcomes:
            self._room.release()
            if done.done():  # its caller was cancelled
                continue
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

    def _in_trouble(self, trouble: Trouble | None) -> None:
        with self._noting:  # readers find damage too
            if self._damaged:
                return
            before, self.trouble = self.trouble, trouble.text if trouble else None
            self._damaged = trouble is not None and trouble.lasting
        if trouble and trouble.text != before:
            log.error("journal.failed", reason=trouble.text)
        elif before and not trouble:
            log.warning("journal.recovered")

    async def _close(self) -> None:
        self._closed = True
        self._hand_over()
        self._waiting.put(None)
        await asyncio.shield(self._loop.run_in_executor(None, self._stop))

    def _stop(self) -> None:
        self._thread.join()
        self._readers.shutdown()
        self._reader.dispose()
        self._writer.dispose()


def _opened(url: str, beside: Path) -> tuple[Engine, Engine]:
    writer, reader = make_engines(url, beside)
    try:
        with transaction(writer) as connection, unhurried(connection):
            migrate(connection)
    except BaseException as error:
        writer.dispose()
        if isinstance(error, DBAPIError):
            name = _name_of(writer)
            trouble = trouble_of(error, name)
            raise ConfigError("journal.url", trouble.text if trouble else str(failure_of(error, name))) from None
        raise
    return writer, reader


def _name_of(engine: Engine) -> str:
    """What the database is called: not where it is, as callers are told this."""
    return Path(engine.url.database or "").name


def _closed() -> JournalError:
    return JournalError("The journal is closed: the gateway is stopping.")


def _each(connection: Connection, works: Sequence[Work[T]]) -> list[T]:
    return [work(connection) for work in works]


def _touch(connection: Connection, probes: Sequence[None]) -> Sequence[None]:
    now = time.time_ns() // 1000
    insert = schema.inserting(connection, schema.positions).values(name="probe", value="", updated_at=now)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"updated_at": now}))
    return probes
