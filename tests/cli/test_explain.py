"""`gateway explain` and `gateway hooks`: what the journal knows of a conversation, and where webhooks come in."""

import json

import attrs
import pytest
from gateway_contracts import CallEvent, Direction, EventSource, EventType, Outcome

from gateway import Gateway

NUMBER = "0899098899"
TOKEN = "token-of-the-account-hanoi"


@pytest.fixture
def own(account_toml, tmp_path):
    """A configuration with a hook address."""
    toml = account_toml.replace("[accounts.hanoi]\n", f'[accounts.hanoi]\nhook_token = "{TOKEN}"\n')
    file = tmp_path / "own.toml"
    file.write_text(toml + '\n[proxy]\npublic_url = "https://gateway.example.vn"\n')
    return file


@pytest.fixture
def conversation(own, phones):
    """A conversation in the journal of the configuration; gives the ids of it and of its call."""

    async def put():
        async with Gateway.from_file(own) as gateway:
            event = CallEvent(
                account="hanoi",
                event_id="1",
                type=EventType.RINGING,
                call_id="call-1",
                received_at=phones.pbx.clock.now(),
                direction=Direction.OUTBOUND,
                from_number="101",
                to_number=NUMBER,
                extension="101",
            )
            end = {"event_id": "2", "type": EventType.ENDED, "outcome": Outcome.BUSY}
            ended = attrs.evolve(event, source=EventSource.RECONCILED, **end)
            stored = await (await gateway.journal.get()).log.append([event, ended])
            return stored[0].conversation_id, "call-1"

    return phones.start(put()).result(60)


def test_a_conversation_is_told_to_a_person(gateway, own, conversation):
    """By its own id or one of its call's: who, when, each event, and how it ended; numbers in full."""
    conversation_id, call_id = conversation
    told = gateway("explain", conversation_id, config=own)
    again = gateway("explain", call_id, "--account", "hanoi", config=own)

    assert (0, told.stdout) == (told.exit_code, again.stdout)
    assert [] == [line for line in told.stdout.splitlines() if line != line.rstrip()]
    for text in (conversation_id, f"101 to {NUMBER}", "call.ringing", "busy, found by the reconciler"):
        assert text in told.stdout
    assert told.stdout.index("call.ringing") < told.stdout.index("call.ended")


def test_a_conversation_as_json_is_that_of_the_api(gateway, own, conversation):
    """For programs."""
    found = json.loads(gateway("explain", conversation[0], "--json", config=own).stdout)

    assert (conversation[0], "ended", "reconciled") == (found["conversation_id"], found["state"], found["ended_by"])
    assert ["call.ringing", "call.ended"] == [each["type"] for each in found["events"]]


def test_an_unknown_conversation_is_an_error_that_helps(gateway, own):
    """Most ids need their account."""
    failed = gateway("explain", "call-9", config=own)

    assert 1 == failed.exit_code
    assert "--account" in failed.stderr


def test_hooks_shows_the_address_and_what_the_vendor_has(gateway, own, phones):
    """With the token: whoever asks is the operator."""
    phones.do(phones.pbx.webhooks.create, "hangup", "https://crm.example.vn/theirs", "")
    shown = gateway("hooks", config=own)
    as_json = json.loads(gateway("hooks", "--json", config=own).stdout)

    address = f"https://gateway.example.vn/hooks/hanoi/{TOKEN}"
    assert (0, True) == (shown.exit_code, address in shown.stdout)
    assert "hangup: https://crm.example.vn/theirs" in shown.stdout
    assert (address, ["hangup"]) == (as_json[0]["address"], [each["vendor_event"] for each in as_json[0]["hooks"]])
