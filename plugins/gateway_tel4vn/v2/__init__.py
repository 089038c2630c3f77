"""TEL4VN's call center API, version 2 (document 002 of 2021), and where later editions moved its operations."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from pathlib import Path

import attrs
from gateway_contracts import Account, Vendor, hookimpl

from ..settings import AccountSettings, check_paths, rows_a_page
from .wire import CC_2021, Edition


class Form(StrEnum):
    """How a click-to-call is asked for: by query (002:552-606), or by a body for a customer (002:664)."""

    GET = "get"
    POST = "post"


def _paths(_: object, __: object, value: Mapping[str, str]) -> None:
    check_paths(value, CC_2021)


@attrs.frozen(kw_only=True)
class Settings(AccountSettings):
    """The settings of a `tel4vn-v2` account, beside those that all TEL4VN's accounts have.

    `edition` is the edition of the vendor's documents whose paths the host has; `paths` replaces single ones by the
    name of the operation. `click_to_call` is the form in which calls are started. `page_size` is how many records and
    customers are asked for at once.
    """

    edition: Edition = Edition.CC_2021
    paths: Mapping[str, str] = attrs.field(factory=dict, validator=_paths)
    click_to_call: Form = Form.GET
    page_size: int = rows_a_page(50)


@contextlib.asynccontextmanager
async def connect(account: Account, settings: Settings) -> AsyncIterator[object]:
    """The adapter of an account; nothing is sent before it is asked for something."""
    from .adapter import open_adapter  # not before an account needs it: aiohttp takes long to import

    async with open_adapter(account, settings) as adapter:
        yield adapter


@hookimpl
def gateway_vendor() -> Vendor:
    return Vendor(
        name="tel4vn-v2",
        settings=Settings,
        connect=connect,
        support=Path(__file__).with_name("support.json"),
        far_end=("base_url", "username", "domain"),
    )
