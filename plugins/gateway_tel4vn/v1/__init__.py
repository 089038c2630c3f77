"""TEL4VN's PBX API, version 1 (documents 000, 001 and 003 of 2021)."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs
from gateway_contracts import Account, Direction, Leg, Secret, Vendor, hookimpl
from gateway_contracts.addresses import is_loopback


class Paging(StrEnum):
    """How pages of records are asked for (003:382-411)."""

    OFFSET = "offset"
    PAGE = "page"
    SCROLL = "scroll"


DIRECTION_NUMBERS: Mapping[str, Direction] = {"3": Direction.OUTBOUND}  # 003:304, the only one that is shown
TRANSFER_LEG: Mapping[Direction, Leg] = {
    Direction.OUTBOUND: Leg.B,
    Direction.INBOUND: Leg.A,
    Direction.INTERNAL: Leg.B,
}


def _directions(given: Mapping[str, Direction]) -> Mapping[str, Direction]:
    return {**DIRECTION_NUMBERS, **given}


def _legs(given: Mapping[Direction, Leg]) -> Mapping[Direction, Leg]:
    return {**TRANSFER_LEG, **given}


def _url(_: object, __: object, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("base_url must be an address such as https://pbx.example.vn")


def _zone(_: object, __: object, value: str) -> None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone {value!r} is not known; write one such as Asia/Ho_Chi_Minh") from None


def _pattern(_: object, __: object, value: str) -> None:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"extension_pattern is not a regular expression: {error}") from None


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a `tel4vn-v1` account.

    `base_url` is the host that TEL4VN gave you. Either `api_key`, or `username` and `password`, which are exchanged for
    one. `tenant_secret` is the separate secret token of Tenants.

    `recording_hosts` names the hosts that recordings may be fetched from, beside that of `base_url` (`*.example.vn`
    means any below it); `recording_bearer` sends the token along to the host of `base_url`.

    `timezone` is the zone of the vendor's times; `z_is_local` says that a trailing `Z` does not mean UTC.
    `direction_numbers` says what the numbers that this vendor gives for directions mean; only 3 is documented.
    `extension_pattern` tells extensions from phone numbers. `transfer_leg` is the customer's side of a call by its
    direction, moved when a transfer does not say which. `paging` and `page_size` are how records are asked for.
    `token_max_age_seconds` is when a token is replaced at the latest. `allow_http` permits a `base_url` without TLS
    that is not this machine.
    """

    base_url: str = attrs.field(validator=_url)
    api_key: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    tenant_secret: Secret | None = None
    timezone: str = attrs.field(default="Asia/Ho_Chi_Minh", validator=_zone)
    z_is_local: bool = False
    direction_numbers: Mapping[str, Direction] = attrs.field(factory=dict, converter=_directions)
    extension_pattern: str = attrs.field(default=r"\d{3,6}", validator=_pattern)
    transfer_leg: Mapping[Direction, Leg] = attrs.field(factory=dict, converter=_legs)
    recording_hosts: tuple[str, ...] = ()
    recording_bearer: bool = False
    paging: Paging = Paging.OFFSET
    page_size: int = attrs.field(default=100, validator=[attrs.validators.ge(1), attrs.validators.le(10_000)])
    token_max_age_seconds: float = attrs.field(default=86_400.0, validator=attrs.validators.gt(0))
    allow_http: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.api_key and not (self.username and self.password):
            raise ValueError("api_key, or username and password, must be given")
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not self.allow_http and not is_loopback(parts.hostname or ""):
            raise ValueError("base_url must start with https://, or allow_http = true must be set: it carries secrets")


@contextlib.asynccontextmanager
async def connect(account: Account, settings: Settings) -> AsyncIterator[object]:
    """The adapter of an account; nothing is sent before it is asked for something."""
    from .adapter import open_adapter  # not before an account needs it: aiohttp takes long to import

    async with open_adapter(account, settings) as adapter:
        yield adapter


@hookimpl
def gateway_vendor() -> Vendor:
    return Vendor(name="tel4vn-v1", settings=Settings, connect=connect)
