"""Checks real requests and answers against a vendor's wire document.

    from tests import wire

    wire.check_request("GET", "/v1/cdr", [("limit", "50")], None)
    wire.check_requests(pbx.requests)

A mismatch is an AssertionError that says what was sent, where it is wrong, and which document says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

_FOLDER = Path(__file__).parent.parent / "contracts" / "wire"


class _Request(Protocol):
    """What simulators keep of a request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any


class _Operation(NamedTuple):
    path: re.Pattern[str]
    parameters: list[dict[str, Any]]
    said: dict[str, Any]


class Wire:
    """One wire document. Load it with `Wire.load`, which reads each only once."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._operations: dict[str, list[_Operation]] = {}
        for path, item in document["paths"].items():
            for method in item.keys() - {"parameters"}:
                parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
                pattern = re.compile(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(path)))
                self._operations.setdefault(method.upper(), []).append(_Operation(pattern, parameters, item[method]))

    @classmethod
    @cache
    def load(cls, vendor: str) -> Wire:
        """Read the document of a vendor, for example `tel4vn-v1`."""
        return cls(yaml.safe_load((_FOLDER / f"{vendor}.yaml").read_text(encoding="utf-8")))

    def check_request(
        self, method: str, path: str, query: Mapping[str, str] | Iterable[tuple[str, str]], body: Any
    ) -> None:
        """Check one request; *body* is parsed JSON, None when there is none."""
        operation = self._operation(method, path)
        where = f"{method} {path} [{operation.said.get('x-source')}]"
        pairs = list(query.items()) if isinstance(query, Mapping) else list(query)
        allowed = {each["name"]: each for each in operation.parameters if each["in"] == "query"}
        names = [name for name, _ in pairs]
        for name, value in pairs:
            assert name in allowed, f"{where}: there is no query parameter {name}"
            assert names.count(name) == 1, f"{where}: {name} is given {names.count(name)} times"
            self._check(allowed[name]["schema"], value, f"{where}: query parameter {name}")
        for name, parameter in allowed.items():
            assert name in names or not parameter.get("required"), f"{where}: query parameter {name} is missing"
        self._check_path(operation, path, where)
        if "requestBody" in operation.said:
            assert body is not None, f"{where}: the JSON body is missing"
            self._check(_schema(operation.said["requestBody"]), body, f"{where}: body")
        else:
            assert body is None, f"{where}: there must be no body"

    def check_answer(self, method: str, path: str, status: int, body: Any) -> None:
        """Check one answer; *body* is parsed JSON."""
        operation = self._operation(method, path)
        where = f"{method} {path} [{operation.said.get('x-source')}] answered {status}"
        answers = operation.said["responses"]
        answer = answers.get(str(status)) or answers.get(f"{status // 100}XX")
        assert answer is not None, f"{where}: the document knows only {', '.join(answers)}"
        answer = self._resolved(answer)
        if "content" in answer:  # else nothing is said of the body
            self._check(_schema(answer), body, where)

    def check_webhook(self, body: Any) -> None:
        """Check a webhook that the vendor sends, by its JSON body."""
        state = body.get("state") if isinstance(body, dict) else None
        assert state in self.document["webhooks"], f"there is no webhook of state {state!r}"
        said = self.document["webhooks"][state]["post"]
        self._check(_schema(said["requestBody"]), body, f"webhook {state} [{said.get('x-source')}]")

    def check_requests(self, requests: Iterable[_Request]) -> None:
        """Check a simulator's log of requests; recordings are plain files, and no part of the document."""
        for request in requests:
            if not request.path.startswith("/recording/"):
                self.check_request(request.method, request.path, request.query, request.body)

    def _operation(self, method: str, path: str) -> _Operation:
        found = [each for each in self._operations.get(method.upper(), []) if each.path.fullmatch(path)]
        assert found, f"{method} {path}: there is no such operation"
        return found[0]

    def _check_path(self, operation: _Operation, path: str, where: str) -> None:
        names = [each for each in operation.parameters if each["in"] == "path"]
        match = operation.path.fullmatch(path)
        for parameter, value in zip(names, match.groups() if match else (), strict=True):
            self._check(parameter["schema"], unquote(value), f"{where}: path parameter {parameter['name']}")

    def _check(self, schema: dict[str, Any], value: Any, where: str) -> None:
        # The document's own components, so that "#/components/…" resolves inside this one schema.
        whole = {"components": self.document["components"], **schema}
        error = best_match(Draft202012Validator(whole).iter_errors(value))
        assert error is None, f"{where}: {error.json_path}: {error.message}"

    def _resolved(self, item: dict[str, Any]) -> dict[str, Any]:
        for name in item.get("$ref", "#").split("/")[1:]:
            item = self.document[name] if name == "components" else item[name]
        return item


def _schema(carrier: dict[str, Any]) -> dict[str, Any]:
    return carrier["content"]["application/json"]["schema"]


def check_request(
    method: str,
    path: str,
    query: Mapping[str, str] | Iterable[tuple[str, str]],
    body: Any,
    *,
    vendor: str = "tel4vn-v1",
) -> None:
    """Check one request against the document of a vendor."""
    Wire.load(vendor).check_request(method, path, query, body)


def check_answer(method: str, path: str, status: int, body: Any, *, vendor: str = "tel4vn-v1") -> None:
    """Check one answer against the document of a vendor."""
    Wire.load(vendor).check_answer(method, path, status, body)


def check_webhook(body: Any, *, vendor: str = "tel4vn-v1") -> None:
    """Check the body of a webhook against the document of a vendor."""
    Wire.load(vendor).check_webhook(body)


def check_requests(requests: Iterable[_Request], *, vendor: str = "tel4vn-v1") -> None:
    """Check a simulator's log of requests against the document of a vendor."""
    Wire.load(vendor).check_requests(requests)


def as_text(request: _Request) -> str:
    """*request* for looking at, and for finding things in it."""
    return f"{request.method} {request.path} {dict(request.query)} {request.body}"
