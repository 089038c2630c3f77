"""Clients that take nothing of a response are cut off after a while, and at once when the sidecar stops."""

import asyncio
import contextlib
import socket

import pytest
from gateway_contracts import Audio, Customer, Customers, Recording

from gateway import Page
from gateway.http import slow_clients
from gateway.http.server import serving
from gateway.http.slow_clients import SlowClients
from tests.events.calls import until

PATIENCE_SECONDS = 20
CUSTOMER = Customer(account="a", customer_id="c", name="n", raw="x" * 100_000)
RESPONSES = [("customers", "application/x-ndjson"), ("customers", "application/json"), ("records/r/recording", "*/*")]


async def chunks():
    while True:
        yield b"x" * 65_536


@pytest.fixture
def adapter(adapter_of):
    """An account with a page of more than any system keeps for a client, and another one after each; and a recording
    that does not end.
    """
    return adapter_of(
        Customers,
        Recording,
        list_customers=lambda **_: Page(items=(CUSTOMER,) * 200, next="more"),
        fetch_recording=lambda **_: Audio(account="a", record_id="r", media_type="audio/wav", chunks=chunks()),
    )


@contextlib.asynccontextmanager
async def stuck(address, path, kind):
    """A client that has the head of a response, and takes nothing more until its reader is asked to."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, port)
    try:
        lines = [f"GET /v1/accounts/a/{path}?raw=1 HTTP/1.1", f"Host: {host}:{port}", f"Accept: {kind}", "", ""]
        writer.write("\r\n".join(lines).replace("recording?raw=1", "recording").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0]
        yield reader, head
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(("path", "kind"), RESPONSES)
async def test_a_client_that_takes_nothing_is_dropped(adapter, gateway_of, sidecar, path, kind, monkeypatch, caplog):
    """What it has then is not the whole, and it can see that."""
    monkeypatch.setattr(slow_clients, "STUCK_SECONDS", 0.05)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        gateway_of({"a": adapter}) as gateway,
        sidecar(gateway) as address,
        stuck(address, path, kind) as (reader, head),
    ):
        await until(lambda: "event=response.dropped" in caplog.text)
        with contextlib.suppress(ConnectionError):
            body = await reader.read()

            assert not body.endswith(b"0\r\n\r\n")
            assert f"Content-Length: {len(body)}\r\n".encode() not in head

    assert "x" * 100 not in caplog.text


@pytest.mark.parametrize(("path", "kind"), RESPONSES)
async def test_a_client_that_takes_nothing_does_not_keep_the_sidecar_from_stopping(
    adapter, gateway_of, path, kind, monkeypatch
):
    """It is not waited for, neither its thirty seconds nor the minute that requests in progress have."""
    monkeypatch.setattr(slow_clients, "GRACE_SECONDS", 0.05)
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(PATIENCE_SECONDS):
        gateway = await stack.enter_async_context(gateway_of({"a": adapter}, proxy={"listen": "127.0.0.1:0"}))
        async with serving(gateway) as address:
            await stack.enter_async_context(stuck(address, path, kind))


@pytest.fixture
async def connection():
    """A connection whose other end has taken a part of what was written; gives the transport and the other end."""
    near, far = socket.socketpair()
    far.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    transport.write(b"x" * 8_000_000)
    yield transport, far
    transport.abort()
    far.close()


async def take_some(transport, far):
    """Take until less waits than before."""
    before = transport.get_write_buffer_size()
    while transport.get_write_buffer_size() == before:
        await asyncio.get_running_loop().sock_recv(far, 65_536)


async def test_a_client_that_takes_little_by_little_is_not_dropped(connection):
    """However long the whole takes; and from when it takes nothing it has as long as any other."""
    transport, far = connection
    watched = SlowClients()
    watched.watch(transport)
    for now in (0, 29, 58, 87):
        watched.look(now, 30)
        assert not transport.is_closing()
        await take_some(transport, far)
    watched.look(100, 30)
    watched.look(129, 30)
    kept = not transport.is_closing()
    watched.look(130, 30)

    assert (True, True) == (kept, transport.is_closing())


async def test_a_client_for_whom_nothing_waits_is_not_dropped(connection):
    """It may be a dial that takes its time, or a reader to whom nothing happens."""
    transport, far = connection
    while transport.get_write_buffer_size():
        await take_some(transport, far)
    watched = SlowClients()
    watched.watch(transport)
    for now in range(0, 1_000, 100):
        watched.look(now, 30)

    assert (False, 1) == (transport.is_closing(), len(watched))


async def test_closed_connections_are_forgotten(connection):
    """Sidecars run for months."""
    transport, _ = connection
    watched = SlowClients()
    watched.watch(transport)
    watched.watch(None)
    watched.look(0, 30)
    held = len(watched)
    transport.abort()
    watched.look(1, 30)

    assert (1, 0) == (held, len(watched))
