"""What the benchmarks say of what they measure. `make bench ARGS=--small` shows that each of them works."""

import json

import attrs
import pytest

from tests.benchmarks.measuring import (
    BARE,
    LIMIT,
    OURS,
    Goal,
    Report,
    Row,
    interleave,
    machine,
    read_json,
    write_json,
    write_markdown,
)
from tests.benchmarks.sizes import USUAL


def test_a_row_tells_each_way_beside_the_bare_one_and_the_limit():
    """The ratio is that of the rounds, so that a slow round slows down nobody in particular."""
    samples = {OURS: [2.0, 30.0, 2.0], BARE: [1.0, 10.0, 1.0], LIMIT: [0.5, 5.0, 0.5]}
    row = Row(benchmark="b", what="something", unit="ms", samples=samples, goals=[Goal(most=1.5)])

    lines = row.lines()
    assert "  something [ms]" == lines[0]
    assert ["ours", "2.00", "2.00", "x", "bare", "4.00", "x", "limit"] == [
        word for word in lines[1].split() if not word.startswith("±") and not word.endswith("%")
    ]
    assert "    goal: at most 1.50 x bare: 2.00, NOT MET" == lines[-1]


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(most=2.0), True),
        (Goal(most=1.9), False),
        (Goal(least=2.0), True),
        (Goal(least=2.1), False),
        (Goal(most=4.0, of=None), True),
        (Goal(most=3.9, of=None), False),
        (Goal(most=1.0, of=BARE, way=BARE), True),
    ],
)
def test_a_goal_is_met_or_not(goal, met):
    """A goal is a ratio to another way, or a figure by itself."""
    row = Row(benchmark="b", what="something", unit="ms", samples={OURS: [4.0], BARE: [2.0]})

    assert met == goal.judge(row)[1]


async def test_every_round_measures_every_way():
    """Each round begins with another way, and the samples stay in the order of the rounds."""
    order = []

    def way(name):
        async def measured():
            order.append(name)
            return {"count": len(order)}

        return measured

    found = await interleave(attrs.evolve(USUAL, rounds=2), {OURS: way(OURS), BARE: way(BARE)})

    assert [OURS, BARE, BARE, OURS] == order
    assert {"count": {OURS: [1, 4], BARE: [2, 3]}} == found


async def test_no_round_begins_when_the_time_is_over():
    """On a busy machine there are fewer samples, and at least one."""

    async def way():
        return {"count": 1}

    found = await interleave(attrs.evolve(USUAL, rounds=9, seconds_of_rounds=-1), {OURS: way})

    assert {"count": {OURS: [1]}} == found


def test_a_report_is_written_as_json(tmp_path):
    """Programs find all samples there, and with what they were measured."""
    report = Report("b")
    report.row("something", "ms", {OURS: [3.0], BARE: [2.0]}, goals=[Goal(most=1.1)])

    write_json(tmp_path / "out.json", machine(), [report])

    found = json.loads((tmp_path / "out.json").read_text())
    assert {"cores", "python", "aiohttp"} <= found["machine"].keys()
    assert 1.5 == found["rows"][0]["ways"][OURS]["of_bare"]
    assert [False] == [goal["met"] for goal in found["rows"][0]["goals"]]


def test_the_rows_with_goals_become_a_table(tmp_path):
    """The table of the documents is written, not copied."""
    report = Report("b")
    report.row("something", "ms", {OURS: [3.0], BARE: [2.0]}, goals=[Goal(most=1.1)])
    report.row("another", "ms", {OURS: [3.0]})

    write_markdown(tmp_path / "out.md", {"cores": 2}, [report], None)

    lines = (tmp_path / "out.md").read_text().splitlines()
    assert "cores 2." == lines[0]
    assert ["| b | something, ms | 3.00 | 2.00 |  | at most 1.10 x bare | 1.50, NOT MET |"] == lines[4:]


def test_the_table_has_what_an_earlier_run_found(tmp_path):
    """Before and after stand side by side, as the goal counts them; a new row has no before."""
    earlier, report = Report("b"), Report("b")
    earlier.row("something", "ms", {OURS: [8.0], BARE: [2.0]}, goals=[Goal(most=1.1)])
    report.row("something", "ms", {OURS: [3.0], BARE: [2.0]}, goals=[Goal(most=1.1)])
    report.row("new", "ms", {OURS: [3.0]}, goals=[Goal(most=4, of=None)])
    write_json(tmp_path / "old.json", machine(), [earlier])

    write_markdown(tmp_path / "out.md", {"cores": 2}, [report], read_json(tmp_path / "old.json"))

    assert [
        "| path | what | ours | bare | limit | goal | before | |",
        "|---|---|---|---|---|---|---|---|",
        "| b | something, ms | 3.00 | 2.00 |  | at most 1.10 x bare | 4.00 | 1.50, NOT MET |",
        "| b | new, ms | 3.00 |  |  | at most 4.00 ms |  | 3.00, met |",
    ] == (tmp_path / "out.md").read_text().splitlines()[2:]
