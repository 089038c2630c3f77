"""What runs beside a benchmark, in processes of their own. Each says when it is ready, and ends with its stdin.

python -m tests.benchmarks.programs NAME [WORD]…
"""

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import sys
import threading

from .children import raise_limit


def say(value):
    print(value if isinstance(value, str) else json.dumps(value), flush=True)


async def orders():
    """What the lines of stdin say, until it ends."""
    reader = asyncio.StreamReader(limit=2**28)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield json.loads(line)
    transport.close()


async def until_told():
    """Until stdin ends."""
    async for _ in orders():
        pass


async def vendor(records="0"):
    from .vendor import Connection, Vendor

    shared = Vendor(total=int(records))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(shared), "127.0.0.1", 0, backlog=10_000, start_serving=True
    )
    say(str(server.sockets[0].getsockname()[1]))
    async for order in orders():
        say(await shared.order(order))
    server.close()


async def load():
    from .load import Run

    run = task = None
    say("ready")
    async for order in orders():
        if "end" in order:
            run.end()
            say(await task)
            continue
        run = Run(order)
        if order.get("ends"):  # with a later order
            task = asyncio.create_task(run.run(order))
        else:
            say(await (run.hold(order, say) if "rate" in order else run.run(order)))


# What a user would write by hand


def _target(path, query, body):
    """The vendor's address for one of ours."""
    if path.endswith("/records"):
        return f"/v1/cdr?limit={query.get('limit', 100)}&offset=0"
    if body is None:
        return "/v1/call"
    way = "/v1/click2call" if body.get("wait") else "/v1/click2call/async"
    return f"{way}?ext={body['extension']}&phone={body['number']}"


async def pass_through(vendor_port):
    """aiohttp on both sides, and nothing between them; a list of records as NDJSON is decoded and encoded."""
    import aiohttp
    import orjson
    from aiohttp import web

    async def forward(request):
        body = orjson.loads(await request.read()) if request.method == "POST" else None
        if "x-ndjson" in request.headers.get("Accept", ""):
            return await lines(request)
        async with session.get(base + _target(request.path, request.query, body), headers=token) as answer:
            return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")

    async def lines(request):
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        limit, offset, total = int(request.query["limit"]), 0, 1
        while offset < total:
            async with session.get(f"{base}/v1/cdr?limit={limit}&offset={offset}", headers=token) as answer:
                page = orjson.loads(await answer.read())
            await response.write(b"".join(orjson.dumps(row) + b"\n" for row in page["data"]))
            offset, total = offset + limit, page["total"]
        await response.write_eof()
        return response

    base, token = f"http://127.0.0.1:{vendor_port}", {"Authorization": "Bearer a-token"}
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=10_000).start()
        say(str(runner.addresses[0][1]))
        await until_told()
        await runner.cleanup()


async def fastapi(vendor_port):
    """The same by FastAPI and httpx."""
    import httpx
    import uvicorn
    from fastapi import FastAPI, Request, Response

    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def forward(request: Request):
        body = await request.json() if request.method == "POST" else None
        answer = await client.get(_target(request.url.path, request.query_params, body), headers=token)
        return Response(answer.content, answer.status_code, media_type="application/json")

    token = {"Authorization": "Bearer a-token"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{vendor_port}", limits=limits) as client:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        say(str(server.servers[0].sockets[0].getsockname()[1]))
        await until_told()
        server.should_exit = True
        await serving


# The sidecar


class _Started(logging.Handler):
    """Says on stdout where the sidecar listens."""

    def emit(self, record):
        text = record.getMessage()
        if "sidecar.started" in text:
            say(text.rpartition(":")[2].split()[0].strip('"'))
            logging.getLogger("gateway").removeHandler(self)


def _end_with_stdin():
    def wait():
        while os.read(0, 65_536):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def serve(*words):
    """`gateway`, with *words* after it."""
    from gateway.cli.main import main

    logging.getLogger("gateway").addHandler(_Started(logging.INFO))
    _end_with_stdin()
    main(list(words))


def serve_forgetful(*words):
    """A sidecar that does all it does with a webhook but write it."""
    from gateway.journal.log import EventLog

    async def append(self, new):
        return list(new)

    EventLog.append = append
    serve(*words)


async def serve_without_journal(config):
    """A sidecar that keeps no journal, which a file cannot ask for."""
    from gateway import Gateway, serving
    from gateway.http.server import collecting_seldom

    logger = logging.getLogger("gateway")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    data = json.loads(base64.b64decode(config))
    async with Gateway.from_config(data) as gateway, serving(gateway) as address:
        with collecting_seldom():
            say(address.rpartition(":")[2])
            await until_told()


async def readers(port, count, stuck):
    from .crowd import connect

    seen, connections = await connect(int(port), int(count), int(stuck))
    say("connected")
    async for _ in orders():
        say(seen)
    for transport, _ in connections:
        transport.abort()


if __name__ == "__main__":
    raise_limit()
    name, *words = sys.argv[1:]
    run = globals()[name.replace("-", "_")]
    with contextlib.suppress(KeyboardInterrupt):
        if asyncio.iscoroutinefunction(run):
            asyncio.run(run(*words))
        else:
            run(*words)
