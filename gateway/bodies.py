"""The bodies of requests: each comes in time, or is not waited for; and none is when the sidecar stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import attrs
from aiohttp import web
from gateway_contracts import InvalidRequest, Origin, VendorUnavailable

GRACE_SECONDS = 0.5
"""How long bodies that are on their way may still take when the sidecar stops."""


@attrs.define(eq=False)
class Bodies:
    """The bodies that one application waits for."""

    _coming: set[asyncio.Timeout] = attrs.field(factory=set, init=False)
    _stopping: bool = attrs.field(default=False, init=False)

    @contextlib.asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """A context in which a body is read.

        Raises: InvalidRequest when it does not come in these *seconds* or breaks off, VendorUnavailable when it has not
        come as the sidecar stops.
        """
        try:
            async with asyncio.timeout(GRACE_SECONDS if self._stopping else seconds) as coming:
                self._coming.add(coming)
                try:
                    yield
                finally:
                    self._coming.discard(coming)
        except TimeoutError:
            if self._stopping:  # whoever sends it is not to be told that it is wrong, and may send it again
                raise VendorUnavailable(
                    "The gateway is stopping, and the body had not come: send it again", origin=Origin.GATEWAY
                ) from None
            raise InvalidRequest("The body did not come in time", fields={"body": "did not come in time"}) from None
        except (web.RequestPayloadError, ConnectionError):
            raise InvalidRequest("The body cannot be read", fields={"body": "is not as its headers say"}) from None

    async def read(self, request: web.Request, seconds: float) -> bytes:
        """The body of *request*. Raises: as `within`, and HTTPRequestEntityTooLarge."""
        if request.content.is_eof() and request.content.exception() is None:
            return await request.read()  # it came with the head, as almost all do: nothing is waited for
        async with self.within(seconds):
            return await request.read()

    def stop(self) -> None:
        """Wait no longer than `GRACE_SECONDS` from now on."""
        self._stopping = True
        latest = asyncio.get_running_loop().time() + GRACE_SECONDS
        for coming in self._coming:
            if not coming.expired() and ((due := coming.when()) is None or due > latest):
                coming.reschedule(latest)
