"""`gateway check`: what a configuration says, and everything that is wrong in it."""

import json
from importlib.metadata import version

import pytest

SECRET = "not-to-be-seen"


@pytest.fixture
def write(tmp_path):
    """Writes a gateway.toml and gives its path."""

    def write(text):
        path = tmp_path / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_good_configuration_is_explained(gateway, account_toml, write, phones):
    """Accounts, routes, sidecar and keys are shown, and nobody is called."""
    config = write(
        account_toml
        + '[routes.sales]\naccounts = ["hanoi"]\nfailover_on = ["agent_busy"]\n'
        + f'[[proxy.keys]]\nname = "crm"\nsha256 = "{"0" * 64}"\nscopes = ["calls"]\naccounts = ["sales"]\n'
    )

    done = gateway("check", config=config)

    assert done.exit_code == 0
    for line in (
        f"{config} can be used",
        "account hanoi",
        f"  vendor    tel4vn-v1 (telephony-gateway {version('telephony-gateway')})",
        "  can do    click_to_call, call_control, history, recording, events, reports, agents, tenants",
        f'  settings  base_url = "{phones.pbx.url}"',
        '  settings  api_key = "********"',
        '  settings  timezone = "Asia/Ho_Chi_Minh"',
        "route sales",
        "  goes on   when nothing was sent, on agent_busy",
        "  listens   127.0.0.1:8080 (this machine only)",
        "  key       crm: scopes calls; accounts sales",
    ):
        assert line in done.stdout.splitlines()
    assert phones.pbx.requests == []


def test_secrets_are_stars(gateway, write, tmp_path):
    """No secret is shown, wherever it comes from."""
    (tmp_path / "password").write_text(SECRET)
    config = write(
        '[accounts.hanoi]\nvendor = "tel4vn-v1"\n[accounts.hanoi.settings]\nbase_url = "https://pbx.example.vn"\n'
        f'api_key = "{SECRET}"\nusername = "u"\npassword = {{ file = "password" }}\ntenant_secret = {{ env = "T" }}\n'
    )

    for words in (("check",), ("check", "--json")):
        done = gateway(*words, config=config, env={"T": SECRET})

        assert done.exit_code == 0
        assert done.stdout.count("********") == 3
        assert SECRET not in done.output


def test_explanation_as_json(gateway, config):
    """Programs get the same as JSON."""
    answer = json.loads(gateway("check", "--json", config=config).stdout)

    assert answer["problems"] == []
    assert answer["accounts"][0]["name"] == "hanoi"
    assert answer["accounts"][0]["settings"]["api_key"] == "********"
    assert "history" in answer["accounts"][0]["interfaces"]
    assert answer["sidecar"] == {"listen": "127.0.0.1:8080", "webhook_hosts": [], "keys": []}


PROBLEMS = {
    "accounts.a.settings.base_url": "is missing",
    "accounts.a.settings.api_kee": "is not known here (did you mean 'api_key'?)",
    "accounts.b.vendor": "no installed plugin supports the vendor 'tel4vn-v9'",
    "accounts.c.settings.api_key": "the environment variable NO_SUCH_NAME is not set",
    "accounts.c.timeouts.read": "must be more than 0 seconds",
    "routes.sales.accounts[0]": "there is no account 'd'",
    "routes.sales.failover_on[0]": "'agent_bussy' is no error code; write one of agent_busy, agent_not",
    "routes.support.accounts": "must name at least one account",
    "proxy.keys[0].sha256": "must be 64 hexadecimal digits",
    "proxy.keys[0].scopes": "there is no scope 'call' (did you mean 'calls'?)",
    "proxy.listen": "must be host:port",
}
WRONG = """
[accounts.a]
vendor = "tel4vn-v1"
settings = { api_kee = "x" }
[accounts.b]
vendor = "tel4vn-v9"
[accounts.c]
vendor = "tel4vn-v1"
settings = { base_url = "https://pbx.example.vn", api_key = { env = "NO_SUCH_NAME" } }
timeouts = { read = 0 }
[routes.sales]
accounts = ["d"]
failover_on = ["agent_bussy"]
[routes.support]
accounts = []
[proxy]
listen = "8080"
[[proxy.keys]]
name = "crm"
sha256 = "x"
scopes = ["call"]
"""


def test_all_problems_are_shown_at_once(gateway, write):
    """Every problem is named by its path, so that one look is enough."""
    failed = gateway("check", config=write(WRONG))

    assert failed.exit_code == 3
    assert f"cannot be used: {len(PROBLEMS)} problems\n" in failed.stdout
    for path, text in PROBLEMS.items():
        assert f"  {path}: {text}" in failed.stdout


def test_all_problems_as_json(gateway, write):
    """Programs get each problem with its path."""
    failed = gateway("check", "--json", config=write(WRONG))

    found = {each["path"]: each["problem"] for each in json.loads(failed.stdout)["problems"]}
    assert failed.exit_code == 3
    assert found.keys() == PROBLEMS.keys()


def test_settings_are_checked_beside_a_wrong_type(gateway, write):
    """A wrong type elsewhere does not hide what is wrong with an account."""
    failed = gateway("check", config=write(WRONG + "[journal]\nretention_days = 'many'\nurll = 'x'\n"))

    assert failed.exit_code == 3
    assert "  journal.retention_days: must be a whole number, not text" in failed.stdout
    assert "  journal.urll: is not known here" in failed.stdout
    assert "  accounts.a.settings.base_url: is missing" in failed.stdout


@pytest.mark.parametrize(
    "text", ["accounts = 1", "accounts = { a = 1 }", "accounts = { a = { vendor = 1 } }", "proxy = []"]
)
def test_wrong_shapes_are_problems(gateway, write, text):
    """Whatever the file holds instead of tables, there is a problem and no traceback."""
    failed = gateway("check", config=write(text))

    assert failed.exit_code == 3
    assert "1 problem\n" in failed.stdout


def test_open_sidecar_needs_keys(gateway, write):
    """An address that others can reach is a problem without keys."""
    failed = gateway("check", config=write('[proxy]\nlisten = "0.0.0.0:8080"\n'))

    assert failed.exit_code == 3
    assert "  proxy.keys: are needed to listen on 0.0.0.0:8080" in failed.stdout


def test_missing_file(gateway, tmp_path):
    """Without a file there is nothing to explain."""
    failed = gateway("check", config=tmp_path / "none.toml")

    assert failed.exit_code == 3
    assert "none.toml does not exist" in failed.stderr


def test_an_account_that_is_not_reconciled_is_noted(gateway, account_toml, write):
    """Whoever switches it off is told what that means."""
    config = write(account_toml.replace("[accounts.hanoi]\n", "[accounts.hanoi]\nreconcile_seconds = 0\n"))

    done = gateway("check", config=config)

    assert done.exit_code == 0
    assert "note: accounts.hanoi.reconcile_seconds is 0: events that the vendor loses are not found" in done.stdout


def test_a_key_of_a_route_that_sees_no_events_is_noted(gateway, account_toml, write):
    """It may dial through the route; events are of accounts. One that names those, or does not read events, is not."""
    keys = [
        ("blind", ["calls", "events"], ["sales"]),
        ("caller", ["calls"], ["sales"]),
        ("reader", ["events"], ["sales", "hanoi"]),
        ("all", ["events"], ["*"]),
    ]
    tables = "".join(
        f'[[proxy.keys]]\nname = "{name}"\nsha256 = "{"0" * 64}"\nscopes = {scopes}\naccounts = {accounts}\n'
        for name, scopes, accounts in keys
    )
    config = write(f'{account_toml}[routes.sales]\naccounts = ["hanoi"]\n{tables}')

    done = gateway("check", config=config)

    notes = [line for line in done.stdout.splitlines() if line.startswith("note: ")]
    assert (0, 1) == (done.exit_code, len(notes))
    assert notes[0].startswith(
        "note: the key blind sees no events, conversations or webhooks of hanoi: the route sales"
    )


def test_nothing_is_noted_that_is_not_there(gateway, config):
    """A file without such settings gets no notes."""
    assert "note:" not in gateway("check", config=config).stdout


def test_broken_plugin_is_a_problem_of_its_account(gateway, write, install_plugin):
    """The account that uses a broken plugin is named, with the reason."""
    install_plugin("acme", "acme_broken", "raise RuntimeError('no licence')")

    failed = gateway("check", config=write('[accounts.a]\nvendor = "acme"\n'))

    assert failed.exit_code == 3
    assert (
        "  accounts.a.vendor: the plugin of vendor 'acme' (acme_broken, acme-plugin 1.0) cannot be loaded"
        in failed.stdout
    )
    assert "no licence" in failed.stdout


def test_hosts_that_webhooks_may_go_to_are_shown(gateway, write):
    """They are an exception that an operator should see."""
    shown = gateway("check", config=write('[proxy]\nwebhook_hosts = ["crm.internal", "10.0.0.7"]\n'))

    assert "  webhooks  also to crm.internal, 10.0.0.7, over http too" in shown.stdout


def test_a_plugin_that_fails_to_connect_is_a_problem_of_its_account(gateway, write, install_plugin):
    """The check opens the accounts as the sidecar would, and says which could not be."""
    code = (
        "import contextlib, attrs\nfrom gateway_contracts import Vendor, hookimpl\n"
        "Settings = attrs.make_class('Settings', {})\n"
        "@contextlib.asynccontextmanager\nasync def connect(account, settings):\n    raise RuntimeError\n    yield\n"
        "@hookimpl\ndef gateway_vendor():\n    return Vendor(name='acme', settings=Settings, connect=connect)\n"
    )
    install_plugin("acme", "acme_broken", code)

    failed = gateway("check", config=write('[accounts.a]\nvendor = "acme"\n[accounts.b]\nvendor = "memory"\n'))

    assert failed.exit_code == 3
    assert "  accounts.a.vendor: the plugin of acme failed to connect: RuntimeError" in failed.stdout
    assert "1 problem\n" in failed.stdout


def test_other_accounts_are_called_beside_a_broken_one(gateway, write, install_plugin):
    """A command for an account that works does its work; the log tells of the other."""
    install_plugin("acme", "acme_broken", "raise RuntimeError('no licence')")
    config = write('[accounts.a]\nvendor = "acme"\n[accounts.b]\nvendor = "memory"\n')

    done = gateway("call", "b", "list_calls", config=config)
    failed = gateway("call", "a", "list_calls", config=config)

    assert (done.exit_code, failed.exit_code) == (0, 1)
    assert "account.broken account=a" in done.stderr
    assert "no licence" in failed.stderr
