"""Runs the sidecar as a process: it listens on its address, logs that address, and ends when it is told to stop."""

import asyncio
import contextlib
import errno
import gc
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aiohttp import web
from gateway_contracts import ConfigError

from ..config import listening_on
from ..facade import Gateway
from ..logs import log
from ..process import told_to_stop
from .app import make_app
from .connections import Connections

OPEN_FILES = 65_536
BACKLOG = 1_024  # connections that come in one burst; the 128 of old make the others try again a second later


@contextlib.asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[str]:
    """The address of a sidecar of the open *gateway*, which listens where its configuration says.

    Raises: ConfigError when it cannot listen there.
    """
    runner = web.AppRunner(make_app(gateway))
    await runner.setup()
    try:
        assert gateway.config is not None  # noqa: S101 # make_app refuses a gateway without
        assert runner.server is not None  # noqa: S101 # it is set up
        host, port = gateway.config.proxy.address
        connections = Connections(runner.server, most_idle=_open_files() // 2)
        async with _listening(host, port) as sockets, connections.accepting(sockets):
            real_port = sockets[0].getsockname()[1]
            yield f"http://[{host}]:{real_port}" if ":" in host else f"http://{host}:{real_port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _listening(host: str, port: int) -> AsyncIterator[list[socket.socket]]:
    """Sockets that listen at *host* and *port*. Raises: ConfigError."""
    # asyncio binds them, but does not accept: when no more files can be opened it would do nothing else.
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as closing:
        try:
            server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
            closing.callback(server.close)
            sockets = [closing.enter_context(each.dup()) for each in server.sockets]
            for each in sockets:
                each.listen(BACKLOG)
        except OSError as error:
            raise ConfigError("proxy.listen", _trouble(f"{host}:{port}", error)) from error
        yield sockets


async def serve(path: Path, listen: str | None) -> None:
    """Serve the accounts of the configuration at *path* until told to stop. *listen* replaces `proxy.listen`.

    Raises: ConfigError.
    """
    _allow_many_connections()
    gateway = Gateway.from_file(path)
    if listen is not None and gateway.config is not None:
        gateway.config = listening_on(gateway.config, listen)
    async with gateway:
        with told_to_stop() as told:
            async with serving(gateway) as url:
                with collecting_seldom():
                    announce("sidecar.started", url=url)
                    await told.wait()
                    announce("sidecar.stopping", url=url)
        announce("sidecar.stopped", url=url)


@contextlib.contextmanager
def collecting_seldom() -> Iterator[None]:
    """In this context Python looks for garbage seldom, and never among the objects that exist now."""
    # These live until the end: to look at them again and again makes most of the slow requests slow.
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 1_000, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _allow_many_connections() -> None:
    """Raise this process's own limit of open files as far as it may, to `OPEN_FILES` at most.

    A dial that is held open needs two, and systems start programs with 1,024 for the sake of those that use `select`.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open_files() -> int:
    """How many files this process may have open, `OPEN_FILES` where there is no limit."""
    try:
        import resource
    except ImportError:
        return OPEN_FILES
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return OPEN_FILES if soft == resource.RLIM_INFINITY else soft


def announce(event: str, **fields: str) -> None:
    """Log *event*, also where the log shows warnings only."""
    logger = logging.getLogger("gateway")
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        log.info(event, **fields)
    finally:
        logger.setLevel(level)


def _trouble(where: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is in use: stop the program that has it, or choose another port (--listen HOST:PORT, 0 for any)"
        )
    if error.errno == errno.EACCES:
        return f"{where} needs more rights than this process has: choose a port from 1024 on (--listen HOST:PORT)"
    return f"{where} is no address of this machine to listen on ({error.strerror or type(error).__name__})"
