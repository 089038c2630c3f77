"""What docs/events.md shows works as it shows it."""

import asyncio
import contextlib
import itertools
import re
import shlex
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import attrs
from gateway_contracts import CallEvent, EventType

from gateway import EventsLost, Gateway
from gateway.config import make_config
from gateway.journal.deliveries import message_id
from gateway.webhooks.deliverer import SCHEDULE
from gateway.webhooks.signatures import new_secret, signed

PAGE = (Path(__file__).parents[2] / "docs/events.md").read_text(encoding="utf-8")
NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_attribute_and_type_of_an_event_is_explained():
    """But `raw`, which is the vendor's own."""
    named = {
        name for row in re.findall(r"^\| (`[a-z_`, ]+`) \|", PAGE, re.MULTILINE) for name in re.findall(r"\w+", row)
    }

    assert {field.name for field in attrs.fields(CallEvent)} - {"raw"} == named
    assert all(f"`{kind}`" in PAGE for kind in EventType)


async def test_the_curl_lines_are_answered(tmp_path, sidecar):
    """Each line, sent as curl would send it, is a success."""
    lines = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    config = {
        "accounts": {"hanoi": {"vendor": "memory", "reconcile_seconds": 0}},
        "journal": {"url": f"sqlite:///{tmp_path}/gateway.db", "retention_days": 36_500},
    }
    statuses = []
    async with Gateway.from_config(config) as gateway, sidecar(gateway) as address, aiohttp.ClientSession() as session:
        await (await gateway.journal.get()).log.append([event(number) for number in range(50)])
        for line in lines:
            options = dict(itertools.pairwise(line))
            url = next(word for word in line if word.startswith("http:")).replace("http://127.0.0.1:8080", address)
            headers = {"Content-Type": "application/json"} if "-d" in options else {}
            verb = options.get("-X", "GET")
            async with session.request(verb, url, data=options.get("-d"), headers=headers) as response:
                statuses.append(response.status)

    assert [200, 200, 201, 200] == statuses


def event(number):
    return CallEvent(account="hanoi", event_id=str(number), type=EventType.ENDED, call_id=str(number), received_at=NOW)


def test_the_verifying_program_accepts_what_the_gateway_signs_and_nothing_else():
    """With either of two secrets; not another body, id, time or secret, and not an old message."""
    program: dict = {}
    exec(blocks("python")[0], program)  # noqa: S102 # the document's own code
    old, new, other = (new_secret() for _ in range(3))
    body, now = b'{"type":"call.ended"}', datetime.now(UTC)
    headers = signed([new, old], message_id("hanoi", "1"), now, body)
    late = signed([new], message_id("hanoi", "1"), now - timedelta(minutes=6), body)

    def verified(secret, shown, content=body):
        return program["verified"](secret.reveal(), shown, content)

    assert [True, True, False] == [verified(each, headers) for each in (old, new, other)]
    assert not verified(new, headers, body + b" ")
    assert not verified(new, {**headers, "webhook-id": "evt_0"})
    assert not verified(new, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)})
    assert not verified(new, late)


def test_the_schedule_is_as_it_is_told():
    """Every pause, in its order."""
    told = re.search(r"tried again: after (.*?), a little more", PAGE, re.DOTALL)[1]
    units = {"s": 1, "min": 60, "h": 3600}
    found = [timedelta(seconds=int(count) * units[unit]) for count, unit in re.findall(r"(\d+) (s|min|h)\b", told)]

    assert list(SCHEDULE[1:]) == found


def test_the_setting_is_one():
    """The hosts are read as they stand."""
    (text,) = blocks("toml")

    assert ("crm.internal", "10.0.0.7") == make_config(tomllib.loads(text)).proxy.webhook_hosts


async def test_the_python_runs(tmp_path, capsys):
    """The loop prints events; the other block follows on after what was lost."""
    loop, recovery = (block.replace("\n", "\n    ") for block in blocks("python")[1:])
    program: dict = {"EventsLost": EventsLost}
    exec(f"async def read(gateway, seq):\n    {loop}", program)  # noqa: S102 # the document's own code
    config = {
        "accounts": {"hanoi": {"vendor": "memory", "reconcile_seconds": 0}},
        "journal": {"url": f"sqlite:///{tmp_path}/gateway.db", "retention_days": 36_500},
    }
    async with Gateway.from_config(config) as gateway:
        log = (await gateway.journal.get()).log
        reading = asyncio.create_task(program["read"](gateway, 0))
        await log.append([event(1)])
        seen = ""
        while "None" not in seen:
            await asyncio.sleep(0)
            seen += capsys.readouterr().out
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

    followed = []

    async def follow(_, after):
        followed.append(after)
        if after == 5:
            error = EventsLost("gone")
            error.after = 41
            raise error

    async def look_at_the_records():
        followed.append("records")

    program |= {"follow": follow, "look_at_the_records": look_at_the_records}
    exec(f"async def recover(gateway, seq):\n    {recovery}", program)  # noqa: S102 # the document's own code
    await program["recover"](None, 5)

    assert "1 hanoi 1 None\n" == seen
    assert [5, "records", 41] == followed
