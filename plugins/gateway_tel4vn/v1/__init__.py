"""TEL4VN's PBX API, version 1 (documents 000, 001 and 003 of 2021)."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import attrs
from gateway_contracts import Account, Direction, Leg, Secret, Vendor, hookimpl
from gateway_contracts.parties import CUSTOMER_LEG

from ..settings import AccountSettings, check_paths, rows_a_page
from .wire import PATHS


def _legs(given: Mapping[Direction, Leg]) -> Mapping[Direction, Leg]:
    return {**CUSTOMER_LEG, **given}


def _paths(_: object, __: object, value: Mapping[str, str]) -> None:
    check_paths(value, PATHS)


@attrs.frozen(kw_only=True)
class Settings(AccountSettings):
    """The settings of a `tel4vn-v1` account, beside those that all TEL4VN's accounts have.

    `tenant_secret` is the separate secret token of Tenants; an account may have it alone, and does nothing else then.
    `paths` replaces single paths by the name of the operation. `transfer_leg` is the customer's side of a call by its
    direction, moved when a transfer does not say which. `page_size` is how many records are asked for at once.
    """

    tenant_secret: Secret | None = None
    paths: Mapping[str, str] = attrs.field(factory=dict, validator=_paths)
    transfer_leg: Mapping[Direction, Leg] = attrs.field(factory=dict, converter=_legs)
    page_size: int = rows_a_page(100)

    def _check_credentials(self) -> None:
        if not self.tenant_secret or self.username or self.password:
            super()._check_credentials()


@contextlib.asynccontextmanager
async def connect(account: Account, settings: Settings) -> AsyncIterator[object]:
    """The adapter of an account; nothing is sent before it is asked for something."""
    from .adapter import open_adapter  # not before an account needs it: aiohttp takes long to import

    async with open_adapter(account, settings) as adapter:
        yield adapter


@hookimpl
def gateway_vendor() -> Vendor:
    return Vendor(
        name="tel4vn-v1",
        settings=Settings,
        connect=connect,
        support=Path(__file__).with_name("support.json"),
        far_end=("base_url", "username", "domain"),
    )
