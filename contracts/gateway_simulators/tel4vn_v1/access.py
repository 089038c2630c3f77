"""The account and its tokens as v1 writes them, and the tenants that the vendor's own staff may make."""

from __future__ import annotations

import secrets
import time
from typing import Any
from uuid import uuid4

import attrs

from gateway_simulators.tel4vn.access import Access
from gateway_simulators.tel4vn_v1.behaviour import Behaviour


def account(access: Access) -> dict[str, Any]:
    """Describe the account as the login does; the user's name comes back without its domain [003:47]."""
    return {
        "user_uuid": access.user_id,
        "domain_uuid": access.domain_id,
        "username": access.username.partition("@")[0],
        "api_key": access.api_key,
        "user_enabled": "true",
        "level": "admin",
    }


def token(access: Access, behaviour: Behaviour) -> dict[str, Any]:
    """Give out a new token in the shape that the behaviour names."""
    life = behaviour.token_seconds
    text = access.issue(life)
    if behaviour.token_shape == "expired_in":
        return {"expired_in": int(life), "token": text, "token_type": "Bearer", "user_id": access.user_id}
    # Clients compare an epoch with the real time, not with the clock of this PBX.
    return {"expired": int(time.time() + life), "token": text, "user_id": access.user_id}


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
