"""Records read page by page while calls go on ending: python -m tests.soaks.paging --rows 35 10000

Each TEL4VN product is asked for all its records while it pages by the text of its documents, by one of the ways that
they tell of, or overlooks where a page starts. Before each page but the first a new call ends, and up to three that
began long ago. Then what came is compared with what was there from the beginning.
"""

import argparse
import asyncio
import collections
import random
import sys
import time
from datetime import timedelta

import attrs
from gateway_simulators import ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator

from gateway import Gateway, VendorProtocolError

PRODUCTS = {"tel4vn-v1": Tel4vnV1Simulator, "tel4vn-v2": Tel4vnV2Simulator}
FOLLOWED = ["document", "page", "offset", "scroll"]
OVERLOOKING = ["first_page", "everything"]
CASES = [
    *(("auto", host) for host in (*FOLLOWED, *OVERLOOKING)),
    *((setting, "document") for setting in ("page", "offset", "scroll")),
]
"""The account's `paging`, and how the host pages."""
FEW, SMALL_PAGE = 100, 10  # up to so many rows, pages are small, so that there are several
MINUTE = timedelta(minutes=1)


@attrs.define(kw_only=True)
class Figures:
    """What came of one case. *ended* says how: `whole`, or the error's text."""

    product: str
    setting: str
    host: str
    rows: int
    inserted: int = 0
    requests: int = 0
    came: int = 0
    lost: int = 0
    doubled: int = 0
    ended: str = "whole"
    seconds: float = 0.0

    @property
    def silent(self):
        """Rows that are missing or twice in a list that ended without an error."""
        return self.lost + self.doubled if self.ended == "whole" else self.doubled


async def soak(product, setting, host, rows, *, seed=1):
    """Read *rows* records of *product* once; gives the `Figures`."""
    chance = random.Random(seed)  # noqa: S311 # the same run again, no secret
    figures = Figures(product=product, setting=setting, host=host, rows=rows)
    async with PRODUCTS[product](clock=ManualClock()) as pbx:
        newest = pbx.clock.now()
        pbx.seed_records(rows, newest - rows * MINUTE)
        pbx.behaviour.paging = host
        own = {"base_url": pbx.url, "api_key": pbx.api_key}
        settings = {"read": {**own, "paging": setting}, "compare": own}
        accounts = {name: {"vendor": product, "settings": each} for name, each in settings.items()}
        async with Gateway.from_config({"accounts": accounts}) as gateway:
            method = gateway["read"].history.list_records
            limit = {"limit": SMALL_PAGE} if rows <= FEW else {}
            found, cursor, started = [], None, time.perf_counter()
            try:
                while True:
                    page = await method(cursor=cursor, **limit)
                    figures.requests += 1
                    found += [record.record_id for record in page.items]
                    cursor = page.next
                    if cursor is None:
                        break
                    figures.inserted += calls_end(pbx, newest, chance, len(found), figures.requests)
            except VendorProtocolError as error:
                figures.ended = error.message
            figures.seconds = time.perf_counter() - started
            pbx.behaviour.paging = "document"
            there = {record.record_id async for record in gateway["compare"].records(until=newest, limit=1000)}
    there = {each for each in there if each.startswith("5eed")}  # those that were made before
    if len(there) != rows:
        raise RuntimeError(f"the simulator has {len(there)} records, not {rows}")
    counted = collections.Counter(found)
    figures.came = len(counted)
    figures.lost = len(there - counted.keys())
    figures.doubled = sum(count - 1 for count in counted.values())
    return figures


def calls_end(pbx, newest, chance, read, turn):
    """A new call ends, and up to three that began before some that have been read; gives how many."""
    pbx.add_record(time_started=newest + turn * timedelta(seconds=1))
    older = chance.randint(0, 3)
    for _ in range(older):
        pbx.add_record(time_started=newest - chance.uniform(0, read) * MINUTE)
    return 1 + older


def line(figures):
    """*figures* as a row of a table."""
    ended = figures.ended.removeprefix("The vendor answered 200 and ")
    counts = (figures.rows, figures.inserted, figures.requests, figures.came, figures.lost, figures.doubled)
    cells = (figures.product, figures.setting, figures.host, *(f"{count:,}" for count in counts), ended)
    return f"| {' | '.join(cells)} | {figures.seconds:.1f} |"


async def run_all(sizes, seed):
    names = ["product", "paging", "host", "rows", "filed meanwhile", "pages", "came", "lost", "doubled", "ended", "s"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
    silent = 0
    for rows in sizes:
        for product in PRODUCTS:
            for setting, host in CASES:
                figures = await soak(product, setting, host, rows, seed=seed)
                silent += figures.silent
                print(line(figures), flush=True)
    return silent


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[35, 10_000])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(bool(asyncio.run(run_all(given.rows, given.seed))))
