"""How a request travels: nothing is sent twice, the fence is passed, and it is known whether a byte was sent."""

from contextvars import ContextVar
from typing import Any

import aiohttp

from ..fence import pass_fence

RINGING: ContextVar[bool] = ContextVar("ringing", default=False)


class NotSent(Exception):  # a fact about a request, turned into one of our errors before it leaves
    """No byte of the request reached the vendor: no connection, name or certificate."""


class SentAndLost(Exception):  # see above
    """The request, or part of it, was sent, and no whole response came back."""


class TooLong(Exception):  # never leaves this package
    """The response is larger than was allowed."""


class Connector(aiohttp.TCPConnector):
    """Lets a request that rings pass the fence when its connection stands: its bytes follow, and nothing in between."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        connection = await super().connect(req, traces, timeout)
        if RINGING.get():
            try:
                await pass_fence()
            except BaseException:
                connection.release()
                raise
        return connection


async def never_resend(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware that keeps aiohttp from sending a request again.

    aiohttp sends a GET, PUT or DELETE again by itself when a reused connection drops, and has no public switch against
    it (aio-libs/aiohttp#10790). It does so for two exceptions, so neither gets as far as that code.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError as error:
        raise NotSent(_network_words(error)) from error
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise SentAndLost("the connection dropped before the answer") from error


def _network_words(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host!r} was not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return f"the TLS connection to {error.host}:{error.port} failed ({type(error).__name__})"
    return f"no connection to {error.host}:{error.port} ({error.strerror or type(error.os_error).__name__})"


class _InOurWords:
    """A context that turns what aiohttp raises into what it says of the request."""

    # The causes are left out: their texts hold the address with its query, and phone numbers are in it.

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            raise NotSent("no connection in time") from None
        if isinstance(error, aiohttp.InvalidURL):
            raise NotSent("the address is not valid") from None
        if isinstance(error, aiohttp.ClientError):
            raise SentAndLost(f"the answer broke off ({type(error).__name__})") from None


IN_OUR_WORDS = _InOurWords()


async def read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body of *response*. Raises: TooLong when it is larger than *limit*."""
    if response.content_length is not None and "Content-Encoding" not in response.headers:
        if response.content_length > limit:
            raise TooLong
        return await response.read()  # all at once: no more can come than was announced
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            raise TooLong
    return bytes(content)
