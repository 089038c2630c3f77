"""The far side of AntBuddy: its simulator, as the suite asks for it."""

import contextlib
import hashlib
import itertools
import json
from datetime import timedelta
from typing import ClassVar

from gateway_contracts import Direction, Outcome
from gateway_contracts.testing import Oddity, Paging
from gateway_simulators import LiveClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.audio import wav

from tests.vendors.troubles import fault_of
from tests.wire import Wire, as_text

PATHS = {
    "start_call": "/oapi/v1/call/click-to-call/*",
    "list_records": "/oapi/v1/call/histories",
    "get_record": "/oapi/v1/call/histories",
    "locate_recording": "/oapi/v1/call/play_recording",
    "fetch_recording": "/nkrecord/*",
}

OUTCOMES = {  # 004:91
    "SUCCESS": Outcome.ANSWERED,
    "IVR": Outcome.NO_ANSWER,
    "CANCELLED": Outcome.CANCELLED,
    "BUSY": Outcome.BUSY,
    "UNSUCCESS": Outcome.FAILED,
}
DIRECTIONS = {"from_ab": Direction.OUTBOUND, "to_ab": Direction.INBOUND, "one_one": Direction.INTERNAL}  # 004:88-90


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


def counted(pauses):
    """Pauses of no time, which are counted in *pauses*, from 1 on whenever they begin anew."""

    def begin():
        for attempt in itertools.count(1):
            pauses.append(attempt)
            yield 0.0

    return begin


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
    newest_first = True
    tells_call_id = False
    network = True
    proofs: ClassVar = {"start_call": {400, 503}}
    successes: ClassVar = {"start_call": {200}}  # 004:51

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
        self._now = pbx.clock.now().replace(microsecond=0)
        self._ages = itertools.count(60)
        self._rows = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls):
        """A far side of its own; in the end all it received must fit the wire document."""
        async with AntbuddySimulator(clock=LiveClock()) as pbx:
            yield cls(pbx)
            check_requests(pbx)

    async def reset(self):
        self.pbx.faults.clear()
        self.pbx.behaviour.paging, self.pbx.behaviour.page_rows = "document", 0
        for call_id in list(self.pbx.calls):
            await self.pbx.hang_up(call_id)

    async def live_call(self):
        call = self.pbx.phones.dial(self.pbx.phones.devices[self.extension], self.number)
        await self.pbx.until(lambda: call.phase == "answered")
        return call.call_id

    async def end_call(self, call_id):
        await self.pbx.hang_up(call_id)
        return record_id_of(self.pbx.records[0])

    async def finished_call(
        self, *, started_at=None, seconds=50, extension=None, number=None, outcome="SUCCESS", direction="from_ab"
    ):
        user = self.pbx.devices[extension or self.extension]["sip_user"]
        ours = {"number": user, "type": "user", "username": user}
        sides = [ours, {"number": number or self.number, "type": "realnumber"}]
        inbound = direction == "to_ab"
        caller, callee = reversed(sides) if inbound else sides
        row = self.pbx.add_record(
            unix_timestamp=started_at or self._now - timedelta(seconds=next(self._ages)),
            duration_seconds=seconds,
            billing_seconds=max(seconds - 7, 0) if outcome == "SUCCESS" else 0,
            caller=caller,
            callee=callee,
            did_number=self.hotline if inbound else None,
            status_detail=outcome,
            direction="from_ab" if direction == "one_one" else direction,
            **{"class": "one_one" if direction == "one_one" else "trunking"},
            **({} if outcome == "SUCCESS" else {"recording": ""}),
        )
        record_id = record_id_of(row)
        self._rows[record_id] = row
        return record_id

    async def spoil(self, record_id, oddity):
        changes = {
            Oddity.NO_TIME: ("unix_timestamp", "yesterday"),
            Oddity.NEGATIVE: ("duration_seconds", -1),
            Oddity.HUGE: ("billing_seconds", 2**63),
            Oddity.LIST: ("class", ["trunking"]),
            Oddity.HALF: ("did_number", "\ud83d"),
        }
        name, value = changes.get(oddity, (None, None))  # it gives neither ids nor more than one time
        if name is not None:
            self._rows[record_id][name] = value
        return name

    def outcome_words(self):
        return OUTCOMES

    def direction_words(self):
        return DIRECTIONS

    def recording(self, record_id):
        row = self._rows[record_id]
        return wav(row["recording"], row["billing_seconds"])

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

    def requests(self):
        return [as_text(each) for each in self.pbx.requests if not each.path.endswith("/auth_token")]

    def make_trouble(self, operation, trouble, *, lasts=False):
        self.pbx.faults.add(fault_of(PATHS[operation], trouble, lasts=lasts))

    def page_by(self, operation, paging):
        """By the number (004:71). A vendor that overlooks it overlooks `limit` too, and gives 20 rows or all."""
        ways = {Paging.PAGE: "document", Paging.FIRST_PAGE: "first_page", Paging.EVERYTHING: "everything"}
        if paging in ways:
            self.pbx.behaviour.paging, self.pbx.behaviour.page_rows = ways[paging], 20
        return paging in ways

    def held(self):
        return self.pbx.faults.held

    def refuse_tokens(self):
        self.pbx.expire_tokens()

    def token_requests(self):
        return self.pbx.token_requests

    def secrets(self):
        passwords = {device["sip_password"] for device in self.pbx.devices.values()}
        frames = [json.loads(frame[4:]) for frame in self.pbx.socket_frames if frame.startswith("5:::")]
        tokens = {frame["args"][0]["auth_token"] for frame in frames}
        hashes = {dict(request.query).get("hash") for request in self.pbx.requests} - {None}
        return {self.pbx.app_secret, self.hash_of(), *passwords, *tokens, *hashes}

    def queue(self, queue_code):
        return None

    def tenant_enabled(self, tenant_id):
        return False

    async def webhooks(self):
        return []

    async def happens(self, *, cut=False):
        await self.pbx.until(lambda: self.pbx.subscribers)
        self.pbx.behaviour.ring_seconds = 3600
        call_id = self.pbx.incoming(self.number, extension=self.extension)
        if cut:
            await self.pbx.cut_sockets()
            await self.pbx.until(lambda: self.pbx.subscribers)
        await self.pbx.answer(call_id)
        await self.pbx.hang_up(call_id)
        self.pbx.behaviour.ring_seconds = 0
        return call_id
