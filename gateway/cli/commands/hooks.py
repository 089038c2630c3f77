"""`gateway hooks`: where webhooks come in, and the hooks that vendors have."""

from pathlib import Path
from typing import Any

import click
from gateway_contracts import Events, GatewayError, to_json

from ...accounts.hook_addresses import hook_tokens, hook_url
from ...facade import Gateway
from ...process import run
from ..gateways import chosen_gateway
from ..options import json_option
from ..output import show_json


@click.command("hooks")
@json_option("Answer as JSON")
@click.pass_obj
def command(config: Path, as_json: bool) -> None:
    """Show where each account's webhooks come in, with its secret token, and the hooks that its vendor has."""
    shown = run(_hooks(chosen_gateway(config)))
    if as_json:
        show_json(shown)
        return
    for each in shown:
        place = each["address"] or f"{each['path']} (set proxy.public_url for the rest)"
        click.echo(f"{each['account']}\n  address  {place}")
        for hook in each["hooks"]:
            click.echo(f"  hook     {hook['vendor_event']}: {hook['url']} ({hook['hook_id']})")
        if each["error"]:
            click.echo(f"  hooks    cannot be read: {each['error']}")


async def _hooks(gateway: Gateway) -> list[dict[str, Any]]:
    shown = []
    async with gateway:
        assert gateway.config is not None  # noqa: S101 # it is not a remote one
        public, tokens = gateway.config.proxy.public_url, await hook_tokens(gateway.config, gateway.journal)
        for account in gateway:
            if account.vendor is None or Events not in account.interfaces:
                continue
            token = tokens.get(account.name)  # none without a journal
            path = hook_url("", account.name, token) if token else None
            each: dict[str, Any] = {"account": account.name, "path": path, "hooks": [], "error": None}
            each["address"] = hook_url(public, account.name, token) if token and public else None
            try:
                each["hooks"] = [to_json(hook) for hook in (await account.events.list_hooks()).items]
            except GatewayError as error:
                each["error"] = error.message
            shown.append(each)
    return shown
