"""The sidecar's HTTP API as OpenAPI 3.1, read off the operations."""

import enum
import re
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import attrs
from gateway_contracts import (
    ERRORS,
    INTERFACES,
    OPERATIONS,
    ClickToCall,
    Location,
    Operation,
    Page,
    Parameter,
    Secret,
    Support,
    SupportReport,
    interface_name,
)

from ..models import Dial, EventPage, EventQuery, IntakeStatus, NewStatement, Timeline
from ..webhooks.subscriptions import ROUTES, Route

_SIMPLE: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    Secret: {"type": "string", "format": "password"},
    types.NoneType: {"type": "null"},
    Any: {},
}

_BODIES = {route.body for route in ROUTES}


def make_openapi(*, secured: bool = True) -> dict[str, Any]:
    """The whole document. *secured* says that a key is asked for."""
    schemas = _Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS.values():
        path = paths.setdefault("/v1/accounts/{account}" + operation.path, {})
        path[operation.verb.lower()] = _operation(operation, schemas)
    paths["/v1/accounts"] = {"get": _accounts(schemas)}
    paths["/v1/accounts/{account}/dials/{dial_id}"] = {"get": _dial(schemas)}
    paths["/v1/accounts/{account}/dials/{dial_id}/statement"] = {"post": _statement(schemas)}
    paths["/v1/conversations/{conversation_id}"] = {"get": _conversation(schemas)}
    paths["/v1/events"] = {"get": _events(schemas)}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.verb.lower()] = _subscriptions(route, schemas)
    for name, summary in (("livez", "The process answers."), ("readyz", "The sidecar's own parts work.")):
        paths[f"/{name}"] = {"get": _probe(name, summary)}
    paths["/metrics"] = {"get": _metrics()}
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


class _Schemas:
    """Schemas of models, collected by name as they are met."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.of(part) for part in parts]}
        if origin is Page:
            return self._page(parts[0])
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(parts[1])}
        if isinstance(origin, type) and issubclass(origin, Sequence):
            return {"type": "array", "items": self.of(parts[0])}
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return self._reference(kind.__name__, lambda: self._enumeration(kind))
        if isinstance(kind, type) and attrs.has(kind):
            return self._reference(kind.__name__, lambda: self._model(kind))
        raise TypeError(f"{kind!r} has no schema")

    def _reference(self, name: str, make: Any) -> dict[str, Any]:
        if name not in self.found:
            self.found[name] = {}  # a model may hold itself
            self.found[name] = make()
        return {"$ref": f"#/components/schemas/{name}"}

    def _enumeration(self, kind: type[enum.Enum]) -> dict[str, Any]:
        return {"type": "string", "enum": [member.value for member in kind], "description": _text(kind)}

    def _model(self, kind: type) -> dict[str, Any]:
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in attrs.fields(kind) if not field.name.startswith("_")}
        properties = {name: self.of(hints[name]) for name in fields if name != "raw"}
        schema: dict[str, Any] = {
            "type": "object",
            "description": _text(kind),
            "properties": properties,
            "required": [name for name in properties if not hasattr(fields[name].default, "factory")],
        }
        if kind in _BODIES:
            schema["required"] = [name for name in properties if fields[name].default is attrs.NOTHING]
            schema["additionalProperties"] = False
        if "raw" in fields:
            properties["raw"] = {"description": "The vendor's own answer; only with `?raw=1`."}
        return schema

    def _page(self, item: type) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            return {
                "type": "object",
                "description": _text(Page),
                "properties": {
                    "items": {"type": "array", "items": self.of(item)},
                    "next": {"type": ["string", "null"]},
                    "total": {"type": ["integer", "null"]},
                    "skipped": {"type": "integer"},
                    "raw": {"description": "The rows that were skipped, as the vendor sent them; only with `?raw=1`."},
                },
                "required": ["items", "next", "total", "skipped"],
            }

        return self._reference(f"PageOf{item.__name__}", make)


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": "account",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "Account or route.",
        }
    ]
    for parameter in operation.parameters:
        if parameter.location is not Location.BODY:
            parameters.append(
                {
                    "name": parameter.sent_as,
                    "in": parameter.location.value,
                    "required": parameter.required,
                    "schema": _argument(parameter, schemas),
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
        "responses": {str(operation.status): _answer(operation, schemas), "default": _PROBLEM},
        "x-scope": operation.scope,
        "x-rings": operation.rings,
    }
    if any(parameter.name == "idempotency_key" for parameter in operation.parameters):
        described["responses"][str(operation.status)]["headers"] = {
            "Idempotency-Replayed": {
                "description": "`true` when the key's first answer is given again; also with a problem.",
                "schema": {"type": "string", "enum": ["true"]},
            }
        }
    if operation.may_return_none:
        described["responses"]["204"] = {"description": "Done."}
    if operation.binary:
        described["responses"]["206"] = _answer(operation, schemas)
    if operation.verb in {"POST", "PUT", "PATCH"}:
        in_body = operation.parameters_in(Location.BODY)
        required = [parameter.name for parameter in in_body if parameter.required]
        body = {
            "type": "object",
            "properties": {parameter.name: _argument(parameter, schemas) for parameter in in_body},
            "required": required,
            "additionalProperties": False,
        }
        described["requestBody"] = {"required": bool(required), "content": {"application/json": {"schema": body}}}
    return described


_PROBLEM = {"$ref": "#/components/responses/Problem"}


def _argument(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    kind = parameter.type
    parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
    optional = typing.get_origin(kind) in (typing.Union, types.UnionType) and len(parts) == 1
    if optional and parameter.location is not Location.BODY:
        kind = parts[0]  # there is no null in a query
    schema = schemas.of(kind)
    if not parameter.required and isinstance(parameter.default, bool | int | str):
        schema["default"] = parameter.default
    return schema


def _answer(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    if operation.binary:
        audio = {"schema": {"type": "string", "format": "binary"}}
        return {"description": "The audio, or the range of it that was asked for.", "content": {"audio/*": audio}}
    if operation.returns is type(None):
        return {"description": "Done."}
    content: dict[str, Any] = {"application/json": {"schema": schemas.of(operation.returns)}}
    if operation.paged:
        for kind in ("application/x-ndjson", "text/csv"):
            content[kind] = {"schema": {"type": "string", "description": "Everything that matches, one a line."}}
    return {"description": _text(typing.get_origin(operation.returns) or operation.returns), "content": content}


def _accounts(schemas: _Schemas) -> dict[str, Any]:
    text = {"type": "string"}
    texts = {"type": "array", "items": text}
    item: dict[str, Any] = {
        "type": "object",
        "properties": {
            "name": text,
            "vendor": {"type": ["string", "null"], "description": "Null for a route."},
            "accounts": {**texts, "description": "The accounts of a route, in the order in which they are tried."},
            "state": {**text, "enum": ["open", "broken"]},
            "reason": {"type": ["string", "null"], "description": "What is broken, and what to do."},
            "interfaces": texts,
            "operations": texts,
            "support": {
                "type": ["object", "null"],
                "additionalProperties": schemas.of(Support),
                "description": "How far each operation is supported; null where that is not known. The reasons of a "
                "vendor's are told once, in `vendors`.",
            },
            "events": schemas.of(IntakeStatus),
        },
    }
    item["required"] = list(item["properties"])
    vendors = {
        "type": "object",
        "additionalProperties": schemas.of(SupportReport),
        "description": "What is known of the vendors of these accounts, by name.",
    }
    schema = {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}, "vendors": vendors},
        "required": ["items", "vendors"],
    }
    return {
        "operationId": "list_accounts",
        "tags": ["accounts"],
        "summary": "List the accounts and routes of the key, and what each can do.",
        "responses": {
            "200": {"description": "The accounts.", "content": {"application/json": {"schema": schema}}},
            "default": _PROBLEM,
        },
    }


def _conversation(schemas: _Schemas) -> dict[str, Any]:
    query = {"in": "query", "required": False}
    return {
        "operationId": "get_conversation",
        "tags": ["conversations"],
        "summary": "Get one conversation: its state, its parts with the evidence for each, and its events.",
        "description": "By its own id or that of its dial, or with `account` by the id of one of its calls or records."
        " A key sees its own dials and deliveries. With the scope `admin` it sees everybody's dials, and the deliveries"
        " of the subscriptions that it may see."
        "\n\n"
        "Needs the scope `events`.",
        "parameters": [
            {"name": "conversation_id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "account", **query, "schema": {"type": "string"}, "description": "Whose id it is."},
            {"name": "raw", **query, "schema": {"type": "boolean"}, "description": "Add the vendor's own answers."},
        ],
        "responses": {
            "200": {
                "description": _text(Timeline),
                "content": {"application/json": {"schema": schemas.of(Timeline)}},
            },
            "default": _PROBLEM,
        },
        "x-scope": "events",
    }


def _events(schemas: _Schemas) -> dict[str, Any]:
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "schema": {"type": "integer"},
        "description": "For a stream: as `after`, and stronger.",
    }
    stream = {
        "schema": {
            "type": "string",
            "description": "Server-sent events: `id` is the event's `seq`, `event` its type, `data` a CallEvent. An "
            "event `resync` says that the log does not go on from where the reader was: `data` has `after`, `reason` "
            "(`removed`, `ahead`) and `oldest`.",
        }
    }
    return {
        "operationId": "list_events",
        "tags": ["events out"],
        "summary": "Read events in the order in which they became known, page by page or as a stream.",
        "description": f"{_text(EventQuery)}\n\nNeeds the scope `events`.",
        "parameters": [*_in_query(EventQuery, schemas), last],
        "responses": {
            "200": {
                "description": _text(EventPage),
                "content": {"application/json": {"schema": schemas.of(EventPage)}, "text/event-stream": stream},
            },
            "default": _PROBLEM,
        },
        "x-scope": "events",
    }


def _subscriptions(route: Route, schemas: _Schemas) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.query is not None:
        parameters += _in_query(route.query, schemas)
    answer: dict[str, Any] = {"description": "Done."}
    if route.returns is not None:
        kind = typing.get_origin(route.returns) or route.returns
        answer = {
            "description": _text(kind),
            "content": {"application/json": {"schema": schemas.of(route.returns)}},
        }
    described: dict[str, Any] = {
        "operationId": route.name,
        "tags": ["events out"],
        "summary": route.summary,
        "description": "Needs the scope `events`.",
        "parameters": parameters,
        "responses": {str(route.status): answer, "default": _PROBLEM},
        "x-scope": "events",
    }
    if route.body is not None:
        schema = schemas.of(route.body)
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _in_query(kind: type[Any], schemas: _Schemas) -> list[dict[str, Any]]:
    """The attributes of *kind* as parameters of a query."""
    hints = typing.get_type_hints(kind)
    found = []
    for field in attrs.fields(kind):
        parts = [part for part in typing.get_args(hints[field.name]) if part is not types.NoneType]
        union = typing.get_origin(hints[field.name]) in (typing.Union, types.UnionType)
        schema = schemas.of(parts[0] if union else hints[field.name])
        if isinstance(field.default, bool | int):
            schema["default"] = field.default
        found.append({"name": field.name, "in": "query", "required": False, "schema": schema})
    return found


def _dial(schemas: _Schemas) -> dict[str, Any]:
    return {
        "operationId": "get_dial",
        "tags": [interface_name(ClickToCall)],
        "summary": "Get what is known of a dial, by the `dial_id` of a started call or of a problem.",
        "description": "A key sees its own dials, unless it has the scope `admin`. Needs the scope `calls`.",
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in ("account", "dial_id")
        ],
        "responses": {
            "200": {"description": _text(Dial), "content": {"application/json": {"schema": schemas.of(Dial)}}},
            "default": _PROBLEM,
        },
        "x-scope": ClickToCall.scope,
    }


def _statement(schemas: _Schemas) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schemas.of(NewStatement)}}}
    return {
        **_dial(schemas),
        "operationId": "make_statement",
        "summary": "Say how an unknown dial ended, as a person found out.",
        "description": "`not_placed` lets its idempotency key dial again. 409 while the vendor is asked, for the"
        " account's `dial_wait` after that, and where evidence says how the dial ended.\n\nNeeds the scope `admin`.",
        "requestBody": body,
        "x-scope": "admin",
    }


def _probe(name: str, summary: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    answer = {"description": "It does.", "content": {"application/json": {"schema": schema}}}
    return {
        "operationId": name,
        "tags": ["probes"],
        "summary": summary,
        "security": [],
        "responses": {"200": answer, "default": _PROBLEM},
    }


def _metrics() -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "operationId": "metrics",
        "tags": ["probes"],
        "summary": "Get what this sidecar has counted, in the text format of Prometheus.",
        "description": "Shows the accounts of the key. Needs the scope `admin`.",
        "responses": {"200": {"description": "The metrics.", "content": text}, "default": _PROBLEM},
        "x-scope": "admin",
    }


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


def _text(kind: type) -> str:
    paragraphs = re.split(r"\n\s*\n", (kind.__doc__ or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
