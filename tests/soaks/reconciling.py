"""`python -m tests.soaks.reconciling`: days at the telephones of every vendor, with all that befalls events on the way.

For each vendor and fault it prints how many calls there were, how many events came and how many had to be reconciled,
how many passes that took (and how many of them failed, as the vendor gave no history), and in how many points the
journal is not as things were. It ends with 1 when there is any.
"""

import argparse
import asyncio
import collections
import logging
import sys
import tempfile
import time

from tests.events.simulated_world import TEL4VN, live, world_of

WEBHOOKS = {
    "dropped": {"drop_rate": 0.2},
    "all dropped": {"drop_rate": 1.0},
    "doubled": {"duplicate": True},
    "reordered": {"reorder": True},
    "delayed": {"delay_seconds": 150},
    "all of it": {"drop_rate": 0.2, "duplicate": True, "reorder": True, "delay_seconds": 40},
}
CUTS = {"never cut": 0, "cut": 600, "cut all the time": 60}


async def run(vendor, name, calls, seed):
    faults, cut_every = (WEBHOOKS[name], 0) if vendor in TEL4VN else ({}, CUTS[name])
    with tempfile.TemporaryDirectory() as folder:
        async with world_of(vendor, folder, filed_after=45, **faults) as world:
            started = time.perf_counter()
            again = 150 if "reorder" in faults else 20  # out of order, and without times: a queue's calls look alike
            await live(
                world, calls=calls, seed=seed, every=12, longest=3 * 3600, cut_every=cut_every, fail=0.1, again=again
            )
            found = await world.differences()
            known = await world.known()
            sources = collections.Counter(event.source for event in known.events)
            print(
                f"{vendor:10} {name:17} seed {seed}: {len(world.truth)} calls, {sources['vendor']} events told, "
                f"{sources['reconciled']} reconciled, {world.passes} passes ({world.failed} failed), "
                f"{len(found)} differences, {time.perf_counter() - started:.0f} s",
                flush=True,
            )
            for each in found[:5]:
                print(f"    {each}")
            return len(found)


async def run_all(calls, seeds):
    found = 0
    for seed in seeds:
        for vendor in (*TEL4VN, "antbuddy"):
            for name in WEBHOOKS if vendor in TEL4VN else CUTS:
                found += await run(vendor, name, calls, seed)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    given = parser.parse_args()
    logging.getLogger("gateway").setLevel(logging.ERROR)
    sys.exit(bool(asyncio.run(run_all(given.calls, given.seeds))))
