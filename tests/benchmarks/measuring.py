"""Figures: samples of several ways to do one thing, side by side, what they come to, and the goal beside them."""

import json
import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version

import attrs

from .sizes import Sizes

OURS, BARE, LIMIT = "ours", "bare", "limit"
LIBRARIES = ("aiohttp", "attrs", "cattrs", "orjson", "SQLAlchemy", "structlog")

Way = Callable[[], Awaitable[Mapping[str, float]]]
"""Does something once, and gives its figures by name."""


@attrs.frozen(kw_only=True)
class Goal:
    """What the median of ours should be: times that of the way *of*, or a figure by itself."""

    most: float | None = None
    least: float | None = None
    of: str | None = BARE
    way: str = OURS

    def found(self, row: "Row") -> float:
        """The figure of *row* that it is about."""
        return row.ratio(self.way, self.of) if self.of else row.median(self.way)

    def judge(self, row: "Row") -> tuple[str, bool]:
        """What it says of *row*, and whether that is met."""
        found = self.found(row)
        bound = self.most if self.least is None else self.least
        met = found <= self.most if self.least is None else found >= self.least
        what = f" x {self.of}" if self.of else f" {row.unit}"
        whose = "" if self.way == OURS else f" for {self.way}"
        side = "at most" if self.least is None else "at least"
        return f"goal{whose}: {side} {_short(bound)}{what}: {_short(found)}, {'met' if met else 'NOT MET'}", met


@attrs.frozen(kw_only=True)
class Row:
    """One thing that was measured: *samples* by way, one a round, in the same order for all."""

    benchmark: str
    what: str
    unit: str
    samples: Mapping[str, Sequence[float]]
    goals: Sequence[Goal] = ()
    note: str = ""

    def median(self, way: str) -> float:
        return statistics.median(self.samples[way])

    def spread(self, way: str) -> float:
        """Half of what lies between the least and the greatest, as a part of the median."""
        samples = self.samples[way]
        return (max(samples) - min(samples)) / 2 / (abs(self.median(way)) or 1)

    def ratio(self, way: str, other: str) -> float:
        """The median of what the two were to each other in each round: what slows a machine down slows both."""
        pairs = zip(self.samples[way], self.samples[other], strict=True)
        return statistics.median(one / another if another else float("inf") for one, another in pairs)

    def _measures(self) -> Sequence[str]:
        """What the others are compared with: the bare way and the limit, or else the first of them."""
        return [way for way in (BARE, LIMIT) if way in self.samples] or list(self.samples)[:1]

    def _comparable(self, way: str, other: str) -> bool:
        return other in self.samples and other != way and all(self.samples[other])

    def lines(self) -> list[str]:
        found = [f"  {self.what} [{self.unit}]{': ' if self.note else ''}{self.note}"]
        for way in self.samples:
            line = f"    {way:<34}{_short(self.median(way)):>11}"
            line += f"  ±{self.spread(way):4.0%}" if len(self.samples[way]) > 1 else " " * 7
            for other in self._measures():
                line += f"  {self.ratio(way, other):7.2f} x {other}" if self._comparable(way, other) else ""
            found.append(line.rstrip())
        return found + [f"    {goal.judge(self)[0]}" for goal in self.goals]

    def as_json(self) -> dict[str, object]:
        ways = {
            way: {
                "median": self.median(way),
                "spread": self.spread(way),
                "samples": list(self.samples[way]),
                **{f"of_{other}": self.ratio(way, other) for other in self._measures() if self._comparable(way, other)},
            }
            for way in self.samples
        }
        goals = [
            {"most": goal.most, "least": goal.least, "of": goal.of, "way": goal.way, "met": goal.judge(self)[1]}
            for goal in self.goals
        ]
        return {
            "benchmark": self.benchmark,
            "what": self.what,
            "unit": self.unit,
            "note": self.note,
            "ways": ways,
            "goals": goals,
        }


class Report:
    """Takes rows, and prints each as it comes."""

    def __init__(self, benchmark: str) -> None:
        self.benchmark = benchmark
        self.rows: list[Row] = []
        self.notes: list[str] = []

    def row(self, what, unit, samples, *, goals=(), note=""):
        self.rows.append(
            Row(benchmark=self.benchmark, what=what, unit=unit, samples=dict(samples), goals=goals, note=note)
        )
        print("\n".join(self.rows[-1].lines()), flush=True)

    def note(self, text):
        """Something to know about the rows around it."""
        self.notes.append(text)
        print(f"  {text}", flush=True)


async def interleave(
    sizes: Sizes, ways: Mapping[str, Way], *, rounds: int | None = None
) -> Mapping[str, Mapping[str, list[float]]]:
    """Each of *ways* in every round, and each round begins with another one; the samples by figure and way.

    There are as many rounds as *sizes* say, or *rounds*, but none begins when the time is over. The figures keep the
    order of *ways*, whichever was measured first.
    """
    ends = time.monotonic() + sizes.seconds_of_rounds
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in ways})
    names = list(ways)
    for number in range(rounds or sizes.rounds):
        if number and time.monotonic() > ends:
            break
        first = number % len(names)
        for name in names[first:] + names[:first]:
            for figure, value in (await ways[name]()).items():
                figures[figure][name].append(value)
    return {
        figure: {name: samples for name, samples in by_way.items() if samples} for figure, by_way in figures.items()
    }


def of(samples: Mapping[str, Sequence[float]], *ways: str) -> Mapping[str, Sequence[float]]:
    """Only some of the ways."""
    return {way: samples[way] for way in ways}


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def machine() -> dict[str, object]:
    """What the figures were measured with."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def write_json(path: str, about: Mapping[str, object], reports: Sequence[Report]) -> None:
    data = {
        "machine": about,
        "rows": [row.as_json() for report in reports for row in report.rows],
        "notes": {report.benchmark: report.notes for report in reports if report.notes},
    }
    if path == "-":
        json.dump(data, sys.stdout, indent=1)
    else:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)


def read_json(path: str) -> Mapping[tuple[str, ...], Row]:
    """The rows that `write_json` wrote, by what they are about."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    found = {}
    for row in rows:
        samples = {way: figures["samples"] for way, figures in row["ways"].items()}
        about = {name: row[name] for name in ("benchmark", "what", "unit")}
        found[tuple(about.values())] = Row(**about, samples=samples)
    return found


def write_markdown(
    path: str, about: Mapping[str, object], reports: Sequence[Report], before: Mapping[tuple[str, ...], Row] | None
) -> None:
    """A table of the rows that have goals, with what an earlier run found *before*, if there was one."""
    lines = [", ".join(f"{name} {value}" for name, value in about.items()) + ".", ""]
    head = ["path", "what", "ours", "bare", "limit", "goal", *(["before"] if before else []), ""]
    lines += [f"| {' | '.join(head)} |".replace("|  |", "| |"), "|---" * len(head) + "|"]
    for row in (row for report in reports for row in report.rows):
        for goal in row.goals:
            found = [_short(row.median(way)) if way in row.samples else "" for way in (goal.way, BARE, LIMIT)]
            said, _, verdict = goal.judge(row)[0].removeprefix("goal").removeprefix(": ").rpartition(": ")
            cells = [row.benchmark, f"{row.what}, {row.unit}", *found, said.strip()]
            if before:
                earlier = before.get((row.benchmark, row.what, row.unit))
                cells.append(_short(goal.found(earlier)) if earlier and goal.way in earlier.samples else "")
            lines.append(f"| {' | '.join([*cells, verdict])} |")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _short(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
