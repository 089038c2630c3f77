"""Finished calls: the vendor's JSON → models → NDJSON and CSV, in process, through the sidecar, into a file."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta

import aiohttp
import orjson
from gateway_contracts import OPERATIONS
from gateway_contracts.converters import to_json_lines

from gateway import Gateway

from .children import configuration, folder, key, program, sidecar, write_configuration
from .facade import TOKEN, logging_to_nowhere
from .load import order_of, request
from .measuring import BARE, LIMIT, OURS, Goal, interleave, of, percentile

DICTS = "dict to dict"
OFFSET = timedelta(hours=7)
WORDS = {"ANSWERED": "answered", "BUSY": "busy", "NO ANSWER": "no_answer"}
SLOW_SECONDS = 0.02
FEW = 4  # pages that may be asked for before they are needed
PROBE_PAUSE = 0.002


def renamed(row):
    """A row of the vendor's in our words, as one would write it by hand with dicts."""
    answered = _moment(row["time_answered"])
    return {
        "account": "a0",
        "record_id": row["id"],
        "call_id": row["id"],
        "sip_call_id": row["sip_call_id"] or None,
        "direction": "outbound" if row["direction"] == 3 else "unknown",
        "outcome": WORDS.get(row["status"], "unknown"),
        "vendor_status": row["status"],
        "cause": row["cause"],
        "from_number": row["from_number"] or None,
        "to_number": row["to_number"] or None,
        "extension": row["extension"] or None,
        "hotline": None,
        "queue": row["receive_dest"] or None,
        "started_at": _moment(row["time_started"]),
        "ringing_at": None,
        "answered_at": answered,
        "ended_at": _moment(row["time_ended"]),
        "duration_seconds": row["duration"],
        "talk_seconds": row["billsec"] if answered else 0,
        "customer_id": None,
        "has_recording": bool(row["recording_url"]),
    }


def _moment(text):
    return (datetime.fromisoformat(text) - OFFSET).isoformat() + "Z" if text else None


async def in_process(report, sizes, vendor, limit):
    """Records a second and the CPU of each, and how many pages are asked for ahead."""
    url = f"http://127.0.0.1:{vendor.port}/v1/cdr"
    await vendor.ask({"total": sizes.records, "slow": 0})
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(logging_to_nowhere())
        gateway = await stack.enter_async_context(Gateway.from_config(configuration(vendor.port)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=TOKEN)
        )
        account, operation = gateway["a0"], OPERATIONS["list_records"]

        async def ours():
            async for page in account.pages(operation, {"limit": limit}):
                yield to_json_lines(page.items)

        def by_hand(make):
            async def pages():
                for offset in range(0, sizes.records, limit):
                    async with session.get(f"{url}?limit={limit}&offset={offset}") as answer:
                        yield make(await answer.read())

            return pages

        def decoded(data):
            return b"".join(orjson.dumps(row) + b"\n" for row in orjson.loads(data)["data"])

        def mapped(data):
            return b"".join(orjson.dumps(renamed(row)) + b"\n" for row in orjson.loads(data)["data"])

        def way(pages, *, whole=True):
            async def measured():
                wall, cpu, rows, first = time.perf_counter(), time.process_time(), 0, None
                async for page in pages():
                    rows += page.count(b"\n")
                    first = first or time.perf_counter()
                first, wall = first - wall, time.perf_counter() - wall
                cpu = time.process_time() - cpu
                if whole and rows != sizes.records:
                    raise RuntimeError(f"{rows} records came, not {sizes.records}")
                return {
                    "rate": sizes.records / wall,
                    "cpu": cpu / sizes.records * 1e6,
                    "first": first * 1e3,
                }

            return measured

        ways = {
            OURS: way(ours),
            DICTS: way(by_hand(mapped)),
            LIMIT: way(by_hand(decoded)),
            "fetch only": way(by_hand(bytes), whole=False),
        }
        found = await interleave(sizes, ways)
    what, named = f"{sizes.records:,} records, pages of {limit:,}", (OURS, DICTS, LIMIT)
    report.row(f"in process, {what}", "records/s", of(found["rate"], *named))
    fetched = found["cpu"]["fetch only"]
    work = {
        name: [max(one - other, 0.01) for one, other in zip(found["cpu"][name], fetched, strict=True)] for name in named
    }
    goals = [Goal(most=4.5, of=LIMIT), Goal(most=round(1 / 0.66, 2), of=DICTS)]
    report.row(f"in process, {what}, without fetching", "µs of CPU a record", work, goals=goals)
    report.row("in process, first page as NDJSON", "ms", of(found["first"], *named))


async def ahead(report, sizes, vendor):
    """How many pages are asked for before they are needed, and what that gains with a vendor that takes its time."""
    total = 100 * sizes.slow_pages
    await vendor.ask({"total": total, "slow": 0, "pages": 0})
    with logging_to_nowhere():
        async with Gateway.from_config(configuration(vendor.port)) as gateway:
            pages = gateway["a0"].pages(OPERATIONS["list_records"], {"limit": 100})
            async with contextlib.aclosing(pages):
                await anext(pages)
                await asyncio.sleep(0.2)  # what is asked for ahead is asked for now
                asked = (await vendor.ask({}))["pages"]
            await vendor.ask({"slow": SLOW_SECONDS, "pages": 0})
            started = time.perf_counter()
            async for page in gateway["a0"].pages(OPERATIONS["list_records"], {"limit": 100}):
                to_json_lines(page.items)
            seconds = time.perf_counter() - started
            await vendor.ask({"slow": 0})
    report.row(
        "pages asked for while the first is looked at", "pages", {OURS: [asked]}, goals=[Goal(most=FEW, of=None)]
    )
    least = SLOW_SECONDS * sizes.slow_pages
    report.row(
        f"{sizes.slow_pages} pages of a vendor that takes {SLOW_SECONDS * 1e3:.0f} ms for each",
        "s",
        {OURS: [seconds], LIMIT: [least]},
        note="the limit is the vendor's time alone",
    )


class Stream:
    """What came of one answer that is streamed."""

    rows = 0
    first = None
    pages_at_first = 0


async def read_stream(port, content, stream, vendor):
    """Read an answer in chunks to its end, and count its lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        writer.write(content)
        await reader.readuntil(b"\r\n\r\n")
        while size := int(await reader.readline(), 16):
            data = await reader.readexactly(size + 2)
            stream.rows += data.count(b"\n") - 1
            if stream.first is None and stream.rows > 1:  # not a heading alone
                stream.first = time.perf_counter()
                stream.pages_at_first = (await vendor.ask({}))["pages"]
    finally:
        writer.close()


async def through_the_sidecar(report, sizes, vendor, limit):
    """Records a second as NDJSON and CSV, what the sidecar holds meanwhile, and how long others wait."""
    await vendor.ask({"total": sizes.records, "slow": 0})
    async with contextlib.AsyncExitStack() as stack:
        where = stack.enter_context(folder())
        serving = await stack.enter_async_context(sidecar(where, configuration(vendor.port)))
        bare = await stack.enter_async_context(program("pass-through", vendor.port))
        prober = await stack.enter_async_context(program("load"))
        probe = request("GET", "/v1/accounts/a0/calls", key=key())

        def way(server, kind):
            content = request("GET", f"/v1/accounts/a0/records?limit={limit}", key=key(), headers=f"Accept: {kind}")

            async def measured():
                await vendor.ask({"pages": 0})
                idle = await prober.ask(order_of(server.port, probe, connections=1, requests=sizes.singles // 2))
                stream, sampled = Stream(), []

                async def sample():
                    while True:
                        sampled.append((stream.rows, server.memory()))
                        await asyncio.sleep(0.05)

                sampling = asyncio.create_task(sample())
                await prober.tell(order_of(server.port, probe, connections=1, pause=PROBE_PAUSE, each=True, ends=True))
                started, cpu = time.perf_counter(), server.cpu()
                try:
                    await read_stream(server.port, content, stream, vendor)
                finally:
                    sampling.cancel()
                seconds, cpu = time.perf_counter() - started, server.cpu() - cpu
                await prober.tell({"end": True})
                waits = (await prober.told())["latencies"]
                rows = stream.rows - (kind == "text/csv")
                if rows != sizes.records:
                    raise RuntimeError(f"{rows} records came, not {sizes.records}")
                early = [memory for row, memory in sampled if row <= sizes.records / 5] or [sampled[0][1]]
                return {
                    "rate": rows / seconds,
                    "cpu": cpu / rows * 1e6,
                    "first": (stream.first - started) * 1e3,
                    "asked": stream.pages_at_first,
                    "grown": (max(memory for _, memory in sampled) - max(early)) / 1e6,
                    "p99": (percentile(waits, 0.99) - idle["p50"]) * 1e3,
                    "most": (max(waits) - idle["p50"]) * 1e3,
                }

            return measured

        ways = {
            OURS: way(serving, "application/x-ndjson"),
            "ours, CSV": way(serving, "text/csv"),
            BARE: way(bare, "application/x-ndjson"),
        }
        found = await interleave(sizes, ways, rounds=max(sizes.rounds // 4, 1))
    pages = f"pages of {limit:,}"
    what = f"{sizes.records:,} records through the sidecar, {pages}"
    note = "bare: decode and encode, no objects"
    report.row(what, "records/s", found["rate"], note=note)
    report.row(f"first row, {pages}", "ms", found["first"])
    everything = {"all of them": [sizes.records / limit for _ in found["asked"][OURS]]}
    goals = [Goal(most=0.5, of="all of them")]
    report.row(f"asked for when the first row had come, {pages}", "pages", found["asked"] | everything, goals=goals)
    report.row(f"memory after the first fifth, {pages}", "MB more", found["grown"], goals=[Goal(most=8, of=None)])
    report.row(f"another request meanwhile, {pages}, p99", "ms more", found["p99"], goals=[Goal(most=10, of=None)])
    report.row(f"another request meanwhile, {pages}, the slowest", "ms more", found["most"])


def exported(where, config):
    """Seconds, CPU and memory of `gateway export`."""
    path = write_configuration(where, config)
    words = ["-c", "from gateway.cli.main import main; main()", "--config", str(path), "export", "a0"]
    words += ["--since", "2020-01-01T00:00:00+07:00", "--out", str(where / "out.ndjson")]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    try:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise RuntimeError("gateway export failed")
    with open(where / "out.ndjson", "rb") as file:
        rows = sum(1 for _ in file)
    return {"rate": rows / (time.perf_counter() - started), "memory": used.ru_maxrss / 1e3, "rows": rows}


async def into_a_file(report, sizes, vendor):
    samples, memory = [], []
    with folder() as where:
        for _ in range(max(sizes.rounds // 2, 1)):
            await vendor.ask({"total": sizes.records, "slow": 0})
            found = await asyncio.to_thread(exported, where, configuration(vendor.port))
            if found["rows"] != sizes.records:
                raise RuntimeError(f"{found['rows']} records came, not {sizes.records}")
            samples.append(found["rate"])
            memory.append(found["memory"])
    report.row("gateway export, its start included", "records/s", {OURS: samples})
    report.row("gateway export, the most it holds", "MB", {OURS: memory})


async def run(report, sizes):
    async with program("vendor", sizes.records) as vendor:
        for limit in sizes.page_sizes:
            await in_process(report, sizes, vendor, limit)
        await ahead(report, sizes, vendor)
        for limit in sizes.page_sizes:
            await through_the_sidecar(report, sizes, vendor, limit)
        await into_a_file(report, sizes, vendor)
