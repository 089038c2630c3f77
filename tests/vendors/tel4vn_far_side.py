"""What the far sides of TEL4VN's products have in common: their simulators' telephones and troubles."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from aiohttp import web
from gateway_contracts import Direction, EventType, WebhookRequest
from gateway_contracts.testing import Oddity, Paging, Webhook
from gateway_simulators.audio import wav

from tests.vendors.troubles import fault_of
from tests.wire import as_text

# Its page of errors says of 503 that nothing was done, and the pages of what steers a call say so of 404.
PROOFS = {
    **{name: {503} for name in ("start_call", "create_hook", "delete_hook")},
    **{name: {404, 503} for name in ("transfer_call", "listen_call", "whisper_call", "barge_call", "park_call")},
    **{name: {503} for name in ("create_tenant", "update_tenant", "create_extension")},
}
EVENTS = {
    "ringing": EventType.RINGING,
    "answered": EventType.ANSWERED,
    "hangup": EventType.ENDED,
    "cdr": EventType.RECORD_CREATED,
}

DIRECTIONS = {  # 003:276, and the number of 003:304
    "outbound": Direction.OUTBOUND,
    "inbound": Direction.INBOUND,
    "local": Direction.INTERNAL,
    "3": Direction.OUTBOUND,
}


ODD = {
    Oddity.NO_ID: {"id": ""},
    Oddity.NO_TIME: dict.fromkeys(("time_started", "time_answered", "time_ended"), "-"),
    Oddity.BAD_TIME: {"time_ended": "0000-00-00 00:00:00"},
    Oddity.NEGATIVE: {"duration": -1_742_000_000},
    Oddity.HUGE: {"duration": 2**63},
    Oddity.LIST: {"cause": ["x"]},
    Oddity.HALF: {"cause": "\ud83d"},
}


class Tel4vnFarSide:
    """A simulator as the suite asks for it. *paths* are those of its operations, for troubles; *outcomes* its words."""

    paths: ClassVar[dict[str, str]]
    outcomes: ClassVar[dict[str, str]]
    extension = "101"
    second_extension = "102"
    unregistered_extension = "104"
    number = "0899888999"
    hotline = "19001919"
    newest_first = True
    tells_call_id = True
    network = True

    def __init__(self, pbx) -> None:
        self.pbx = pbx
        # Everybody picks up at once and talks until told otherwise, so nothing here waits for a clock.
        pbx.behaviour.ring_seconds = pbx.behaviour.number_ring_seconds = 0
        pbx.behaviour.talk_seconds = pbx.behaviour.park_seconds = 3600
        self._now = pbx.clock.now().replace(microsecond=0)
        self._ages = itertools.count(60)
        self._rows = {}

    async def reset(self):
        self.pbx.faults.clear()
        self.pbx.behaviour.paging = "document"
        self.pbx.webhooks.hooks.clear()  # or the calls' end would be told to addresses that are not here
        for call_id in list(self.pbx.calls):
            await self.pbx.hang_up(call_id)

    async def live_call(self):
        call = self.pbx.phones.dial({"ext": self.extension, "phone": self.number})
        await self.pbx.until(lambda: call.phase == "answered")
        return call.call_id

    async def end_call(self, call_id):
        record_id = self.pbx.calls[call_id].record_id
        await self.pbx.hang_up(call_id)
        return record_id

    async def finished_call(
        self, *, started_at=None, seconds=11, extension=None, number=None, outcome="ANSWERED", direction="3"
    ):
        extension, number = extension or self.extension, number or self.number
        sides = {"inbound": (number, self.hotline), "local": (extension, number)}.get(direction, (self.hotline, number))
        row = self.pbx.add_record(
            time_started=started_at or self._now - timedelta(seconds=next(self._ages)),
            duration=seconds,
            extension=extension,
            from_number=sides[0],
            to_number=sides[1],
            status=outcome,
            direction=int(direction) if direction.isdigit() else direction,
        )
        record_id = row["id"].strip()
        self._rows[record_id] = row
        return record_id

    async def spoil(self, record_id, oddity):
        self.pbx.change_record(record_id, **ODD[oddity])
        return next(iter(ODD[oddity]))

    def outcome_words(self):
        return self.outcomes

    def direction_words(self):
        return DIRECTIONS

    def recording(self, record_id):
        answered, ended = (
            datetime.fromisoformat(self._rows[record_id][name]) for name in ("time_answered", "time_ended")
        )
        return wav(record_id, int((ended - answered).total_seconds()))

    async def hook(self):
        # Where nobody listens, so that a call that ends looks up no name.
        return self.pbx.webhooks.create("hangup", "http://127.0.0.1:9/old-hooks", "").hook_id

    async def tenant(self):
        return ""

    def rang(self):
        return [each.extension for each in self.pbx.originated]

    def steered(self):
        return [each.operation if "_" in each.operation else f"{each.operation}_call" for each in self.pbx.rung]

    def requests(self):
        return [as_text(each) for each in self.pbx.requests if not each.path.startswith(("/v1/auth", "/v2/auth"))]

    def make_trouble(self, operation, trouble, *, lasts=False):
        self.pbx.faults.add(fault_of(self.paths[operation], trouble, lasts=lasts))

    def page_by(self, operation, paging):
        """Customers are documented with an offset and nothing else (002:1558-1562)."""
        self.pbx.behaviour.paging = paging.value
        return operation == "list_records" or paging not in {Paging.PAGE, Paging.SCROLL}

    def held(self):
        return self.pbx.faults.held

    def refuse_tokens(self):
        self.pbx.expire_tokens()

    def token_requests(self):
        return self.pbx.token_requests

    def secrets(self):
        arrived = {request.headers.get("authorization", "") for request in self.pbx.requests}
        tokens = {text.removeprefix("Bearer ") for text in arrived if text}
        return {self.pbx.password, self.pbx.api_key, *tokens}

    def queue(self, queue_code):
        return None

    def tenant_enabled(self, tenant_id):
        return False

    async def webhooks(self):
        """Those of a call that is answered, as JSON, and of one that is not, as forms, as they arrive at an address."""
        arrived = []

        async def receive(request):
            headers = {name.lower(): value for name, value in request.headers.items()}
            body = await request.read()
            arrived.append(WebhookRequest(headers=headers, body=body, received_at=datetime.now(UTC)))
            told.append(dict(await request.post()) or await request.json())
            return web.Response()

        told = []
        app = web.Application()
        app.router.add_post("/hooks", receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            hooks = [
                self.pbx.webhooks.create(event, f"http://127.0.0.1:{runner.addresses[0][1]}/hooks", "callback")
                for event in EVENTS
            ]
            call_id = self.pbx.incoming(self.number, extension=self.extension)
            await self.pbx.answer(call_id)
            await self.pbx.hang_up(call_id)
            self.pbx.behaviour.webhook_form = True
            await self.pbx.hang_up(self.pbx.incoming(self.number, extension=self.second_extension))
            await self.pbx.settle()
            self.pbx.behaviour.webhook_form = False
            for hook in hooks:
                del self.pbx.webhooks.hooks[hook.hook_id]
        finally:
            await runner.cleanup()
        return [
            Webhook(
                request=request,
                type=EVENTS[body["state"]],
                call_id=body["call_id"],
                occurred_at=_occurred(body),
                beside=(EventType.RECORDING_READY,) if body.get("recording_url") else (),
            )
            for request, body in zip(arrived, told, strict=True)
        ]

    async def happens(self, *, cut=False):
        return None


def _occurred(body):
    """When what a webhook tells of happened; its times are those of the clock in Vietnam."""
    written = body.get({"ringing": "time_started", "answered": "time_answered"}.get(body["state"], "time_ended"))
    return datetime.fromisoformat(f"{written}+07:00") if written else None
