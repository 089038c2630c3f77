"""Journals to test with, on SQLite and, where it is installed, on PostgreSQL."""

import asyncio
import contextlib

import aiohttp
import pytest

from gateway import Gateway
from gateway.journal import engines
from gateway.journal.store import open_store
from tests import postgres
from tests.gateways import serving

KINDS = ["sqlite", "postgresql"] if postgres.wanted() else ["sqlite"]


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server with one migrated database, `template`."""
    with postgres.serving() as running:
        running.run("CREATE DATABASE template TEMPLATE template0")

        async def migrate():
            async with open_store(running.url("template")):
                pass

        asyncio.run(migrate())
        yield running


@pytest.fixture(params=KINDS)
def kind(request):
    """The database that a test runs on."""
    return request.param


@pytest.fixture
def empty_url(kind, tmp_path, request):
    """The url of a database without a table."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/gateway.db"
    server = request.getfixturevalue("server")
    return server.url(server.make())


@pytest.fixture
def url(kind, tmp_path, request):
    """The url of a journal's database."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/gateway.db"
    server = request.getfixturevalue("server")
    return server.url(server.make("template"))


@pytest.fixture
async def store(url):
    """An open store."""
    async with open_store(url) as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch):
    """Nothing waits long for a lock."""
    monkeypatch.setattr(engines, "PATIENCE_SECONDS", 0.01)


@pytest.fixture
def running(url):
    """Runs a sidecar of the accounts `hanoi` and `saigon`, and the route `both`; gives the gateway and its address."""

    @contextlib.asynccontextmanager
    async def run(**proxy):
        # The tests' events are of one fixed day: nothing is to be removed, or added, for what that day is.
        accounts = {name: {"vendor": "memory", "reconcile_seconds": 0} for name in ("hanoi", "saigon")}
        routes = {"both": {"accounts": ["hanoi", "saigon"]}}
        config = {
            "accounts": accounts,
            "routes": routes,
            "journal": {"url": url, "retention_days": 36_500},
            "proxy": proxy,
        }
        async with Gateway.from_config(config) as gateway, serving(gateway) as address:
            yield gateway, address

    return run


@pytest.fixture
async def session():
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session
