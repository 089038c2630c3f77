"""JSON as simulators write it."""

import json
from typing import Any

import orjson


def written(body: Any) -> bytes:
    """*body* as JSON, also with half an emoji in it, as some vendors send it."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()
