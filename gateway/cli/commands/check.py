"""`gateway check`: the configuration, explained."""

from pathlib import Path

import click

from ...process import run
from ..config_check import check_config
from ..exit_codes import ExitCode
from ..options import json_option
from ..output import show_json


@click.command("check")
@json_option("Answer as JSON")
@click.pass_obj
def command(config: Path, as_json: bool) -> None:
    """Explain the configuration and all its problems.

    It sends nothing: it reads the secrets and asks the plugins what they can do.
    """
    found = run(check_config(config))
    if as_json:
        show_json({"config": str(config), **found.as_json()})
    else:
        click.echo("\n".join(found.lines(config)))
    if found.problems:
        raise click.exceptions.Exit(ExitCode.CONFIG)
