"""Processes of a benchmark: started by us, known by their handle, and gone when the benchmark is, however that ends."""

import asyncio
import contextlib
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60
TICKS = os.sysconf("SC_CLK_TCK")
KEY = "gw_a-key-for-benchmarks-only"
HOOK_TOKEN = "a-token-for-benchmarks-only"
LINE_BYTES = 2**28


def raise_limit() -> int:
    """As many open files as this process may have; gives their number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Child:
    """A program of `tests.benchmarks.programs` that runs. It ends when its stdin does, and so never outlives us."""

    def __init__(self, process, said):
        self._process = process
        self.pid = process.pid
        self.said = said

    @property
    def port(self):
        return int(self.said)

    async def tell(self, order):
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def told(self):
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the benchmark ended too early")
        return json.loads(line)

    async def ask(self, order):
        """What it answers to *order*."""
        await self.tell(order)
        return await self.told()

    def cpu(self):
        """The seconds of CPU that it has used."""
        return cpu_of(self.pid)

    def memory(self):
        """What it holds, in bytes."""
        return memory_of(self.pid)


@contextlib.asynccontextmanager
async def program(name, *words, stderr=subprocess.DEVNULL):
    """The program *name*, once it has said that it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.programs", name, *map(str, words)),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        limit=LINE_BYTES,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = await process.stdout.readline()
        if not said:
            raise RuntimeError(f"the program {name} did not start")
        yield Child(process, said)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def cpu_of(pid):
    """The seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(pid):
    """What a process holds, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


# The sidecar


@contextlib.contextmanager
def folder():
    """A folder for configuration, journal and log, which goes when the context ends."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", ignore_cleanup_errors=True) as found:
        yield Path(found)


def configuration(vendor_port, *, accounts=1, vendor="tel4vn-v1", keys=1):
    """A configuration of *accounts* at the vendor on *vendor_port*, as `Gateway.from_config` takes it.

    Nothing goes on in the background that the vendor would notice.
    """
    settings = {"base_url": f"http://127.0.0.1:{vendor_port}", "api_key": "key"} if vendor != "memory" else {}
    return {
        "accounts": {
            f"a{number}": {
                "vendor": vendor,
                "reconcile_seconds": 0,
                "hook_token": HOOK_TOKEN,
                "settings": settings,
            }
            for number in range(accounts)
        },
        "proxy": {
            "listen": "127.0.0.1:0",
            "webhook_hosts": ["127.0.0.1"],
            "keys": [
                {
                    "name": f"k{number}",
                    "sha256": hashlib.sha256(key(number).encode()).hexdigest(),
                    "scopes": ["calls", "records", "events", "admin"],
                }
                for number in range(keys)
            ],
        },
    }


def key(number=0):
    return f"{KEY}-{number}"


def write_configuration(where, config):
    """Write *config* as a gateway.toml in the folder *where*, and give its path."""
    lines = []
    for name, account in config["accounts"].items():
        lines += [f"[accounts.{name}]"]
        lines += [f"{word} = {json.dumps(value)}" for word, value in account.items() if word != "settings"]
        lines += [f"[accounts.{name}.settings]"]
        lines += [f"{word} = {json.dumps(value)}" for word, value in account["settings"].items()]
    lines += ["[proxy]"]
    lines += [f"{word} = {json.dumps(value)}" for word, value in config["proxy"].items() if word != "keys"]
    for each in config["proxy"]["keys"]:
        lines += ["[[proxy.keys]]", *(f"{word} = {json.dumps(value)}" for word, value in each.items())]
    path = where / "gateway.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@contextlib.asynccontextmanager
async def sidecar(where, config, *, name="serve"):
    """`gateway serve` with *config* in the folder *where*, one log line an operation going to a file there.

    *name* is the program that runs it.
    """
    path = write_configuration(where, config)
    with open(where / "log", "ab") as log:
        async with program(name, "-v", "--config", path, "serve", stderr=log) as child:
            yield child
