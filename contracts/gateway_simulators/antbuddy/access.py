"""The application that AntBuddy lets in: its id, and hashes made with its secret (004:17, 004:74, 004:117)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.clock import Clock


@attrs.define(eq=False, kw_only=True)
class Access:
    """The one application of the vendor, and the socket tokens it got."""

    clock: Clock
    behaviour: Behaviour
    app_id: str
    app_secret: str
    tokens: dict[str, datetime] = attrs.field(factory=dict, init=False)
    token_requests: int = attrs.field(default=0, init=False)

    def admits_headers(self, headers: Mapping[str, str]) -> bool:
        """Judge a POST: sha256(appId + appSecret)."""
        expected = _sha256(self.app_id + self.app_secret)
        return headers.get("x-auth-app-id") == self.app_id and hmac.compare_digest(
            headers.get("x-auth-app-hash", "").encode(), expected.encode()
        )

    def admits_query(self, query: Mapping[str, str], names: Sequence[str]) -> bool:
        """Judge a GET: the values of *names* that are there, with the id in front and the secret behind."""
        values = "".join(query[name] for name in names if name in query)
        last = self.behaviour.hash_order == "app_last"
        text = values + self.app_id if last else self.app_id + values
        expected = _sha256(text + self.app_secret)
        return query.get("appId") == self.app_id and hmac.compare_digest(
            query.get("hash", "").encode(), expected.encode()
        )

    def issue(self) -> dict[str, Any]:
        """Make a socket token; earlier ones live on."""
        self.token_requests += 1
        token = secrets.token_hex(16)
        self.tokens[token] = self.clock.now() + timedelta(seconds=self.behaviour.token_seconds)
        return {"value": token, "expire": int(self.behaviour.token_seconds)}

    def accepts(self, token: object) -> bool:
        """Say whether a socket token is alive."""
        expires = self.tokens.get(token) if isinstance(token, str) else None
        return expires is not None and self.clock.now() < expires

    def signature(self, path: str, expires: int) -> str:
        """Sign the address of a recording."""
        return hmac.new(self.app_secret.encode(), f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()[:28]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
