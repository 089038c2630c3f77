"""`gateway serve`: the sidecar."""

from pathlib import Path

import click

from ...http.server import serve
from ...process import run
from ..log_output import log_warnings


@click.command("serve")
@click.option("--listen", metavar="HOST:PORT", help="Listen there and not where the configuration says; port 0: any.")
@click.pass_obj
def command(config: Path, listen: str | None) -> None:
    """Serve the configured accounts over HTTP until Ctrl-C or SIGTERM."""
    log_warnings()
    run(serve(config, listen))
