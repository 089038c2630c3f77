"""Finished calls as a file: written page by page, and there only when it is whole."""

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click
from gateway_contracts import OPERATIONS
from gateway_contracts.converters import to_json_lines

from ..accounts.account import AccountFacade
from ..formats import CSV, NDJSON, columns, csv_header, csv_rows

FORMATS: Mapping[str, str] = {".ndjson": NDJSON, ".jsonl": NDJSON, ".csv": CSV}

Progress = Callable[[int, int | None], None]
"""Called with how many records are written, and how many there are where the vendor says."""


def format_of(path: Path) -> str:
    """How a file called *path* is written. Raises: click.BadParameter for a suffix that says nothing to us."""
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise click.BadParameter(f"{path.name!r} must end in {', '.join(FORMATS)}: the suffix says how to write it")
    return found


def writable(path: Path) -> Path:
    """The file that *path* names, through links, if one may be made there. Raises: click.BadParameter."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise click.BadParameter(f"there is no directory {str(target.parent)!r}: make it first")
    if target.exists() and not target.is_file():
        raise click.BadParameter(f"{str(path)!r} is not a file")
    return target


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of *path* when the block is left well; otherwise *path* stays as it was."""
    target = writable(path)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")  # beside it: a rename within one file system
    try:
        with draft.open("xb") as file:
            if target.exists():
                draft.chmod(target.stat().st_mode & 0o777)
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # the rename itself, on disk; not every system opens directories
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


async def export(account: AccountFacade, filters: Mapping[str, Any], path: Path, progress: Progress) -> tuple[int, int]:
    """Write every record of *account* that matches to *path*. Gives their number, and how many rows of the vendor's
    could not be read and are left out.

    Raises: what `list_records` raises; then *path* is as it was.
    """
    operation = OPERATIONS["list_records"]
    as_csv, names, count, skipped = format_of(path) == CSV, columns(operation), 0, 0
    with whole_file(path) as file:
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
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*parts, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
