"""The command line. Results go to stdout, logs and errors to stderr; the exit code says how it went.

Nothing but click is imported before a command needs it, so that `gateway --help` is there at once.
"""

import contextlib
import functools
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .exit_codes import EXIT_CODES, ExitCode, report

if TYPE_CHECKING:
    from gateway_contracts import Operation, SupportReport

    from ..accounts.account import AccountFacade
    from ..facade import Gateway

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {int(code):>3}  {text}" for code, text in EXIT_CODES.items())


class Commands(click.Group):
    """Commands in the order of this file, whose errors become a readable block and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own
        except KeyboardInterrupt:
            click.echo(err=True)
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
        except Exception as error:
            code = report(error, as_json=ctx.meta.get(_AS_JSON, False))
            if code is None:
                raise
            raise click.exceptions.Exit(code) from error


_AS_JSON = "gateway.as_json"


def _remember_json(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.meta[_AS_JSON] = value
    return value


def json_option(text: str) -> Callable[[F], F]:
    return click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=_remember_json, help=f"{text}; errors, too."
    )


def sidecar_options(command: F) -> F:
    url = click.option(
        "--url", metavar="URL", callback=_check_url, help="Ask the sidecar at URL, not the configuration."
    )
    key = click.option(
        "--key-env",
        metavar="NAME",
        help="The environment variable that holds the key for --url [default: GATEWAY_KEY, if it is set].",
    )
    return url(key(command))


def _check_url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise click.BadParameter("must be the address of a sidecar, such as http://127.0.0.1:8080")
    return value


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
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
    # A failure that is shown as the command's own end is not logged on top of it.
    level = {0: logging.ERROR, 1: logging.INFO}.get(verbose, logging.DEBUG)
    ctx.with_resource(_logging(level))


@contextlib.contextmanager
def _logging(level: int) -> Iterator[None]:
    logger = logging.getLogger("gateway")
    before, handler = logger.level, logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _log_warnings() -> None:
    """For what serves: there, a failure ends nothing and is seen in the log only."""
    logger = logging.getLogger("gateway")
    logger.setLevel(min(logger.level, logging.WARNING))


# Running something


@main.command()
@click.option("--listen", metavar="HOST:PORT", help="Listen there and not where the configuration says; port 0: any.")
@click.pass_obj
def serve(config: Path, listen: str | None) -> None:
    """Serve the configured accounts over HTTP until Ctrl-C or SIGTERM."""
    from ..http.server import serve

    _log_warnings()
    _run(serve(config, listen))


_SPEED = click.FloatRange(min=0, min_open=True, max=1000)


@main.command()
@click.option("--once", is_flag=True, help="End after the walk.")
@click.option("--speed", type=_SPEED, default=10.0, show_default=True, help="How much faster than life the phones are.")
def demo(once: bool, speed: float) -> None:
    """Walk through a call, and see it again at three vendors, all of them simulated."""
    from .demo import demo

    _log_warnings()
    _run(demo(once=once, speed=speed))


@main.command()
@click.argument("vendor")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Listen on this port. [default: any free one]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address. It has no protection.")
@click.option("--speed", type=_SPEED, default=1.0, show_default=True, help="How much faster than life the phones are.")
@click.option("--records", type=click.IntRange(0, 10_000_000), default=0, help="Start with that many finished calls.")
@click.option("--manual-clock", is_flag=True, help="Let time stand still until POST /_simulator/advance.")
def simulate(vendor: str, port: int, host: str, speed: float, records: int, manual_clock: bool) -> None:
    """Run a vendor's fake PBX until Ctrl-C.

    What it prints is a gateway.toml for it, with its credentials and what it can be told to do as comments.
    """
    from gateway_contracts import nearest

    from .simulators import SIMULATORS, simulate

    if vendor not in SIMULATORS:
        raise click.UsageError(
            f"There is no simulator of {vendor!r}{nearest(vendor, SIMULATORS)}; there are: {', '.join(SIMULATORS)}"
        )
    _log_warnings()
    pace = None if manual_clock else speed
    _run(simulate(vendor, host=host, port=port, speed=pace, records=records, tell=click.echo))


# Explaining something


@main.command()
@json_option("Answer as JSON")
@click.pass_obj
def check(config: Path, as_json: bool) -> None:
    """Explain the configuration and all its problems.

    Nobody is called: secrets are read and plugins are asked what they can do, and that is all.
    """
    from .config_check import explain

    explanation = _run(explain(config))
    if as_json:
        _show({"config": str(config), **explanation.as_json()})
    else:
        click.echo("\n".join(explanation.lines(config)))
    if explanation.problems:
        raise click.exceptions.Exit(ExitCode.CONFIG)


@main.command()
@click.argument("vendor", required=False)
@json_option("Answer as JSON")
def vendors(vendor: str | None, as_json: bool) -> None:
    """List the installed vendors and what each can do; for one VENDOR also what it cannot, why, and its limits."""
    from gateway_contracts import nearest

    from ..accounts.vendors import vendor_names
    from .config_check import summarise_vendors

    if vendor is not None and vendor not in vendor_names():
        names = vendor_names()
        raise click.UsageError(
            f"No installed plugin supports the vendor {vendor!r}{nearest(vendor, names)}; installed: {', '.join(names)}"
        )
    summaries = _run(summarise_vendors(vendor))
    if as_json:
        _show([summary.as_json() for summary in summaries])
    elif vendor is not None and (report := summaries[0].report) is not None:
        _show_report(report)
    else:
        _table(("vendor", "plugin", "can do"), [(each.name, each.plugin, each.abilities) for each in summaries])


@main.command()
def openapi() -> None:
    """Print the sidecar's API as OpenAPI 3.1."""
    from ..http.openapi import make_openapi

    _show(make_openapi())


# Looking into the journal


@main.command("explain")
@click.argument("wanted", metavar="ID")
@click.option("--account", metavar="ACCOUNT", help="Whose id it is; needed for a vendor's: that of a call or record.")
@json_option("Answer as JSON")
@click.pass_obj
def explain_conversation(config: Path, wanted: str, account: str | None, as_json: bool) -> None:
    """Tell what is known of a conversation, with phone numbers in full.

    ID is the conversation's (cv_…), a dial's (dl_…), or with --account that of one of its calls or records. What was
    asked, each try of a dial, what the vendor answered, what people said, each event, record, recording and delivery,
    and how it ended: as the journal of this configuration has it.
    """
    from gateway_contracts import to_json

    from ..models import Timeline
    from .exit_codes import printable
    from .stories import head_of, story_of, story_of_dial

    found = _run(_timeline(_gateway(config, None, None), wanted, account))
    if as_json:
        _show(to_json(found))
        return
    if isinstance(found, Timeline):
        for word, text in head_of(found):
            click.echo(f"{word:<13} {printable(text)}")
        click.echo()
        story = story_of(found)
    else:
        click.echo(f"{'dial':<13} {found.dial_id}: {found.state}; it belongs to no conversation\n")
        story = story_of_dial(found)
    rows = [(f"{at:%Y-%m-%d %H:%M:%S}Z", printable(what), printable(more)) for at, what, more in story]
    _table(("when", "what", "more"), rows)


async def _timeline(gateway: "Gateway", wanted: str, account: str | None) -> Any:
    from gateway_contracts import NotFound

    async with gateway:
        if gateway.journal is None:
            raise click.UsageError("this configuration keeps no journal")
        journal = await gateway.journal.get()
        from ..journal.timelines import read_dial, read_timeline

        found: Any = await journal.store.read(functools.partial(read_timeline, wanted=wanted, account=account))
        if found is None:
            found = await journal.store.read(functools.partial(read_dial, dial_id=wanted))
    if found is None:
        hint = "" if account else "; the id of a call or record needs --account"
        raise NotFound(f"There is no conversation {wanted} in the journal{hint}", account=account)
    return found


@main.command()
@json_option("Answer as JSON")
@click.pass_obj
def hooks(config: Path, as_json: bool) -> None:
    """Show where each account's webhooks come in, with its secret token, and the hooks that its vendor has."""
    shown = _run(_hooks(_gateway(config, None, None)))
    if as_json:
        _show(shown)
        return
    for each in shown:
        place = each["address"] or f"{each['path']} (set proxy.public_url for the rest)"
        click.echo(f"{each['account']}\n  address  {place}")
        for hook in each["hooks"]:
            click.echo(f"  hook     {hook['vendor_event']}: {hook['url']} ({hook['hook_id']})")
        if each["error"]:
            click.echo(f"  hooks    cannot be read: {each['error']}")


async def _hooks(gateway: "Gateway") -> list[dict[str, Any]]:
    from gateway_contracts import Events, GatewayError, to_json

    from ..accounts.hook_addresses import hook_tokens, hook_url

    shown = []
    async with gateway:
        assert gateway.config is not None  # noqa: S101 # it is not a remote one
        public, tokens = gateway.config.proxy.public_url, await hook_tokens(gateway.config, gateway.journal)
        for account in gateway:
            if account.vendor is None or Events not in account.interfaces:
                continue
            token = tokens.get(account.name)  # none without a journal
            path = hook_url("", account.name, token) if token else None
            each: dict[str, Any] = {"account": account.name, "path": path, "hooks": [], "error": None}
            each["address"] = hook_url(public, account.name, token) if token and public else None
            try:
                each["hooks"] = [to_json(hook) for hook in (await account.events.list_hooks()).items]
            except GatewayError as error:
                each["error"] = error.message
            shown.append(each)
    return shown


# Doing something


def _list_operations(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from gateway_contracts import OPERATIONS

    from .words import synopsis

    rows = [(each.name, synopsis(each), each.summary) for each in OPERATIONS.values()]
    _table(("operation", "arguments", "what it does"), rows)
    ctx.exit()


@main.command(
    epilog="\b\nFor example:\n"
    "  gateway call hanoi start_call extension=101 number=0899098899\n"
    "  gateway call hanoi list_records since=2026-01-31T00:00:00+07:00 --all\n"
    "  gateway call hanoi fetch_recording record_id=ID --out call.wav"
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
def call(
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
    from gateway_contracts import InvalidRequest

    from ..accounts.guard import seal, told_of_key
    from ..process import Stopped
    from .words import arguments_in, operation_called

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
        from .export import writable

        writable(out)
    gateway = _gateway(config, url, key_env, raw=raw)
    try:
        _run(_call(gateway, account, wanted, given, every=every, raw=raw, out=out, pretty=not as_json))
    except (KeyboardInterrupt, Stopped):
        if wanted.rings:
            click.echo(
                f"Stopped while {wanted.name} was under way: a phone may have rung. Look at the live calls and "
                "records, do not repeat it blindly.",
                err=True,
            )
        raise


async def _call(
    gateway: "Gateway",
    name: str,
    operation: "Operation",
    arguments: Mapping[str, Any],
    *,
    every: bool,
    raw: bool,
    out: Path | None,
    pretty: bool,
) -> None:
    from gateway_contracts import Audio, DialState, GatewayError, OutcomeUnknown, to_json
    from gateway_contracts.converters import to_json_lines

    from ..accounts.guard import seal, told_of_key

    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(gateway)
            account = _account(gateway, name)
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
                _show(to_json(answer, raw=raw), pretty=pretty)
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


async def _save(audio: Any, out: Path | None) -> None:
    from .export import whole_file

    async with audio:
        if out is None:
            async for chunk in audio:
                click.echo(chunk, nl=False)
            return
        count = 0
        with whole_file(out) as file:
            async for chunk in audio:
                count += file.write(chunk)
    click.echo(f"{count} bytes of {audio.media_type} in {out}", err=True)


@main.command()
@click.argument("account")
@click.argument("dial_id")
@click.option("--state", type=click.Choice(["placed", "not_placed"]), help="State how it ended; needs --note.")
@click.option("--note", help="How that is known: who was asked, and what was said.")
@sidecar_options
@json_option("Answer on one line")
@click.pass_obj
def dial(
    config: Path,
    account: str,
    dial_id: str,
    state: str | None,
    note: str | None,
    url: str | None,
    key_env: str | None,
    as_json: bool,
) -> None:
    """Print what is known of the click-to-call DIAL_ID on ACCOUNT; one that is unknown is looked for first.

    With --state a person says how an unknown one ended, once the vendor can no longer answer. not_placed lets its
    idempotency key dial again, so ask the agent before. What evidence proves is not overruled.
    """
    if (state is None) != (note is None):
        raise click.UsageError("--state and --note go together: say how it ended, and how that is known")
    _run(_dial(_gateway(config, url, key_env), account, dial_id, state, note, pretty=not as_json))


async def _dial(
    gateway: "Gateway", name: str, dial_id: str, state: str | None, note: str | None, *, pretty: bool
) -> None:
    from gateway_contracts import to_json

    async with gateway:
        account = _account(gateway, name)
        if state is None or note is None:
            found = await account.dial(dial_id)
        else:
            found = await account.make_statement(dial_id, state=state, note=note)
        _show(to_json(found), pretty=pretty)


class _Export(click.Command):
    """A command with an option for each filter of `list_records`, read off that operation when it is needed."""

    @functools.cached_property
    def _filters(self) -> list[click.Parameter]:
        from gateway_contracts import OPERATIONS

        from .words import word_for

        own = {parameter.name for parameter in self.params}
        return [
            click.Option([f"--{each.name.replace('_', '-')}"], metavar=word_for(each.type))
            for each in OPERATIONS["list_records"].parameters
            if each.name not in own | {"cursor", "limit"}
        ]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        return [*params[: len(self.params)], *self._filters, *params[len(self.params) :]]


@main.command(cls=_Export)
@click.argument("account")
@click.option("--since", required=True, metavar="TIME", help="Calls that started at this time or later.")
@click.option("--until", metavar="TIME", help="Calls that started before this time. [default: all until now]")
@click.option(
    "--timezone", metavar="ZONE", help="The zone of dates and times that do not say one, such as Asia/Ho_Chi_Minh."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file: .ndjson, .jsonl or .csv.")
@sidecar_options
@json_option("Answer as JSON")
@click.pass_obj
def export(
    config: Path,
    /,
    account: str,
    timezone: str | None,
    out: Path,
    url: str | None,
    key_env: str | None,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Save the finished calls of ACCOUNT as NDJSON or CSV.

    A TIME is 2026-01-31T09:00:00+07:00, or with --timezone 2026-01-31 (its midnight). The file is there when it is
    whole: until then, and when anything goes wrong, an old file of that name stays as it is.
    """
    from .words import filters_in, zone_called

    arguments = filters_in(filters, zone_called(timezone) if timezone else None)
    gateway = _gateway(config, url, key_env)
    count, skipped = _run(_export(gateway, account, arguments, out))
    if skipped:
        click.echo(f"{skipped} row{'' if skipped == 1 else 's'} of the vendor's could not be read: left out", err=True)
    if as_json:
        _show({"records": count, "path": str(out)})
    else:
        click.echo(f"{count} record{'' if count == 1 else 's'} in {out}")


async def _export(gateway: "Gateway", name: str, filters: Mapping[str, Any], out: Path) -> tuple[int, int]:
    from .export import export, progress_bar

    async with gateway:
        account = _account(gateway, name)
        with progress_bar(f"{name} to {out.name}") as progress:
            return await export(account, filters, out, progress)


@main.command()
@click.option(
    "--after", type=click.IntRange(0), metavar="SEQ", help="Those after this one; 0: all. [default: new ones]"
)
@click.option("--account", "accounts", multiple=True, help="Of this account only; several times for several.")
@click.option("--type", "types", multiple=True, help="Of this type only (call.ended, …); several times for several.")
@click.option("--extension", help="Of this extension only.")
@click.option("--number", help="Of this outside number only.")
@click.option("--raw", is_flag=True, help="Add the vendor's own.")
@sidecar_options
@json_option("Answer as JSON")
@click.pass_obj
def events(
    config: Path,
    /,
    after: int | None,
    accounts: tuple[str, ...],
    types: tuple[str, ...],
    extension: str | None,
    number: str | None,
    raw: bool,
    url: str | None,
    key_env: str | None,
    as_json: bool,
) -> None:
    """Print events as they happen, one JSON object a line, until Ctrl-C.

    To go on later, give the seq of the last line as --after.
    """
    query = {"after": after, "accounts": accounts, "types": types, "extension": extension, "number": number}
    _run(_events(_gateway(config, url, key_env, raw=raw), query, raw=raw))


async def _events(gateway: "Gateway", query: Mapping[str, Any], *, raw: bool) -> None:
    from gateway_contracts.converters import to_json_lines

    async with gateway, contextlib.aclosing(gateway.follow_events(**query)) as found:
        async for event in found:
            click.echo(to_json_lines([event], raw=raw), nl=False)


# Keys


@main.group()
def keys() -> None:
    """Make keys for the sidecar's callers."""


@keys.command("new")
@click.option("--name", default="app", show_default=True, help="Whose key it is; it is seen in errors and logs.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="What it may do; several times for several. [default: calls, records, events]",
)
@click.option(
    "--account", "accounts", multiple=True, help="An account it may use; several times for several. [default: all]"
)
@json_option("Answer as JSON")
def new_key(name: str, scopes: tuple[str, ...], accounts: tuple[str, ...], as_json: bool) -> None:
    """Make a key, and what to write into the configuration for it. The key is shown here and nowhere else."""
    from gateway_contracts import nearest

    from ..config import SCOPES
    from ..keys import new_key

    if not name.strip() or not name.isprintable():
        raise click.BadParameter("must be something that can be read", param_hint="--name")
    for scope in scopes:
        if scope not in SCOPES:
            raise click.BadParameter(
                f"there is no scope {scope!r}{nearest(scope, SCOPES)}; there are: {', '.join(SCOPES)}",
                param_hint="--scope",
            )
    key, digest = new_key()
    entry = {
        "name": name,
        "sha256": digest,
        "scopes": list(dict.fromkeys(scopes)) or ["calls", "records", "events"],
        "accounts": list(dict.fromkeys(accounts)) or ["*"],
    }
    # What JSON writes of them is TOML too, as long as no letter is escaped.
    settings = [f"{setting} = {json.dumps(value, ensure_ascii=False)}" for setting, value in entry.items()]
    toml = "\n".join(["[[proxy.keys]]", *settings])
    if as_json:
        _show({"key": key, "entry": entry, "toml": toml})
    else:
        click.echo(
            f"The key, which is not shown again (Authorization: Bearer KEY):\n\n{key}\n\nFor gateway.toml:\n\n{toml}"
        )


# Plugins


@main.group()
def plugin() -> None:
    """Write the plugin of a vendor, and test it."""


@plugin.command("new")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="Write the package below this folder. [default: here]",
)
def new_plugin(name: str, into: Path) -> None:
    """Write a package for the vendor NAME, with two interfaces that work and tests that pass."""
    from .plugin_package import problem_of, write_package

    problem = problem_of(name)
    if problem:
        raise click.BadParameter(problem, param_hint="NAME")
    try:
        folder = write_package(name, into)
    except FileExistsError as error:
        raise click.UsageError(f"{error.filename} is there already, and nothing was written") from None
    click.echo(
        f"{folder} is a whole plugin for a PBX that we made up. Next:\n\n"
        f"  pip install --editable '{folder}[test]'\n  gateway plugin check {folder}\n\n"
        "Its README.md says how to make it yours."
    )


@plugin.command("check")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--write", is_flag=True, help="Write the support report into the package when all else passes.")
@json_option("Answer as JSON")
def check_plugin(path: Path, write: bool, as_json: bool) -> None:
    """Run the tests of the plugin's package at PATH [default: here], and show what it supports."""
    from gateway_contracts import to_json

    from .plugin_package import check_package

    checked = check_package(path, write=write)
    for file in checked.written:
        click.echo(f"written: {file}", err=True)
    if write and not checked.written:
        click.echo("not written: no support report, since all other tests have to pass first", err=True)
    if as_json:
        _show({"passed": checked.passed, "failed": checked.failed, "vendors": to_json(checked.vendors)})
    for found in () if as_json else checked.vendors.values():
        _show_report(found)
    for vendor in checked.without_report:
        click.echo(f"note: {vendor} ships no support report that can be read: see --write", err=True)
    if not checked.passed:
        if checked.failed:
            click.echo(f"failed: {len(checked.failed)}, see above", err=True)
        for vendor in checked.without_suite:
            click.echo(f"untested: no class subclasses gateway_contracts.testing.Suite for {vendor}", err=True)
        raise click.exceptions.Exit(ExitCode.FAILED)


# What commands share


def _show_report(report: "SupportReport") -> None:
    from ..accounts.support import lines_of, rows_of

    _table((report.vendor, "support", "without", "because"), list(rows_of(report.operations)))
    click.echo()
    _table(("measured", ""), list(lines_of(report.limits)))


def _run(work: Coroutine[Any, Any, T]) -> T:
    from ..process import run

    return run(work)


def _gateway(config: Path, url: str | None, key_env: str | None, *, raw: bool = False) -> "Gateway":
    from ..facade import Gateway

    if url is None:
        if key_env is not None:
            raise click.UsageError("--key-env is for --url")
        return Gateway.from_file(config)
    key = os.environ.get(key_env or "GATEWAY_KEY") or None
    if key_env is not None and key is None:
        # Not what was given: it may be the key itself, by mistake.
        raise click.UsageError("--key-env must name an environment variable that holds the key, and it is not set")
    return Gateway.remote(url, key=key, raw=raw)


def _account(gateway: "Gateway", name: str) -> "AccountFacade":
    from gateway_contracts import NotFound

    try:
        return gateway[name]
    except NotFound as error:
        raise click.UsageError(
            f"{error.message}; there are: {', '.join(each.name for each in gateway) or 'none'}"
        ) from None


def _show(data: Any, *, pretty: bool = True) -> None:
    """Print JSON: for people on a terminal, on one line for programs."""
    from gateway_contracts import dumps

    text = dumps(data).decode()
    if pretty and sys.stdout.isatty():
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    click.echo(text)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    # Programs get whole lines, and nobody the blanks that fill the last column up.
    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        click.echo(line.rstrip())
