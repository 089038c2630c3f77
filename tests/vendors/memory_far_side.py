"""The far side of the memory plugin: the adapter itself, since it is the PBX, and no network lies between."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from gateway_contracts import CallState, Direction, Outcome
from gateway_contracts.testing import NoNetwork
from gateway_memory.adapter import second_of_silence


class MemoryFarSide:
    """*memory* is the adapter, once the gateway has opened it."""

    vendor = "memory"
    extension = "101"
    second_extension = "102"
    unregistered_extension = "104"
    number = "0899888999"
    hotline = "19001919"
    newest_first = True
    tells_call_id = True
    network = False
    proofs: ClassVar = {}

    def __init__(self):
        self.settings = {"extensions": [self.extension, self.second_extension, "103"]}
        self.memory = None
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._ages = itertools.count(60)
        self._requests = []

    async def reset(self):
        self._note()
        for call_id in list(self.memory.calls):
            self.memory.end_call(call_id)

    async def live_call(self):
        started = await self.memory.start_call(extension=self.extension, number=self.number, auto_answer=True)
        assert CallState.ANSWERED is self.memory.calls[started.call_id].state
        del self.memory.told[-1]  # nobody asked for it
        return started.call_id

    async def end_call(self, call_id):
        self._note()
        return self.memory.end_call(call_id).record_id

    async def finished_call(self, *, started_at=None, seconds=10, extension=None, number=None, **words):
        record = self.memory.add_record(
            started_at=started_at or self._now - timedelta(seconds=next(self._ages)),
            seconds=seconds,
            extension=extension or self.extension,
            number=number or self.number,
            **words,
        )
        return record.record_id

    def outcome_words(self):
        return {each.value: each for each in Outcome}

    def direction_words(self):
        return {each.value: each for each in Direction}

    def recording(self, record_id):
        return second_of_silence()

    async def agent(self):
        return "none"

    async def hook(self):
        return "none"

    async def tenant(self):
        return "none"

    def rang(self):
        return [whom for what, _, whom in self.memory.told if what == "start_call"]

    def steered(self):
        return [what for what, _, _ in self.memory.told if what != "start_call"]

    def requests(self):
        self._note()
        return self._requests

    def _note(self):
        """Write down what reached a phone, with what the call was then; no other operation reaches anything."""
        for what, call_id, whom in self.memory.told[len(self._requests) :]:
            shown = call_id
            if what == "start_call":
                call = self.memory.calls[call_id]
                shown = f"{call.from_number} {call.to_number} {call.state}"
            self._requests.append(f"{what} {whom} {shown}")

    def make_trouble(self, operation, trouble, *, lasts=False):
        raise NoNetwork

    def held(self):
        return 0

    def token_requests(self):
        return 0

    def secrets(self):
        return ()

    def queue(self, queue_code):
        return None

    def tenant_enabled(self, tenant_id):
        return False

    async def webhooks(self):
        return ()

    async def happens(self, *, cut=False):
        return None

    def refuse_tokens(self):
        raise NoNetwork
