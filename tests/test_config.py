"""gateway.toml is read strictly: what is wrong is named by its path, with what to write instead."""

import contextlib
import math

import pytest
from gateway_contracts import Secret, Timeouts

from gateway import ConfigError, Gateway
from gateway.config import make_config, read_config

HASH = "a" * 64
# DESIGN, Configuration. What is an ellipsis there has a value here.
DESIGN = """
[accounts.hanoi]
vendor = "tel4vn-v1"
hook_token = { env = "HANOI_HOOK" }        # the secret in /hooks/hanoi/<token>
reconcile_seconds = 60                     # core settings of an account; 0 = off
[accounts.hanoi.timeouts]                  # seconds
connect = 5
read = 30
dial = 20
dial_wait = 120
[accounts.hanoi.settings]                  # the plugin's own settings
base_url = "https://pbx.example.vn"
timezone = "Asia/Ho_Chi_Minh"              # the default for these vendors
api_key  = { env = "TEL4VN_API_KEY" }      # or username and password, exchanged for an api key
tenant_secret = { env = "TEL4VN_TENANTS" } # only for Tenants: the vendor's separate secret token

[accounts.hotline]
vendor = "antbuddy"
[accounts.hotline.settings]
app_id = "7"
devices = { "101" = { sip_user = "u", sip_password = { env = "SIP" } } }

[routes.sales]
accounts = ["hanoi", "hotline"]
failover_on = []                           # documented rejections that may fail over, beside "nothing was sent"

[proxy]
listen = "127.0.0.1:8080"                  # loopback unless told otherwise; keys are required on any other address
public_url = "https://gateway.example.vn"  # where vendors reach /hooks
[[proxy.keys]]
name = "crm"
sha256 = "HASH"                            # of the key; `gateway keys new` prints both
scopes = ["calls", "records", "events"]    # see below; also "campaigns" and "admin"
accounts = ["*"]

[journal]
url = "sqlite:///gateway.db"               # default, beside gateway.toml
retention_days = 90
""".replace("HASH", HASH)
PBX = {"pbx": {"vendor": "memory"}}


def refused(data):
    """The error that *data* is refused with."""
    with pytest.raises(ConfigError) as caught:
        make_config(data)
    return caught.value


def test_the_designs_example_is_read(tmp_path, monkeypatch):
    """Every key of it has its place."""
    monkeypatch.setenv("HANOI_HOOK", "hook-of-sixteen-or-more")
    file = tmp_path / "gateway.toml"
    file.write_text(DESIGN)

    config = read_config(file)

    assert ("tel4vn-v1", Secret("hook-of-sixteen-or-more"), 60) == (
        config.accounts["hanoi"].vendor,
        config.accounts["hanoi"].hook_token,
        config.accounts["hanoi"].reconcile_seconds,
    )
    assert Timeouts(connect=5, read=30, dial=20, dial_wait=120) == config.accounts["hanoi"].timeouts
    assert "Asia/Ho_Chi_Minh" == config.accounts["hanoi"].settings["timezone"]
    assert (("hanoi", "hotline"), ()) == (config.routes["sales"].accounts, config.routes["sales"].failover_on)
    assert ("127.0.0.1", 8080) == config.proxy.address
    assert ("crm", ("calls", "records", "events"), ("*",)) == (
        config.proxy.keys[0].name,
        config.proxy.keys[0].scopes,
        config.proxy.keys[0].accounts,
    )
    assert (Secret("sqlite:///gateway.db"), 90) == (config.journal.url, config.journal.retention_days)


def test_a_file_may_be_empty(tmp_path):
    """Everything has a default; a gateway without accounts listens on loopback."""
    file = tmp_path / "gateway.toml"
    file.write_text("")

    config = read_config(file)

    assert ({}, ("127.0.0.1", 8080), True) == (config.accounts, config.proxy.address, config.proxy.loopback)


@pytest.mark.parametrize(
    ("path", "hint", "data"),
    [
        ("acounts", "accounts", {"acounts": {}}),
        ("accounts.pbx.vender", "vendor", {"accounts": {"pbx": {"vendor": "memory", "vender": "x"}}}),
        ("accounts.pbx.timeouts.raed", "read", {"accounts": {"pbx": {"vendor": "memory", "timeouts": {"raed": 1}}}}),
        ("routes.r.acounts", "accounts", {"routes": {"r": {"accounts": [], "acounts": []}}}),
        ("proxy.listn", "listen", {"proxy": {"listn": "x"}}),
        (
            "proxy.keys[0].scope",
            "scopes",
            {"proxy": {"keys": [{"name": "a", "sha256": HASH, "scopes": [], "scope": 1}]}},
        ),
        ("journal.retention", "retention_days", {"journal": {"retention": 1}}),
    ],
)
def test_an_unknown_key_is_refused_with_its_path_and_the_nearest_name(path, hint, data):
    """A misspelt setting is never ignored."""
    error = refused(data)

    assert path == error.path
    assert f"did you mean {hint!r}" in error.message


def test_an_unknown_setting_of_a_plugin_is_refused_with_its_path():
    """The plugin's settings class says which there are."""
    with pytest.raises(ConfigError) as caught:
        Gateway.from_config({"accounts": {"pbx": {"vendor": "memory", "settings": {"extensionz": []}}}})

    assert "accounts.pbx.settings.extensionz" == caught.value.path
    assert "did you mean 'extensions'" in caught.value.message


def test_every_wrong_key_is_named_at_once():
    """So that a file is mended in one go."""
    error = refused({"acounts": {}, "proxy": {"listen": 5}, "journal": {"retention_days": "x"}})

    assert all(path in str(error) for path in ("acounts", "proxy.listen", "journal.retention_days"))


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("accounts", {"accounts": []}),
        ("accounts", {"accounts": "x"}),
        ("accounts.pbx", {"accounts": {"pbx": 5}}),
        ("accounts.pbx.vendor", {"accounts": {"pbx": {}}}),
        ("accounts.pbx.vendor", {"accounts": {"pbx": {"vendor": None}}}),
        ("accounts.pbx.settings", {"accounts": {"pbx": {"vendor": "memory", "settings": []}}}),
        ("accounts.pbx.timeouts", {"accounts": {"pbx": {"vendor": "memory", "timeouts": 5}}}),
        ("accounts.pbx.timeouts.read", {"accounts": {"pbx": {"vendor": "memory", "timeouts": {"read": "5"}}}}),
        ("accounts.pbx.timeouts.read", {"accounts": {"pbx": {"vendor": "memory", "timeouts": {"read": True}}}}),
        ("accounts.pbx.reconcile_seconds", {"accounts": {"pbx": {"vendor": "memory", "reconcile_seconds": 1.5}}}),
        ("accounts.pbx.reconcile_seconds", {"accounts": {"pbx": {"vendor": "memory", "reconcile_seconds": -1}}}),
        ("journal.retention_days", {"journal": {"retention_days": 0}}),
        ("accounts.a.hook_token", {"accounts": {"a": {"vendor": "memory", "hook_token": "short"}}}),
        ("accounts.a.hook_token", {"accounts": {"a": {"vendor": "memory", "hook_token": "with/a/slash/and/a/?"}}}),
        ("accounts.a.hook_key_in", {"accounts": {"a": {"vendor": "memory", "hook_key_in": []}}}),
        ("proxy.public_url", {"proxy": {"public_url": "gateway.example.vn"}}),
        ("proxy.public_url", {"proxy": {"public_url": "https://gateway.example.vn/?a=b"}}),
        ("proxy.webhook_hosts", {"proxy": {"webhook_hosts": "crm.internal"}}),
        ("proxy.webhook_hosts[1]", {"proxy": {"webhook_hosts": ["crm.internal", "http://crm.internal"]}}),
        ("proxy.webhook_hosts[0]", {"proxy": {"webhook_hosts": ["crm.internal:8080"]}}),
        ("routes", {"routes": 1}),
        ("routes.r.accounts", {"routes": {"r": {}}}),
        ("routes.r.accounts", {"routes": {"r": {"accounts": "pbx"}}}),
        ("proxy.keys", {"proxy": {"keys": {"name": "a"}}}),
        ("proxy.keys[0].scopes", {"proxy": {"keys": [{"name": "a", "sha256": HASH}]}}),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_path(path, data):
    """Nothing is guessed."""
    assert path == refused(data).path


@pytest.mark.parametrize("field", ["connect", "read", "dial", "dial_wait"])
@pytest.mark.parametrize("value", [0, 0.0, -1, math.nan, math.inf, -math.inf])
def test_a_timeout_must_be_more_than_nothing(field, value):
    """TOML knows nan and inf too."""
    error = refused({"accounts": {"pbx": {"vendor": "memory", "timeouts": {field: value}}}})

    assert f"accounts.pbx.timeouts.{field}" == error.path


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "-a", "a b", "ă", "..", "a" * 64, "a:b"])
def test_a_name_must_fit_into_a_path(name):
    """Names stand in addresses and logs."""
    assert f"accounts.{name}" == refused({"accounts": {name: {"vendor": "memory"}}}).path


# Secrets


def test_a_secret_may_come_from_the_environment(monkeypatch):
    """`{ env = "NAME" }`."""
    monkeypatch.setenv("HOOK", "s3cr3t")

    config = make_config({"accounts": {"pbx": {"vendor": "memory", "hook_key": {"env": "HOOK"}}}})

    assert Secret("s3cr3t") == config.accounts["pbx"].hook_key


def test_a_secret_may_come_from_a_file_beside_the_configuration(tmp_path):
    """`{ file = "…" }`, relative to gateway.toml; a line break at the end is not part of it."""
    (tmp_path / "hook").write_text(" s3cr3t \n")
    (tmp_path / "gateway.toml").write_text('[accounts.pbx]\nvendor = "memory"\nhook_key = { file = "hook" }\n')

    assert Secret(" s3cr3t ") == read_config(tmp_path / "gateway.toml").accounts["pbx"].hook_key


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NOT_SET_ANYWHERE is not set", {"env": "NOT_SET_ANYWHERE"}),
        ("EMPTY is not set", {"env": "EMPTY"}),
        ("cannot be read", {"file": "missing"}),
        ("cannot be read", {"file": "."}),
        ("cannot be read", {"file": "binary"}),
        ("empty or too large", {"file": "blank"}),
        ("empty or too large", {"file": "large"}),
        ("must be text", {"envv": "NAME"}),
        ("must be text", {"env": 5}),
        ("must be text", {"env": "A", "file": "b"}),
        ("must be text", {}),
        ("must be text", 5),
        ("must be text", ["s3cr3t"]),
        ("must be text", True),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_by_its_path(tmp_path, monkeypatch, text, value):
    """With where it was looked for, and never with what was found."""
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "blank").write_text(" \n")
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match=text) as caught:
        make_config({"accounts": {"pbx": {"vendor": "memory", "hook_key": value}}}, beside=tmp_path)

    assert "accounts.pbx.hook_key" == caught.value.path
    assert "s3cr3t" not in str(caught.value)


# Routes


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("routes.r.accounts", {"accounts": []}),
        ("routes.r.accounts[1]", {"accounts": ["pbx", "pbxx"]}),
        ("routes.r.failover_on[0]", {"accounts": ["pbx"], "failover_on": ["agent_busyy"]}),
    ],
)
def test_a_route_to_nowhere_is_refused(path, route):
    """Accounts and codes must exist."""
    assert path == refused({"accounts": PBX, "routes": {"r": route}}).path


def test_a_route_says_which_account_was_meant():
    """The nearest name."""
    assert "did you mean 'pbx'" in refused({"accounts": PBX, "routes": {"r": {"accounts": ["pbxx"]}}}).message


def test_a_route_must_not_hide_an_account():
    """Both are asked for by name."""
    assert "routes.pbx" == refused({"accounts": PBX, "routes": {"pbx": {"accounts": ["pbx"]}}}).path


# Proxy


@pytest.mark.parametrize(
    ("expected", "listen"),
    [
        (("127.0.0.1", 8080), "127.0.0.1:8080"),
        (("::1", 1), "[::1]:1"),
        (("localhost", 65535), "localhost:65535"),
        (("127.9.9.9", 0), "127.9.9.9:0"),
    ],
)
def test_an_address_to_listen_on_is_host_and_port(expected, listen):
    """Loopback addresses need no key."""
    assert expected == make_config({"proxy": {"listen": listen}}).proxy.address


@pytest.mark.parametrize(
    "listen",
    ["", "8080", ":8080", "localhost", "localhost:", "localhost:65536", "localhost:-1", "::1:80", "a:b", "a:\u0661"],
)
def test_an_address_that_is_none_is_refused(listen):
    """The error shows how one looks."""
    error = refused({"proxy": {"listen": listen}})

    assert "proxy.listen" == error.path
    assert "127.0.0.1:8080" in error.message


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "192.168.1.5:80", "gateway.example.vn:80", "128.0.0.1:1"])
def test_without_keys_only_this_machine_is_listened_to(listen):
    """Whoever can reach the sidecar could dial."""
    key = {"name": "a", "sha256": HASH, "scopes": ["calls"]}

    assert "proxy.keys" == refused({"proxy": {"listen": listen}}).path
    assert not make_config({"proxy": {"listen": listen, "keys": [key]}}).proxy.loopback


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("proxy.keys[0].sha256", {"sha256": "a" * 63}),
        ("proxy.keys[0].sha256", {"sha256": "A" * 64}),
        ("proxy.keys[0].sha256", {"sha256": "g" * 64}),
        ("proxy.keys[0].scopes", {"scopes": ["call"]}),
        ("proxy.keys[0].accounts", {"accounts": ["pbxx"]}),
    ],
)
def test_a_key_with_unknown_parts_is_refused(path, change):
    """A key that can do nothing by mistake is found at the start."""
    key = {"name": "a", "sha256": HASH, "scopes": ["calls"], **change}

    assert path == refused({"accounts": PBX, "proxy": {"keys": [key]}}).path


def test_a_key_may_name_routes():
    """A route is used like an account."""
    key = {"name": "a", "sha256": HASH, "scopes": ["calls"], "accounts": ["r"]}

    config = make_config({"accounts": PBX, "routes": {"r": {"accounts": ["pbx"]}}, "proxy": {"keys": [key]}})

    assert ("r",) == config.proxy.keys[0].accounts


# The file


@pytest.mark.parametrize("content", [b"[accounts", b"a = 1\na = 2", b"\xff\xfe", b"x ="])
def test_a_file_that_is_not_toml_is_refused(tmp_path, content):
    """With its name."""
    file = tmp_path / "gateway.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"gateway\.toml"):
        read_config(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """A directory is not one either."""
    with pytest.raises(ConfigError, match="does not exist"):
        read_config(tmp_path / "gateway.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("more", "refused"), [({}, False), ({"scopes": ["calls"]}, True), ({"accounts": ["other"]}, True)]
)
def test_keys_of_one_name_are_one_key_that_is_being_replaced(more, refused):
    """What a key has is kept under its name, so another key must not have that name."""
    key = {"name": "crm", "scopes": ["calls", "events"], "accounts": ["pbx"]}
    keys = [{**key, "sha256": "a" * 64}, {**key, "sha256": "b" * 64, **more}]
    data = {"accounts": {**PBX, "other": {"vendor": "memory"}}, "proxy": {"keys": keys}}

    with pytest.raises(ConfigError, match=r"proxy\.keys\[1\]\.name") if refused else contextlib.nullcontext():
        make_config(data)
