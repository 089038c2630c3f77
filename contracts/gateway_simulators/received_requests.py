"""The requests to a vendor's operations: the simulator keeps each one, and makes the fault that it gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import attrs
import orjson
from aiohttp import web

from gateway_simulators.clock import Clock
from gateway_simulators.faults import Faults, close_connection

BODY = web.RequestKey("body", object)
"""The body as parsed JSON, None where it is none."""
HEARD = web.RequestKey("heard", bool)
"""Whether the client will read the response."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@attrs.frozen
class ReceivedRequest:
    """A request that reached the vendor, whatever became of it.

    *path* is as it was sent, header names are in lower case, *body* is parsed JSON.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any
    at: datetime


class Refused(Exception):
    """The vendor refuses the request: with the text *error*, or with the whole *body*."""

    def __init__(
        self,
        status: int,
        error: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.body = body
        self.headers = headers


class Closing(Exception):
    """The simulator ends while the request waits."""


@attrs.define(eq=False, kw_only=True)
class ReceivedRequests:
    """All requests to a vendor's operations. *refusal* writes a refusal as the vendor does."""

    clock: Clock
    faults: Faults
    on_change: Callable[[], None]
    refusal: Callable[[Refused], web.Response]
    kept: list[ReceivedRequest] = attrs.field(factory=list, init=False)
    closing: bool = attrs.field(default=False, init=False)

    async def respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep *request*, and respond as *handler* does or as its fault says."""
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            return self.refusal(Refused(error.status, error.reason))
        request[BODY] = body = _parsed(raw)
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, query = request.rel_url.raw_path, list(request.query.items())
        self.kept.append(ReceivedRequest(request.method, path, query, headers, body, self.clock.now()))
        self.on_change()
        execute = partial(self._execute, request, handler)
        fault = self.faults.take(request.method, request.path)
        try:
            return await (execute(heard=True) if fault is None else self.faults.answer(fault, request, execute))
        except Closing:
            return close_connection(request)

    async def _execute(self, request: web.Request, handler: Handler, *, heard: bool) -> web.Response:
        request[HEARD] = heard
        if self.closing:  # a request that a fault held until the end must not ring anybody now
            raise Closing
        try:
            response = await handler(request)
        except Refused as refused:
            return self.refusal(refused)
        except web.HTTPException as error:
            return self.refusal(Refused(error.status, error.reason))
        if not isinstance(response, web.Response):
            raise TypeError(f"the response to {request.path} is a {type(response).__name__}")
        return response


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
