"""`gateway openapi`: the description of the sidecar's API."""

import click

from ...http.openapi import make_openapi
from ..output import show_json


@click.command("openapi")
def command() -> None:
    """Print the sidecar's API as OpenAPI 3.1."""
    show_json(make_openapi())
