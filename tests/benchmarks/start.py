"""Starts: the command line, the import, and the sidecar until it is ready."""

import asyncio
import os
import socket
import subprocess
import sys
import time

from .children import ROOT, configuration, folder, program, write_configuration
from .measuring import BARE, LIMIT, OURS, Goal, interleave

CLI = "from gateway.cli.main import main; main()"
BARE_SERVER = """
from aiohttp import web
async def ready(request):
    return web.json_response({"status": "ok"})
app = web.Application()
app.router.add_get("/readyz", ready)
web.run_app(app, host="127.0.0.1", port=%d, print=None)
"""
PATIENCE_SECONDS = 60


def command(*words):
    """The way that runs *words* to their end: the clock and the CPU, in ms."""

    def measured():
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{words} failed")
        return {"wall": wall * 1e3, "cpu": (used.ru_utime + used.ru_stime) * 1e3}

    async def way():
        return await asyncio.to_thread(measured)

    return way


def until_ready(words_of):
    """The way that starts a server on the port that *words_of* takes, and waits for its first answer, in ms."""

    def measured():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *words_of(port)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not _answers(port):
                if process.poll() is not None or time.perf_counter() - started > PATIENCE_SECONDS:
                    raise RuntimeError("a server did not start")
                time.sleep(0.002)
            return {"wall": (time.perf_counter() - started) * 1e3}
        finally:
            process.kill()
            process.wait()

    async def way():
        return await asyncio.to_thread(measured)

    return way


def _answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def served(where, count, vendor_port):
    """The way that serves *count* accounts, whose journal is there already."""
    folder_of = where / str(count)
    folder_of.mkdir(exist_ok=True)
    path = write_configuration(folder_of, configuration(vendor_port, accounts=count))
    return until_ready(lambda port: ["-c", CLI, "--config", str(path), "serve", "--listen", f"127.0.0.1:{port}"])


async def run(report, sizes):
    bare, limit = ["-c", "import aiohttp"], ["-c", "pass"]
    ways = {
        OURS: command("-c", CLI, "--help"),
        "import gateway": command("-c", "import gateway"),
        "from gateway import Gateway": command("-c", "from gateway import Gateway"),
        BARE: command(*bare),
        LIMIT: command(*limit),
    }
    note = "ours: gateway --help; bare: import aiohttp; limit: Python alone"
    found = await interleave(sizes, ways, rounds=sizes.starts)
    report.row("commands", "ms", found["wall"], goals=[Goal(most=0.5)], note=note)
    report.row("commands", "ms of CPU", found["cpu"], goals=[Goal(most=0.5)])
    with folder() as where:
        async with program("vendor") as vendor:
            names = [OURS, *(f"ours, {count} accounts" for count in sizes.started_accounts[1:])]
            served_by = (served(where, count, vendor.port) for count in sizes.started_accounts)
            ways = dict(zip(names, served_by, strict=True))
            await interleave(sizes, ways, rounds=1)  # makes the journals
            ways[BARE] = until_ready(lambda port: ["-c", BARE_SERVER % port])
            found = await interleave(sizes, ways, rounds=max(sizes.starts // 2, 1))
    first = sizes.started_accounts[0]
    note = f"ours: {first} account{'s' if first > 1 else ''}; bare: an aiohttp server with this one route"
    report.row("gateway serve until /readyz answers", "ms", found["wall"], note=note)
