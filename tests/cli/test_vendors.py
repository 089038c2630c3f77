"""`gateway vendors`: what is installed, what it can do, and what is broken."""

import json
from importlib.metadata import version

from gateway_contracts import OPERATIONS

from gateway.accounts.vendors import load_vendor

PICKY = """
import contextlib
import attrs
from gateway_contracts import Vendor, hookimpl

@attrs.frozen
class Settings:
    domain: str = attrs.field(validator=attrs.validators.matches_re("[a-z]+"))

@contextlib.asynccontextmanager
async def connect(account, settings):
    yield object()

@hookimpl
def gateway_vendor():
    return Vendor(name="picky", settings=Settings, connect=connect)
"""


def test_vendors_and_their_operations(gateway):
    """Each vendor is shown with its distribution and its operations."""
    done = gateway("vendors")

    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.exit_code == 0
    assert f"telephony-gateway {version('telephony-gateway')}" in lines["tel4vn-v1"]
    assert "start_call, list_calls," in lines["tel4vn-v1"]
    assert "start_call, list_calls," in lines["memory"]
    assert "load_queue" not in lines["tel4vn-v1"]


def test_vendors_as_json(gateway):
    """Programs get interfaces and operations as JSON."""
    found = {each["name"]: each for each in json.loads(gateway("vendors", "--json").stdout)}

    assert "tenants" in found["tel4vn-v1"]["interfaces"]
    assert set(found["tel4vn-v1"]["operations"]) < set(OPERATIONS)
    assert found["tel4vn-v1"]["broken"] is None


def test_one_vendor_with_what_it_cannot_do_why_and_its_limits(gateway):
    """As its plugin ships it: an argument a line, and what was measured."""
    done = gateway("vendors", "tel4vn-v2")

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert "transfer_call partial leg tel4vn-v2 cannot be told leg for a transfer: leave it out" in lines
    assert "list_calls full" in lines
    assert "park_call unsupported tel4vn-v2 has no call_control.park_call" in lines
    assert "records on a page, of 300 300" in lines


def test_one_vendor_as_json(gateway):
    """The report is the file that the plugin ships; what is unsupported is none of its operations."""
    (found,) = json.loads(gateway("vendors", "antbuddy", "--json").stdout)

    assert json.loads(load_vendor("antbuddy").support.read_text(encoding="utf-8")) == found["report"]
    assert ["start_call", "list_records", "get_record", "locate_recording", "fetch_recording"] == found["operations"]
    assert "events" in found["interfaces"]


def test_a_vendor_that_no_plugin_supports_is_told_so(gateway):
    """With the name that was meant."""
    failed = gateway("vendors", "tel4vn-v3")

    assert failed.exit_code == 2
    assert "did you mean 'tel4vn-v2'" in failed.stderr


def test_broken_plugin_stops_nobody(gateway, install_plugin):
    """A plugin that cannot be imported is shown as broken, with the reason; the others are shown as ever."""
    install_plugin("acme", "acme_broken", "raise RuntimeError('no licence')")

    done = gateway("vendors")

    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.exit_code == 0
    assert "acme-plugin 1.0" in lines["acme"]
    assert "broken: " in lines["acme"]
    assert "RuntimeError: no licence" in lines["acme"]
    assert "start_call" in lines["tel4vn-v1"]


def test_plugin_that_needs_real_settings(gateway, install_plugin):
    """Where only a configured account can tell what a vendor can do, that is said."""
    install_plugin("picky", "picky_plugin", PICKY)

    done, as_json = gateway("vendors"), gateway("vendors", "--json")

    found = {each["name"]: each for each in json.loads(as_json.stdout)}
    assert "known when an account is configured" in done.stdout
    assert (found["picky"]["broken"], found["picky"]["operations"]) == (None, None)
