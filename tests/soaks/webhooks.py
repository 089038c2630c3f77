"""A sidecar that is killed again and again while a vendor sends webhooks and a subscriber receives the events.

    python -m tests.soaks.webhooks --calls 500 --kills 20

Nothing that was acknowledged may be missing, and no event may be there twice.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs
from aiohttp import web

TOKEN = "token-of-the-account-hanoi"  # a test's own
STATES = ("ringing", "answered", "hangup", "cdr")
SENDERS = 32
PATIENCE_SECONDS = 60


@attrs.frozen(kw_only=True)
class Found:
    """What a run saw."""

    sent: int
    refused: int
    kills: int
    acknowledged: int
    in_the_log: int
    delivered: int
    deliveries: int
    missing: frozenset[str]
    doubled: frozenset[str]
    undelivered: frozenset[str]
    ends: Counter[int]
    seconds: float

    @property
    def well(self) -> bool:
        """Nothing that was acknowledged is missing or doubled, and every call ended once."""
        return not (self.missing or self.doubled or self.undelivered) and set(self.ends) == {1}


class Sidecar:
    """`gateway serve` as a process that can be killed and started again, always at the same address."""

    def __init__(self, folder: Path, *, journal: str | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self.url = f"http://127.0.0.1:{self._port}"
        self.up = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._quiet: asyncio.Task[None] | None = None
        lines = ["[accounts.hanoi]", 'vendor = "tel4vn-v1"', f'hook_token = "{TOKEN}"', "reconcile_seconds = 0"]
        lines += ["[accounts.hanoi.settings]", 'base_url = "http://127.0.0.1:9"', 'api_key = "key"']
        lines += ["[proxy]", f'listen = "127.0.0.1:{self._port}"', 'webhook_hosts = ["127.0.0.1"]']
        if journal:
            lines += ["[journal]", f"url = {json.dumps(journal)}"]
        (folder / "gateway.toml").write_text("\n".join(lines))

    async def start(self) -> None:
        """Start it, and come back when it answers."""
        program = "from gateway.cli.main import main; main()"
        config = str(self._folder / "gateway.toml")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, "--config", config, "serve"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        said = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._process.stdout:
                said.append(line.decode())
                if "sidecar.started" in said[-1]:
                    self._quiet = asyncio.create_task(_read_on(self._process.stdout))
                    self.up.set()
                    return
        raise RuntimeError("the sidecar did not start: " + "".join(said))

    async def end(self, number: signal.Signals) -> None:
        """End it with signal *number*, and wait until it has gone."""
        self.up.clear()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()
        if self._quiet is not None:
            await self._quiet


async def _read_on(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


class Vendor:
    """Sends the webhooks of *calls* calls, each again until it is acknowledged, and some once more after that."""

    def __init__(self, sidecar: Sidecar, calls: int, chance: random.Random) -> None:
        self.acknowledged: set[str] = set()
        self.sent = self.refused = 0
        self._sidecar = sidecar
        self._address = f"{sidecar.url}/hooks/hanoi/{TOKEN}"
        self._news = asyncio.Event()
        self._chance = chance
        self._waiting = [(call, state) for call in range(calls) for state in STATES]
        self.total = len(self._waiting)
        # Calls side by side, and the webhooks of a call nearly in their order.
        self._waiting.sort(key=lambda each: each[0] + 3 * STATES.index(each[1]) + chance.random() * 8, reverse=True)

    async def send_all(self) -> None:
        """Send everything."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send_some(session))

    async def reaches(self, count: int) -> None:
        """Come back when *count* webhooks are acknowledged."""
        while len(self.acknowledged) < count:
            self._news.clear()
            await self._news.wait()

    async def _send_some(self, session: aiohttp.ClientSession) -> None:
        while self._waiting:
            call, state = self._waiting.pop()
            body = {"call_id": f"c{call}", "sip_call_id": f"s{call}", "state": state, "direction": "outbound"}
            body |= {"from_number": "101", "to_number": f"08990{call:05d}", "status": "ANSWERED"}
            while not await self._send(session, body):
                await self._sidecar.up.wait()
            self.acknowledged.add(f"c{call} {state}")
            self._news.set()
            if self._chance.random() < 0.1:
                await self._send(session, body)

    async def _send(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> bool:
        self.sent += 1
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with session.post(self._address, json=body) as answer:
                await answer.read()
                if answer.status == 200:
                    return True
        self.refused += 1
        return False


class Subscriber:
    """An application that receives events, and fails now and then, at most once for each: the third try comes late."""

    def __init__(self, chance: random.Random) -> None:
        self.got: Counter[str] = Counter()
        self._failed: set[str] = set()
        self.url = ""
        self._chance = chance
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Receive on a free port, for as long as the context is open."""
        runner = web.ServerRunner(web.Server(self._receive, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _receive(self, request: web.BaseRequest) -> web.Response:
        event = json.loads(await request.read())["data"]
        if event["event_id"] not in self._failed and self._chance.random() < 0.02:
            self._failed.add(event["event_id"])
            return web.Response(status=500)
        self.got[event["event_id"]] += 1
        self._news.set()
        return web.Response()

    async def has(self, ids: set[str]) -> None:
        """Come back when all events with *ids* have come, or nothing has come for long."""
        with contextlib.suppress(TimeoutError):
            while not ids <= self.got.keys():
                self._news.clear()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._news.wait()


async def soak(
    folder: Path, *, calls: int, kills: int, seed: int, journal: str | None = None, subscribed: bool = True
) -> Found:
    """One run of *calls* calls and *kills* kills, in *folder*; with a subscriber, unless it is not *subscribed*."""
    chance, begun = random.Random(seed), time.monotonic()  # noqa: S311 # repeatable, not secret
    sidecar = Sidecar(folder, journal=journal)
    subscriber = Subscriber(chance)
    vendor = Vendor(sidecar, calls, chance)
    killed = 0
    async with subscriber.running(), aiohttp.ClientSession() as session:
        await sidecar.start()
        try:
            if subscribed:
                async with session.post(f"{sidecar.url}/v1/subscriptions", json={"url": subscriber.url}) as answer:
                    assert answer.status == 201, await answer.text()
            sending = asyncio.create_task(vendor.send_all())
            for mark in sorted(chance.sample(range(vendor.total), kills)):
                await vendor.reaches(mark)
                await sidecar.end(signal.SIGKILL)
                killed += 1
                await sidecar.start()
            await sending
            log = await _log_of(session, sidecar.url)
            if subscribed:
                await subscriber.has({event["event_id"] for event in log})
        finally:
            await sidecar.end(signal.SIGTERM)
    ids = Counter(event["event_id"] for event in log)
    names = {f"{event['call_id']} {_STATE_OF[event['type']]}" for event in log}
    ends = Counter(event["conversation_id"] for event in log if event["type"] == "call.ended")
    return Found(
        sent=vendor.sent,
        refused=vendor.refused,
        kills=killed,
        acknowledged=len(vendor.acknowledged),
        in_the_log=len(log),
        delivered=len(subscriber.got),
        deliveries=subscriber.got.total(),
        missing=frozenset(vendor.acknowledged - names),
        doubled=frozenset(each for each, times in ids.items() if times > 1),
        undelivered=frozenset(ids.keys() - subscriber.got.keys() if subscribed else ()),
        ends=Counter(ends.values()),
        seconds=round(time.monotonic() - begun, 1),
    )


_STATE_OF = {"call.ringing": "ringing", "call.answered": "answered", "call.ended": "hangup", "record.created": "cdr"}


async def _log_of(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        async with session.get(f"{url}/v1/events", params={"after": after, "limit": 1000}) as answer:
            page = await answer.json()
        if not page["items"]:
            return found
        found += page["items"]
        after = page["next"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500, help="each has four webhooks")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", help="the url of the journal; a SQLite file by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(
            soak(Path(folder), calls=given.calls, kills=given.kills, seed=given.seed, journal=given.journal)
        )
    for field in attrs.fields(Found):
        value = getattr(found, field.name)
        sys.stdout.write(f"{field.name:<14} {len(value) if isinstance(value, frozenset) else value}\n")
    sys.stdout.write("well\n" if found.well else "NOT WELL\n")
    raise SystemExit(not found.well)


if __name__ == "__main__":
    main()
