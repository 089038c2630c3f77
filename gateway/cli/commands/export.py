"""`gateway export`: finished calls as a file, written page by page, and there only when it is whole."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from gateway_contracts import OPERATIONS
from gateway_contracts.converters import to_json_lines

from ...accounts.account import AccountFacade
from ...facade import Gateway
from ...formats import CSV, NDJSON, columns, csv_header, csv_rows
from ...process import run
from ..gateways import account_of, chosen_gateway
from ..operation_arguments import filters_in, word_for, zone_called
from ..options import json_option, sidecar_options
from ..output import show_json
from ..whole_file import open_whole_file

FORMATS: Mapping[str, str] = {".ndjson": NDJSON, ".jsonl": NDJSON, ".csv": CSV}

Progress = Callable[[int, int | None], None]
"""Called with how many records are written, and how many there are where the vendor says."""


class _Command(click.Command):
    """A command with an option for each filter of `list_records`, read off that operation when it is needed."""

    @functools.cached_property
    def _filters(self) -> list[click.Parameter]:
        own = {parameter.name for parameter in self.params}
        return [
            click.Option([f"--{each.name.replace('_', '-')}"], metavar=word_for(each.type))
            for each in OPERATIONS["list_records"].parameters
            if each.name not in own | {"cursor", "limit"}
        ]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        return [*params[: len(self.params)], *self._filters, *params[len(self.params) :]]


@click.command("export", cls=_Command)
@click.argument("account")
@click.option("--since", required=True, metavar="TIME", help="Calls that started at this time or later.")
@click.option("--until", metavar="TIME", help="Calls that started before this time. [default: all until now]")
@click.option(
    "--timezone", metavar="ZONE", help="The zone of dates and times that do not say one, such as Asia/Ho_Chi_Minh."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file: .ndjson, .jsonl or .csv.")
@sidecar_options
@json_option("Answer as JSON")
@click.pass_obj
def command(
    config: Path,
    /,
    account: str,
    timezone: str | None,
    out: Path,
    url: str | None,
    key_env: str | None,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Save the finished calls of ACCOUNT as NDJSON or CSV.

    A TIME is 2026-01-31T09:00:00+07:00, or with --timezone 2026-01-31 (its midnight). The file is there when it is
    whole: until then, and when anything goes wrong, an old file of that name stays as it is.
    """
    arguments = filters_in(filters, zone_called(timezone) if timezone else None)
    gateway = chosen_gateway(config, url, key_env)
    count, skipped = run(_export(gateway, account, arguments, out))
    if skipped:
        click.echo(f"{skipped} row{'' if skipped == 1 else 's'} of the vendor's could not be read: left out", err=True)
    if as_json:
        show_json({"records": count, "path": str(out)})
    else:
        click.echo(f"{count} record{'' if count == 1 else 's'} in {out}")


async def _export(gateway: Gateway, name: str, filters: Mapping[str, Any], out: Path) -> tuple[int, int]:
    async with gateway:
        account = account_of(gateway, name)
        with progress_bar(f"{name} to {out.name}") as progress:
            return await write_records(account, filters, out, progress)


def format_of(path: Path) -> str:
    """How a file called *path* is written. Raises: click.BadParameter for a suffix that says nothing to us."""
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise click.BadParameter(f"{path.name!r} must end in {', '.join(FORMATS)}: the suffix says how to write it")
    return found


async def write_records(
    account: AccountFacade, filters: Mapping[str, Any], path: Path, progress: Progress
) -> tuple[int, int]:
    """Write every record of *account* that matches to *path*. Gives their number, and how many rows of the vendor's
    could not be read and are left out.

    Raises: what `list_records` raises; then *path* is as it was.
    """
    operation = OPERATIONS["list_records"]
    as_csv, names, count, skipped = format_of(path) == CSV, columns(operation), 0, 0
    with open_whole_file(path) as file:
        if as_csv:
            file.write(csv_header(names))
        async with contextlib.aclosing(account.pages(operation, filters)) as pages:
            async for page in pages:
                file.write(csv_rows(page.items, names) if as_csv else to_json_lines(page.items))
                count += len(page.items)
                skipped += page.skipped
                progress(count, page.total)
    return count, skipped


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A progress bar on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    # For a quick start where stderr is no terminal.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*parts, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
