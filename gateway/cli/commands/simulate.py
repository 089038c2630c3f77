"""`gateway simulate`: a vendor's fake PBX, and the configuration of an account on it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import click
from gateway_contracts import ConfigError, nearest
from gateway_contracts.addresses import is_loopback

from ...process import run, told_to_stop
from ..log_output import log_warnings
from ..options import SPEED
from ..output import toml_lines
from ..simulators import SIMULATORS, seed


@click.command("simulate")
@click.argument("vendor")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Listen on this port. [default: any free one]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address. It has no protection.")
@click.option("--speed", type=SPEED, default=1.0, show_default=True, help="How much faster than life the phones are.")
@click.option("--records", type=click.IntRange(0, 10_000_000), default=0, help="Start with that many finished calls.")
@click.option("--manual-clock", is_flag=True, help="Let time stand still until POST /_simulator/advance.")
def command(vendor: str, port: int, host: str, speed: float, records: int, manual_clock: bool) -> None:
    """Run a vendor's fake PBX until Ctrl-C.

    What it prints is a gateway.toml for it, with its credentials and what it can be told to do as comments.
    """
    if vendor not in SIMULATORS:
        raise click.UsageError(
            f"There is no simulator of {vendor!r}{nearest(vendor, SIMULATORS)}; there are: {', '.join(SIMULATORS)}"
        )
    log_warnings()
    pace = None if manual_clock else speed
    run(run_simulator(vendor, host=host, port=port, speed=pace, records=records, tell=click.echo))


async def run_simulator(
    vendor: str, *, host: str, port: int, speed: float | None, records: int, tell: Callable[[str], None]
) -> None:
    """Run a simulator of *vendor* until told to stop. *tell* is called with what to know about it, as a gateway.toml.

    Raises: ConfigError when it cannot listen there.
    """
    async with AsyncExitStack() as stack:
        try:
            simulator = await stack.enter_async_context(SIMULATORS[vendor].make(host=host, port=port, speed=speed))
        except OSError as error:
            text = f"cannot listen on {host}:{port} ({error.strerror}): give another --port (0 for any) or --host"
            raise ConfigError("", text) from error
        if records:
            seed(simulator, records)
        with told_to_stop() as told:
            tell(describe(vendor, simulator))
            await told.wait()


def describe(vendor: str, simulator: Any) -> str:
    """What to know about the running *simulator*, as comments in a gateway.toml that uses it."""
    kind = SIMULATORS[vendor]
    control = f"{simulator.url}/_simulator"
    post = "curl -s -X POST -H 'Content-Type: application/json'"
    comments = [
        f"The {vendor} simulator answers at {simulator.url} until Ctrl-C. Its credentials:",
        *(f"  {name:<14} {getattr(simulator, name)}" for name in kind.credentials),
        "What it knows, and what it can be told to do:",
        f"  curl -s {control}/state",
        f"""  {post} -d '{{"number": "0899888999"}}' {control}/incoming""",
        f"""  {post} -d '{{"path": "{kind.dials}", "kind": "drop"}}' {control}/faults""",
        "All of this is a gateway.toml: save it and run `gateway check`.",
    ]
    lines = [f"# {comment}" for comment in comments]
    lines += ["", "[accounts.hanoi]", *toml_lines({"vendor": vendor})]
    lines += ["", "[accounts.hanoi.settings]", *toml_lines(kind.account(simulator))]
    if not is_loopback(urlsplit(simulator.url).hostname or ""):
        lines.append("allow_http = true")
    return "\n".join(lines)
