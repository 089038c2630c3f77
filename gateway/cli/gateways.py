"""The gateway and the account that a command works with."""

import os
from pathlib import Path

import click
from gateway_contracts import NotFound

from ..accounts.account import AccountFacade
from ..facade import Gateway


def chosen_gateway(config: Path, url: str | None = None, key_env: str | None = None, *, raw: bool = False) -> Gateway:
    """The gateway of the configuration at *config*, or with *url* the sidecar there.

    *key_env* names the environment variable that holds the sidecar's key. Raises: click.UsageError, ConfigError.
    """
    if url is None:
        if key_env is not None:
            raise click.UsageError("--key-env is for --url")
        return Gateway.from_file(config)
    key = os.environ.get(key_env or "GATEWAY_KEY") or None
    if key_env is not None and key is None:
        # Not what was given: it may be the key itself, by mistake.
        raise click.UsageError("--key-env must name an environment variable that holds the key, and it is not set")
    return Gateway.remote(url, key=key, raw=raw)


def account_of(gateway: Gateway, name: str) -> AccountFacade:
    """The account or route *name* of an open *gateway*. Raises: click.UsageError that names those that there are."""
    try:
        return gateway[name]
    except NotFound as error:
        raise click.UsageError(
            f"{error.message}; there are: {', '.join(each.name for each in gateway) or 'none'}"
        ) from None
