"""Clients read events over HTTP: one page after the other (long-poll), or as a stream of server-sent events.

The log tells all streams of new events, and each stream that keeps up writes them at once; their bytes are made once
for all streams. A stream whose client reads too slowly gets no new events. When the client has taken what waits for it,
the stream goes on from the log; when that takes too long, it is dropped. So a slow client holds up no other, and no
stream needs a queue.

Streams write to the transport, past aiohttp, and put the heads of chunks there by themselves. `StreamResponse.write` is
a coroutine, so each stream would need a task that wakes for each event: that took 28 µs of CPU for each event and
reader in place of 12, with 300 readers of `tests/benchmarks/readers.py`. `test_a_stream_is_framed_as_its_head_says`
notices when aiohttp frames a response in another way.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import attrs
from aiohttp import HttpVersion11, web
from gateway_contracts import CallEvent, InvalidRequest, JournalError, Origin, RateLimited, dumps, to_json

from ..events.feed import check_filter, place, selection_of
from ..facade import Gateway
from ..journal.log import EventLog
from ..journal.reading import MAX_CHARACTERS, EventSelection
from ..keys import Client
from ..logs import log
from ..models import MAX_SEQ, EventPage, EventQuery
from ..parameters import sent_once
from .slow_clients import STUCK_SECONDS

SSE = "text/event-stream"
HEARTBEAT_SECONDS = 15
BEHIND_BYTES = 64 * 1024
"""How much may wait for one client, beside what the system keeps for it."""
MAX_READERS = 10_000
_RETRY_MILLISECONDS = 2_000
_PAGE = 100


class EventReaders:
    """The clients that read the events of *gateway* out of its log, *events*."""

    def __init__(self, gateway: Gateway, events: EventLog) -> None:
        self._gateway = gateway
        self._log = events
        self._streams: set[_Stream] = set()
        self._count = 0
        self._closing = asyncio.Event()
        self._listening = contextlib.ExitStack()

    def __len__(self) -> int:
        return self._count

    async def close(self) -> None:
        """End every stream and every wait. A stream that is behind is broken off, because its client may be stuck."""
        self._closing.set()
        for stream in self._streams:
            stream.woken.set()
            if not stream.live:
                stream.drop()

    async def read(self, request: web.Request, client: Client, query: EventQuery) -> EventPage | web.StreamResponse:
        """A page of events, or the response of a stream where *request* accepts one.

        Raises: InvalidRequest, NotFound, Forbidden, RateLimited, JournalError.
        """
        for name in query.account:
            client.check(name, "events")
        check_filter(self._gateway.__getitem__, query)
        wanted = selection_of(query, client.accounts)
        streamed = SSE in request.headers.get("Accept", "").lower()
        if streamed and (extra := {"wait", "limit"} & request.query.keys()):
            raise InvalidRequest("A stream has no pages", fields=dict.fromkeys(sorted(extra), "is not for streams"))
        if self._count >= MAX_READERS:
            raise RateLimited("Too many read events here already", origin=Origin.GATEWAY, retry_after=30)
        self._count += 1
        try:
            if streamed:
                return await self._stream(request, wanted, query)
            return await self._page(wanted, query)
        finally:
            self._count -= 1

    # Pages

    async def _page(self, wanted: EventSelection, query: EventQuery) -> EventPage:
        news: asyncio.Queue[Sequence[CallEvent]] = asyncio.Queue()
        with self._log.listening(news.put_nowait) if query.wait else contextlib.nullcontext():
            seq, lost = await place(self._log, query.after)
            found, reached = await self._log.after(seq, wanted, limit=query.limit, raw=query.raw)
            deadline = time.monotonic() + query.wait
            # Events that came while the log was read are read too: they may have come before the listener was there.
            while not found and lost is None and reached < self._log.head and time.monotonic() < deadline:
                found, reached = await self._log.after(reached, wanted, limit=query.limit, raw=query.raw)
            if query.wait and not found and lost is None:
                found, reached = await self._next(news, wanted, query, reached, deadline)
        page = EventPage(items=tuple(found), next=reached)
        return attrs.evolve(page, resync=True, reason=lost.reason, oldest=lost.oldest) if lost else page

    async def _next(
        self,
        news: asyncio.Queue[Sequence[CallEvent]],
        wanted: EventSelection,
        query: EventQuery,
        seq: int,
        deadline: float,
    ) -> tuple[list[CallEvent], int]:
        """The first wanted events after *seq*, or none when the wait is over."""
        closing = asyncio.create_task(self._closing.wait())
        try:
            while (left := deadline - time.monotonic()) > 0 and not self._closing.is_set():
                coming = asyncio.create_task(news.get())
                try:
                    await asyncio.wait({coming, closing}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                    page = coming.result() if coming.done() else ()
                finally:
                    coming.cancel()
                found = [each for each in page if (each.seq or 0) > seq and wanted.fits(each)][: query.limit]
                if found and query.raw:  # out of the log, which reads only so much at once
                    return await self._log.after(seq, wanted, limit=query.limit)
                if found:
                    return found, found[-1].seq or seq
                seq = max(seq, page[-1].seq or 0) if page else seq
            return [], seq
        finally:
            closing.cancel()

    # Streams

    async def _stream(self, request: web.Request, wanted: EventSelection, query: EventQuery) -> web.StreamResponse:
        after = _last_event_id(request, query.after)
        seq = (await place(self._log, None))[0] if after is None else after
        response = web.StreamResponse(
            # The last is for nginx, which keeps responses back otherwise.
            headers={"Content-Type": SSE, "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        stream = _Stream(request, wanted, query.raw, seq)
        if not self._streams:
            self._listening.enter_context(self._log.listening(self._told))
        self._streams.add(stream)
        try:
            # The number keeps the place of a reader that is cut off before the first event.
            stream.write(b"retry: %d\nid: %d\n\n" % (_RETRY_MILLISECONDS, seq))
            while not self._closing.is_set() and not stream.gone:
                await self._follow(stream)
            if not stream.gone:
                await response.write_eof()
        except TimeoutError:
            log.warning("reader.dropped", seq=stream.seq, seconds=STUCK_SECONDS)
            stream.drop()
        except JournalError:
            stream.drop()  # it asks again when there is something to read
        except ConnectionError:
            pass  # the client has gone
        finally:
            self._streams.discard(stream)
            if not self._streams:
                self._listening.close()
        return response

    async def _follow(self, stream: "_Stream") -> None:
        """Bring *stream* up to date, then wait while it is told what is new."""
        after = stream.seq
        stream.seq, lost = await place(self._log, after)
        if lost is not None:
            data = dumps({"after": after, "reason": lost.reason, "oldest": lost.oldest})
            stream.write(b"id: %d\nevent: resync\ndata: %b\n\n" % (stream.seq, data))
        while not stream.gone and not self._closing.is_set():
            async with asyncio.timeout(STUCK_SECONDS):
                await stream.drain()
            if stream.seq >= self._log.head:  # nothing comes between this and the next line
                break
            await self._read_on(stream)
        stream.live = True
        while stream.live and not stream.gone and not self._closing.is_set():
            stream.woken.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await stream.woken.wait()
            except TimeoutError:
                # The number keeps a reader's place while nothing happens that it wants.
                stream.write(b": heartbeat\nid: %d\n\n" % stream.seq)

    async def _read_on(self, stream: "_Stream") -> None:
        """Write the next events out of the log to *stream*; only their bytes are kept while they wait."""
        found, stream.seq = await self._log.after(stream.seq, stream.wanted, limit=_PAGE, raw=stream.raw)
        stream.write(b"".join(_frame(event, raw=stream.raw) for event in found))

    def _told(self, page: Sequence[CallEvent]) -> None:
        made = _Frames(page)
        for stream in self._streams:
            stream.take(page, made)


@attrs.define
class _Frames:
    """The events of a page as bytes, made when a stream needs them first: as a chunk, or without its head."""

    page: Sequence[CallEvent]
    made: dict[tuple[int, bool, bool], bytes] = attrs.field(factory=dict)

    def get(self, index: int, *, raw: bool, chunked: bool) -> bytes:
        key = (index, raw, chunked)
        if key not in self.made:
            plain = _frame(self.page[index], raw=raw)
            self.made[key] = _chunk(plain) if chunked else plain
        return self.made[key]


class _Stream:
    """One client's stream. `seq` is the number up to which everything was written to it."""

    def __init__(self, request: web.Request, wanted: EventSelection, raw: bool, seq: int) -> None:
        self.wanted = wanted
        self.raw = raw
        self.seq = seq
        self.live = False
        self.woken = asyncio.Event()
        self._request = request
        self._chunked = request.version >= HttpVersion11

    @property
    def gone(self) -> bool:
        """Whether the connection is closed."""
        transport = self._request.transport
        return transport is None or transport.is_closing()

    def take(self, page: Sequence[CallEvent], frames: _Frames) -> None:
        """Write the events of a new *page* that the client wants, if this stream keeps up."""
        if not self.live:
            return
        parts: list[bytes] = []
        length = 0
        for index, event in enumerate(page):
            if (event.seq or 0) <= self.seq:
                continue
            if length > MAX_CHARACTERS:  # the rest is read on from the log, when there is room
                self.live = False
                self.woken.set()
                break
            self.seq = event.seq or 0
            if self.wanted.fits(event):
                parts.append(frames.get(index, raw=self.raw, chunked=self._chunked))
                length += len(parts[-1])
        if parts:
            self._send(b"".join(parts))

    def write(self, content: bytes) -> None:
        """Write *content* now, however much waits already."""
        if content:
            self._send(_chunk(content) if self._chunked else content)

    async def drain(self) -> None:
        """Wait until the client has taken most of what waits."""
        await self._request.writer.drain()

    def drop(self) -> None:
        """Break the connection off; what waits is lost."""
        if self._request.transport is not None:
            self._request.transport.abort()

    def _send(self, content: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            self.live = False
            self.woken.set()
            return
        transport.write(content)
        if transport.get_write_buffer_size() > BEHIND_BYTES:
            self.live = False
            self.woken.set()


def _frame(event: CallEvent, *, raw: bool) -> bytes:
    data = dumps(to_json(event, raw=raw))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.seq or 0, event.type.value.encode(), data)


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _last_event_id(request: web.Request, after: int | None) -> int | None:
    text = (sent_once(request, "Last-Event-ID") or "").strip()
    if not text:
        return after
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= MAX_SEQ):
        problem = "must be a number from `id:`, of at most 18 digits"
        raise InvalidRequest("Last-Event-ID is not the number of an event", fields={"Last-Event-ID": problem})
    return int(text)
