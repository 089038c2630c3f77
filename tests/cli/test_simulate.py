"""`gateway simulate`: a fake PBX to develop against."""

import json
import signal
import socket
import urllib.request

import pytest


@pytest.mark.parametrize(
    ("vendor", "last", "number"),
    [
        ("tel4vn-v1", "tenant_secret", signal.SIGTERM),
        ("tel4vn-v1", "tenant_secret", signal.SIGINT),
        ("antbuddy", "devices", signal.SIGTERM),
    ],
)
def test_what_it_prints_is_a_configuration(process, gateway, tmp_path, vendor, last, number):
    """What is printed can be saved as gateway.toml and used at once; a signal ends it with 0."""
    running = process("simulate", vendor, "--records", "3", "--speed", "100")
    lines = []
    while not lines or (lines[-1] and not lines[-1].startswith(last)):
        lines.append(running.stdout.readline())
    config = tmp_path / "gateway.toml"
    config.write_text("".join(lines))

    checked = gateway("check", config=config)
    records = gateway("call", "hanoi", "list_records", config=config)
    started = gateway("call", "hanoi", "start_call", "extension=101", "number=0899888999", config=config)
    running.send_signal(number)
    running.communicate()

    assert checked.exit_code == 0
    assert len(json.loads(records.stdout)["items"]) == 3
    assert json.loads(started.stdout)["extension"] == "101"
    assert any("/_simulator/state" in line for line in lines)
    assert running.returncode == 0


def test_unknown_vendor_names_the_nearest(gateway):
    """A misspelt vendor is a usage error that helps."""
    refused = gateway("simulate", "tel4vn-1")

    assert refused.exit_code == 2
    assert "did you mean 'tel4vn-v1'?" in refused.stderr


def test_port_in_use(gateway):
    """A port that somebody has is said, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        failed = gateway("simulate", "tel4vn-v1", "--port", taken.getsockname()[1])

    assert failed.exit_code == 3
    assert "give another --port" in failed.stderr


@pytest.mark.parametrize("words", [("--speed", "0"), ("--records", "-1"), ("--port", "65536")])
def test_numbers_that_make_no_sense(gateway, words):
    """A number out of range is a usage error."""
    assert gateway("simulate", "tel4vn-v1", *words).exit_code == 2


def test_a_clock_that_is_moved_by_hand(process):
    """With `--manual-clock` a call rings until somebody outside moves the time."""
    running = process("simulate", "tel4vn-v1", "--manual-clock")
    url = next(line for line in running.stdout if "answers at" in line).split()[6]
    control = f"{url}/_simulator"

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{control}/{path}", data=data)) as answer:  # noqa: S310 # loopback
            return json.load(answer)

    ask("incoming", {"number": "0899888999"})
    before = len(ask("state")["calls"])
    ask("advance", {"seconds": 3600})
    after = len(ask("state")["calls"])
    running.send_signal(signal.SIGTERM)
    running.communicate()

    assert (1, 0) == (before, after)
