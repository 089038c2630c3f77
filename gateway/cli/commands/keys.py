"""`gateway keys`: keys for the sidecar's clients."""

import click
from gateway_contracts import nearest

from ...config import SCOPES
from ...keys import new_key
from ..options import json_option
from ..output import show_json, toml_lines


@click.group("keys")
def command() -> None:
    """Make keys for the sidecar's callers."""


@command.command("new")
@click.option("--name", default="app", show_default=True, help="Whose key it is; it is seen in errors and logs.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="What it may do; several times for several. [default: calls, records, events]",
)
@click.option(
    "--account", "accounts", multiple=True, help="An account it may use; several times for several. [default: all]"
)
@json_option("Answer as JSON")
def make_key(name: str, scopes: tuple[str, ...], accounts: tuple[str, ...], as_json: bool) -> None:
    """Make a key, and what to write into the configuration for it. The key is shown here and nowhere else."""
    if not name.strip() or not name.isprintable():
        raise click.BadParameter("must be something that can be read", param_hint="--name")
    for scope in scopes:
        if scope not in SCOPES:
            raise click.BadParameter(
                f"there is no scope {scope!r}{nearest(scope, SCOPES)}; there are: {', '.join(SCOPES)}",
                param_hint="--scope",
            )
    key, digest = new_key()
    entry = {
        "name": name,
        "sha256": digest,
        "scopes": list(dict.fromkeys(scopes)) or ["calls", "records", "events"],
        "accounts": list(dict.fromkeys(accounts)) or ["*"],
    }
    toml = "\n".join(["[[proxy.keys]]", *toml_lines(entry)])
    if as_json:
        show_json({"key": key, "entry": entry, "toml": toml})
    else:
        click.echo(
            f"The key, which is not shown again (Authorization: Bearer KEY):\n\n{key}\n\nFor gateway.toml:\n\n{toml}"
        )
