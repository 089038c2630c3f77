"""The sidecar: the same operations over HTTP. One handler serves all of them."""

import asyncio
import contextlib
import functools
import importlib.util
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import structlog
from aiohttp import web
from gateway_contracts import (
    MAX_PROBLEMS,
    OPERATIONS,
    Audio,
    ClickToCall,
    ConfigError,
    DialState,
    Forbidden,
    GatewayError,
    InvalidRequest,
    InvalidValue,
    Location,
    MethodNotAllowed,
    NotFound,
    Operation,
    Origin,
    Page,
    Parameter,
    Unsupported,
    UnsupportedMediaType,
    dumps,
    from_text,
    interface_name,
    loads,
    nearest,
    operations_of,
    to_json,
)
from gateway_contracts.audio import is_range
from gateway_contracts.converters import to_json_lines
from multidict import MultiMapping

from ..accounts.account import AccountFacade
from ..accounts.hook_addresses import hook_tokens
from ..accounts.support import briefly
from ..clocks import moment
from ..config import timeouts_of
from ..dialling.request_context import DIAL, RequestContext
from ..facade import Gateway
from ..formats import CSV, NDJSON, columns, csv_header, csv_rows, in_parts
from ..keys import Client, Keyring
from ..logs import log, place_of
from ..metrics import OK, Metrics, Moment
from ..models import IntakeStatus, NewStatement
from ..parameters import make, read_body, read_query, sent_once
from ..webhooks.subscriptions import ROUTES as SUBSCRIPTION_ROUTES
from ..webhooks.subscriptions import Route
from .openapi import make_openapi
from .request_bodies import Bodies
from .slow_clients import SlowClients

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30
_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

if TYPE_CHECKING:
    from ..events.workers import Workers
    from ..journal.opening import Journal
    from ..webhooks.service import SubscriptionService
    from .event_stream import Readers
    from .hook_receiver import Receiver

_ID = web.RequestKey("id", str)
_CONTEXT = web.RequestKey("context", RequestContext)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(gateway: Gateway) -> web.Application:
    """The sidecar's application for an open *gateway* whose accounts live in this process.

    Raises: ConfigError when *gateway* is a remote one.
    """
    if gateway.config is None:
        raise ConfigError("", "a sidecar needs accounts of its own: open its gateway from a file, not from a sidecar")
    sidecar = Sidecar(gateway, Keyring(gateway.config.proxy.keys))
    app = web.Application(middlewares=[sidecar.outermost], handler_args={"auto_decompress": False})
    app.cleanup_ctx.extend([sidecar.answering, sidecar.journalling, sidecar.delivering, sidecar.resolving])
    app.on_shutdown.append(sidecar.end_waiting)
    for operation in OPERATIONS.values():
        app.router.add_route(operation.verb, "/v1/accounts/{account}" + operation.path, sidecar.handler(operation))
    for route in SUBSCRIPTION_ROUTES:
        app.router.add_route(route.verb, route.path, sidecar.subscription_handler(route))
    for verb, path, name, handler in sidecar.others():
        app.router.add_route(verb, path, sidecar.named(handler, name))
    return app


class Sidecar:
    """What the routes of one application share."""

    def __init__(self, gateway: Gateway, keyring: Keyring) -> None:
        self._gateway = gateway
        self._keyring = keyring
        self._openapi = dumps(make_openapi(secured=bool(keyring)))
        self._ringing: set[object] = set()
        self._slow_clients = SlowClients()
        self._bodies = Bodies()
        self._metrics = Metrics()
        self._names: dict[object, str] = {}
        """What each handler answers, for the metrics."""
        self._journal: Journal | None = None
        self._receiver: Receiver | None = None
        self._readers: Readers | None = None
        self._subscribers: SubscriptionService | None = None
        self._background: Workers | None = None

    async def answering(self, app: web.Application) -> AsyncIterator[None]:
        """Drop clients that take nothing of their answers, as long as there are any."""
        async with self._slow_clients.watching():
            yield

    async def journalling(self, app: web.Application) -> AsyncIterator[None]:
        """Open the journal, where there is one, before the first request, and begin what goes on in the background."""
        gateway = self._gateway
        if gateway.journal is None or gateway.config is None:
            yield
            return
        from ..events.workers import Workers
        from .event_stream import Readers
        from .hook_receiver import Receiver

        self._journal = await gateway.journal.get()
        tokens = await hook_tokens(gateway.config, gateway.journal)
        accounts = {each.name: each for each in gateway}
        configs = gateway.config.accounts
        self._receiver = Receiver(accounts, configs, tokens, self._journal, bodies=self._bodies, metrics=self._metrics)
        self._readers = Readers(gateway, self._journal.log)
        self._background = Workers(tuple(gateway), gateway.config, self._journal, tokens, self._metrics)
        with self._journal.log.listening(self._metrics.hear):
            async with self._journal.store.watched(), self._background.running():
                yield

    async def delivering(self, app: web.Application) -> AsyncIterator[None]:
        """Deliver events to subscriptions, where there is a journal."""
        if self._journal is None or self._gateway.config is None:
            yield
            return
        from ..webhooks.deliverer import Deliverer
        from ..webhooks.destinations import Destinations
        from ..webhooks.service import SubscriptionService

        destinations = Destinations(self._gateway.config.proxy.webhook_hosts)
        deliverer = Deliverer(self._journal, self._keyring, destinations, metrics=self._metrics)
        self._subscribers = SubscriptionService(
            self._gateway, self._keyring, self._journal, destinations.allowed, deliverer.clock, deliverer.wake
        )
        async with deliverer.running():
            yield

    async def end_waiting(self, app: web.Application) -> None:
        """End what would hold up the stop: bodies that do not arrive, responses that are not taken, event readers."""
        self._slow_clients.stop()
        self._bodies.stop()
        if self._readers is not None:
            await self._readers.close()

    async def resolving(self, app: web.Application) -> AsyncIterator[None]:
        """Find out about unknown dials as long as requests are served."""
        gateway = self._gateway
        if gateway.journal is None or gateway.config is None:
            yield
            return
        from ..dialling.resolver import Resolver

        accounts = {each.name: each for each in gateway if each.vendor is not None}
        running = asyncio.create_task(Resolver(gateway.journal, accounts, timeouts_of(gateway.config)).run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])

    def others(self) -> Iterator[tuple[str, str, str, Handler]]:
        """The routes beside operations and subscriptions: verb, path, name, and what answers."""
        yield "GET", "/v1/accounts/{account}/dials/{dial_id}", "get_dial", self.dial
        yield "POST", "/v1/accounts/{account}/dials/{dial_id}/statement", "make_statement", self.make_statement
        yield "POST", "/hooks/{account}/{token}", "hook", self.hook
        yield "GET", "/v1/accounts", "list_accounts", self.list_accounts
        yield "GET", "/v1/events", "list_events", self.events
        yield "GET", "/v1/conversations/{conversation_id}", "get_conversation", self.get_conversation
        yield "GET", "/livez", "livez", self.livez
        yield "GET", "/readyz", "readyz", self.readyz
        yield "GET", "/metrics", "metrics", self.metrics
        yield "GET", "/openapi.json", "openapi", self.openapi
        yield "GET", "/docs", "docs", self.docs
        yield "GET", "/docs/{name}", "docs", self.docs_file

    def named(self, handler: Handler, name: str) -> Handler:
        """*handler*, whose requests are counted under *name*."""
        self._names[handler] = name
        return handler

    # Around every request

    @web.middleware
    async def outermost(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Gives the request an id and turns whatever goes wrong into a problem."""
        given = request.headers.get("X-Request-Id", "")
        if not given or not _REQUEST_ID.fullmatch(given):
            given = f"{random.getrandbits(64):016x}"  # no secret
        request[_ID] = request_id = given
        self._slow_clients.expect(request.transport)
        code = OK
        # Each request has a task and a context of its own, so nothing is to be taken back.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            self._refuse_other_sites(request)
            self._refuse_encoded(request)
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
        except Exception as error:  # noqa: BLE001 # the boundary: a fault of ours is answered and logged, not shown
            resource = request.match_info.route.resource
            log.error("request.failed", path=resource.canonical if resource else None, **place_of(error))
            code = GatewayError.code
            response = _problem(GatewayError("The gateway failed; its log says where"), request_id)
        self._metrics.requests[self._names.get(request.match_info.handler, "none"), code] += 1
        if not response.prepared:
            if (context := request.get(_CONTEXT)) is not None and context.replayed:
                response.headers["Idempotency-Replayed"] = "true"
            response.headers["X-Request-Id"] = request_id
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _refuse_other_sites(self, request: web.Request) -> None:
        # A web page must not be able to dial. Browsers name the page's site in Origin; and where no key is asked for,
        # a name that somebody else's DNS points at this machine is refused too.
        state = _state_of_refusal(request) if request.match_info.handler in self._ringing else None
        origins, host = request.headers.getall("Origin", []), request.headers.get("Host", "").lower()
        if any(origin.partition("://")[2].lower() != host for origin in origins):
            raise Forbidden("Requests from other web sites are refused", dial_state=state)
        if not self._keyring and not _LOOPBACK_HOST.fullmatch(request.headers.get("Host", "")):
            raise Forbidden("Without keys the sidecar answers to localhost only", dial_state=state)

    def _refuse_encoded(self, request: web.Request) -> None:
        # A few bytes may unpack to many, and the client has not shown a key yet.
        codings = ",".join(request.headers.getall("Content-Encoding", [])).strip().lower()
        if codings not in {"", "identity"} and request.body_exists:
            ringing = request.match_info.handler in self._ringing and "Idempotency-Key" not in request.headers
            raise UnsupportedMediaType(
                "Send the body as it is, without Content-Encoding",
                dial_state=DialState.NOT_PLACED if ringing else None,
            )

    def _client(self, request: web.Request) -> Client:
        """Who sends *request*. Raises: Unauthenticated, InvalidRequest."""
        return self._keyring.client(sent_once(request, "Authorization"))

    # Operations

    def handler(self, operation: Operation) -> Handler:
        """What answers requests for *operation*."""
        taken, paged = _Taken.by(operation), operation.paged

        async def handle(request: web.Request) -> web.StreamResponse:
            at = getattr(request.protocol, "head_at", None) or moment() if operation.name == DIAL else None
            name = request.match_info["account"]
            try:
                client = self._client(request)
                client.check(name, operation.scope)
                account = self._gateway[name]
                account.need(operation)
                arguments, raw = await _arguments(request, operation, taken, self._bodies)
                kind = _stream_kind(request) if paged else None
                if raw and kind == CSV:
                    raise InvalidRequest("There is no column for the vendor's answer", fields={"raw": "goes with JSON"})
            except GatewayError as error:
                error.account = error.account or name
                error.operation = operation.name
                if operation.rings:
                    dials = operation.name == DIAL
                    error.dial_state = _state_of_refusal(request) if dials else DialState.NOT_PLACED
                raise
            if kind is not None:
                return await _stream(request, account, operation, arguments, kind, raw)
            if operation.name == DIAL:
                with _request_context(request, client, at) as context:
                    done: Any = None  # of a client who does not wait
                    try:
                        done = answer = await account.carry_out(operation, arguments)
                    except GatewayError as error:
                        done = error
                        raise
                    finally:
                        self._count_dial(name, done, context)
            else:
                answer = await account.carry_out(operation, arguments)
            if isinstance(answer, Audio):
                return await _play(request, answer)
            if answer is None:
                return web.Response(status=204)
            return _json(_plain(answer, raw=raw), operation.status)

        if operation.rings:
            self._ringing.add(handle)
        return self.named(handle, operation.name)

    def _count_dial(self, name: str, done: Any, context: RequestContext) -> None:
        """Count a dial of the account or route *name* that is *done*: its answer or its error, None where nobody waits
        for either.
        """
        error = done if isinstance(done, GatewayError) else None
        state = DialState.PLACED if done and not error else error.dial_state if error else DialState.UNKNOWN
        outcome = "replayed" if context.replayed else state.value if state else "refused"
        self._metrics.dials[(done and done.account) or name, outcome] += 1

    # Beside the operations

    async def list_accounts(self, request: web.Request) -> web.Response:
        """What each account of the client's can do, and how its events come in.

        Why not more, and the limits, are told once for each vendor: they are long, and accounts are many.
        """
        client = self._client(request)
        _no_query(request)
        hearing = await self._background.intake() if self._background else {}
        accounts = [each for each in self._gateway if client.may_use(each.name)]
        brief = {id(each.support): briefly(each.support, each.report) for each in accounts if each.support is not None}
        found = [
            {
                **_describe(each),
                "support": brief.get(id(each.support)),
                "events": to_json(hearing.get(each.name, IntakeStatus())),
            }
            for each in accounts
        ]
        reports = {each.report.vendor: each.report for each in accounts if each.report is not None}
        return _json({"items": found, "vendors": to_json(reports)})

    async def get_conversation(self, request: web.Request) -> web.Response:
        """Everything about one conversation that the client may see."""
        client = self._client(request)
        fields = {name: "is not known here" for name in request.query if name not in {"account", "raw"}}
        raw = _flag(request.query, "raw", fields)
        if fields:
            raise InvalidRequest("; ".join(f"{name} {text}" for name, text in fields.items()), fields=fields)
        wanted, account = request.match_info["conversation_id"], request.query.get("account")
        if account is not None:
            client.check(account, "events")
        elif "events" not in client.scopes:
            raise Forbidden(f"The key {client.name!r} lacks the scope 'events'")
        if self._journal is None or self._subscribers is None:
            raise _no_journal()
        from ..journal.timelines import read_timeline

        own = None if "admin" in client.scopes else client.name
        seen = None
        if own is not None or client.accounts is not None:
            seen = [each.subscription_id for each in (await self._subscribers.list_subscriptions(client)).items]
        work = functools.partial(
            read_timeline,
            wanted=wanted,
            account=account,
            caller=own,
            accounts=client.accounts,
            subscribed=seen,
            raw=raw,
        )
        found = await self._journal.store.read(work)
        if found is None or not client.may_use(found.account):
            raise self._no_conversation(account)
        return _json(_plain(found, raw=raw))

    def _no_conversation(self, account: str | None) -> GatewayError:
        """The error for a conversation that is not there; an *account* that is none explains it."""
        names = [each.name for each in self._gateway]  # who names one may use it, or all of them
        if account is None:
            return NotFound("There is no such conversation; with ?account=… the id of a call or record finds it too")
        if account not in names:
            text = (
                f"There is no account {account!r}{nearest(account, names)}; GET /v1/accounts shows those that there are"
            )
            return NotFound(text, account=account)
        if routed := self._gateway[account].routed:
            text = f"is a route, and conversations are of accounts: {', '.join(routed)}"
            return InvalidRequest(f"{account!r} {text}", account=account, fields={"account": text})
        return NotFound(
            f"{account} has no conversation with that id, nor a call, record or dial of one", account=account
        )

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Events out of the journal, as a page or a stream."""
        client = self._client(request)
        client.need("events")
        if self._readers is None:
            raise _no_journal()
        headers = {"X-Request-Id": request[_ID], "X-Content-Type-Options": "nosniff"}
        return await self._readers.answer(request, client, headers)

    def subscription_handler(self, route: Route) -> Handler:
        """What answers requests for *route*."""

        async def handle(request: web.Request) -> web.StreamResponse:
            client = self._client(request)
            client.need("events")
            if self._subscribers is None:
                raise _no_journal()
            given: dict[str, Any] = dict(request.match_info)
            if route.query is None:
                _no_query(request)
            else:
                given["query"] = read_query(request.query, route.query)
            if route.body is not None:
                given["body"] = read_body(await _body(request, self._bodies, needed=True), route.body)
            elif (request.can_read_body or request.method == "POST") and await _body(
                request, self._bodies, needed=False
            ):
                raise InvalidRequest("No body is taken here", fields={"body": "must be left out"})
            answer = await getattr(self._subscribers, route.name)(client, **given)
            return web.Response(status=route.status) if answer is None else _json(to_json(answer), route.status)

        return self.named(handle, route.name)

    async def dial(self, request: web.Request) -> web.Response:
        """What is known of a dial of the client's."""
        name = request.match_info["account"]
        client = self._client(request)
        client.check(name, "admin" if "admin" in client.scopes else ClickToCall.scope)
        _no_query(request)
        with _request_context(request, client):
            return _json(to_json(await self._gateway[name].dial(request.match_info["dial_id"])))

    async def make_statement(self, request: web.Request) -> web.Response:
        """What a person says of a dial, whoever made it."""
        name = request.match_info["account"]
        client = self._client(request)
        client.check(name, "admin")
        _no_query(request)
        said = make(NewStatement, read_body(await _body(request, self._bodies, needed=True), NewStatement))
        with _request_context(request, client):
            dial = await self._gateway[name].make_statement(
                request.match_info["dial_id"], state=said.state, note=said.note
            )
        return _json(to_json(dial))

    async def hook(self, request: web.Request) -> web.Response:
        """A vendor's webhook."""
        if self._receiver is None:
            raise _no_journal()
        return await self._receiver.receive(request)

    async def livez(self, request: web.Request) -> web.Response:
        """The process answers."""
        return _json({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """Our own parts work; vendors are not asked."""
        if self._journal is not None:
            await self._journal.store.check()
        return _json({"status": "ok"})

    async def metrics(self, request: web.Request) -> web.Response:
        """What this sidecar has counted, for Prometheus."""
        client = self._client(request)
        client.need("admin")
        _no_query(request)
        intake = await self._background.last_intake() if self._background is not None else None
        trouble = self._journal is not None and self._journal.store.trouble is not None
        readers = len(self._readers) if self._readers is not None else 0
        moment = Moment(
            accounts={each.name: each.state == "open" for each in self._gateway if each.vendor is not None},
            intake=intake,
            readers=readers,
            trouble=trouble,
        )
        body, media_type = self._metrics.shown(moment, client.may_use)
        return web.Response(body=body, headers={"Content-Type": media_type})

    async def openapi(self, request: web.Request) -> web.Response:
        """The operations as OpenAPI 3.1."""
        return web.Response(body=self._openapi, content_type="application/json")

    async def docs(self, request: web.Request) -> web.Response:
        """A page that shows `/openapi.json` and lets people try it."""
        return web.Response(
            text=_DOCS_PAGE, content_type="text/html", headers={"Content-Security-Policy": _DOCS_POLICY}
        )

    async def docs_file(self, request: web.Request) -> web.StreamResponse:
        """One of the viewer's files."""
        name = request.match_info["name"]
        if name == "start.js":
            return web.Response(text=_DOCS_START, content_type="text/javascript")
        if name not in _DOCS_FILES:
            raise NotFound(f"There is no /docs/{name}")
        body = await asyncio.to_thread(_viewer_file, name)
        # No FileResponse: what the system sends by itself is not seen waiting when nobody takes it.
        return web.Response(
            body=body, content_type=_DOCS_FILES[name], charset="utf-8", headers={"Cache-Control": "max-age=86400"}
        )


def _request_context(request: web.Request, client: Client, at: float | None = None) -> RequestContext:
    """The context in which what is asked is asked for the *client* of *request*, which was read *at* this moment."""
    request[_CONTEXT] = context = RequestContext(
        client.name, sees_all="admin" in client.scopes, accounts=client.accounts, at=at
    )
    return context


def _state_of_refusal(request: web.Request) -> DialState | None:
    """What an error says of ringing that kept *request* from the vendor: nothing where it has an idempotency key, whose
    dial may have rung before.
    """
    return None if "Idempotency-Key" in request.headers else DialState.NOT_PLACED


def _no_journal() -> Unsupported:
    return Unsupported("This sidecar keeps no journal: set journal.url", origin=Origin.GATEWAY)


def _describe(account: AccountFacade) -> dict[str, Any]:
    return {
        "name": account.name,
        "vendor": account.vendor,
        "accounts": list(account.routed),
        "state": account.state,
        "reason": str(account.broken) if account.broken else None,
        "interfaces": [interface_name(interface) for interface in account.interfaces],
        "operations": [name for interface in account.interfaces for name in operations_of(interface)],
    }


# Arguments


@attrs.frozen
class _Taken:
    """Where the arguments of one operation are looked for."""

    path: tuple[Parameter, ...]
    headers: tuple[Parameter, ...]
    query: Mapping[str, Parameter]
    body: Mapping[str, Parameter]
    has_body: bool

    @classmethod
    def by(cls, operation: Operation) -> "_Taken":
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
    request: web.Request, operation: Operation, taken: _Taken, bodies: Bodies
) -> tuple[dict[str, Any], bool]:
    """The arguments that *request* gives, and whether the vendor's own answer is wanted. Raises: InvalidRequest, …"""
    fields: dict[str, str] = {}
    arguments: dict[str, Any] = {parameter.name: request.match_info[parameter.name] for parameter in taken.path}
    for parameter in taken.headers:
        given = sent_once(request, parameter.sent_as)
        if given is not None and _is_meant(parameter.sent_as, given):
            arguments[parameter.name] = given
    raw = False
    if request.query_string:
        raw = _flag(request.query, "raw", fields)
        _read_query(request.query, operation, taken.query, arguments, fields)
    if taken.has_body:
        for name, value in (await _body(request, bodies, needed=bool(taken.body))).items():
            if name in taken.body:
                arguments[name] = value  # checked where the operation is carried out
            elif len(fields) < MAX_PROBLEMS:
                fields[name] = _unknown_field(name, operation, taken.body)
    elif request.can_read_body:
        raise InvalidRequest(f"A {operation.verb} takes no body", fields={"body": "must be left out"})
    if fields:
        raise InvalidRequest("; ".join(f"{path} {text}" for path, text in fields.items()), fields=fields)
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


def _is_meant(header: str, value: str) -> bool:
    # RFC 9110, 14.2: a range that a server does not understand is as good as none.
    return header != "Range" or is_range(value)


def _unknown_field(name: str, operation: Operation, known: Any) -> str:
    for parameter in operation.parameters:
        if parameter.name == name:
            place = f"header {parameter.sent_as}" if parameter.location is Location.HEADER else parameter.location
            return f"is given in the {place}, not here"
    return f"is not known here{nearest(name, known)}"


def _flag(query: MultiMapping[str], name: str, fields: dict[str, str]) -> bool:
    values = query.getall(name, ["0"])
    try:
        return from_text(values[0] if len(values) == 1 else values, bool)
    except InvalidValue as error:
        fields[name] = error.fields[""]
        return False


def _no_query(request: web.Request) -> None:
    if request.query:
        raise InvalidRequest("No query is taken here", fields=dict.fromkeys(request.query, "is not known here"))


async def _body(request: web.Request, bodies: Bodies, *, needed: bool) -> dict[str, Any]:
    # Also without a body: a page can send a form, but not this. To take the header apart leaves much in memory.
    if request.headers.get("Content-Type") != "application/json" and request.content_type != "application/json":
        raise UnsupportedMediaType(f"Send application/json, not {request.content_type}")
    data = await bodies.read(request, most=MAX_BODY_BYTES, seconds=BODY_SECONDS)
    if not data.strip() and not needed:
        return {}
    try:
        body = loads(data)
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON: {error}", fields={"body": "is not JSON"}) from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object", fields={"body": "must be an object"})
    return body


# SlowClients


def _plain(answer: Any, *, raw: bool) -> Any:
    """*answer* as plain data; a vendor's own answer that is no JSON is left out: it must not hide that a phone rang."""
    if raw:
        try:
            dumps(data := to_json(answer, raw=True))
        except (TypeError, RecursionError) as error:
            log.warning("raw.dropped", account=getattr(answer, "account", None), **place_of(error))
        else:
            return data
    return to_json(answer)


def _json(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=dumps(data), status=status, content_type="application/json")


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
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(
            f"{request.method} is not allowed here; allowed: {', '.join(sorted(error.allowed_methods))}"
        )
    if error.status == 404:
        return NotFound("There is no such path; /docs shows those that there are")
    if error.status < 500:
        return InvalidRequest(error.reason)
    return GatewayError(error.reason)


def _stream_kind(request: web.Request) -> str | None:
    accepted = request.headers.get("Accept", "").lower()
    return next((kind for kind in (NDJSON, CSV) if kind in accepted), None)


async def _stream(
    request: web.Request, account: AccountFacade, operation: Operation, arguments: dict[str, Any], kind: str, raw: bool
) -> web.StreamResponse:
    """Every page from the first on, written as it comes. An error after the first page cuts the answer off."""
    names = columns(operation)
    async with contextlib.aclosing(account.pages(operation, arguments)) as pages:
        first = await anext(pages)
        response = web.StreamResponse(
            headers={"Content-Type": kind, "X-Request-Id": request[_ID], "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        try:
            if kind == CSV:
                await response.write(csv_header(names))
            async for page in _with_first(first, pages):
                for rows in in_parts(page.items):
                    await response.write(csv_rows(rows, names) if kind == CSV else to_json_lines(rows, raw=raw))
                    await asyncio.sleep(0)  # writing into a buffer that has room waits for nobody
            await response.write_eof()
        except Exception as error:  # noqa: BLE001 # whatever it is, a problem cannot follow half an answer
            log.warning("stream.cut", account=account.name, operation=operation.name, **place_of(error))
            if request.transport is not None:
                request.transport.abort()  # the reader must not take a part for the whole
    return response


async def _with_first(first: Page[Any], others: AsyncIterator[Page[Any]]) -> AsyncIterator[Page[Any]]:
    yield first
    async for page in others:
        yield page


async def _play(request: web.Request, audio: Audio) -> web.StreamResponse:
    async with audio:
        response = web.StreamResponse(status=206 if audio.partial else 200)
        response.content_type = audio.media_type
        response.headers.update(
            {
                "Accept-Ranges": "bytes",
                "Cache-Control": "no-store",
                "Content-Disposition": "attachment",
                "Gateway-Account": audio.account,
                "X-Content-Type-Options": "nosniff",
                "X-Request-Id": request[_ID],
            }
        )
        if audio.end is not None:
            response.content_length = audio.end - audio.start + 1
            if audio.partial:
                size = "*" if audio.size is None else audio.size
                response.headers["Content-Range"] = f"bytes {audio.start}-{audio.end}/{size}"
        await response.prepare(request)
        try:
            async for chunk in audio:
                await response.write(chunk)
            await response.write_eof()
        except Exception as error:  # noqa: BLE001 # as above
            log.warning("recording.cut", account=audio.account, **place_of(error))
            if request.transport is not None:
                request.transport.abort()
    return response


# The viewer: Swagger UI, from the package swagger-ui-py, found without importing it

_DOCS_FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Telephony gateway</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="viewer"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_DOCS_START = (
    'SwaggerUIBundle({url: "openapi.json", dom_id: "#viewer", deepLinking: true, defaultModelsExpandDepth: 0,'
    " validatorUrl: null});\n"
)


@functools.cache
def _viewer_file(name: str) -> bytes:
    return (_viewer() / name).read_bytes()


def _viewer() -> Path:
    found = importlib.util.find_spec("swagger_ui")
    if found is None or found.origin is None:
        raise NotFound("The viewer is not installed: pip install swagger-ui-py")
    return Path(found.origin).parent / "static"
