"""Models and plain data as JSON responses."""

from typing import Any

from aiohttp import web
from gateway_contracts import dumps, to_json

from ..logs import log, place_of


def json_response(data: Any, status: int = 200) -> web.Response:
    """A response with plain *data* as JSON."""
    return web.Response(body=dumps(data), status=status, content_type="application/json")


def model_response(model: Any, status: int, *, raw: bool = False) -> web.Response:
    """A response with *model* as JSON, or 204 for None. With *raw*, the vendor's own answer stays in the model."""
    return web.Response(status=204) if model is None else json_response(_plain(model, raw=raw), status)


def _plain(model: Any, *, raw: bool) -> Any:
    """*model* as plain data. A vendor's own answer that is no JSON is left out: it must not hide that a phone rang."""
    if raw:
        try:
            dumps(data := to_json(model, raw=True))
        except (TypeError, RecursionError) as error:
            log.warning("raw.dropped", account=getattr(model, "account", None), **place_of(error))
        else:
            return data
    return to_json(model)
