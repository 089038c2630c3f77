"""Interfaces grow, and a plugin that was written before stays whole: its account is open, and dials."""

import json

import gateway_contracts
import pytest
from gateway_contracts import (
    OPERATIONS,
    Call,
    CallState,
    ClickToCall,
    Direction,
    Leg,
    Timeouts,
    operation,
    operations_of,
)

from gateway import DialState, Gateway, SupportLevel, Unsupported
from gateway.accounts import account, binding, support
from gateway.accounts.guard import Guard
from gateway.http.openapi import make_openapi

DIAL = {"extension": "101", "number": "0899098899"}


class CallControl:
    """What comes with contracts 1.9: an operation, two arguments, and something to return where there was None."""

    scope = "calls"

    @operation("POST", "/calls/{call_id}/greet", since="1.9")
    async def greet_call(self, call_id: str, *, leg: Leg | None = None) -> None:
        """Greet both sides."""

    @operation("POST", "/calls/{call_id}/transfer", rings=True)
    async def transfer_call(
        self, call_id: str, *, to: str, leg: Leg | None = None, slowly: bool = False, dial_id: str | None = None
    ) -> None:
        """Transfer."""

    @operation("POST", "/calls/{call_id}/park", rings=True)
    async def park_call(self, call_id: str, *, leg: Leg) -> Call | None:
        """Park."""


PARKED = Call(
    account="pbx", call_id="c1", direction=Direction.INBOUND, state=CallState.ANSWERED, from_number="1", to_number="2"
)
OLDER = """
import contextlib
from datetime import UTC, datetime
from pathlib import Path
import attrs
from gateway_contracts import CallControl, ClickToCall, Page, StartedCall, Vendor, hookimpl

@attrs.frozen
class Settings:
    pass

class Adapter(ClickToCall, CallControl):
    async def start_call(self, *, extension, number):
        now = datetime.now(UTC)
        return StartedCall(account="pbx", call_id="c1", extension=extension, number=number, requested_at=now)
    async def list_calls(self):
        return Page(items=())
    async def transfer_call(self, call_id, *, to, leg=None): ...
    async def listen_call(self, call_id, *, extension): ...
    async def whisper_call(self, call_id, *, extension): ...
    async def barge_call(self, call_id, *, extension): ...
    async def park_call(self, call_id, *, leg): ...

@contextlib.asynccontextmanager
async def connect(account, settings):
    yield Adapter()

@hookimpl
def gateway_vendor():
    file = Path(__file__).with_name("support.json")
    return Vendor(name="acme", settings=Settings, connect=connect, support=file)
"""


@pytest.fixture(autouse=True)
def grown(monkeypatch):
    """The interface as it is in a later version."""
    caches = (operations_of, binding._class_of, account._operations_in, support._read, support._support)

    def forget():
        for each in caches:
            each.cache_clear()

    for name in operations_of(CallControl):
        monkeypatch.setattr(gateway_contracts.CallControl, name, vars(CallControl)[name], raising=False)
    forget()
    for name in operations_of(CallControl):
        monkeypatch.setitem(OPERATIONS, name, operations_of(gateway_contracts.CallControl)[name])
    yield
    monkeypatch.undo()
    forget()


@pytest.fixture
def older(install, tmp_path):
    """A gateway with the account `pbx` of a plugin that was written, and surveyed, before."""
    install("plugin_acme", OLDER, "acme")
    full = {name: {"support": "full"} for name in ("start_call", "list_calls", "transfer_call", "park_call")}
    (tmp_path / "support.json").write_text(json.dumps({"vendor": "acme", "operations": full}), encoding="utf-8")
    return Gateway.from_config({"accounts": {"pbx": {"vendor": "acme"}}})


@pytest.fixture(params=["embedded", "remote"])
async def pbx(request, older, sidecar):
    """That account, embedded and through a sidecar."""
    async with older as gateway:
        if request.param == "embedded":
            yield gateway["pbx"]
            return
        async with sidecar(gateway) as url, Gateway.remote(url) as remote:
            yield remote["pbx"]


async def test_an_operation_that_is_newer_than_the_plugin_is_unsupported(pbx):
    """The account is open and dials; what it says it supports, and the error, say that it lacks the one operation."""
    call = await pbx.click_to_call.start_call(**DIAL)
    with pytest.raises(Unsupported, match=r"call_control.greet_call: it is older") as caught:
        await pbx.call_control.greet_call("c1")

    told = pbx.support["greet_call"]
    assert ("open", "c1") == (pbx.state, call.call_id)
    assert ("pbx", "greet_call") == (caught.value.account, caught.value.operation)
    assert (SupportLevel.UNSUPPORTED, {"greet_call": caught.value.message}) == (told.support, told.reasons)
    assert SupportLevel.FULL is pbx.support["start_call"].support


async def test_an_argument_that_is_newer_than_the_plugin_is_refused_only_where_it_says_something(pbx):
    """Its default says nothing. What the gateway keeps itself is not handed on."""
    await pbx.call_control.transfer_call("c1", to="102", slowly=False)
    await pbx.call_control.transfer_call("c1", to="102", dial_id="dl_1")
    with pytest.raises(Unsupported, match="older than slowly") as caught:
        await pbx.call_control.transfer_call("c1", to="102", slowly=True)

    assert DialState.NOT_PLACED is caught.value.dial_state


async def test_a_plugin_may_return_none_as_it_did(pbx):
    """Where a newer one returns something."""
    assert await pbx.call_control.park_call("c1", leg="a") is None


async def test_the_sidecar_says_the_same(older, sidecar, ask):
    """An operation that the plugin lacks is 501, nothing to say is 204."""
    async with older as gateway, sidecar(gateway) as url:
        http = ask(f"{url}/v1/accounts/pbx/calls/c1")
        greeting = await http("POST", "/greet", json={})
        park = await http("POST", "/park", json={"leg": "a"})
        transfer = await http("POST", "/transfer", json={"to": "102", "slowly": False, "dial_id": None})

    assert (501, "unsupported") == (greeting.status, greeting.json["code"])
    assert (204, 204) == (park.status, transfer.status)


@pytest.mark.parametrize("way", ["embedded", "remote"])
async def test_a_newer_plugin_has_it_all(adapter_of, gateway_of, sidecar, way):
    """Beside an older one in a route, it is the one that is asked."""
    adapters = {
        "old": adapter_of(ClickToCall, gateway_contracts.CallControl),
        "new": adapter_of(ClickToCall, gateway_contracts.CallControl, greet_call=None, park_call=PARKED),
    }
    routes = {"sales": {"accounts": ["old", "new"]}}
    async with gateway_of(adapters, routes=routes) as gateway, sidecar(gateway) as url, Gateway.remote(url) as remote:
        there = gateway if way == "embedded" else remote
        await there["sales"].call_control.greet_call("c1", leg="a")
        parked = await there["new"].call_control.park_call("c1", leg="a")

    assert PARKED == parked
    assert [("greet_call", {"call_id": "c1", "leg": Leg.A})] == adapters["new"].asked[:1]
    assert [] == adapters["old"].asked


async def test_an_adapter_that_takes_any_argument_is_handed_no_default_that_it_does_not_name():
    """It refuses by name what it does not know, and would refuse it."""
    handed = []

    class Adapter:
        async def transfer_call(self, call_id, *, to, **others):
            handed.append(others)

    guard = Guard(Adapter(), "pbx", "acme", Timeouts())
    for more in ({"slowly": False, "leg": None, "dial_id": "dl_1"}, {"slowly": True, "leg": "a"}):
        await guard(OPERATIONS["transfer_call"], {"call_id": "c1", "to": "102", **more})

    assert [{}, {"slowly": True, "leg": Leg.A}] == handed


async def test_a_sidecar_that_is_older_than_an_operation_is_not_asked_for_it(scripted, http_answer):
    """It would say that there is no such call."""
    row = {"name": "pbx", "vendor": "acme", "interfaces": ["call_control"], "operations": ["list_calls"]}
    scripted.answers = [http_answer(body=json.dumps({"items": [row]}).encode())]
    async with Gateway.remote(scripted.url) as gateway:
        scripted.received.clear()
        with pytest.raises(Unsupported, match=r"The sidecar is older than call_control.greet_call"):
            await gateway["pbx"].call_control.greet_call("c1")

    assert [] == scripted.received


def test_the_document_has_both_statuses():
    """For the plugin that returns something, and for the one that returns None."""
    answers = make_openapi()["paths"]["/v1/accounts/{account}/calls/{call_id}/park"]["post"]["responses"]

    assert {"200", "204", "default"} == answers.keys()
    assert {"$ref": "#/components/schemas/Call"} == answers["200"]["content"]["application/json"]["schema"]
