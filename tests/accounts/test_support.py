"""How far each operation is supported: what a plugin ships, as accounts, routes and `GET /v1/accounts` tell it."""

import contextlib
import json

import pytest
from gateway_contracts import OPERATIONS, CallControl, ClickToCall, Events, History, Limits, Support, SupportLevel

from gateway import Gateway
from gateway.accounts.support import lines_of, rows_of, support_of_route
from gateway.accounts.vendors import load_vendor
from gateway.keys import new_key

FULL = Support(support=SupportLevel.FULL)
PLUGIN = """
import contextlib
from pathlib import Path
import attrs
from gateway_contracts import Reports, Vendor, hookimpl

@attrs.frozen
class Settings:
    pass

class Adapter(Reports):
    async def list_call_ids(self, *, since, until): ...
    async def count_calls(self, *, since, until): ...

@contextlib.asynccontextmanager
async def connect(account, settings):
    yield Adapter()

@hookimpl
def gateway_vendor():
    file = Path(__file__).with_name("support.json")
    return Vendor(name="acme", settings=Settings, connect=connect, support=file)
"""
REPORT = {
    "vendor": "acme",
    "operations": {
        "list_call_ids": {"support": "full"},
        "count_calls": {"support": "unsupported", "reasons": {"count_calls": "acme cannot count"}},
        "list_agents": {"support": "full"},
        "fly": {"support": "full"},
    },
    "limits": {"page_rows": 50, "fly": 1},
    "fly": 1,
}


def partial(*without, vendor="one"):
    reasons = {name: f"{vendor} cannot be told {name}" for name in without}
    return Support(support=SupportLevel.PARTIAL, without=without, reasons=reasons)


def unsupported(name, why="one lacks it"):
    return Support(support=SupportLevel.UNSUPPORTED, reasons={name: why})


@pytest.fixture
def acme(install, tmp_path):
    """Installs a plugin that ships what it is told; gives an account of it, and a route to it and a memory account."""
    install("plugin_acme", PLUGIN, "acme")

    def ship(text):
        if text is not None:
            (tmp_path / "support.json").write_text(text, encoding="utf-8")
        accounts = {"main": {"vendor": "acme"}, "spare": {"vendor": "memory"}}
        return Gateway.from_config({"accounts": accounts, "routes": {"sales": {"accounts": ["main", "spare"]}}})

    return ship


@pytest.mark.parametrize("way", ["embedded", "remote"])
async def test_an_account_tells_what_its_plugin_ships(sidecar, way):
    """The same embedded and through a sidecar, reasons and limits included."""
    accounts = {name: {"vendor": name, "settings": settings} for name, settings in SETTINGS.items()}
    routes = {"sales": {"accounts": ["antbuddy", "memory"]}}
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway.from_config({"accounts": accounts, "routes": routes}))
        if way == "remote":
            gateway = await stack.enter_async_context(Gateway.remote(await stack.enter_async_context(sidecar(gateway))))
        told = {each.name: (each.support, each.limits) for each in gateway}

    for vendor in SETTINGS:
        shipped = json.loads(load_vendor(vendor).support.read_text(encoding="utf-8"))
        assert shipped["operations"]["start_call"]["reasons"] == told[vendor][0]["start_call"].reasons
        assert [each["support"] for each in shipped["operations"].values()] == [
            each.support for each in told[vendor][0].values()
        ]
        assert shipped["limits"]["started_call_id"] is told[vendor][1].started_call_id
    route, limits = told["sales"]
    assert (None, "partial") == (limits, route["start_call"].support)
    assert "antbuddy: antbuddy cannot be told hotline: leave it out" in route["start_call"].reasons["hotline"]
    assert FULL == route["list_calls"]


SETTINGS = {
    "antbuddy": {"app_id": "1", "app_secret": "2"},
    "memory": {},
    "tel4vn-v1": {"base_url": "https://pbx.example.vn", "api_key": "k"},
}


async def test_a_report_says_nothing_that_this_gateway_does_not_know(acme):
    """What newer operations and limits are called is left out; an interface that the adapter has not is unsupported."""
    async with acme(json.dumps(REPORT)) as gateway:
        support, limits, route = gateway["main"].support, gateway["main"].limits, gateway["sales"].support

    assert ["list_call_ids", "count_calls", "list_agents"] == [name for name in support if not OPERATIONS[name].since]
    assert Limits(page_rows=50) == limits
    assert (FULL, unsupported("count_calls", "acme cannot count")) == (support["list_call_ids"], support["count_calls"])
    assert unsupported("list_agents", "acme has no agents with the settings of this account") == support["list_agents"]
    assert (FULL, FULL) == (route["list_call_ids"], route["list_calls"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("[", "unexpected end"),
        ("[]", "must be"),
        ("{}", "is missing"),
        (json.dumps({**REPORT, "vendor": "zeta"}), "it is of the vendor 'zeta'"),
        (json.dumps({**REPORT, "operations": {"list_agents": {"support": "mostly"}}}), "operations"),
        (" " * 1_000_001, "it has more than 1000000 bytes"),
    ],
    ids=["none", "json", "list", "empty", "other", "word", "long"],
)
async def test_a_report_that_cannot_be_read_stops_nobody(acme, sidecar, ask, caplog, text, reason):
    """The account works, what it supports is not known, nor what a route over it does, and the log says why, once."""
    async with acme(text) as gateway, sidecar(gateway) as url:
        answer = (await ask(url)("GET", "/v1/accounts")).json
        operations = gateway["main"].reports

    lines = [each.getMessage() for each in caplog.records if "support.unreadable" in each.getMessage()]
    assert operations is not None
    assert [None, None] == [each["support"] for each in answer["items"] if each["name"] in {"main", "sales"}]
    assert ["memory"] == list(answer["vendors"])
    assert (1, True, True) == (len(lines), "vendor=acme" in lines[0], reason in lines[0])


async def test_the_list_of_accounts_has_the_reasons_once_for_each_vendor(sidecar, ask, tmp_path):
    """With two hundred accounts it stays small; a caller sees the vendors of its own accounts only."""
    key, digest = new_key()
    names = [f"a{number}" for number in range(200)]
    accounts = {name: {"vendor": "memory"} for name in names}
    accounts |= {"hotline": {"vendor": "antbuddy", "settings": SETTINGS["antbuddy"]}}
    keys = [{"name": "crm", "sha256": digest, "scopes": ["calls"], "accounts": names}]
    data = {"accounts": accounts, "routes": {"sales": {"accounts": ["hotline", "a0"]}}, "proxy": {"keys": keys}}
    async with Gateway.from_config(data) as gateway, sidecar(gateway) as url:
        answer = await ask(url)("GET", "/v1/accounts", headers={"Authorization": f"Bearer {key}"})

    rows = answer.json["items"]
    assert (200, ["memory"]) == (len(rows), list(answer.json["vendors"]))
    assert {"support": "partial", "without": ["customer_id"]}.keys() == rows[0]["support"]["start_call"].keys()
    assert (
        "memory cannot be told hotline: leave it out"
        == (answer.json["vendors"]["memory"]["operations"]["start_call"]["reasons"]["hotline"])
    )
    assert len(answer.body) < 600_000


INTERFACES = (ClickToCall, CallControl, History, Events)


@pytest.mark.parametrize(
    ("name", "accounts", "level", "without", "reasons"),
    [
        # Done by the first account that can.
        ("start_call", (partial("hotline"), FULL), "full", (), {}),
        ("start_call", (unsupported("start_call"), FULL), "full", (), {}),
        ("start_call", (partial("hotline", "wait"), partial("wait")), "partial", ("wait",), {"wait"}),
        ("start_call", (partial("hotline"), partial("wait")), "partial", (), set()),
        ("start_call", (partial("hotline"), unsupported("start_call")), "partial", ("hotline",), {"hotline"}),
        ("start_call", (unsupported("start_call"),) * 2, "unsupported", (), {"start_call"}),
        # Read from all of them.
        ("list_calls", (FULL, FULL), "full", (), {}),
        ("list_calls", (FULL, unsupported("list_calls")), "unsupported", (), {"list_calls"}),
        ("list_records", (FULL, partial("outcome")), "partial", ("outcome",), {"outcome"}),
        (
            "list_records",
            (partial("number"), partial("outcome")),
            "partial",
            ("number", "outcome"),
            {"number", "outcome"},
        ),
    ],
)
def test_a_route_can_do_what_its_accounts_can_in_its_place(name, accounts, level, without, reasons):
    """A list needs all of them, anything else one; the reasons name the accounts."""
    given = {account: ({name: support}, INTERFACES) for account, support in zip("ab", accounts, strict=True)}

    found = support_of_route(given)[name]

    assert (level, without, set(reasons)) == (found.support, found.without, set(found.reasons))
    assert all(text.startswith(("a: ", "b: ")) for text in found.reasons.values())


def test_a_route_passes_over_an_account_without_the_interface():
    """It is not asked, so a list is not the poorer for it; without any it is unsupported."""
    lists, lacks = {"list_calls": FULL}, {"list_calls": unsupported("list_calls")}

    assert FULL == support_of_route({"a": (lists, INTERFACES), "b": (lacks, (ClickToCall,))})["list_calls"]
    assert "b: one lacks it" == support_of_route({"b": (lacks, ())})["list_calls"].reasons["list_calls"]


def test_nobody_knows_what_a_route_can_do_over_an_account_of_which_it_is_not_known():
    """Nor over none that works."""
    assert support_of_route({"a": ({"list_calls": FULL}, INTERFACES), "b": (None, INTERFACES)}) is None
    assert support_of_route({}) is None


def test_a_report_for_people_has_an_argument_a_line():
    """With the reason of each; what was not measured is not told."""
    supported = {"start_call": partial("wait", "hotline"), "list_calls": FULL, "park_call": unsupported("park_call")}
    limits = Limits(page_rows=50, values={"create_hook.event": ()}, recording_ranges=False)

    assert [
        ("start_call", "partial", "wait", "one cannot be told wait"),
        ("", "", "hotline", "one cannot be told hotline"),
        ("list_calls", "full", "", ""),
        ("park_call", "unsupported", "", "one lacks it"),
    ] == list(rows_of(supported))
    assert [
        ("records on a page, of 300", "50"),
        ("words for create_hook.event", "none"),
        ("a recording in parts", "no"),
    ] == list(lines_of(limits))
