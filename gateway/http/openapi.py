"""The sidecar's HTTP API as OpenAPI 3.1, made from the operations and from the table of endpoints."""

import re
from importlib.metadata import version
from typing import Any

from gateway_contracts import ERRORS, INTERFACES, OPERATIONS, Location, Operation, interface_name

from .endpoints import ENDPOINTS, Endpoint
from .schemas import Schemas, text_of

_PROBLEM = {"$ref": "#/components/responses/Problem"}


def make_openapi(*, secured: bool = True) -> dict[str, Any]:
    """The whole document. *secured* says that a key is needed."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS.values():
        path = paths.setdefault("/v1/accounts/{account}" + operation.path, {})
        path[operation.verb.lower()] = _operation(operation, schemas)
    for endpoint in ENDPOINTS:
        if not endpoint.undocumented:
            paths.setdefault(endpoint.path, {})[endpoint.verb.lower()] = _endpoint(endpoint, schemas)
    schemas.found["Problem"] = _problem()
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Telephony gateway",
            "version": version("telephony-gateway"),
            "description": "One API over many PBX vendors. Times are UTC, durations whole seconds, ids opaque text.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(),
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.found.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457). `code` says which of the errors it is.",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
        },
    }
    if secured:
        document["security"] = [{"key": []}]
    return document


def _tags() -> list[dict[str, str]]:
    tags = [{"name": "accounts", "description": "What there is."}]
    for interface in INTERFACES:
        described, _, _ = (interface.__doc__ or "").partition("\n")
        tags.append({"name": interface_name(interface), "description": described})
    tags.append({"name": "events out", "description": "What happened to calls: read by applications, or sent to them."})
    tags.append({"name": "conversations", "description": "What belongs together."})
    return [*tags, {"name": "probes", "description": "For whatever runs the sidecar."}]


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return [{**each, "description": "Account or route."} if each["name"] == "account" else each for each in parameters]


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    parameters = _path_parameters("/v1/accounts/{account}" + operation.path)
    for parameter in operation.parameters:
        if parameter.location not in {Location.PATH, Location.BODY}:
            parameters.append(
                {
                    "name": parameter.sent_as,
                    "in": parameter.location.value,
                    "required": parameter.required,
                    "schema": schemas.argument(parameter),
                }
            )
    if not operation.binary and operation.returns is not type(None):
        parameters.append(
            {"name": "raw", "in": "query", "schema": {"type": "boolean"}, "description": "Add the vendor's own answer."}
        )
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.interface],
        "summary": operation.summary,
        "description": f"{operation.description}\n\nNeeds the scope `{operation.scope}`.".strip(),
        "parameters": parameters,
        "responses": {str(operation.status): _response(operation, schemas), "default": _PROBLEM},
        "x-scope": operation.scope,
        "x-rings": operation.rings,
    }
    if any(parameter.name == "idempotency_key" for parameter in operation.parameters):
        described["responses"][str(operation.status)]["headers"] = {
            "Idempotency-Replayed": {
                "description": "`true` when the first response to the key is given again; also with a problem.",
                "schema": {"type": "string", "enum": ["true"]},
            }
        }
    if operation.may_return_none:
        described["responses"]["204"] = {"description": "Done."}
    if operation.binary:
        described["responses"]["206"] = _response(operation, schemas)
    if operation.verb in {"POST", "PUT", "PATCH"}:
        in_body = operation.parameters_in(Location.BODY)
        required = [parameter.name for parameter in in_body if parameter.required]
        body = {
            "type": "object",
            "properties": {parameter.name: schemas.argument(parameter) for parameter in in_body},
            "required": required,
            "additionalProperties": False,
        }
        described["requestBody"] = {"required": bool(required), "content": {"application/json": {"schema": body}}}
    return described


def _response(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    if operation.binary:
        audio = {"schema": {"type": "string", "format": "binary"}}
        return {"description": "The audio, or the range of it that was asked for.", "content": {"audio/*": audio}}
    if operation.returns is type(None):
        return {"description": "Done."}
    content: dict[str, Any] = {"application/json": {"schema": schemas.of(operation.returns)}}
    if operation.paged:
        for kind in ("application/x-ndjson", "text/csv"):
            content[kind] = {"schema": {"type": "string", "description": "Everything that matches, one a line."}}
    return {"description": text_of(operation.returns), "content": content}


def _endpoint(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    parameters = _path_parameters(endpoint.path)
    text = endpoint.description
    if endpoint.query is not None:
        parameters += schemas.query(endpoint.query)
        text = text or text_of(endpoint.query)
    for name, (kind, meaning) in endpoint.headers.items():
        parameters.append(
            {"name": name, "in": "header", "required": False, "schema": schemas.of(kind), "description": meaning}
        )
    response: dict[str, Any] = {"description": endpoint.response or "Done."}
    content: dict[str, Any] = {}
    if endpoint.returns is not None:
        response["description"] = endpoint.response or text_of(endpoint.returns)
        content["application/json"] = {"schema": schemas.of(endpoint.returns)}
    for media_type, meaning in endpoint.other_types.items():
        content[media_type] = {"schema": {"type": "string", "description": meaning} if meaning else {"type": "string"}}
    if content:
        response["content"] = content
    described: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "responses": {str(endpoint.status): response, "default": _PROBLEM},
    }
    if parameters:
        described["parameters"] = parameters
    if endpoint.public:
        described["security"] = []
    if endpoint.scopes:
        text = f"{text}\n\nNeeds the scope `{endpoint.scopes[0]}`.".strip()
        described["x-scope"] = endpoint.scopes[0]
    if text:
        described["description"] = text
    if endpoint.body is not None:
        schema = schemas.body(endpoint.body)
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "An RFC 9457 problem.",
        "properties": {
            "type": {**text, "format": "uri"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {**text, "enum": sorted(ERRORS)},
            "retryable": {"type": "boolean"},
            "origin": {**text, "enum": ["caller", "gateway", "vendor", "network"]},
            "account": text,
            "operation": text,
            "vendor_code": text,
            "dial_state": {**text, "enum": ["not_placed", "placed", "unknown"]},
            "dial_id": {**text, "description": "The dial that can be asked about, where a journal is kept."},
            "retry_after": {"type": "number", "description": "Seconds."},
            "fields": {
                "type": "object",
                "additionalProperties": text,
                "description": "Path of each bad value: what is wrong.",
            },
            "request_id": text,
        },
        "required": ["type", "title", "status", "detail", "code", "retryable", "origin", "request_id"],
    }
