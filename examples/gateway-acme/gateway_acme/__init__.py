"""Acme PBX: forms in, XML out, events by long-poll."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
from gateway_contracts import Account, Secret, Vendor, hookimpl


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of an `acme` account. *poll_seconds* is how long Acme may hold a request for events."""

    base_url: str
    username: str
    password: Secret
    poll_seconds: int = 25


@contextlib.asynccontextmanager
async def connect(account: Account, settings: Settings) -> AsyncIterator[object]:
    """The adapter of an account and its session; nobody is called."""
    from .adapter import open_adapter  # not before an account needs it: what adapters import takes long

    async with open_adapter(account, settings) as adapter:
        yield adapter


@hookimpl
def gateway_vendor() -> Vendor:
    return Vendor(
        name="acme",
        settings=Settings,
        connect=connect,
        contracts="1.1",
        support=Path(__file__).with_name("support.json"),
        far_end=("base_url", "username"),
    )
