"""What the far sides of TEL4VN's products have in common: their simulators' telephones and troubles."""

from typing import ClassVar

from gateway_contracts.testing import Trouble
from gateway_simulators import Fault
from gateway_simulators.faults import FaultKind

KINDS = {
    Trouble.REPLY_LOST: FaultKind.DROP,
    Trouble.NOT_DONE: FaultKind.DROP_BEFORE,
    Trouble.ERROR_AFTER: FaultKind.ERROR_AFTER,
    Trouble.WEB_PAGE: FaultKind.HTML,
    Trouble.HALF_JSON: FaultKind.HALF_JSON,
    Trouble.HALF_BODY: FaultKind.TRUNCATE,
    Trouble.WRONG_TYPES: FaultKind.WRONG_TYPES,
}


class Tel4vnFarSide:
    """A simulator as the suite asks for it. *paths* are those of its operations, for troubles."""

    paths: ClassVar[dict[str, str]]
    extension = "101"
    second_extension = "102"
    unregistered_extension = "104"
    number = "0899888999"
    hotline = "19001919"

    def __init__(self, pbx) -> None:
        self.pbx = pbx
        # Everybody picks up at once and talks until told otherwise, so nothing here waits for a clock.
        pbx.behaviour.ring_seconds = pbx.behaviour.number_ring_seconds = 0
        pbx.behaviour.talk_seconds = pbx.behaviour.park_seconds = 3600

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

    async def hook(self):
        return self.pbx.webhooks.create("hangup", "https://crm.example.vn/old-hooks", "").hook_id

    async def tenant(self):
        return ""

    def rang(self):
        return [each.extension for each in self.pbx.originated]

    def steered(self):
        return [each.operation for each in self.pbx.rung]

    def received(self):
        return sum(not request.path.startswith(("/v1/auth", "/v2/auth")) for request in self.pbx.requests)

    def make_trouble(self, operation, trouble):
        self.pbx.faults.add(Fault(self.paths[operation], kind=KINDS[trouble]))

    def refuse_tokens(self):
        self.pbx.expire_tokens()
