"""`/v1/subscriptions` over HTTP, and what is delivered: verified as an application of ours would verify it."""

import asyncio

import jsonschema
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.http.openapi import make_openapi
from gateway.keys import hash_of
from gateway.webhooks import deliverer
from gateway.webhooks.signatures import new_secret
from tests.events.calls import ENDED, event, rings, until
from tests.webhooks.receiving import receiving

ALL = ["events", "admin"]
KEYS = [
    {"name": "crm", "sha256": hash_of("crm"), "scopes": ["events"]},
    {"name": "desk", "sha256": hash_of("desk"), "scopes": ["events"], "accounts": ["hanoi"]},
    {"name": "root", "sha256": hash_of("root"), "scopes": ALL},
    {"name": "chief", "sha256": hash_of("chief"), "scopes": ALL, "accounts": ["hanoi"]},
    {"name": "calls", "sha256": hash_of("calls"), "scopes": ["calls"]},
]
HOSTS = {"webhook_hosts": ["127.0.0.1"]}
PUBLIC = "https://crm.example.vn/events"


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def api(session):
    """Sends a request to a sidecar: gives the status and the JSON."""

    def at(address, key=None):
        async def send(verb, path="", **body):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            json = {"json": body} if verb in {"POST", "PATCH"} else {}
            async with session.request(verb, f"{address}/v1/subscriptions{path}", headers=headers, **json) as answer:
                return answer.status, await answer.json() if answer.status != 204 else None

        return send

    return at


async def log_of(gateway):
    return (await gateway.journal.get()).log


def verified(message, secret):
    """The message's data, if the library of Standard Webhooks accepts it with *secret*."""
    headers = {name.lower(): value for name, value in message.headers.items()}
    return Webhook(secret).verify(message.body, headers)["data"]


async def test_a_subscriber_verifies_what_it_is_sent(running, api, receiver):
    """With the secret that was shown once, by the library of Standard Webhooks; another secret does not do."""
    async with running(**HOSTS) as (gateway, address):
        status, made = await api(address)("POST", url=receiver.url)
        await (await log_of(gateway)).append([event(ENDED)])
        (message,) = await receiver.has(1)
        shown = await api(address)("GET", f"/{made['subscription_id']}")

    assert (201, "call.ended") == (status, verified(message, made["secret"])["type"])
    assert made["secret"].startswith("whsec_")
    assert (200, {**made, "after": 1, "secret": None}) == shown
    with pytest.raises(WebhookVerificationError):
        verified(message, new_secret().reveal())
    tampered = message._replace(body=message.body.replace(b"hanoi", b"hanoy"))
    with pytest.raises(WebhookVerificationError):
        verified(tampered, made["secret"])


async def test_a_subscriber_may_bring_its_own_secret(running, api, receiver):
    """One that the standard allows."""
    secret = new_secret().reveal()
    async with running(**HOSTS) as (gateway, address):
        await api(address)("POST", url=receiver.url, secret=secret)
        await (await log_of(gateway)).append([event(ENDED)])
        (message,) = await receiver.has(1)

    assert verified(message, secret)


async def test_a_new_secret_and_the_old_one_both_hold_for_a_day(running, api, receiver, monkeypatch):
    """So that a subscriber can change over; afterwards only the new one signs."""
    async with running(**HOSTS) as (gateway, address):
        send, log = api(address), await log_of(gateway)
        _, made = await send("POST", url=receiver.url)
        _, rotated = await send("POST", f"/{made['subscription_id']}/rotate-secret")
        await log.append([event()])
        (both,) = await receiver.has(1)
        monkeypatch.setattr("gateway.webhooks.service.OLD_SECRET_LIFE", -deliverer.LEASE)
        _, last = await send("POST", f"/{made['subscription_id']}/rotate-secret")
        await log.append([event(ENDED)])
        one = (await receiver.has(2))[1]

    assert verified(both, made["secret"])
    assert verified(both, rotated["secret"])
    assert verified(one, last["secret"])
    assert 3 == len({made["secret"], rotated["secret"], last["secret"]})
    for old in (made, rotated):
        with pytest.raises(WebhookVerificationError):
            verified(one, old["secret"])


async def test_a_subscription_is_changed_listed_and_deleted(running, api, receiver):
    """What is left out of a change stays; null takes a filter away."""
    async with running(**HOSTS) as (_, address):
        send = api(address)
        _, made = await send("POST", url=receiver.url, types=["call.ended"], extension="101")
        path = f"/{made['subscription_id']}"
        changed = await send("PATCH", path, extension=None, state="disabled", accounts=["hanoi"])
        listed = await send("GET")
        active = await send("PATCH", path, state="active")
        deleted = await send("DELETE", path)
        gone = [await send("GET", path), await send("DELETE", path), await send("GET", f"{path}/deliveries")]
        empty = await send("GET")

    assert (200, ["call.ended"], None, "disabled", ["hanoi"]) == (
        changed[0],
        *(changed[1][name] for name in ("types", "extension", "state", "accounts")),
    )
    assert [changed[1]] == listed[1]["items"]
    assert ("active", None) == (active[1]["state"], active[1]["reason"])
    assert (204, [404] * 3) == (deleted[0], [status for status, _ in gone])
    assert [] == empty[1]["items"]


async def test_deliveries_and_replays_are_asked_for_over_http(running, api, receiver):
    """With every attempt."""
    async with running(**HOSTS) as (gateway, address):
        send = api(address)
        _, made = await send("POST", url=receiver.url)
        await (await log_of(gateway)).append(rings(3))
        await receiver.has(3)
        path = f"/{made['subscription_id']}"
        async with asyncio.timeout(20):
            while len((await send("GET", f"{path}/deliveries?state=delivered"))[1]["items"]) < 3:
                pass
        page = await send("GET", f"{path}/deliveries?limit=2")
        rest = await send("GET", f"{path}/deliveries?cursor={page[1]['next']}")
        replay = await send("POST", f"{path}/replay", after=1)
        await receiver.has(5)

    assert ([3, 2], [1]) == tuple([each["seq"] for each in found["items"]] for _, found in (page, rest))
    assert [200] == [attempt["status"] for attempt in rest[1]["items"][0]["attempts"]]
    assert (200, {"deliveries": 2, "next": None}) == replay


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("url", {}),
        ("url", {"url": "http://crm.example.vn/"}),
        ("url", {"url": "ftp://crm.example.vn/"}),
        ("url", {"url": "https://user:pass@crm.example.vn/"}),
        ("url", {"url": "https://crm.example.vn/#x"}),
        ("url", {"url": "https://10.0.0.1/"}),
        ("url", {"url": "https://crm.example.vn/" + "x" * 2000}),
        ("url", {"url": 5}),
        ("secret", {"url": PUBLIC, "secret": "whsec_short"}),
        ("secret", {"url": PUBLIC, "secret": "s" * 40}),
        ("types[0]", {"url": PUBLIC, "types": ["call.danced"]}),
        ("account", {"url": PUBLIC, "accounts": ["both"]}),
        ("extension", {"url": PUBLIC, "extension": ""}),
        ("accounts", {"url": PUBLIC, "accounts": ["hanoi"] * 101}),
        ("ulr", {"url": PUBLIC, "ulr": 1}),
    ],
)
async def test_a_bad_subscription_is_refused(running, api, field, body):
    """With the name of what is wrong."""
    async with running() as (_, address):
        status, problem = await api(address)("POST", **body)

    assert (400, [field]) == (status, list(problem["fields"]))
    assert "whsec_short" not in str(problem)


@pytest.mark.parametrize("body", [{}, {"failed": False}, {"after": -1}, {"failed": "yes"}])
async def test_a_replay_of_nothing_is_refused(running, api, body):
    """It says what may be given."""
    async with running() as (_, address):
        _, made = await api(address)("POST", url=PUBLIC)
        status, problem = await api(address)("POST", f"/{made['subscription_id']}/replay", **body)

    assert (400, "invalid_request") == (status, problem["code"])


async def test_a_key_has_its_own_subscriptions_only(running, api):
    """Others are as good as not there; who may administer sees all. It names its own accounts only."""
    async with running(keys=KEYS) as (_, address):
        crm, desk, root = (api(address, key) for key in ("crm", "desk", "root"))
        _, made = await crm("POST", url=PUBLIC, accounts=["saigon"])
        path = f"/{made['subscription_id']}"
        others = [
            await desk("GET", path),
            await desk("PATCH", path, state="disabled"),
            await desk("DELETE", path),
            await desk("POST", f"{path}/rotate-secret"),
            await desk("GET", f"{path}/deliveries"),
            await desk("POST", f"{path}/replay", after=0),
        ]
        listed = [(await each("GET"))[1]["items"] for each in (crm, desk, root)]
        seen = await root("GET", path)
        foreign = await desk("POST", url=PUBLIC, accounts=["saigon"])
        _, own = await desk("POST", url=PUBLIC)
        widened = await desk("PATCH", f"/{own['subscription_id']}", accounts=["hanoi", "saigon"])
        unknown = await crm("POST", url=PUBLIC, accounts=["nowhere"])
        scopeless = await api(address, "calls")("GET")
        nobody = await api(address)("GET")

    assert [404] * 6 == [status for status, _ in others]
    assert [1, 0, 1] == [len(each) for each in listed]
    assert (200, "crm") == (seen[0], seen[1]["key"])
    assert [403, 403, 404, 403, 401] == [each[0] for each in (foreign, widened, unknown, scopeless, nobody)]


async def everything(send, path):
    """The statuses of all that can be done with the subscription at *path*; the last deletes it."""
    asked = [
        await send("GET", path),
        await send("GET", f"{path}/deliveries"),
        await send("PATCH", path, extension="101"),
        await send("POST", f"{path}/replay", after=0),
        await send("POST", f"{path}/rotate-secret"),
        await send("DELETE", path),
    ]
    return [status for status, _ in asked]


@pytest.mark.parametrize(
    ("maker", "accounts", "seen"),
    [
        ("crm", [], False),  # of all accounts, as its key
        ("crm", ["saigon"], False),
        ("crm", ["hanoi", "saigon"], False),
        ("crm", ["hanoi"], True),
        ("desk", [], True),
        ("root", [], False),
        ("chief", [], True),
    ],
)
async def test_admin_reaches_the_accounts_of_its_key_and_no_others(running, api, maker, accounts, seen):
    """A subscription that may be sent events of another account is as good as not there."""
    async with running(keys=KEYS) as (_, address):
        _, made = await api(address, maker)("POST", url=PUBLIC, accounts=accounts)
        chief, path = api(address, "chief"), f"/{made['subscription_id']}"
        listed = (await chief("GET"))[1]
        done = await everything(chief, path)
        left = await api(address, "root")("GET", path)

    assert ([made["subscription_id"]] * seen, int(seen)) == (
        [each["subscription_id"] for each in listed["items"]],
        listed["total"],
    )
    assert ([200] * 5 + [204] if seen else [404] * 6) == done
    assert seen or left == (200, {**made, "secret": None})


@pytest.mark.parametrize("accounts", [[], ["saigon"], ["hanoi", "saigon"]])
async def test_admin_widens_no_other_keys_subscription_beyond_its_accounts(running, api, accounts):
    """And so it cannot have events sent to itself that it may not read."""
    async with running(keys=KEYS) as (_, address):
        _, made = await api(address, "crm")("POST", url=PUBLIC, accounts=["hanoi"])
        path = f"/{made['subscription_id']}"
        refused = await api(address, "chief")("PATCH", path, accounts=accounts, url=f"{PUBLIC}/chief")
        left = await api(address, "crm")("GET", path)

    assert (403, (200, {**made, "secret": None})) == (refused[0], left)


async def test_a_subscription_that_was_narrowed_sends_nothing_of_what_it_had_before(running, api, receiver):
    """A key that may redirect it now gets the events of its present accounts, and sees their deliveries, only."""
    receiver.answer = lambda message: 410 if "saigon" in message.body.decode() else 200
    async with running(keys=KEYS, **HOSTS) as (gateway, address), receiving() as other:
        crm, chief = (api(address, key) for key in ("crm", "chief"))
        _, made = await crm("POST", url=receiver.url, accounts=["saigon"])
        path = f"/{made['subscription_id']}"
        await (await log_of(gateway)).append([event(account="saigon"), event(account="hanoi")])
        await receiver.has(1)
        async with asyncio.timeout(20):
            while (await crm("GET", path))[1]["state"] == "active":
                pass
        await crm("PATCH", path, accounts=["hanoi"], state="active")
        redirected = await chief("PATCH", path, url=other.url)
        failed = await chief("POST", f"{path}/replay", failed=True)
        replayed = await chief("POST", f"{path}/replay", after=0)
        await other.has(1)
        shown = [(await each("GET", f"{path}/deliveries"))[1]["items"] for each in (crm, chief)]
        await (await log_of(gateway)).append([event(ENDED, account="saigon"), event(ENDED, account="hanoi")])
        await other.has(2)

    assert (200, 0, 1) == (redirected[0], failed[1]["deliveries"], replayed[1]["deliveries"])
    assert [{1, 2}, {2}] == [{each["seq"] for each in items} for items in shown]
    assert ["hanoi", "hanoi"] == [message.data["account"] for message in other.got]


async def test_a_key_that_may_use_less_now_sees_less_of_its_own_deliveries(running, api, receiver):
    """Those of the accounts that it may still use."""
    key = {"name": "crm", "sha256": hash_of("crm"), "scopes": ["events"]}
    async with running(keys=[key], **HOSTS) as (gateway, address):
        _, made = await api(address, "crm")("POST", url=receiver.url)
        await (await log_of(gateway)).append([event(account="saigon"), event(account="hanoi")])
        await receiver.has(2)
    async with running(keys=[{**key, "accounts": ["hanoi"]}], **HOSTS) as (_, address):
        status, found = await api(address, "crm")("GET", f"/{made['subscription_id']}/deliveries")

    assert (200, [2]) == (status, [each["seq"] for each in found["items"]])


async def test_a_conversation_shows_the_deliveries_of_subscriptions_that_may_be_seen(running, api, session, receiver):
    """One's own; with `admin` also others', as far as they reach nothing else."""
    subscribers = {"crm": [], "desk": [], "root": ["hanoi"], "chief": []}
    async with running(keys=KEYS, **HOSTS) as (gateway, address):
        ids = {}
        for key, accounts in subscribers.items():
            _, made = await api(address, key)("POST", url=receiver.url, accounts=accounts)
            ids[made["subscription_id"]] = key
        (told,) = await (await log_of(gateway)).append([event()])
        await receiver.has(4)
        seen = {}
        for key in subscribers:
            path, headers = f"/v1/conversations/{told.conversation_id}", {"Authorization": f"Bearer {key}"}
            async with session.get(address + path, headers=headers) as answer:
                seen[key] = {ids[each["subscription_id"]] for each in (await answer.json())["deliveries"]}

    assert {"crm": {"crm"}, "desk": {"desk"}, "root": set(subscribers), "chief": {"desk", "root", "chief"}} == seen


async def test_a_key_has_so_many_subscriptions_and_no_more(running, api, monkeypatch):
    """The next one is refused."""
    monkeypatch.setattr("gateway.webhooks.service.MAX_SUBSCRIPTIONS", 2)
    async with running() as (_, address):
        statuses = [(await api(address)("POST", url=PUBLIC))[0] for _ in range(3)]

    assert [201, 201, 409] == statuses


async def test_a_web_page_cannot_change_a_secret(running, api, session):
    """A form can be sent from anywhere; JSON cannot."""
    async with running() as (_, address):
        _, made = await api(address)("POST", url=PUBLIC)
        path = f"{address}/v1/subscriptions/{made['subscription_id']}/rotate-secret"
        async with session.post(path, data={"a": "b"}) as answer:
            assert 415 == answer.status


async def test_secrets_are_in_no_log(running, api, receiver, caplog):
    """Nor are phone numbers or bodies; the outcome of each attempt is."""
    caplog.set_level("DEBUG")
    async with running(**HOSTS) as (gateway, address):
        _, made = await api(address)("POST", url=receiver.url)
        await (await log_of(gateway)).append([event(ENDED)])
        await receiver.has(1)
        await until(lambda: "webhook.sent" in caplog.text)

    assert made["secret"].removeprefix("whsec_") not in caplog.text
    assert "0899098899" not in caplog.text
    assert made["subscription_id"] in caplog.text


async def test_answers_are_as_the_openapi_document_says(running, api, receiver, session):
    """Subscriptions, deliveries with their attempts, and pages of events."""
    document = make_openapi()
    async with running(**HOSTS) as (gateway, address):
        send = api(address)
        _, made = await send("POST", url=receiver.url, types=["call.ended"])
        await (await log_of(gateway)).append([event(ENDED)])
        await receiver.has(1)
        path = f"/{made['subscription_id']}"
        answers = {
            "Subscription": made,
            "PageOfSubscription": (await send("GET"))[1],
            "PageOfDelivery": (await send("GET", f"{path}/deliveries"))[1],
            "Replay": (await send("POST", f"{path}/replay", failed=True))[1],
        }
        async with session.get(f"{address}/v1/events?after=0") as answer:
            answers["EventPage"] = await answer.json()

    for name, answer in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)
    assert 1 == len(answers["PageOfDelivery"]["items"]) == len(answers["EventPage"]["items"])
