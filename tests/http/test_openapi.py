"""/openapi.json is valid, complete, and what the sidecar really sends."""

import re

import jsonschema
import openapi_spec_validator
import pytest
from gateway_contracts import ERRORS, OPERATIONS, Location

from gateway import Outcome
from gateway.http.endpoints import ENDPOINTS
from gateway.http.openapi import make_openapi

DIAL = {"extension": "101", "number": "0899098899"}
EACH = pytest.mark.parametrize("name", sorted(OPERATIONS))


@pytest.fixture(scope="module")
def document():
    return make_openapi()


@pytest.mark.parametrize("secured", [True, False])
def test_the_document_is_openapi_3_1(secured):
    """As the specification has it, with and without keys."""
    document = make_openapi(secured=secured)

    openapi_spec_validator.validate(document)

    assert "3.1.0" == document["openapi"]


def described(document, name):
    """The description of the operation called *name*."""
    operation = OPERATIONS[name]
    return document["paths"][f"/v1/accounts/{{account}}{operation.path}"][operation.verb.lower()]


@EACH
def test_every_operation_is_described(document, name):
    """With its words, its scope, whether it rings, its response and its problems."""
    operation, found = OPERATIONS[name], described(document, name)

    assert (name, operation.summary, operation.scope, operation.rings) == (
        found["operationId"],
        found["summary"],
        found["x-scope"],
        found["x-rings"],
    )
    assert "Raises:" not in found["summary"]
    assert {str(operation.status), "default"} <= set(found["responses"])


@EACH
def test_every_argument_is_described_where_it_travels(document, name):
    """Path, query and header as parameters, the rest as the body's properties; nothing more is allowed."""
    operation, found = OPERATIONS[name], described(document, name)
    parameters = {each["name"]: each for each in found["parameters"]}

    for parameter in operation.parameters:
        if parameter.location is Location.BODY:
            schema = found["requestBody"]["content"]["application/json"]["schema"]
            assert parameter.name in schema["properties"]
            assert parameter.required == (parameter.name in schema["required"])
            assert schema["additionalProperties"] is False
        else:
            assert parameter.location == parameters[parameter.sent_as]["in"]
            assert parameter.required == parameters[parameter.sent_as]["required"]


def test_what_is_described_is_what_there_is(document):
    """The operations, and the endpoints that are not left out for a reason."""
    found = {each["operationId"] for path in document["paths"].values() for each in path.values()}

    assert {*OPERATIONS, *(each.name for each in ENDPOINTS if not each.undocumented)} == found


async def test_every_path_is_one_that_the_sidecar_has(document, http):
    """With the methods that are written there."""
    for path, methods in document["paths"].items():
        response = await http("TRACE", re.sub(r"{\w+}", "x", path))

        assert 405 == response.status
        assert {method.upper() for method in methods} == set(response.headers["Allow"].split(", "))


def test_problems_name_every_code(document):
    """A client can generate its exceptions from the document."""
    assert sorted(ERRORS) == document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]


def schema_of(document, name, status):
    """The schema of a response, with everything that it refers to."""
    content = described(document, name)["responses"][str(status)]["content"]
    return {**content["application/json"]["schema"], "components": document["components"]}


async def test_real_responses_are_as_described(document, http, gateway):
    """Responses of the memory plugin fit the schemas, with and without `raw`."""
    pbx = "/v1/accounts/pbx"
    for query in ("", "?raw=1"):
        started = await http("POST", f"{pbx}/calls{query}", json=DIAL)
        jsonschema.validate(started.json, schema_of(document, "start_call", 201))
        calls = await http("GET", f"{pbx}/calls{query}")
        jsonschema.validate(calls.json, schema_of(document, "list_calls", 200))
        record = gateway["pbx"].adapter.end_call(started.json["call_id"], outcome=Outcome.NO_ANSWER)
        records = await http("GET", f"{pbx}/records{query}")
        jsonschema.validate(records.json, schema_of(document, "list_records", 200))
        one = await http("GET", f"{pbx}/records/{record.record_id}{query}")
        jsonschema.validate(one.json, schema_of(document, "get_record", 200))

        assert [1, 200, 200] == [len(calls.json["items"]), records.status, one.status]
        assert bool(query) == ("raw" in one.json)


async def test_the_list_of_accounts_is_as_described(document, http):
    """It belongs to no interface."""
    schema = document["paths"]["/v1/accounts"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    response = await http("GET", "/v1/accounts")

    jsonschema.validate(response.json, {**schema, "components": document["components"]})
    assert 3 == len(response.json["items"])


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("start_call", DIAL),
        ("start_call", {**DIAL, "wait": True, "hotline": None}),
        ("transfer_call", {"to": "102", "leg": "b"}),
        ("transfer_call", {"to": "102", "leg": None}),
        ("load_queue", {"kind": "autocall", "customers": [{"customer_id": "1", "numbers": ["2"]}], "agents": None}),
    ],
)
def test_a_body_that_is_taken_fits_its_description(document, name, body):
    """What the examples of the documentation send."""
    schema = described(document, name)["requestBody"]["content"]["application/json"]["schema"]

    jsonschema.validate(body, {**schema, "components": document["components"]})


@pytest.mark.parametrize(
    "body", [{}, {**DIAL, "hotlin": "x"}, {**DIAL, "wait": "true"}, {"extension": 1, "number": "1"}]
)
async def test_a_body_that_does_not_fit_its_description_is_refused(document, http, body):
    """The document and the sidecar agree on what is wrong, too."""
    schema = described(document, "start_call")["requestBody"]["content"]["application/json"]["schema"]

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, {**schema, "components": document["components"]})
    assert 400 == (await http("POST", "/v1/accounts/pbx/calls", json=body)).status


async def test_the_sidecar_serves_the_document(http, document):
    """Without keys here, so without a security requirement."""
    response = await http("GET", "/openapi.json")

    assert "application/json" == response.headers["Content-Type"]
    assert {name: value for name, value in document.items() if name != "security"} == response.json
