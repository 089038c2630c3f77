"""Plugins are found by the vendor's name, and a broken one stops only those who use it."""

import sys

import pytest

from gateway import Gateway, PluginError
from gateway.registry import load_vendor, vendor_names

GOOD = """
from gateway_contracts import Vendor, hookimpl
@hookimpl
def gateway_vendor():
    return Vendor(name="{name}", settings=object, connect=None)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a distribution with one plugin on the path: module, its source, and the vendor's name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(module, source, name, *, dist=None):
        dist = dist or module.replace("_", "-")
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[telephony_gateway.vendors]\n{name} = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    yield add
    for module in tmp_path.glob("*.py"):
        sys.modules.pop(module.stem, None)


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
    ],
)
def test_a_broken_plugin_that_is_named_is_told_what_to_mend(install, text, source):
    """The account, the vendor, the plugin and what is wrong with it."""
    install("plugin_broken", source, "broken")

    with pytest.raises(PluginError) as caught:
        Gateway.from_config({"accounts": {"pbx": {"vendor": "broken"}}})

    assert text in str(caught.value)
    assert "accounts.pbx" in str(caught.value)
    assert "plugin" in str(caught.value)


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
