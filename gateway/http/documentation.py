"""`/docs`: Swagger UI shows `/openapi.json`. Its files are those of the package swagger-ui-py, found without importing
it; so the page works offline.
"""

import asyncio
import functools
import importlib.util
from pathlib import Path

from aiohttp import web
from gateway_contracts import NotFound

_FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Telephony gateway</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="viewer"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = (
    'SwaggerUIBundle({url: "openapi.json", dom_id: "#viewer", deepLinking: true, defaultModelsExpandDepth: 0,'
    " validatorUrl: null});\n"
)


def page() -> web.Response:
    """The page that shows `/openapi.json` and lets people try it."""
    return web.Response(text=_PAGE, content_type="text/html", headers={"Content-Security-Policy": _POLICY})


async def file(name: str) -> web.Response:
    """The viewer's file called *name*. Raises: NotFound."""
    if name == "start.js":
        return web.Response(text=_START, content_type="text/javascript")
    if name not in _FILES:
        raise NotFound(f"There is no /docs/{name}")
    body = await asyncio.to_thread(_read, name)
    # No FileResponse: the system sends its bytes by itself, and `SlowClients` would not see that they wait.
    return web.Response(
        body=body, content_type=_FILES[name], charset="utf-8", headers={"Cache-Control": "max-age=86400"}
    )


@functools.cache
def _read(name: str) -> bytes:
    found = importlib.util.find_spec("swagger_ui")
    if found is None or found.origin is None:
        raise NotFound("The viewer is not installed: pip install swagger-ui-py")
    return (Path(found.origin).parent / "static" / name).read_bytes()
