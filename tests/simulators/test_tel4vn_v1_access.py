"""Logging in to the TEL4VN v1 simulator: accounts, tokens, tenants."""

import time

import pytest


async def test_login_gives_the_api_key(pbx, client):
    """The response to the right name and password is the account; its name has no domain."""
    response = await client.post("/v1/auth", {"username": pbx.username, "password": pbx.password})

    assert response.status == 200
    assert (pbx.api_key, "admin") == (response.body["data"]["api_key"], response.body["data"]["username"])


async def test_login_refuses_a_wrong_password(pbx, client):
    """A wrong password is 401 with an error."""
    response = await client.post("/v1/auth", {"username": pbx.username, "password": "wrong"})

    assert response.status == 401


async def test_token_refuses_a_wrong_api_key_and_is_not_counted(pbx, client):
    """A wrong api key is 401, and only tokens that were given out count."""
    response = await client.post("/v1/auth/token", {"api_key": "wrong"})

    assert (response.status, pbx.token_requests) == (401, 1)


async def test_token_expires_at_an_epoch_of_the_real_clock(pbx, client):
    """The epoch is counted from real time, for readers who compare it with theirs."""
    before = int(time.time())
    data = await client.log_in()

    assert before + 3540 <= data["expired"] <= int(time.time()) + 3540


async def test_token_can_have_the_later_shape(pbx, client):
    """With the shape of later hosts the life is told in seconds."""
    pbx.behaviour.token_shape = "expired_in"
    pbx.behaviour.token_seconds = 600

    data = await client.log_in()

    assert (data["expired_in"], data["token_type"]) == (600, "Bearer")


async def test_nothing_is_answered_without_a_token(client):
    """A request without a token, or with a made-up one, is 401."""
    for token in ("", "made-up"):
        client.token = token
        assert (await client.get("/v1/call")).status == 401


async def test_nothing_rings_without_a_token(pbx, client):
    """A click-to-call that is refused with 401 has rung nobody."""
    client.token = ""
    response = await client.get("/v1/click2call/async", ext="101", phone="0899098899")

    assert (response.status, pbx.originated) == (401, [])


async def test_tokens_expire_on_the_clock_of_the_pbx(pbx, client):
    """A token works up to its last second and no longer."""
    await pbx.advance(3539)
    assert (await client.get("/v1/call")).status == 200

    await pbx.advance(1)
    assert (await client.get("/v1/call")).status == 401


async def test_expire_tokens_ends_all_tokens_but_not_the_login(pbx, client):
    """After expire_tokens the old token is refused and a new one works."""
    pbx.expire_tokens()
    assert (await client.get("/v1/call")).status == 401

    await client.log_in()
    assert ((await client.get("/v1/call")).status, pbx.token_requests) == (200, 2)


async def test_an_earlier_token_outlives_a_later_one(client):
    """Asking for another token takes nothing from the one before."""
    first = client.token
    await client.log_in()
    client.token = first

    assert (await client.get("/v1/call")).status == 200


async def test_unknown_paths_and_methods_are_refused_as_json(client):
    """What the vendor does not have is 404 or 405, with an error in JSON."""
    assert (await client.get("/v1/nothing", checked=False))[:2] == (404, {"error": "Not Found"})
    assert (await client.post("/v1/call", {}, checked=False)).status == 405


async def test_tenant_operations_want_the_tenant_secret(pbx, client):
    """An ordinary token is 403 for tenants, no token 401."""
    assert (await client.post("/v1/tenant", {"tenant_id": "test01"})).status == 403

    client.token = ""
    assert (await client.post("/v1/tenant", {"tenant_id": "test01"})).status == 401


async def test_the_tenant_secret_opens_nothing_else(pbx, client):
    """The vendor's secret token is no token for calls."""
    client.token = pbx.tenant_secret

    assert (await client.get("/v1/call")).status == 401


@pytest.fixture
async def tenant(pbx, client):
    client.token = pbx.tenant_secret
    return (await client.post("/v1/tenant", {"tenant_id": "test01"})).body


async def test_a_tenant_can_be_made_and_found(client, tenant):
    """A new tenant is found by its id and by the uuid of its address, without its user."""
    uuid = tenant["data"]["tenant_url"].rsplit("/", 1)[1]
    expected = {name: value for name, value in tenant["data"].items() if name != "user"}

    assert tenant["data"]["domain"] == "test01.tel4vn.com"
    assert expected == (await client.get("/v1/tenant/test01")).body
    assert expected == (await client.get(f"/v1/tenant/{uuid}")).body


async def test_a_tenant_cannot_be_made_twice(client, tenant):
    """The second tenant of one id is 409."""
    assert (await client.post("/v1/tenant", {"tenant_id": "test01"})).status == 409


async def test_a_tenant_can_be_switched_off(pbx, client, tenant):
    """The update is accepted with true or false only."""
    assert (await client.put("/v1/tenant/test01", {"enable": False})).body == {"message": "update successfully"}
    assert (await client.put("/v1/tenant/test01", {"enable": "no"}, checked=False)).status == 400
    assert pbx.tenants["test01"].enabled is False


async def test_unknown_tenants_are_not_found(pbx, client):
    """Every operation on an unknown tenant is 404."""
    client.token = pbx.tenant_secret
    responses = [
        await client.get("/v1/tenant/none"),
        await client.put("/v1/tenant/none", {"enable": True}),
        await client.post("/v1/tenant/none/extension", {"ext": "101", "pwd": "secret"}),
        await client.get("/v1/tenant/none/extension/101"),
    ]

    assert [response.status for response in responses] == [404] * 4


async def test_an_extension_can_be_made_and_found(client, tenant):
    """A new extension is found on the printed path and on that of later editions."""
    made = await client.post("/v1/tenant/test01/extension", {"ext": "104", "pwd": "123Abc!@#"})
    expected = {"ext": "104", "pwd": "123Abc!@#", "enabled": "true"}

    assert expected == made.body["data"]
    assert expected == (await client.get("/v1/tenant/test01/extension/104")).body
    assert expected == (await client.get("/v1/tenant/test01/extension/extension/104")).body


async def test_an_extension_cannot_be_made_twice_nor_found_before(client, tenant):
    """An unknown extension is 404, a second one of the same number 409."""
    assert (await client.get("/v1/tenant/test01/extension/104")).status == 404

    for status in (200, 409):
        assert status == (await client.post("/v1/tenant/test01/extension", {"ext": "104", "pwd": "x"})).status
