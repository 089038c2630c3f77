"""The one account that a PBX lets in, and the tokens that the account gets."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import uuid4

import attrs

from gateway_simulators.clock import Clock


@attrs.define(eq=False, kw_only=True)
class Access:
    """The one account of the PBX and its tokens, each with the moment at which it expires on the PBX's clock."""

    clock: Clock
    username: str
    password: str
    api_key: str
    user_id: str = attrs.field(factory=lambda: str(uuid4()), init=False)
    domain_id: str = attrs.field(factory=lambda: str(uuid4()), init=False)
    tokens: dict[str, datetime] = attrs.field(factory=dict, init=False)
    token_requests: int = attrs.field(default=0, init=False)

    def issue(self, seconds: float) -> str:
        """Make a new token that lives for *seconds*; earlier ones live on."""
        self.token_requests += 1
        token = f"{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(12)}"
        self.tokens[token] = self.clock.now() + timedelta(seconds=seconds)
        return token

    def accepts(self, token: str) -> bool:
        """Say whether a token is alive."""
        expires = self.tokens.get(token)
        return expires is not None and self.clock.now() < expires
