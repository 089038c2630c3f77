"""The sidecar's application: one place puts its parts together."""

from collections.abc import AsyncIterator

from aiohttp import web
from gateway_contracts import OPERATIONS, ConfigError, Operation

from ..facade import Gateway
from ..keys import Keyring
from ..metrics import Metrics
from .endpoints import ENDPOINTS, Endpoint
from .handlers import SERVICES, Handlers
from .middleware import Handler, Middleware, complete
from .operations import Operations
from .request_bodies import Bodies
from .slow_clients import SlowClients


def make_app(gateway: Gateway) -> web.Application:
    """The sidecar's application for an open *gateway* whose accounts live in this process.

    Raises: ConfigError when *gateway* is a remote one.
    """
    config = gateway.config
    if config is None:
        raise ConfigError("", "a sidecar needs accounts of its own: open its gateway from a file, not from a sidecar")
    keyring, metrics = Keyring(config.proxy.keys), Metrics()
    slow_clients, bodies = SlowClients(), Bodies()

    operations = Operations(gateway, keyring, bodies, metrics)
    handlers = Handlers(gateway, keyring, bodies, metrics)
    served: dict[Handler, Operation | Endpoint] = {
        **{operations.handler(each): each for each in OPERATIONS.values()},
        **{handlers.handler(each): each for each in ENDPOINTS},
    }

    async def running(app: web.Application) -> AsyncIterator[None]:
        """Run what requests need, from before the first of them until after the last."""
        async with slow_clients.watching():
            if gateway.journal is None:
                yield
                return
            from .services import running_services  # takes SQLAlchemy along

            async with running_services(gateway, gateway.journal, config, keyring, bodies, metrics) as services:
                app[SERVICES] = services
                yield

    async def stop_waiting(app: web.Application) -> None:
        """End what would hold up the stop: bodies that do not arrive, responses that are not taken, event streams."""
        slow_clients.stop()
        bodies.stop()
        if (services := app.get(SERVICES)) is not None:
            await services.events.close()

    middleware = Middleware(served, bool(keyring), metrics, slow_clients)
    app = web.Application(middlewares=[middleware.around], handler_args={"auto_decompress": False})
    app.on_response_prepare.append(complete)
    app.cleanup_ctx.append(running)
    app.on_shutdown.append(stop_waiting)
    for handler, each in served.items():
        path = f"/v1/accounts/{{account}}{each.path}" if isinstance(each, Operation) else each.path
        app.router.add_route(each.verb, path, handler)
    return app
