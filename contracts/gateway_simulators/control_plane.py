"""What the control planes of all simulators share: JSON in, JSON out, and bad input named.

A control plane lies below `/_simulator/`. It is no part of a vendor's API or wire document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import orjson
from aiohttp import web

Step = Callable[[web.Request, dict[str, Any]], Awaitable[object]]
Types = Mapping[str, type | tuple[type, ...]]


def answering(step: Step) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Serve *step*: its answer as JSON, 404 for a call that is not there, 400 for bad input."""

    async def handler(request: web.Request) -> web.Response:
        try:
            raw = await request.read()
            body = orjson.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            return _json(200, await step(request, body))
        except LookupError as error:
            return _json(404, {"error": str(error)})
        except (TypeError, ValueError, OverflowError) as error:  # JSON that is none is a ValueError too
            return _json(400, {"error": str(error)})

    return handler


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body, default=str), content_type="application/json")


def fields(body: dict[str, Any], required: Types, optional: Types) -> dict[str, Any]:
    """Check the names and the types of a body."""
    types = {**required, **optional}
    for name, value in body.items():
        if name not in types:
            raise ValueError(f"{name} is not known here; known are {', '.join(sorted(types)) or 'no fields'}")
        if not isinstance(value, types[name]) or (isinstance(value, bool) and types[name] is not bool):
            raise ValueError(f"{name} has the wrong type")
    for name in required:
        if name not in body:
            raise ValueError(f"{name} is required")
    return body


def known(body: Any, model: type[attrs.AttrsInstance]) -> None:
    """Check the names of a body whose values *model* checks itself."""
    names = [field.name for field in attrs.fields(model)]
    if not isinstance(body, dict):
        raise ValueError(f"an object with any of {', '.join(names)} is wanted")
    for name in body.keys() - set(names):
        raise ValueError(f"{name} is not known here; known are {', '.join(names)}")
