"""The far side of Acme: the fake PBX, as the suite asks for it."""

from gateway_contracts.testing import Trouble
from gateway_simulators import Fault, FaultKind

PATHS = {
    "start_call": "/api/dial",
    "list_calls": "/api/calls",
    "transfer_call": "/api/calls/*/transfer",
    "listen_call": "/api/calls/*/join",
    "whisper_call": "/api/calls/*/join",
    "barge_call": "/api/calls/*/join",
    "list_records": "/api/history",
    "get_record": "/api/history/*",
}
FAULTS = {
    Trouble.REPLY_LOST: {"kind": FaultKind.DROP},
    Trouble.NOT_DONE: {"kind": FaultKind.DROP_BEFORE},
    Trouble.ERROR_AFTER: {"kind": FaultKind.ERROR_AFTER},
    Trouble.WEB_PAGE: {"kind": FaultKind.HTML},
    Trouble.HALF_JSON: {"kind": FaultKind.HALF_JSON},  # half of the XML, here
    Trouble.HALF_BODY: {"kind": FaultKind.TRUNCATE},
    Trouble.WRONG_TYPES: {
        "kind": FaultKind.REPLACE,
        "body": '<calls><call id="one" direction="out" state="talking" started="yesterday"/></calls>',
    },
}


class AcmeFarSide:
    vendor = "acme"
    extension = "101"
    second_extension = "102"
    unregistered_extension = "104"
    number = "0899098899"
    hotline = "1900"

    def __init__(self, pbx):
        self.pbx = pbx
        self.settings = {"base_url": pbx.url, "username": pbx.username, "password": pbx.password}

    async def reset(self):
        self.pbx.faults.clear()
        self.pbx.calls.clear()

    async def live_call(self):
        return str(self.pbx.live_call())

    async def finished_call(self):
        return str(self.pbx.finished_call())

    async def agent(self):
        return self.extension

    async def hook(self):
        return "none"

    async def tenant(self):
        return "none"

    def rang(self):
        return [each["agent"] for each in self.pbx.rang]

    def steered(self):
        return [each["what"] for each in self.pbx.steered]

    def received(self):
        return len(self.pbx.requests)

    def make_trouble(self, operation, trouble):
        self.pbx.faults.add(Fault(PATHS[operation], **FAULTS[trouble]))

    def refuse_tokens(self):
        """Basic authentication has none."""
