"""The HTTP side of a PBX: the checks around every operation, and the operations that both products have."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import attrs
from aiohttp import web

from gateway_simulators.audio import file_answer, wav
from gateway_simulators.clock import Clock
from gateway_simulators.control_plane import CONTROL
from gateway_simulators.faults import Faults
from gateway_simulators.json_responses import json_response
from gateway_simulators.received_requests import BODY, HEARD, Closing, ReceivedRequests, Refused
from gateway_simulators.tel4vn.access import Access
from gateway_simulators.tel4vn.behaviour import PbxBehaviour
from gateway_simulators.tel4vn.phones import Call, Monitoring, NoSuchCall, PhoneError, Phones
from gateway_simulators.tel4vn.record_filters import Filters, Row, whole_number
from gateway_simulators.tel4vn.records import RecordBook
from gateway_simulators.tel4vn.vendor_time import epoch_of, to_text
from gateway_simulators.tel4vn.webhooks import Hook, Webhooks

_LONGEST_RECORDING_SECONDS = 60
NOT_REGISTERED = "User not registered extension with Softphone or IP Phone"  # [001:76]


@attrs.frozen(kw_only=True)
class Listed:
    """Rows of a list, the *limit* that was in force, and where they start; a piece of a scroll has its id instead."""

    rows: list[Row]
    limit: int
    start: int
    total: int
    scroll_id: str | None = None


Handler = Callable[[web.Request], Awaitable[web.Response]]
Admit = Callable[[web.Request], None]
Route = tuple[str, str, Admit, Handler]
"""Method, path, the check that lets requests in, and the operation."""


@attrs.define(eq=False, kw_only=True)
class PbxServer(ABC):
    """Carries out the vendor's operations on the state of the PBX."""

    clock: Clock
    behaviour: PbxBehaviour
    faults: Faults
    access: Access
    phones: Phones
    records: RecordBook
    webhooks: Webhooks
    domain: str
    on_change: Callable[[], None]
    requests: ReceivedRequests = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.requests = ReceivedRequests(
            clock=self.clock, faults=self.faults, on_change=self.on_change, refusal=self.refusal
        )

    @abstractmethod
    def routes(self) -> Iterable[Route]:
        """Every operation."""

    def refusal(self, refused: Refused) -> web.Response:
        """Write a refusal as the product does."""
        return json_response(refused.status, refused.body or {"error": refused.error})

    def application(self) -> web.Application:
        """Build the application, with every operation and nothing of the control plane."""
        app = web.Application(middlewares=[self._middleware], client_max_size=1024**2)
        for method, path, admit, handler in self.routes():
            app.router.add_route(method, path, _guarded(admit, handler))
        return app

    # -- around every operation ------------------------------------------------------------------------------------

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        return await self.requests.respond(request, handler)

    def with_token(self, request: web.Request) -> None:
        """Let in a request that has a token."""
        if not self.access.accepts(bearer(request)):
            raise Refused(401, "Unauthorized")

    def logged_in(self, request: web.Request) -> None:
        """Check a name and a password."""
        given = (text_of(request, "username"), text_of(request, "password"))
        if given != (self.access.username, self.access.password):
            raise Refused(401, "username or password is wrong")

    def with_api_key(self, request: web.Request) -> None:
        """Check an api key."""
        if text_of(request, "api_key") != self.access.api_key:
            raise Refused(401, "api_key is wrong")

    # -- hooks [003:110-215] ---------------------------------------------------------------------------------------

    async def list_hooks(self, request: web.Request) -> web.Response:
        rows = [self._hook_row(hook) for hook in self.webhooks.hooks.values()]
        total = {"total": len(rows)} if self.behaviour.hook_shape == "2023" else {}
        return json_response(200, {"data": rows, **total})

    async def create_hook(self, request: web.Request) -> web.Response:
        url, event = text_of(request, "callback_url"), text_of(request, "event")
        hook = self.webhooks.create(event, url, text_of(request, "callback_apikey", required=False))
        new_id = {"id": hook.hook_id} if self.behaviour.hook_shape == "2023" else {}
        return json_response(200, {"created": True, **new_id})

    async def delete_hook(self, request: web.Request) -> web.Response:
        if self.webhooks.hooks.pop(request.match_info["hook_id"], None) is None:
            raise Refused(404, "Not Found")
        return json_response(200, {"deleted": True})

    def _hook_row(self, hook: Hook) -> dict[str, str]:
        new = self.behaviour.hook_shape == "2023"
        return {
            "id" if new else "event_domain_uuid": hook.hook_id,
            "domain_uuid": self.access.domain_id,
            "domain_name": self.domain,
            "event" if new else "event_name": hook.event,
            "callback_url": hook.url,
            "callback_apikey": hook.api_key,
        }

    # -- records [003:264-411, 002:263-448] ------------------------------------------------------------------------

    def listed(self, request: web.Request, filters: Filters) -> Listed:
        """Give the rows of a query, in the way in which this PBX cuts lists into pages."""
        try:
            limit, page, offset = (whole_number(request.query, name) for name in ("limit", "page", "offset"))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        if limit == 0 or page == 0:
            raise Refused(400, "limit and page begin with 1")
        paging = self.behaviour.paging
        if paging == "scroll" or (paging == "document" and (page is None or limit is None)):
            return self._scroll(filters, limit, request.query.get("scroll_id"))
        total = self.records.count(filters)
        if paging == "everything":
            return Listed(rows=self.records.page(filters, 0, total), limit=max(total, 1), start=0, total=total)
        size = self._size(limit)
        by_number = ((page or 1) - 1) * size
        by_offset = by_number if offset is None else offset  # it takes the place of the page [003:410]
        start = {"page": by_number, "offset": offset or 0, "first_page": 0}.get(paging, by_offset)
        return Listed(rows=self.records.page(filters, start, size), limit=size, start=start, total=total)

    def _scroll(self, filters: Filters, limit: int | None, scroll_id: str | None) -> Listed:
        if scroll_id:
            scroll = self.records.find_scroll(scroll_id)
            if scroll is None:
                raise Refused(400, "scroll_id is not known")
            scroll.page = self._size(limit) if limit else scroll.page
        else:
            scroll = self.records.open_scroll(filters, self._size(limit))
        rows = self.records.read_scroll(scroll)
        return Listed(rows=rows, limit=scroll.page, start=0, total=0, scroll_id=scroll.scroll_id)

    def _size(self, limit: int | None) -> int:
        return min(limit or self.behaviour.scroll_page, self.behaviour.largest_page)

    # -- recordings -----------------------------------------------------------------------------------------------

    async def get_recording(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].removesuffix(".wav")
        row = self.records.find(name)
        if row is None or not row.get("recording_url"):
            raise Refused(404, "Not Found")
        answered, ended = epoch_of(row.get("time_answered")), epoch_of(row.get("time_ended"))
        ready = (ended or 0) + self.behaviour.recording_delay_seconds
        if self.clock.now().timestamp() < ready and self.behaviour.recording_delay_seconds:
            raise Refused(404, "Not Found")
        seconds = ended - answered if ended is not None and answered is not None else 1
        return file_answer(
            wav(name, max(0, min(seconds, _LONGEST_RECORDING_SECONDS))),
            range_header=request.headers.get("Range"),
            content_type="application/octet-stream",  # as unhelpful as an address without a suffix
        )

    # -- calls [000, 001] ------------------------------------------------------------------------------------------

    async def click_to_call(self, request: web.Request, *, wait: bool) -> web.Response:
        query = dict(request.query)
        for name in ("ext", "phone"):
            if not query.get(name):
                raise Refused(400, f"{name} is required")
        try:
            call = self.phones.dial(query)
        except PhoneError as error:
            text = {"message": NOT_REGISTERED} if error.code == "USER_NOT_REGISTERED" and not wait else {}
            return json_response(200, {"status": "fail", **text, "error": error.code})
        if wait and request[HEARD] and call.phase == "extension_ringing":
            call.picked_up = asyncio.get_running_loop().create_future()
            await call.picked_up
            if self.requests.closing:
                raise Closing
        # Also when the extension hung up: it rang, and no document knows an error for that.
        return json_response(200, {"status": "success", "call_id": call.call_id})

    async def list_calls(self, request: web.Request) -> web.Response:
        rows = [self._call_row(call) for call in self.phones.calls.values()]
        return json_response(200, {"data": rows, "total": len(rows)})

    def _call_row(self, call: Call) -> dict[str, str]:
        return {
            "call_id": call.call_id,
            "context": self.domain,
            "created_time": to_text(call.created_at),
            "destination": call.bleg or "",
            "direction": call.direction,
            "ip": "192.0.2.1",
            "source": call.aleg or "",
            "state": call.state,
        }

    async def supervise(self, request: web.Request, *, how: Monitoring) -> web.Response:
        call, extension = self.call_of(request), text_of(request, "ext")
        return self.done(call, {"ext": extension}, lambda: self.phones.supervise(call, extension, how))

    def call_of(self, request: web.Request) -> Call:
        try:
            return self.phones.call(request.match_info["call_id"])
        except NoSuchCall:
            raise Refused(404, "Not Found") from None

    def done(self, call: Call, more: Mapping[str, str], act: Callable[[], None]) -> web.Response:
        try:
            act()
        except PhoneError as error:
            return json_response(200, {"status": "fail", **({"error": error.code} if error.code else {})})
        self.on_change()
        return json_response(200, {"status": "success", "call_id": call.call_id, **more})


def _guarded(admit: Admit, handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.Response:
        admit(request)
        return await handler(request)

    return guarded


def anyone(request: web.Request) -> None:
    """Let every request in."""


def bearer(request: web.Request) -> str:
    """Give the token of a request, empty when it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def field_of(request: web.Request, name: str) -> Any:
    body = request[BODY]
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body.get(name)


def text_of(request: web.Request, name: str, *, required: bool = True) -> str:
    value = field_of(request, name)
    if value in (None, ""):
        if required:
            raise Refused(400, f"{name} is required")
        return ""
    if not isinstance(value, str):
        raise Refused(400, f"{name} must be text")
    return value
