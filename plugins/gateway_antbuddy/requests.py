"""Requests to AntBuddy: signed, held back below the vendor's limit, and judged by its own words."""

import re
import time
from collections.abc import Sequence
from typing import Any

import attrs
from gateway_contracts import (
    Account,
    AgentNotRegistered,
    DialState,
    GatewayError,
    InvalidRequest,
    Origin,
    RateLimited,
    Secret,
)
from gateway_contracts.backoff import delays
from gateway_contracts.http import RETRIED_STATUSES, Effect, HttpClient, Response, error_for_status

from . import Settings, wire
from .hashes import hash_of
from .limits import RequestLimit

ATTEMPTS = 6  # of a read that meets the vendor's limit
_REQUEST_LIMIT = 503  # not maintenance: this vendor's "request limit exceeded"
_OFFLINE = 400  # 004:52
_MAX_MESSAGE = 200
_INPUT = re.compile(r"invalid|missing|required|malformed|wrong|hash|signature", re.IGNORECASE)
_DEVICE = re.compile(r"regist|offline|online|device", re.IGNORECASE)
RETRIED = RETRIED_STATUSES - {_REQUEST_LIMIT}  # which asks for more patience, see `Requests.ask`


def classify(response: Response) -> GatewayError | None:
    """The error that *response* stands for; None for success."""
    if 200 <= response.status < 300:
        return None
    message = _message(response.data)
    plain = error_for_status(response, message)
    if response.status == _REQUEST_LIMIT:
        return RateLimited(
            "The vendor's request limit is reached: ask less often, or set requests_per_second",
            origin=Origin.VENDOR,
            vendor_code=str(response.status),
            dial_state=DialState.NOT_PLACED if response.effect is Effect.RING else None,
            retry_after=plain.retry_after if plain else None,
        )
    if response.status == _OFFLINE and response.effect is Effect.RING:
        if message and _INPUT.search(message) and not _DEVICE.search(message):
            return InvalidRequest(
                f"The vendor refused the request: {message}",
                origin=Origin.VENDOR,
                vendor_code=str(response.status),
                dial_state=DialState.NOT_PLACED,
            )
        return AgentNotRegistered(
            "The extension's device is not connected to the vendor, so nothing rang: start the softphone first",
            vendor_code=str(response.status),
            dial_state=DialState.NOT_PLACED,
        )
    return plain


def _message(data: Any) -> str | None:
    if not isinstance(data, dict):
        return None
    found = next((data[key] for key in ("error", "message", "content") if isinstance(data.get(key), str)), None)
    return found.strip()[:_MAX_MESSAGE] or None if found else None


@attrs.frozen
class Requests:
    """What an account sends, beside its click-to-calls."""

    account: Account
    settings: Settings
    http: HttpClient
    limit: RequestLimit

    def credentials(self) -> dict[str, str | Secret]:
        settings = self.settings
        return {
            "x-auth-app-id": settings.app_id,
            "x-auth-app-hash": Secret(hash_of(settings.app_id, settings.app_secret.reveal())),
        }

    async def turn(self, until: float, dial_state: DialState | None = None) -> None:
        """Wait until our own limit lets a request through. Raises: RateLimited when that is after *until*."""
        seconds = await self.limit.wait(until=until)
        if seconds is not None:
            raise RateLimited(
                "Too many requests wait for requests_per_second: ask less often, or set it higher",
                account=self.account.name,
                origin=Origin.GATEWAY,
                dial_state=dial_state,
                retry_after=seconds,
            )

    async def ask(self, path: str, params: Sequence[tuple[str, str]]) -> Response:
        """Send a GET with its hash, of exactly what is sent; again, where the vendor's limit is met."""
        settings = self.settings
        found = hash_of(settings.app_id, settings.app_secret.reveal(), params, settings.hash_order)
        sent = [("appId", settings.app_id), *params, ("hash", found)]
        deadline = time.monotonic() + self.account.timeouts.read
        pauses = delays(1.0, 16.0)
        for attempt in range(1, ATTEMPTS + 1):
            await self.turn(deadline)
            try:
                return await self.http.send("GET", path, params=sent)
            except GatewayError as error:
                error.message = error.message.replace(found, "********")  # whoever has it may ask the same again
                error.args = (error.message,)
                if attempt == ATTEMPTS or not isinstance(error, RateLimited):
                    raise
                pause = next(pauses) if error.retry_after is None else error.retry_after
                if not await self.limit.rest(pause, until=deadline):
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def token(self) -> Secret:
        """Ask for a token of the event socket (004:8)."""
        await self.turn(time.monotonic() + self.account.timeouts.read)
        response = await self.http.send("POST", "/oapi/v1/voice/auth_token", headers=self.credentials())
        data = response.data.get("data", response.data) if isinstance(response.data, dict) else response.data
        return Secret(response.parse(wire.TokenRow, data).value)
