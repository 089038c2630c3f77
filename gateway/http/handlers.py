"""The handlers of endpoints: of the routes that are no operations."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web
from gateway_contracts import GatewayError, InvalidRequest, NotFound, Origin, Unsupported, dumps, nearest

from ..dialling.request_context import RequestContext
from ..facade import Gateway
from ..keys import Client, Keyring
from ..metrics import Metrics, Moment
from ..models import Dial, EventPage, EventQuery, NewStatement, Timeline
from ..parameters import make, read_body, read_query, sent_once
from . import documentation
from .account_list import as_plain_list
from .endpoints import ConversationQuery, Endpoint, Health
from .middleware import Handler
from .openapi import make_openapi
from .request_bodies import Bodies
from .responses import json_response, model_response

if TYPE_CHECKING:
    from .services import Services

SERVICES: "web.AppKey[Services]" = web.AppKey("services")
"""The services of an application that has a journal, as long as it is served."""


@attrs.frozen
class Handlers:
    """Makes the handler of each endpoint out of the method that has its name.

    A method is given the request; unless its endpoint is public, also the client, what the path holds, the `query` and
    the `body`. It returns a model, None or a response.
    """

    _gateway: Gateway
    _keyring: Keyring
    _bodies: Bodies
    _metrics: Metrics
    _openapi: bytes = attrs.field(init=False, repr=False)

    @_openapi.default
    def _(self) -> bytes:
        return dumps(make_openapi(secured=bool(self._keyring)))

    def handler(self, endpoint: Endpoint) -> Handler:
        """The handler of requests for *endpoint*."""
        method = self._of_service(endpoint) if endpoint.service else getattr(self, endpoint.name)

        async def handle_public(request: web.Request) -> web.StreamResponse:
            return _respond(await method(request), endpoint)

        async def handle(request: web.Request) -> web.StreamResponse:
            client = self._client(request, endpoint)
            given: dict[str, Any] = dict(request.match_info)
            if endpoint.query is not None:
                given["query"] = read_query(request.query, endpoint.query)
            elif request.query:
                raise InvalidRequest("No query is taken here", fields=dict.fromkeys(request.query, "is not known here"))
            if endpoint.body is not None:
                given["body"] = read_body(await self._bodies.read_object(request, needed=True), endpoint.body)
            elif (request.can_read_body or request.method == "POST") and await self._bodies.read_object(
                request, needed=False
            ):
                raise InvalidRequest("No body is taken here", fields={"body": "must be left out"})
            return _respond(await method(request, client, **given), endpoint, given.get("query"))

        return handle_public if endpoint.public else handle

    def _client(self, request: web.Request, endpoint: Endpoint) -> Client:
        """The client that sends *request*. Raises: Unauthenticated; Forbidden when it may not use *endpoint*."""
        client = self._keyring.client(sent_once(request, "Authorization"))
        if endpoint.scopes:
            scope = next((each for each in endpoint.scopes if each in client.scopes), endpoint.scopes[0])
            account = request.match_info.get("account")
            if account is None:
                client.need(scope)
            else:
                client.check(account, scope)
        return client

    def _of_service(self, endpoint: Endpoint) -> Callable[..., Awaitable[Any]]:
        async def method(request: web.Request, client: Client, **given: Any) -> Any:
            service = getattr(_services(request), endpoint.service)
            return await getattr(service, endpoint.name)(client, **given)

        return method

    # Accounts and dials

    async def list_accounts(self, request: web.Request, client: Client) -> web.Response:
        """The accounts and routes that the client may use."""
        services = request.app.get(SERVICES)
        intake = await services.workers.intake() if services is not None else {}
        return json_response(as_plain_list([each for each in self._gateway if client.may_use(each.name)], intake))

    async def get_dial(self, request: web.Request, client: Client, account: str, dial_id: str) -> Dial:
        """A dial of the client's."""
        with RequestContext.of(client):
            return await self._gateway[account].dial(dial_id)

    async def make_statement(
        self, request: web.Request, client: Client, account: str, dial_id: str, body: dict[str, Any]
    ) -> Dial:
        """A dial, after a person has said how it ended. Any client's dials may be meant."""
        statement = make(NewStatement, body)
        with RequestContext.of(client):
            return await self._gateway[account].make_statement(dial_id, state=statement.state, note=statement.note)

    # Events and conversations

    async def list_events(
        self, request: web.Request, client: Client, query: EventQuery
    ) -> EventPage | web.StreamResponse:
        """Events out of the journal, as a page or a stream."""
        return await _services(request).events.read(request, client, query)

    async def get_conversation(
        self, request: web.Request, client: Client, conversation_id: str, query: ConversationQuery
    ) -> Timeline:
        """Everything about one conversation that the client may see."""
        if query.account is not None:
            client.check(query.account, "events")
        found = await _services(request).read_conversation(client, conversation_id, query)
        if found is None or not client.may_use(found.account):
            raise self._no_conversation(query.account)
        return found

    def _no_conversation(self, account: str | None) -> GatewayError:
        """The error for a conversation that is not there; an *account* that is none explains it."""
        names = [each.name for each in self._gateway]  # a client that names an account may use it, or all of them
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

    async def hook(self, request: web.Request) -> web.Response:
        """A vendor's webhook."""
        return await _services(request).hooks.receive(request)

    # The sidecar itself

    async def livez(self, request: web.Request) -> Health:
        """The process responds."""
        return Health()

    async def readyz(self, request: web.Request) -> Health:
        """Our own parts work; vendors are not asked."""
        if (services := request.app.get(SERVICES)) is not None:
            await services.journal.store.check()
        return Health()

    async def metrics(self, request: web.Request, client: Client) -> web.Response:
        """The counts of this sidecar, for Prometheus."""
        services = request.app.get(SERVICES)
        now = Moment(
            accounts={each.name: each.state == "open" for each in self._gateway if each.vendor is not None},
            intake=await services.workers.last_intake() if services is not None else None,
            readers=len(services.events) if services is not None else 0,
            trouble=services is not None and services.journal.store.trouble is not None,
        )
        body, media_type = self._metrics.shown(now, client.may_use)
        return web.Response(body=body, headers={"Content-Type": media_type})

    async def openapi(self, request: web.Request) -> web.Response:
        """The whole API as OpenAPI 3.1."""
        return web.Response(body=self._openapi, content_type="application/json")

    async def docs(self, request: web.Request) -> web.Response:
        """A page that shows `/openapi.json` and lets people try it."""
        return documentation.page()

    async def docs_file(self, request: web.Request) -> web.Response:
        """One of that page's files."""
        return await documentation.file(request.match_info["name"])


def _respond(result: Any, endpoint: Endpoint, query: Any = None) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    return model_response(result, endpoint.status, raw=getattr(query, "raw", False))


def _services(request: web.Request) -> "Services":
    """The services of a sidecar with a journal. Raises: Unsupported."""
    services = request.app.get(SERVICES)
    if services is None:
        raise Unsupported("This sidecar keeps no journal: set journal.url", origin=Origin.GATEWAY)
    return services
