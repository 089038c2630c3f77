"""Dials while the sidecar is killed: python -m tests.soaks.dials --dials 500 --kills 25

Several clients dial through `gateway serve`, each call with an idempotency key of its own, at simulated TEL4VN and
AntBuddy PBXs that lose requests and answers. The sidecar is killed with SIGKILL while vendors are being asked, and
started again. A client whose answer does not come asks again with the same key.

Then what the PBXs really dialled is compared with what the clients were told and with what the journal says.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import random
import socket
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import attrs
from gateway_simulators import Fault, LiveClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

ROOT = Path(__file__).parents[2]
CLIENTS = 20
EXTENSIONS = [str(number) for number in range(200, 240)]
CLICKS = {"hanoi": "/v1/click2call/async", "hotline": "/oapi/v1/call/click-to-call/*"}
FAULTS = [
    {"kind": "drop"},
    {"kind": "error_after"},
    {"kind": "drop_before"},
    {"kind": "delay", "seconds": 0.15, "execute": True},
    {"kind": "delay", "seconds": 0.15},
    None,
    None,
]


@attrs.define
class Figures:
    """What a soak saw. `placed`, `not_placed` and `not_found` are what the clients know in the end of each key."""

    dials: int
    kills: int = 0
    placed: int = 0
    not_placed: int = 0
    not_found: int = 0
    tries: collections.Counter = attrs.field(factory=collections.Counter)  # answers by code, or how none came
    replayed: int = 0
    most_originated: int = 0  # of all keys
    originated: int = 0
    evidence: collections.Counter = attrs.field(factory=collections.Counter)  # of the dials, as the journal has it
    disagreements: list = attrs.field(factory=list)
    seconds: float = 0


class Soak:
    """One run; *folder* gets the configuration and the journal."""

    def __init__(self, folder, *, dials, kills, seed):
        self.random = random.Random(seed)  # noqa: S311 # the same run again, no secret
        self.figures = Figures(dials=dials)
        self.folder = folder
        self.kills = kills
        self.ends = {}  # of each key: the state, as the client knows it
        self.progress = asyncio.Condition()
        self.up = asyncio.Event()  # the sidecar answers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    async def run(self):
        """Dial all, then compare."""
        started = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            self.pbxs = {
                "hanoi": await stack.enter_async_context(Tel4vnV1Simulator(clock=LiveClock(speed=20))),
                "hotline": await stack.enter_async_context(AntbuddySimulator(clock=LiveClock(speed=20))),
            }
            for pbx in self.pbxs.values():
                for extension in EXTENSIONS:
                    pbx.register(extension)
            self.write_config()
            self.session = await stack.enter_async_context(aiohttp.ClientSession())
            keys = iter(range(self.figures.dials))
            clients = [asyncio.create_task(self.client(keys)) for _ in range(CLIENTS)]
            sidecar = asyncio.create_task(self.sidecar())
            await asyncio.gather(*clients)
            await self.all_known()
            sidecar.cancel()
            await asyncio.wait([sidecar])
            self.compare()
        self.figures.seconds = round(time.monotonic() - started, 1)
        return self.figures

    def write_config(self):
        hanoi, hotline = self.pbxs["hanoi"], self.pbxs["hotline"]
        settings = {
            "hanoi": {"base_url": hanoi.url, "api_key": hanoi.api_key},
            "hotline": {
                "base_url": hotline.url,
                "app_id": hotline.app_id,
                "app_secret": hotline.app_secret,
                "requests_per_second": 1000,
            },
        }
        vendors = {"hanoi": "tel4vn-v1", "hotline": "antbuddy"}
        lines = []
        for name, vendor in vendors.items():
            lines += [f"[accounts.{name}]", f'vendor = "{vendor}"']
            lines += [f"[accounts.{name}.timeouts]", "connect = 2", "read = 3", "dial = 3", "dial_wait = 4"]
            lines += [f"[accounts.{name}.settings]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in settings[name].items()]
        lines += ["[accounts.hotline.settings.devices]"]
        for extension, device in hotline.devices.items():
            pair = ", ".join(f"{key} = {json.dumps(value)}" for key, value in device.items())
            lines.append(f"{extension} = {{ {pair} }}")
        (self.folder / "gateway.toml").write_text("\n".join(lines) + "\n")

    # The sidecar

    async def sidecar(self):
        """Serve, and be killed when a part of the dials is done; at the end, until this is cancelled."""
        for kill in range(self.kills + 1):
            words = ["--config", str(self.folder / "gateway.toml"), "serve", "--listen", f"127.0.0.1:{self.port}"]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.soaks.sidecar", *words, cwd=ROOT, stderr=asyncio.subprocess.PIPE
            )
            reading = asyncio.create_task(self.read(process.stderr))
            try:
                if kill == self.kills:
                    await process.wait()
                    raise RuntimeError("the sidecar ended by itself")
                async with self.progress:
                    done = (kill + 1) * self.figures.dials // (self.kills + 1)
                    await self.progress.wait_for(lambda done=done: len(self.ends) >= done)
                await asyncio.sleep(self.random.uniform(0, 0.1))
                self.figures.kills += 1
            finally:
                self.up.clear()
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                await reading

    async def read(self, said):
        """Read what the sidecar says to its end, and notice when it answers."""
        async for line in said:
            if b"sidecar.started" in line:
                self.up.set()

    # The clients

    async def client(self, keys):
        for index in keys:
            account = self.random.choice(list(self.pbxs))
            fault = self.random.choice(FAULTS)
            if fault is not None:
                self.pbxs[account].faults.add(Fault(CLICKS[account], **fault))
            state = await self.dial(account, index, only_look=self.random.random() < 0.5)
            async with self.progress:
                self.ends[(account, index)] = state
                self.progress.notify_all()

    async def dial(self, account, index, *, only_look):
        """Ask with one key until it is known how it ended, or looking is over; who does not *only_look* wants the call
        all the same, and asks again with the key where nothing rang.
        """
        body = {"extension": self.random.choice(EXTENSIONS), "number": number_of(index)}
        while True:
            headers = {"Idempotency-Key": f"key-{index}"}
            status, problem = await self.ask("POST", f"{account}/calls", json=body, headers=headers)
            if status == 201:
                return "placed"
            if status == 504 and problem["code"] == "outcome_unknown":
                while True:
                    status, dial = await self.ask("GET", f"{account}/dials/{problem['dial_id']}")
                    if status == 200 and dial["state"] in ("placed", "not_placed"):
                        if only_look or dial["state"] == "placed":
                            return dial["state"]
                        break
                    if status == 200 and dial["resolution"] == "not_found":
                        return "not_found"

    async def ask(self, verb, path, **options):
        """The status and body of an answer; None for a status when none came."""
        url = f"http://127.0.0.1:{self.port}/v1/accounts/{path}"
        await self.up.wait()
        try:
            async with self.session.request(verb, url, **options) as answer:
                found = await answer.json(content_type=None)
                if verb == "POST":
                    self.figures.tries[found.get("code", "placed")] += 1
                    self.figures.replayed += "Idempotency-Replayed" in answer.headers
                return answer.status, found
        except (aiohttp.ClientError, OSError) as error:
            if verb == "POST":
                refused = isinstance(error, aiohttp.ClientConnectorError)
                self.figures.tries["not reached" if refused else "answer lost"] += 1
            return None, None

    # The truth

    async def all_known(self):
        """Wait until the journal has an end for every dial."""
        open_ = "SELECT 1 FROM dials WHERE state NOT IN ('placed', 'not_placed') AND resolution IS NULL LIMIT 1"
        while await asyncio.to_thread(self.rows, open_):
            pass

    def rows(self, query):
        with contextlib.closing(sqlite3.connect(self.folder / "gateway.db")) as database:
            return database.execute(query).fetchall()

    def compare(self):
        figures = self.figures
        rang = collections.Counter(
            (account, each.number) for account, pbx in self.pbxs.items() for each in pbx.originated
        )
        query = "SELECT account, number, coalesce(resolution, state) FROM dials"
        kept = {(account, number): state for account, number, state in self.rows(query)}
        ids = {each.number: each.call_id for pbx in self.pbxs.values() for each in pbx.originated}
        for (account, index), state in self.ends.items():
            one = (account, number_of(index))
            # That a call is not found is said of none that rang: these PBXs tell of all.
            truth = {"placed"} if rang[one] else {"not_placed", "not_found"}
            if not {state, kept.get(one)} <= truth or rang[one] > 1:
                figures.disagreements.append({"key": index, "told": state, "kept": kept.get(one), "rang": rang[one]})
        for number, call_id in self.rows("SELECT number, call_id FROM dials WHERE call_id IS NOT NULL"):
            if ids.get(number) != call_id:
                figures.disagreements.append({"number": number, "call_id": call_id, "truth": ids.get(number)})
        figures.originated, figures.most_originated = sum(rang.values()), max(rang.values(), default=0)
        figures.placed = sum(state == "placed" for state in self.ends.values())
        figures.not_placed = sum(state == "not_placed" for state in self.ends.values())
        figures.not_found = sum(state == "not_found" for state in self.ends.values())
        figures.evidence.update(evidence for (evidence,) in self.rows("SELECT evidence FROM dials"))


def number_of(index):
    """The number that a key calls, and no other."""
    return f"09{index:08}"


async def soak(folder, *, dials, kills, seed=1):
    """Run one soak in *folder*, which is empty; gives its `Figures`."""
    return await Soak(folder, dials=dials, kills=kills, seed=seed).run()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dials", type=int, default=500)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(soak(Path(folder), dials=given.dials, kills=given.kills, seed=given.seed))
    for name, value in attrs.asdict(figures).items():
        sys.stdout.write(f"{name:16} {dict(value) if isinstance(value, dict) else value}\n")
    return bool(figures.disagreements)


if __name__ == "__main__":
    sys.exit(main())
