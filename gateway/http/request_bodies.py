"""Reads the bodies of requests: each must come in time, and soon when the sidecar stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import attrs
from aiohttp import web
from gateway_contracts import (
    InvalidRequest,
    Origin,
    PayloadTooLarge,
    UnsupportedMediaType,
    VendorUnavailable,
    loads,
)

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30
GRACE_SECONDS = 0.5
"""How long a body that is on its way may still take when the sidecar stops."""


@attrs.define(eq=False)
class Bodies:
    """Reads the bodies of one application's requests."""

    _coming: set[asyncio.Timeout] = attrs.field(factory=set, init=False)
    _stopping: bool = attrs.field(default=False, init=False)

    async def read(self, request: web.Request, *, most: int, seconds: float) -> bytes:
        """The body of *request*, which must come in *seconds* and have at most *most* bytes.

        Raises: PayloadTooLarge; InvalidRequest when it does not come in time or breaks off, VendorUnavailable when it
        has not come as the sidecar stops.
        """
        _check_size(request.content_length or 0, most)
        content = request.content
        if content.is_eof() and content.exception() is None:  # it came with the head, as almost all do
            complete = content.read_nowait()
            _check_size(len(complete), most)
            return complete
        body = bytearray()
        async with self._within(seconds):
            async for chunk in content.iter_any():
                body += chunk
                _check_size(len(body), most)
        return bytes(body)

    async def read_object(self, request: web.Request, *, needed: bool) -> dict[str, Any]:
        """The JSON object in the body of *request*; an empty one for no body, unless one is *needed*.

        Raises: UnsupportedMediaType, PayloadTooLarge, InvalidRequest, VendorUnavailable.
        """
        # Also without a body: a page can send a form, but not this. To take the header apart leaves much in memory.
        if request.headers.get("Content-Type") != "application/json" and request.content_type != "application/json":
            raise UnsupportedMediaType(f"Send application/json, not {request.content_type}")
        data = await self.read(request, most=MAX_BODY_BYTES, seconds=BODY_SECONDS)
        if not data.strip() and not needed:
            return {}
        try:
            body = loads(data)
        except ValueError as error:
            raise InvalidRequest(f"The body is not JSON: {error}", fields={"body": "is not JSON"}) from None
        if not isinstance(body, dict):
            raise InvalidRequest("The body must be a JSON object", fields={"body": "must be an object"})
        return body

    @contextlib.asynccontextmanager
    async def _within(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(GRACE_SECONDS if self._stopping else seconds) as coming:
                self._coming.add(coming)
                try:
                    yield
                finally:
                    self._coming.discard(coming)
        except TimeoutError:
            if self._stopping:  # the request is not wrong, and the client may send it again
                raise VendorUnavailable(
                    "The gateway is stopping, and the body had not come: send it again", origin=Origin.GATEWAY
                ) from None
            raise InvalidRequest("The body did not come in time", fields={"body": "did not come in time"}) from None
        except (web.RequestPayloadError, ConnectionError):
            raise InvalidRequest("The body cannot be read", fields={"body": "is not as its headers say"}) from None

    def stop(self) -> None:
        """Wait no longer than `GRACE_SECONDS` from now on."""
        self._stopping = True
        latest = asyncio.get_running_loop().time() + GRACE_SECONDS
        for coming in self._coming:
            if not coming.expired() and ((due := coming.when()) is None or due > latest):
                coming.reschedule(latest)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise PayloadTooLarge(f"The body is larger than {most} bytes")
