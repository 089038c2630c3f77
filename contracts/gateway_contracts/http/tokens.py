"""Tokens: one for all requests of an account, fetched when it is needed and replaced before it ends."""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs

from ..errors import GatewayError, VendorUnavailable


class Tokens(Protocol):
    """Where the token of a request comes from. `TokenCache` is one."""

    async def get(self) -> str:
        """Give a token that should work."""

    def refuse(self, token: str) -> None:
        """The vendor refused *token*: do not give it out again."""


@attrs.frozen
class Token:
    """A vendor's token, and when to replace it, in seconds since 1970."""

    text: str = attrs.field(repr=False)
    renew_at: float


class TokenCache:
    """Keeps one token for all requests: the first that needs one fetches it, and the others wait for the same one.

    *fetch* asks the vendor. A waiter that is cancelled does not cancel the wait of the others.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token] | None = None

    async def get(self) -> str:
        """Give a token that should work. Raises: the errors of *fetch*."""
        token = self._token
        if token is None or self._clock() >= token.renew_at:
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._renew())
                self._fetching.add_done_callback(_look_at)  # in case every waiter was cancelled
            fetching = self._fetching
            try:
                token = await asyncio.shield(fetching)
            except asyncio.CancelledError:
                waiter = asyncio.current_task()
                if fetching.cancelled() and not (waiter and waiter.cancelling()):
                    raise VendorUnavailable("The account was closed before a token came") from None
                raise
            except GatewayError as error:
                raise copy.copy(error) from error  # each waiter adds its own operation to its error
        return token.text

    def refuse(self, token: str) -> None:
        """Forget *token*, unless it has been replaced meanwhile."""
        if self._token is not None and self._token.text == token:
            self._token = None

    async def aclose(self) -> None:
        """Stop a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _renew(self) -> Token:
        try:
            self._token = await self._fetch()
        finally:
            self._fetching = None
        return self._token


def renew_at(expiry: float, *, now: float, max_age: float) -> float:
    """When to replace a token: at 80% of its life, a minute before its end, or after *max_age*, whichever is first.

    *expiry* is the vendor's number, told apart by magnitude: from 10^12 on milliseconds since 1970, from 10^9 on
    seconds since 1970, below that seconds from *now*.
    """
    if expiry >= 1e12:
        life = expiry / 1000 - now
    elif expiry >= 1e9:
        life = expiry - now
    else:
        life = expiry
    if life <= 0:  # their clock or ours is wrong; a 401 will tell
        life = 120
    return now + min(max(min(0.8 * life, life - 60), 0.5 * life), max_age)


def _look_at(task: asyncio.Task[Token]) -> None:
    if not task.cancelled():
        task.exception()
