"""What goes on in a sidecar beside answering requests: on real sockets, with a simulated PBX and a real file."""

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from gateway_contracts import EventType, Secret
from gateway_simulators import LiveClock
from gateway_simulators.tel4vn.webhooks import Hook, Webhooks
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from sqlalchemy import insert, select

from gateway import Gateway
from gateway.guardian import Guardian
from gateway.journal.positions import write_position
from gateway.journal.schema import events, leases, quarantine, to_micros
from gateway.keys import hash_of
from gateway.reconciling import Progress
from tests.vendors.conftest import serving

NUMBER = "0899888999"
TOKEN = "token-of-the-account-hanoi"
PUBLIC = "https://gateway.example.vn"
OWN = f"{PUBLIC}/hooks/hanoi/{TOKEN}"
OLD = f"{PUBLIC}/hooks/hanoi/an-older-token-of-hanoi"
FOREIGN = "https://crm.example.vn/hooks/hanoi/x"
NAMES = {"ringing", "answered", "hangup", "cdr"}


@pytest.fixture
async def pbx():
    async with Tel4vnV1Simulator(clock=LiveClock()) as simulator:
        simulator.behaviour.ring_seconds = simulator.behaviour.number_ring_seconds = 10**6
        yield simulator


@pytest.fixture
def running(pbx, tmp_path):
    """Runs a sidecar for the account `hanoi` on the PBX; gives the gateway and its address."""

    @contextlib.asynccontextmanager
    async def run(*, proxy=None, journal=None, **core):
        settings = {"base_url": pbx.url, "api_key": pbx.api_key}
        account = {"vendor": "tel4vn-v1", "settings": settings, "hook_token": TOKEN, **core}
        config = {
            "accounts": {"hanoi": account},
            "routes": {"sales": {"accounts": ["hanoi"]}},
            "proxy": proxy or {},
            "journal": {"url": f"sqlite:///{tmp_path}/gateway.db", **(journal or {})},
        }
        async with Gateway.from_config(config) as gateway, serving(gateway) as url:
            yield gateway, url

    return run


def hooks(pbx):
    return sorted((hook.event, hook.url) for hook in pbx.webhooks.hooks.values())


def asked(pbx, path):
    return [request for request in pbx.requests if request.path.startswith(path)]


async def get(url, path, status=200, **headers):
    async with aiohttp.ClientSession() as session, session.get(url + path, headers=headers) as answer:
        assert status == answer.status, await answer.text()
        return await answer.json()


# The guardian


@pytest.fixture
async def guardian(pbx):
    """Of an account with a key for its hooks."""
    config = {"vendor": "tel4vn-v1", "settings": {"base_url": pbx.url, "api_key": pbx.api_key}}
    async with Gateway.from_config({"accounts": {"hanoi": config}}) as gateway:
        yield Guardian(gateway["hanoi"], OWN, f"{PUBLIC}/hooks/hanoi/", Secret("the key"))


async def test_missing_hooks_are_made_and_foreign_ones_stay(pbx, guardian):
    """With the account's key; the second time there is nothing to do."""
    for event in ("hangup", "missed"):
        pbx.webhooks.create(event, FOREIGN, "theirs")

    changed = [await guardian.mend(), await guardian.mend()]

    assert [True, False] == changed
    assert sorted([("hangup", FOREIGN), ("missed", FOREIGN), *((name, OWN) for name in NAMES)]) == hooks(pbx)
    assert {OWN: "the key", FOREIGN: "theirs"} == {each.url: each.api_key for each in pbx.webhooks.hooks.values()}


async def test_a_hook_that_somebody_deleted_comes_back(pbx, guardian):
    """Nothing else is touched."""
    await guardian.mend()
    before = set(pbx.webhooks.hooks)
    gone = next(each for each in pbx.webhooks.hooks.values() if each.event == "cdr")
    del pbx.webhooks.hooks[gone.hook_id]

    assert await guardian.mend()

    assert sorted((name, OWN) for name in NAMES) == hooks(pbx)
    assert 3 == len(before & set(pbx.webhooks.hooks))


async def test_our_hooks_with_an_old_token_are_replaced(pbx, guardian):
    """Also those of events that we do not ask for: nobody would take what they send."""
    for event in ("ringing", "missed"):
        pbx.webhooks.create(event, OLD, "")
    similar = "https://gateway.example.vn/hooks/hanoi-2/an-older-token-of-hanoi"
    pbx.webhooks.create("ringing", similar, "")

    await guardian.mend()

    assert sorted([("ringing", similar), *((name, OWN) for name in NAMES)]) == hooks(pbx)


async def test_a_new_key_reaches_the_hooks_that_there_are(pbx, guardian):
    """Nobody can see which key a hook has, so they are made anew after a start; doubles are removed."""
    for name in NAMES:
        pbx.webhooks.create(name, OWN, "an old key")

    await guardian.mend(renew=True)

    assert sorted((name, OWN) for name in NAMES) == hooks(pbx)
    assert {"the key"} == {each.api_key for each in pbx.webhooks.hooks.values()}


async def test_doubles_of_a_vendor_that_keeps_them_go_and_the_new_one_stays(pbx, guardian, monkeypatch):
    """It is the one with the right key."""
    serial = itertools.count()

    def always_new(webhooks, event, url, api_key):
        hook = Hook(f"h{next(serial)}", event, url, api_key)
        webhooks.hooks[hook.hook_id] = hook
        return hook

    monkeypatch.setattr(Webhooks, "create", always_new)
    for name in NAMES:
        pbx.webhooks.create(name, OWN, "an old key")

    await guardian.mend(renew=True)

    assert sorted((name, OWN) for name in NAMES) == hooks(pbx)
    assert {"the key"} == {each.api_key for each in pbx.webhooks.hooks.values()}


# In the sidecar


async def test_a_sidecar_sees_to_hooks_and_finds_what_it_missed(pbx, running):
    """All of it at its start; `GET /v1/accounts` says how far it is."""
    ended = datetime.now(UTC) - timedelta(minutes=10)
    pbx.add_record(time_started=ended - timedelta(minutes=1), time_ended=ended)
    async with running(proxy={"public_url": PUBLIC}) as (gateway, url):
        await pbx.until(lambda: len(hooks(pbx)) == 4)
        log = (await gateway.journal.get()).log
        heard = asyncio.Event()
        with log.listening(lambda _: heard.set()):
            if not log.head:
                await heard.wait()
        found = (await get(url, "/v1/accounts"))["items"]
        while (found := (await get(url, "/v1/accounts"))["items"])[0]["events"]["watermark"] is None:
            continue

    assert sorted((name, OWN) for name in NAMES) == hooks(pbx)
    assert ("ok", "off") == (found[0]["events"]["state"], found[1]["events"]["state"])
    assert ended < datetime.fromisoformat(found[0]["events"]["watermark"]) < datetime.now(UTC)


async def test_without_a_public_url_the_hooks_are_left_alone(pbx, running):
    """The vendor could not reach us."""
    async with running():
        await pbx.until(lambda: asked(pbx, "/v1/cdr"))

    assert [] == hooks(pbx)
    assert [] == asked(pbx, "/v1/event")


async def test_an_account_that_is_not_reconciled_is_not_asked(pbx, running):
    """`reconcile_seconds = 0` switches it off; the hooks are kept all the same."""
    async with running(reconcile_seconds=0, proxy={"public_url": PUBLIC}) as (_, url):
        await pbx.until(lambda: len(hooks(pbx)) == 4)
        (found, _) = (await get(url, "/v1/accounts"))["items"]

    assert {"state": "ok", "last_event_at": None, "watermark": None} == found["events"]
    assert [] == asked(pbx, "/v1/cdr") == asked(pbx, "/v1/call")


async def test_of_two_sidecars_one_watches_the_account(pbx, running):
    """Whoever has the lease; the other one waits for it."""
    async with running() as (gateway, _):
        await pbx.until(lambda: asked(pbx, "/v1/cdr"))
        store = (await gateway.journal.get()).store
        holder = select(leases.c.holder).where(leases.c.name == "account:hanoi")
        first = await store.read(lambda c: c.execute(holder).scalar_one())
        before = len(asked(pbx, "/v1/call"))
        async with running() as (_, url):
            await get(url, "/v1/accounts")
            assert first == await store.read(lambda c: c.execute(holder).scalar_one())

    assert before == len(asked(pbx, "/v1/call"))


async def test_the_state_of_events_is_told(pbx, running):
    """The last event; silence; and a gap, until the watermark is past it."""
    async with running(reconcile_seconds=10**6) as (gateway, url):
        await pbx.until(lambda: asked(pbx, "/v1/cdr"))
        journal = await gateway.journal.get()
        body = {"call_id": "c1", "direction": "outbound", "from_number": "101", "to_number": NUMBER, "state": "ringing"}
        async with aiohttp.ClientSession() as session:
            await session.post(f"{url}/hooks/hanoi/{TOKEN}", json=body)
        seen = (await get(url, "/v1/accounts"))["items"][0]["events"]
        assert ("ok", True) == (seen["state"], seen["last_event_at"] is not None)

        now = datetime.now(UTC)
        await write_position(journal.store, "watermark:hanoi", Progress(begun=now, watermark=now, silent_since=now))
        assert "silent" == (await get(url, "/v1/accounts"))["items"][0]["events"]["state"]


async def test_old_rows_are_removed(pbx, running, tmp_path):
    """At the start, and every hour."""
    old = to_micros(datetime.now(UTC) - timedelta(days=9))
    row = {"account": "hanoi", "received_at": old, "reason": "x", "body": b""}
    async with running(journal={"retention_days": 10}) as (gateway, _):
        store = (await gateway.journal.get()).store
        await store.write(lambda c: c.execute(insert(quarantine), [row]))
    async with running(journal={"retention_days": 8}) as (gateway, _):
        store = (await gateway.journal.get()).store
        while await store.read(lambda c: c.execute(select(quarantine.c.id)).first()):  # noqa: ASYNC110 # nobody tells
            await asyncio.sleep(0)


# Conversations


@pytest.fixture
async def talked(pbx, running):
    """A sidecar that knows of one call; gives its address, and the ids of the conversation and the call."""
    keys = [
        {"name": "crm", "sha256": hash_of("crm"), "scopes": ["events"], "accounts": ["hanoi"]},
        {"name": "other", "sha256": hash_of("other"), "scopes": ["events"], "accounts": []},
        {"name": "dialer", "sha256": hash_of("dialer"), "scopes": ["calls"]},
    ]
    async with running(reconcile_seconds=0, proxy={"keys": keys}) as (gateway, url):
        for event in (EventType.RINGING, EventType.ENDED, EventType.RECORD_CREATED):
            await gateway["hanoi"].events.create_hook(event=event, url=f"{url}/hooks/hanoi/{TOKEN}")
        call = await gateway["hanoi"].click_to_call.start_call(extension="101", number=NUMBER)
        await pbx.hang_up(call.call_id, "USER_BUSY")
        store = (await gateway.journal.get()).store
        conversation_id = await store.read(lambda c: c.execute(select(events.c.conversation_id)).scalars().first())
        yield url, conversation_id, call.call_id


async def test_a_conversation_is_shown_whole(talked):
    """By its own id, and by that of any of its parts."""
    url, conversation_id, call_id = talked
    key = {"Authorization": "Bearer crm"}

    found = await get(url, f"/v1/conversations/{conversation_id}", **key)
    again = await get(url, f"/v1/conversations/{call_id}?account=hanoi", **key)
    raw = await get(url, f"/v1/conversations/{conversation_id}?raw=1", **key)

    assert found == again
    assert ("ended", "vendor", NUMBER) == (found["state"], found["ended_by"], found["to_number"])
    assert ["call.ringing", "call.ended", "record.created"] == [each["type"] for each in found["events"]]
    links = {(each["kind"], each["value"]) for each in found["links"]}
    assert {("call_id", call_id), ("record_id", call_id)} <= links
    assert all(each["evidence"] for each in found["links"])
    assert "raw" not in found["events"][0]
    assert "ringing" == raw["events"][0]["raw"]["state"]


async def test_a_conversation_is_for_those_who_may_see_its_account(talked):
    """Others learn not even that there is one."""
    url, conversation_id, call_id = talked
    path = f"/v1/conversations/{conversation_id}"
    await get(url, path, 401)
    await get(url, path, 403, Authorization="Bearer dialer")
    hidden = await get(url, path, 404, Authorization="Bearer other")
    nothing = await get(url, "/v1/conversations/cv_0", 404, Authorization="Bearer other")
    assert hidden["detail"] == nothing["detail"]
    await get(url, f"/v1/conversations/{call_id}?account=hanoi", 403, Authorization="Bearer other")
    await get(url, f"/v1/conversations/{call_id}", 404, Authorization="Bearer crm")
    await get(url, f"{path}?acount=hanoi", 400, Authorization="Bearer crm")
