"""The exit codes. This module imports nothing of ours, and `gateway --help` loads it."""

from collections.abc import Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; `EXIT_CODES` says it in words."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    UNKNOWN = 4
    INTERRUPTED = 130


EXIT_CODES: Mapping[int, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "the operation failed; stderr says why",
    ExitCode.USAGE: "the command or an argument is wrong; nothing was sent",
    ExitCode.CONFIG: "the configuration or a plugin cannot be used",
    ExitCode.UNKNOWN: "the outcome is unknown, a phone may have rung: look, never repeat it blindly",
    ExitCode.INTERRUPTED: "stopped before the end by Ctrl-C (143: by SIGTERM)",
}
