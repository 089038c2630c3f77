"""The table of endpoints is the truth about every route that is no operation: router, scopes, metrics, OpenAPI."""

import inspect
import re

import pytest
from gateway_contracts import OPERATIONS

from gateway import config, make_app
from gateway.http.endpoints import ENDPOINTS
from gateway.http.handlers import Handlers
from gateway.http.openapi import make_openapi
from gateway.http.services import Services
from gateway.keys import hash_of

EACH = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
KEYS = {"all": list(config.SCOPES), "nothing": [], **{scope: [scope] for scope in config.SCOPES}}


@pytest.fixture
async def http(gateway_of, sidecar, ask):
    """Sends requests with the key of the name *by*; each scope has a key of its name, which has no other."""
    keys = [{"name": name, "sha256": hash_of(f"key-{name}"), "scopes": scopes} for name, scopes in KEYS.items()]
    async with gateway_of({}, proxy={"keys": keys}) as gateway, sidecar(gateway) as address:
        send = ask(address)

        async def ask_as(verb, path, *, by=None, **options):
            return await send(verb, path, headers={"Authorization": f"Bearer key-{by}"} if by else {}, **options)

        yield ask_as


def options(endpoint):
    """A request for *endpoint*, with a body that says nothing where a body is needed."""
    path = re.sub(r"{\w+}", "x", endpoint.path)
    return (endpoint.verb, path), {"json": {}} if endpoint.verb in {"POST", "PATCH"} and not endpoint.public else {}


async def test_the_router_has_the_operations_and_the_endpoints(gateway_of):
    """All of them, and no other route."""
    async with gateway_of({}) as gateway:
        routes = {(each.method, each.resource.canonical) for each in make_app(gateway).router.routes()}

    operations = {(each.verb, f"/v1/accounts/{{account}}{each.path}") for each in OPERATIONS.values()}
    assert operations | {(each.verb, each.path) for each in ENDPOINTS} == routes


def test_every_handler_has_its_row_and_every_row_its_handler():
    """A method that handles requests is in the table, or it is not there."""
    handlers = {name for name, _ in inspect.getmembers(Handlers, inspect.iscoroutinefunction) if name[0] != "_"}

    assert {each.name for each in ENDPOINTS if not each.service} == handlers
    for attribute in {each.service for each in ENDPOINTS if each.service}:
        service = inspect.get_annotations(Services)[attribute]
        methods = {name for name, _ in inspect.getmembers(service, inspect.iscoroutinefunction) if name[0] != "_"}
        assert {each.name for each in ENDPOINTS if each.service == attribute} == methods


def test_names_are_of_one_route_each():
    """Metrics and generated clients tell endpoints and operations apart by them."""
    names = [*OPERATIONS, *(each.name for each in ENDPOINTS)]

    assert sorted(set(names)) == sorted(names)


@EACH
def test_an_endpoint_is_in_the_openapi_document_or_says_why_not(endpoint):
    """With everything that its row says of it."""
    described = make_openapi()["paths"].get(endpoint.path, {}).get(endpoint.verb.lower())
    if endpoint.undocumented:
        assert described is None
        return

    assert (endpoint.name, endpoint.summary, [endpoint.tag]) == (
        described["operationId"],
        described["summary"],
        described["tags"],
    )
    assert endpoint.summary.endswith(".")
    assert (endpoint.scopes[0] if endpoint.scopes else None) == described.get("x-scope")
    assert endpoint.public == (described.get("security") == [])
    assert (endpoint.body is not None) == ("requestBody" in described)
    assert str(endpoint.status) in described["responses"]


@EACH
async def test_an_endpoint_needs_the_key_and_a_scope_of_its_row(http, endpoint):
    """Without, nothing else is looked at; with any of its scopes the request is let in."""
    request, given = options(endpoint)
    assert (401 == (await http(*request, **given)).status) == (not endpoint.public)
    for by, scopes in KEYS.items():
        response = await http(*request, by=by, **given)

        if endpoint.public or not endpoint.scopes or set(scopes) & set(endpoint.scopes):
            assert response.status not in (401, 403)
        else:
            assert (403, "forbidden") == (response.status, response.json["code"])
            assert repr(endpoint.scopes[0]) in response.json["detail"]


@EACH
async def test_requests_are_counted_under_the_name_of_the_row(http, endpoint):
    """Whatever becomes of them."""
    request, given = options(endpoint)
    await http(*request, by="all", **given)
    counts = (await http("GET", "/metrics", by="all")).body.decode()

    assert f'operation="{endpoint.name}"' in counts


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if not each.public], ids=lambda each: each.name)
async def test_an_endpoint_takes_no_query_and_no_body_that_its_row_does_not_name(http, endpoint):
    """A misspelt filter is told, not ignored."""
    (verb, path), given = options(endpoint)
    asked = await http(verb, f"{path}?acount=x", by="all", **given)
    sent = await http(verb, path, by="all", json={"acount": "x"})

    assert (400, {"acount"}) == (asked.status, set(asked.json["fields"]))
    assert (400, {"acount"} if endpoint.body else {"body"}) == (sent.status, set(sent.json["fields"]))
