"""Gateways over the memory plugin and over adapters made for a test, and a client that shows whole answers."""

import contextlib
import sys
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest
from aiohttp import web
from gateway_contracts import Timeouts, interfaces_of
from gateway_memory import Settings
from gateway_memory.adapter import Memory

from gateway import AccountFacade, Gateway, make_app
from gateway.accounts.guard import Guard
from gateway.accounts.routes import make_routes
from gateway.config import make_config

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


@contextlib.asynccontextmanager
async def serving(gateway):
    """A sidecar for *gateway* on a free port; gives its address."""
    runner = web.AppRunner(make_app(gateway), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def now():
    """When everything happens in the memory PBX, until a test says otherwise."""
    return NOW


@pytest.fixture
async def gateway(gateway_of):
    """An open gateway: accounts `pbx` and `other` of the memory plugin, and the route `sales` over both."""
    adapters = {
        "pbx": Memory("pbx", Settings(extensions=("101", "102", "103"), busy=("103",))),
        "other": Memory("other", Settings(extensions=("101", "201"))),
    }
    for adapter in adapters.values():
        adapter.clock = lambda: NOW
    route = {"accounts": ["pbx", "other"], "failover_on": ["agent_not_registered"]}
    async with gateway_of(adapters, routes={"sales": route}) as gateway:
        yield gateway


@pytest.fixture
def gateway_of():
    """Opens a gateway over adapters, by account name, each behind the guard.

    Plugins are not looked for: reading what is installed takes longer than most tests.
    """

    @contextlib.asynccontextmanager
    async def open_it(adapters, *, timeouts=None, **config):
        data = {"accounts": {name: {"vendor": "memory"} for name in adapters}, **config}
        read = make_config(data)

        @contextlib.asynccontextmanager
        async def opener():
            accounts = {
                name: AccountFacade(
                    name=name,
                    vendor="memory",
                    interfaces=interfaces_of(type(adapter)),
                    carry_out=Guard(adapter, name, "memory", timeouts or Timeouts()),
                    adapter=adapter,
                )
                for name, adapter in adapters.items()
            }
            routes = make_routes(read.routes, accounts)
            yield {**accounts, **routes}

        async with Gateway(opener, read) as gateway:
            yield gateway

    return open_it


@pytest.fixture
def adapter_of():
    """Makes an adapter that inherits *interfaces* and does what it is told: answers, raises, or calls what it is given.

    What it was asked is kept in `asked`.
    """

    def make(*interfaces, **results):
        def method(name):
            async def carry_out(self, *args, **arguments):
                self.asked.append((name, arguments))
                result = results.get(name, NotImplementedError())
                result = result(**arguments) if callable(result) else result
                if isinstance(result, BaseException):
                    raise result
                return result

            return carry_out

        names = results.keys() | {name for interface in interfaces for name in interface.__abstractmethods__}
        members = {name: method(name) for name in names}
        adapter = type("Adapter", interfaces, members)()
        adapter.asked = []
        return adapter

    return make


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a distribution with one plugin on the path: module, its source, and the vendor's name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(module, source, name, *, dist=None):
        dist = dist or module.replace("_", "-")
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[telephony_gateway.vendors]\n{name} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    yield add
    for module in tmp_path.glob("*.py"):
        sys.modules.pop(module.stem, None)


class Answer(NamedTuple):
    status: int
    headers: Any
    body: bytes

    @property
    def json(self):
        return orjson.loads(self.body)


@pytest.fixture
async def ask():
    """Makes a function that sends requests to an address: verb, path, and what aiohttp takes."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        def to(address):
            async def send(verb, path, **options):
                async with session.request(verb, address + path, allow_redirects=False, **options) as response:
                    return Answer(response.status, response.headers, await response.read())

            return send

        yield to


@pytest.fixture
async def http(gateway, sidecar, ask):
    """Sends requests to the sidecar of `gateway`."""
    async with sidecar(gateway) as address:
        yield ask(address)
