"""`start_call` in process: how much the facade adds to the call that a user would write by hand."""

import asyncio
import contextlib
import itertools
import logging
import os
import time

import aiohttp
import orjson
from gateway_contracts.http import Effect

from gateway import Gateway

from .children import configuration, folder, program
from .measuring import BARE, LIMIT, OURS, Goal, interleave, of

WITH_JOURNAL = "ours, journal and idempotency key"
CLIENT, ADAPTER = "its HttpClient alone", "its adapter alone"  # so that each layer's part can be seen
ASKED = {"ext": "101", "phone": "0899098899"}
TOKEN = {"Authorization": "Bearer a-token"}
GOAL = Goal(most=1.10)


@contextlib.contextmanager
def logging_to_nowhere():
    """One log line an operation, which is written, to where nothing is kept."""
    logger, level = logging.getLogger("gateway"), logging.getLogger("gateway").level
    with open(os.devnull, "w") as nowhere:
        handler = logging.StreamHandler(nowhere)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


def measured(call, calls, at_once):
    """The way that makes *calls* calls: µs each one after the other, and of the clock and CPU *at_once* at a time."""

    async def some(count):
        for _ in range(count):
            await call()

    async def way():
        await some(max(calls // 10, 2))
        wall, cpu = time.perf_counter(), time.process_time()
        await some(calls)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        together, together_cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(some(max(calls // at_once, 1)))
        done = at_once * max(calls // at_once, 1)
        together, together_cpu = time.perf_counter() - together, time.process_time() - together_cpu
        return {
            "one": wall / calls * 1e6,
            "one cpu": cpu / calls * 1e6,
            "many": together / done * 1e6,
            "many cpu": together_cpu / done * 1e6,
        }

    return way


async def run(report, sizes):
    async with contextlib.AsyncExitStack() as stack:
        where = stack.enter_context(folder())
        stack.enter_context(logging_to_nowhere())
        port = (await stack.enter_async_context(program("vendor"))).port
        url = f"http://127.0.0.1:{port}"
        config = configuration(port)
        gateway = await stack.enter_async_context(Gateway.from_config(config))
        journal = {"url": f"sqlite:///{where}/gateway.db"}
        journalled = await stack.enter_async_context(Gateway.from_config(config | {"journal": journal}))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        tuned = await stack.enter_async_context(
            aiohttp.ClientSession(
                url,
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=TOKEN,
                timeout=aiohttp.ClientTimeout(total=20),
            )
        )
        keys = itertools.count()
        click_to_call, kept = gateway["a0"].click_to_call, journalled["a0"]

        async def ours():
            await click_to_call.start_call(extension="101", number="0899098899")

        async def ours_kept():
            key = f"key-{next(keys)}"
            await kept.click_to_call.start_call(extension="101", number="0899098899", idempotency_key=key)

        adapter = gateway["a0"].adapter
        params = list(ASKED.items())

        async def client():
            await adapter.http.send("GET", "/v1/click2call/async", params=params, effect=Effect.RING)

        async def without_guard():
            await adapter.start_call(extension="101", number="0899098899")

        async def bare():
            async with session.get(f"{url}/v1/click2call/async", params=ASKED, headers=TOKEN) as answer:
                answer.raise_for_status()
                return await answer.json()

        async def limit():
            async with tuned.get("/v1/click2call/async", params=ASKED, allow_redirects=False) as answer:
                return orjson.loads(await answer.read())

        calls = {
            OURS: ours,
            ADAPTER: without_guard,
            CLIENT: client,
            WITH_JOURNAL: ours_kept,
            BARE: bare,
            LIMIT: limit,
        }
        ways = {name: measured(call, sizes.calls, sizes.calls_at_once) for name, call in calls.items()}
        found = await interleave(sizes, ways)
    at_once = f"{sizes.calls_at_once} at once"
    report.row("start_call, one at a time", "µs a call", found["one"], goals=[GOAL])
    report.row("start_call, one at a time", "µs of CPU a call", found["one cpu"], goals=[GOAL])
    report.row(f"start_call, {at_once}", "µs a call", found["many"], goals=[GOAL])
    report.row(f"start_call, {at_once}", "µs of CPU a call", of(found["many cpu"], *calls), goals=[GOAL])
