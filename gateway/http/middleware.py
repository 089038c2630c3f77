"""What is done for every request, whatever it asks for: a request id, refusals before any key is looked at, a problem
in the place of an error, and counting.
"""

import random
import re
from collections.abc import Awaitable, Callable, Mapping

import attrs
import structlog
from aiohttp import web
from gateway_contracts import (
    DialState,
    Forbidden,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Operation,
    UnsupportedMediaType,
    dumps,
)

from ..dialling.request_context import RequestContext
from ..logs import log, place_of
from ..metrics import OK, Metrics
from .endpoints import Endpoint
from .slow_clients import SlowClients

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTEXT = web.RequestKey("context", RequestContext)
"""The context of a request that dials."""
_REQUEST_ID = web.RequestKey("request id", str)
_OUR_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)


@attrs.frozen
class Middleware:
    """The middleware of one application. *served* says what each handler serves; *secured* whether keys are needed."""

    served: Mapping[Handler, Operation | Endpoint]
    secured: bool
    metrics: Metrics
    slow_clients: SlowClients

    @web.middleware
    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The response of *handler*, or a problem response for any error."""
        given = request.headers.get("X-Request-Id", "")
        if not given or not _OUR_REQUEST_ID.fullmatch(given):
            given = f"{random.getrandbits(64):016x}"  # no secret
        request[_REQUEST_ID] = request_id = given
        self.slow_clients.watch(request.transport)
        code = OK
        # Each request has a task and a context of its own, so nothing is to be taken back.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        served = self.served.get(request.match_info.handler)
        try:
            self._refuse_other_sites(request, served)
            _refuse_encoded(request, served)
            response = await handler(request)
        except GatewayError as error:
            code = error.code
            response = _problem(error, request_id)
        except web.HTTPException as error:
            problem = _of_http(error, request)
            code = problem.code
            response = _problem(problem, request_id)
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        except Exception as error:  # noqa: BLE001 # the boundary: the client learns that we failed, the log where
            resource = request.match_info.route.resource
            log.error("request.failed", path=resource.canonical if resource else None, **place_of(error))
            code = GatewayError.code
            response = _problem(GatewayError("The gateway failed; its log says where"), request_id)
        self.metrics.requests[served.name if served is not None else "none", code] += 1
        return response

    def _refuse_other_sites(self, request: web.Request, served: Operation | Endpoint | None) -> None:
        # A web page must not be able to dial. Browsers name the page's site in Origin; and where no key is needed, a
        # host name that somebody else's DNS points at this machine is refused too.
        state = state_of_refusal(request) if served is not None and served.rings else None
        origins, host = request.headers.getall("Origin", []), request.headers.get("Host", "").lower()
        if any(origin.partition("://")[2].lower() != host for origin in origins):
            raise Forbidden("Requests from other web sites are refused", dial_state=state)
        if not self.secured and not _LOOPBACK_HOST.fullmatch(request.headers.get("Host", "")):
            raise Forbidden("Without keys the sidecar serves localhost only", dial_state=state)


async def complete(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every *response* has. The application does this when it sends a response's head."""
    if (context := request.get(CONTEXT)) is not None and context.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    response.headers["X-Request-Id"] = request[_REQUEST_ID]
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")


def state_of_refusal(request: web.Request) -> DialState | None:
    """The state of a dial that is refused before the vendor is asked: `not_placed`; None where *request* has an
    idempotency key, because an earlier request with that key may have dialled.
    """
    return None if "Idempotency-Key" in request.headers else DialState.NOT_PLACED


def _refuse_encoded(request: web.Request, served: Operation | Endpoint | None) -> None:
    # A few bytes may unpack to many, and the client has not shown a key yet.
    codings = ",".join(request.headers.getall("Content-Encoding", [])).strip().lower()
    if codings not in {"", "identity"} and request.body_exists:
        raise UnsupportedMediaType(
            "Send the body as it is, without Content-Encoding",
            dial_state=state_of_refusal(request) if served is not None and served.rings else None,
        )


def _problem(error: GatewayError, request_id: str) -> web.Response:
    error.request_id = request_id
    response = web.Response(
        body=dumps(error.as_problem()), status=error.status, content_type="application/problem+json"
    )
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(round(error.retry_after), 1))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _of_http(error: web.HTTPException, request: web.Request) -> GatewayError:
    """The error of ours that tells what aiohttp's *error* does."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(
            f"{request.method} is not allowed here; allowed: {', '.join(sorted(error.allowed_methods))}"
        )
    if error.status == 404:
        return NotFound("There is no such path; /docs shows those that there are")
    if error.status < 500:
        return InvalidRequest(error.reason)
    return GatewayError(error.reason)
