"""Events in: appended by 1 to 512 waiting writers, into empty and large journals, and webhooks that are answered."""

import asyncio
import contextlib
import itertools
import json
import os
import queue
import shutil
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta

from gateway_contracts import CallEvent, Direction, EventType, dumps, to_json

from gateway.journal.opening import open_journal
from gateway.journal.schema import to_micros

from .children import HOOK_TOKEN, configuration, folder, program, sidecar
from .load import COUNTED, order_of, request, throughput
from .measuring import BARE, LIMIT, OURS, Goal, interleave

WAITING = CONNECTIONS = 128
WARM = 64  # what is done for the first time takes longer
TYPES = (EventType.RINGING, EventType.ANSWERED, EventType.ENDED)
FILLED_AT_ONCE = 600_000  # in one transaction; whole calls
NUMBERS = itertools.count()


def events_of(count):
    """As many events, those of a call one after the other."""
    found = []
    for each in range(count):
        kind = TYPES[each % len(TYPES)]
        if kind is TYPES[0]:
            number = next(NUMBERS)
        now = datetime.now(UTC)
        found.append(
            CallEvent(
                account="a0",
                event_id=f"{os.getpid()}-{number}-{kind}",
                type=kind,
                call_id=f"c{number:012d}",
                sip_call_id=f"s{number:012d}@10.0.0.1",
                direction=Direction.OUTBOUND,
                from_number="101",
                to_number=f"0899{number % 1_000_000:06d}",
                extension="101",
                received_at=now,
                occurred_at=now,
                raw={"call_id": f"c{number:012d}", "state": str(kind), "from_number": "101"},
            )
        )
    return found


class File:
    """A file to which lines are appended, with one fdatasync for all that came while the one before ran."""

    def __init__(self, path):
        self._loop = asyncio.get_running_loop()
        self._waiting = queue.SimpleQueue()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._thread = threading.Thread(target=self._write_all)
        self._thread.start()

    async def append(self, line):
        done = self._loop.create_future()
        self._waiting.put((line, done))
        await done

    def close(self):
        self._waiting.put(None)
        self._thread.join()
        os.close(self._file)

    def _write_all(self):
        while first := self._waiting.get():
            batch = [first]
            with contextlib.suppress(queue.Empty):
                while more := self._waiting.get_nowait():
                    batch.append(more)
                self._waiting.put(None)
            os.write(self._file, b"".join(line for line, _ in batch))
            os.fdatasync(self._file)
            self._loop.call_soon_threadsafe(self._settle, batch)

    @staticmethod
    def _settle(batch):
        for _, done in batch:
            done.set_result(None)


async def appended(append, items, writers):
    """Appends a second, by *writers* that each wait for one to be written before the next."""
    each = len(items) // writers

    async def write(number):
        for item in items[number * each : (number + 1) * each]:
            await append(item)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(writers):
            group.create_task(write(number))
    return {"rate": each * writers / (time.perf_counter() - started)}


def fill(path, count):
    """Put *count* events of the last two months into the closed journal at *path*, a call for each three of them.

    By statements of its own, as appending ten million of them would take too long.
    """
    span = int(timedelta(days=60).total_seconds() * 1e6)
    first, step = to_micros(datetime.now(UTC)) - span, max(span // count, 1)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -2000000")  # the digests fall all over their index
        for start in range(0, count, FILLED_AT_ONCE):
            fill_some(database, start, min(start + FILLED_AT_ONCE, count), f"{first} + n * {step}")


def fill_some(database, start, end, at):
    """The events from *start* to *end*, which happen *at*."""
    sample = events_of(len(TYPES))[0]
    body, call = dumps(to_json(sample)).decode(), "printf('g%012d', n / 3)"
    assert sample.call_id in body
    assert '"seq":null' in body
    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {end})"
    conversation = "printf('cv_%024d', n / 3)"
    kinds = " ".join(f"WHEN {place} THEN '{kind}'" for place, kind in enumerate(TYPES))
    head = database.execute("SELECT value FROM counters WHERE name = 'events'").fetchone()[0] - start
    numbered = f"printf('\"seq\":%d', {head} + n + 1)"
    body = f"replace(replace('{body}', '{sample.call_id}', {call}), '\"seq\":null', {numbered})"
    with database:
        database.execute(
            f"{numbers} INSERT INTO conversations (conversation_id, account, state, direction, from_number, "
            f"to_number, extension, ended_at, exact, created_at, updated_at, end_source, outcome) "
            f"SELECT {conversation}, 'a0', 'ended', 'outbound', '101', printf('0899%06d', n % 1000000), "
            f"'101', {at}, 1, {at}, {at}, 'vendor', 'answered' FROM numbers WHERE n % 3 = 0"
        )
        database.execute(
            f"{numbers} INSERT INTO links (account, kind, value, conversation_id, evidence, linked_at) "
            f"SELECT 'a0', 'call_id', {call}, {conversation}, 'event', {at} FROM numbers WHERE n % 3 = 0"
        )
        database.execute(
            f"{numbers} INSERT INTO events (seq, digest, account, event_id, type, call_id, conversation_id, "
            f"extension, from_number, to_number, received_at, late, body) "
            f"SELECT {head} + n + 1, randomblob(16), 'a0', printf('g%d', n), CASE n % 3 {kinds} END, {call}, "
            f"{conversation}, '101', '101', printf('0899%06d', n % 1000000), {at}, 0, {body} FROM numbers"
        )
        database.execute("UPDATE counters SET value = value + ? WHERE name = 'events'", (end - start,))


async def filled(where, count):
    """The url of a journal with *count* events in the folder *where*."""
    path = where / f"journal-{count}.db"
    if not path.exists():
        async with open_journal(f"sqlite:///{path}"):
            pass  # it has its tables now
        if count:
            await asyncio.to_thread(fill, path, count)
    return f"sqlite:///{path}"


async def appends(report, sizes, where):
    async with contextlib.AsyncExitStack() as stack:
        journals = {}
        for count in (0, *sizes.journals):
            journal = await stack.enter_async_context(open_journal(await filled(where, count)))
            await appended(journal.log.append, [[event] for event in events_of(WARM)], 16)
            journals[count] = journal
        await measure(report, sizes, where, journals)


async def measure(report, sizes, where, journals):
    named = {0: OURS} | {count: f"ours, {count:,} there already" for count in sizes.journals}
    for writers in sizes.writers:
        count = min(sizes.appended, sizes.appended // (32 if writers == 1 else 4 if writers < WAITING else 1))

        def through(journal, writers=writers, count=count):
            async def way():
                items = [[event] for event in events_of(count)]
                return await appended(journal.log.append, items, writers)

            return way

        async def to_a_file(writers=writers, count=count):
            lines = [dumps(to_json(event)) + b"\n" for event in events_of(count)]
            file = File(where / "lines")
            try:
                return await appended(file.append, lines, writers)
            finally:
                file.close()

        ways = {named[size]: through(journal) for size, journal in journals.items()} | {LIMIT: to_a_file}
        found = await interleave(sizes, ways)
        goals = [Goal(least=0.45, of=LIMIT)] if writers == CONNECTIONS else []
        goals += [Goal(least=0.67, of=OURS, way=named[size]) for size in sizes.journals] if writers > 1 else []
        report.row(f"append, {writers} waiting", "events/s", found["rate"], goals=goals)


async def webhooks(report, sizes):
    """Whole webhooks a second, beside the same handler writing nothing."""
    body = {
        "call_id": f"c{COUNTED.decode()}",
        "sip_call_id": f"s{COUNTED.decode()}",
        "state": "ringing",
        "direction": "outbound",
        "from_number": "101",
        "to_number": "0899098899",
        "status": "",
    }
    content = request("POST", f"/hooks/a0/{HOOK_TOKEN}", body=json.dumps(body).encode())
    firsts = itertools.count(0, 1_000_000)
    async with contextlib.AsyncExitStack() as stack:
        loader = await stack.enter_async_context(program("load"))
        servers, folders = {}, {}
        for name, kind in ((OURS, "serve"), (BARE, "serve-forgetful")):
            folders[name] = stack.enter_context(folder())
            config = configuration(9)  # nobody is called
            servers[name] = await stack.enter_async_context(sidecar(folders[name], config, name=kind))

        def way(name):
            async def measured():
                server, first = servers[name], next(firsts)
                await loader.ask(order_of(server.port, content, connections=8, requests=WARM, first=next(firsts)))
                cpu = server.cpu()
                found = await throughput(
                    loader,
                    server.port,
                    content,
                    connections=CONNECTIONS,
                    seconds=sizes.seconds,
                    where=folders[name],
                    first=first,
                )
                cpu = server.cpu() - cpu
                if found["failed"]:
                    raise RuntimeError(f"{found['failed']} webhooks failed")
                return {"rate": found["requests"] / found["seconds"], "cpu": cpu / found["requests"] * 1e6}

            return measured

        found = await interleave(sizes, {name: way(name) for name in servers})
    note = "bare: the same handler, writing nothing"
    what = f"webhooks over HTTP, {CONNECTIONS} at once"
    report.row(what, "requests/s", found["rate"], goals=[Goal(least=0.9)], note=note)
    report.row(what, "µs of CPU a request", found["cpu"])


async def run(report, sizes):
    with folder() as where:
        report.note(f"the journals lie on {shutil.disk_usage(where).free // 10**9} GB of free disk")
        await appends(report, sizes, where)
    await webhooks(report, sizes)
