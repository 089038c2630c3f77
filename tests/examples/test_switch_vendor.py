"""One application, three vendors: what changes between them is one line of its configuration."""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import attrs
import pytest
from gateway_simulators import Fault, ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator

from gateway import AgentNotRegistered, CallRecord, CallState, DialState, Direction, Gateway, Outcome, StartedCall

EXAMPLE = Path(__file__).parents[2] / "examples/switch_vendor"
VENDORS = {"hanoi": Tel4vnV1Simulator, "saigon": Tel4vnV2Simulator, "hotline": AntbuddySimulator}
PORTS = {"hanoi": 8071, "saigon": 8072, "hotline": 8073}
EXTENSION, NUMBER = "101", "0899098899"
LINE = 'accounts = ["hanoi"]'
PATIENCE_SECONDS = 60  # with an application that hangs
AUDIO = (b"RIFF", b"ID3", b"\xff\xfb")


@pytest.fixture
async def pbxs():
    """A PBX of each vendor, by the account that is on it. Their clocks stand still."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            account: await stack.enter_async_context(simulator(clock=ManualClock(datetime.now(UTC))))
            for account, simulator in VENDORS.items()
        }


@pytest.fixture
def environment(pbxs):
    """The secrets, by the names that the example's configuration has for them."""
    return {
        "HANOI_API_KEY": pbxs["hanoi"].api_key,
        "SAIGON_API_KEY": pbxs["saigon"].api_key,
        "HOTLINE_APP_SECRET": pbxs["hotline"].app_secret,
        "HOTLINE_SIP_PASSWORD": pbxs["hotline"].devices[EXTENSION]["sip_password"],
    }


@pytest.fixture
def folder(pbxs, tmp_path):
    """The example, with the addresses of the PBXs."""
    folder = tmp_path / "switch_vendor"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (EXAMPLE / "gateway.toml").read_text(encoding="utf-8")
    for account, pbx in pbxs.items():
        text = text.replace(f"http://127.0.0.1:{PORTS[account]}", pbx.url)
    text = text.replace(
        'vendor = "', 'reconcile_seconds = 0\nvendor = "'
    )  # the requests of the application are counted
    (folder / "gateway.toml").write_text(text, encoding="utf-8")
    return folder


def switch(folder, account):
    """Change the one line."""
    file = folder / "gateway.toml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (at,) = (index for index, line in enumerate(lines) if line.startswith("accounts = "))
    lines[at] = LINE.replace("hanoi", account) + "\n"
    file.write_text("".join(lines), encoding="utf-8")


def rest(folder):
    """Everything in the folder but the one line and the recordings."""
    return {
        path.name: [
            line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("accounts = ")
        ]
        for path in folder.iterdir()
        if path.suffix in {".py", ".toml"}
    }


async def people(pbx):
    """Let extension and customer pick up, talk for 20 seconds and hang up, once the application has asked for a call
    and has looked how it goes.
    """
    pbx.faults.add(Fault("*click*", kind="hold"))
    await pbx.until(lambda: pbx.faults.held)
    asked = len(pbx.requests)
    await pbx.advance((datetime.now(UTC) - pbx.clock.now()).total_seconds())  # the present, when the call is made
    pbx.faults.release()
    await pbx.until(lambda: len(pbx.requests) >= asked + 2)  # at the records and, where that is possible, at live calls
    await pbx.advance(60)


@attrs.frozen
class Ran:
    """What the process printed, by name, in its order; the live states apart, and its files."""

    errors: str
    said: dict[str, str]
    states: list[str]
    recording: bytes

    @classmethod
    def read(cls, output, errors, folder):
        pairs = [tuple(line.split(maxsplit=1)) for line in output.decode().splitlines()]
        said = {name: value for name, value in pairs if name != "live"}
        recording = (folder / said["file"]).read_bytes()
        return cls(errors.decode(), said, [value for name, value in pairs if name == "live"], recording)


async def run(folder, pbx, environment):
    """The application, as its user runs it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "app.py",
        EXTENSION,
        NUMBER,
        cwd=folder,
        env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    around = asyncio.create_task(people(pbx))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, errors = await process.communicate()
    finally:
        around.cancel()  # where the application ended before its call did
        if process.returncode is None:
            process.kill()
            await process.wait()
    with contextlib.suppress(asyncio.CancelledError):
        await around
    assert process.returncode == 0, errors.decode()
    return Ran.read(output, errors, folder)


async def test_one_line_changes_the_vendor(pbxs, folder, environment):
    """The same program sees the same call at each vendor, and where one cannot show live calls, it is told who lacks
    what.
    """
    before, ran = rest(folder), {}

    for account, pbx in pbxs.items():
        switch(folder, account)
        ran[account] = await run(folder, pbx, environment)

    assert before == rest(folder)
    assert {account: len(pbx.originated) for account, pbx in pbxs.items()} == dict.fromkeys(pbxs, 1)
    assert len({tuple(each.said) for each in ran.values()}) == 1
    for account, each in ran.items():
        said = each.said
        assert each.errors == ""
        assert said["account"] == account
        assert (said["outcome"], said["direction"]) == ("answered", "outbound")
        assert (said["extension"], said["from_number"], said["to_number"]) == (EXTENSION, EXTENSION, NUMBER)
        assert (said["duration_seconds"], said["talk_seconds"]) == ("28", "20")
        assert said["started_at"].endswith("+00:00")
        # Vendors count whole seconds.
        assert datetime.fromisoformat(said["requested_at"]).replace(microsecond=0) <= datetime.fromisoformat(
            said["started_at"]
        )
        assert said["file"].startswith(said["record_id"])
        assert each.recording.startswith(AUDIO)
        assert said["recording"].startswith(f"{len(each.recording)} bytes of audio/")
    assert ran["hanoi"].states[0] == ran["saigon"].states[0] == "dialing"
    (lacking,) = ran["hotline"].states
    assert "call_control" in lacking
    assert "list_calls" in lacking
    assert "hotline" in lacking


@pytest.fixture
def app():
    """The example as a module, which does not wait long between two looks."""
    spec = importlib.util.spec_from_file_location("switch_vendor_app", EXAMPLE / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SECONDS_BETWEEN_LOOKS = 0.01
    return module


@pytest.fixture
def local(folder, environment, monkeypatch):
    """A gateway of the accounts, the route on one of them."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def make(account):
        switch(folder, account)
        return Gateway.from_file(folder / "gateway.toml")

    return make


def shape(model):
    """Which attributes of *model* are there, and of what type."""
    return {field.name: type(getattr(model, field.name)) for field in attrs.fields(type(model)) if field.name != "raw"}


# What only some vendors say.
SAID_BY_SOME = {"call_id", "sip_call_id", "cause", "ringing_at", "customer_id", "hotline", "queue"}


@pytest.mark.parametrize("remote", [False, True], ids=["embedded", "remote"])
async def test_what_the_application_sees_is_the_same(pbxs, app, local, sidecar, remote):
    """Models of one shape, with the same call in them, consistent ids, and times in UTC, here and over a sidecar."""
    seen, said = {}, {}
    for account, pbx in pbxs.items():
        async with contextlib.AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(local(account))
            if remote:
                url = await stack.enter_async_context(sidecar(gateway))
                gateway = await stack.enter_async_context(Gateway.remote(url))
            told = said[account] = []
            calling = app.call(gateway, EXTENSION, NUMBER, lambda name, _, told=told: told.append(name))
            async with asyncio.timeout(PATIENCE_SECONDS):
                seen[account], _ = await asyncio.gather(calling, people(pbx))

    assert len({tuple(name for name in names if name != "live") for names in said.values()}) == 1
    for account, each in seen.items():
        started, record = each.started, each.record
        (rung,) = pbxs[account].originated
        assert isinstance(started, StartedCall)
        assert isinstance(record, CallRecord)
        assert (started.account, record.account) == (account, account)
        assert (started.extension, started.number) == (record.extension, record.to_number) == (EXTENSION, NUMBER)
        assert (record.outcome, record.direction) == (Outcome.ANSWERED, Direction.OUTBOUND)
        assert record.call_id == rung.call_id
        assert started.call_id in (None, record.call_id)
        times = (started.requested_at, record.started_at, record.answered_at, record.ended_at)
        assert {time.utcoffset() for time in times} == {timedelta(0)}
        # Vendors count whole seconds.
        assert sorted(times[1:]) == list(times[1:])
        assert started.requested_at.replace(microsecond=0) <= record.started_at
        assert (record.duration_seconds, record.talk_seconds, record.has_recording) == (28, 20, True)
        assert each.recording.startswith(AUDIO)
        assert each.media_type.startswith("audio/")
    shapes = [
        {name: kind for name, kind in shape(each.record).items() if name not in SAID_BY_SOME} for each in seen.values()
    ]
    assert shapes == [shapes[0]] * len(shapes)
    assert [account for account, each in seen.items() if each.started.call_id is None] == ["hotline"]
    assert [account for account, each in seen.items() if each.states is None] == ["hotline"]
    assert {seen[account].states[0] for account in ("hanoi", "saigon")} == {CallState.DIALING}


async def test_a_refusal_is_the_same(pbxs, app, local):
    """A phone that is not connected is one error at all three, with the proof that nothing rang."""
    refused = {}
    for account, pbx in pbxs.items():
        pbx.unregister(EXTENSION)
        async with local(account) as gateway:
            with pytest.raises(AgentNotRegistered) as caught:
                await app.call(gateway, EXTENSION, NUMBER, lambda name, value: None)
        refused[account] = (caught.value.account, caught.value.dial_state, pbx.originated)

    assert {account: (account, DialState.NOT_PLACED, []) for account in VENDORS} == refused


@pytest.mark.parametrize(
    ("account", "interface", "operation", "verb", "path"),
    [
        ("hanoi", "campaigns", "start_queue", "POST", "/queues/q1/start"),
        ("saigon", "reports", "count_calls", "GET", "/reports/call-counts"),
        ("hotline", "call_control", "list_calls", "GET", "/calls"),
    ],
)
async def test_what_a_vendor_cannot_do_is_said(local, sidecar, account, interface, operation, verb, path):
    """Over HTTP it is a 501 whose problem names the interface, the operation and the account."""
    async with local(account) as gateway, sidecar(gateway) as url, aiohttp.ClientSession() as session:
        answer = await session.request(verb, f"{url}/v1/accounts/{account}{path}")
        problem = await answer.json()

    assert (answer.status, answer.content_type) == (501, "application/problem+json")
    assert (problem["code"], problem["account"], problem["operation"]) == ("unsupported", account, operation)
    assert f"{interface} ({operation})" in problem["detail"]
