"""Where the gateway logs: one line of `key=value` each, to the standard library's logger `gateway`. The program decides
where that writes.
"""

import logging
import re
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog

_LOGGER = logging.getLogger("gateway")
_LOGGER.addHandler(logging.NullHandler())
_ODD = re.compile(r'[\s="\x00-\x1f\x7f]')
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class _Lines:
    """Takes finished lines to the standard library."""

    def write(self, line: str, level: int) -> None:
        # Not `_LOGGER.log`: it walks the stack for the place of this call, which is the same every time.
        _LOGGER.handle(_LOGGER.makeRecord("gateway", level, __file__, 0, line, (), None))


class _Log(structlog.BoundLoggerBase):
    """Logs an event, a dotted name, with its fields. What the logger's level leaves out costs next to nothing."""

    def debug(self, event: str, **fields: Any) -> None:
        """For those who develop."""
        self._at(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What goes on."""
        self._at(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What did not go as was wished."""
        self._at(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What somebody has to look at."""
        self._at(logging.ERROR, event, fields)

    def _at(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if _LOGGER.isEnabledFor(level):
            self._proxy_to_logger("write", event, level=level, **fields)


def _line(_: Any, __: str, fields: MutableMapping[str, Any]) -> tuple[tuple[str, int], dict[str, Any]]:
    level, event = fields.pop("level"), fields.pop("event")
    moment = datetime.now(UTC).isoformat().removesuffix("+00:00")
    words = [f"timestamp={moment}Z level={logging.getLevelName(level).lower()} event={event}"]
    words += [f"{key}={_text(value)}" for key, value in fields.items()]
    return (" ".join(words), level), {}


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
    _Lines(),
    # One step makes the line: each of the library's own costs as much as all of it.
    processors=[structlog.contextvars.merge_contextvars, _line],
    wrapper_class=_Log,
    cache_logger_on_first_use=True,
).bind()
