"""`gateway explain`: what the journal has of a conversation or a dial."""

import functools
from pathlib import Path

import click
from gateway_contracts import NotFound, to_json

from ...facade import Gateway
from ...journal.timelines import read_dial, read_timeline
from ...models import Timeline, TimelineDial
from ...process import run
from ..error_report import printable
from ..gateways import chosen_gateway
from ..options import json_option
from ..output import show_json
from ..tables import show_table
from ..timeline_text import head_of, steps_of, steps_of_dial


@click.command("explain")
@click.argument("wanted", metavar="ID")
@click.option("--account", metavar="ACCOUNT", help="Whose id it is; needed for a vendor's: that of a call or record.")
@json_option("Answer as JSON")
@click.pass_obj
def command(config: Path, wanted: str, account: str | None, as_json: bool) -> None:
    """Tell what is known of a conversation, with phone numbers in full.

    ID is the conversation's (cv_…), a dial's (dl_…), or with --account that of one of its calls or records. What was
    asked, each try of a dial, what the vendor answered, what people said, each event, record, recording and delivery,
    and how it ended: as the journal of this configuration has it.
    """
    found = run(_find(chosen_gateway(config), wanted, account))
    if as_json:
        show_json(to_json(found))
        return
    if isinstance(found, Timeline):
        for word, text in head_of(found):
            click.echo(f"{word:<13} {printable(text)}")
        click.echo()
        steps = steps_of(found)
    else:
        click.echo(f"{'dial':<13} {found.dial_id}: {found.state}; it belongs to no conversation\n")
        steps = steps_of_dial(found)
    rows = [(f"{at:%Y-%m-%d %H:%M:%S}Z", printable(what), printable(more)) for at, what, more in steps]
    show_table(("when", "what", "more"), rows)


async def _find(gateway: Gateway, wanted: str, account: str | None) -> Timeline | TimelineDial:
    async with gateway:
        if gateway.journal is None:
            raise click.UsageError("this configuration keeps no journal")
        journal = await gateway.journal.get()
        found: Timeline | TimelineDial | None = await journal.store.read(
            functools.partial(read_timeline, wanted=wanted, account=account)
        )
        if found is None:
            found = await journal.store.read(functools.partial(read_dial, dial_id=wanted))
    if found is None:
        hint = "" if account else "; the id of a call or record needs --account"
        raise NotFound(f"There is no conversation {wanted} in the journal{hint}", account=account)
    return found
