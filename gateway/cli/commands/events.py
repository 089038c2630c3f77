"""`gateway events`: events as they happen."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from gateway_contracts.converters import to_json_lines

from ...facade import Gateway
from ...process import run
from ..gateways import chosen_gateway
from ..options import json_option, sidecar_options


@click.command("events")
@click.option(
    "--after", type=click.IntRange(0), metavar="SEQ", help="Those after this one; 0: all. [default: new ones]"
)
@click.option("--account", "accounts", multiple=True, help="Of this account only; several times for several.")
@click.option("--type", "types", multiple=True, help="Of this type only (call.ended, …); several times for several.")
@click.option("--extension", help="Of this extension only.")
@click.option("--number", help="Of this outside number only.")
@click.option("--raw", is_flag=True, help="Add the vendor's own.")
@sidecar_options
@json_option("Answer as JSON")
@click.pass_obj
def command(
    config: Path,
    /,
    after: int | None,
    accounts: tuple[str, ...],
    types: tuple[str, ...],
    extension: str | None,
    number: str | None,
    raw: bool,
    url: str | None,
    key_env: str | None,
    as_json: bool,
) -> None:
    """Print events as they happen, one JSON object a line, until Ctrl-C.

    To go on later, give the seq of the last line as --after.
    """
    query = {"after": after, "accounts": accounts, "types": types, "extension": extension, "number": number}
    run(_events(chosen_gateway(config, url, key_env, raw=raw), query, raw=raw))


async def _events(gateway: Gateway, query: Mapping[str, Any], *, raw: bool) -> None:
    async with gateway, contextlib.aclosing(gateway.follow_events(**query)) as found:
        async for event in found:
            click.echo(to_json_lines([event], raw=raw), nl=False)
