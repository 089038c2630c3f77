"""The hooks that clients registered, and the webhooks that the PBX sends to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import attrs
import orjson

from gateway_simulators.clock import Clock, Timer
from gateway_simulators.tel4vn.behaviour import PbxBehaviour

# [003:180-185]; missed is of a later edition.
EVENTS = frozenset({"ringing", "answered", "hangup", "cdr", "missed"})


@attrs.frozen
class SentWebhook:
    """One try to deliver a webhook; *status* is None when there was no response."""

    url: str
    event: str
    body: Mapping[str, Any]
    status: int | None


@attrs.frozen
class Hook:
    """A registration: one for each event and address."""

    hook_id: str
    event: str
    url: str
    api_key: str


@attrs.define(eq=False)
class Webhooks:
    """All hooks, and the sending. The webhooks of one call are sent one after the other, calls side by side."""

    clock: Clock
    behaviour: PbxBehaviour
    on_sent: Callable[[], None]
    hooks: dict[str, Hook] = attrs.field(factory=dict, init=False)
    sent: list[SentWebhook] = attrs.field(factory=list, init=False)
    _session: aiohttp.ClientSession | None = attrs.field(default=None, init=False)
    _sending: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _last: dict[str, asyncio.Task[None]] = attrs.field(factory=dict, init=False)  # of each call, the newest
    _held: dict[str, list[Callable[[], None]]] = attrs.field(factory=dict, init=False)
    _timers: set[Timer] = attrs.field(factory=set, init=False)
    _chance: random.Random = attrs.field(factory=lambda: random.Random(1), init=False)

    async def open(self) -> None:
        """Get ready to send."""
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Forget the webhooks that are not sent yet."""
        for timer in self._timers:
            timer.cancel()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def create(self, event: str, url: str, api_key: str) -> Hook:
        """Register; the same event and address again only changes the key."""
        known = next((hook for hook in self.hooks.values() if (hook.event, hook.url) == (event, url)), None)
        hook = Hook(known.hook_id if known else str(uuid4()), event, url, api_key)
        self.hooks[hook.hook_id] = hook
        return hook

    def send(self, call_id: str, event: str, body: Mapping[str, Any]) -> None:
        """Send an event to every hook of it, as well or badly as the faults say; returns at once."""
        faults = self.behaviour.webhook_faults
        if event in faults.drop:
            return
        for hook in [hook for hook in self.hooks.values() if hook.event == event in EVENTS]:
            start = partial(self._start, call_id, hook, body)
            for _ in range(2 if faults.duplicate else 1):
                if self._chance.random() < faults.drop_rate:
                    continue
                if faults.reorder:
                    self._held.setdefault(call_id, []).append(start)
                else:
                    self._soon(start)
        if event == "cdr":
            self._release(call_id)

    def release(self) -> None:
        """Send the webhooks that `reorder` still holds back."""
        for call_id in list(self._held):
            self._release(call_id)

    async def settle(self) -> None:
        """Wait until nothing is being sent; webhooks that are held back or delayed do not count."""
        while self._sending:
            await asyncio.wait(set(self._sending))

    def _release(self, call_id: str) -> None:
        for start in reversed(self._held.pop(call_id, [])):
            self._soon(start)

    def _soon(self, start: Callable[[], None]) -> None:
        seconds = self.behaviour.webhook_faults.delay_seconds
        if not seconds:
            start()
            return

        async def later() -> None:
            self._timers.discard(timer)
            start()
            await self.settle()

        timer = self.clock.call_later(seconds, later)
        self._timers.add(timer)

    def _start(self, call_id: str, hook: Hook, body: Mapping[str, Any]) -> None:
        task = asyncio.ensure_future(self._deliver(hook, body, self._last.get(call_id)))
        self._sending.add(task)
        self._last[call_id] = task
        task.add_done_callback(partial(self._done, call_id))

    def _done(self, call_id: str, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if self._last.get(call_id) is task:
            del self._last[call_id]

    async def _deliver(self, hook: Hook, body: Mapping[str, Any], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        # A real connector notes that the vendor sends again after a timeout: duplicates are the listener's business.
        for _ in range(2):
            status = await self._post(hook, body)
            self.sent.append(SentWebhook(hook.url, hook.event, body, status))
            self.on_sent()
            if status is not None and status < 500:
                break

    async def _post(self, hook: Hook, body: Mapping[str, Any]) -> int | None:
        if self._session is None:
            raise RuntimeError("the simulator is not running")
        # No document says how the key travels; a plain Authorization header is this simulator's choice.
        headers = {"Authorization": hook.api_key} if hook.api_key else {}
        if self.behaviour.webhook_form:
            payload: dict[str, Any] = {"data": {name: str(value) for name, value in body.items()}}
        else:
            payload = {"data": orjson.dumps(body)}
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=self.behaviour.webhook_timeout_seconds)
        try:
            async with self._session.post(
                hook.url, headers=headers, timeout=timeout, allow_redirects=False, **payload
            ) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, ValueError):  # ValueError: the address is none
            return None
