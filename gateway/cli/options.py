"""Options that several commands have. This module imports click only, and `gateway --help` loads it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

SPEED = click.FloatRange(min=0, min_open=True, max=1000)
"""How much faster than life a simulator runs."""

_AS_JSON = "gateway.as_json"


def json_option(text: str) -> Callable[[F], F]:
    """The flag `--json`, whose help begins with *text*. It changes how errors are shown, too."""
    return click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=_remember_json, help=f"{text}; errors, too."
    )


def wants_json(ctx: click.Context) -> bool:
    """Whether the user gave `--json`."""
    return bool(ctx.meta.get(_AS_JSON, False))


def _remember_json(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[_AS_JSON] = value
    return value


def sidecar_options(command: F) -> F:
    """The options `--url` and `--key-env`, by which *command* asks a sidecar."""
    url = click.option(
        "--url", metavar="URL", callback=_check_url, help="Ask the sidecar at URL, not the configuration."
    )
    key = click.option(
        "--key-env",
        metavar="NAME",
        help="The environment variable that holds the key for --url [default: GATEWAY_KEY, if it is set].",
    )
    return url(key(command))


def _check_url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise click.BadParameter("must be the address of a sidecar, such as http://127.0.0.1:8080")
    return value
