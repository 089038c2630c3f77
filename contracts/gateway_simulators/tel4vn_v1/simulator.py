"""The v1 PBX that tests and demos hold."""

from __future__ import annotations

from typing import Any

import attrs

from gateway_simulators.clock import Clock, LiveClock
from gateway_simulators.tel4vn.access import Access
from gateway_simulators.tel4vn.simulator import PbxSimulator
from gateway_simulators.tel4vn_v1.access import Tenant
from gateway_simulators.tel4vn_v1.behaviour import Behaviour
from gateway_simulators.tel4vn_v1.server import Server

PASSWORD = "admin123"
TENANT_SECRET = "tenant-secret-of-the-simulator"


class Tel4vnV1Simulator(PbxSimulator):
    """A TEL4VN v1 PBX on a socket of its own, with extensions 101, 102 and 103 registered, and 104 not.

    async with Tel4vnV1Simulator(clock=ManualClock()) as pbx:
        call_id = pbx.incoming("0899888999")
        await pbx.answer(call_id)
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        domain: str = "test.tel4vn.com",
        username: str = "admin@test.tel4vn.com",
        password: str = PASSWORD,
        api_key: str = "5294243b-1ace-45a9-b2ef-d66222cb1729",
        tenant_secret: str = TENANT_SECRET,
    ) -> None:
        clock = clock if clock is not None else LiveClock()
        self.behaviour = Behaviour()
        access = Access(clock=clock, username=username, password=password, api_key=api_key)
        super().__init__(host=host, port=port, domain=domain, behaviour=self.behaviour, access=access)
        self._server: Server = Server(
            **self.parts, behaviour=self.behaviour, tenant_secret=tenant_secret, url=lambda: self.url
        )

    @property
    def tenant_secret(self) -> str:
        """The SECRET_TOKEN of the tenant operations; good for nothing else."""
        return self._server.tenant_secret

    @property
    def tenants(self) -> dict[str, Tenant]:
        """The tenants by id, with the passwords of their extensions."""
        return self._server.tenants

    def state(self) -> dict[str, Any]:
        state = super().state()
        return {
            **state,
            "credentials": {**state["credentials"], "tenant_secret": self.tenant_secret},
            "tenants": [attrs.asdict(tenant) for tenant in self.tenants.values()],
        }
