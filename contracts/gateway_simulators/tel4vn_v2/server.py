"""The HTTP side of the call center: the 28 documented operations, where later editions moved them, and recordings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

import attrs
from aiohttp import web

from gateway_simulators.json_responses import json_response
from gateway_simulators.received_requests import Refused
from gateway_simulators.tel4vn.phones import Leg, PhoneError, Rung
from gateway_simulators.tel4vn.record_filters import Filters, Row, whole_number
from gateway_simulators.tel4vn.server import NOT_REGISTERED, PbxServer, Route, anyone, text_of
from gateway_simulators.tel4vn.server import field_of as field
from gateway_simulators.tel4vn.vendor_time import epoch_of, epoch_to_text
from gateway_simulators.tel4vn_v2.behaviour import Behaviour
from gateway_simulators.tel4vn_v2.campaigns import PHONE_NUMBER, CustomerList, Kind, Queue
from gateway_simulators.tel4vn_v2.mappings import default_row, flex_row

_FILTERS = ("start_date", "end_date", "duration", "extension", "phone", "direction")  # [002:441-446]
_CUSTOMER_FIELDS = ("campaign_id", "customer_code", "phone_number", "contract_number")  # required [002:1699-1703]
_QUEUE_SETTINGS = (  # [002:895-899,1110-1114]
    *("campaign_id", "precall_ratio", "max_recall_count", "queue_agents"),
    *("template", "concurrent_call", "min_recall_duration"),
)
_QUEUE_FIELDS: Mapping[Kind, tuple[str, ...]] = {  # required [002:953-958,1194-1200]
    "autodialer": ("campaign_id", "precall_ratio", "max_recall_count"),
    "autocall": ("template",),
}


@attrs.define(eq=False, kw_only=True)
class Server(PbxServer):
    """Carries out the vendor's operations on the state of the call center."""

    behaviour: Behaviour
    queues: dict[tuple[Kind, str], Queue] = attrs.field(factory=dict, init=False)
    customers: CustomerList = attrs.field(factory=CustomerList, init=False)
    mappings: dict[str, Literal["default", "flex"]] = attrs.field(factory=dict, init=False)
    campaigns: set[str] = attrs.field(init=False, factory=lambda: {"aaaaaaaa-1111-2222-3333-eeeeeeee"})

    def routes(self) -> Iterable[Route]:
        token = self.with_token
        yield from (
            ("POST", "/v1/auth", self.logged_in, self._log_in),
            ("POST", "/v2/auth/token", self.with_api_key, self._issue_token),
            ("GET", "/v1/event", token, self.list_hooks),
            ("POST", "/v1/event", token, self.create_hook),
            ("DELETE", "/v1/event/{hook_id}", token, self.delete_hook),
            ("GET", "/v2/cdr", token, self._list_records),
            ("GET", "/v2/cdr/{record_id}", token, self._get_record),
            ("GET", "/v1/click2call", token, partial(self.click_to_call, wait=True)),
            ("GET", "/v1/click2call/async", token, partial(self.click_to_call, wait=False)),
            ("POST", "/v2/click2call", token, self._call_customer),
            ("GET", "/v2/call", token, self.list_calls),
            ("GET", "/v2/user/{user_id}/status", token, self._get_user),
            ("GET", "/v2/customer", token, self._list_customers),
            ("GET", "/v2/customer/{customer_id}", token, self._get_customer),
            ("POST", "/v2/customer", token, self._create_customer),
            ("POST", "/v2/autocall/queue/dnc", token, self._block_customers),
            # The paths to which the public edition of 2023 moved operations.
            ("POST", "/v3/auth", self.logged_in, self._log_in),
            ("POST", "/v3/auth/token", self.with_api_key, self._issue_token),
            ("GET", "/v3/cdr", token, self._list_records),
            ("GET", "/v3/cdr/{record_id}", token, self._get_record),
            ("GET", "/v1/call", token, self.list_calls),
            ("GET", "/v3/extension/{extension}/loggedin", token, self._get_extension),
            ("GET", "/recording/{name}", anyone, self.get_recording),
        )
        for version in ("v2", "v1"):  # v1 is of 2023
            base = f"/{version}/call/{{call_id}}"
            yield ("POST", f"{base}/transfer", token, self._transfer)
            yield ("POST", f"{base}/listen", token, partial(self.supervise, how="listen"))
            yield ("POST", f"{base}/whisper", token, partial(self.supervise, how="whisper"))
            yield ("POST", f"{base}/barge", token, partial(self.supervise, how="barge"))
        kinds: tuple[Kind, ...] = ("autodialer", "autocall")
        for kind in kinds:
            base = f"/v2/{kind}/queue"
            yield ("POST", base, token, partial(self._load_queue, kind=kind))
            yield ("POST", f"{base}/stop", token, partial(self._stop_queue, kind=kind))
            yield ("POST", f"{base}/delete", token, partial(self._delete_queue, kind=kind))
            yield ("POST", f"{base}/start", token, partial(self._start_queue, kind=kind))

    # -- how it writes responses -----------------------------------------------------------------------------------

    def refusal(self, refused: Refused) -> web.Response:
        status, text = refused.status, refused.error
        body = refused.body or {"code": status, "content": text, "error": HTTPStatus(status).phrase}
        hidden = self.behaviour.errors_as_200 and status != 401
        return json_response(200 if hidden else status, self._coded(body))

    def _coded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write `code` as it is to be written."""
        if "code" not in body or self.behaviour.code == "int":
            return dict(body)
        if self.behaviour.code == "text":
            return {**body, "code": str(body["code"])}
        return {name: value for name, value in body.items() if name != "code"}

    def _said(self, data: Any, **more: Any) -> web.Response:
        """Respond with *data*, in its envelope or without."""
        around = {"code": 200, "content": "successfully", **more}
        flat = self.behaviour.envelope == "flat" and isinstance(data, dict)
        return json_response(200, self._coded({**around, **data} if flat else {**around, "data": data}))

    # -- authentication [002:27-116] -------------------------------------------------------------------------------

    async def _log_in(self, request: web.Request) -> web.Response:
        access = self.access
        return self._said(
            {
                "api_key": access.api_key,
                "domain_uuid": access.domain_id,
                "enabled": "true",
                "extension": "110",
                "level": "admin",
                "user_uuid": access.user_id,
                "username": access.username.partition("@")[0],
            }
        )

    async def _issue_token(self, request: web.Request) -> web.Response:
        life = self.behaviour.token_seconds
        return self._said(
            {
                "client_id": self.access.user_id,
                "domain_uuid": self.access.domain_id,
                "expired_in": int(life),
                "refresh_token": "",
                "token": self.access.issue(life),
                "token_type": "Bearer",
                "user_id": self.access.user_id,
            }
        )

    # -- records [002:263-505] -------------------------------------------------------------------------------------

    async def _list_records(self, request: web.Request) -> web.Response:
        try:
            filters = Filters.from_query({name: request.query.get(name, "") for name in _FILTERS})
        except ValueError as error:
            raise Refused(400, str(error)) from None
        if self.behaviour.paging == "offset" and not {"limit", "offset"} <= request.query.keys():
            # The edition of 2023 says so: both become -1 and nothing comes back.
            return json_response(200, {"data": [], "limit": -1, "offset": -1, "total": self.records.count(filters)})
        found = self.listed(request, filters)
        rows = [self.written(row) for row in found.rows]
        if found.scroll_id is not None:
            return json_response(200, {"data": rows, "scroll_id": found.scroll_id})
        return json_response(200, {"data": rows, "limit": found.limit, "offset": found.start, "total": found.total})

    async def _get_record(self, request: web.Request) -> web.Response:
        row = self.records.find(request.match_info["record_id"])
        if row is None:
            raise Refused(404, "Not Found")
        return json_response(200, self.written(row))

    def written(self, row: Row) -> Row:
        """Write a row as the tenant's mapping has it."""
        # Seeded rows have none of the fields that this product adds.
        started, answered, ended = (epoch_of(row.get(f"time_{name}")) for name in ("started", "answered", "ended"))
        talk = 0 if answered is None or ended is None else ended - answered
        ringing = "" if started is None else epoch_to_text(started)
        whole = {"customer_id": "", "time_ringing": ringing, "billsec": talk, **row}
        mapping = self.behaviour.cdr_mapping
        if mapping == "mixed":  # a row given in one mapping stays in it; of others every second one is Flex
            record_id = str(row["id"]).strip()
            mapping = self.mappings.get(record_id) or ("flex" if ord(record_id[-1:] or "0") % 2 else "default")
        return flex_row(whole) if mapping == "flex" else default_row(whole)

    # -- calls [002:508-880] ---------------------------------------------------------------------------------------

    async def _call_customer(self, request: web.Request) -> web.Response:
        query = {
            "ext": text_of(request, "agent"),
            "phone": text_of(request, "mobile"),
            "customer_id": text_of(request, "id", required=False),
        }
        try:
            call = self.phones.dial(query)
        except PhoneError as error:
            message = {"message": NOT_REGISTERED} if error.code == "USER_NOT_REGISTERED" else {}
            return json_response(200, {"code": "1", "status": "fail", **message, "error": error.code})
        return json_response(200, {"code": "0", "call_id": call.call_id, "status": "success"})

    async def _transfer(self, request: web.Request) -> web.Response:
        call, extension = self.call_of(request), text_of(request, "ext")
        customer: Leg = "bleg" if call.direction == "outbound" else "aleg"
        return self.done(call, {"ext": extension}, lambda: self.phones.transfer(call, extension, customer))

    # -- queues [002:882-1412] -------------------------------------------------------------------------------------

    async def _load_queue(self, request: web.Request, *, kind: Kind) -> web.Response:
        code = text_of(request, "queue_code")
        for name in _QUEUE_FIELDS[kind]:
            text_of(request, name)
        if kind == "autodialer" and text_of(request, "campaign_id") not in self.campaigns:
            raise Refused(400, "campaign is invalid", {"message": "campaign is invalid"})
        customers = field(request, "customers")
        if not isinstance(customers, list) or not all(isinstance(each, dict) for each in customers) or not customers:
            raise _import_failed(kind, [])
        taken = {str(each.get("id")): each.get("mobiles") for each in customers if _reachable(each.get("mobiles"))}
        failed = [str(each.get("id")) for each in customers if str(each.get("id")) not in taken]
        if not taken:
            raise _import_failed(kind, failed)
        queue = self.queues.setdefault((kind, code), Queue(kind=kind, queue_code=code))
        queue.running = True
        queue.settings = {name: field(request, name) for name in _QUEUE_SETTINGS if field(request, name) is not None}
        queue.customers |= taken
        if kind == "autodialer":
            return json_response(200, {"message": "successfully"})
        return self._said({"fail": failed, "success": list(taken)})

    async def _block_customers(self, request: web.Request) -> web.Response:
        queue = self._queue(request, "autocall")
        customers = field(request, "customers")
        if not isinstance(customers, list) or not all(isinstance(each, dict) for each in customers):
            raise Refused(400, "customers is invalid")
        queue.blocked |= {str(each.get("id")) for each in customers}
        return self._ok("autocall")

    async def _stop_queue(self, request: web.Request, *, kind: Kind) -> web.Response:
        self._queue(request, kind).running = False
        return self._ok(kind)

    async def _delete_queue(self, request: web.Request, *, kind: Kind) -> web.Response:
        queue = self._queue(request, kind)
        if queue.running:  # it is deleted after a stop [002:1034,1352]; how another is refused is not shown
            raise _refused(kind, 400, "queue is running")
        del self.queues[kind, queue.queue_code]
        return self._ok(kind)

    async def _start_queue(self, request: web.Request, *, kind: Kind) -> web.Response:
        queue = self._queue(request, kind)
        queue.running = True
        self.phones.rung.append(Rung("start_queue", queue.queue_code, None))
        self.on_change()
        return self._ok(kind)

    def _queue(self, request: web.Request, kind: Kind) -> Queue:
        queue = self.queues.get((kind, text_of(request, "queue_code")))
        if queue is None:
            raise _refused(kind, 404, "queue not found")
        return queue

    def _ok(self, kind: Kind) -> web.Response:
        body = {"message": "successfully"} if kind == "autodialer" else {"code": 200, "content": "successfully"}
        return json_response(200, self._coded(body))

    # -- users and customers [002:1414-1703] -----------------------------------------------------------------------

    async def _get_user(self, request: web.Request) -> web.Response:
        wanted = request.match_info["user_id"]
        for phone in self.phones.extensions.values():
            if wanted in (phone.user_id, phone.username):
                return self._said(
                    {
                        "agent_name": phone.agent_name,
                        "ext_loggedin": "true" if phone.registered else "false",
                        "extension": phone.extension,
                        "user_uuid": phone.user_id,
                        "username": phone.username,
                    }
                )
        raise Refused(404, "user is not existed")

    async def _get_extension(self, request: web.Request) -> web.Response:
        """Tell whether an extension is logged in; in 2023 this operation took the place of the user's status."""
        wanted = request.match_info["extension"]
        for phone in self.phones.extensions.values():
            if wanted in (phone.extension, phone.extension_id):
                return json_response(200, {"extension": phone.extension, "is_logged_in": phone.registered})
        raise Refused(404, "Extension not found", {"error": "Extension not found"})

    async def _list_customers(self, request: web.Request) -> web.Response:
        try:
            limit, offset = (whole_number(request.query, name) for name in ("limit", "offset"))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        wanted = request.query.get("campaign_id")
        rows = [row for row in self.customers.rows.values() if wanted in (None, row["campaign_id"])]
        limit = min(limit or 10, self.behaviour.largest_page)  # the numbers of the sample [002:1518-1519]
        match self.behaviour.paging:  # the document has no other way than the offset
            case "first_page":
                offset = 0
            case "everything":
                limit, offset = len(rows), 0
        offset = offset or 0
        return self._said(rows[offset : offset + limit], limit=limit, offset=offset, total=len(rows))

    async def _get_customer(self, request: web.Request) -> web.Response:
        row = self.customers.rows.get(request.match_info["customer_id"])
        if row is None:
            raise Refused(404, "Not Found")
        return self._said(row)

    async def _create_customer(self, request: web.Request) -> web.Response:
        wrong = [{name: "is required"} for name in _CUSTOMER_FIELDS if not field(request, name)]
        number = field(request, "phone_number")
        if number and not PHONE_NUMBER.fullmatch(str(number)):
            wrong.append({"phone_number": f"Does not match pattern '^{PHONE_NUMBER.pattern}$'"})
        if wrong:
            raise Refused(400, "Bad Request", {"code": 400, "content": wrong, "error": "Bad Request"})
        if field(request, "campaign_id") not in self.campaigns:
            raise Refused(400, "campaign is invalid")
        given = {name: field(request, name) for name in (*_CUSTOMER_FIELDS, "customer_name")}
        row = self.customers.add(self.clock.now(), {name: value or "" for name, value in given.items()})
        return json_response(201, self._coded({"code": 201, "content": "successfully", "id": row["customer_id"]}))


def _refused(kind: Kind, status: int, text: str) -> Refused:
    """Write a refusal as the queues of *kind* do [002:981-983,1235-1238]."""
    return Refused(status, text, {"message": text} if kind == "autodialer" else {"code": status, "content": text})


def _import_failed(kind: Kind, failed: list[str]) -> Refused:
    """Refuse all customers of a load [002:1148-1156]."""
    text = "import fail"
    body = {"code": 400, "content": text, "data": {"fail": failed, "success": []}}
    return Refused(400, text, {"message": text} if kind == "autodialer" else body)


def _reachable(mobiles: Any) -> bool:
    return isinstance(mobiles, list) and any(PHONE_NUMBER.fullmatch(str(mobile)) for mobile in mobiles)
