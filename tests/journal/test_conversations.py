"""One conversation from the request to the delivery of its end, as programs and people are told of it."""

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
from click.testing import CliRunner
from gateway_contracts import EventType
from gateway_simulators import ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

from gateway import Gateway
from gateway.cli.main import main
from tests.gateways import serving
from tests.webhooks.receiving import receiving

NUMBER = "0899888999"
TOKEN = "token-of-the-account-hanoi"


async def undelivered(session, url, dial_id):
    async with session.get(f"{url}/v1/conversations/{dial_id}", params={"account": "hanoi"}) as answer:
        return [each for each in (await answer.json())["deliveries"] if each["state"] != "delivered"]


async def test_everything_about_a_conversation_is_told_in_one_place(tmp_path):
    """What was asked and answered, each event, record, recording and delivery, with the evidence, and how it ended."""
    async with (
        Tel4vnV1Simulator(clock=ManualClock(datetime.now(UTC))) as pbx,
        receiving() as receiver,
        aiohttp.ClientSession() as session,
    ):
        settings = {"base_url": pbx.url, "api_key": pbx.api_key}
        account = {"vendor": "tel4vn-v1", "hook_token": TOKEN, "reconcile_seconds": 0, "settings": settings}
        config = {
            "accounts": {"hanoi": account},
            "journal": {"url": f"sqlite:///{tmp_path}/gateway.db"},
            "proxy": {"webhook_hosts": ["127.0.0.1"]},
        }
        async with Gateway.from_config(config) as gateway, serving(gateway) as url:
            for event in (EventType.RINGING, EventType.ANSWERED, EventType.ENDED, EventType.RECORD_CREATED):
                await gateway["hanoi"].events.create_hook(event=event, url=f"{url}/hooks/hanoi/{TOKEN}")
            async with session.post(f"{url}/v1/subscriptions", json={"url": receiver.url}) as answer:
                assert 201 == answer.status
            started = await gateway["hanoi"].click_to_call.start_call(extension="101", number=NUMBER)
            await pbx.advance(600)
            await pbx.settle()
            await receiver.has(5)
            async with asyncio.timeout(20):
                while await undelivered(session, url, started.dial_id):  # noqa: ASYNC110 # each turn asks the sidecar
                    await asyncio.sleep(0)
            found = {}
            for wanted, query in ((started.dial_id, {}), (started.call_id, {"account": "hanoi"})):
                async with session.get(f"{url}/v1/conversations/{wanted}", params=query) as answer:
                    found[wanted] = await answer.json()
    told = found[started.dial_id]

    assert told == found[started.call_id]
    assert ("ended", "vendor", "answered") == (told["state"], told["ended_by"], told["outcome"])
    assert {"dial_id": "answer", "call_id": "answer"}.items() <= {
        x["kind"]: x["evidence"] for x in told["links"]
    }.items()
    (dial,) = told["dials"]
    assert (started.dial_id, "placed", "101", NUMBER) == (
        dial["dial_id"],
        dial["state"],
        dial["extension"],
        dial["number"],
    )
    assert started.call_id == dial["answer"]["call_id"]
    kinds = ["call.ringing", "call.answered", "call.ended", "record.created", "recording.ready"]
    assert kinds == [each["type"] for each in told["events"]]
    assert [1, 2, 3, 4, 5] == [each["seq"] for each in told["deliveries"]]

    settings = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    (tmp_path / "gateway.toml").write_text(
        f'[accounts.hanoi]\nvendor = "tel4vn-v1"\n[accounts.hanoi.settings]\n{settings}'
    )
    words = ["--config", str(tmp_path / "gateway.toml"), "explain", started.dial_id]
    printed = await asyncio.to_thread(CliRunner().invoke, main, words)
    as_json = await asyncio.to_thread(CliRunner().invoke, main, [*words, "--json"])

    assert (0, 0) == (printed.exit_code, as_json.exit_code), printed.output
    for word in (started.dial_id, started.call_id, "placed", *kinds, "delivered", "answered"):
        assert word in printed.stdout, printed.stdout
    assert told["conversation_id"] == json.loads(as_json.stdout)["conversation_id"]
