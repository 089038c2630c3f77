"""What the documents show works as they show it."""

import asyncio
import contextlib
import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from gateway_contracts import (
    CONTRACTS_VERSION,
    ENTRY_POINTS,
    OPERATIONS,
    Account,
    SupportReport,
    Unsupported,
    from_json,
)
from gateway_simulators import LiveClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.faults import FaultKind
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator

from gateway import Gateway, Secret, make_app
from gateway.accounts.vendors import load_vendor
from tests.support import MARKS, VENDORS, shipped_reports, with_tables

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
async def pbx():
    async with Tel4vnV1Simulator(clock=LiveClock()) as pbx:
        yield pbx


async def test_the_readmes_python_runs_as_it_stands(pbx, tmp_path):
    """The program starts a call, shows it live, and lists the records."""
    pbx.add_record(extension="101", status="ANSWERED")
    settings = f'base_url = "{pbx.url}"\napi_key = "{pbx.api_key}"'
    (tmp_path / "gateway.toml").write_text(
        f'[accounts.hanoi]\nvendor = "tel4vn-v1"\n[accounts.hanoi.settings]\n{settings}\n'
    )
    (program,) = blocks(README, "python")

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()

    assert errors == b""
    assert pbx.originated[0].call_id in output.decode()
    assert "answered" in output.decode()


def test_the_readmes_configuration_is_one(monkeypatch):
    """Every key in it is known and the secrets' variable is the only thing that is missing."""
    monkeypatch.setenv("TEL4VN_API_KEY", "secret")
    (text,) = blocks(README, "toml")

    gateway = Gateway.from_config(tomllib.loads(text))

    assert gateway.config is not None
    assert list(gateway.config.proxy.keys[0].scopes) == ["calls", "records"]


async def test_the_readmes_curl_lines_are_answered(pbx):
    """Each line, sent as curl would send it, is a success."""
    accounts = {"hanoi": {"vendor": "tel4vn-v1", "settings": {"base_url": pbx.url, "api_key": pbx.api_key}}}
    lines = [shlex.split(line) for line in blocks(README, "sh")[0].splitlines()]
    statuses = []
    async with Gateway.from_config({"accounts": accounts}) as gateway, aiohttp.ClientSession() as session:
        runner = web.AppRunner(make_app(gateway), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        for line in lines:
            options = dict(itertools.pairwise(line))
            url = next(word for word in line if word.startswith("http"))
            name, _, value = options.get("-H", "Accept: */*").partition(": ")
            async with session.request(
                options.get("-X", "GET"),
                url.replace("127.0.0.1:8080", f"127.0.0.1:{runner.addresses[0][1]}"),
                headers={name: value},
                data=options.get("-d"),
            ) as response:
                statuses.append(response.status)
        await runner.cleanup()

    assert lines[0][0] == "curl"
    assert statuses == [200, 201, 200, 200, 200]


async def test_the_guides_plugin_dials_and_refuses_what_it_cannot_say():
    """The plugin in the guide is whole: it connects, dials once, and names the arguments that it cannot take."""
    dialled = []

    async def dial(request):
        dialled.append((await request.json(), request.headers["X-Api-Key"]))
        return web.json_response({"id": "c1"})

    app = web.Application()
    app.router.add_post("/dial", dial)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    module: dict = {"__name__": "gateway_acme"}
    exec(blocks(GUIDE, "python")[0], module)  # noqa: S102 # the document's own code
    vendor = module["gateway_vendor"]()
    assert vendor.contracts == CONTRACTS_VERSION
    settings = vendor.settings(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", api_key=Secret("k"))

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        acme = await stack.enter_async_context(vendor.connect(Account(name="x"), settings))
        call = await acme.start_call(extension="101", number="0899098899")
        with pytest.raises(Unsupported, match="hotline"):
            await acme.start_call(extension="101", number="0899098899", hotline="1900")

    assert call.call_id == "c1"
    assert dialled == [({"from": "101", "to": "0899098899"}, "k")]


def test_no_block_of_code_is_left_out():
    """The blocks are those that the tests here run; who adds one adds its test."""
    languages = [re.findall(r"^```(\w+)$", text, re.MULTILINE) for text in (README, GUIDE)]

    assert [["python", "toml", "sh"], ["sh", "python", "toml", "toml"]] == languages


def test_the_guides_commands_write_a_package_and_check_it(tmp_path, install_beside):
    """Each line does what it says; the package has the files that the guide explains."""
    gateway = Path(sys.executable).with_name("gateway")
    new, install, check = (shlex.split(line) for line in blocks(GUIDE, "sh")[0].splitlines())

    written = subprocess.run([gateway, *new[1:]], cwd=tmp_path, capture_output=True, check=False)
    environment = install_beside(tmp_path / "gateway-acme", "acme")  # as pip would
    environment["PYTEST_ADDOPTS"] += " -k test_everything_is_supported"  # all of it runs in tests/cli/test_plugin.py
    checked = subprocess.run([gateway, *check[1:]], cwd=tmp_path, env=environment, capture_output=True, check=False)

    named = re.findall(r"`((?:gateway_acme|tests)/\w+\.py)`", GUIDE)
    assert ["gateway", "pip", "gateway"] == [new[0], install[0], check[0]]
    assert "gateway-acme[test]" == install[-1]
    assert (0, 0) == (written.returncode, checked.returncode), checked.stderr
    assert 7 == len(named)
    assert [] == [path for path in named if not (tmp_path / "gateway-acme" / path).is_file()]


def test_the_guide_sends_authors_to_what_is_there():
    """Every folder and file to imitate exists, and every name of the contracts."""
    rows = re.findall(r"^\| .* \| (`(?:plugins|examples)/.*) \|$", GUIDE, re.MULTILINE)
    folders = [row.split("`")[1] for row in rows]
    files = [
        (folder, name) for folder, row in zip(folders, rows, strict=True) for name in re.findall(r"`(\w+\.py)`", row)
    ]

    assert len(rows) > 10
    assert [] == [folder for folder in folders if not (ROOT / folder).is_dir()]
    assert [] == [each for each in files if not list((ROOT / each[0]).rglob(each[1]))]


def test_every_fault_and_every_control_of_the_simulator_is_explained():
    """The page of the simulators names each kind of fault and each address of the control plane, and no other."""
    text = (ROOT / "docs/simulators.md").read_text(encoding="utf-8")
    faults = text.partition("Its `kind` is one of:")[2]
    named = {
        kind
        for row in re.findall(r"^\| (`[a-z_`, ]+`) \|", faults, re.MULTILINE)
        for kind in re.findall(r"`(\w+)`", row)
    }
    simulators = (Tel4vnV1Simulator(), Tel4vnV2Simulator(), AntbuddySimulator())
    controls = {path for simulator in simulators for _, path, _ in simulator.control.routes()}
    explained = set(re.findall(r"`(?:GET|POST|PATCH|DELETE) ([^`]+)`", text)) | {"extensions/{extension}/unregister"}

    assert {kind.value for kind in FaultKind} == named
    assert controls == explained


async def test_the_guides_project_file_builds_the_plugin(tmp_path):
    """What a stranger copies from the guide is a package with the entry point that the registry looks for."""
    project, account = (tomllib.loads(text) for text in blocks(GUIDE, "toml"))

    assert {"acme": "gateway_acme"} == project["project"]["entry-points"][ENTRY_POINTS]
    assert "acme" == account["accounts"]["main"]["vendor"]


def test_the_readme_shows_what_the_plugins_ship():
    """`make support` writes it. Each suite compares what a plugin ships with what it finds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert MARKS.search(README) is not None
    assert with_tables(README, shipped_reports()) == README
    assert set(VENDORS) == set(project["project"]["entry-points"][ENTRY_POINTS])


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_shipped_report_is_as_it_was_written(vendor):
    """Every operation is in it, and nobody wrote in it by hand."""
    file = load_vendor(vendor).support
    report = from_json(json.loads(file.read_text(encoding="utf-8")), SupportReport, refuse_unknown=True)

    assert report.as_text() == file.read_text(encoding="utf-8")
    assert list(OPERATIONS) == list(report.operations)
