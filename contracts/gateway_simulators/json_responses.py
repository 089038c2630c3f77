"""Responses in JSON, as vendors write them."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """Respond with *body* as JSON, also with half an emoji in it, as some vendors send it."""
    return web.Response(status=status, body=_written(body), content_type="application/json", headers=headers)


def _written(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()
