"""What goes on in a sidecar beside answering requests: on real sockets, with a simulated PBX and a real file."""

import asyncio
import contextlib
import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from gateway_contracts import EventType, Secret
from gateway_simulators import LiveClock
from gateway_simulators.tel4vn.webhooks import Hook, Webhooks
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select

from gateway import Gateway
from gateway.events.hook_sync import HookSync
from gateway.events.reconciler import Progress
from gateway.journal.positions import write_position
from gateway.journal.schema import events, leases, quarantine, to_micros
from gateway.keys import hash_of
from tests.gateways import serving
from tests.webhooks.receiving import receiving

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


# Hooks are kept in step


@pytest.fixture
async def hook_sync(pbx):
    """Of an account with a key for its hooks."""
    config = {"vendor": "tel4vn-v1", "settings": {"base_url": pbx.url, "api_key": pbx.api_key}}
    async with Gateway.from_config({"accounts": {"hanoi": config}}) as gateway:
        yield HookSync(gateway["hanoi"], OWN, f"{PUBLIC}/hooks/hanoi/", Secret("the key"))


async def test_missing_hooks_are_made_and_foreign_ones_stay(pbx, hook_sync):
    """With the account's key; the second time there is nothing to do."""
    for event in ("hangup", "missed"):
        pbx.webhooks.create(event, FOREIGN, "theirs")

    changed = [await hook_sync.mend(), await hook_sync.mend()]

    assert [True, False] == changed
    assert sorted([("hangup", FOREIGN), ("missed", FOREIGN), *((name, OWN) for name in NAMES)]) == hooks(pbx)
    assert {OWN: "the key", FOREIGN: "theirs"} == {each.url: each.api_key for each in pbx.webhooks.hooks.values()}


async def test_a_hook_that_somebody_deleted_comes_back(pbx, hook_sync):
    """Nothing else is touched."""
    await hook_sync.mend()
    before = set(pbx.webhooks.hooks)
    gone = next(each for each in pbx.webhooks.hooks.values() if each.event == "cdr")
    del pbx.webhooks.hooks[gone.hook_id]

    assert await hook_sync.mend()

    assert sorted((name, OWN) for name in NAMES) == hooks(pbx)
    assert 3 == len(before & set(pbx.webhooks.hooks))


async def test_our_hooks_with_an_old_token_are_replaced(pbx, hook_sync):
    """Also those of events that we do not ask for: nobody would take what they send."""
    for event in ("ringing", "missed"):
        pbx.webhooks.create(event, OLD, "")
    similar = "https://gateway.example.vn/hooks/hanoi-2/an-older-token-of-hanoi"
    pbx.webhooks.create("ringing", similar, "")

    await hook_sync.mend()

    assert sorted([("ringing", similar), *((name, OWN) for name in NAMES)]) == hooks(pbx)


async def test_a_new_key_reaches_the_hooks_that_there_are(pbx, hook_sync):
    """Nobody can see which key a hook has, so they are made anew after a start; doubles are removed."""
    for name in NAMES:
        pbx.webhooks.create(name, OWN, "an old key")

    await hook_sync.mend(renew=True)

    assert sorted((name, OWN) for name in NAMES) == hooks(pbx)
    assert {"the key"} == {each.api_key for each in pbx.webhooks.hooks.values()}


async def test_doubles_of_a_vendor_that_keeps_them_go_and_the_new_one_stays(pbx, hook_sync, monkeypatch):
    """It is the one with the right key."""
    serial = itertools.count()

    def always_new(webhooks, event, url, api_key):
        hook = Hook(f"h{next(serial)}", event, url, api_key)
        webhooks.hooks[hook.hook_id] = hook
        return hook

    monkeypatch.setattr(Webhooks, "create", always_new)
    for name in NAMES:
        pbx.webhooks.create(name, OWN, "an old key")

    await hook_sync.mend(renew=True)

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


# Metrics


async def metrics(url, **headers):
    """What `/metrics` shows, as a reader of Prometheus's own understands it: by name and the values of the labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics", headers=headers) as answer:
        families = text_string_to_metric_families(await answer.text())
        found = {
            (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
            for family in families
            for sample in family.samples
        }
        return answer.status, found


async def test_what_goes_on_is_counted(pbx, running):
    """Requests, dials, events, quarantine, deliveries, readers, and how each account stands."""
    body = {"call_id": "c1", "direction": "outbound", "from_number": "101", "to_number": NUMBER, "state": "ringing"}
    path = f"/hooks/hanoi/{TOKEN}"
    async with (
        receiving() as receiver,
        running(proxy={"webhook_hosts": ["127.0.0.1"]}) as (_, url),
        aiohttp.ClientSession(url) as session,
    ):
        await session.post("/v1/subscriptions", json={"url": receiver.url})
        for _ in range(2):
            headers = {"Idempotency-Key": "k1"}
            await session.post("/v1/accounts/hanoi/calls", json={"extension": "101", "number": NUMBER}, headers=headers)
        for data in (body, body, {"state": 5}):
            await session.post(path, json=data)
        await receiver.has(1)
        async with session.get("/v1/events", headers={"Accept": "text/event-stream"}):
            status, found = await metrics(url)
            while ("gateway_delivery_attempts_total", "delivered") not in found or not any(
                name == "gateway_watermark_age_seconds" for name, *_ in found
            ):
                status, found = await metrics(url)

    expected = {
        ("gateway_requests_total", "ok", "hook"): 3,
        ("gateway_requests_total", "ok", "start_call"): 2,
        ("gateway_dials_total", "hanoi", "placed"): 1,
        ("gateway_dials_total", "hanoi", "replayed"): 1,
        ("gateway_events_total", "hanoi", "vendor", "call.ringing"): 1,
        ("gateway_quarantined_total", "hanoi"): 1,
        ("gateway_delivery_attempts_total", "delivered"): 1,
        ("gateway_readers",): 1,
        ("gateway_journal_trouble",): 0,
        ("gateway_account_open", "hanoi"): 1,
        ("gateway_events_state", "hanoi", "ok"): 1,
        ("gateway_events_state", "hanoi", "silent"): 0,
    }
    assert (200, expected) == (status, {name: found.get(name) for name in expected})
    assert found["gateway_watermark_age_seconds", "hanoi"] > 0
    assert not [name for name in found if NUMBER in name or TOKEN in name]


async def test_every_metric_is_explained(pbx, running):
    """With its labels; and nothing is that is not there."""
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    explained = dict(re.findall(r"^\| `(gateway_\w+)` \| ([^|]*)\|", page, re.MULTILINE))
    async with running() as (_, url), aiohttp.ClientSession(url) as session, session.get("/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))

    assert set(explained) == {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    for family in families:
        for sample in family.samples:
            assert set(sample.labels) == set(re.findall(r"`(\w+)`", explained[sample.name]))


async def test_metrics_are_for_who_may_administer(pbx, running):
    """They name all accounts and say how much goes on."""
    scopes = {"boss": ["admin"], "crm": ["calls", "records", "events", "campaigns"]}
    keys = [{"name": name, "sha256": hash_of(name), "scopes": scopes[name]} for name in scopes]
    async with running(proxy={"keys": keys}) as (_, url):
        await get(url, "/metrics", 401)
        await get(url, "/metrics", 403, Authorization="Bearer crm")
        await get(url, "/metrics?x=1", 400, Authorization="Bearer boss")
        status, found = await metrics(url, Authorization="Bearer boss")

    assert (200, 1) == (status, found["gateway_requests_total", "unauthenticated", "metrics"])


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


async def test_an_account_that_is_none_is_not_taken_for_a_missing_conversation(pbx, running):
    """Whoever asks is told what there is: a name that is like it, the accounts of a route, where all are listed."""
    async with running(reconcile_seconds=0) as (_, url):
        unknown = await get(url, "/v1/conversations/x?account=hanoj", 404)
        route = await get(url, "/v1/conversations/x?account=sales", 400)
        other = await get(url, "/v1/conversations/x?account=hanoi", 404)
        nowhere = await get(url, "/v1/conversations/dl_0", 404)

    assert "no account 'hanoj' (did you mean 'hanoi'?); GET /v1/accounts shows" in unknown["detail"]
    assert "is a route, and conversations are of accounts: hanoi" in route["fields"]["account"]
    assert "hanoi has no conversation with that id" in other["detail"]
    assert "with ?account=" in nowhere["detail"]
