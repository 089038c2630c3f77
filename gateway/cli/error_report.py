"""An error that ended a command, as stderr shows it, and its exit code."""

import click
from gateway_contracts import (
    ConfigError,
    DialState,
    GatewayError,
    InvalidRequest,
    Origin,
    OutcomeUnknown,
    PluginError,
    dumps,
)

from ..process import Stopped
from .exit_codes import ExitCode


def report(error: Exception, *, as_json: bool) -> int | None:
    """Show *error* on stderr and give the exit code; None for what only a traceback explains."""
    if isinstance(error, Stopped):
        return 128 + error.number
    if isinstance(error, GatewayError):
        problem, text, code = error.as_problem(), _problem_as_text(error), _exit_code(error)
    elif isinstance(error, ConfigError):
        problem = {"code": "config_error", "path": error.path, "detail": error.message}
        text, code = str(error), ExitCode.CONFIG
    elif isinstance(error, PluginError):
        problem, text, code = {"code": "plugin_error", "detail": str(error)}, str(error), ExitCode.CONFIG
    elif isinstance(error, OSError):
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        problem, code = {"code": "os_error", "detail": text}, ExitCode.FAILED
    else:
        return None
    click.echo(dumps(problem).decode() if as_json else f"Error: {printable(text)}", err=True)
    return code


def _exit_code(error: GatewayError) -> ExitCode:
    if isinstance(error, OutcomeUnknown) or error.dial_state in {DialState.UNKNOWN, DialState.PLACED}:
        return ExitCode.UNKNOWN
    if isinstance(error, InvalidRequest) and error.origin is Origin.CALLER:
        return ExitCode.USAGE
    return ExitCode.FAILED


def _problem_as_text(error: GatewayError) -> str:
    problem = error.as_problem()
    lines = [str(error)]
    lines += [
        f"  {name:<11} {problem[name]}"
        for name in ("code", "dial_state", "dial_id", "vendor_code", "retry_after", "request_id")
        if name in problem
    ]
    lines += [f"  {path:<11} {text}" for path, text in error.fields.items()]
    return "\n".join(lines)


def printable(text: str) -> str:
    """*text* without what a vendor could use to steer a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)
