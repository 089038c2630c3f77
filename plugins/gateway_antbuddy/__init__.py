"""AntBuddy's oapi (`antbuddy`, document 004): click-to-call, records and recordings over HTTP, events over a socket."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from gateway_contracts import Account, Secret, Vendor, hookimpl
from gateway_contracts.addresses import is_loopback

from .hashes import HashOrder


class SocketProtocol(StrEnum):
    """What the vendor's event socket speaks: Kazoo 3's Socket.IO 0.9 or Kazoo 4's plain WebSocket; `auto` looks."""

    AUTO = "auto"
    SOCKETIO09 = "socketio09"
    KAZOO4 = "kazoo4"


@attrs.frozen(kw_only=True)
class Device:
    """The SIP device of an extension, which the vendor rings for a click-to-call (004:44-45)."""

    sip_user: str = attrs.field(validator=attrs.validators.min_len(1))
    sip_password: Secret


def _address(_: object, field: "attrs.Attribute[str]", value: str) -> None:
    if not _is_address(value):
        raise ValueError(f"{field.name} must be an address such as {field.default}")


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    extra = parts.query or parts.fragment or parts.username
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0 and not extra


def _distinct(_: object, __: object, value: Mapping[str, Device]) -> None:
    users = [device.sip_user for device in value.values()]
    if len(set(users)) < len(users):
        raise ValueError("devices: two extensions have the same sip_user")


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of an `antbuddy` account.

    `app_id` and `app_secret` identify you to the vendor. `account_id` is the account's id on the vendor's telephone
    switch, needed only to follow events. `base_url` and `socket_url` are where the vendor's API and its event socket
    are; `socket_protocol` is what the latter speaks. `devices` names the SIP device of each extension.

    `hash_order` is where `app_id` stands in the hash: first, or just before the secret. `requests_per_second` holds our
    own requests back so that the vendor's limit is not met. `recording_hosts` names the hosts that recordings may be
    fetched from, beside that of `base_url`. `late_seconds` is how long after its start a call may have been filed by
    the vendor. `allow_http` permits addresses without TLS that are not this machine.
    """

    app_id: str = attrs.field(validator=attrs.validators.min_len(1))
    app_secret: Secret
    account_id: str | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.min_len(1)))
    base_url: str = attrs.field(default="https://openapi.antbuddy.com", validator=_address)
    socket_url: str = attrs.field(default="https://ws.antbuddy.com:5557", validator=_address)
    socket_protocol: SocketProtocol = SocketProtocol.AUTO
    devices: Mapping[str, Device] = attrs.field(factory=dict, validator=_distinct)
    hash_order: HashOrder = HashOrder.APP_FIRST
    requests_per_second: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.gt(0))
    )
    recording_hosts: tuple[str, ...] = ()
    late_seconds: int = attrs.field(default=3600, validator=[attrs.validators.ge(1), attrs.validators.le(43_200)])
    allow_http: bool = False

    def __attrs_post_init__(self) -> None:
        for name in ("base_url", "socket_url"):
            parts = urlsplit(getattr(self, name))
            if parts.scheme == "http" and not self.allow_http and not is_loopback(parts.hostname or ""):
                raise ValueError(f"{name} must start with https://, or allow_http = true must be set: secrets go there")

    def extension_of(self, sip_user: str | None) -> str | None:
        """The extension whose device is *sip_user*; None for a device that is not in `devices`."""
        return next((name for name, device in self.devices.items() if device.sip_user == sip_user), None)


@contextlib.asynccontextmanager
async def connect(account: Account, settings: Settings) -> AsyncIterator[Any]:
    """The adapter of an account; nothing is sent before it is asked for something."""
    from .adapter import open_adapter  # not before an account needs it: aiohttp takes long to import

    async with open_adapter(account, settings) as adapter:
        yield adapter


@hookimpl
def gateway_vendor() -> Vendor:
    return Vendor(
        name="antbuddy",
        settings=Settings,
        connect=connect,
        support=Path(__file__).with_name("support.json"),
        far_end=("base_url", "app_id"),
    )
