"""`gateway call`: any operation on an account."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from gateway_contracts import (
    OPERATIONS,
    Audio,
    DialState,
    GatewayError,
    InvalidRequest,
    Operation,
    OutcomeUnknown,
    to_json,
)
from gateway_contracts.converters import to_json_lines

from ...accounts.guard import seal, told_of_key
from ...facade import Gateway
from ...process import Stopped, run
from ..gateways import account_of, chosen_gateway
from ..operation_arguments import arguments_in, operation_called, synopsis
from ..options import json_option, sidecar_options
from ..output import show_json
from ..whole_file import open_whole_file, writable


def _list_operations(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from ..tables import show_table  # for quick calls, which draw no table: it takes rich along

    rows = [(each.name, synopsis(each), each.summary) for each in OPERATIONS.values()]
    show_table(("operation", "arguments", "what it does"), rows)
    ctx.exit()


@click.command(
    "call",
    epilog="\b\nFor example:\n"
    "  gateway call hanoi start_call extension=101 number=0899098899\n"
    "  gateway call hanoi list_records since=2026-01-31T00:00:00+07:00 --all\n"
    "  gateway call hanoi fetch_recording record_id=ID --out call.wav",
)
@click.argument("account")
@click.argument("operation")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_operations,
    help="List the operations with their arguments.",
)
@click.option("--all", "every", is_flag=True, help="Every page, one item a line (NDJSON).")
@click.option("--raw", is_flag=True, help="Add the vendor's own answers.")
@click.option("--out", type=click.Path(path_type=Path), help="Save a recording as this file.")
@sidecar_options
@json_option("Answer on one line")
@click.pass_obj
def command(
    config: Path,
    account: str,
    operation: str,
    arguments: tuple[str, ...],
    every: bool,
    raw: bool,
    out: Path | None,
    url: str | None,
    key_env: str | None,
    as_json: bool,
) -> None:
    """Carry out one OPERATION on ACCOUNT and print its answer as JSON.

    NAME=@FILE reads a value from a file: use it for passwords, which a command line shows to others. A NAME given
    several times makes a list.
    """
    wanted = operation_called(operation)
    try:
        given = arguments_in(wanted, arguments)
    except InvalidRequest as error:
        told_of_key(seal(error, wanted, account), dict(each.partition("=")[::2] for each in arguments))
        raise
    if every and not wanted.paged:
        raise click.UsageError(f"--all is for operations that answer pages; {wanted.name} does not")
    if out is not None and not wanted.binary:
        raise click.UsageError(f"--out is for recordings; {wanted.name} answers JSON on stdout")
    if wanted.binary and out is None and sys.stdout.isatty():
        raise click.UsageError(f"{wanted.name} answers audio: name a file with --out, or send stdout somewhere")
    if out is not None:
        writable(out)
    gateway = chosen_gateway(config, url, key_env, raw=raw)
    try:
        run(_call(gateway, account, wanted, given, every=every, raw=raw, out=out, pretty=not as_json))
    except (KeyboardInterrupt, Stopped):
        if wanted.rings:
            click.echo(
                f"Stopped while {wanted.name} was under way: a phone may have rung. Look at the live calls and "
                "records, do not repeat it blindly.",
                err=True,
            )
        raise


async def _call(
    gateway: Gateway,
    name: str,
    operation: Operation,
    arguments: Mapping[str, Any],
    *,
    every: bool,
    raw: bool,
    out: Path | None,
    pretty: bool,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(gateway)
            account = account_of(gateway, name)
            account.need(operation)
        except GatewayError as error:
            error.dial_state = DialState.NOT_PLACED if operation.rings else None
            told_of_key(seal(error, operation, name), arguments)
            raise
        if every:
            async with contextlib.aclosing(account.pages(operation, arguments)) as pages:
                async for page in pages:
                    click.echo(to_json_lines(page.items, raw=raw), nl=False)
            return
        answer = await account.carry_out(operation, arguments)
        if isinstance(answer, Audio):
            await _save(answer, out)
        elif answer is not None:
            try:
                show_json(to_json(answer, raw=raw), pretty=pretty)
            except Exception as error:
                if not operation.rings:
                    raise
                # A closed pipe, or a vendor's answer that is no JSON, must not look like a call that may be repeated.
                raise OutcomeUnknown(
                    "It was done, and its answer could not be printed: look, do not repeat it",
                    account=name,
                    operation=operation.name,
                    dial_state=DialState.PLACED,
                ) from error


async def _save(audio: Audio, out: Path | None) -> None:
    async with audio:
        if out is None:
            async for chunk in audio:
                click.echo(chunk, nl=False)
            return
        count = 0
        with open_whole_file(out) as file:
            async for chunk in audio:
                count += file.write(chunk)
    click.echo(f"{count} bytes of {audio.media_type} in {out}", err=True)
