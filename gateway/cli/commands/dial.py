"""`gateway dial`: what became of a click-to-call, and a person's statement on it."""

from pathlib import Path

import click
from gateway_contracts import to_json

from ...facade import Gateway
from ...process import run
from ..gateways import account_of, chosen_gateway
from ..options import json_option, sidecar_options
from ..output import show_json


@click.command("dial")
@click.argument("account")
@click.argument("dial_id")
@click.option("--state", type=click.Choice(["placed", "not_placed"]), help="State how it ended; needs --note.")
@click.option("--note", help="How that is known: who was asked, and what was said.")
@sidecar_options
@json_option("Answer on one line")
@click.pass_obj
def command(
    config: Path,
    account: str,
    dial_id: str,
    state: str | None,
    note: str | None,
    url: str | None,
    key_env: str | None,
    as_json: bool,
) -> None:
    """Print what is known of the click-to-call DIAL_ID on ACCOUNT; one that is unknown is looked for first.

    With --state a person says how an unknown one ended, once the vendor can no longer answer. not_placed lets its
    idempotency key dial again, so ask the agent before. What evidence proves is not overruled.
    """
    if (state is None) != (note is None):
        raise click.UsageError("--state and --note go together: say how it ended, and how that is known")
    run(_dial(chosen_gateway(config, url, key_env), account, dial_id, state, note, pretty=not as_json))


async def _dial(
    gateway: Gateway, name: str, dial_id: str, state: str | None, note: str | None, *, pretty: bool
) -> None:
    async with gateway:
        account = account_of(gateway, name)
        if state is None or note is None:
            found = await account.dial(dial_id)
        else:
            found = await account.make_statement(dial_id, state=state, note=note)
        show_json(to_json(found), pretty=pretty)
