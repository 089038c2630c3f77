"""The fake vendor servers that can be started by name, and the configuration of an account on one."""

import importlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import attrs
from gateway_contracts import ConfigError
from gateway_contracts.addresses import is_loopback

from ..process import told_to_stop

RECORD_EVERY = timedelta(minutes=1)


@attrs.frozen(kw_only=True)
class Simulated:
    """A vendor that can be simulated: where the simulator is, and which of its attributes an account's settings are."""

    module: str
    name: str
    settings: Mapping[str, str]
    credentials: tuple[str, ...]
    dials: str  # the path of a request that a fault is worth showing on

    def make(self, *, speed: float | None, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[Any]:
        """A simulator that lives by the real time, with everything happening *speed* times as fast; without a speed by
        a clock that moves only when it is told to.
        """
        from gateway_simulators import LiveClock, ManualClock

        simulator: AbstractAsyncContextManager[Any] = getattr(importlib.import_module(self.module), self.name)(
            clock=ManualClock(datetime.now(UTC)) if speed is None else LiveClock(speed=speed), host=host, port=port
        )
        return simulator

    def account(self, simulator: Any) -> dict[str, Any]:
        """The settings of an account on the running *simulator*."""
        return {setting: getattr(simulator, attribute) for setting, attribute in self.settings.items()}


SIMULATORS: Mapping[str, Simulated] = {
    "tel4vn-v1": Simulated(
        module="gateway_simulators.tel4vn_v1",
        name="Tel4vnV1Simulator",
        settings={"base_url": "url", "api_key": "api_key", "tenant_secret": "tenant_secret"},
        credentials=("username", "password", "api_key", "tenant_secret"),
        dials="/v1/click2call*",
    ),
    "tel4vn-v2": Simulated(
        module="gateway_simulators.tel4vn_v2",
        name="Tel4vnV2Simulator",
        settings={"base_url": "url", "api_key": "api_key"},
        credentials=("username", "password", "api_key"),
        dials="*click2call*",
    ),
    "antbuddy": Simulated(
        module="gateway_simulators.antbuddy",
        name="AntbuddySimulator",
        settings={
            "base_url": "url",
            "socket_url": "socket_url",
            "app_id": "app_id",
            "app_secret": "app_secret",
            "account_id": "account_id",
            "devices": "devices",
        },
        credentials=("app_id", "app_secret", "account_id"),
        dials="/oapi/v1/call/click-to-call/*",
    ),
}


async def simulate(
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


def seed(simulator: Any, records: int) -> None:
    """Give *simulator* that many finished calls, one a minute until now."""
    step = int(RECORD_EVERY.total_seconds())
    simulator.seed_records(records, datetime.now(UTC) - records * RECORD_EVERY, step)


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
    lines += ["", "[accounts.hanoi]", f"vendor = {json.dumps(vendor)}", "", "[accounts.hanoi.settings]"]
    lines += [f"{name} = {_toml(value)}" for name, value in kind.account(simulator).items()]
    if not is_loopback(urlsplit(simulator.url).hostname or ""):
        lines.append("allow_http = true")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)
