"""The HTTP side of AntBuddy: the four documented operations, and the recordings behind their signed addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import quote

import attrs
from aiohttp import web

from gateway_simulators.antbuddy.access import Access
from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.antbuddy.phones import Phones
from gateway_simulators.antbuddy.records import RecordBook
from gateway_simulators.antbuddy.sockets import Sockets
from gateway_simulators.audio import file_answer, wav
from gateway_simulators.clock import Clock
from gateway_simulators.control_plane import CONTROL
from gateway_simulators.faults import Faults, close_connection
from gateway_simulators.json_responses import json_response
from gateway_simulators.received_requests import BODY, ReceivedRequests, Refused

LONGEST_RANGE = timedelta(days=31)
LARGEST_PAGE = 100

_LONGEST_RECORDING_SECONDS = 60


@attrs.define(eq=False, kw_only=True)
class Server:
    """Carries out the vendor's operations on its state."""

    clock: Clock
    behaviour: Behaviour
    faults: Faults
    access: Access
    phones: Phones
    records: RecordBook
    sockets: Sockets
    url: Callable[[], str]
    on_change: Callable[[], None]
    requests: ReceivedRequests = attrs.field(init=False)
    cut_recording_after: int | None = attrs.field(default=None, init=False)
    _second: int = attrs.field(default=0, init=False)
    _in_second: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.requests = ReceivedRequests(
            clock=self.clock, faults=self.faults, on_change=self.on_change, refusal=_refusal
        )

    def application(self) -> web.Application:
        """Build the application, with every operation and nothing of the control plane."""
        app = web.Application(middlewares=[self._middleware], client_max_size=1024**2)
        app.router.add_post("/oapi/v1/voice/auth_token", self._issue_token)
        app.router.add_post("/oapi/v1/call/click-to-call/{number}", self._click_to_call)
        app.router.add_get("/oapi/v1/call/histories", self._list_records)
        app.router.add_get("/oapi/v1/call/play_recording", self._play_recording)
        app.router.add_get("/nkrecord/{name}", self._get_recording)
        self.sockets.add_routes(app)
        return app

    # -- around every operation ------------------------------------------------------------------------------------

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        if not request.path.startswith(("/oapi/", "/nkrecord/")):
            return await self._socket(request, handler)
        return await self._cut(request, await self.requests.respond(request, partial(self._counted, handler)))

    async def _socket(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        fault = self.faults.take(request.method, request.path)
        if fault is None:
            return await handler(request)

        async def execute(*, heard: bool) -> web.Response:
            response = await handler(request)
            if not isinstance(response, web.Response):
                raise TypeError("a socket has no response that could be wrong")
            return response

        return await self.faults.answer(fault, request, execute)

    async def _counted(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], request: web.Request
    ) -> web.StreamResponse:
        self._count(request)
        return await handler(request)

    def _count(self, request: web.Request) -> None:
        limit = self.behaviour.requests_per_second
        if not limit or not request.path.startswith("/oapi/"):
            return
        second = int(self.clock.now().timestamp())
        self._in_second = self._in_second + 1 if second == self._second else 1
        self._second = second
        if self._in_second > limit:
            raise Refused(503, "Request limit exceeded", headers={"Retry-After": "1"})

    async def _cut(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Break a recording off, when a test set `cut_recording_after`."""
        after = self.cut_recording_after
        if after is None or not request.path.startswith("/nkrecord/") or response.status not in {200, 206}:
            return response
        self.cut_recording_after = None
        content = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
        part = web.StreamResponse(status=response.status, headers=response.headers)
        part.content_length = len(content)
        await part.prepare(request)
        await part.write(content[:after])
        close_connection(request)
        return part

    def _admit_post(self, request: web.Request) -> None:
        if not self.access.admits_headers({name.lower(): value for name, value in request.headers.items()}):
            raise Refused(401, "x-auth-app-id or x-auth-app-hash is wrong")

    def _admit_get(self, request: web.Request, *names: str) -> None:
        if not self.access.admits_query(request.query, names):
            raise Refused(401, "appId or hash is wrong")

    # -- operations ------------------------------------------------------------------------------------------------

    async def _issue_token(self, request: web.Request) -> web.Response:
        self._admit_post(request)
        return json_response(200, self.access.issue())

    async def _click_to_call(self, request: web.Request) -> web.Response:
        self._admit_post(request)
        body = request[BODY]
        given = body if isinstance(body, dict) else {}
        user, password = given.get("sipUser"), given.get("sipPassword")
        if not user or not password:
            raise Refused(400, "sipUser and sipPassword are required")
        device = self.phones.login(user, password)
        if device is None:
            raise Refused(400, "Device offline")
        self.phones.dial(device, request.match_info["number"])
        self.on_change()
        return web.Response(text="OK")  # the document shows the status, and no body

    async def _list_records(self, request: web.Request) -> web.Response:
        self._admit_get(request, "created_from", "created_to", "limit", "page")
        first, last = _time(request, "created_from"), _time(request, "created_to")
        if last - first > LONGEST_RANGE:
            raise Refused(400, "The time filter is 31 days at most")
        oldest = self.behaviour.oldest_days
        if oldest and first < self.clock.now() - timedelta(days=oldest):
            raise Refused(400, f"The call history is kept for {oldest} days")
        limit, page = _number(request, "limit", 20), _number(request, "page", 1)
        if limit > LARGEST_PAGE:
            raise Refused(400, "limit is 100 at most")
        limit = self.behaviour.page_rows or limit
        if self.behaviour.paging != "document":
            page = 1
        if self.behaviour.paging == "everything":
            limit = max(len(self.records.rows), 1)
        rows = self.records.page(
            first.timestamp(),
            last.timestamp(),
            limit,
            page,
            by_end=self.behaviour.filed_under == "end",
            ends_included=self.behaviour.ends_included,
        )
        return json_response(200, {"data": rows} if self.behaviour.envelope == "data" else rows)

    async def _play_recording(self, request: web.Request) -> web.Response:
        self._admit_get(request, "media")
        name = request.query.get("media", "")
        if self.records.find_recording(name) is None:
            raise Refused(404, "Not Found")
        path = f"/nkrecord/{quote(name, safe='')}"
        expires = int(self.clock.now().timestamp() + self.behaviour.link_seconds)
        signature = self.access.signature(name, expires)
        query = f"AWSAccessKeyId=E7IPYE4LN28Y4I6T4400&Expires={expires}&Signature={signature}%3D"
        return json_response(200, {"media": f"{self.url()}{path}?{query}"})

    async def _get_recording(self, request: web.Request) -> web.Response:
        name, query = request.match_info["name"], request.query
        expires = query.get("Expires", "")
        if not expires.isdigit() or query.get("Signature") != self.access.signature(name, int(expires)) + "=":
            raise Refused(403, "SignatureDoesNotMatch")
        if self.clock.now().timestamp() >= int(expires):
            raise Refused(403, "Request has expired")
        row = self.records.find_recording(name)
        if row is None:
            raise Refused(404, "NoSuchKey")
        seconds = row.get("billing_seconds")
        length = min(int(seconds), _LONGEST_RECORDING_SECONDS) if isinstance(seconds, int | float) else 1
        return file_answer(
            await asyncio.to_thread(wav, name, max(length, 1)),
            range_header=request.headers.get("Range"),
            content_type="binary/octet-stream",
        )


def _refusal(refused: Refused) -> web.Response:
    return json_response(refused.status, {"message": refused.error}, refused.headers)


def _time(request: web.Request, name: str) -> datetime:
    text = request.query.get(name, "")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, f"{name} is not a time") from None
    if found.tzinfo is None:
        raise Refused(400, f"{name} is not a time in UTC")
    return found


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) < 10**9):
        raise Refused(400, f"{name} is a number from 1 on")
    return int(text)
