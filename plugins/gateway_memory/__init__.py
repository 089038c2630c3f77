"""A PBX in memory: the smallest honest plugin, to read first when writing one, and what the gateway's own tests use."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
from gateway_contracts import Account, Vendor, hookimpl


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a `memory` account: the `extensions` whose phones are connected, and those that are `busy`."""

    extensions: tuple[str, ...] = ("101", "102")
    busy: tuple[str, ...] = ()


@contextlib.asynccontextmanager
async def connect(account: Account, settings: Settings) -> AsyncIterator[object]:
    """The adapter of an account. Another vendor's plugin opens its HTTP session here, and closes it at the end."""
    from .adapter import Memory  # not before an account needs it: what adapters import takes long

    yield Memory(account.name, settings)


@hookimpl
def gateway_vendor() -> Vendor:
    return Vendor(
        name="memory",
        settings=Settings,
        connect=connect,
        support=Path(__file__).with_name("support.json"),
    )
