"""JSON schemas of models and arguments, for the OpenAPI document."""

import enum
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from gateway_contracts import Location, Page, Parameter, Secret

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


class Schemas:
    """Schemas of models, collected by name as they are met."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of *kind*, which a response holds."""
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if _is_union(kind):
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

    def body(self, kind: type[Any]) -> dict[str, Any]:
        """The schema of *kind*, the body of a request: what has a default may be left out, and nothing may be added."""

        def make() -> dict[str, Any]:
            required = [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING]
            return {**self._model(kind), "required": required, "additionalProperties": False}

        return self._reference(kind.__name__, make)

    def query(self, kind: type[Any]) -> list[dict[str, Any]]:
        """The attributes of *kind* as parameters of a query, each with the description in its metadata, if any."""
        hints = typing.get_type_hints(kind)
        found = []
        for field in attrs.fields(kind):
            schema = self.of(_without_null(hints[field.name]))
            if isinstance(field.default, bool | int):
                schema["default"] = field.default
            found.append({"name": field.name, "in": "query", "required": False, "schema": schema, **field.metadata})
        return found

    def argument(self, parameter: Parameter) -> dict[str, Any]:
        """The schema of one argument of an operation."""
        in_body = parameter.location is Location.BODY
        schema = self.of(parameter.type if in_body else _without_null(parameter.type))
        if not parameter.required and isinstance(parameter.default, bool | int | str):
            schema["default"] = parameter.default
        return schema

    def _reference(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if name not in self.found:
            self.found[name] = {}  # a model may hold itself
            self.found[name] = make()
        return {"$ref": f"#/components/schemas/{name}"}

    def _enumeration(self, kind: type[enum.Enum]) -> dict[str, Any]:
        return {"type": "string", "enum": [member.value for member in kind], "description": text_of(kind)}

    def _model(self, kind: type) -> dict[str, Any]:
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in attrs.fields(kind) if not field.name.startswith("_")}
        properties = {name: self.of(hints[name]) for name in fields if name != "raw"}
        schema: dict[str, Any] = {
            "type": "object",
            "description": text_of(kind),
            "properties": properties,
            "required": [name for name in properties if not hasattr(fields[name].default, "factory")],
        }
        if "raw" in fields:
            properties["raw"] = {"description": "The vendor's own answer; only with `?raw=1`."}
        return schema

    def _page(self, item: type) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            return {
                "type": "object",
                "description": text_of(Page),
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


def text_of(kind: Any) -> str:
    """The docstring of a model, or of the class of a page, as paragraphs."""
    paragraphs = re.split(r"\n\s*\n", ((typing.get_origin(kind) or kind).__doc__ or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _without_null(kind: Any) -> Any:
    """*kind* without None, as it is in a query: there is no null in one."""
    parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
    return parts[0] if _is_union(kind) and len(parts) == 1 else kind
