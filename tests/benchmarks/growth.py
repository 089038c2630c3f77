"""How cost grows: with accounts, with what is in the journal, with subscriptions."""

import asyncio
import contextlib
import functools
import itertools
import json
import time

from gateway_contracts import dumps

from gateway.journal.opening import open_journal
from gateway.journal.reading import EventSelection
from gateway.journal.timelines import read_timeline

from .children import HOOK_TOKEN, PATIENCE_SECONDS, configuration, folder, key, program, sidecar
from .journal import WAITING, WARM, appended, events_of, filled
from .load import COUNTED, order_of, request
from .measuring import interleave

KEYS_HAVE = 100  # subscriptions at most
NOBODY = "999"


async def accounts(report, sizes, vendor, loader):
    names = {count: f"{count:,} account{'s' if count > 1 else ''}" for count in sizes.accounts}

    def way(count):
        async def measured():
            started = time.perf_counter()
            with folder() as where:
                async with sidecar(where, configuration(vendor.port, accounts=count)) as server:
                    ready = time.perf_counter() - started
                    one = request("GET", f"/v1/accounts/a{count - 1}/calls", key=key())
                    every = request("GET", "/v1/accounts", key=key())
                    await loader.ask(order_of(server.port, one, connections=1, requests=WARM))
                    single = await loader.ask(order_of(server.port, one, connections=1, requests=sizes.singles))
                    listed = await loader.ask(order_of(server.port, every, connections=1, requests=5))
                    if single["failed"] or listed["failed"]:
                        raise RuntimeError("requests failed")
                    memory = server.memory()
            return {
                "start": ready * 1e3,
                "one": single["p50"] * 1e6,
                "every": listed["p50"] * 1e3,
                "memory": memory / 1e6,
            }

        return measured

    found = await interleave(sizes, {names[count]: way(count) for count in sizes.accounts}, rounds=1)
    report.row("gateway serve until it is ready, with a new journal", "ms", found["start"])
    report.row("GET calls of the last account, one at a time", "µs", found["one"])
    report.row("GET /v1/accounts", "ms", found["every"])
    report.row("the sidecar holds", "MB", found["memory"])


async def journal(report, sizes):
    counts = (300, *(count for count in sizes.journals if count > 300))
    with folder() as where:
        async with contextlib.AsyncExitStack() as stack:

            def way(count, journal):
                async def measured():
                    found = {}
                    for writers in (1, WAITING):
                        total = max(sizes.appended // (1 if writers > 1 else 16), writers)
                        items = [[event] for event in events_of(total)]
                        found[f"append {writers}"] = (await appended(journal.log.append, items, writers))["rate"]
                    for name, read in (("page", page), ("conversation", conversation)):
                        started = time.perf_counter()
                        for number in range(20):
                            await read(journal, count, number)
                        found[name] = (time.perf_counter() - started) / 20 * 1e3
                    return found

                return measured

            async def page(journal, count, number):
                found, _ = await journal.log.after(count * number // 40, EventSelection(), limit=100)
                assert len(found) == 100

            async def conversation(journal, count, number):
                wanted = f"cv_{count * number // 60:024d}"
                found = await journal.store.read(functools.partial(read_timeline, wanted=wanted, account=None))
                assert found is not None

            ways = {}
            for count in counts:
                opened = await stack.enter_async_context(open_journal(await filled(where, count)))
                await appended(opened.log.append, [[event] for event in events_of(WARM)], 16)
                ways[f"{count:,} events"] = way(count, opened)
            found = await interleave(sizes, ways, rounds=max(sizes.rounds // 4, 1))
    report.row("append, 1 waiting", "events/s", found["append 1"])
    report.row(f"append, {WAITING} waiting", "events/s", found[f"append {WAITING}"])
    report.row("a page of 100 events", "ms", found["page"])
    report.row("a conversation", "ms", found["conversation"])


async def subscriptions(report, sizes, vendor, loader):
    firsts = itertools.count(0, 1_000_000)

    def subscribed(number, extension):
        body = {"url": f"http://127.0.0.1:{vendor.port}/sink"} | ({"extension": extension} if extension else {})
        return request("POST", "/v1/subscriptions", key=key(number), body=dumps(body))

    async def subscribe(server, count, extension=None):
        for number, first in enumerate(range(0, count, KEYS_HAVE)):
            some = min(KEYS_HAVE, count - first)
            order = order_of(server.port, subscribed(number, extension), connections=min(8, some), requests=some)
            if (await loader.ask(order))["failed"]:
                raise RuntimeError("subscriptions failed")

    async def delivered(server, deliveries):
        """The ms from a webhook until the last of its *deliveries* came."""
        body = {"call_id": f"c{COUNTED.decode()}", "state": "ringing", "direction": "outbound"}
        body |= {"from_number": "101", "to_number": "0899098899"}
        content = request("POST", f"/hooks/a0/{HOOK_TOKEN}", body=json.dumps(body).encode())
        sunk = (await vendor.ask({}))["sunk"]
        started = time.monotonic()
        await loader.ask(order_of(server.port, content, connections=1, requests=1, first=next(firsts)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            return ((await vendor.ask({"sunk": sunk + deliveries}))["at"] - started) * 1e3

    def way(count, *, every):
        async def measured():
            keys = (count - 1) // KEYS_HAVE + 2  # the last one is of the one that wants the event
            with folder() as where:
                async with sidecar(where, configuration(vendor.port, keys=keys)) as server:
                    if every:
                        await subscribe(server, count)
                    else:
                        await subscribe(server, count - 1, NOBODY)
                        content = subscribed(keys - 1, None)
                        await loader.ask(order_of(server.port, content, connections=1, requests=1))
                    deliveries = count if every else 1
                    if not every:
                        await delivered(server, deliveries)  # the first takes longer; where all want it, that is little
                    return {"ms": await delivered(server, deliveries)}

        return measured

    for every, what in ((False, "one of them wants the event"), (True, "all of them want the event")):
        names = {count: f"{count:,} subscription{'s' if count > 1 else ''}" for count in sizes.subscriptions}
        found = await interleave(
            sizes, {names[count]: way(count, every=every) for count in sizes.subscriptions}, rounds=1
        )
        report.row(f"webhook to delivered, {what}", "ms", found["ms"])


async def run(report, sizes):
    async with program("vendor") as vendor, program("load") as loader:
        await accounts(report, sizes, vendor, loader)
        await journal(report, sizes)
        await subscriptions(report, sizes, vendor, loader)
