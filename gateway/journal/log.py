"""The log: every event, once, in the order in which it became known, with the conversation it belongs to."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from gateway_contracts import CallEvent, JournalError
from sqlalchemy import Connection

from ..logs import log, place_of
from ..texts import cleaned
from .event_rows import MAX_BATCH, digest_of, known_digests, take_numbers
from .matching import ConversationMatcher
from .reading import MAX_CHARACTERS, EventSelection, read_after, read_head, read_numbered, read_oldest
from .store import Store

POLL_SECONDS = 1.0
"""How often the log looks for the events of other processes, while this one has a listener."""
_MAX_READS = 20  # of MAX_BATCH events, in one `after`

T = TypeVar("T")

OnEvents = Callable[[Sequence[CallEvent]], None]
"""A listener: the log calls it with the events that were added."""


class EventLog:
    """The events in a store, and the listeners that it tells of new ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: list[OnEvents] = []
        self._head = 0
        self._untold: list[CallEvent] = []
        self._behind = asyncio.Event()
        self._tailing = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None

    @property
    def head(self) -> int:
        """The number of the newest event that the listeners were told of."""
        return self._head

    async def start(self) -> None:
        """Begin at the newest event. Raises: JournalError."""
        self._head = await self._store.read(read_head)

    async def append(self, new: Sequence[CallEvent]) -> list[CallEvent]:
        """Write *new* durably; return those that were not in the log before, `cleaned` and with their conversations.

        The listeners are told after this returns, so they do not delay the task that waits for it.

        Raises: JournalError, and then none of them is written.
        """
        stored: list[CallEvent] = []
        for start in range(0, len(new), MAX_BATCH):
            stored += await self._store.append(_append, [cleaned(event) for event in new[start : start + MAX_BATCH]])
        if stored:
            if not self._untold:
                asyncio.get_running_loop().call_soon(self._tell_untold)
            self._untold += stored
        return stored

    def _tell_untold(self) -> None:
        """Tell the listeners of the events that this process wrote, after those that another one wrote in between."""
        new = sorted(
            (event for event in self._untold if (event.seq or 0) > self._head), key=lambda event: event.seq or 0
        )
        self._untold = []
        if new and new[-1].seq == self._head + len(new) and not self._tailing.locked():
            self._tell(new)
        elif new:
            self._behind.set()

    def _tell(self, page: Sequence[CallEvent]) -> None:
        self._head = page[-1].seq or self._head
        for listener in tuple(self._listeners):
            try:
                listener(page)
            except Exception as error:  # noqa: BLE001 # the boundary: one that fails must not keep events from the others
                log.error("listener.failed", first=page[0].seq, last=page[-1].seq, **place_of(error))

    async def deduce(self, work: Callable[[ConversationMatcher], T]) -> T:
        """Run *work* in one transaction and return its result. It reads conversations, and adds the events that follow.

        Raises: JournalError, and then none of them is written.
        """

        def run(connection: Connection) -> tuple[T, bool]:
            matcher = ConversationMatcher(connection)
            result = work(matcher)
            matcher.save()
            return result, bool(matcher.event_rows)

        result, added = await self._store.write(run)
        if added:
            self._behind.set()
        return result

    async def after(
        self, seq: int, selection: EventSelection, *, limit: int, raw: bool = True
    ) -> tuple[list[CallEvent], int]:
        """Read at most *limit* selected events after *seq*; return them, and the number up to which the log was read.

        It may stop before the newest event, also without having found one, and stops after `MAX_CHARACTERS`: read on
        from the returned number. Without *raw* the vendor's own objects are left out.

        Raises: JournalError.
        """
        found: list[CallEvent] = []
        length = 0
        for _ in range(_MAX_READS):
            read = functools.partial(read_after, seq=seq, selection=selection, raw=raw)
            page, reached, characters = await self._store.read(read)
            for event in page:
                if selection.fits(event):
                    found.append(event)
                    if len(found) == limit:
                        return found, event.seq or 0
            length += characters
            if reached <= seq or len(page) < MAX_BATCH or (found and length > MAX_CHARACTERS):
                return found, max(reached, seq)
            seq = reached
        return found, seq

    async def numbered(self, numbers: Sequence[int]) -> list[CallEvent]:
        """Read the events with these *numbers*, without the vendor's own objects. Raises: JournalError."""
        return await self._store.read(functools.partial(read_numbered, numbers=numbers))

    async def oldest(self) -> int:
        """Read the number of the oldest event that is kept; where there is none, one more than the newest had.

        Raises: JournalError.
        """
        return await self._store.read(read_oldest)

    @contextlib.contextmanager
    def listening(self, listener: OnEvents) -> Iterator[None]:
        """Tell *listener* of all events that are added, in their order, until the context ends. It must not block.

        The log looks for the events of other processes every `POLL_SECONDS`, and when it finds that it is behind.
        """
        self._listeners.append(listener)
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._listeners.remove(listener)
            if not self._listeners and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def catch_up(self) -> None:
        """Tell the listeners of the events that were added since they were told last, by any process.

        Raises: JournalError.
        """
        read = functools.partial(read_after, selection=EventSelection())
        async with self._tailing:
            while True:
                page, *_ = await self._store.read(functools.partial(read, seq=self._head))
                if not page:
                    return
                self._tell(page)

    async def _poll(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._behind.wait()
            self._behind.clear()
            try:
                await self.catch_up()
            except JournalError:
                pass  # the tasks that write are told of it
            except Exception as error:  # noqa: BLE001 # the boundary: the listeners still need later events
                log.error("log.unread", after=self._head, **place_of(error))


def _append(connection: Connection, batches: Sequence[Sequence[CallEvent]]) -> list[list[CallEvent]]:
    """Write the events of *batches* that are not in the log; return these, batch by batch, as the log keeps them."""
    new: dict[bytes, CallEvent] = {}
    digests = [[digest_of(event) for event in batch] for batch in batches]
    for batch, own in zip(batches, digests, strict=True):
        for event, digest in zip(batch, own, strict=True):
            new.setdefault(digest, event)
    for digest in known_digests(connection, list(new)):
        del new[digest]
    if not new:
        return [[] for _ in batches]
    matcher = ConversationMatcher.load(connection, new.values())
    seq = take_numbers(connection, len(new))
    stored: list[list[CallEvent]] = []
    for batch, own in zip(batches, digests, strict=True):
        of_batch = []
        for event, digest in zip(batch, own, strict=True):
            if new.pop(digest, None) is not None:
                seq += 1
                of_batch.append(matcher.keep(event, digest, matcher.place(event, seq)))
        stored.append(of_batch)
    matcher.save()
    return stored
