"""Who may come in: accounts, the tokens they get, and the tenants that the vendor's own staff may make."""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs

from gateway_simulators.clock import Clock
from gateway_simulators.tel4vn_v1.behaviour import Behaviour


@attrs.define(eq=False, kw_only=True)
class Access:
    """The one account of the PBX and its tokens, each with the moment at which it expires on the PBX's clock."""

    clock: Clock
    behaviour: Behaviour
    username: str
    password: str
    api_key: str
    tenant_secret: str
    user_id: str = attrs.field(factory=lambda: str(uuid4()), init=False)
    domain_id: str = attrs.field(factory=lambda: str(uuid4()), init=False)
    tokens: dict[str, datetime] = attrs.field(factory=dict, init=False)
    token_requests: int = attrs.field(default=0, init=False)

    def account(self) -> dict[str, Any]:
        """Describe the account as the login does; the user's name comes back without its domain [003:47]."""
        return {
            "user_uuid": self.user_id,
            "domain_uuid": self.domain_id,
            "username": self.username.partition("@")[0],
            "api_key": self.api_key,
            "user_enabled": "true",
            "level": "admin",
        }

    def issue(self) -> dict[str, Any]:
        """Make a new token; earlier ones live on."""
        self.token_requests += 1
        token = f"{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(12)}"
        life = self.behaviour.token_seconds
        self.tokens[token] = self.clock.now() + timedelta(seconds=life)
        if self.behaviour.token_shape == "expired_in":
            return {"expired_in": int(life), "token": token, "token_type": "Bearer", "user_id": self.user_id}
        # Whoever reads an epoch compares it with the real time, whatever the clock of this PBX shows.
        return {"expired": int(time.time() + life), "token": token, "user_id": self.user_id}

    def accepts(self, token: str) -> bool:
        """Say whether a token is alive."""
        expires = self.tokens.get(token)
        return expires is not None and self.clock.now() < expires


@attrs.define(eq=False)
class Tenant:
    """A customer of the vendor, with the passwords of its extensions by number."""

    tenant_id: str
    tenant_uuid: str = attrs.field(factory=lambda: str(uuid4()), init=False)
    enabled: bool = attrs.field(default=True, init=False)
    extensions: dict[str, str] = attrs.field(factory=dict, init=False)
    user: dict[str, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.user = {
            "api_key": str(uuid4()),
            "enabled": "true",
            "group": "admin",
            "password": secrets.token_hex(6),
            "user_id": str(uuid4()),
            "username": "admin",
        }

    def described(self, url: str) -> dict[str, str]:
        """Describe the tenant of a PBX at *url* [003:1020-1027]."""
        return {
            "domain": f"{self.tenant_id}.tel4vn.com",
            "tenant_url": f"{url}/v1/tenant/{self.tenant_uuid}",
            "outbound_proxy": "pbx01.tel4vn.com:50061",
            "port": "50061",
            "transports": "both",
            "wss": "wss://pbx01.tel4vn.com",
        }
