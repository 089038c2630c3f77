"""A file that is there only when it is whole."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click


def writable(path: Path) -> Path:
    """The file that *path* names, through links, if one may be made there. Raises: click.BadParameter."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise click.BadParameter(f"there is no directory {str(target.parent)!r}: make it first")
    if target.exists() and not target.is_file():
        raise click.BadParameter(f"{str(path)!r} is not a file")
    return target


@contextlib.contextmanager
def open_whole_file(path: Path) -> Iterator[BinaryIO]:
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
