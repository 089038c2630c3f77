"""The stream of an account's events over however many connections that takes."""

import asyncio
import contextlib
import functools
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from datetime import UTC, datetime

import aiohttp
import attrs
from gateway_contracts import (
    Account,
    CallEvent,
    EventType,
    GatewayError,
    InvalidRequest,
    Secret,
    VendorAuthFailed,
    VendorUnavailable,
)
from gateway_contracts.backoff import delays

from . import SocketProtocol
from .calls import Calls
from .sockets import ConnectionLost, SubscriptionRefused, open_connection

log = logging.getLogger("gateway.antbuddy")

MAX_WAITING = 10_000  # events that nobody takes; then we stop reading, and the server ends the connection
MAX_PAUSE = 300.0  # seconds; a vendor may ask for more, and is asked whether it means it
STEADY_SECONDS = 60.0  # a connection that lasted so long was a good one; a shorter one makes the pauses grow


Pauses = Callable[[], Iterator[float]]
"""Begins anew to give the seconds to wait before each new connection."""

pauses: Pauses = functools.partial(delays, 1.0, 60.0)


@attrs.frozen(kw_only=True)
class CallStream:
    """Follows the events of an account. *token* gives a fresh token; *pauses* are waited between connections."""

    account: Account
    session: aiohttp.ClientSession
    url: str
    protocol: SocketProtocol
    account_id: str
    extension_of: Callable[[str | None], str | None]
    token: Callable[[], Awaitable[Secret]]
    pauses: Pauses = pauses
    clock: Callable[[], float] = time.monotonic

    async def follow(self) -> AsyncGenerator[CallEvent, None]:
        """Events as they come, and one of type `unknown` with `{"gap": …}` for each time without a connection.

        The socket is read by a task of its own: the server ends a connection whose heartbeats wait for an application.
        """
        waiting: asyncio.Queue[CallEvent | Exception] = asyncio.Queue(MAX_WAITING)
        reader = asyncio.create_task(self._listen(waiting))
        try:
            while True:
                found = await waiting.get()
                if isinstance(found, Exception):
                    raise found
                yield found
        finally:
            reader.cancel()
            await asyncio.wait([reader])

    async def _listen(self, waiting: asyncio.Queue[CallEvent | Exception]) -> None:
        try:
            await self._connect_for_ever(waiting)
        except Exception as error:  # noqa: BLE001 # raised again where the application waits
            await waiting.put(error)

    async def _connect_for_ever(self, waiting: asyncio.Queue[CallEvent | Exception]) -> None:
        calls = Calls(self.account.name, self.extension_of)
        life, pauses = _Life(datetime.now(UTC)), self.pauses()
        while True:
            try:
                await self._one_connection(calls, life, waiting)
            except (VendorAuthFailed, InvalidRequest):
                raise  # the account's credentials do not work, and will not in a minute
            except (ConnectionLost, GatewayError) as error:
                why = error.code if isinstance(error, GatewayError) else str(error)
                hint = error.retry_after if isinstance(error, GatewayError) else None
                if isinstance(error, SubscriptionRefused) and life.subscribed_at:
                    life.heard_at = life.subscribed_at  # heartbeats came, but no events could
            if self.session.closed:
                raise VendorUnavailable("The account was closed", account=self.account.name)
            steady = life.steady_at is not None and self.clock() >= life.steady_at
            life.lost, life.steady_at, life.subscribed_at = True, None, None
            if steady:
                life.attempts, pauses = 0, self.pauses()
            life.attempts += 1
            calls.doubt()
            seconds = max(next(pauses), min(hint or 0.0, MAX_PAUSE))
            log.warning(
                "socket.lost account=%s attempt=%d retry_seconds=%.1f why=%r",
                self.account.name,
                life.attempts,
                seconds,
                why,
            )
            await asyncio.sleep(seconds)

    async def _one_connection(self, calls: Calls, life: "_Life", waiting: asyncio.Queue[CallEvent | Exception]) -> None:
        """One connection, with a token of its own, from its start to its end, which is always a loss."""
        token = await self.token()
        connector, seconds = self.session.connector, self.account.timeouts
        if connector is None or connector.closed:
            raise ConnectionLost("the account was closed")
        async with open_connection(connector, self.url, self.protocol, connect_seconds=seconds.connect) as connection:
            await connection.subscribe(self.account_id, token, answer_seconds=seconds.read)
            now = datetime.now(UTC)
            life.steady_at = self.clock() + STEADY_SECONDS
            if life.lost:
                await waiting.put(self._gap(life.heard_at, now))
                life.lost = False
            life.heard_at = life.subscribed_at = now
            log.info("socket.subscribed account=%s", self.account.name)
            async with contextlib.aclosing(connection.events()) as events:
                async for named in events:
                    life.heard_at = datetime.now(UTC)
                    if named is not None:
                        for event in calls.hear(*named, life.heard_at):
                            await waiting.put(event)

    def _gap(self, since: datetime, until: datetime) -> CallEvent:
        key = "\n".join((self.account.name, "gap", since.isoformat(), until.isoformat()))
        return CallEvent(
            account=self.account.name,
            event_id=hashlib.sha256(key.encode()).hexdigest()[:32],
            type=EventType.UNKNOWN,
            call_id=None,
            occurred_at=since,
            received_at=until,
            raw={"gap": {"from": since.isoformat(), "until": until.isoformat()}},
        )


@attrs.define
class _Life:
    """What outlives a connection: when the vendor was last heard, and how often in a row connecting did not last."""

    heard_at: datetime
    lost: bool = False
    attempts: int = 0
    subscribed_at: datetime | None = None  # of the connection there is
    steady_at: float | None = None  # when that one will have lasted, on the clock of the stream
