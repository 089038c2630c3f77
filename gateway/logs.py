"""Where the gateway logs: one line of `key=value` each, to the standard library's logger `gateway`. The program decides
where that writes.
"""

import asyncio
import logging
import os
import re
import threading
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

_LOGGER = logging.getLogger("gateway")
_LOGGER.addHandler(logging.NullHandler())
_ODD = re.compile(r'[\s="\x00-\x1f\x7f]')
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_STARTED = time.time()


class _Record(logging.LogRecord):
    """A finished line. Its place is the same for all, and to find that out anew takes longer than to make the line."""

    _same = vars(_LOGGER.makeRecord("gateway", logging.INFO, __file__, 0, "", (), None))

    def __init__(self, level: int, line: str) -> None:
        now = time.time()
        self.__dict__ = {
            **self._same,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": line,
            "created": now,
            "msecs": int(now % 1 * 1000) + 0.0,
            "relativeCreated": (now - _STARTED) * 1000,
            "process": os.getpid(),
            "thread": threading.get_ident(),
            "threadName": threading.current_thread().name,
        }
        if "taskName" in self._same:  # since Python 3.12
            self.taskName = _task_name()


def _task_name() -> str | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # a thread without a loop
        return None
    return task.get_name() if task else None


class _Log(structlog.BoundLoggerBase):
    """Logs an event, a dotted name, with its fields. What the logger's level leaves out costs next to nothing."""

    def debug(self, event: str, **fields: Any) -> None:
        """For those who develop."""
        self._at(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What goes on."""
        self._at(logging.INFO, "info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What did not go as was wished."""
        self._at(logging.WARNING, "warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """For the operator: something needs a look."""
        self._at(logging.ERROR, "error", event, fields)

    def _at(self, level: int, word: str, event: str, fields: dict[str, Any]) -> None:
        if not _LOGGER.isEnabledFor(level):
            return
        (line,), _ = self._process_event(word, event, fields)
        # Not `_LOGGER.log`: it walks the stack for the place of this call, which is the same every time.
        if logging.getLogRecordFactory() is logging.LogRecord:
            _LOGGER.handle(_Record(level, line))
        else:  # the program wants records of its own
            _LOGGER.handle(_LOGGER.makeRecord("gateway", level, __file__, 0, line, (), None))


class _Clock:
    """The time as text. What is the same for a second is made once in it."""

    _second = 0, ""

    def now(self) -> str:
        now = time.time()
        second, text = self._second
        if second != int(now):
            second = int(now)
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second, text
        return f"{text}.{int(now % 1 * 1e6):06}Z"


_CLOCK = _Clock()


def _line(_: Any, word: str, fields: MutableMapping[str, Any]) -> str:
    line = f"timestamp={_CLOCK.now()} level={word} event={fields.pop('event')}"
    for key, value in fields.items():
        line += f" {key}={_text(value)}"
    return line


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if not _ODD.search(text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)}"'


log: _Log = structlog.wrap_logger(
    _LOGGER,
    # One step makes the line: each of the library's own costs as much as all of it.
    processors=[structlog.contextvars.merge_contextvars, _line],
    wrapper_class=_Log,
    cache_logger_on_first_use=True,
).bind()


def place_of(error: BaseException) -> dict[str, str]:
    """The kind of *error* and the line it came from, for a log: its text may hold what must not be there."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "at": f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"}
