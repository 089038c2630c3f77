"""`gateway demo`: the main job, shown without any vendor."""

import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import urllib.request
import wave

import pytest

from gateway.cli.commands import demo

SUCCESS = (200, 201, 204)


def test_walk_goes_through_the_main_job(process, tmp_path):
    """`--once` walks from the first ring to a recording that can be played, and ends with 0."""
    running = process("demo", "--once", env={**os.environ, "TMPDIR": str(tmp_path), "PATH": ""})

    output, errors = running.communicate()

    assert (running.returncode, errors) == (0, "")
    for step in ("Start a call", "live calls", "Listen", "Transfer", "Watch it end", "Read its record", "Save its"):
        assert step in output
    everywhere = output.partition("\n8. ")[2]
    rows = [line.split() for line in everywhere.splitlines() if " answered " in line]
    assert [row[:4] for row in rows] == [[account, "answered", "101", demo.NUMBER] for account in demo.VENDORS]
    assert all(int(row[4]) > 0 for row in rows)
    answers = [line.strip() for line in everywhere.splitlines() if "•" not in line]  # events come in between
    first = answers.index("hanoi: 200 OK")
    assert answers[first + 1] == "saigon: 200 OK"
    assert answers[first + 2].startswith("hotline: 501 unsupported, list_calls: ")
    assert "call_control" in everywhere
    told = [line.split()[1:3] for line in output.splitlines() if "•" in line][1:]  # the first explains the others
    kinds = [kind for account, kind in told if account == "hanoi"]
    assert kinds[:4] == ["call.ringing", "call.answered", "call.ended", "record.created"]
    assert output.index("call.ringing") < output.index("\n5. ")
    assert {account for account, kind in told if kind == "call.ended"} == set(demo.VENDORS)
    (saved,) = tmp_path.iterdir()
    assert f"audio are in {saved}" in output.replace("\n", " ")
    with wave.open(str(saved)) as audio:
        assert audio.getnframes() > 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_printed_lines_work_as_printed(process, tmp_path):
    """Every curl line succeeds, in the order in which it stands, but the one that is said to be answered 501, and the
    PBX does what they and the walk ask for; then Ctrl-C ends the demo with 0.
    """
    running = process("demo", "--speed", "50", env={**os.environ, "TMPDIR": str(tmp_path)})
    pbx = running.stdout.readline().split()[-1]
    printed = list(iter(running.stdout.readline, "Ready. Ctrl-C ends it.\n"))
    lines = {line: before for before, line in itertools.pairwise(printed) if line.startswith("curl")}

    statuses = {}
    for line in lines:
        answer = subprocess.run(
            [*shlex.split(line), "-w", "\n%{http_code}"], capture_output=True, text=True, check=True
        ).stdout
        statuses[line] = int(answer.splitlines()[-1])
    with urllib.request.urlopen(f"{pbx}/_simulator/state") as answer:  # noqa: S310 # an address of this machine
        rung = [(each["operation"], each["extension"]) for each in json.load(answer)["rung"]]
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()

    refused = {line: status for line, status in statuses.items() if status not in SUCCESS}
    assert len(lines) == 12 + 2 * 4 + 1
    assert rung == [("listen", "103"), ("transfer", "102"), ("listen", "103"), ("transfer", "105")]
    assert {lines[line]: status for line, status in refused.items()} == {
        "# what hotline cannot do is answered 501\n": 501
    }
    assert (running.returncode, errors) == (0, "")


def test_step_that_fails_says_why(gateway, monkeypatch):
    """A step that does not come to its end ends the demo with 1 and the reason."""
    monkeypatch.setattr(demo, "PATIENCE_SECONDS", 0.0)

    failed = gateway("demo", "--once", "--speed", "0.01")

    assert failed.exit_code == 1
    assert "in vain" in failed.stderr


def test_refusal_is_shown(gateway, monkeypatch):
    """What the sidecar refuses is shown with its problem."""
    monkeypatch.setattr(demo, "NUMBER", " ")

    failed = gateway("demo", "--once")

    assert failed.exit_code == 1
    assert "was answered 400" in failed.stderr
    assert "invalid_request" in failed.stderr


@pytest.mark.parametrize(
    ("installed", "command"), [({"afplay"}, "afplay 'a b.wav'"), (set(), "open it with any audio player")]
)
def test_how_to_play(monkeypatch, installed, command):
    """A command is named that this machine has."""
    monkeypatch.setattr(shutil, "which", lambda name: name if name in installed else None)

    assert demo.how_to_play("a b.wav") == command
