"""Receives the webhooks of vendors: each is checked, parsed and durably written before the vendor gets its response."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import attrs
from aiohttp import web
from gateway_contracts import (
    GatewayError,
    NotFound,
    Secret,
    Unauthenticated,
    Unsupported,
    WebhookRequest,
    loads,
)

from ..accounts.account import AccountFacade
from ..config import AccountConfig
from ..journal.opening import Journal
from ..logs import log, place_of
from ..metrics import Metrics
from ..texts import check_lengths
from .request_bodies import Bodies
from .responses import json_response

MAX_HOOK_BYTES = 256 * 1024
BODY_SECONDS = 10
_MAX_FIELDS = 200
_SCHEMES = ("bearer ", "apikey ", "token ")
_KEY_NAMES = ("api_key", "apikey")


@attrs.frozen
class Receiver:
    """Receives webhooks for *accounts*, with the *tokens* that their addresses hold."""

    accounts: Mapping[str, AccountFacade]
    configs: Mapping[str, AccountConfig]
    tokens: Mapping[str, str] = attrs.field(repr=False)
    journal: Journal
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    bodies: Bodies = attrs.field(factory=Bodies, repr=False)
    metrics: Metrics = attrs.field(factory=Metrics, repr=False)
    _no_token: str = attrs.field(factory=secrets.token_urlsafe, init=False, repr=False)

    async def receive(self, request: web.Request) -> web.Response:
        """The response to one webhook: 200 when its events are in the journal, or its body in quarantine.

        Raises: NotFound for a wrong address, Unauthenticated for a wrong key, PayloadTooLarge, InvalidRequest when the
        body does not come, and GatewayError when it cannot be written or the sidecar stops: then the vendor should send
        it again.
        """
        started = time.perf_counter()
        name = request.match_info["account"]
        if not _same(request.match_info["token"], self.tokens.get(name, self._no_token)) or name not in self.tokens:
            raise NotFound("There is no such path; /docs shows those that there are")
        try:
            body = await self._admitted(name, request)
        except GatewayError as error:
            log.warning("hook.refused", account=name, code=error.code)  # its events are lost until an operator looks
            raise
        webhook = WebhookRequest(
            headers={key.lower(): value for key, value in request.headers.items()},
            query=dict(request.query),
            body=body,
            received_at=self.now(),
        )
        try:
            events = await self.accounts[name].events.parse_webhook(webhook)
            check_lengths(events)
        except Unsupported:
            raise NotFound("There is no such path; /docs shows those that there are") from None
        except Exception as error:  # noqa: BLE001 # a webhook that a plugin cannot read is kept, so that nothing is lost
            return await self._quarantine(name, request.content_type, webhook, error)
        stored = await self.journal.log.append(events)
        log.info(
            "hook.received",
            account=name,
            events=len(events),
            new=len(stored),
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return json_response({"status": "ok"})

    async def _admitted(self, name: str, request: web.Request) -> bytes:
        """The body of a webhook that shows the account's key, if it has one."""
        if "body" not in self.configs[name].hook_key_in:
            self._check_key(name, request, b"")
        body = await self.bodies.read(request, most=MAX_HOOK_BYTES, seconds=BODY_SECONDS)
        self._check_key(name, request, body)
        return body

    def _check_key(self, name: str, request: web.Request, body: bytes) -> None:
        config = self.configs[name]
        if config.hook_key is not None and not _shows(config.hook_key, config.hook_key_in, request, body):
            raise Unauthenticated(
                f"The webhook does not show the account's hook_key in any of {', '.join(config.hook_key_in)}",
                account=name,
            )

    async def _quarantine(self, name: str, media_type: str, webhook: WebhookRequest, error: Exception) -> web.Response:
        # 200: a vendor that is told of an error may send the same for ever, or give the hook up.
        reason = error.code if isinstance(error, GatewayError) else f"plugin_failed:{type(error).__name__}"
        await self.journal.quarantine(
            account=name, reason=reason, media_type=media_type, body=webhook.body, at=webhook.received_at
        )
        self.metrics.quarantined[(name,)] += 1
        log.warning("hook.quarantined", account=name, reason=reason, bytes=len(webhook.body), **place_of(error))
        return json_response({"status": "quarantined"})


def _shows(key: Secret, places: tuple[str, ...], request: web.Request, body: bytes) -> bool:
    found = False
    for shown in _shown(places, request, body):  # all of them, always: the time taken says nothing
        found |= _same(shown, key.reveal())
    return found


def _shown(places: tuple[str, ...], request: web.Request, body: bytes) -> Iterator[str]:
    """Each text that may be the key of a webhook, in each of *places*: vendors do not document where they put it."""
    for place in places:
        if place == "query":
            yield from (request.query[name] for name in _KEY_NAMES if name in request.query)
        elif place == "body":
            fields = _fields(body)
            yield from (value for name in _KEY_NAMES if isinstance(value := fields.get(name), str))
        else:
            for value in request.headers.getall(place, []):
                yield value.strip()
                for scheme in _SCHEMES:
                    if value.strip().lower().startswith(scheme):
                        yield value.strip()[len(scheme) :].strip()


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        data = loads(body)
    except ValueError:
        try:
            return dict(parse_qsl(body.decode(), max_num_fields=_MAX_FIELDS))
        except ValueError:
            return {}
    return data if isinstance(data, dict) else {}


def _same(one: str, other: str) -> bool:
    first, second = (hashlib.sha256(text.encode(errors="surrogateescape")).digest() for text in (one, other))
    return hmac.compare_digest(first, second)
