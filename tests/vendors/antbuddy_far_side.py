"""The far side of AntBuddy: its simulator, as the suite asks for it."""

import contextlib
import hashlib
import itertools

from gateway_contracts.testing import Trouble
from gateway_simulators import Fault, LiveClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.faults import FaultKind

from tests.wire import Wire

PATHS = {
    "start_call": "/oapi/v1/call/click-to-call/*",
    "list_records": "/oapi/v1/call/histories",
    "get_record": "/oapi/v1/call/histories",
    "locate_recording": "/oapi/v1/call/play_recording",
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


def record_id_of(row, ordinal=1):
    """The id that docs/antbuddy.md promises for a row of the history."""
    parts = [row["unix_timestamp"]]
    for party in (row["caller"], row["callee"]):
        parts += [party["number"], party.get("username")]
    parts += [row["class"], row["direction"], row["did_number"], row["status_detail"]]
    parts += [row["duration_seconds"], row["billing_seconds"]]
    text = "\n".join("" if part is None else str(part) for part in parts)
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    return f"{row['unix_timestamp']}-{row['duration_seconds']}-{digest}" + (f"-{ordinal}" if ordinal > 1 else "")


def check_requests(pbx):
    """Everything that the simulator received must fit the wire document; recordings are plain files."""
    requests = [request for request in pbx.requests if not request.path.startswith("/nkrecord/")]
    Wire.load("antbuddy").check_requests(requests)


class AntbuddyFarSide:
    vendor = "antbuddy"
    extension = "101"
    second_extension = "102"
    unregistered_extension = "104"
    number = "0899888999"
    hotline = "02873019555"

    def hash_of(self, *values: str) -> str:
        """The hash that the document asks for around *values*, in the order in which they are sent."""
        return hashlib.sha256("".join([self.pbx.app_id, *values, self.pbx.app_secret]).encode()).hexdigest()

    def signed(self, method: str, query: dict[str, str]) -> dict[str, str]:
        """*query* as it must arrive: signed in itself, but for a POST, which is signed in its headers."""
        if method == "POST":
            return query
        return {"appId": self.pbx.app_id, **query, "hash": self.hash_of(*query.values())}

    def __init__(self, pbx: AntbuddySimulator) -> None:
        self.pbx = pbx
        # Everybody picks up at once and talks until told otherwise, so nothing here waits for a clock.
        pbx.behaviour.ring_seconds = pbx.behaviour.number_ring_seconds = 0
        pbx.behaviour.talk_seconds = 3600
        self.settings = {
            "base_url": pbx.url,
            "socket_url": pbx.socket_url,
            "app_id": pbx.app_id,
            "app_secret": pbx.app_secret,
            "account_id": pbx.account_id,
            "devices": pbx.devices,
        }
        self._ages = itertools.count(60)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls):
        """A far side of its own; in the end all it received must fit the wire document."""
        async with AntbuddySimulator(clock=LiveClock()) as pbx:
            yield cls(pbx)
            check_requests(pbx)

    async def reset(self):
        self.pbx.faults.clear()
        for call_id in list(self.pbx.calls):
            await self.pbx.hang_up(call_id)

    async def live_call(self):
        call = self.pbx.phones.dial(self.pbx.phones.devices[self.extension], self.number)
        await self.pbx.until(lambda: call.phase == "answered")
        return call.call_id

    async def finished_call(self):
        row = self.pbx.add_record(unix_timestamp=int(self.pbx.clock.now().timestamp()) - next(self._ages))
        return record_id_of(row)

    async def agent(self):
        return self.extension

    async def hook(self):
        return "none"

    async def tenant(self):
        return "none"

    def rang(self):
        return [each.extension for each in self.pbx.originated]

    def steered(self):
        return []

    def received(self):
        return sum(not request.path.endswith("/auth_token") for request in self.pbx.requests)

    def make_trouble(self, operation, trouble):
        self.pbx.faults.add(Fault(PATHS[operation], kind=KINDS[trouble]))

    def refuse_tokens(self):
        self.pbx.expire_tokens()
