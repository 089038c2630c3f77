"""The far side of TEL4VN v2: its simulator, as the suite asks for it."""

import contextlib
from typing import ClassVar

from gateway_contracts import Outcome
from gateway_contracts.testing import Queue
from gateway_simulators import LiveClock
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator

from tests.vendors.tel4vn_far_side import PROOFS, Tel4vnFarSide
from tests.wire import Wire


class Tel4vnV2FarSide(Tel4vnFarSide):
    vendor = "tel4vn-v2"
    paths: ClassVar = {
        "start_call": "/v1/click2call*",
        "list_calls": "/v2/call",
        "transfer_call": "/v2/call/*/transfer",
        "listen_call": "/v2/call/*/listen",
        "whisper_call": "/v2/call/*/whisper",
        "barge_call": "/v2/call/*/barge",
        "list_records": "/v2/cdr",
        "get_record": "/v2/cdr/*",
        "locate_recording": "/v2/cdr/*",
        "list_hooks": "/v1/event",
        "get_agent": "/v2/user/*/status",
        "start_queue": "/v2/autocall/queue/start",
        "list_customers": "/v2/customer",
        "get_customer": "/v2/customer/*",
        "fetch_recording": "/recording/*",
        "create_hook": "/v1/event",
        "delete_hook": "/v1/event/*",
        "load_queue": "/v2/autocall/queue",
        "stop_queue": "/v2/autocall/queue/stop",
        "delete_queue": "/v2/autocall/queue/delete",
        "block_customers": "/v2/autocall/queue/dnc",
        "create_customer": "/v2/customer",
    }
    proofs: ClassVar = {
        **PROOFS,
        "start_queue": {404, 503},
        **{name: {503} for name in ("load_queue", "stop_queue", "delete_queue", "block_customers", "create_customer")},
    }
    outcomes: ClassVar = {  # 002:320-325, in capitals as in the sample of 002:353
        "ANSWERED": Outcome.ANSWERED,
        "BUSY": Outcome.BUSY,
        "NO-ANSWERED": Outcome.NO_ANSWER,
        "CANCEL": Outcome.CANCELLED,
        "NOT-AVAILABLE": Outcome.UNREACHABLE,
        "INVALID": Outcome.FAILED,
    }

    def __init__(self, pbx: Tel4vnV2Simulator) -> None:
        super().__init__(pbx)
        pbx.campaigns.add("C1")
        pbx.add_customer(customer_id="KH01", campaign_id="C1")
        self._add_queue()
        self.settings = {"base_url": pbx.url, "username": pbx.username, "password": pbx.password}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls):
        """A far side of its own; in the end all it received must fit the wire document."""
        async with Tel4vnV2Simulator(clock=LiveClock()) as pbx:
            yield cls(pbx)
            Wire.load(cls.vendor).check_requests(pbx.requests)

    async def reset(self):
        await super().reset()
        self._add_queue()

    def _add_queue(self):
        self.pbx.add_queue("autocall", "Q1", {"KH01": [self.number]})

    def queue(self, queue_code):
        found = self.pbx.queues.get(("autocall", queue_code))
        if found is None:
            return None
        return Queue(running=found.running, customers=frozenset(found.customers), blocked=frozenset(found.blocked))

    async def agent(self):
        return self.pbx.phones.extensions[self.extension].username
