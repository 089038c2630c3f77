"""The command line in this process, a PBX and a sidecar in a thread, and real processes with real signals."""

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path

import attrs
import click.testing
import pytest
from gateway_simulators import ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

from gateway import Gateway
from gateway.cli.main import main
from gateway.http.server import serving
from gateway.keys import new_key

EXECUTABLE = Path(sys.executable).with_name("gateway")
PATIENCE_SECONDS = 60


class Elsewhere:
    """An event loop in a thread of its own, so that commands can be run in the test's."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work):
        return self.start(work).result(PATIENCE_SECONDS)


class Phones:
    """A running PBX whose clock stands still; `pbx` is for looking at."""

    def __init__(self, elsewhere, pbx):
        self._elsewhere = elsewhere
        self.pbx = pbx
        self.start = elsewhere.start

    def do(self, function, *args, **kwargs):
        async def call():
            answer = function(*args, **kwargs)
            return await answer if asyncio.iscoroutine(answer) else answer

        return self._elsewhere.run(call())

    def fault(self, fault):
        self.do(self.pbx.faults.add, fault)

    def talk(self, extension="101"):
        """A call that both sides have picked up."""
        call_id = self.do(self.pbx.incoming, "0899888999", extension=extension)
        self.do(self.pbx.answer, call_id)
        return call_id

    def finished(self, seconds=3):
        """A call that is over; gives the id of its record."""
        call_id = self.talk()
        self.do(self.pbx.advance, seconds)
        self.do(self.pbx.hang_up, call_id)
        return call_id


@attrs.frozen
class Sidecar:
    url: str
    key: str


@pytest.fixture
def elsewhere():
    with Elsewhere() as loop:
        yield loop


@pytest.fixture
def phones(elsewhere):
    async def make():
        return Tel4vnV1Simulator(clock=ManualClock())

    pbx = elsewhere.run(make())
    elsewhere.run(pbx.__aenter__())
    yield Phones(elsewhere, pbx)
    elsewhere.run(pbx.__aexit__(None, None, None))


@pytest.fixture
def account_toml(phones):
    pbx = phones.pbx
    return (
        '[accounts.hanoi]\nvendor = "tel4vn-v1"\n[accounts.hanoi.settings]\n'
        f'base_url = "{pbx.url}"\napi_key = "{pbx.api_key}"\ntenant_secret = "{pbx.tenant_secret}"\n'
    )


@pytest.fixture
def config(tmp_path, account_toml):
    """A gateway.toml with the account `hanoi` on the PBX."""
    path = tmp_path / "gateway.toml"
    path.write_text(account_toml, encoding="utf-8")
    return path


@pytest.fixture
def sidecar(elsewhere, phones):
    """A sidecar of the same account, whose one key may call and read records."""
    key, sha256 = new_key()
    pbx = phones.pbx
    gateway = Gateway.from_config(
        {
            "accounts": {"hanoi": {"vendor": "tel4vn-v1", "settings": {"base_url": pbx.url, "api_key": pbx.api_key}}},
            "proxy": {
                "listen": "127.0.0.1:0",
                "keys": [{"name": "crm", "sha256": sha256, "scopes": ["calls", "records"]}],
            },
        }
    )
    served = serving(gateway)
    elsewhere.run(gateway.__aenter__())
    yield Sidecar(elsewhere.run(served.__aenter__()), key)
    elsewhere.run(served.__aexit__(None, None, None))
    elsewhere.run(gateway.__aexit__(None, None, None))


@pytest.fixture
def gateway():
    """Runs a command in this process; `run(*words, config=…)`."""

    def run(*words, config=None, env=None):
        chosen = [] if config is None else ["--config", str(config)]
        return click.testing.CliRunner().invoke(
            main, [*chosen, *map(str, words)], env={"GATEWAY_CONFIG": None, "GATEWAY_KEY": None, **(env or {})}
        )

    return run


@pytest.fixture
def terminal(monkeypatch):
    """Lets commands that run in this process believe that stdout is a terminal."""
    monkeypatch.setattr(
        click.testing._NamedTextIOWrapper, "isatty", lambda self: self.name == "<stdout>", raising=False
    )


@pytest.fixture
def process():
    """Starts `gateway …` as a process of its own, which is killed if it outlives the test or hangs."""
    started = []
    # Where the tests run in the background SIGINT may be ignored, which a process would inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(*words, **more):
        process = subprocess.Popen(
            [EXECUTABLE, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
        )
        watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        started.append((process, watchdog))
        return process

    yield start
    for process, watchdog in started:
        watchdog.cancel()
        if process.poll() is None:
            process.kill()
        process.communicate()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def install_plugin(tmp_path, monkeypatch):
    """Installs a distribution `<vendor>-plugin` with one module as the plugin of a vendor."""
    site = tmp_path / "site-packages"

    def install(vendor, module, code):
        information = site / f"{vendor}_plugin-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {vendor}-plugin\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[telephony_gateway.vendors]\n{vendor} = {module}\n")
        (site / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(site)

    yield install
    for path in site.glob("*.py"):
        sys.modules.pop(path.stem, None)
