"""Plugins are found by the vendor's name, and a broken one stops only those who use it."""

import sys

import pytest

from gateway import ConfigError, Gateway, PluginError, facade
from gateway.accounts.vendors import load_vendor, vendor_names

GOOD = """
from gateway_contracts import Vendor, hookimpl
@hookimpl
def gateway_vendor():
    return Vendor(name="{name}", settings=object, connect=None)
"""


def test_a_vendor_is_found_by_its_name():
    """The memory plugin is installed with the gateway."""
    vendor = load_vendor("memory")

    assert ("memory", "Settings") == (vendor.name, vendor.settings.__name__)


def test_a_third_partys_plugin_is_found_by_its_name(install):
    """An entry point is all it takes."""
    install("plugin_good", GOOD.format(name="acme"), "acme")

    assert "acme" == load_vendor("acme").name
    assert "plugin-good 1.0" == vendor_names()["acme"]


def test_a_broken_plugin_that_nobody_uses_stops_nobody(install):
    """It is not even imported."""
    install("plugin_broken", "raise RuntimeError('broken')", "broken")

    Gateway.from_config({"accounts": {"pbx": {"vendor": "memory"}}})

    assert "broken" in vendor_names()
    assert "plugin_broken" not in sys.modules


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("RuntimeError: no licence", "raise RuntimeError('no licence')"),
        ("No module named 'not_there'", "import not_there"),
        ("SyntaxError", "def"),
        ("one hook `gateway_vendor`", ""),
        ("cannot be loaded", "from gateway_contracts import hookimpl\n@hookimpl\ndef gateway_vendr(): ..."),
        ("cannot be loaded", "from gateway_contracts import hookimpl\n@hookimpl\ndef gateway_vendor(name): ..."),
        ("RuntimeError: too late", GOOD.replace("return", "raise RuntimeError('too late')  #")),
        ("with that name", GOOD.format(name="other")),
        ("one hook `gateway_vendor`", GOOD.replace("return", "return None  #")),
        ("one hook `gateway_vendor`", GOOD.replace("return", "return 'broken'  #")),
        ("SystemExit: 1", "raise SystemExit(1)"),
        (
            "against contracts '2.0'",
            GOOD.format(name="broken").replace("connect=None", "connect=None, contracts='2.0'"),
        ),
    ],
)
async def test_a_broken_plugin_that_is_named_is_told_what_to_mend(install, text, source):
    """The account, the vendor, the plugin and what is wrong with it, whenever the account is used."""
    install("plugin_broken", source, "broken")

    async with Gateway.from_config({"accounts": {"pbx": {"vendor": "broken"}}}) as gateway:
        reason = str(gateway["pbx"].broken)

    assert text in reason
    assert "accounts.pbx" in reason
    assert "plugin" in reason


def declaring(version):
    return GOOD.format(name="acme").replace("connect=None", f"connect=None, contracts={version!r}")


@pytest.mark.parametrize("version", ["1.0", "1.4"])
def test_a_plugin_for_these_contracts_or_older_ones_of_the_same_kind_is_loaded(install, monkeypatch, version):
    """What was there in 1.4 is there in 1.5."""
    monkeypatch.setattr("gateway.accounts.vendors.CONTRACTS_VERSION", "1.5")
    install("plugin_good", declaring(version), "acme")

    assert version == load_vendor("acme").contracts


@pytest.mark.parametrize("version", ["1.6", "0.9", "2.0", "2.5", "", "1", "1.5.0", "one", None])
def test_a_plugin_for_other_contracts_is_refused(install, monkeypatch, version):
    """Its plugin is named, with both versions and what to install."""
    monkeypatch.setattr("gateway.accounts.vendors.CONTRACTS_VERSION", "1.5")
    install("plugin_other", declaring(version), "acme")

    with pytest.raises(PluginError, match=r"plugin-other 1\.0.*against contracts .*this gateway has 1\.5: install"):
        load_vendor("acme")


def test_a_plugin_that_says_nothing_was_written_for_the_first_contracts(install, monkeypatch):
    """It works with all of 1, and is refused by 2."""
    install("plugin_silent", GOOD.format(name="acme"), "acme")

    assert "1.0" == load_vendor("acme").contracts
    monkeypatch.setattr("gateway.accounts.vendors.CONTRACTS_VERSION", "2.0")
    with pytest.raises(PluginError, match=r"against contracts '1\.0'"):
        load_vendor("acme")


def test_a_vendor_that_no_plugin_supports_stops_the_start():
    """That is a wrong setting, not a broken plugin."""
    with pytest.raises(ConfigError) as caught:
        Gateway.from_config({"accounts": {"pbx": {"vendor": "memry"}}})

    assert "accounts.pbx.vendor" == caught.value.path
    assert "did you mean 'memory'" in caught.value.message


def test_two_plugins_that_claim_one_name_are_both_named(install):
    """The operator has to choose."""
    install("plugin_one", GOOD.format(name="acme"), "acme")
    install("plugin_two", GOOD.format(name="acme"), "acme")

    with pytest.raises(PluginError) as caught:
        load_vendor("acme")

    assert "plugin-one" in str(caught.value)
    assert "plugin-two" in str(caught.value)
    assert "uninstall" in str(caught.value)


def test_a_vendor_that_nobody_supports_is_told_with_those_that_are():
    """And with the nearest."""
    with pytest.raises(PluginError) as caught:
        load_vendor("memry")

    assert "did you mean 'memory'" in str(caught.value)
    assert "tel4vn-v1" in str(caught.value)


def test_a_plugin_is_looked_for_once_however_many_accounts_it_has(monkeypatch):
    """To look for it reads what is installed, which takes longer than all the rest of an account."""
    looked_for = []

    def load(name):
        looked_for.append(name)
        return load_vendor(name)

    monkeypatch.setattr(facade, "load_vendor", load)

    Gateway.from_config({"accounts": {f"account-{number}": {"vendor": "memory"} for number in range(5)}})

    assert ["memory"] == looked_for
