"""gateway.toml, read and checked: what is wrong is named by its path, with what to write instead."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from gateway_contracts import (
    ERRORS,
    ConfigError,
    InvalidValue,
    Secret,
    Timeouts,
    from_settings,
    nearest,
)
from gateway_contracts.addresses import is_loopback

FAILOVER_CODES = (
    "agent_busy",
    "agent_not_registered",
    "conflict",
    "rate_limited",
    "vendor_auth_failed",
    "vendor_rejected",
    "vendor_unavailable",
)
"""The rejections that may let the next account of a route try, always with the proof that nothing rang."""
SCOPES = ("calls", "records", "events", "campaigns", "admin")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})|[0-9a-fA-F:.]{2,45}")
_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_MAX_SECRET_FILE = 64 * 1024


@attrs.frozen(kw_only=True)
class AccountConfig:
    """`[accounts.<name>]`. `settings` are the plugin's own and are checked against its settings class.

    `hook_token` is the secret in the account's hook address. With a `hook_key`, every webhook must show that key too,
    in one of the places `hook_key_in`: names of headers, "query" or "body" (there as `api_key` or `apikey`).
    """

    vendor: str
    settings: dict[str, Any] = attrs.field(factory=dict, repr=False)
    timeouts: Timeouts = Timeouts()
    hook_token: Secret | None = None
    hook_key: Secret | None = None
    hook_key_in: tuple[str, ...] = ("authorization", "x-api-key", "api-key", "apikey", "query", "body")
    reconcile_seconds: int = 60


@attrs.frozen(kw_only=True)
class RouteConfig:
    """`[routes.<name>]`: accounts in the order in which they are tried, and the codes that let the next one try."""

    accounts: tuple[str, ...]
    failover_on: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class KeyConfig:
    """`[[proxy.keys]]`: the SHA-256 of a key, in hex, and what its bearer may do."""

    name: str
    sha256: str = attrs.field(repr=False)
    scopes: tuple[str, ...]
    accounts: tuple[str, ...] = ("*",)


@attrs.frozen(kw_only=True)
class ProxyConfig:
    """`[proxy]`. Webhooks go to public addresses over TLS, and beside to the `webhook_hosts`, names or addresses."""

    listen: str = "127.0.0.1:8080"
    public_url: str | None = None
    webhook_hosts: tuple[str, ...] = ()
    keys: tuple[KeyConfig, ...] = ()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        found = _LISTEN.fullmatch(self.listen)
        if not found or int(found["port"]) > 65535:
            raise ConfigError("proxy.listen", "must be host:port, such as 127.0.0.1:8080 or [::1]:8080")
        return found["v6"] or found["host"], int(found["port"])

    @property
    def loopback(self) -> bool:
        """Only this machine reaches it."""
        return is_loopback(self.address[0])


@attrs.frozen(kw_only=True)
class JournalConfig:
    """`[journal]`. Without a `url` it is the file gateway.db beside gateway.toml."""

    url: Secret | None = None  # may hold a password
    retention_days: int = 90


@attrs.frozen(kw_only=True)
class Config:
    """A whole gateway.toml."""

    accounts: dict[str, AccountConfig] = attrs.field(factory=dict)
    routes: dict[str, RouteConfig] = attrs.field(factory=dict)
    proxy: ProxyConfig = ProxyConfig()
    journal: JournalConfig = JournalConfig()


def read_config(path: str | Path) -> Config:
    """The configuration in the file at *path*. Relative secret files are found beside it.

    Raises: ConfigError.
    """
    file = Path(path)
    return make_config(read_toml(file), beside=file.parent)


def read_toml(file: Path) -> dict[str, Any]:
    """The tables in *file*, unchecked. Raises: ConfigError when there is no such file or it is not TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("", f"{file} does not exist; the README shows one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("", f"{file} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("", f"{file} is not TOML: {error}") from None


def make_config(data: Mapping[str, Any], *, beside: Path | None = None) -> Config:
    """The configuration in *data*, the parsed TOML. Raises: ConfigError."""
    config: Config = settings_from(dict(data), Config, "", beside=beside)
    _refuse(_problems_of(config))
    return config


def listening_on(config: Config, listen: str) -> Config:
    """*config* with another address for the sidecar. Raises: ConfigError, as the file with that address would."""
    changed = attrs.evolve(config, proxy=attrs.evolve(config.proxy, listen=listen))
    _refuse(_problems_of(changed))
    return changed


def settings_from(data: Any, kind: type[Any], path: str, *, beside: Path | None = None) -> Any:
    """*data* as *kind*, an attrs class, with secrets read from where they are. *path* is where *data* stands.

    Raises: ConfigError naming every bad key.
    """
    try:
        return from_settings(data, kind, lambda value: _secret(value, beside or Path()))
    except InvalidValue as error:
        _refuse((f"{path}.{key}" if path and key else path or key, text) for key, text in error.fields.items())
        raise


def _refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Raises: ConfigError of all *problems*, if there are any: the path and text of the first, the others below."""
    found = list(problems)
    if found:
        (path, text), *others = found
        raise ConfigError(path, text + "".join(f"\n{key}: {other}" for key, other in others)) from None


def _secret(value: Any, beside: Path) -> Secret:
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, dict) and len(value) == 1:
        kind, name = next(iter(value.items()))
        if kind == "env" and isinstance(name, str):
            found = os.environ.get(name)
            if not found:
                raise ValueError(f"the environment variable {name} is not set")
            return Secret(found)
        if kind == "file" and isinstance(name, str):
            return Secret(_secret_file(beside / name))
    raise ValueError('must be text, { env = "NAME" } or { file = "/path" }')


def _secret_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MAX_SECRET_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the secret's file cannot be read: {error}") from None
    if len(text) > _MAX_SECRET_FILE or not text.strip():
        raise ValueError(f"the secret's file {path} is empty or too large")
    return text.strip("\r\n")


def _problems_of(config: Config) -> Iterator[tuple[str, str]]:
    """The path of everything that is wrong beyond its type, and what to write instead."""
    for table, names in (("accounts", config.accounts), ("routes", config.routes)):
        for name in names:
            if not _NAME.fullmatch(name):
                yield (
                    f"{table}.{name}",
                    "must be made of letters, digits, - and _, and start with a letter or digit",
                )
    for name, account in config.accounts.items():
        for field in attrs.fields(Timeouts):
            if getattr(account.timeouts, field.name) <= 0:
                yield f"accounts.{name}.timeouts.{field.name}", "must be more than 0 seconds"
        if account.hook_token is not None and not _TOKEN.fullmatch(account.hook_token.reveal()):
            yield f"accounts.{name}.hook_token", "must be 16 to 200 letters, digits, - and _; left out, one is made"
        if not account.hook_key_in:
            yield f"accounts.{name}.hook_key_in", "must name at least one place"
        if account.reconcile_seconds < 0:
            yield f"accounts.{name}.reconcile_seconds", "must be 0 (off) or more seconds"
    for name, route in config.routes.items():
        yield from _problems_of_route(f"routes.{name}", name, route, config)
    yield from _problems_of_proxy(config)
    if config.journal.retention_days < 1:
        yield "journal.retention_days", "must be at least 1 day"


def _problems_of_route(path: str, name: str, route: RouteConfig, config: Config) -> Iterator[tuple[str, str]]:
    if name in config.accounts:
        yield path, "has the name of an account; give it another"
    if not route.accounts:
        yield f"{path}.accounts", "must name at least one account"
    if len(set(route.accounts)) < len(route.accounts):
        yield f"{path}.accounts", "names an account twice"
    for index, account in enumerate(route.accounts):
        if account not in config.accounts:
            yield f"{path}.accounts[{index}]", f"there is no account {account!r}{nearest(account, config.accounts)}"
    for index, code in enumerate(route.failover_on):
        if code not in FAILOVER_CODES:
            what = "is no rejection" if code in ERRORS else "is no error code"
            yield f"{path}.failover_on[{index}]", f"{code!r} {what}; write one of {', '.join(FAILOVER_CODES)}"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.scheme in {"http", "https"} and parts.hostname and port != 0
    return bool(named and not parts.query and not parts.fragment and not parts.username)


def _problems_of_proxy(config: Config) -> Iterator[tuple[str, str]]:
    proxy = config.proxy
    known = {*config.accounts, *config.routes, "*"}
    named: dict[str, KeyConfig] = {}
    for index, key in enumerate(proxy.keys):
        path = f"proxy.keys[{index}]"
        # What a key has is kept under its name, so two of one name are one key that is being replaced.
        first = named.setdefault(key.name, key)
        if (set(first.scopes), set(first.accounts)) != (set(key.scopes), set(key.accounts)):
            yield (
                f"{path}.name",
                f"another key is called {key.name!r} and may do other things: give this one another name",
            )
        if not _SHA256.fullmatch(key.sha256):
            yield f"{path}.sha256", "must be 64 hexadecimal digits, as `gateway keys new` prints them"
        for scope in key.scopes:
            if scope not in SCOPES:
                yield f"{path}.scopes", f"there is no scope {scope!r}{nearest(scope, SCOPES)}"
        for account in key.accounts:
            if account not in known:
                yield f"{path}.accounts", f"there is no account {account!r}{nearest(account, known)}"
    for index, host in enumerate(proxy.webhook_hosts):
        if not _HOST.fullmatch(host):
            yield f"proxy.webhook_hosts[{index}]", "must be a name or an address, such as crm.internal, without a port"
    if proxy.public_url is not None and not _is_address(proxy.public_url):
        yield "proxy.public_url", "must be an address such as https://gateway.example.vn"
    try:
        reachable = not proxy.loopback
    except ConfigError as error:
        yield error.path, error.message
        return
    if reachable and not proxy.keys:
        how = "add one with `gateway keys new`, or listen on 127.0.0.1"
        yield "proxy.keys", f"are needed to listen on {proxy.listen}, which others can reach: {how}"


def timeouts_of(config: Config) -> dict[str, Timeouts]:
    """How long each account waits for its vendor."""
    return {name: account.timeouts for name, account in config.accounts.items()}
