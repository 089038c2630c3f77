"""`gateway export`: finished calls as a file that is whole or not there."""

import csv
import io
import json
import os
import signal
import sys
from datetime import UTC, datetime

import pytest
from gateway_contracts import OPERATIONS
from gateway_simulators import Fault

from gateway.cli.commands.export import progress_bar
from gateway.cli.whole_file import open_whole_file
from gateway.formats import columns

ALL = ("--since", "2026-01-15T09:00:00Z", "--until", "2026-01-15T10:00:00Z")


@pytest.fixture
def seeded(phones):
    """250 records from the clock's time on, one a second: three pages."""
    phones.do(phones.pbx.seed_records, 250, phones.pbx.clock.now(), 1)
    return phones


@pytest.fixture
def folder(tmp_path):
    """An empty directory for files that are exported."""
    path = tmp_path / "exports"
    path.mkdir()
    return path


@pytest.mark.parametrize("name", ["calls.ndjson", "calls.jsonl", "CALLS.NDJSON"])
def test_ndjson(gateway, config, seeded, folder, name):
    """One record a line, all pages of them, and nothing else in the directory."""
    done = gateway("export", "hanoi", *ALL, "--out", folder / name, config=config)

    rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"250 records in {folder / name}\n", "")
    assert len({row["record_id"] for row in rows}) == 250
    assert [name] == os.listdir(folder)


def test_csv(gateway, config, seeded, folder):
    """A header with every attribute, and a line for each record."""
    gateway("export", "hanoi", *ALL, "--out", folder / "calls.csv", config=config)

    with (folder / "calls.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert list(columns(OPERATIONS["list_records"])) == head
    assert len(rows) == 250


@pytest.mark.parametrize("name", ["calls.ndjson", "calls.csv"])
def test_an_odd_row_costs_no_other(gateway, config, seeded, folder, name):
    """The file is whole without it, and the user is told."""
    pbx, now = seeded.pbx, seeded.pbx.clock.now()
    seeded.do(pbx.add_record, id="odd", time_started=now, duration=-1)
    seeded.do(pbx.add_record, id="", time_started=now)

    done = gateway("export", "hanoi", *ALL, "--out", folder / name, config=config)

    told = "1 row of the vendor's could not be read: left out\n"
    assert (done.exit_code, done.stdout) == (0, f"251 records in {folder / name}\n")
    assert done.stderr.endswith(told)
    assert "duration" in (folder / name).read_text().split("odd", 1)[1]


def test_summary_as_json(gateway, config, seeded, folder):
    """Scripts get count and path as JSON."""
    done = gateway("export", "hanoi", *ALL, "--out", folder / "calls.csv", "--json", config=config)

    assert json.loads(done.stdout) == {"records": 250, "path": str(folder / "calls.csv")}


def test_through_a_sidecar(gateway, sidecar, seeded, folder):
    """`--url` exports what a sidecar has."""
    out = folder / "calls.ndjson"

    done = gateway(
        "export", "hanoi", *ALL, "--out", out, "--url", sidecar.url, "--key-env", "K", env={"K": sidecar.key}
    )

    assert done.exit_code == 0
    assert len(out.read_text().splitlines()) == 250


def test_dates_are_read_in_the_given_zone(gateway, config, phones, folder):
    """A date is its midnight in `--timezone`; the end is not included."""
    record = phones.do(phones.pbx.add_record, time_started=datetime(2026, 1, 30, 17, 0, tzinfo=UTC))["id"]
    phones.do(phones.pbx.add_record, time_started=datetime(2026, 1, 30, 16, 59, 59, tzinfo=UTC))
    phones.do(phones.pbx.add_record, time_started=datetime(2026, 1, 31, 17, 0, tzinfo=UTC))
    out = folder / "calls.ndjson"

    gateway(
        *("export", "hanoi", "--since", "2026-01-31", "--until", "2026-02-01", "--timezone", "Asia/Ho_Chi_Minh"),
        *("--out", out),
        config=config,
    )

    assert [record] == [json.loads(line)["record_id"] for line in out.read_text().splitlines()]


def test_until_now(gateway, config, phones, folder):
    """Without an end everything since the beginning is saved."""
    phones.finished()

    done = gateway("export", "hanoi", *ALL[:2], "--out", folder / "calls.csv", config=config)

    assert done.stdout.startswith("1 record in ")


def test_filters_are_those_of_the_operation(gateway, config, phones, folder):
    """What `list_records` can filter by, an export can."""
    wanted = phones.do(phones.pbx.add_record, extension="102", time_started=datetime(2026, 1, 15, 9, 1, tzinfo=UTC))
    phones.do(phones.pbx.add_record, extension="101", time_started=datetime(2026, 1, 15, 9, 1, tzinfo=UTC))
    out = folder / "calls.ndjson"

    gateway("export", "hanoi", *ALL, "--extension", "102", "--outcome", "answered", "--out", out, config=config)

    assert [wanted["id"]] == [json.loads(line)["record_id"] for line in out.read_text().splitlines()]


def test_every_filter_has_an_option(gateway):
    """The options are read off the operation; where to go on is the export's own business."""
    shown = gateway("export", "--help").stdout

    names = {parameter.name for parameter in OPERATIONS["list_records"].parameters} - {"cursor", "limit"}
    assert all(f"--{name.replace('_', '-')} " in shown for name in names)
    assert "--cursor" not in shown


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--since", "2026-01-31"), "--since: '2026-01-31' does not say its time zone: add --timezone"),
        (("--until", "2026-01-31T09:00:00"), "--until: '2026-01-31T09:00:00' does not say its time zone"),
        (("--ended-since", "2026-01-31"), "--ended-since: '2026-01-31' does not say its time zone"),
        (("--since", "yesterday"), "--since: 'yesterday' is not a time"),
        (("--timezone", "Asia/Ho_Chi_Min"), "did you mean 'Asia/Ho_Chi_Minh'?"),
        (("--timezone", "../etc/passwd"), "is not known"),
        (("--outcome", "anwsered"), "--outcome: 'anwsered' must be one of answered, busy"),
        (("--min-duration-seconds", "1.5"), "must be a whole number"),
        (("--min-duration-seconds", "-1"), "must not be negative"),
        (("--since", "2026-01-15T11:00:00Z"), "until is before since"),
        (("--out", "calls.xlsx"), "'calls.xlsx' must end in .ndjson, .jsonl, .csv"),
        (("--out", "/no/such/directory/calls.csv"), "there is no directory '/no/such/directory'"),
        (("--out", "/dev/null/calls.csv"), "there is no directory"),
        (("--cursor", "x"), "No such option"),
    ],
)
def test_bad_option_is_refused_before_anything_is_sent(gateway, config, phones, folder, words, text):
    """A wrong option says what to write instead; the vendor is not asked and no file is made."""
    refused = gateway("export", "hanoi", *ALL, "--out", folder / "calls.csv", *words, config=config)

    assert refused.exit_code == 2
    assert text in refused.stderr
    assert phones.pbx.requests == []
    assert os.listdir(folder) == []


def test_what_is_not_a_file_is_left_alone(gateway, config, folder):
    """A directory or a device is not replaced by a file."""
    (folder / "calls.csv").mkdir()

    refused = gateway("export", "hanoi", *ALL, "--out", folder / "calls.csv", config=config)

    assert refused.exit_code == 2
    assert "is not a file" in refused.stderr


def test_failure_on_the_way_keeps_the_old_file(gateway, config, seeded, folder):
    """When a later page fails, the old file is as it was and no part of a new one is left."""
    out = folder / "calls.csv"
    out.write_text("old")
    seeded.fault(Fault("/v1/cdr", kind="replace", body={"nonsense": True}, skip=1, times=None))

    failed = gateway("export", "hanoi", *ALL, "--out", out, config=config)

    assert failed.exit_code == 1
    assert "vendor_protocol_error" in failed.stderr
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"calls.csv": "old"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption_leaves_nothing(process, config, seeded, folder, number, code):
    """Ctrl-C and SIGTERM in the middle leave no file and no traceback."""
    seeded.fault(Fault("/v1/cdr", kind="hold", skip=1))
    running = process("--config", config, "export", "hanoi", *ALL, "--out", folder / "calls.csv")
    seeded.do(seeded.pbx.until, lambda: seeded.pbx.faults.held)
    half = os.listdir(folder)

    running.send_signal(number)
    _, errors = running.communicate()

    assert len(half) == 1
    assert half != ["calls.csv"]
    assert os.listdir(folder) == []
    assert running.returncode == code
    assert "Traceback" not in errors


def test_whole_file_keeps_permissions(folder):
    """A file that only its owner may read stays one."""
    path = folder / "calls.csv"
    path.touch(mode=0o600)

    with open_whole_file(path) as file:
        file.write(b"new")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == b"new"


def test_whole_file_follows_links(folder):
    """A link to a file stays a link."""
    (folder / "real.csv").write_text("old")
    (folder / "calls.csv").symlink_to("real.csv")

    with open_whole_file(folder / "calls.csv") as file:
        file.write(b"new")

    assert (folder / "calls.csv").is_symlink()
    assert (folder / "real.csv").read_text() == "new"


def test_progress_counts_towards_the_total(gateway, config, seeded, folder, monkeypatch):
    """After each page the bar hears how many are written, and how many there are."""
    seen = []

    class Bar:
        def __enter__(self):
            return lambda done, total: seen.append((done, total))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("gateway.cli.commands.export.progress_bar", lambda what: Bar())

    gateway("export", "hanoi", *ALL, "--out", folder / "calls.csv", config=config)

    assert [done for done, _ in seen] == [100, 198, 250]
    assert seen[0][1] == 250


def test_progress_bar_is_for_terminals(monkeypatch):
    """On a terminal a bar is drawn on stderr."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar("hanoi to calls.csv") as progress:
        progress(100, 250)

    assert "100/250" in sys.stderr.getvalue()
