"""The command line. Results go to stdout, logs and errors to stderr; the exit code says how a command ended.

`gateway --help` imports click and nothing else that takes time: the module of a command is imported when it is run.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .exit_codes import EXIT_CODES, ExitCode
from .log_output import log_to_stderr
from .options import wants_json

COMMANDS: Mapping[str, str] = {
    "serve": "Serve the configured accounts over HTTP until Ctrl-C or SIGTERM.",
    "demo": "Walk through a call, and see it again at three vendors, all of them simulated.",
    "simulate": "Run a vendor's fake PBX until Ctrl-C.",
    "check": "Explain the configuration and all its problems.",
    "vendors": (
        "List the installed vendors and what each can do; for one VENDOR also what it cannot, why, and its limits."
    ),
    "openapi": "Print the sidecar's API as OpenAPI 3.1.",
    "explain": "Tell what is known of a conversation, with phone numbers in full.",
    "hooks": "Show where each account's webhooks come in, with its secret token, and the hooks that its vendor has.",
    "call": "Carry out one OPERATION on ACCOUNT and print its answer as JSON.",
    "dial": "Print what is known of the click-to-call DIAL_ID on ACCOUNT; one that is unknown is looked for first.",
    "export": "Save the finished calls of ACCOUNT as NDJSON or CSV.",
    "events": "Print events as they happen, one JSON object a line, until Ctrl-C.",
    "keys": "Make keys for the sidecar's callers.",
    "plugin": "Write the plugin of a vendor, and test it.",
}
"""Each command with the first sentence of its help, in the order of `gateway --help`."""


def load_command(name: str) -> click.Command:
    """The whole command *name*, from its module in `gateway.cli.commands`."""
    command: click.Command = importlib.import_module(f".commands.{name}", __package__).command
    return command


class Commands(click.Group):
    """A group that loads a command when it is run, and makes a readable block and an exit code of its error."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load_command(name), rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own
        except KeyboardInterrupt:
            click.echo(err=True)
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
        except Exception as error:
            from .error_report import report  # for a quick --help: it takes gateway_contracts along

            code = report(error, as_json=wants_json(ctx))
            if code is None:
                raise
            raise click.exceptions.Exit(code) from error


_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {int(code):>3}  {text}" for code, text in EXIT_CODES.items())


@click.group(
    cls=Commands,
    commands=[click.Command(name, help=text) for name, text in COMMANDS.items()],
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default="gateway.toml",
    envvar="GATEWAY_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration.",
)
@click.option("-v", "--verbose", count=True, help="Log every operation to stderr; twice, also what helps developers.")
@click.version_option(package_name="telephony-gateway", prog_name="gateway")
@click.pass_context
def main(ctx: click.Context, config: Path, verbose: int) -> None:
    """Call through many PBX vendors, by one command line, one HTTP sidecar and one Python facade."""
    ctx.obj = config
    ctx.with_resource(log_to_stderr(verbose))
