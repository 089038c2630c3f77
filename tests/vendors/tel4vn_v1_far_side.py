"""The far side of TEL4VN v1: its simulator, as the suite asks for it."""

import contextlib
from typing import ClassVar

import aiohttp
from gateway_contracts import Outcome
from gateway_simulators import LiveClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

from tests.vendors.tel4vn_far_side import PROOFS, Tel4vnFarSide
from tests.wire import Wire


class Tel4vnV1FarSide(Tel4vnFarSide):
    vendor = "tel4vn-v1"
    paths: ClassVar = {
        "start_call": "/v1/click2call*",
        "list_calls": "/v1/call",
        "transfer_call": "/v1/call/*/transfer",
        "listen_call": "/v1/call/*/listen",
        "whisper_call": "/v1/call/*/whisper",
        "barge_call": "/v1/call/*/barge",
        "park_call": "/v1/call/*/park",
        "list_records": "/v1/cdr",
        "get_record": "/v1/cdr/*",
        "locate_recording": "/v1/cdr/*",
        "list_hooks": "/v1/event",
        "list_call_ids": "/v1/report/call_id",
        "count_calls": "/v1/report/call_status",
        "list_agents": "/v1/monitor/agent",
        "get_agent": "/v1/monitor/agent",
        "get_tenant": "/v1/tenant/*",
        "fetch_recording": "/recording/*",
        "create_hook": "/v1/event",
        "delete_hook": "/v1/event/*",
        "create_tenant": "/v1/tenant",
        "update_tenant": "/v1/tenant/*",
        "create_extension": "/v1/tenant/*/extension",
        "get_extension": "/v1/tenant/*/extension/*",
    }
    outcomes: ClassVar = {  # 003:838-854, and two of the vendor's other pages
        "ANSWERED": Outcome.ANSWERED,
        "BUSY": Outcome.BUSY,
        "FAILED": Outcome.FAILED,
        "UNKNOWN": Outcome.UNKNOWN,
        "NO ANSWER": Outcome.NO_ANSWER,
        "CANCELLED": Outcome.CANCELLED,
        "not-available": Outcome.UNREACHABLE,
    }
    proofs: ClassVar = PROOFS

    def __init__(self, pbx: Tel4vnV1Simulator) -> None:
        super().__init__(pbx)
        self.settings = {
            "base_url": pbx.url,
            "username": pbx.username,
            "password": pbx.password,
            "tenant_secret": pbx.tenant_secret,
        }
        self._tenant = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls):
        """A far side of its own; in the end all it received must fit the wire document."""
        async with Tel4vnV1Simulator(clock=LiveClock()) as pbx:
            yield cls(pbx)
            Wire.load(cls.vendor).check_requests(pbx.requests)

    def secrets(self):
        return {*super().secrets(), self.pbx.tenant_secret}

    def tenant_enabled(self, tenant_id):
        tenant = self.pbx.tenants.get(tenant_id)
        return tenant is not None and tenant.enabled

    async def agent(self):
        return self.extension

    async def tenant(self):
        if not self._tenant:
            self._tenant = "test01"
            headers = {"Authorization": f"Bearer {self.pbx.tenant_secret}"}
            async with aiohttp.ClientSession(self.pbx.url, headers=headers) as session:
                await session.post("/v1/tenant", json={"tenant_id": self._tenant})
                path = f"/v1/tenant/{self._tenant}/extension"
                await session.post(path, json={"ext": self.extension, "pwd": "123Abc!@#"})
        return self._tenant
