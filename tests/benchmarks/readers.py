"""Events out: to 1, 100 and 1,000 readers of server-sent events, some of them stuck, beside bare loops of sends.

The readers live in a process of their own; both read one clock.
"""

import asyncio
import contextlib
import logging
import socket
import time
from datetime import UTC, datetime

import aiohttp
from gateway_contracts import CallEvent, EventType

from gateway import Gateway
from gateway.http import event_stream as readers
from gateway.http.server import collecting_seldom, serving

from .children import configuration, folder, key, memory_of, program, raise_limit
from .measuring import BARE, LIMIT, OURS, Goal, interleave, percentile

PAUSE_SECONDS = 0.05
STUCK_SECONDS = 0.5  # of the sidecar, here; else nobody would see one dropped
STUCK_BYTES = 12_000_000  # what only the stuck ones ask for: more than the system takes for them
GOAL = Goal(most=1.5, of=LIMIT)


def event(number, raw):
    now = datetime.now(UTC)
    return CallEvent(
        account="a0", event_id=str(number), type=EventType.ENDED, call_id=str(number), received_at=now, raw=raw
    )


def figures(told, seen, healthy):
    late = [moment - told[int(number)] for number, times in seen.items() for moment in times]
    if len(late) < len(told) * healthy:
        raise RuntimeError(f"{len(late)} events came, not {len(told) * healthy}")
    return {"p50": percentile(late, 0.5) * 1e3, "p99": percentile(late, 0.99) * 1e3}


class _Dropped(logging.Handler):
    """Counts the readers that are dropped."""

    count = 0

    def emit(self, record):
        self.count += "reader.dropped" in record.getMessage()


async def all_there(address, count):
    """Until the sidecar says that *count* readers are there: whoever still connects would get the first event late."""
    async with aiohttp.ClientSession(address, headers={"Authorization": f"Bearer {key()}"}) as session:
        while True:
            async with session.get("/metrics") as answer:
                if f"\ngateway_readers {float(count)}\n" in await answer.text():
                    return
            await asyncio.sleep(0.02)


async def by_the_sidecar(count, events, stuck):
    config = configuration(9, vendor="memory")
    dropped = _Dropped()
    logging.getLogger("gateway").addHandler(dropped)
    try:
        with folder() as where:
            config["journal"] = {"url": f"sqlite:///{where}/gateway.db"}
            async with Gateway.from_config(config) as gateway, serving(gateway) as address:
                log = (await gateway.journal.get()).log
                told, ingest = {}, []

                def hear(page):
                    told.update({int(each.call_id): time.monotonic() for each in page})

                with log.listening(hear), collecting_seldom():
                    async with program("readers", address.rpartition(":")[2], count, stuck) as crowd:
                        await all_there(address, count)
                        before, raw = memory_of("self"), "x" * (STUCK_BYTES // events) if stuck else None
                        for number in range(events):
                            started = time.monotonic()
                            await log.append([event(number, raw)])
                            ingest.append(time.monotonic() - started)
                            await asyncio.sleep(PAUSE_SECONDS)
                        after = memory_of("self")
                        patience = time.monotonic() + 4 * STUCK_SECONDS
                        while dropped.count < stuck and time.monotonic() < patience:
                            await asyncio.sleep(0.02)
                        seen = await crowd.ask({})
    finally:
        logging.getLogger("gateway").removeHandler(dropped)
    found = figures(told, seen, count - stuck)
    more = {"dropped": dropped.count, "memory": (after - before) / 1e6} if stuck else {}
    return found | {"ingest": percentile(ingest, 0.5) * 1e3} | more


def frame(number):
    return readers._chunk(readers._frame(event(number, None), raw=False))


async def told_by(send, crowd, events):
    """The figures of *send*, which gives a frame to all."""
    told = {}
    for number in range(events):
        content = frame(number)
        told[number] = time.monotonic()
        send(content)
        await asyncio.sleep(PAUSE_SECONDS)
    return told, await crowd.ask({})


async def by_a_bare_loop(count, events):
    """As if the sidecar did nothing but send."""
    writers, all_there = [], asyncio.Event()

    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writers.append(writer)
        if len(writers) == count:
            all_there.set()

    def send(content):
        for writer in writers:
            writer.write(content)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=count)
    try:
        async with program("readers", server.sockets[0].getsockname()[1], count, 0) as crowd:
            await all_there.wait()
            found = figures(*await told_by(send, crowd, events), count)
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()
    return found


async def by_sockets(count, events):
    """No event loop between the loop and the sockets."""
    loop, sockets = asyncio.get_running_loop(), []

    def send(content):
        for each in sockets:
            each.send(content)

    async def accept(listening):
        while len(sockets) < count:
            sockets.append((await loop.sock_accept(listening))[0])
            await loop.sock_recv(sockets[-1], 65_536)

    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.setblocking(False)
        listening.bind(("127.0.0.1", 0))
        listening.listen(count)
        accepting = asyncio.create_task(accept(listening))
        async with program("readers", listening.getsockname()[1], count, 0) as crowd:
            await accepting
            found = figures(*await told_by(send, crowd, events), count)
        for each in sockets:
            each.close()
    return found


async def run(report, sizes):
    raise_limit()
    before, readers.STUCK_SECONDS = readers.STUCK_SECONDS, STUCK_SECONDS
    try:
        for count in sizes.readers:
            stuck = min(sizes.stuck, count - 1)
            ways = {
                OURS: lambda count=count: by_the_sidecar(count, sizes.events, 0),
                BARE: lambda count=count: by_a_bare_loop(count, sizes.events),
                LIMIT: lambda count=count: by_sockets(count, sizes.events),
            }
            stuck_name = f"ours, {stuck} of them stuck"
            if stuck and count == max(sizes.readers):
                ways[stuck_name] = lambda count=count, stuck=stuck: by_the_sidecar(count, sizes.events, stuck)
            found = await interleave(sizes, ways, rounds=max(sizes.rounds // 4, 1))
            what = f"{count:,} reader{'s' if count > 1 else ''}"
            note = "bare: a loop of writes to asyncio's streams; limit: a loop of sends to sockets"
            report.row(f"{what}, written to read, p50", "ms", found["p50"], goals=[GOAL], note=note)
            report.row(f"{what}, written to read, p99", "ms", found["p99"], goals=[GOAL])
            report.row(f"{what}, an event is written in", "ms", found["ingest"])
            if "dropped" in found:
                goal = Goal(least=stuck, of=None, way=stuck_name)
                report.row(f"{what}, stuck ones that were dropped", "readers", found["dropped"], goals=[goal])
                report.row(f"{what}, held for the stuck", "MB", found["memory"])
    finally:
        readers.STUCK_SECONDS = before
