"""Faults that a simulator makes on purpose: their kinds, and how often each is made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Protocol

import attrs
import orjson
from aiohttp import web
from attrs import validators


class FaultKind(StrEnum):
    """The ways to go wrong. "Executed" means that the request had its effect, such as a phone that rang."""

    DELAY = "delay"  # the response comes `seconds` of real time later; executed before when `execute`, else after
    HOLD = "hold"  # the same, but until `Faults.release()`
    DROP = "drop"  # executed, then the connection is closed without a response
    DROP_BEFORE = "drop_before"  # the request is read, not executed, and the connection is closed
    REFUSE = "refuse"  # not executed; `status` (503) and a JSON `body`
    ERROR_AFTER = "error_after"  # executed, yet the response is `status` (500)
    HTML = "html"  # a web page where JSON is expected, with `status` (200); executed when `execute`
    TRUNCATE = "truncate"  # executed; Content-Length promises all, half of it comes, the connection is closed
    HALF_JSON = "half_json"  # executed; correct HTTP around JSON that stops half way
    WRONG_TYPES = "wrong_types"  # executed; numbers and booleans become text, text becomes a list
    REPLACE = "replace"  # `status` (200), `body` and `content_type` as given; executed when `execute`
    HEADERS = "headers"  # executed; only `headers` are added


def _kind(value: str) -> FaultKind:
    try:
        return FaultKind(value)
    except ValueError:
        raise ValueError(f"kind is one of {', '.join(FaultKind)}, not {value!r}") from None


def _count(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{field.name} is a whole number from 1 on, or null for always, not {value!r}")


def _headers(owner: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for pair in value.items() for text in pair):
        raise ValueError(f"{field.name} are names and values, both text, not {value!r}")


@attrs.frozen
class Fault:
    """One thing to do wrong, to the next *times* requests that fit (None: to all of them).

    *path* is matched with `*` and `?` against the path without its query, *method* against the HTTP method; the
    first *skip* requests that fit are left alone. *headers* are added to the response.
    *body* may be bytes, text, or anything that JSON can say; text and bytes are sent as they are.
    """

    path: str = attrs.field(validator=validators.instance_of(str))
    kind: FaultKind = attrs.field(kw_only=True, converter=_kind)
    method: str | None = attrs.field(
        default=None, kw_only=True, validator=validators.optional(validators.instance_of(str))
    )
    times: int | None = attrs.field(default=1, kw_only=True, validator=_count)
    skip: int = attrs.field(default=0, kw_only=True, validator=validators.ge(0))
    seconds: float = attrs.field(default=0.0, kw_only=True, validator=validators.ge(0))
    status: int | None = attrs.field(
        default=None, kw_only=True, validator=validators.optional([validators.ge(200), validators.le(599)])
    )
    body: Any = attrs.field(default=None, kw_only=True)
    content_type: str = attrs.field(default="application/json", kw_only=True, validator=validators.instance_of(str))
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True, validator=_headers)
    execute: bool = attrs.field(default=False, kw_only=True, validator=validators.instance_of(bool))

    def fits(self, method: str, path: str) -> bool:
        """Say whether a request is meant."""
        return (self.method is None or self.method.upper() == method) and fnmatchcase(path, self.path)


@attrs.define(eq=False)
class _Armed:
    fault: Fault
    seen: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.seen >= self.fault.skip + self.fault.times


class Faults:
    """The faults that a simulator still has to make, in the order in which they were added."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._held: set[asyncio.Future[None]] = set()
        self._closed = False
        self.on_change: Callable[[], None] = lambda: None  # told when a request is held, or let go

    def add(self, *faults: Fault) -> None:
        """Make *faults* from the next request on; the first that fits a request is the one it gets."""
        self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Make no more faults, and let held requests go on."""
        self._armed.clear()
        self.release()

    def release(self) -> None:
        """Let every request go on that is held now; later ones are held again while their fault lasts."""
        for waiting in self._held:
            if not waiting.done():
                waiting.set_result(None)

    @property
    def pending(self) -> list[Fault]:
        """The faults that are not spent."""
        return [armed.fault for armed in self._armed]

    @property
    def held(self) -> int:
        """How many requests are held now."""
        return len(self._held)

    def take(self, method: str, path: str) -> Fault | None:
        """Count one request and give back the fault that it gets."""
        for armed in self._armed:
            if armed.fault.fits(method, path):
                armed.seen += 1
                if armed.spent:
                    self._armed.remove(armed)
                if armed.seen > armed.fault.skip:
                    return armed.fault
        return None

    def close(self) -> None:
        """Let go of everything and hold nothing any more, so that the server can end."""
        self._closed = True
        self.clear()

    async def answer(self, fault: Fault, request: web.Request, execute: Execute) -> web.StreamResponse:
        """Respond to *request* as *fault* says; *execute* carries the request out."""
        match fault.kind:
            case FaultKind.DELAY | FaultKind.HOLD:
                early = await execute(heard=True) if fault.execute else None
                await self._pause(fault)
                response = early if early is not None else await execute(heard=True)
            case FaultKind.DROP | FaultKind.DROP_BEFORE:
                if fault.kind is FaultKind.DROP:
                    await execute(heard=False)
                return close_connection(request)
            case FaultKind.REFUSE:
                response = _made(fault, 503, {"error": "temporarily offline for maintenance"})
            case FaultKind.ERROR_AFTER:
                await execute(heard=False)
                response = _made(fault, 500, {"error": "Internal Server Error"})
            case FaultKind.HTML | FaultKind.REPLACE:
                if fault.execute:
                    await execute(heard=False)
                response = _made(fault, 200, {}) if fault.kind is FaultKind.REPLACE else _page(fault)
            case FaultKind.TRUNCATE:
                return await _truncated(request, await execute(heard=True), fault)
            case FaultKind.HALF_JSON:
                whole = await execute(heard=True)
                response = _copy(whole, _content(whole)[: len(_content(whole)) // 2])
            case FaultKind.WRONG_TYPES:
                whole = await execute(heard=True)
                with suppress(orjson.JSONDecodeError):  # a response that is no JSON has no types to be wrong
                    whole = _copy(whole, orjson.dumps(_mistyped(orjson.loads(_content(whole)))))
                response = whole
            case FaultKind.HEADERS:
                response = await execute(heard=True)
        response.headers.update(fault.headers)
        return response

    async def _pause(self, fault: Fault) -> None:
        if self._closed:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.add(waiting)
        self.on_change()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(waiting, fault.seconds if fault.kind is FaultKind.DELAY else None)
        finally:
            self._held.discard(waiting)
            self.on_change()


class Execute(Protocol):
    """Carries a request out. *heard* is False when no client will read the response: then nothing waits for it."""

    def __call__(self, *, heard: bool) -> Awaitable[web.Response]: ...


def close_connection(request: web.Request) -> web.Response:
    """Close the connection of *request*; the response given back is for aiohttp, no client ever sees it."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _made(fault: Fault, status: int, body: Any) -> web.Response:
    body = body if fault.body is None else fault.body
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else orjson.dumps(body)
    return web.Response(status=fault.status or status, body=raw, headers={"Content-Type": fault.content_type})


def _page(fault: Fault) -> web.Response:
    page = "<!DOCTYPE html><html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>"
    return web.Response(
        status=fault.status or 200, text=fault.body if isinstance(fault.body, str) else page, content_type="text/html"
    )


def _content(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _copy(response: web.Response, body: bytes) -> web.Response:
    return web.Response(status=response.status, body=body, content_type=response.content_type)


async def _truncated(request: web.Request, whole: web.Response, fault: Fault) -> web.StreamResponse:
    content = _content(whole)
    response = web.StreamResponse(status=whole.status, headers={**whole.headers, **fault.headers})
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    close_connection(request)
    return response


def _mistyped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mistyped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mistyped(item) for item in value]
    if isinstance(value, str):
        return [value]
    return value if value is None else str(value)
