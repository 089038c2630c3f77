"""The PBX that tests and demos hold, as far as the simulators of both products are the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import attrs
from aiohttp import web

from gateway_simulators.clock import moved_by_hand
from gateway_simulators.control_plane import ControlPlane
from gateway_simulators.faults import Faults
from gateway_simulators.received_requests import ReceivedRequest
from gateway_simulators.serving import serving
from gateway_simulators.tel4vn.access import Access
from gateway_simulators.tel4vn.behaviour import PbxBehaviour
from gateway_simulators.tel4vn.phones import Call, Extension, Originated, Phones, Rung
from gateway_simulators.tel4vn.record_filters import Row
from gateway_simulators.tel4vn.records import RecordBook
from gateway_simulators.tel4vn.server import PbxServer
from gateway_simulators.tel4vn.webhooks import SentWebhook, Webhooks
from gateway_simulators.watchers import Watchers

HOTLINE = "19001919"
RING_GROUP = "600"


class PbxSimulator:
    """A PBX on a socket of its own, with extensions 101, 102 and 103 registered, and 104 not.

    It obeys the vendor's wire document, makes the faults of `faults`, and is moved by its clock: with a `ManualClock`
    nothing happens until `advance`. Beside the vendor's operations it serves a control plane below `/_simulator/`, for
    users in other languages; that is no part of the wire document and needs no token, so keep it on loopback.
    """

    _server: PbxServer

    def __init__(self, *, host: str, port: int, domain: str, behaviour: PbxBehaviour, access: Access) -> None:
        self.clock = access.clock
        self.behaviour = behaviour
        self.faults = Faults()
        self.domain = domain
        self._host, self._port = host, port
        self._url = ""
        self._watchers = Watchers()
        self._exits = AsyncExitStack()
        self._access = access
        self._records = RecordBook("", HOTLINE, self.clock.now)
        self._webhooks = Webhooks(self.clock, behaviour, self._watchers.changed)
        self._phones = Phones(
            clock=self.clock,
            behaviour=behaviour,
            hotline=HOTLINE,
            on_event=self._tell,
            on_end=self._write_record,
            settle=self._webhooks.settle,
        )
        self.faults.on_change = self._watchers.changed
        for extension in ("101", "102", "103"):
            self.register(extension)
        self._phones.register("104", None, None, registered=False)

    @property
    def parts(self) -> dict[str, Any]:
        """The parts that its server works with."""
        return {
            "clock": self.clock,
            "faults": self.faults,
            "access": self._access,
            "phones": self._phones,
            "records": self._records,
            "webhooks": self._webhooks,
            "domain": self.domain,
            "on_change": self._watchers.changed,
        }

    @property
    def control(self) -> ControlPlane:
        """The control plane below `/_simulator/`."""
        return ControlPlane(
            simulator=self,
            phone_fields=("agent_name", "username"),
            more=[("POST", "crash", self._crash_from_outside)],
        )

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def _start(self) -> None:
        app = self._server.application()
        self.control.add_to(app)
        self._url = await self._exits.enter_async_context(serving(app, self._host, self._port))
        await self._webhooks.open()
        self._exits.push_async_callback(self._webhooks.close)
        self._records.recordings = f"{self._url}/recording"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.requests.closing = True
        self.faults.close()
        self._phones.close()
        self._watchers.close()
        await self._exits.aclose()

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        if not self._url:
            raise RuntimeError("the simulator has no address before `async with`")
        return self._url

    @property
    def username(self) -> str:
        """The name for `POST /v1/auth`."""
        return self._access.username

    @property
    def password(self) -> str:
        """The password for `POST /v1/auth`."""
        return self._access.password

    @property
    def api_key(self) -> str:
        """The key that the login gives out, and that a client exchanges for a token."""
        return self._access.api_key

    # -- what happened ---------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request that was received, oldest first, refused and broken ones too; not the control plane's."""
        return self._server.requests.kept

    @property
    def originated(self) -> list[Originated]:
        """Every phone that click-to-call really rang, oldest first."""
        return self._phones.originated

    @property
    def rung(self) -> list[Rung]:
        """Every transfer, listen, whisper, barge and park that was really executed, oldest first."""
        return self._phones.rung

    @property
    def webhooks_sent(self) -> list[SentWebhook]:
        """Every try to deliver a webhook, oldest first."""
        return self._webhooks.sent

    @property
    def calls(self) -> dict[str, Call]:
        """The live calls by id."""
        return self._phones.calls

    @property
    def token_requests(self) -> int:
        """How many tokens were issued."""
        return self._access.token_requests

    @property
    def phones(self) -> Phones:
        """The extensions and the calls."""
        return self._phones

    @property
    def webhooks(self) -> Webhooks:
        """The hooks and the webhooks."""
        return self._webhooks

    def state(self) -> dict[str, Any]:
        """Give what the control plane shows beside the time, the address, the faults and the behaviour."""
        return {
            "credentials": {"username": self.username, "password": self.password, "api_key": self.api_key},
            "extensions": [attrs.asdict(phone) for phone in self._phones.extensions.values()],
            "calls": [call.shown() for call in self.calls.values()],
            "originated": [attrs.asdict(dialled) for dialled in self.originated],
            "rung": [rung._asdict() for rung in self.rung],
            "hooks": [attrs.asdict(hook) for hook in self._webhooks.hooks.values()],
            "webhooks_sent": [attrs.asdict(sent) for sent in self.webhooks_sent],
        }

    # -- what can be done to it ------------------------------------------------------------------------------------

    def register(self, extension: str, *, agent_name: str | None = None, username: str | None = None) -> Extension:
        """Let the softphone of an extension log in; makes the extension when there is none."""
        return self._phones.register(extension, agent_name, username, registered=True)

    def unregister(self, extension: str) -> Extension:
        """Let the softphone of an extension log out; a call that it is in goes on."""
        if extension not in self._phones.extensions:
            raise ValueError(f"there is no extension {extension!r}")
        return self._phones.register(extension, None, None, registered=False)

    def add_record(self, **overrides: Any) -> Row:
        """Add a finished call and give back its row as the vendor would send it.

        Without overrides: extension 101 reached 0899888999 and talked for 3 seconds until now. Any field can be given,
        also with a wrong type or an unknown name; times may be aware datetimes. The row can be changed later.
        """
        _ = self.url  # the row tells where its recording is
        return self._records.add(overrides)

    def change_record(self, record_id: str, **changes: Any) -> None:
        """Change fields of the finished call *record_id*, also of an added one, also to values that make no sense.

        Raises: KeyError when there is none.
        """
        row = self._records.find(record_id)
        if row is None:
            raise KeyError(record_id)
        row.update(changes)

    def seed_records(self, count: int, since: datetime, step_seconds: int = 60, seed: int = 1) -> None:
        """Add *count* records, one every *step_seconds*; the same arguments make the same records.

        They are made when they are read, so that a million cost no memory.
        """
        _ = self.url
        self._records.seed(count, since, step_seconds, seed)

    def incoming(
        self, number: str, hotline: str = HOTLINE, extension: str = "101", ring_group: list[str] | None = None
    ) -> str:
        """Let *number* call and give the id of the call, which rings at *extension* or at all of *ring_group*.

        The record of a ring group's call has another id [003:262].
        """
        targets = [extension] if ring_group is None else ring_group
        return self._phones.incoming(number, hotline, targets, ring_group=ring_group is not None).call_id

    async def answer(self, call_id: str, *, extension: str | None = None) -> None:
        """Let the phones pick up now that a call waits for, and wait until the webhooks are delivered.

        *extension* says which phone of a ring group picks up. Raises: NoSuchCall, and ValueError when no phone rings.
        """
        self._phones.answer(self._phones.call(call_id), extension)
        await self.settle()

    async def hang_up(self, call_id: str, cause: str = "NORMAL_CLEARING") -> None:
        """End a call now with FreeSWITCH's *cause*, and wait until the webhooks are delivered. Raises: NoSuchCall."""
        self._phones.end(self._phones.call(call_id), cause)
        await self.settle()

    def crash(self) -> None:
        """Lose all calls that are under way, as a PBX that is killed: they leave no record and no event."""
        self._phones.crash()
        self._watchers.changed()

    def expire_tokens(self) -> None:
        """Let every token that was issued be refused from now on."""
        self._access.tokens.clear()

    def release_webhooks(self) -> None:
        """Send the webhooks that `behaviour.webhook_faults.reorder` still holds back, newest first."""
        self._webhooks.release()

    async def advance(self, seconds: float) -> None:
        """Run all that becomes due in *seconds*, in order, and wait until its webhooks are delivered.

        Raises: TypeError when the clock is not a `ManualClock`.
        """
        clock = moved_by_hand(self.clock)
        await self.settle()
        await clock.advance(seconds)  # each of its steps settles

    async def settle(self) -> None:
        """Wait until no webhook is in flight; webhooks that are held back or delayed do not count."""
        await self._webhooks.settle()

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until *happened* gives something true; it is tried again when the PBX has received or done something.

        For example `await pbx.until(lambda: pbx.originated)`.
        """
        await self._watchers.until(happened)

    # -- between its parts -----------------------------------------------------------------------------------------

    async def _crash_from_outside(self, request: web.Request, body: dict[str, Any]) -> object:
        self.crash()
        return {}

    def _tell(self, event: str, call: Call, extension: str) -> None:
        if event == "cdr" and not self._files(call):
            return
        if event == "missed" and not self.tells_missed:
            return
        body = webhook_body(event, call, extension, self.domain)
        if event == "cdr":
            body |= self.said_with_a_record(self._records.find(call.record_id) or {})
        self._webhooks.send(call.call_id, event, body)
        self._watchers.changed()

    @property
    def tells_missed(self) -> bool:
        """Whether there is an event for an inbound call that no agent answered: not in the documents [003:180-187]."""
        return False

    def said_with_a_record(self, row: Row) -> dict[str, Any]:
        """The fields of a `cdr` webhook beside those of every webhook."""
        return {"recording_url": row.get("recording_url", "")}

    def _files(self, call: Call) -> bool:
        return call.answered_at is not None or self.behaviour.files_unanswered

    def _write_record(self, call: Call) -> None:
        if not self._files(call):
            return

        async def write() -> None:
            self._records.add(self.record_of(call), call.record_id)

        if self.behaviour.record_delay_seconds:
            self.clock.call_later(self.behaviour.record_delay_seconds, write)
        else:
            self._records.add(self.record_of(call), call.record_id)

    def record_of(self, call: Call) -> dict[str, Any]:
        """Give the fields of the record of a call that ended."""
        customer, hotline = call.number, call.hotline
        outbound = call.direction == "outbound"
        return {
            "sip_call_id": call.record_sip_call_id,
            "cause": call.cause,
            "duration": call.duration_seconds,
            "direction": 3 if outbound else call.direction,
            "extension": call.extension,
            "from_number": hotline if outbound else customer,  # [003:307-308]
            "to_number": customer if outbound else hotline,
            "receive_dest": RING_GROUP if call.in_ring_group else "",
            "time_started": call.created_at,
            "time_answered": call.answered_at or "",
            "time_ended": call.ended_at,
            "status": call.status,
        }


def webhook_body(event: str, call: Call, extension: str, domain: str) -> dict[str, Any]:
    """Write the webhook of *event*, without the recording [003:221-251]."""
    # From and to as the text says [003:245-246]; the sample beside it has them the other way round.
    outbound = call.direction == "outbound"
    body: dict[str, Any] = {
        "call_id": call.record_id if event == "cdr" else call.call_id,
        "sip_call_id": call.record_sip_call_id if event == "cdr" else call.sip_call_id,
        "domain": domain,
        "direction": call.direction,
        "from_number": extension if outbound else call.number,
        "to_number": call.number if outbound else extension,
        "hotline": call.hotline,
        "state": event,
    }
    if event in ("hangup", "cdr"):
        body |= {"duration": call.duration_seconds, "billsec": call.talk_seconds}
    return body
