"""A thousand readers of server-sent events, ten of them stuck, against a bare loop that sends the same bytes.

    python -m tests.benchmarks.readers [readers [events]]

It prints how long an event takes to be written (ingest), how long after that the readers have it, and the sidecar's
memory. The readers live in a process of their own; both read one clock.
"""

import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway_contracts import CallEvent, EventType

from gateway import Gateway, readers
from gateway.serving import serving

READERS, EVENTS, STUCK = 1_000, 300, 10
PAUSE_SECONDS = 0.05
RAW = "x" * 100_000  # what only the stuck ones ask for, so that they are stuck soon


class Reader(asyncio.Protocol):
    """Asks for the stream, and keeps when each event came."""

    def __init__(self, seen, request, *, stuck):
        self.seen = seen
        self.request = request
        self.stuck = stuck

    def connection_made(self, transport):
        transport.write(self.request)
        if self.stuck:
            transport.pause_reading()

    def data_received(self, data):
        now = time.monotonic()
        for part in data.split(b'"call_id":"')[1:]:
            self.seen.setdefault(int(part[: part.index(b'"')]), []).append(now)


async def read(host, port, count, stuck, query):
    """The process of the readers: tells when all are connected, and at the end of its input what they saw."""
    loop, seen = asyncio.get_running_loop(), {}
    for number in range(count):
        is_stuck = number < stuck
        head = f"GET {query + '&raw=1' if is_stuck else query} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        request = f"{head}Accept: text/event-stream\r\n\r\n".encode()
        await loop.create_connection(lambda r=request, s=is_stuck: Reader(seen, r, stuck=s), host, port)
    print("connected", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps(seen), flush=True)  # noqa: T201


class Crowd:
    """The readers, as seen from the process that writes."""

    def __init__(self, process):
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, address, count, stuck, query="/v1/events?after=0"):
        host, port = address.removeprefix("http://").split(":")
        words = [sys.executable, "-m", "tests.benchmarks.readers", "--read", host, port, str(count), str(stuck), query]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**28
        )
        try:
            await process.stdout.readline()
            yield cls(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def seen(self):
        self._process.stdin.write(b"\n")
        return {int(name): times for name, times in json.loads(await self._process.stdout.readline()).items()}


def event(number):
    now = datetime.now(UTC)
    return CallEvent(
        account="m", event_id=str(number), type=EventType.ENDED, call_id=str(number), received_at=now, raw=RAW
    )


def memory():
    """What this process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def figures(name, seconds):
    ordered = sorted(each * 1000 for each in seconds)
    return f"{name:<34} p50 {statistics.median(ordered):7.1f} ms   p99 {ordered[int(len(ordered) * 0.99)]:7.1f} ms"


async def through_the_sidecar(count, events, stuck, first):
    config = {"accounts": {"m": {"vendor": "memory"}}, "proxy": {"listen": "127.0.0.1:0"}}
    with tempfile.TemporaryDirectory() as folder:
        config["journal"] = {"url": f"sqlite:///{folder}/gateway.db"}
        async with Gateway.from_config(config) as gateway, serving(gateway) as address:
            log = (await gateway.journal.get()).log
            told, ingest = {}, []
            with log.listening(lambda page: told.update({int(each.call_id): time.monotonic() for each in page})):
                async with Crowd.of(address, count, stuck) as crowd:
                    before = memory()
                    for number in range(first, first + events):
                        started = time.monotonic()
                        await log.append([event(number)])
                        ingest.append(time.monotonic() - started)
                        await asyncio.sleep(PAUSE_SECONDS)
                    after = memory()
                    seen = await crowd.seen()
    healthy = count - stuck
    late = [moment - told[number] for number, times in seen.items() for moment in times]
    whole = sum(len(times) == healthy for times in seen.values())
    print(f"{count} readers, {stuck} stuck: {whole} of {events} events reached all {healthy} others")  # noqa: T201
    print(figures("  ingest (append returns)", ingest))  # noqa: T201
    print(figures("  written to read", late) if late else "")  # noqa: T201
    print(f"  memory {before:.0f} MB before, {after:.0f} MB after")  # noqa: T201


async def by_a_bare_loop(count, events):
    """As if the sidecar did nothing but send."""
    writers, told = [], {}

    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writers.append(writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=count)
    async with Crowd.of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", count, 0) as crowd:
        while len(writers) < count:  # noqa: ASYNC110 # it is not worth an event
            await asyncio.sleep(0.01)
        for number in range(events):
            frame = readers._chunk(readers._frame(event(number), raw=False))
            told[number] = time.monotonic()
            for writer in writers:
                writer.write(frame)
            await asyncio.sleep(PAUSE_SECONDS)
        seen = await crowd.seen()
    server.close()
    print(f"{count} readers, a bare loop of sends")  # noqa: T201
    print(figures("  sent to read", [each - told[number] for number, times in seen.items() for each in times]))  # noqa: T201


async def main(count, events):
    readers.STUCK_SECONDS = 5
    await through_the_sidecar(0, events, 0, 0)
    await by_a_bare_loop(count, events)
    await through_the_sidecar(count, events, 0, 0)
    await through_the_sidecar(count, events, STUCK, 0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if sys.argv[1:2] == ["--read"]:
        host, port, count, stuck, query = sys.argv[2:]
        asyncio.run(read(host, int(port), int(count), int(stuck), query))
    else:
        asyncio.run(main(*map(int, sys.argv[1:]), *(READERS, EVENTS)[len(sys.argv) - 1 :]))
