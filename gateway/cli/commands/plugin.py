"""`gateway plugin`: a new plugin's package, and the tests of one."""

from pathlib import Path

import click
from gateway_contracts import to_json

from ..exit_codes import ExitCode
from ..options import json_option
from ..output import show_json
from ..plugin_package import check_package, problem_of, write_package
from ..tables import show_support


@click.group("plugin")
def command() -> None:
    """Write the plugin of a vendor, and test it."""


@command.command("new")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="Write the package below this folder. [default: here]",
)
def new_plugin(name: str, into: Path) -> None:
    """Write a package for the vendor NAME, with two interfaces that work and tests that pass."""
    problem = problem_of(name)
    if problem:
        raise click.BadParameter(problem, param_hint="NAME")
    try:
        folder = write_package(name, into)
    except FileExistsError as error:
        raise click.UsageError(f"{error.filename} is there already, and nothing was written") from None
    click.echo(
        f"{folder} is a whole plugin for a PBX that we made up. Next:\n\n"
        f"  pip install --editable '{folder}[test]'\n  gateway plugin check {folder}\n\n"
        "Its README.md says how to make it yours."
    )


@command.command("check")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--write", is_flag=True, help="Write the support report into the package when all else passes.")
@json_option("Answer as JSON")
def check_plugin(path: Path, write: bool, as_json: bool) -> None:
    """Run the tests of the plugin's package at PATH [default: here], and show what it supports."""
    checked = check_package(path, write=write)
    for file in checked.written:
        click.echo(f"written: {file}", err=True)
    if write and not checked.written:
        click.echo("not written: no support report, since all other tests have to pass first", err=True)
    if as_json:
        show_json({"passed": checked.passed, "failed": checked.failed, "vendors": to_json(checked.vendors)})
    for found in () if as_json else checked.vendors.values():
        show_support(found)
    for vendor in checked.without_report:
        click.echo(f"note: {vendor} ships no support report that can be read: see --write", err=True)
    if not checked.passed:
        if checked.failed:
            click.echo(f"failed: {len(checked.failed)}, see above", err=True)
        for vendor in checked.without_suite:
            click.echo(f"untested: no class subclasses gateway_contracts.testing.Suite for {vendor}", err=True)
        raise click.exceptions.Exit(ExitCode.FAILED)
