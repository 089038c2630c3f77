"""The HTTP side of the PBX: the 23 documented operations, and the recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any

import attrs
import orjson
from aiohttp import web

from gateway_simulators.audio import file_answer, wav
from gateway_simulators.clock import Clock
from gateway_simulators.faults import Faults, hang_up
from gateway_simulators.tel4vn_v1.access import Access, Tenant
from gateway_simulators.tel4vn_v1.behaviour import Behaviour
from gateway_simulators.tel4vn_v1.phones import Call, Extension, Leg, Monitoring, NoSuchCall, PhoneError, Phones
from gateway_simulators.tel4vn_v1.records import Filters, RecordBook, epoch_of, whole_number
from gateway_simulators.tel4vn_v1.vendor_time import to_epoch, to_text
from gateway_simulators.tel4vn_v1.webhooks import Hook, Webhooks

CONTROL = "/_simulator/"

_LONGEST_RECORDING_SECONDS = 60
_REPORT_SECONDS = 24 * 60 * 60
_NOT_REGISTERED = "User not registered extension with Softphone or IP Phone"  # [001:76]

_Handler = Callable[[web.Request], Awaitable[web.Response]]
_BODY = web.RequestKey("body", object)
_HEARD = web.RequestKey("heard", bool)


@attrs.frozen
class ReceivedRequest:
    """A request that reached the PBX, whatever became of it. Header names are in lower case; *body* is parsed JSON."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any
    at: datetime


class _Needs(Enum):
    NOTHING = "nothing"
    TOKEN = "token"
    TENANT_SECRET = "tenant secret"


class _Refused(Exception):
    """The request is answered with an error; *error* is the text of the body."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class _Closing(Exception):
    """The PBX ends while the request waits."""


@attrs.define(eq=False, kw_only=True)
class Server:
    """Answers the vendor's operations from the state of the PBX."""

    clock: Clock
    behaviour: Behaviour
    faults: Faults
    access: Access
    phones: Phones
    records: RecordBook
    webhooks: Webhooks
    domain: str
    url: Callable[[], str]
    on_change: Callable[[], None]
    requests: list[ReceivedRequest] = attrs.field(factory=list, init=False)
    tenants: dict[str, Tenant] = attrs.field(factory=dict, init=False)
    closing: bool = attrs.field(default=False, init=False)

    def application(self) -> web.Application:
        """Build the application, with every operation and nothing of the control plane."""
        app = web.Application(middlewares=[self._middleware], client_max_size=1024**2)
        token, secret = _Needs.TOKEN, _Needs.TENANT_SECRET
        for method, path, needs, handler in (
            ("POST", "/v1/auth", _Needs.NOTHING, self._log_in),
            ("POST", "/v1/auth/token", _Needs.NOTHING, self._issue_token),
            ("GET", "/v1/event", token, self._list_hooks),
            ("POST", "/v1/event", token, self._create_hook),
            ("DELETE", "/v1/event/{hook_id}", token, self._delete_hook),
            ("GET", "/v1/cdr", token, self._list_records),
            ("GET", "/v1/cdr/{record_id}", token, self._get_record),
            ("GET", "/v1/click2call", token, partial(self._click_to_call, wait=True)),
            ("GET", "/v1/click2call/async", token, partial(self._click_to_call, wait=False)),
            ("GET", "/v1/call", token, self._list_calls),
            ("POST", "/v1/call/{call_id}/transfer", token, self._transfer),
            ("POST", "/v1/call/{call_id}/listen", token, partial(self._supervise, how="listen")),
            ("POST", "/v1/call/{call_id}/whisper", token, partial(self._supervise, how="whisper")),
            ("POST", "/v1/call/{call_id}/barge", token, partial(self._supervise, how="barge")),
            ("POST", "/v1/call/{call_id}/park", token, self._park),
            ("GET", "/v1/report/call_id", token, self._report_ids),
            ("GET", "/v1/report/call_status", token, self._report_statuses),
            ("GET", "/v1/monitor/agent", token, self._list_agents),
            ("POST", "/v1/tenant", secret, self._create_tenant),
            ("GET", "/v1/tenant/{tenant_id}", secret, self._get_tenant),
            ("PUT", "/v1/tenant/{tenant_id}", secret, self._update_tenant),
            ("POST", "/v1/tenant/{tenant_id}/extension", secret, self._create_extension),
            ("GET", "/v1/tenant/{tenant_id}/extension/{extension}", secret, self._get_extension),
            # The curl sample doubles a part of the path [003:1108]; later editions do not.
            ("GET", "/v1/tenant/{tenant_id}/extension/extension/{extension}", secret, self._get_extension),
            ("GET", "/recording/{name}", _Needs.NOTHING, self._get_recording),  # "public" [003:251]
        ):
            app.router.add_route(method, path, self._guarded(needs, handler))
        return app

    # -- around every operation ------------------------------------------------------------------------------------

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        execute = partial(self._execute, request, handler)
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            return _answer(error.status, {"error": error.reason})
        request[_BODY] = body = _parsed(raw)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(
            ReceivedRequest(request.method, request.path, list(request.query.items()), headers, body, self.clock.now())
        )
        self.on_change()
        fault = self.faults.take(request.method, request.path)
        try:
            return await (execute(heard=True) if fault is None else self.faults.answer(fault, request, execute))
        except _Closing:
            return hang_up(request)

    async def _execute(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], *, heard: bool
    ) -> web.Response:
        request[_HEARD] = heard
        if self.closing:  # a request that a fault held until the end must not ring anybody now
            raise _Closing
        try:
            answer = await handler(request)
        except _Refused as refused:
            return _answer(refused.status, {"error": refused.error})
        except web.HTTPException as error:
            return _answer(error.status, {"error": error.reason})
        if not isinstance(answer, web.Response):
            raise TypeError(f"{request.path} answered with a {type(answer).__name__}")
        return answer

    def _guarded(self, needs: _Needs, handler: _Handler) -> _Handler:
        async def guarded(request: web.Request) -> web.Response:
            self._admit(request, needs)
            return await handler(request)

        return guarded

    def _admit(self, request: web.Request, needs: _Needs) -> None:
        if needs is _Needs.NOTHING:
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        if needs is _Needs.TENANT_SECRET and token == self.access.tenant_secret:
            return
        if not self.access.accepts(token):
            raise _Refused(401, "Unauthorized")
        if needs is _Needs.TENANT_SECRET:
            raise _Refused(403, "Forbidden")

    # -- authentication [003:27-108] -------------------------------------------------------------------------------

    async def _log_in(self, request: web.Request) -> web.Response:
        given = (_text(request, "username"), _text(request, "password"))
        if given != (self.access.username, self.access.password):
            raise _Refused(401, "username or password is wrong")
        return _answer(200, {"data": self.access.account()})

    async def _issue_token(self, request: web.Request) -> web.Response:
        if _text(request, "api_key") != self.access.api_key:
            raise _Refused(401, "api_key is wrong")
        return _answer(200, {"data": self.access.issue()})

    # -- hooks [003:110-215] ---------------------------------------------------------------------------------------

    async def _list_hooks(self, request: web.Request) -> web.Response:
        rows = [self._hook_row(hook) for hook in self.webhooks.hooks.values()]
        total = {"total": len(rows)} if self.behaviour.hook_shape == "2023" else {}
        return _answer(200, {"data": rows, **total})

    async def _create_hook(self, request: web.Request) -> web.Response:
        url, event = _text(request, "callback_url"), _text(request, "event")
        hook = self.webhooks.create(event, url, _text(request, "callback_apikey", required=False))
        new_id = {"id": hook.hook_id} if self.behaviour.hook_shape == "2023" else {}
        return _answer(200, {"created": True, **new_id})

    async def _delete_hook(self, request: web.Request) -> web.Response:
        if self.webhooks.hooks.pop(request.match_info["hook_id"], None) is None:
            raise _Refused(404, "Not Found")
        return _answer(200, {"deleted": True})

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

    # -- records [003:264-456] -------------------------------------------------------------------------------------

    async def _list_records(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            filters = Filters.from_query(query)
            limit, page, offset = (whole_number(query, name) for name in ("limit", "page", "offset"))
        except ValueError as error:
            raise _Refused(400, str(error)) from None
        if limit == 0 or page == 0:
            raise _Refused(400, "limit and page begin with 1")
        if page is None and offset is None:
            return self._scroll(filters, limit, query.get("scroll_id"))
        limit = limit or self.behaviour.scroll_page
        start = offset if offset is not None else ((page or 1) - 1) * limit  # offset replaces page [003:410]
        rows = self.records.page(filters, start, limit)
        return _answer(
            200, {"data": rows, "limit": limit, "page": start // limit + 1, "total": self.records.count(filters)}
        )

    def _scroll(self, filters: Filters, limit: int | None, scroll_id: str | None) -> web.Response:
        if scroll_id:
            scroll = self.records.find_scroll(scroll_id)
            if scroll is None:
                raise _Refused(400, "scroll_id is not known")
            scroll.page = limit or scroll.page
        else:
            scroll = self.records.open_scroll(filters, limit or self.behaviour.scroll_page)
        return _answer(200, {"data": self.records.read_scroll(scroll), "scroll_id": scroll.scroll_id})

    async def _get_record(self, request: web.Request) -> web.Response:
        row = self.records.find(request.match_info["record_id"])
        if row is None:
            raise _Refused(404, "Not Found")
        return _answer(200, row)

    async def _get_recording(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].removesuffix(".wav")
        row = self.records.find(name)
        if row is None or not row.get("recording_url"):
            raise _Refused(404, "Not Found")
        answered, ended = epoch_of(row.get("time_answered")), epoch_of(row.get("time_ended"))
        ready = (ended or 0) + self.behaviour.recording_delay_seconds
        if self.clock.now().timestamp() < ready and self.behaviour.recording_delay_seconds:
            raise _Refused(404, "Not Found")
        seconds = ended - answered if ended is not None and answered is not None else 1
        return file_answer(
            wav(name, max(0, min(seconds, _LONGEST_RECORDING_SECONDS))),
            range_header=request.headers.get("Range"),
            content_type="application/octet-stream",  # as unhelpful as an address without a suffix
        )

    # -- calls [000, 001] ------------------------------------------------------------------------------------------

    async def _click_to_call(self, request: web.Request, *, wait: bool) -> web.Response:
        query = dict(request.query)
        for name in ("ext", "phone"):
            if not query.get(name):
                raise _Refused(400, f"{name} is required")
        try:
            call = self.phones.dial(query)
        except PhoneError as error:
            text = {"message": _NOT_REGISTERED} if error.code == "USER_NOT_REGISTERED" and not wait else {}
            return _answer(200, {"status": "fail", **text, "error": error.code})
        if wait and request[_HEARD] and call.phase == "extension_ringing":
            call.picked_up = asyncio.get_running_loop().create_future()
            await call.picked_up
            if self.closing:
                raise _Closing
        # Also when the extension hung up: it rang, and no document knows an error for that.
        return _answer(200, {"status": "success", "call_id": call.call_id})

    async def _list_calls(self, request: web.Request) -> web.Response:
        rows = [self._call_row(call) for call in self.phones.calls.values()]
        return _answer(200, {"data": rows, "total": len(rows)})

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

    async def _transfer(self, request: web.Request) -> web.Response:
        call, extension, leg = self._call(request), _text(request, "ext"), _leg(request)
        return self._done(call, {"ext": extension}, lambda: self.phones.transfer(call, extension, leg))

    async def _supervise(self, request: web.Request, *, how: Monitoring) -> web.Response:
        call, extension = self._call(request), _text(request, "ext")
        return self._done(call, {"ext": extension}, lambda: self.phones.supervise(call, extension, how))

    async def _park(self, request: web.Request) -> web.Response:
        call, leg = self._call(request), _leg(request)
        return self._done(call, {}, lambda: self.phones.park(call, leg))

    def _call(self, request: web.Request) -> Call:
        try:
            return self.phones.call(request.match_info["call_id"])
        except NoSuchCall:
            raise _Refused(404, "Not Found") from None

    def _done(self, call: Call, more: Mapping[str, str], act: Callable[[], None]) -> web.Response:
        try:
            act()
        except PhoneError as error:
            return _answer(200, {"status": "fail", **({"error": error.code} if error.code else {})})
        self.on_change()
        return _answer(200, {"status": "success", "call_id": call.call_id, **more})

    # -- reports and agents [003:773-960] --------------------------------------------------------------------------

    async def _report_ids(self, request: web.Request) -> web.Response:
        start, end = _span(request)
        if end - start > _REPORT_SECONDS:
            raise _Refused(400, "date range must be in 24 hours")
        rows = self.records.rows_between(start, end)
        data = [{"call_id": row.get("id"), "sip_call_id": row.get("sip_call_id")} for row in rows]
        return _answer(200, {"data": data, "total": len(data)})

    async def _report_statuses(self, request: web.Request) -> web.Response:
        counts = self.records.statuses_between(*_span(request))
        data = [{"count": count, "status": status} for status, count in counts.items()]
        return _answer(200, {"data": data, "total": counts.total()})

    async def _list_agents(self, request: web.Request) -> web.Response:
        rows = [self._agent_row(phone) for phone in self.phones.extensions.values() if phone.registered]
        return _answer(200, {"data": rows, "total": len(rows)})

    def _agent_row(self, phone: Extension) -> dict[str, str]:
        call = self.phones.calls.get(phone.call_id or "")
        on_call = {"call_id": "", "call_state": "", "call_time": "", "destination": "", "direction": ""}
        if call is not None:
            rings = phone.extension in call.ringing or (
                call.phase == "extension_ringing" and phone.extension == call.extension
            )
            on_call = {
                "call_id": call.call_id,
                "call_state": "RINGING" if rings else "ONCALL",
                "call_time": to_text(call.created_at),
                "destination": call.bleg or "",
                "direction": call.direction,
            }
        return {
            "agent_name": phone.agent_name,
            **on_call,
            "domain_id": self.access.domain_id,
            "domain_name": self.domain,
            "extension": phone.extension,
            "extension_id": phone.extension_id,
            "network_ip": "192.0.2.15",
            "server_host": "192.0.2.1",
            "user_agent": "MicroSIP/3.20.6",
            "user_id": phone.user_id,
            "username": phone.username,
        }

    # -- tenants [003:962-1132] ------------------------------------------------------------------------------------

    async def _create_tenant(self, request: web.Request) -> web.Response:
        tenant_id = _text(request, "tenant_id")
        if tenant_id in self.tenants:
            raise _Refused(409, "tenant is existed already")
        tenant = self.tenants[tenant_id] = Tenant(tenant_id)
        return _answer(200, {"created": True, "data": {**tenant.described(self.url()), "user": tenant.user}})

    async def _get_tenant(self, request: web.Request) -> web.Response:
        return _answer(200, self._tenant(request).described(self.url()))

    async def _update_tenant(self, request: web.Request) -> web.Response:
        tenant, enable = self._tenant(request), _field(request, "enable")
        if not isinstance(enable, bool):
            raise _Refused(400, "enable must be true or false")
        tenant.enabled = enable
        return _answer(200, {"message": "update successfully"})

    async def _create_extension(self, request: web.Request) -> web.Response:
        tenant, extension, password = self._tenant(request), _text(request, "ext"), _text(request, "pwd")
        if extension in tenant.extensions:
            raise _Refused(409, "extension is existed already")
        tenant.extensions[extension] = password
        return _answer(200, {"created": True, "data": {"enabled": "true", "ext": extension, "pwd": password}})

    async def _get_extension(self, request: web.Request) -> web.Response:
        extension = request.match_info["extension"]
        password = self._tenant(request).extensions.get(extension)
        if password is None:
            raise _Refused(404, "Not Found")
        return _answer(200, {"ext": extension, "pwd": password, "enabled": "true"})

    def _tenant(self, request: web.Request) -> Tenant:
        """Find a tenant by its id, or by the uuid of its tenant_url."""
        wanted = request.match_info["tenant_id"]
        for tenant in self.tenants.values():
            if wanted in (tenant.tenant_id, tenant.tenant_uuid):
                return tenant
        raise _Refused(404, "Not Found")


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _answer(status: int, body: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _field(request: web.Request, name: str) -> Any:
    body = request[_BODY]
    if not isinstance(body, dict):
        raise _Refused(400, "the body must be a JSON object")
    return body.get(name)


def _text(request: web.Request, name: str, *, required: bool = True) -> str:
    value = _field(request, name)
    if value in (None, ""):
        if required:
            raise _Refused(400, f"{name} is required")
        return ""
    if not isinstance(value, str):
        raise _Refused(400, f"{name} must be text")
    return value


def _leg(request: web.Request) -> Leg:
    match _text(request, "legs"):
        case "aleg":
            return "aleg"
        case "bleg":
            return "bleg"
        case _:
            raise _Refused(400, "legs must be aleg or bleg")


def _span(request: web.Request) -> tuple[int, int]:
    """Read the dates of a report, both required."""
    times = []
    for name in ("start_date", "end_date"):
        text = request.query.get(name)
        if not text:
            raise _Refused(400, f"{name} is required")
        try:
            times.append(to_epoch(text, end_of_day=name == "end_date"))
        except ValueError as error:
            raise _Refused(400, f"{name}: {error}") from None
    start, end = times
    if start > end:
        raise _Refused(400, "start_date must be after end_date")  # says the opposite of what it means [003:865]
    return start, end
