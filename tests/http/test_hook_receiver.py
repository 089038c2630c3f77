"""Webhooks from the simulated PBX through the sidecar into the journal, over real HTTP and a real file."""

import asyncio
import contextlib
import json
import sqlite3
from datetime import UTC, datetime

import aiohttp
import pytest
from gateway_contracts import EventType
from gateway_simulators import ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

from gateway import Gateway
from gateway.http.hook_receiver import MAX_HOOK_BYTES
from gateway.journal.reading import EventSelection
from gateway.texts import MAX_CHARACTERS
from tests.gateways import serving

NUMBER = "0899888999"
TOKEN = "token-of-the-account-hanoi"
RINGING = {
    "call_id": "c1",
    "direction": "outbound",
    "from_number": "101",
    "to_number": NUMBER,
    "state": "ringing",
    "time_started": "2026-01-15 16:00:00",
}


@pytest.fixture
async def still():
    """A PBX whose clock stands still until told otherwise."""
    async with Tel4vnV1Simulator(clock=ManualClock(datetime(2026, 1, 15, 9, tzinfo=UTC))) as simulator:
        yield simulator


@pytest.fixture
def running(still, tmp_path):
    """Runs a sidecar with a journal for the account `hanoi` on the PBX; gives the gateway and its address."""

    @contextlib.asynccontextmanager
    async def run(*, journal="sqlite:///gateway.db", proxy=None, **core):
        account = {"vendor": "tel4vn-v1", "settings": {"base_url": still.url, "api_key": still.api_key}}
        config = {
            "accounts": {"hanoi": {**account, "hook_token": TOKEN, "reconcile_seconds": 0, **core}},
            "proxy": proxy or {},
        }
        if journal:
            config["journal"] = {"url": journal.replace("///", f"///{tmp_path}/")}
        async with Gateway.from_config(config) as gateway, serving(gateway) as url:
            yield gateway, url

    return run


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


async def events_of(gateway):
    journal = await gateway.journal.get()
    return (await journal.log.after(0, EventSelection(), limit=10_000))[0]


def rows(tmp_path, query):
    """What is in the journal's file, seen by somebody else."""
    with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
        return database.execute(query).fetchall()


async def test_a_call_at_the_pbx_is_in_the_journal_from_ring_to_record(still, running):
    """Every webhook of it gets a 200, and its events are of one conversation that has ended."""
    async with running() as (gateway, url):
        for event in (EventType.RINGING, EventType.ANSWERED, EventType.ENDED, EventType.RECORD_CREATED):
            await gateway["hanoi"].events.create_hook(event=event, url=f"{url}/hooks/hanoi/{TOKEN}")
        await gateway["hanoi"].click_to_call.start_call(extension="101", number=NUMBER)
        await still.advance(600)
        await still.settle()
        found = await events_of(gateway)

    assert {200} == {sent.status for sent in still.webhooks_sent}
    expected = ["call.ringing", "call.answered", "call.ended", "record.created", "recording.ready"]
    assert expected == [each.type for each in found]
    assert 1 == len({each.conversation_id for each in found})
    assert not any(each.late for each in found)


async def test_a_recording_that_comes_later_is_told_once(running, session):
    """The record's webhook comes again with the recording: that is news, and of the same conversation; once more is
    not.
    """
    record = {**RINGING, "state": "cdr", "billsec": 0, "recording_url": ""}
    ready = {**record, "billsec": 60, "recording_url": "https://pbx.example.vn/r/c1.wav"}
    async with running() as (gateway, url):
        for body in (RINGING, record, ready, ready):
            async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json=body) as response:
                assert {"status": "ok"} == await response.json()
        found = await events_of(gateway)
        async with session.get(f"{url}/v1/conversations/c1", params={"account": "hanoi"}) as response:
            conversation = await response.json()

    assert ["call.ringing", "record.created", "recording.ready"] == [each.type for each in found]
    assert [None, 0, 60] == [each.talk_seconds for each in found]
    assert 1 == len({each.conversation_id for each in found})
    assert 60 == conversation["talk_seconds"]
    assert "recording" in {each["kind"] for each in conversation["links"]}


async def test_a_webhook_of_another_tenant_is_kept_apart(still, running, session, tmp_path):
    """No event of ours comes of it, and somebody can look at it."""
    settings = {"base_url": still.url, "api_key": still.api_key, "domain": "test.tel4vn.com"}
    async with running(settings=settings) as (gateway, url):
        for domain, status in (("other.tel4vn.com", "quarantined"), ("test.tel4vn.com", "ok")):
            async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json={**RINGING, "domain": domain}) as response:
                assert (200, {"status": status}) == (response.status, await response.json())
        (event,) = await events_of(gateway)

    assert "test.tel4vn.com" == event.raw["domain"]
    assert [("invalid_request",)] == rows(tmp_path, "SELECT reason FROM quarantine")


async def test_the_vendor_is_told_the_accounts_own_address(still, running):
    """`public_url` and the token make it; without a token of one's own, one is made and stays."""
    seen = []
    for _ in range(2):
        async with running(proxy={"public_url": "https://gateway.example.vn/pbx/"}, hook_token=None) as (gateway, _url):
            seen.append((await gateway["hanoi"].events.create_hook(event=EventType.ENDED)).url)

    assert seen[0] == seen[1]
    assert seen[0].startswith("https://gateway.example.vn/pbx/hooks/hanoi/")
    assert len(seen[0].rpartition("/")[2]) >= 32
    assert {seen[0]} == {hook.url for hook in still.webhooks.hooks.values()}


async def test_an_event_is_on_disk_before_the_vendor_is_told_so(running, session, tmp_path):
    """Whoever reads the file after the 200 finds it; the same webhook again adds nothing."""
    async with running() as (_, url):
        for _ in range(3):
            async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json=RINGING) as response:
                assert (200, {"status": "ok"}) == (response.status, await response.json())
            assert [("call.ringing", "c1")] == rows(tmp_path, "SELECT type, call_id FROM events")


async def test_a_form_is_as_good_as_json(running, session):
    """Vendors do not say which of the two they send."""
    async with running() as (gateway, url):
        async with session.post(f"{url}/hooks/hanoi/{TOKEN}", data=RINGING) as response:
            assert 200 == response.status
        (event,) = await events_of(gateway)

    assert ("c1", EventType.RINGING, NUMBER) == (event.call_id, event.type, event.to_number)


async def test_an_event_that_nobody_has_a_word_for_is_kept(running, session):
    """As `unknown`, with what the vendor said."""
    async with running() as (gateway, url):
        async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json={**RINGING, "state": "dancing"}) as response:
            assert 200 == response.status
        (event,) = await events_of(gateway)

    assert (EventType.UNKNOWN, "dancing") == (event.type, event.raw["state"])


@pytest.mark.parametrize(
    "path",
    [f"/hooks/hanoi/{TOKEN}x", "/hooks/hanoi/x", f"/hooks/hano/{TOKEN}", f"/hooks/%00/{TOKEN}", "/hooks/hanoi/%ff"],
)
async def test_a_wrong_address_is_as_if_it_were_not_there(running, session, path):
    """Nobody learns which accounts there are, and nothing is written."""
    async with running() as (gateway, url):
        async with session.post(url + path, json=RINGING) as response:
            refused = response.status, (await response.json())["detail"]
        async with session.get(f"{url}/nowhere") as response:
            nowhere = response.status, (await response.json())["detail"]
        assert refused == nowhere
        assert [] == await events_of(gateway)


@pytest.mark.parametrize(
    ("headers", "query", "body"),
    [
        ({"Authorization": "key"}, "", {}),
        ({"Authorization": "Bearer key"}, "", {}),
        ({"Authorization": "ApiKey key"}, "", {}),
        ({"X-Api-Key": "key"}, "", {}),
        ({"Api-Key": " key "}, "", {}),
        ({"apikey": "key"}, "", {}),
        ({}, "?api_key=key", {}),
        ({}, "?apikey=wrong&api_key=key", {}),
        ({}, "", {"api_key": "key"}),
        ({}, "", {"apikey": "key"}),
    ],
)
async def test_the_vendors_key_is_taken_wherever_it_shows_it(running, session, headers, query, body):
    """The documents do not say where; without it, or with another one, nothing is taken."""
    async with running(hook_key="key") as (gateway, url):
        address = f"{url}/hooks/hanoi/{TOKEN}"
        for wrong in ({}, {"Authorization": "Bearer keyy"}, {"X-Other": "key"}):
            async with session.post(address, headers=wrong, json=RINGING) as response:
                assert 401 == response.status
                assert "key" not in (await response.json()).get("fields", {})
        assert [] == await events_of(gateway)
        async with session.post(address + query, headers=headers, json={**RINGING, **body}) as response:
            assert 200 == response.status
        assert 1 == len(await events_of(gateway))


@pytest.mark.parametrize(
    ("body", "code"), [(b"{}", "unauthenticated"), (b" " * (MAX_HOOK_BYTES + 1), "payload_too_large")]
)
async def test_an_operator_is_told_that_a_vendors_webhooks_are_refused(running, session, caplog, body, code):
    """At the right address with a wrong key, or too large: events are lost until somebody looks into it."""
    async with running(hook_key="key") as (_, url), session.post(f"{url}/hooks/hanoi/{TOKEN}", data=body):
        pass

    assert f"event=hook.refused account=hanoi code={code}" in caplog.text
    assert TOKEN not in caplog.text


async def test_only_the_configured_places_are_looked_at(running, session):
    """An operator who knows where the key comes can say so."""
    async with running(hook_key="key", hook_key_in=["x-key"]) as (_, url):
        statuses = []
        for name in ("Authorization", "X-Key"):
            async with session.post(f"{url}/hooks/hanoi/{TOKEN}", headers={name: "key"}, json=RINGING) as response:
                statuses.append(response.status)

    assert [401, 200] == statuses


@pytest.mark.parametrize(
    ("path", "core", "status"),
    [(f"/hooks/hanoi/{TOKEN}x", {}, 404), (f"/hooks/hanoi/{TOKEN}", {"hook_key": "k", "hook_key_in": ["x-key"]}, 401)],
)
async def test_the_body_is_not_waited_for_when_the_address_or_the_key_is_wrong(running, path, core, status):
    """The response comes before any of it."""
    async with running(**core) as (_, url):
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()

    assert status == int(line.split()[1])


@pytest.mark.parametrize("name", ["call_id", "sip_call_id", "from_number", "extension"])
async def test_what_is_longer_than_any_id_is_not_taken_for_one(running, session, tmp_path, name):
    """It is quarantined; what is as long as an id may be is an event."""
    async with running() as (gateway, url):
        for length, status in ((MAX_CHARACTERS + 1, "quarantined"), (MAX_CHARACTERS, "ok")):
            body = {**RINGING, name: "9" * length}
            async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json=body) as response:
                assert {"status": status} == await response.json()
        assert 1 == len(await events_of(gateway))

    assert [("invalid_request",)] == rows(tmp_path, "SELECT reason FROM quarantine")


@pytest.mark.parametrize(
    "odd",
    [
        *({"time_ended": f"{time}"} for time in ("9999-12-31 23:59:59", "9999-12-31 06:59:59", "2200-01-01 00:00:00")),
        *({"time_ended": f"{time}"} for time in ("0001-01-01 00:00:00", "0000-00-00 00:00:00", "1970-01-01 00:00:01")),
        {"time_ended": "2098-12-31 23:59:59"},
        {"time_ended": "1971-01-01 00:00:00"},
        {"duration": 2**31 + 5, "billsec": 2**40},
        {"duration": 11.7, "billsec": "3.5"},
    ],
)
async def test_a_webhook_with_an_odd_time_or_length_costs_no_later_one(running, session, odd):
    """It is an event without it, and so are those of the next call of that number."""
    call = {"direction": "inbound", "from_number": "0977000999", "to_number": "101", "hotline": "028"}
    bodies = [
        {"call_id": "odd", "state": "hangup", "duration": 1, "billsec": 1, **odd},
        *({"call_id": f"c{number}", "state": state} for number, state in enumerate(("ringing", "hangup", "cdr"))),
    ]
    told = []
    async with running() as (gateway, url):
        for body in bodies:
            async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json={**call, **body}) as response:
                told.append((response.status, await response.json()))
        first, *others = await events_of(gateway)

    assert [(200, {"status": "ok"})] * 4 == told
    assert first.occurred_at is None
    assert 3 == len(others)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"state": 5}', b"\xff\xfe", b'{"call_id": "c"}', b"<xml/>"])
async def test_what_cannot_be_read_is_kept_and_does_not_cost_the_hook(running, session, tmp_path, body):
    """A vendor that is told of an error may give the hook up; the body is there for whoever looks into it."""
    async with running() as (gateway, url):
        async with session.post(f"{url}/hooks/hanoi/{TOKEN}", data=body) as response:
            assert (200, {"status": "quarantined"}) == (response.status, await response.json())
        assert [] == await events_of(gateway)

    assert [("hanoi", "invalid_request", body)] == rows(tmp_path, "SELECT account, reason, body FROM quarantine")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_webhook_has_a_largest_size(running, session, chunked):
    """Whether it says its length or not."""

    async def body():
        for _ in range(MAX_HOOK_BYTES // 1024 + 1):
            yield b" " * 1024

    data = body() if chunked else b" " * (MAX_HOOK_BYTES + 1)
    async with running() as (_, url), session.post(f"{url}/hooks/hanoi/{TOKEN}", data=data) as response:
        assert (413, "payload_too_large") == (response.status, json.loads(await response.read())["code"])


async def test_what_cannot_be_written_is_not_acknowledged(running, session, tmp_path, monkeypatch):
    """The vendor is told to come again, readiness says why, and both recover by themselves."""
    async with running() as (gateway, url):
        with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db", timeout=0.1)) as other:
            store = (await gateway.journal.get()).store
            await store.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=1").close())
            other.execute("BEGIN IMMEDIATE")
            async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json=RINGING) as response:
                problem = await response.json()
                assert (503, True) == (response.status, problem["retryable"])
                assert "journal" in problem["detail"]
            async with session.get(f"{url}/readyz") as response:
                assert 503 == response.status
            other.rollback()
        async with session.get(f"{url}/readyz") as response:
            assert 200 == response.status
        async with session.post(f"{url}/hooks/hanoi/{TOKEN}", json=RINGING) as response:
            assert 200 == response.status
        assert 1 == len(await events_of(gateway))


async def test_without_a_journal_there_are_no_hooks(running, session):
    """Said by name, with the setting that is missing."""
    async with running(journal=None) as (_, url), session.post(f"{url}/hooks/hanoi/{TOKEN}", json=RINGING) as response:
        problem = await response.json()

    assert (501, "unsupported") == (response.status, problem["code"])
    assert "journal.url" in problem["detail"]


async def test_a_vendor_that_sends_no_webhooks_has_no_address(session, tmp_path):
    """AntBuddy is listened to; its address is as if it were not there."""
    async with AntbuddySimulator(clock=ManualClock(datetime(2026, 1, 15, tzinfo=UTC))) as pbx:
        settings = {"base_url": pbx.url, "socket_url": pbx.socket_url, "app_id": pbx.app_id}
        settings |= {"app_secret": pbx.app_secret, "account_id": pbx.account_id, "devices": pbx.devices}
        config = {
            "accounts": {"hotline": {"vendor": "antbuddy", "hook_token": TOKEN, "settings": settings}},
            "journal": {"url": f"sqlite:///{tmp_path}/gateway.db"},
        }
        async with (
            Gateway.from_config(config) as gateway,
            serving(gateway) as url,
            session.post(f"{url}/hooks/hotline/{TOKEN}", json={}) as response,
        ):
            assert 404 == response.status
