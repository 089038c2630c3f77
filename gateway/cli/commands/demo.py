"""`gateway demo`: a PBX of each vendor, a sidecar, and a call from its first ring to its recording, over real HTTP."""

import asyncio
import contextlib
import json
import os
import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import attrs
import click
from rich.console import Console
from rich.table import Column, Table

from ...facade import Gateway
from ...formats import CSV, NDJSON
from ...http.server import serving
from ...process import run, told_to_stop
from ..log_output import log_warnings
from ..options import SPEED
from ..simulators import SIMULATORS, seed

VENDORS: Mapping[str, str] = {"hanoi": "tel4vn-v1", "saigon": "tel4vn-v2", "hotline": "antbuddy"}
"""The vendor of each account; the walk is through the first."""
NUMBER = "0899098899"
SEEDED_RECORDS = 50
PATIENCE_SECONDS = 20.0
_TALK_SECONDS = 15.0  # of the PBX's time, and of real time at least the next: enough to listen in and to transfer
_LEAST_TALK_SECONDS = 1.5
_SHORT_TALK_SECONDS = 1.1  # of real time: what is not 0 in whole seconds
_TRY_SECONDS = 600.0  # of real time: how long a call lives that people type commands for
_PAUSE_SECONDS = 0.05  # between two looks at what is waited for
_HOOKED = ("call.ringing", "call.answered", "call.ended", "record.created")
_PLAYERS = (("aplay", ""), ("paplay", ""), ("afplay", ""), ("pw-play", ""), ("ffplay", "-nodisp -autoexit "))


@click.command("demo")
@click.option("--once", is_flag=True, help="End after the walk.")
@click.option("--speed", type=SPEED, default=10.0, show_default=True, help="How much faster than life the phones are.")
def command(once: bool, speed: float) -> None:
    """Walk through a call, and see it again at three vendors, all of them simulated."""
    log_warnings()
    run(walk_through(once=once, speed=speed))


async def walk_through(*, once: bool, speed: float) -> None:
    """Walk through the main job, and stay up until told to stop unless *once*. *speed* is the simulator's.

    Raises: click.ClickException with the reason when a step fails.
    """
    async with contextlib.AsyncExitStack() as stack:
        simulators, accounts = {}, {}
        folder, token = (
            stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")),
            secrets.token_urlsafe(),
        )
        for account, vendor in VENDORS.items():
            simulator = simulators[account] = await stack.enter_async_context(SIMULATORS[vendor].make(speed=speed))
            seed(simulator, SEEDED_RECORDS)
            accounts[account] = {
                "vendor": vendor,
                "hook_token": token,
                "reconcile_seconds": 0,  # the PBXs' clocks run ahead of ours
                "settings": SIMULATORS[vendor].account(simulator),
            }
        account, first = next(iter(simulators.items()))
        first.register("105")
        first.behaviour.talk_seconds = max(_TALK_SECONDS, _LEAST_TALK_SECONDS * speed)
        config = {"proxy": {"listen": "127.0.0.1:0"}, "journal": {"url": f"sqlite:///{folder}/gateway.db"}}
        gateway = Gateway.from_config({"accounts": accounts, **config})
        url = await stack.enter_async_context(serving(await stack.enter_async_context(gateway)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS))
        )
        walk = Walk(session=session, url=url, account=account, console=Console(highlight=False, soft_wrap=True))
        for name, vendor in VENDORS.items():
            walk.say(f"The simulator of {vendor} plays the PBX of {name} at {simulators[name].url}")
        walk.say(f"The sidecar serves these accounts at {url}; the walk is through {account}")
        walk.say("Events are shown as they arrive:  • account  event  who called whom")
        for name, simulator in simulators.items():
            if hasattr(simulator, "webhooks"):  # the other is listened to
                await attrs.evolve(walk, account=name).hook(token)
        await stack.enter_async_context(walk.events_shown())
        record_id = await walk.through()
        for simulator in simulators.values():
            simulator.behaviour.ring_seconds = simulator.behaviour.number_ring_seconds = 0
            simulator.behaviour.talk_seconds = _SHORT_TALK_SECONDS * speed
        record_ids = {**await walk.everywhere(), account: record_id}
        if once:
            walk.say("\nDone.")
            return
        first.behaviour.talk_seconds = _TRY_SECONDS * speed
        call_id = await walk.live_call()
        with told_to_stop() as told:
            walk.say(f"\nYour turn. Extension 101 is in the call {call_id} with {NUMBER}; these work as they are:\n")
            for what, line in curl_lines(url, first.url, call_id=call_id, record_ids=record_ids):
                click.echo(f"# {what}\n{line}")
            walk.say("\nReady. Ctrl-C ends it.")
            await told.wait()


@attrs.frozen(kw_only=True)
class Walk:
    """One walk, step by step, as an application would make it over HTTP, through one account."""

    session: aiohttp.ClientSession
    url: str
    account: str
    console: Console

    async def through(self) -> str:
        """Every step of the main job; gives the id of the record that it made."""
        self._step(1, f"Start a call: extension 101 calls {NUMBER}")
        started = await self._start_call("101")
        call_id = started["call_id"]
        self.say(f"  The call is {call_id}")

        self._step(2, "See it among the live calls")
        self._show(await self._live(call_id, "to be among the live calls"), "state", "extension", "to_number")
        call = await self._connected(call_id)
        self.say(f"  Both phones were picked up: the PBX says {call['raw']['state']}")

        self._step(3, "Listen to it from extension 103, which nobody hears")
        await self._post(f"/calls/{call_id}/listen", {"extension": "103"})

        self._step(4, "Transfer it to extension 102")
        await self._post(f"/calls/{call_id}/transfer", {"to": "102"})
        self._show(await self._live(call_id, "to be with extension 102", extension="102"), "extension", "to_number")

        self._step(5, "Watch it end")
        await self._until("the call to end", lambda: self._gone(call_id))
        self.say("  It is no longer among the live calls")

        self._step(6, "Read its record")
        record = await self._until("its record", lambda: self._record_of(started))
        shown = ("record_id", "outcome", "extension", "to_number", "started_at", "talk_seconds", "duration_seconds")
        self._show(record, *shown)

        self._step(7, "Save its recording")
        await self._save_recording(record["record_id"])
        return str(record["record_id"])

    async def everywhere(self) -> dict[str, str]:
        """The same call through every account, and what one of them cannot do; gives the ids of the records."""
        self._step(8, f"Make the same requests to every vendor: extension 101 calls {NUMBER}")
        walks = [attrs.evolve(self, account=account) for account in VENDORS]
        records = await asyncio.gather(*(walk.whole_call() for walk in walks))
        shown = ("account", "outcome", "extension", "to_number", "talk_seconds", "record_id")
        table = Table(*(Column(name, overflow="fold") for name in shown), box=None)
        for record in records:
            table.add_row(*(str(record[name]) for name in shown))
        self.console.print(table)

        self._step(9, "Ask each for its live calls, which not every vendor shows")
        for walk in walks:
            async with self._answer("GET", walk._path("/calls"), refused=501) as answer:
                said = await answer.json()
            text = f"{said['code']}, {said['operation']}: {said['detail']}" if answer.status == 501 else "OK"
            self.say(f"  {walk.account}: {answer.status} {text}")
        return {record["account"]: record["record_id"] for record in records}

    async def whole_call(self) -> dict[str, Any]:
        """The record of a call that is made now."""
        started = await self._start_call("101")
        record: dict[str, Any] = await self._until(f"the record of {self.account}", lambda: self._record_of(started))
        return record

    async def hook(self, token: str) -> None:
        """Have the vendor send its webhooks to us."""
        for event in _HOOKED:
            await self._post("/hooks", {"event": event, "url": f"{self.url}/hooks/{self.account}/{token}"})

    @contextlib.asynccontextmanager
    async def events_shown(self) -> AsyncIterator[None]:
        """Show each event of any account as it arrives, until the context ends."""
        forever = aiohttp.ClientTimeout(total=None)
        headers = {"Accept": "text/event-stream"}
        async with self.session.get(f"{self.url}/v1/events", headers=headers, timeout=forever) as stream:
            showing = asyncio.create_task(self._show_events(stream))
            try:
                yield
            finally:
                showing.cancel()
                await asyncio.wait([showing])

    async def _show_events(self, stream: aiohttp.ClientResponse) -> None:
        async for line in stream.content:
            if line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                parties = f"{event['from_number']} → {event['to_number']}"
                self.console.print(
                    f"  • {event['account']}  {event['type']:<14}  {parties}", style="cyan", markup=False
                )

    async def live_call(self) -> str:
        """A call that has been picked up and goes on, for whoever wants to try."""
        call_id = str((await self._start_call("101"))["call_id"])
        await self._connected(call_id)
        return call_id

    def say(self, text: str) -> None:
        """Show *text* as it is."""
        self.console.print(text, markup=False)

    def _step(self, number: int, text: str) -> None:
        self.console.print(f"\n{number}. {text}", style="bold", markup=False)

    def _show(self, model: Mapping[str, Any], *names: str) -> None:
        table = Table(show_header=False)
        for name in names:
            table.add_row(name, str(model[name]))
        self.console.print(table)

    # What the steps ask the sidecar

    async def _start_call(self, extension: str) -> dict[str, Any]:
        started: dict[str, Any] = await self._post("/calls", {"extension": extension, "number": NUMBER})
        return started

    async def _live(self, call_id: str, what: str, **wanted: str) -> dict[str, Any]:
        call: dict[str, Any] = await self._until(f"the call {what}", lambda: self._find(call_id, **wanted))
        return call

    async def _connected(self, call_id: str) -> dict[str, Any]:
        async def picked_up() -> dict[str, Any] | None:
            call = await self._find(call_id)
            return call if call and call["state"] not in {"dialing", "ringing"} else None

        call: dict[str, Any] = await self._until("both phones to be picked up", picked_up)
        return call

    async def _find(self, call_id: str, **wanted: str) -> dict[str, Any] | None:
        calls = (await self._get("/calls?raw=1"))["items"]
        return next((each for each in calls if {"call_id": call_id, **wanted}.items() <= each.items()), None)

    async def _gone(self, call_id: str) -> bool:
        return await self._find(call_id) is None

    async def _record_of(self, started: Mapping[str, Any]) -> dict[str, Any] | None:
        """Found by the call's id; where the vendor gives none, by number and time."""
        since = started["requested_at"][: len("2026-01-01T00:00:00")] + "Z"  # vendors count whole seconds
        records = (await self._get(f"/records?number={NUMBER}&since={since}&limit=10"))["items"]
        return next((record for record in records if started["call_id"] in (None, record["call_id"])), None)

    async def _save_recording(self, record_id: str) -> None:
        async with self._answer("GET", self._path(f"/records/{record_id}/recording")) as answer:
            audio = await answer.read()
        if not (audio.startswith(b"RIFF") and audio[8:12] == b"WAVE"):
            raise click.ClickException("the recording is not a WAV file")
        number, path = tempfile.mkstemp(prefix="gateway-demo-", suffix=".wav")
        with open(number, "wb") as file:  # noqa: ASYNC230 # a few kilobytes to the temporary directory
            file.write(audio)
        self.say(f"  {len(audio)} bytes of audio are in {path}")
        self.say(f"  Hear it: {how_to_play(path)}")

    async def _get(self, path: str) -> Any:
        async with self._answer("GET", self._path(path)) as answer:
            return await answer.json()

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        async with self._answer("POST", self._path(path), body) as answer:
            return None if answer.status == 204 else await answer.json()

    def _path(self, path: str) -> str:
        return f"{self.url}/v1/accounts/{self.account}{path}"

    @contextlib.asynccontextmanager
    async def _answer(
        self, verb: str, url: str, body: Mapping[str, Any] | None = None, *, refused: int | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, if it is a success or *refused*. Raises: click.ClickException."""
        try:
            async with self.session.request(verb, url, json=body) as answer:
                if answer.status >= 400 and answer.status != refused:
                    raise click.ClickException(f"{verb} {url} was answered {answer.status}: {await answer.text()}")
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise click.ClickException(f"{verb} {url} failed: {type(error).__name__}: {error}") from error

    async def _until(self, what: str, look: Callable[[], Awaitable[Any]]) -> Any:
        """What *look* gives as soon as that is something. Raises: click.ClickException when it takes too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := await look()):
            if time.monotonic() >= deadline:
                raise click.ClickException(f"waited {PATIENCE_SECONDS:.0f} seconds for {what}, in vain")
            await asyncio.sleep(_PAUSE_SECONDS)
        return found


def curl_lines(url: str, pbx: str, *, call_id: str, record_ids: Mapping[str, str]) -> list[tuple[str, str]]:
    """What can be tried, with the line that does it. *call_id* is in progress at the first account, whose PBX is *pbx*;
    *record_ids* have recordings.
    """
    first, *others = VENDORS
    account = f"{url}/v1/accounts/{first}"
    lines = [
        ("what each account can do", _curl(f"{url}/v1/accounts")),
        ("start another call, from extension 102", _curl(f"{account}/calls", {"extension": "102", "number": NUMBER})),
        ("the live calls", _curl(f"{account}/calls")),
        ("the first events of all accounts", _curl(f"{url}/v1/events?after=0&limit=5")),
        ("listen to the call from extension 103", _curl(f"{account}/calls/{call_id}/listen", {"extension": "103"})),
        ("transfer it to extension 105", _curl(f"{account}/calls/{call_id}/transfer", {"to": "105"})),
        ("let the customer hang up", _curl(f"{pbx}/_simulator/calls/{call_id}/hang-up", {})),
        *_record_lines(account, record_ids[first]),
        ("all records as CSV", _curl(f"{account}/records", "-H", f"Accept: {CSV}")),
    ]
    for other in others:
        account = f"{url}/v1/accounts/{other}"
        lines += [
            (f"the same at {other}: start a call", _curl(f"{account}/calls", {"extension": "101", "number": NUMBER})),
            *_record_lines(account, record_ids[other]),
        ]
    return [
        *lines,
        (f"what {other} cannot do is answered 501", _curl(f"{account}/calls")),
        ("the documentation, better seen in a browser", _curl(f"{url}/docs")),
    ]


def _record_lines(account: str, record_id: str) -> list[tuple[str, str]]:
    file = os.path.join(tempfile.gettempdir(), f"{record_id}.wav")
    return [
        ("a record", _curl(f"{account}/records/{record_id}")),
        ("its recording", _curl(f"{account}/records/{record_id}/recording", "-o", file)),
        ("all records as NDJSON", _curl(f"{account}/records", "-H", f"Accept: {NDJSON}")),
    ]


def _curl(url: str, *more: str | Mapping[str, str]) -> str:
    words = ["curl", "-s"]
    for each in more:
        words += [each] if isinstance(each, str) else ["-H", "Content-Type: application/json", "-d", json.dumps(each)]
    return shlex.join([*words, url])


def how_to_play(path: str) -> str:
    """A command that plays the WAV file at *path* on this machine, as far as we know one."""
    for program, options in _PLAYERS:
        if shutil.which(program):
            return f"{program} {options}{shlex.quote(path)}"
    return "open it with any audio player"
