"""Calls held open: synchronous click-to-calls in flight by the thousand, and what that does to everything else."""

import contextlib
import itertools
import json

from .children import configuration, folder, key, program, raise_limit, sidecar
from .load import order_of, request
from .measuring import BARE, OURS, Goal, interleave, percentile

PROBE_PAUSE = 0.005
SPARE_FILES = 200
LONGEST_SECONDS = 110  # the sidecar gives a call two minutes
MEMORY = Goal(most=30, of=None)
ADDED = Goal(most=40, of=None)
NONE = Goal(most=0, of=None)


async def run(report, sizes):
    # The sidecar has two connections for each call, and one more for each of those who probe.
    files = raise_limit()
    count = min(sizes.held, (files - SPARE_FILES) // 2)
    if count < sizes.held:
        report.note(
            f"{count:,} calls and not {sizes.held:,}: this machine gives a process {files:,} open files, "
            f"and {2 * sizes.held + SPARE_FILES:,} are needed (ulimit -n)"
        )
    ramp = count / sizes.held_rate
    hold = min(ramp + sizes.held_seconds + 1, LONGEST_SECONDS)
    body = json.dumps({"extension": "101", "number": "0899098899", "wait": True}).encode()
    content = request("POST", "/v1/accounts/a0/calls", key=key(), body=body)
    probe = request("GET", "/v1/accounts/a0/calls", key=key())
    async with contextlib.AsyncExitStack() as stack:
        where = stack.enter_context(folder())
        vendor = await stack.enter_async_context(program("vendor"))
        loader = await stack.enter_async_context(program("load"))
        prober = await stack.enter_async_context(program("load"))
        numbers = itertools.count()

        def way(kind):
            async def measured():
                async with contextlib.AsyncExitStack() as serving:
                    if kind == OURS:
                        place = where / str(next(numbers))
                        place.mkdir()
                        server = await serving.enter_async_context(sidecar(place, configuration(vendor.port)))
                    else:
                        server = await serving.enter_async_context(program("pass-through", vendor.port))
                    return await one(server)

            return measured

        async def one(server):
            await vendor.ask({"hold": hold, "most_held": 0})
            order = order_of(server.port, probe, connections=1, pause=PROBE_PAUSE, each=True)
            await loader.ask(order_of(server.port, probe, connections=16, requests=sizes.singles))  # now it is warm
            idle = await prober.ask({**order, "requests": sizes.singles})
            before = server.memory()
            await prober.tell({**order, "ends": True})
            await loader.tell(order_of(server.port, content, connections=count, rate=sizes.held_rate))
            sent = (await loader.told())["sent"]
            memory = server.memory()
            held = await loader.told()
            await prober.tell({"end": True})
            told = await prober.told()
            seen = list(zip(told["moments"], told["latencies"], strict=True))
            still = [latency for moment, latency in seen if sent <= moment <= held["first"]] or [told["p50"]]
            base = percentile(idle["latencies"], 0.99)
            return {
                "failed": held["failed"] + told["failed"] + count - held["requests"],
                "most": (await vendor.ask({}))["most_held"],
                "memory": (memory - before) / count / 1e3,
                "p99": (percentile(still, 0.99) - base) * 1e3,
                "all p99": (percentile([latency for _, latency in seen], 0.99) - base) * 1e3,
            }

        found = await interleave(sizes, {name: way(name) for name in (OURS, BARE)}, rounds=max(sizes.rounds // 4, 1))
    what = f"{count:,} held for {hold - ramp:.0f} s, {sizes.held_rate} begun a second"
    report.row(what, "most in flight at the vendor", found["most"])
    report.row("failed", "calls and others", found["failed"], goals=[NONE])
    report.row("memory", "KB a call", found["memory"], goals=[MEMORY])
    report.row("another request while all are held, p99", "ms added", found["p99"], goals=[ADDED])
    note = "while they begin and end, too"
    report.row("another request, p99", "ms added", found["all p99"], goals=[ADDED], note=note)
