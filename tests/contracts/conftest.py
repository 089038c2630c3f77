"""An HTTP client of a vendor, as adapters use it, that does not wait between its tries."""

import contextlib

import pytest
from gateway_contracts import Account, Timeouts
from gateway_contracts.http import HttpClient
from gateway_contracts.http import client as http_client


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch):
    """Reads are tried again at once."""
    monkeypatch.setattr(http_client, "FIRST_BACKOFF_SECONDS", 0)


@pytest.fixture
async def client(scripted):
    """Makes a client of the scripted server, or of another *url*; all are closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(url=None, *, timeouts=None, **options):
            account = Account(name="hanoi", timeouts=timeouts or Timeouts())
            return await stack.enter_async_context(HttpClient(url or scripted.url, account=account, **options))

        yield make
