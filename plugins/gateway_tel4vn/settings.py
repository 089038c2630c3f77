"""What the settings of TEL4VN's accounts have in common."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs
from gateway_contracts import Direction, Secret, nearest
from gateway_contracts.addresses import is_loopback


class Paging(StrEnum):
    """What is sent to say where a page of records starts (003:382-411, 002:427-448): all of it, or one."""

    AUTO = "auto"
    OFFSET = "offset"
    PAGE = "page"
    SCROLL = "scroll"


DIRECTION_NUMBERS: Mapping[str, Direction] = {"3": Direction.OUTBOUND}  # 003:304, the only one that is shown


def _directions(given: Mapping[str, Direction]) -> Mapping[str, Direction]:
    return {**DIRECTION_NUMBERS, **given}


def _address(_: object, __: object, value: str) -> None:
    """Check that a setting is the vendor's address. Raises: ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("base_url must be an address such as https://pbx.example.vn")


def _zone(_: object, __: object, value: str) -> None:
    """Check that a setting names a time zone. Raises: ValueError."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone {value!r} is not known; write one such as Asia/Ho_Chi_Minh") from None


def _pattern(_: object, __: object, value: str) -> None:
    """Check that a setting is a regular expression. Raises: ValueError."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"extension_pattern is not a regular expression: {error}") from None


def check_paths(paths: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Check the setting `paths`: names that are *known*, and the places that the documents' paths have.

    Raises: ValueError.
    """
    for name, path in paths.items():
        printed = known.get(name)
        if printed is None:
            raise ValueError(f"paths.{name} is no operation{nearest(name, known)}; there are {', '.join(known)}")
        if not path.startswith("/") or sorted(_places(path)) != sorted(_places(printed)):
            raise ValueError(f"paths.{name} must be a path such as {printed}, with the same places in braces")
        if not re.fullmatch(r"[!-~]+", path) or {"?", "#"} & set(path):
            raise ValueError(f"paths.{name} must be a path of plain characters, without a query, such as {printed}")


def _places(path: str) -> list[str]:
    return re.findall(r"[{][^{}]*[}]|[{}]", path)


def domain_of(text: str | None) -> str | None:
    """The domain in *text*, comparable, without the port; None where there is none."""
    return (text or "").strip().partition(":")[0].rstrip(".").lower() or None


@attrs.frozen(kw_only=True)
class AccountSettings:
    """The settings that the accounts of all products have.

    `base_url` is the host that TEL4VN gave you. Either `api_key`, or `username` and `password`, which are exchanged for
    one. `domain` is the tenant's own, by default that of `username`: a webhook of another one is refused.

    `paging` is what says where a page of records starts: `page` and `offset` together, unless a host refuses one.

    `recording_hosts` names the hosts that recordings may be fetched from, beside that of `base_url` (`*.example.vn`
    means any below it); `recording_bearer` sends the token along to the host of `base_url`.

    `timezone` is the zone of the vendor's times; `z_is_local` says that a trailing `Z` does not mean UTC.
    `direction_numbers` says what the numbers that this vendor gives for directions mean; only 3 is documented.
    `extension_pattern` tells extensions from phone numbers. `token_max_age_seconds` is when a token is replaced at the
    latest. `allow_http` permits a `base_url` without TLS that is not this machine.
    """

    base_url: str = attrs.field(validator=_address)
    api_key: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    domain: str | None = None
    timezone: str = attrs.field(default="Asia/Ho_Chi_Minh", validator=_zone)
    z_is_local: bool = False
    direction_numbers: Mapping[str, Direction] = attrs.field(factory=dict, converter=_directions)
    extension_pattern: str = attrs.field(default=r"\d{3,6}", validator=_pattern)
    paging: Paging = Paging.AUTO
    recording_hosts: tuple[str, ...] = ()
    recording_bearer: bool = False
    token_max_age_seconds: float = attrs.field(default=86_400.0, validator=attrs.validators.gt(0))
    allow_http: bool = False

    @property
    def own_domain(self) -> str | None:
        """The domain of the account's tenant; None where no setting tells it."""
        return domain_of(self.domain) or domain_of((self.username or "").partition("@")[2])

    def _check_credentials(self) -> None:
        if not self.api_key and not (self.username and self.password):
            raise ValueError("api_key, or username and password, must be given")

    def __attrs_post_init__(self) -> None:
        self._check_credentials()
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not self.allow_http and not is_loopback(parts.hostname or ""):
            raise ValueError("base_url must start with https://, or allow_http = true must be set: it carries secrets")


def rows_a_page(default: int) -> Any:
    """The field for how many rows are asked for at once."""
    return attrs.field(default=default, validator=[attrs.validators.ge(1), attrs.validators.le(10_000)])
