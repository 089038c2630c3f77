"""The HTTP side of the PBX: the 23 documented operations, and the recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import attrs
from aiohttp import web

from gateway_simulators.json_responses import json_response
from gateway_simulators.received_requests import Refused
from gateway_simulators.tel4vn.phones import Extension, Leg
from gateway_simulators.tel4vn.record_filters import Filters
from gateway_simulators.tel4vn.server import PbxServer, Route, anyone, bearer, field_of, text_of
from gateway_simulators.tel4vn.vendor_time import to_epoch, to_text
from gateway_simulators.tel4vn_v1.access import Tenant, account, token
from gateway_simulators.tel4vn_v1.behaviour import Behaviour

_REPORT_SECONDS = 24 * 60 * 60


@attrs.define(eq=False, kw_only=True)
class Server(PbxServer):
    """Carries out the vendor's operations on the state of the PBX."""

    behaviour: Behaviour
    tenant_secret: str
    url: Callable[[], str]
    tenants: dict[str, Tenant] = attrs.field(factory=dict, init=False)

    def routes(self) -> Iterable[Route]:
        token_, secret = self.with_token, self._with_tenant_secret
        return (
            ("POST", "/v1/auth", self.logged_in, self._log_in),
            ("POST", "/v1/auth/token", self.with_api_key, self._issue_token),
            ("GET", "/v1/event", token_, self.list_hooks),
            ("POST", "/v1/event", token_, self.create_hook),
            ("DELETE", "/v1/event/{hook_id}", token_, self.delete_hook),
            ("GET", "/v1/cdr", token_, self._list_records),
            ("GET", "/v1/cdr/{record_id}", token_, self._get_record),
            ("GET", "/v1/click2call", token_, partial(self.click_to_call, wait=True)),
            ("GET", "/v1/click2call/async", token_, partial(self.click_to_call, wait=False)),
            ("GET", "/v1/call", token_, self.list_calls),
            ("POST", "/v1/call/{call_id}/transfer", token_, self._transfer),
            ("POST", "/v1/call/{call_id}/listen", token_, partial(self.supervise, how="listen")),
            ("POST", "/v1/call/{call_id}/whisper", token_, partial(self.supervise, how="whisper")),
            ("POST", "/v1/call/{call_id}/barge", token_, partial(self.supervise, how="barge")),
            ("POST", "/v1/call/{call_id}/park", token_, self._park),
            ("GET", "/v1/report/call_id", token_, self._report_ids),
            ("GET", "/v1/report/call_status", token_, self._report_statuses),
            ("GET", "/v1/monitor/agent", token_, self._list_agents),
            ("POST", "/v1/tenant", secret, self._create_tenant),
            ("GET", "/v1/tenant/{tenant_id}", secret, self._get_tenant),
            ("PUT", "/v1/tenant/{tenant_id}", secret, self._update_tenant),
            ("POST", "/v1/tenant/{tenant_id}/extension", secret, self._create_extension),
            ("GET", "/v1/tenant/{tenant_id}/extension/extension/{extension}", secret, self._get_extension),
            ("GET", "/v1/tenant/{tenant_id}/extension/{extension}", secret, self._get_extension),  # of 2023
            ("GET", "/recording/{name}", anyone, self.get_recording),  # "public" [003:251]
        )

    def _with_tenant_secret(self, request: web.Request) -> None:
        if bearer(request) == self.tenant_secret:
            return
        self.with_token(request)
        raise Refused(403, "Forbidden")

    # -- authentication [003:27-108] -------------------------------------------------------------------------------

    async def _log_in(self, request: web.Request) -> web.Response:
        return json_response(200, {"data": account(self.access)})

    async def _issue_token(self, request: web.Request) -> web.Response:
        return json_response(200, {"data": token(self.access, self.behaviour)})

    # -- records [003:264-456] -------------------------------------------------------------------------------------

    async def _list_records(self, request: web.Request) -> web.Response:
        try:
            filters = Filters.from_query(request.query)
        except ValueError as error:
            raise Refused(400, str(error)) from None
        found = self.listed(request, filters)
        if found.scroll_id is not None:
            return json_response(200, {"data": found.rows, "scroll_id": found.scroll_id})
        page = found.start // found.limit + 1
        return json_response(200, {"data": found.rows, "limit": found.limit, "page": page, "total": found.total})

    async def _get_record(self, request: web.Request) -> web.Response:
        row = self.records.find(request.match_info["record_id"])
        if row is None:
            raise Refused(404, "Not Found")
        return json_response(200, row)

    # -- calls [000, 001] ------------------------------------------------------------------------------------------

    async def _transfer(self, request: web.Request) -> web.Response:
        call, extension = self.call_of(request), text_of(request, "ext")
        customer: Leg = "bleg" if call.direction == "outbound" else "aleg"
        leg = customer if field_of(request, "legs") is None else _leg(request)  # it may be missing [003:643]
        return self.done(call, {"ext": extension}, lambda: self.phones.transfer(call, extension, leg))

    async def _park(self, request: web.Request) -> web.Response:
        call, leg = self.call_of(request), _leg(request)
        return self.done(call, {}, lambda: self.phones.park(call, leg))

    # -- reports and agents [003:773-960] --------------------------------------------------------------------------

    async def _report_ids(self, request: web.Request) -> web.Response:
        start, end = _span(request)
        if end - start > _REPORT_SECONDS:
            raise Refused(400, "date range must be in 24 hours")
        rows = self.records.rows_between(start, end)
        data = [{"call_id": row.get("id"), "sip_call_id": row.get("sip_call_id")} for row in rows]
        return json_response(200, {"data": data, "total": len(data)})

    async def _report_statuses(self, request: web.Request) -> web.Response:
        counts = self.records.statuses_between(*_span(request))
        data = [{"count": count, "status": status} for status, count in counts.items()]
        return json_response(200, {"data": data, "total": counts.total()})

    async def _list_agents(self, request: web.Request) -> web.Response:
        rows = [self._agent_row(phone) for phone in self.phones.extensions.values() if phone.registered]
        return json_response(200, {"data": rows, "total": len(rows)})

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
        tenant_id = text_of(request, "tenant_id")
        if tenant_id in self.tenants:
            raise Refused(409, "tenant is existed already")
        tenant = self.tenants[tenant_id] = Tenant(tenant_id)
        return json_response(200, {"created": True, "data": {**tenant.described(self.url()), "user": tenant.user}})

    async def _get_tenant(self, request: web.Request) -> web.Response:
        return json_response(200, self._tenant(request).described(self.url()))

    async def _update_tenant(self, request: web.Request) -> web.Response:
        tenant, enable = self._tenant(request), field_of(request, "enable")
        if not isinstance(enable, bool):
            raise Refused(400, "enable must be true or false")
        tenant.enabled = enable
        return json_response(200, {"message": "update successfully"})

    async def _create_extension(self, request: web.Request) -> web.Response:
        tenant, extension, password = self._tenant(request), text_of(request, "ext"), text_of(request, "pwd")
        if extension in tenant.extensions:
            raise Refused(409, "extension is existed already")
        tenant.extensions[extension] = password
        return json_response(200, {"created": True, "data": {"enabled": "true", "ext": extension, "pwd": password}})

    async def _get_extension(self, request: web.Request) -> web.Response:
        extension = request.match_info["extension"]
        password = self._tenant(request).extensions.get(extension)
        if password is None:
            raise Refused(404, "Not Found")
        return json_response(200, {"ext": extension, "pwd": password, "enabled": "true"})

    def _tenant(self, request: web.Request) -> Tenant:
        """Find a tenant by its id, or by the uuid of its tenant_url."""
        wanted = request.match_info["tenant_id"]
        for tenant in self.tenants.values():
            if wanted in (tenant.tenant_id, tenant.tenant_uuid):
                return tenant
        raise Refused(404, "Not Found")


def _leg(request: web.Request) -> Leg:
    match text_of(request, "legs"):
        case "aleg":
            return "aleg"
        case "bleg":
            return "bleg"
        case _:
            raise Refused(400, "legs must be aleg or bleg")


def _span(request: web.Request) -> tuple[int, int]:
    """Read the dates of a report, both required."""
    times = []
    for name in ("start_date", "end_date"):
        text = request.query.get(name)
        if not text:
            raise Refused(400, f"{name} is required")
        try:
            times.append(to_epoch(text, end_of_day=name == "end_date"))
        except ValueError as error:
            raise Refused(400, f"{name}: {error}") from None
    start, end = times
    if start > end:
        raise Refused(400, "start_date must be after end_date")  # says the opposite of what it means [003:865]
    return start, end
