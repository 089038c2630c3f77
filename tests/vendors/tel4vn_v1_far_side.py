"""The far side of TEL4VN v1: its simulator, as the suite asks for it."""

import contextlib

import aiohttp
from gateway_contracts.testing import Trouble
from gateway_simulators import Fault, LiveClock
from gateway_simulators.faults import FaultKind
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

from tests.wire import Wire

PATHS = {
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
    "get_extension": "/v1/tenant/*/extension/*",
}
KINDS = {
    Trouble.REPLY_LOST: FaultKind.DROP,
    Trouble.NOT_DONE: FaultKind.DROP_BEFORE,
    Trouble.ERROR_AFTER: FaultKind.ERROR_AFTER,
    Trouble.WEB_PAGE: FaultKind.HTML,
    Trouble.HALF_JSON: FaultKind.HALF_JSON,
    Trouble.HALF_BODY: FaultKind.TRUNCATE,
    Trouble.WRONG_TYPES: FaultKind.WRONG_TYPES,
}


class Tel4vnV1FarSide:
    vendor = "tel4vn-v1"
    extension = "101"
    second_extension = "102"
    unregistered_extension = "104"
    number = "0899888999"
    hotline = "19001919"

    def __init__(self, pbx: Tel4vnV1Simulator) -> None:
        self.pbx = pbx
        # Everybody picks up at once and talks until told otherwise, so nothing here waits for a clock.
        pbx.behaviour.ring_seconds = pbx.behaviour.number_ring_seconds = 0
        pbx.behaviour.talk_seconds = pbx.behaviour.park_seconds = 3600
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

    async def reset(self):
        self.pbx.faults.clear()
        for call_id in list(self.pbx.calls):
            await self.pbx.hang_up(call_id)

    async def live_call(self):
        call = self.pbx.phones.dial({"ext": self.extension, "phone": self.number})
        await self.pbx.until(lambda: call.phase == "answered")
        return call.call_id

    async def finished_call(self):
        return self.pbx.add_record(extension=self.extension, to_number=self.number)["id"].strip()

    async def agent(self):
        return self.extension

    async def hook(self):
        return self.pbx.webhooks.create("hangup", "https://crm.example.vn/old-hooks", "").hook_id

    async def tenant(self):
        if not self._tenant:
            self._tenant = "test01"
            headers = {"Authorization": f"Bearer {self.pbx.tenant_secret}"}
            async with aiohttp.ClientSession(self.pbx.url, headers=headers) as session:
                await session.post("/v1/tenant", json={"tenant_id": self._tenant})
                path = f"/v1/tenant/{self._tenant}/extension"
                await session.post(path, json={"ext": self.extension, "pwd": "123Abc!@#"})
        return self._tenant

    def rang(self):
        return [each.extension for each in self.pbx.originated]

    def steered(self):
        return [each.operation for each in self.pbx.rung]

    def received(self):
        return sum(not request.path.startswith("/v1/auth") for request in self.pbx.requests)

    def make_trouble(self, operation, trouble):
        self.pbx.faults.add(Fault(PATHS[operation], kind=KINDS[trouble]))

    def refuse_tokens(self):
        self.pbx.expire_tokens()
