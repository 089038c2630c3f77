"""The fake vendor servers that can be started by name, and the configuration of an account on one."""

import importlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

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
        from gateway_simulators import LiveClock, ManualClock  # for a quick start: a list of names needs no simulator

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


def seed(simulator: Any, records: int) -> None:
    """Give *simulator* that many finished calls, one a minute until now."""
    step = int(RECORD_EVERY.total_seconds())
    simulator.seed_records(records, datetime.now(UTC) - records * RECORD_EVERY, step)
