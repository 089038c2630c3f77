"""`gateway keys new`: a key, and what the configuration knows of it."""

import json
import tomllib

import pytest

from gateway.config import make_config
from gateway.keys import hash_of


def made(done):
    """The key and the TOML that a command printed."""
    _, key, _, toml = done.stdout.split("\n\n", 3)
    return key, toml


def test_key_and_its_entry(gateway):
    """The key is printed once; what to paste holds its hash only, and is accepted as it is."""
    key, toml = made(gateway("keys", "new"))

    config = make_config(tomllib.loads(toml))
    assert key.startswith("gw_")
    assert key not in toml
    assert config.proxy.keys[0].sha256 == hash_of(key)
    assert config.proxy.keys[0].scopes == ("calls", "records", "events")
    assert config.proxy.keys[0].accounts == ("*",)


def test_keys_differ(gateway):
    """No two keys are the same."""
    assert made(gateway("keys", "new"))[0] != made(gateway("keys", "new"))[0]


def test_name_scopes_and_accounts(gateway):
    """What is asked for stands in the entry, whatever letters it is made of."""
    name = 'CRM "Hà Nội" 😀'
    words = ("--name", name, "--scope", "admin", "--scope", "calls", "--account", "hanoi", "--account", "hue")

    _, toml = made(gateway("keys", "new", *words))

    entry = tomllib.loads(toml)["proxy"]["keys"][0]
    assert (entry["name"], entry["scopes"], entry["accounts"]) == (name, ["admin", "calls"], ["hanoi", "hue"])


def test_key_as_json(gateway):
    """Scripts get key and entry as JSON."""
    answer = json.loads(gateway("keys", "new", "--json").stdout)

    assert answer["entry"]["sha256"] == hash_of(answer["key"])
    assert tomllib.loads(answer["toml"])["proxy"]["keys"] == [answer["entry"]]


@pytest.mark.parametrize("scope", ["call", ""])
def test_unknown_scope(gateway, scope):
    """A scope that there is not is refused with those that there are, and no key is made."""
    refused = gateway("keys", "new", "--scope", scope)

    assert refused.exit_code == 2
    assert "there are: calls, records, events, campaigns, admin" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x7f"])
def test_name_that_cannot_be_read(gateway, name):
    """A name is something to read in a log."""
    refused = gateway("keys", "new", "--name", name)

    assert refused.exit_code == 2
    assert "--name" in refused.stderr
