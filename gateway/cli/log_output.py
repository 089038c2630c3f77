"""The gateway's log on stderr while a command runs."""

import contextlib
import logging
import sys
from collections.abc import Iterator

_LOGGER = logging.getLogger("gateway")


@contextlib.contextmanager
def log_to_stderr(verbose: int) -> Iterator[None]:
    """Write the log to stderr within the context; *verbose* counts how often the user gave `-v`."""
    # A failure that is shown as the command's own end is not logged on top of it.
    level = {0: logging.ERROR, 1: logging.INFO}.get(verbose, logging.DEBUG)
    before, handler = _LOGGER.level, logging.StreamHandler(sys.stderr)
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(level)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(before)


def log_warnings() -> None:
    """Log warnings without `-v`, too: a failure does not end a server, so only the log shows it."""
    _LOGGER.setLevel(min(_LOGGER.level, logging.WARNING))
