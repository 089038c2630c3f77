"""One operation through HTTP, beside a pass-through on the same machine: throughput, CPU and the latency added."""

import base64
import contextlib
import importlib.util
import itertools
import json
import shutil

from .children import configuration, folder, key, program, sidecar
from .load import COUNTED, HAS_WRK, order_of, request, throughput
from .measuring import BARE, OURS, Goal, interleave
from .nginx import nginx

CONNECTIONS = 64
ADDED = Goal(most=round(350 / 290, 2))
LEAST = Goal(least=0.90)
LIST, RECORDS, DIAL = "GET calls (one live call)", "GET records (a page of 10)", "POST calls (a dial)"
WITHOUT_JOURNAL = "ours without a journal"
DIRECT = "the vendor itself"
NUMBERED = f"Idempotency-Key: key-{COUNTED.decode()}"

BODY = json.dumps({"extension": "101", "number": "0899098899"}).encode()


def requests(account="/v1/accounts/a0"):
    """What is asked, by name."""
    return {
        LIST: request("GET", f"{account}/calls", key=key()),
        RECORDS: request("GET", f"{account}/records?limit=10", key=key()),
        DIAL: request("POST", f"{account}/calls", key=key(), body=BODY, headers=NUMBERED),
    }


async def run(report, sizes):
    async with contextlib.AsyncExitStack() as stack:
        where = stack.enter_context(folder())
        vendor = await stack.enter_async_context(program("vendor", 1_000))
        loader = await stack.enter_async_context(program("load"))
        config = configuration(vendor.port)
        encoded = base64.b64encode(json.dumps(config).encode()).decode()
        servers = {
            OURS: await stack.enter_async_context(sidecar(where, config)),
            WITHOUT_JOURNAL: await stack.enter_async_context(program("serve-without-journal", encoded)),
            BARE: await stack.enter_async_context(program("pass-through", vendor.port)),
        }
        left_out = [name for name in ("fastapi", "httpx", "uvicorn") if importlib.util.find_spec(name) is None]
        if left_out:
            report.note(f"left out: FastAPI + httpx ({', '.join(left_out)} not installed)")
        else:
            servers["FastAPI + httpx"] = await stack.enter_async_context(program("fastapi", vendor.port))
        if shutil.which("nginx"):
            servers["nginx"] = await stack.enter_async_context(nginx(where, vendor.port))
        else:
            report.note("left out: nginx (not installed)")
        report.note(f"load: {'wrk' if HAS_WRK else 'an asyncio client without a framework (wrk is not installed)'}")
        firsts = itertools.count(0, 1_000_000)
        asked = requests()

        async def load(port, content):
            first, seconds = next(firsts), sizes.seconds
            return await throughput(
                loader, port, content, connections=CONNECTIONS, seconds=seconds, where=where, first=first
            )

        def way(server, content):
            async def measured():
                await loader.ask(order_of(server.port, content, connections=1, requests=5, first=next(firsts)))
                cpu = server.cpu()
                many = await load(server.port, content)
                cpu = server.cpu() - cpu
                single = await loader.ask(
                    order_of(server.port, content, connections=1, requests=sizes.singles, first=next(firsts))
                )
                if failed := many["failed"] + single["failed"]:
                    raise RuntimeError(f"{failed} requests failed")
                return {
                    "throughput": many["requests"] / many["seconds"],
                    "cpu": cpu / many["requests"] * 1e6,
                    "p50": single["p50"] * 1e6,
                }

            return measured

        most = await load(vendor.port, request("GET", "/v1/call"))
        ceiling = most["requests"] / most["seconds"]
        report.note(f"the load against the vendor itself: {ceiling:,.0f} requests a second at {CONNECTIONS}")

        async def direct():
            order = order_of(vendor.port, request("GET", "/v1/call"), connections=1, requests=sizes.singles)
            return {"p50": (await loader.ask(order))["p50"] * 1e6}

        for name, content in asked.items():
            chosen = {each: way(server, content) for each, server in servers.items()}
            if name == DIAL:  # a key needs a journal
                without = request("POST", "/v1/accounts/a0/calls", key=key(), body=BODY)
                chosen[WITHOUT_JOURNAL] = way(servers[WITHOUT_JOURNAL], without)
            else:
                del chosen[WITHOUT_JOURNAL]
            if name != LIST:
                chosen.pop("nginx", None)  # which knows one address
            found = await interleave(sizes, chosen | {DIRECT: direct})
            fastest = max(max(samples) for samples in found["throughput"].values())
            slow = "the load is the bottleneck here" if fastest > 0.8 * ceiling else ""
            report.row(f"{name}, {CONNECTIONS} at once", "requests/s", found["throughput"], goals=[LEAST], note=slow)
            report.row(f"{name}, {CONNECTIONS} at once", "µs of CPU a request", found["cpu"], goals=[Goal(most=1.11)])
            alone = found["p50"].pop(DIRECT)
            added = {
                each: [value - without for value, without in zip(samples, alone, strict=True)]
                for each, samples in found["p50"].items()
            }
            report.row(f"{name}, one at a time", "µs added", added, goals=[ADDED])
