"""The far side of Acme: the fake PBX, as the suite asks for it."""

import itertools
import time

from gateway_contracts import Direction, Outcome
from gateway_contracts.testing import Oddity, Paging, Trouble
from gateway_simulators import Fault, FaultKind
from gateway_simulators.audio import wav

PATHS = {
    "start_call": "/api/dial",
    "list_calls": "/api/calls",
    "transfer_call": "/api/calls/*/transfer",
    "listen_call": "/api/calls/*/join",
    "whisper_call": "/api/calls/*/join",
    "barge_call": "/api/calls/*/join",
    "list_records": "/api/history",
    "get_record": "/api/history/*",
    "fetch_recording": "/api/history/*/audio",
}
STEERED = {"transfer": "transfer_call", "listen": "listen_call", "whisper": "whisper_call", "talk": "barge_call"}
FAULTS = {
    Trouble.REPLY_LOST: {"kind": FaultKind.DROP},
    Trouble.NOT_DONE: {"kind": FaultKind.DROP_BEFORE},
    Trouble.ERROR_AFTER: {"kind": FaultKind.ERROR_AFTER},
    Trouble.WEB_PAGE: {"kind": FaultKind.HTML},
    Trouble.HALF_JSON: {"kind": FaultKind.HALF_JSON},  # half of the XML, here
    Trouble.HALF_BODY: {"kind": FaultKind.TRUNCATE},
    Trouble.WRONG_TYPES: {
        "kind": FaultKind.REPLACE,
        "body": "<calls><call/></calls>",
    },
    Trouble.SLOW: {"kind": FaultKind.HOLD, "execute": True},
}

OUTCOMES = {  # chapter 4
    "ANSWERED": Outcome.ANSWERED,
    "BUSY": Outcome.BUSY,
    "NOANSWER": Outcome.NO_ANSWER,
    "CANCELLED": Outcome.CANCELLED,
    "FAILED": Outcome.FAILED,
}
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND, "local": Direction.INTERNAL}


class AcmeFarSide:
    vendor = "acme"
    extension = "101"
    second_extension = "102"
    unregistered_extension = "104"
    number = "0899098899"
    hotline = "1900"
    newest_first = True
    tells_call_id = True
    network = True

    def __init__(self, pbx):
        self.pbx = pbx
        self.proofs = {}  # Acme documents words and no statuses
        self.settings = {"base_url": pbx.url, "username": pbx.username, "password": pbx.password}
        self._now = int(time.time())
        self._ages = itertools.count(60)

    async def reset(self):
        self.pbx.faults.clear()
        self.pbx.pages_by = "scroll"
        self.pbx.calls.clear()

    async def live_call(self):
        return str(self.pbx.live_call())

    async def end_call(self, call_id):
        return str(self.pbx.hang_up(int(call_id)))

    async def finished_call(
        self, *, started_at=None, seconds=8, extension=None, number=None, outcome="ANSWERED", direction="out"
    ):
        started = 1000 * int(started_at.timestamp() if started_at else self._now - next(self._ages))
        answered = outcome == "ANSWERED"
        return str(
            self.pbx.finished_call(
                extension or self.extension,
                number or self.number,
                started=started,
                answered=started + 1000 * min(seconds, 5) if answered else None,
                ended=started + 1000 * seconds,
                audio="yes" if answered else "no",
                result=outcome,
                direction=direction,
            )
        )

    async def spoil(self, record_id, oddity):
        odd = {
            Oddity.NO_ID: {"id": ""},
            Oddity.NO_TIME: {"started": "-", "ended": "-"},
            Oddity.BAD_TIME: {"ended": "-1"},
        }.get(oddity, {})
        self.pbx.spoilt[int(record_id)] = odd
        return next(iter(odd), None)  # lengths are not told, and XML has no lists

    def outcome_words(self):
        return OUTCOMES

    def direction_words(self):
        return DIRECTIONS

    def recording(self, record_id):
        return wav(record_id, 3)

    async def agent(self):
        return self.extension

    async def hook(self):
        return "none"

    async def tenant(self):
        return "none"

    def rang(self):
        return [each["agent"] for each in self.pbx.rang]

    def steered(self):
        return [STEERED[each.get("mode", each["what"])] for each in self.pbx.steered]

    def requests(self):
        return self.pbx.heard

    def make_trouble(self, operation, trouble, *, lasts=False):
        fault = FAULTS.get(trouble)
        if fault is None:
            fault = {"kind": FaultKind.REFUSE, "status": trouble.status, "headers": trouble.headers}
        self.pbx.faults.add(Fault(PATHS[operation], times=None if lasts else 1, **fault))

    def page_by(self, operation, paging):
        self.pbx.pages_by = paging.value
        return paging not in {Paging.PAGE, Paging.OFFSET}

    def held(self):
        return self.pbx.faults.held

    def refuse_tokens(self):
        """Basic authentication has none."""

    def token_requests(self):
        return 0

    def secrets(self):
        arrived = {request.headers.get("Authorization") for request in self.pbx.requests} - {None}
        return {self.pbx.password, *(text.removeprefix("Basic ") for text in arrived)}

    def queue(self, queue_code):
        return None

    def tenant_enabled(self, tenant_id):
        return False

    async def webhooks(self):
        return []

    async def happens(self, *, cut=False):
        """Acme keeps its events: what happens without anybody listening comes later."""
        await self.pbx.followed()
        call = self.pbx.live_call()
        await self.pbx.happens("ring", call)
        if cut:
            self.pbx.faults.add(Fault("/api/events", kind=FaultKind.DROP_BEFORE, times=3))  # a request tries thrice
            self.pbx.cut()
        await self.pbx.happens("answer", call)
        await self.pbx.happens("hangup", call, result="ANSWERED")
        del self.pbx.calls[call]
        return str(call)
