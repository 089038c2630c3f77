"""The one handler that serves every operation: it reads the arguments, has the account carry the operation out, and
makes the response.
"""

from collections.abc import Mapping
from typing import Any

import attrs
from aiohttp import web
from gateway_contracts import (
    MAX_PROBLEMS,
    Audio,
    DialState,
    GatewayError,
    InvalidRequest,
    InvalidValue,
    Location,
    Operation,
    Parameter,
    from_text,
    nearest,
)
from gateway_contracts.audio import is_range
from multidict import MultiMapping

from ..dialling.request_context import DIAL, RequestContext
from ..facade import Gateway
from ..formats import CSV
from ..keys import Keyring
from ..metrics import Metrics
from ..parameters import refuse, sent_once
from .connections import head_at
from .middleware import CONTEXT, Handler, state_of_refusal
from .request_bodies import Bodies
from .responses import model_response
from .streaming import play, stream, stream_type


@attrs.frozen
class Operations:
    """Makes the handlers of operations."""

    gateway: Gateway
    keyring: Keyring
    bodies: Bodies
    metrics: Metrics

    def handler(self, operation: Operation) -> Handler:
        """The handler of requests for *operation*."""
        places, paged = _Places.of(operation), operation.paged

        async def handle(request: web.Request) -> web.StreamResponse:
            at = head_at(request) if operation.name == DIAL else None
            name = request.match_info["account"]
            try:
                client = self.keyring.client(sent_once(request, "Authorization"))
                client.check(name, operation.scope)
                account = self.gateway[name]
                account.need(operation)
                arguments, raw = await _arguments(request, operation, places, self.bodies)
                media_type = stream_type(request) if paged else None
                if raw and media_type == CSV:
                    raise InvalidRequest("There is no column for the vendor's answer", fields={"raw": "goes with JSON"})
            except GatewayError as error:
                error.account = error.account or name
                error.operation = operation.name
                if operation.rings:
                    dials = operation.name == DIAL
                    error.dial_state = state_of_refusal(request) if dials else DialState.NOT_PLACED
                raise
            if media_type is not None:
                return await stream(request, account, operation, arguments, media_type, raw)
            if operation.name == DIAL:
                request[CONTEXT] = context = RequestContext.of(client, at)
                with context:
                    done: Any = None  # of a client who does not wait
                    try:
                        done = result = await account.carry_out(operation, arguments)
                    except GatewayError as error:
                        done = error
                        raise
                    finally:
                        self._count_dial(name, done, context)
            else:
                result = await account.carry_out(operation, arguments)
            if isinstance(result, Audio):
                return await play(request, result)
            return model_response(result, operation.status, raw=raw)

        return handle

    def _count_dial(self, name: str, done: Any, context: RequestContext) -> None:
        """Count a dial of the account or route *name* that is *done*: its result or its error, None where the client
        waits for neither.
        """
        error = done if isinstance(done, GatewayError) else None
        state = DialState.PLACED if done and not error else error.dial_state if error else DialState.UNKNOWN
        outcome = "replayed" if context.replayed else state.value if state else "refused"
        self.metrics.dials[(done and done.account) or name, outcome] += 1


@attrs.frozen
class _Places:
    """Where a request gives the arguments of one operation."""

    path: tuple[Parameter, ...]
    headers: tuple[Parameter, ...]
    query: Mapping[str, Parameter]
    body: Mapping[str, Parameter]
    has_body: bool

    @classmethod
    def of(cls, operation: Operation) -> "_Places":
        named = {
            place: {each.name: each for each in operation.parameters_in(place)}
            for place in (Location.QUERY, Location.BODY)
        }
        return cls(
            operation.parameters_in(Location.PATH),
            operation.parameters_in(Location.HEADER),
            named[Location.QUERY],
            named[Location.BODY],
            operation.verb in {"POST", "PUT", "PATCH"},
        )


async def _arguments(
    request: web.Request, operation: Operation, places: _Places, bodies: Bodies
) -> tuple[dict[str, Any], bool]:
    """The arguments that *request* gives, and whether the vendor's own answer is wanted. Raises: InvalidRequest, …"""
    fields: dict[str, str] = {}
    arguments: dict[str, Any] = {parameter.name: request.match_info[parameter.name] for parameter in places.path}
    for parameter in places.headers:
        given = sent_once(request, parameter.sent_as)
        if given is not None and _is_meant(parameter.sent_as, given):
            arguments[parameter.name] = given
    raw = False
    if request.query_string:
        raw = _is_raw(request.query, fields)
        _read_query(request.query, operation, places.query, arguments, fields)
    if places.has_body:
        for name, value in (await bodies.read_object(request, needed=bool(places.body))).items():
            if name in places.body:
                arguments[name] = value  # checked where the operation is carried out
            elif len(fields) < MAX_PROBLEMS:
                fields[name] = _unknown_field(name, operation, places.body)
    elif request.can_read_body:
        raise InvalidRequest(f"A {operation.verb} takes no body", fields={"body": "must be left out"})
    refuse(fields.items())
    return arguments, raw


def _read_query(
    query: MultiMapping[str],
    operation: Operation,
    known: Mapping[str, Parameter],
    arguments: dict[str, Any],
    fields: dict[str, str],
) -> None:
    """Put what *query* gives into *arguments*, and what is wrong with it into *fields*."""
    for name in dict.fromkeys(query):
        if name == "raw":
            continue
        if len(fields) >= MAX_PROBLEMS:
            break
        if name not in known:
            fields[name] = _unknown_field(name, operation, known)
            continue
        values = query.getall(name)
        try:
            arguments[name] = from_text(values[0] if len(values) == 1 else values, known[name].type)
        except InvalidValue as error:
            fields.update({f"{name}{path}": text for path, text in error.fields.items()})


def _is_raw(query: MultiMapping[str], fields: dict[str, str]) -> bool:
    values = query.getall("raw", ["0"])
    try:
        return from_text(values[0] if len(values) == 1 else values, bool)
    except InvalidValue as error:
        fields["raw"] = error.fields[""]
        return False


def _is_meant(header: str, value: str) -> bool:
    # RFC 9110, 14.2: a range that a server does not understand is as good as none.
    return header != "Range" or is_range(value)


def _unknown_field(name: str, operation: Operation, known: Any) -> str:
    for parameter in operation.parameters:
        if parameter.name == name:
            place = f"header {parameter.sent_as}" if parameter.location is Location.HEADER else parameter.location
            return f"is given in the {place}, not here"
    return f"is not known here{nearest(name, known)}"
