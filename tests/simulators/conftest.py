"""A PBX whose clock stands still, a client that checks everything against the wire document, and a webhook listener."""

import asyncio
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest
from aiohttp import web
from gateway_simulators import ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

from tests.wire import Wire


class Response(NamedTuple):
    status: int
    body: Any
    headers: Any
    raw: bytes


class Client:
    """Talks to the PBX as an adapter would; *checked* is False where a wrong request is meant to be wrong."""

    def __init__(self, session, pbx, vendor="tel4vn-v1"):
        self.wire = Wire.load(vendor)
        self.session = session
        self.pbx = pbx
        self.token = ""

    async def log_in(self, path="/v1/auth/token"):
        self.token = ""
        response = await self.post(path, {"api_key": self.pbx.api_key})
        self.token = response.body["data"]["token"]
        return response.body["data"]

    async def get(self, path, *, checked=True, headers=None, **query):
        return await self._send("GET", path, query, None, checked, headers)

    async def post(self, path, body=None, *, checked=True):
        return await self._send("POST", path, {}, body, checked, None)

    async def put(self, path, body=None, *, checked=True):
        return await self._send("PUT", path, {}, body, checked, None)

    async def delete(self, path, *, checked=True):
        return await self._send("DELETE", path, {}, None, checked, None)

    async def control(self, method, path, body=None):
        async with self.session.request(method, f"/_simulator/{path}", json=body) as response:
            return Response(response.status, await response.json(), response.headers, b"")

    async def _send(self, method, path, query, body, checked, headers):
        if checked:
            self.wire.check_request(method, path, query, body)
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with self.session.request(method, path, params=query, json=body, headers=sent) as response:
            raw = await response.read()
            parsed = orjson.loads(raw) if response.content_type == "application/json" else None
            if checked:
                self.wire.check_answer(method, path, response.status, parsed)
            return Response(response.status, parsed, response.headers, raw)


class Listener:
    """Receives webhooks; responds with the next of *statuses*, then 200; never responds while *deaf*."""

    def __init__(self):
        self.bodies = []
        self.headers = []
        self.statuses = []
        self.deaf = False
        self.url = ""
        self.on_receive = lambda: None
        self._never = asyncio.Event()

    async def receive(self, request):
        form = request.content_type == "application/x-www-form-urlencoded"
        self.bodies.append(dict(await request.post()) if form else await request.json())
        self.headers.append(request.headers)
        self.on_receive()
        if self.deaf:
            await self._never.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def states(self):
        return [body["state"] for body in self.bodies]


@pytest.fixture
async def pbx():
    async with Tel4vnV1Simulator(clock=ManualClock()) as pbx:
        yield pbx


@pytest.fixture
async def client(pbx):
    async with aiohttp.ClientSession(pbx.url) as session:
        client = Client(session, pbx)
        await client.log_in()
        yield client


@pytest.fixture
async def listener(client):
    listener = Listener()
    app = web.Application()
    app.router.add_post("/hook", listener.receive)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield listener
    await runner.cleanup()


@pytest.fixture
async def hooked(client, listener):
    """The listener, registered for every event of the documents of 2021."""
    for event in ("ringing", "answered", "hangup", "cdr"):
        await client.post("/v1/event", {"callback_url": listener.url, "callback_apikey": "foo", "event": event})
    return listener
