"""`gateway events`: events as lines, from the journal beside the configuration or from a sidecar."""

import asyncio
import json
import signal
from datetime import UTC, datetime

import pytest
from gateway_contracts import CallEvent, EventType

from gateway.journal.opening import open_journal
from tests.cli.test_serve import address_in


@pytest.fixture
def journalled(tmp_path):
    """A configuration with a journal that has three events."""
    (tmp_path / "gateway.toml").write_text(
        '[accounts.hanoi]\nvendor = "memory"\nreconcile_seconds = 0\n[journal]\nretention_days = 36500\n'
    )
    at = datetime(2026, 1, 15, 9, tzinfo=UTC)
    kinds = (EventType.RINGING, EventType.ANSWERED, EventType.ENDED)
    made = [
        CallEvent(account="hanoi", event_id=kind, type=kind, call_id="c1", received_at=at, raw={"x": 1})
        for kind in kinds
    ]

    async def write():
        async with open_journal(f"sqlite:///{tmp_path}/gateway.db") as journal:
            await journal.log.append(made)

    asyncio.run(write())
    return tmp_path / "gateway.toml"


@pytest.mark.parametrize("way", ["local", "remote"])
def test_events_are_printed_one_a_line_until_it_is_stopped(process, journalled, way):
    """From the given one on; what a filter leaves out is not there."""
    words = ["events", "--after", "1", "--type", "call.ended", "--type", "call.answered"]
    if way == "remote":
        sidecar = process("--config", journalled, "serve", "--listen", "127.0.0.1:0")
        words += ["--url", address_in(sidecar.stderr.readline())]
    running = process("--config", journalled, *words)
    lines = [json.loads(running.stdout.readline()) for _ in range(2)]
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate()

    assert [(2, "call.answered"), (3, "call.ended")] == [(each["seq"], each["type"]) for each in lines]
    assert "raw" not in lines[0]
    assert (130, "") == (running.returncode, output)
    assert "Traceback" not in errors


def test_an_unknown_type_is_refused(gateway, journalled):
    """With those that there are."""
    refused = gateway("events", "--type", "call.danced", config=journalled)

    assert 2 == refused.exit_code
    assert "call.ended" in refused.stderr
