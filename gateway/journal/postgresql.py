"""Connections to PostgreSQL that do not wait for ever. Importing this imports the driver."""

import math
import time
from collections.abc import Generator
from typing import Any

import psycopg


class Connection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not respond for `patience` seconds.

    The server's own timeouts, and those of TCP, do not help while the server's process stands still.
    """

    patience = math.inf

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """As the driver's, which every statement passes."""
        try:
            return super().wait(_patient(gen, self.patience), *args, **kwargs)
        except _Late:
            self.close()
            raise psycopg.OperationalError("the server did not respond in time") from None


class _Late(Exception):  # never leaves this module
    """Nothing came in time."""


def _patient(waiting: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
    """The driver's generator *waiting*, which is told ten times a second that nothing has come."""
    latest = time.monotonic() + seconds
    came = None
    try:
        while came or time.monotonic() < latest:
            came = yield waiting.send(came)
    except StopIteration as end:
        return end.value
    raise _Late
