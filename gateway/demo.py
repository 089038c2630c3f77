"""A PBX, a sidecar and one call from its first ring to its recording, over real HTTP, without any vendor."""

import asyncio
import contextlib
import json
import os
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
from rich.table import Table

from .encoding import CSV, NDJSON
from .facade import Gateway
from .process import told_to_stop
from .serving import serving
from .simulators import SIMULATORS, seed

VENDOR = "tel4vn-v1"
ACCOUNT = "hanoi"
NUMBER = "0899098899"
SEEDED_RECORDS = 50
PATIENCE_SECONDS = 20.0
_TALK_SECONDS = 2.0  # of real time at least: enough to listen in and to transfer
_TRY_SECONDS = 600.0  # of real time: how long a call lives that people type commands for
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.3
_PLAYERS = (("aplay", ""), ("paplay", ""), ("afplay", ""), ("pw-play", ""), ("ffplay", "-nodisp -autoexit "))


async def demo(*, once: bool, speed: float) -> None:
    """Walk through the main job, and stay up until told to stop unless *once*. *speed* is the simulator's.

    Raises: click.ClickException with the reason when a step fails.
    """
    kind = SIMULATORS[VENDOR]
    async with contextlib.AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(kind.make(speed=speed))
        seed(simulator, SEEDED_RECORDS)
        simulator.register("105")
        simulator.behaviour.talk_seconds = max(simulator.behaviour.talk_seconds, _TALK_SECONDS * speed)
        gateway = Gateway.from_config(
            {
                "accounts": {ACCOUNT: {"vendor": VENDOR, "settings": kind.account(simulator)}},
                "proxy": {"listen": "127.0.0.1:0"},
            }
        )
        url = await stack.enter_async_context(serving(await stack.enter_async_context(gateway)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS))
        )
        walk = Walk(session=session, url=url, console=Console(highlight=False, soft_wrap=True))
        walk.say(f"A {VENDOR} simulator plays the PBX at {simulator.url}")
        walk.say(f"The sidecar serves the account {ACCOUNT} on it at {url}")
        record_id = await walk.through()
        if once:
            walk.say("\nDone.")
            return
        simulator.behaviour.talk_seconds = _TRY_SECONDS * speed
        call_id = await walk.live_call()
        with told_to_stop() as told:
            walk.say(f"\nYour turn. Extension 101 is in the call {call_id} with {NUMBER}; these work as they are:\n")
            for what, line in curl_lines(url, simulator.url, call_id=call_id, record_id=record_id):
                click.echo(f"# {what}\n{line}")
            walk.say("\nReady. Ctrl-C ends it.")
            await told.wait()


@attrs.frozen(kw_only=True)
class Walk:
    """One walk, step by step, as an application would make it over HTTP."""

    session: aiohttp.ClientSession
    url: str
    console: Console

    async def through(self) -> str:
        """Every step of the main job; gives the id of the record that it made."""
        self._step(1, f"Start a call: extension 101 calls {NUMBER}")
        call_id = await self._start_call("101")
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
        record = await self._until("its record", lambda: self._record_of(call_id))
        shown = ("record_id", "outcome", "extension", "to_number", "started_at", "talk_seconds", "duration_seconds")
        self._show(record, *shown)

        self._step(7, "Save its recording")
        await self._save_recording(record["record_id"])
        return str(record["record_id"])

    async def live_call(self) -> str:
        """A call that has been picked up and goes on, for whoever wants to try."""
        call_id = await self._start_call("101")
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

    async def _start_call(self, extension: str) -> str:
        started = await self._post("/calls", {"extension": extension, "number": NUMBER})
        return str(started["call_id"])

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

    async def _record_of(self, call_id: str) -> dict[str, Any] | None:
        records = (await self._get("/records?limit=10"))["items"]
        return next((record for record in records if record["call_id"] == call_id), None)

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
        return f"{self.url}/v1/accounts/{ACCOUNT}{path}"

    @contextlib.asynccontextmanager
    async def _answer(
        self, verb: str, url: str, body: Mapping[str, Any] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, if it is a success. Raises: click.ClickException."""
        try:
            async with self.session.request(verb, url, json=body) as answer:
                if answer.status >= 400:
                    raise click.ClickException(f"{verb} {url} was answered {answer.status}: {await answer.text()}")
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise click.ClickException(f"{verb} {url} failed: {type(error).__name__}: {error}") from error

    async def _until(self, what: str, look: Callable[[], Awaitable[Any]]) -> Any:
        """What *look* gives as soon as that is something. Raises: click.ClickException when it takes too long."""
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE
        while not (found := await look()):
            if time.monotonic() >= deadline:
                raise click.ClickException(f"waited {PATIENCE_SECONDS:.0f} seconds for {what}, in vain")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return found


def curl_lines(url: str, pbx: str, *, call_id: str, record_id: str) -> list[tuple[str, str]]:
    """What can be tried, with the line that does it. *call_id* is in progress, *record_id* has a recording."""
    account = f"{url}/v1/accounts/{ACCOUNT}"
    file = os.path.join(tempfile.gettempdir(), f"{record_id}.wav")
    return [
        ("what each account can do", _curl(f"{url}/v1/accounts")),
        ("start another call, from extension 102", _curl(f"{account}/calls", {"extension": "102", "number": NUMBER})),
        ("the live calls", _curl(f"{account}/calls")),
        ("listen to the call from extension 103", _curl(f"{account}/calls/{call_id}/listen", {"extension": "103"})),
        ("transfer it to extension 105", _curl(f"{account}/calls/{call_id}/transfer", {"to": "105"})),
        ("let the customer hang up", _curl(f"{pbx}/_simulator/calls/{call_id}/hang-up", {})),
        ("a record", _curl(f"{account}/records/{record_id}")),
        ("its recording", _curl(f"{account}/records/{record_id}/recording", "-o", file)),
        ("all records as NDJSON", _curl(f"{account}/records", "-H", f"Accept: {NDJSON}")),
        ("all records as CSV", _curl(f"{account}/records", "-H", f"Accept: {CSV}")),
        ("the documentation, better seen in a browser", _curl(f"{url}/docs")),
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
