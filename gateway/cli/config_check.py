"""What a configuration says and what is wrong in it, explained without calling anybody."""

import enum
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from gateway_contracts import ConfigError, PluginError, Secret, interface_name

from ..accounts.connecting import make_plan
from ..accounts.vendors import vendor_names
from ..config import AccountConfig, Config, ProxyConfig, make_config, read_toml
from ..facade import Gateway

STARS = "********"


@attrs.frozen(kw_only=True)
class AccountSummary:
    """An account as it is configured. `interfaces` is None where a problem keeps us from asking the plugin."""

    name: str
    vendor: str
    plugin: str
    settings: dict[str, Any]
    timeouts: dict[str, float]
    interfaces: tuple[str, ...] | None = None

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"\naccount {self.name}"
        yield f"  vendor    {self.vendor} ({self.plugin})"
        if self.interfaces is not None:
            yield f"  can do    {', '.join(self.interfaces)}"
        yield f"  timeouts  {', '.join(f'{name} {seconds:g} s' for name, seconds in self.timeouts.items())}"
        for name, value in self.settings.items():
            yield f"  settings  {name} = {json.dumps(value, ensure_ascii=False)}"


@attrs.frozen(kw_only=True)
class ConfigCheck:
    """A whole configuration. `problems` are pairs of a path and what is wrong there; with any, something does not work.

    `config` is None where the problems keep us from reading it as a whole.
    """

    problems: list[tuple[str, str]]
    accounts: list[AccountSummary]
    config: Config | None
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        config = self.config or Config()
        keys = [{"name": key.name, "scopes": key.scopes, "accounts": key.accounts} for key in config.proxy.keys]
        return {
            "problems": [{"path": path, "problem": text} for path, text in self.problems],
            "accounts": [attrs.asdict(account) for account in self.accounts],
            "routes": [{"name": name, **attrs.asdict(route)} for name, route in config.routes.items()],
            "sidecar": {"listen": config.proxy.listen, "webhook_hosts": config.proxy.webhook_hosts, "keys": keys}
            if self.config
            else None,
            "notes": self.notes,
        }

    def lines(self, path: Path) -> Iterator[str]:
        """For people. *path* is where the configuration stands."""
        count = len(self.problems)
        if count:
            yield f"{path} cannot be used: {count} problem{'s' if count > 1 else ''}"
            yield from (f"  {where}: {text}" for where, text in self.problems)
        else:
            yield f"{path} can be used"
        for account in self.accounts:
            yield from account.lines()
        if self.config is not None:
            for name, route in self.config.routes.items():
                yield f"\nroute {name}"
                yield f"  accounts  {', then '.join(route.accounts)}"
                yield f"  goes on   when nothing was sent{''.join(f', on {code}' for code in route.failover_on)}"
            yield from _sidecar_lines(self.config.proxy)
        yield from (f"\nnote: {note}" for note in self.notes)


async def check_config(path: Path) -> ConfigCheck:
    """Everything that can be said about the configuration at *path*, with all its problems.

    Raises: ConfigError when there is no such file or it is not TOML.
    """
    problems: list[tuple[str, str]] = []
    config: Config | None = None
    data = read_toml(path)
    try:
        config = make_config(data, beside=path.parent)
    except ConfigError as error:
        problems += _problems_in(error)
    installed = vendor_names()
    accounts: list[AccountSummary] = []
    for name, account in (config.accounts if config else _readable_accounts(data)).items():
        try:
            plan = make_plan(name, account, path.parent)
        except ConfigError as error:
            problems += [problem for problem in _problems_in(error) if problem not in problems]
        except PluginError as error:
            problems.append((f"accounts.{name}.vendor", _without_path(error, name)))
        else:
            accounts.append(
                AccountSummary(
                    name=name,
                    vendor=account.vendor,
                    plugin=installed.get(account.vendor, "?"),
                    settings=_shown(plan.settings),
                    timeouts=attrs.asdict(account.timeouts),
                )
            )
    if not problems:
        try:
            async with Gateway.from_file(path) as gateway:  # plugins connect without calling the vendor
                problems += [
                    (f"accounts.{each.name}.vendor", _without_path(each.broken, each.name))
                    for each in gateway
                    if each.broken and each.vendor
                ]
                accounts = [
                    attrs.evolve(each, interfaces=tuple(map(interface_name, gateway[each.name].interfaces)) or None)
                    for each in accounts
                ]
        except ConfigError as error:
            problems += _problems_in(error)
    return ConfigCheck(
        problems=problems, accounts=accounts, config=config, notes=[*_notes(data), *_notes_of_keys(config or Config())]
    )


def _sidecar_lines(proxy: ProxyConfig) -> Iterator[str]:
    yield "\nsidecar"
    yield f"  listens   {proxy.listen} ({'this machine only' if proxy.loopback else 'others can reach it'})"
    for key in proxy.keys:
        yield f"  key       {key.name}: scopes {', '.join(key.scopes)}; accounts {', '.join(key.accounts)}"
    if proxy.webhook_hosts:
        yield f"  webhooks  also to {', '.join(proxy.webhook_hosts)}, over http too"
    if not proxy.keys:
        yield "  keys      none: everybody on this machine may do everything"


def _without_path(error: PluginError, account: str) -> str:
    return str(error).removeprefix(f"accounts.{account}: ")


def _problems_in(error: ConfigError) -> list[tuple[str, str]]:
    first, *others = error.message.splitlines()
    pairs = [line.partition(": ") for line in others]
    return [(error.path, first), *((path, text) for path, _, text in pairs)]


def _readable_accounts(data: dict[str, Any]) -> dict[str, AccountConfig]:
    """The accounts of a configuration that is wrong somewhere, so that their settings are checked all the same."""
    tables = data.get("accounts")
    return {
        name: AccountConfig(vendor=table["vendor"], settings=table.get("settings", {}))
        for name, table in (tables.items() if isinstance(tables, dict) else ())
        if isinstance(table, dict)
        and isinstance(table.get("vendor"), str)
        and isinstance(table.get("settings", {}), dict)
    }


def _notes(data: dict[str, Any]) -> list[str]:
    accounts = table if isinstance(table := data.get("accounts"), dict) else {}
    notes = []
    if not accounts:
        notes.append("there is no account: add [accounts.<name>] with a vendor; `gateway vendors` shows which")
    notes += [
        f"accounts.{name}.reconcile_seconds is 0: events that the vendor loses are not found, and calls may stay open"
        for name, account in accounts.items()
        if isinstance(account, dict) and account.get("reconcile_seconds") == 0
    ]
    return notes


def _notes_of_keys(config: Config) -> Iterator[str]:
    """Keys that may read events and see none: an event is of an account, and may be of a call that no route made."""
    for key in config.proxy.keys:
        if "events" not in key.scopes or "*" in key.accounts:
            continue
        for name in key.accounts:
            routed = config.routes[name].accounts if name in config.routes else ()
            lacking = [each for each in routed if each not in key.accounts]
            if lacking:
                yield (
                    f"the key {key.name} sees no events, conversations or webhooks of {', '.join(lacking)}: the route "
                    f"{name} gives it none; name these accounts in its accounts to show it all that happens on them"
                )


def _shown(value: Any) -> Any:
    """*value* of a setting as JSON, with stars for what is secret; what is not set is left out."""
    if isinstance(value, Secret):
        return STARS
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if attrs.has(type(value)):
        return {
            field.name: _shown(getattr(value, field.name))
            for field in attrs.fields(type(value))
            if not field.name.startswith("_") and getattr(value, field.name) is not None
        }
    if isinstance(value, Mapping):
        return {str(_shown(key)): _shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(each) for each in value]
    return value if isinstance(value, str | int | float | bool) else str(value)
