"""A plugin that is broken breaks its own accounts, says so wherever they are asked for, and stops no other."""

import contextlib
import logging

import pytest

from gateway import ConfigError, Gateway, Origin, VendorUnavailable

WHOLE = """
import asyncio
import contextlib
import attrs
from gateway_contracts import Reports, Vendor, hookimpl

@attrs.frozen
class Settings:
    token: str = ""

class Adapter(Reports):
    async def list_call_ids(self, *, since, until): ...
    async def count_calls(self, *, since, until): ...

@contextlib.asynccontextmanager
async def connect(account, settings):
    yield Adapter()

@hookimpl
def gateway_vendor():
    return Vendor(name="acme", settings=Settings, connect=connect)
"""
BREAKS = {
    "import": ("No module named 'not_there'", "import not_there"),
    "version": ("against contracts '2.0'", WHOLE.replace("connect=connect", "connect=connect, contracts='2.0'")),
    "connect": ("failed to connect: RuntimeError", WHOLE.replace("yield", "raise RuntimeError('s3cr3t')\n    yield")),
    "unfinished": ("abstract class Adapter with", WHOLE.replace("async def count_calls", "async def count")),
    "types": ("failed to connect: TypeError;", WHOLE.replace("yield", "raise TypeError('s3cr3t')\n    yield")),
    "hang": ("failed to connect: TimeoutError", WHOLE.replace("yield", "await asyncio.Event().wait()\n    yield")),
    "nothing": ("inherits none of ClickToCall", WHOLE.replace("yield Adapter()", "yield object()")),
}
ACCOUNTS = {"main": {"vendor": "acme"}, "pbx": {"vendor": "memory"}}
ROUTES = {"sales": {"accounts": ["main", "pbx"]}, "alone": {"accounts": ["main"]}}
DIAL = {"extension": "101", "number": "0899098899"}


@pytest.fixture(params=BREAKS)
def reason(request, install, monkeypatch):
    """Installs a plugin that is broken in one way; gives what must be said of it."""
    text, source = BREAKS[request.param]
    install("plugin_acme", source, "acme")
    if request.param == "hang":
        monkeypatch.setattr("gateway.accounts.connecting.CONNECT_SECONDS", 0.01)
    return text


@pytest.fixture
def opened(sidecar):
    """Opens a gateway with the accounts `main`, which is broken, and `pbx`, embedded or through a sidecar."""

    @contextlib.asynccontextmanager
    async def open_it(way="embedded"):
        async with contextlib.AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(Gateway.from_config({"accounts": ACCOUNTS, "routes": ROUTES}))
            if way == "remote":
                url = await stack.enter_async_context(sidecar(gateway))
                gateway = await stack.enter_async_context(Gateway.remote(url))
            yield gateway

    return open_it


@pytest.mark.parametrize("way", ["embedded", "remote"])
async def test_other_accounts_work_and_the_broken_one_says_why(opened, reason, way):
    """The error is the gateway's own, names the plugin's vendor and what is wrong, and proves that nothing rang."""
    async with opened(way) as gateway:
        call = await gateway["pbx"].click_to_call.start_call(**DIAL)
        with pytest.raises(VendorUnavailable) as caught:
            await gateway["main"].click_to_call.start_call(**DIAL)
        states = [each.state for each in gateway]

    assert "pbx" == call.account
    assert ["broken", "open", "open", "broken"] == states
    assert reason in caught.value.message
    assert "acme" in caught.value.message
    assert "s3cr3t" not in caught.value.message
    assert (Origin.GATEWAY, "main") == (caught.value.origin, caught.value.account)


async def test_the_sidecar_shows_it_and_answers_503(opened, reason, sidecar, ask):
    """`GET /v1/accounts` has the state and the reason; an operation is a problem that says the same."""
    async with opened() as gateway, sidecar(gateway) as url:
        http = ask(url)
        rows = {each["name"]: each for each in (await http("GET", "/v1/accounts")).json["items"]}
        dial = await http("POST", "/v1/accounts/main/calls", json=DIAL)

    assert ("broken", [], []) == tuple(rows["main"][key] for key in ("state", "interfaces", "operations"))
    assert ("open", None) == (rows["pbx"]["state"], rows["pbx"]["reason"])
    assert reason in rows["main"]["reason"]
    assert (503, "vendor_unavailable", "gateway") == (dial.status, dial.json["code"], dial.json["origin"])
    assert "not_placed" == dial.json["dial_state"]
    assert rows["main"]["reason"] == dial.json["detail"]


async def test_the_log_has_one_error_line(opened, reason, caplog):
    """With the account and the vendor, when the gateway opens."""
    with caplog.at_level(logging.DEBUG, "gateway"):
        async with opened():
            pass

    lines = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert 1 == len(lines)
    assert "event=account.broken account=main vendor=acme" in lines[0]
    assert reason in lines[0]
    assert "s3cr3t" not in lines[0]


@pytest.mark.parametrize("way", ["embedded", "remote"])
async def test_a_route_dials_on_another_account(opened, reason, way):
    """Nothing was sent to the broken one, so the next may ring."""
    async with opened(way) as gateway:
        call = await gateway["sales"].click_to_call.start_call(**DIAL)

        assert "pbx" == call.account


@pytest.mark.parametrize("way", ["embedded", "remote"])
async def test_a_route_gives_no_part_of_a_list_for_the_whole(opened, reason, way):
    """The broken account's calls are missing, so there is no list."""
    async with opened(way) as gateway:
        with pytest.raises(VendorUnavailable, match="acme"):
            await gateway["sales"].call_control.list_calls()


async def test_a_route_over_broken_accounts_is_broken(opened, reason):
    """It says why, whatever it is asked for."""
    async with opened() as gateway:
        assert "broken" == gateway["alone"].state
        with pytest.raises(VendorUnavailable, match="acme"):
            await gateway["alone"].history.list_records()


async def test_a_wrong_setting_still_stops_the_start(install):
    """A plugin that works is given no settings that are wrong, and nobody works on beside a wrong file."""
    install("plugin_acme", WHOLE, "acme")

    with pytest.raises(ConfigError) as caught:
        Gateway.from_config({"accounts": {**ACCOUNTS, "main": {"vendor": "acme", "settings": {"tokn": "x"}}}})

    assert "accounts.main.settings.tokn" == caught.value.path


async def test_a_plugin_that_refuses_its_settings_stops_the_start(install):
    """A ConfigError of its own is a wrong setting."""
    refuse = "from gateway_contracts import ConfigError\n    raise ConfigError('token', 'must be set')\n    yield"
    install("plugin_acme", WHOLE.replace("yield", refuse), "acme")

    with pytest.raises(ConfigError, match="must be set"):
        async with Gateway.from_config({"accounts": ACCOUNTS}):
            pass


async def test_webhooks_to_a_broken_account_are_kept(install, sidecar, ask, tmp_path):
    """They are in quarantine until the plugin is mended: the vendor sends them once."""
    install("plugin_acme", "import not_there", "acme")
    token = "t" * 16
    accounts = {"main": {"vendor": "acme", "hook_token": token}}
    journal = {"url": f"sqlite:///{tmp_path / 'gateway.db'}"}

    async with Gateway.from_config({"accounts": accounts, "journal": journal}) as gateway, sidecar(gateway) as url:
        answer = await ask(url)("POST", f"/hooks/main/{token}", data=b"<event/>")

    assert (200, {"status": "quarantined"}) == (answer.status, answer.json)
