"""How fast the gateway is: each path beside the bare program that a user would write by hand, and beside its limit.

    make bench                                    all of it, in a few minutes
    make bench ARGS="facade sidecar"              some of it
    make bench ARGS="facade --json out.json"      for programs, too (- is stdout)
    make bench ARGS="held --full"                 in the sizes that the goals speak of
    make bench ARGS="--before old.json --markdown table.md"

Names: facade, sidecar, held, history, journal, readers, start, growth.
"""

import argparse
import asyncio
import contextlib
import importlib
import signal
import sys
import time

import attrs

from .children import raise_limit
from .measuring import Report, machine, read_json, write_json, write_markdown
from .sizes import FULL, SMALL, USUAL

NAMES = ("facade", "sidecar", "held", "history", "journal", "readers", "start", "growth")


async def measure(name, sizes):
    """The report of the benchmark *name*."""
    module, report = importlib.import_module(f"tests.benchmarks.{name}"), Report(name)
    await module.run(report, sizes)
    return report


async def measure_all(names, sizes, about):
    print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    if about["load"] > about["cores"]:
        print("others use this machine: what is counted in CPU says more now than what the clock says", flush=True)
    reports = []
    for name in names:
        begun = time.monotonic()
        print(f"\n{name}", flush=True)
        reports.append(await measure(name, sizes))
        print(f"  ({time.monotonic() - begun:.0f} s)", flush=True)
    return reports


def main():
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a benchmark; all of them by default")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_const", const=SMALL, dest="sizes", help="only to see that it works")
    size.add_argument("--full", action="store_const", const=FULL, dest="sizes", help="the sizes of the goals")
    parser.add_argument("--rounds", type=int, help="how often each way is measured")
    parser.add_argument(
        "--json", metavar="FILE", help="write all samples there; - is stdout, the table then goes to stderr"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write a table of the rows that have goals there")
    parser.add_argument("--before", metavar="FILE", help="what an earlier run wrote with --json, for that table")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    before = read_json(given.before) if given.before else None
    sizes = given.sizes or USUAL
    if given.rounds:
        sizes = attrs.evolve(sizes, rounds=given.rounds)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, what it made is removed
    about = {**machine(), "open files": raise_limit()}
    with contextlib.redirect_stdout(sys.stderr) if given.json == "-" else contextlib.nullcontext():
        try:
            reports = asyncio.run(measure_all(given.names or NAMES, sizes, about))
        except KeyboardInterrupt:
            sys.exit(130)
    if given.json:
        write_json(given.json, about, reports)
    if given.markdown:
        write_markdown(given.markdown, about, reports, before)


if __name__ == "__main__":
    main()
