"""Who may do what at a sidecar: keys, scopes, accounts."""

import asyncio
import inspect
import re

import pytest
from gateway_contracts import OPERATIONS, ClickToCall
from gateway_memory import Settings
from gateway_memory.adapter import Memory

from gateway import Gateway, keys
from gateway.config import KeyConfig
from gateway.keys import Keyring, hash_of, new_key

DIAL = {"extension": "101", "number": "0899098899"}
KEYS = {
    "all": {"scopes": ["calls", "records", "events", "campaigns", "admin"]},
    "calls": {"scopes": ["calls"]},
    "records": {"scopes": ["records"]},
    "pbx": {"scopes": ["calls", "records"], "accounts": ["pbx"]},
    "sales": {"scopes": ["calls"], "accounts": ["sales"]},
    "nothing": {"scopes": []},
    "chief": {"scopes": ["calls", "admin"], "accounts": ["pbx"]},
}


@pytest.fixture
async def http(gateway_of, sidecar, ask):
    """Sends requests, as the bearer of the key named in `by`, to a sidecar that asks for keys."""
    config = {
        "routes": {"sales": {"accounts": ["pbx", "other"]}},
        "proxy": {"keys": [{"name": name, "sha256": hash_of(f"key-{name}"), **each} for name, each in KEYS.items()]},
    }
    adapters = {name: Memory(name, Settings()) for name in ("pbx", "other")}
    async with gateway_of(adapters, **config) as gateway, sidecar(gateway) as address:
        send = ask(address)

        async def ask_as(verb, path, *, by=None, headers=None, **options):
            authorization = {"Authorization": f"Bearer key-{by}"} if by else {}
            return await send(verb, path, headers={**authorization, **(headers or {})}, **options)

        ask_as.told = [gateway[name].adapter.told for name in ("pbx", "other")]
        ask_as.address = address
        yield ask_as


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer unknown",
        "Basic key-all",
        "key-all",
        "Bearer key-all key-all",
        "Bearer KEY-ALL",
    ],
)
@pytest.mark.parametrize("path", ["/v1/accounts/pbx/calls", "/v1/accounts/nowhere/calls", "/v1/accounts"])
async def test_without_a_known_key_nothing_is_told(http, authorization, path):
    """Not even whether an account exists; and nothing rings."""
    headers = {} if authorization is None else {"Authorization": authorization}
    response = await http("GET", path, headers=headers)

    assert (401, "unauthenticated", "Bearer") == (
        response.status,
        response.json["code"],
        response.headers["WWW-Authenticate"],
    )
    dial = await http("POST", "/v1/accounts/pbx/calls", json=DIAL, headers=headers)
    assert (401, "not_placed") == (dial.status, dial.json["dial_state"])
    assert [[], []] == http.told


@pytest.mark.parametrize("authorization", ["Bearer key-all", "bearer key-all", "BEARER  key-all "])
async def test_a_known_key_is_let_in(http, authorization):
    """The scheme's name has no case."""
    response = await http("GET", "/v1/accounts/pbx/calls", headers={"Authorization": authorization})

    assert 200 == response.status


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("by", ["calls", "records", "nothing"])
async def test_an_operation_needs_its_scope(http, name, by):
    """The scope of its interface; without it nothing else is looked at."""
    operation = OPERATIONS[name]
    response = await http(operation.verb, "/v1/accounts/pbx" + operation.path.replace("{", "").replace("}", ""), by=by)

    if operation.scope in KEYS[by]["scopes"]:
        assert response.status not in (401, 403)
    else:
        assert (403, "forbidden", name) == (response.status, response.json["code"], response.json["operation"])
        assert operation.scope in response.json["detail"]
        assert (operation.rings and "not_placed") == response.json.get("dial_state", False)


@pytest.mark.parametrize(
    ("expected", "by", "account"),
    [
        (201, "pbx", "pbx"),
        (403, "pbx", "other"),
        (403, "pbx", "sales"),
        (403, "pbx", "nowhere"),
        (201, "sales", "sales"),
        (403, "sales", "pbx"),
        (201, "all", "other"),
        (404, "all", "nowhere"),
    ],
)
async def test_a_key_is_good_for_its_accounts_only(http, expected, by, account):
    """Others look the same whether or not they exist. A route is an account of its own."""
    response = await http("POST", f"/v1/accounts/{account}/calls", by=by, json=DIAL)

    assert expected == response.status
    assert (expected == 201) == any(http.told)
    if expected != 201:
        assert "not_placed" == response.json["dial_state"]


@pytest.mark.parametrize(
    ("expected", "by"),
    [
        (["pbx", "other", "sales"], "all"),
        (["pbx"], "pbx"),
        (["sales"], "sales"),
        (["pbx", "other", "sales"], "nothing"),
    ],
)
async def test_a_key_sees_its_accounts_only(http, expected, by):
    """In `/v1/accounts`, and in a remote gateway."""
    items = (await http("GET", "/v1/accounts", by=by)).json["items"]

    assert expected == [each["name"] for each in items]
    async with Gateway.remote(http.address, key=f"key-{by}") as gateway:
        assert expected == [each.name for each in gateway]


async def test_a_key_sees_the_metrics_of_its_accounts_only(http):
    """What names no account is everybody's."""
    for name in ("pbx", "other"):
        await http("POST", f"/v1/accounts/{name}/calls", by="all", json=DIAL)
    every, some = [(await http("GET", "/metrics", by=by)).body.decode() for by in ("all", "chief")]

    assert {"pbx", "other"} == set(re.findall(r'account="(\w+)"', every))
    assert {"pbx"} == set(re.findall(r'account="(\w+)"', some))
    assert 'gateway_dials_total{account="pbx",outcome="placed"}' in some
    assert 'gateway_requests_total{code="ok",operation="start_call"} 2.0' in some


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (401, "/v1/accounts/pbx/calls"),
        (401, "/v1/subscriptions"),
        (401, "/v1/subscriptions/x/rotate-secret"),
        (501, "/hooks/pbx/x"),
        (404, "/nowhere"),
        (405, "/livez"),
    ],
)
async def test_without_a_key_no_body_is_waited_for(http, status, path):
    """The response comes before any of it."""
    host, _, port = http.address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, port)
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", "Content-Length: 9", "", ""]
    writer.write("\r\n".join(head).encode())
    line = await reader.readline()
    writer.close()

    assert status == int(line.split()[1])


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/docs", "/docs/start.js"])
async def test_what_tells_nothing_needs_no_key(http, path):
    """Probes and documentation."""
    assert 200 == (await http("GET", path)).status


async def test_with_keys_any_name_of_the_machine_is_good(http):
    """It is reached by others; a page of another site still is not let in."""
    good = await http("GET", "/v1/accounts", by="all", headers={"Host": "gateway.example.vn"})
    evil = await http(
        "GET", "/v1/accounts", by="all", headers={"Host": "gateway.example.vn", "Origin": "https://evil.example"}
    )

    assert (200, 403) == (good.status, evil.status)


async def test_the_document_says_whether_a_key_is_asked_for(http, gateway, sidecar, ask):
    """The viewer shows a field for it then."""
    with_keys = (await http("GET", "/openapi.json")).json
    async with sidecar(gateway) as address:
        without = (await ask(address)("GET", "/openapi.json")).json

    assert [{"key": []}] == with_keys["security"]
    assert "security" not in without


def test_a_new_key_fits_its_hash_and_no_other():
    """256 random bits and their SHA-256."""
    (key, sha256), (other, _) = new_key(), new_key()
    keyring = Keyring([KeyConfig(name="crm", sha256=sha256, scopes=("calls",))])

    assert "crm" == keyring.client(f"Bearer {key}").name
    assert key != other
    assert (64, True) == (len(sha256), key.startswith("gw_") and len(key) > 40)
    assert key not in repr(KeyConfig(name="crm", sha256=sha256, scopes=()))


def test_keys_are_compared_in_constant_time():
    """All of them, always, by `compare_digest`: structure is all that a test can look at."""
    source = inspect.getsource(keys.Keyring.client)

    assert "compare_digest" in source
    assert "break" not in source.split()


def test_the_scopes_of_operations_are_scopes_of_keys():
    """Otherwise nobody could be allowed to."""
    assert {each.scope for each in OPERATIONS.values()} <= set(keys.SCOPES)
    assert ClickToCall.scope in keys.SCOPES
