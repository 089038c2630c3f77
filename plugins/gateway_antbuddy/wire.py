"""What AntBuddy's documents show (004, undated; read 2026), and the tables from its words to ours."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import attrs
from gateway_contracts import Direction, Outcome

Number = int | float | str | None

OUTCOMES: Mapping[str, Outcome] = {  # 004:91
    "SUCCESS": Outcome.ANSWERED,
    "BUSY": Outcome.BUSY,
    "IVR": Outcome.NO_ANSWER,  # the system took the call and nobody picked up
    "CANCELLED": Outcome.CANCELLED,
    "UNSUCCESS": Outcome.FAILED,
}
DIRECTIONS: Mapping[str, Direction] = {"from_ab": Direction.OUTBOUND, "to_ab": Direction.INBOUND}  # 004:90
INTERNAL_CLASS = "one_one"  # 004:88; says more than the direction beside it
USER = "user"  # 004:86-87: a person of ours; "realnumber" is anybody's number
RECORDING_PREFIX = "call_recording_"  # the switch names recordings after the call's id
_ENVELOPES = ("data", "docs", "items", "records", "rows")
_SECONDS = 4_102_444_800  # 2100; a time beyond is not in seconds
_LONGEST = 10_000_000  # seconds; what a record's id has room for
_SHOWN = 40  # characters of a bad value in an error


@attrs.frozen(kw_only=True)
class TokenRow:
    """004:23. The unit of `expire` is not documented, and not needed: every connection gets a token of its own."""

    value: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class PartyRow:
    """004:86-87."""

    number: str | int | None = None
    type: str | None = None
    username: str | None = None


@attrs.frozen(kw_only=True)
class HistoryRow:
    """004:84-95."""

    unix_timestamp: int | float | str
    caller: PartyRow | None = None
    callee: PartyRow | None = None
    did_number: str | int | None = None
    direction: str | None = None
    status_detail: str | None = None
    duration_seconds: Number = None
    billing_seconds: Number = None
    recording: str | None = None
    # `class` is a word of Python's, so it is read apart.


@attrs.frozen(kw_only=True)
class PlayRow:
    """004:118-120."""

    media: str = attrs.field(repr=False)


def rows(data: Any) -> Any:
    """The rows of an answer. The document shows no envelope: a bare list, or what lies under a name such as `data`."""
    for _ in range(2):
        if isinstance(data, dict):
            data = next((data[name] for name in _ENVELOPES if name in data), data)
    return data


def text(value: str | int | None) -> str | None:
    """*value* without blanks around it; None when nothing is left."""
    return str(value).strip() or None if value is not None else None


def whole(value: Number) -> int | None:
    """A count of seconds, which arrives as a number or as text; None when absent.

    Raises: ValueError for anything else.
    """
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = -1.0
    if not 0 <= number < _SECONDS or number != number // 1:
        raise ValueError(f"{str(value)[:_SHOWN]!r} is not a whole number of seconds")
    return int(number)


def moment(seconds: Number) -> int:
    """Unix seconds (004:93). Raises: ValueError for what cannot be that."""
    found = whole(seconds)
    if found is None:
        raise ValueError("unix_timestamp is empty")
    return found


def length(seconds: Number) -> int | None:
    """How long a call took. Raises: ValueError for what cannot be that."""
    found = whole(seconds)
    if found is not None and found >= _LONGEST:
        raise ValueError(f"{found} seconds is no length of a call")
    return found


def call_id_of(recording: str | None) -> str | None:
    """The switch's id of the call that a recording is named after; None for another name."""
    # "file path" (004:95), though the sample is a bare name; a call's id may itself hold a slash
    name = f"/{recording or ''}".rpartition(f"/{RECORDING_PREFIX}")[2]
    if name == f"/{recording or ''}":
        return None
    stem, dot, _ = name.rpartition(".")
    return (stem if dot else None) or None


def address_of(url: str, base_url: str) -> str:
    """Where a recording lies, also where the vendor leaves its own host out. Raises: ValueError."""
    with contextlib.suppress(ValueError):  # whose text may hold the signature
        whole_url = urljoin(f"{base_url}/", url)
        parts = urlsplit(whole_url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return whole_url
    raise ValueError("media is not an address")


def expiry_of(url: str) -> datetime | None:
    """When a signed address ends, as far as it says so, in either spelling of its host."""
    try:
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        if "Expires" in query:
            return datetime.fromtimestamp(int(query["Expires"]), UTC)
        if "X-Amz-Date" in query and "X-Amz-Expires" in query:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed + timedelta(seconds=int(query["X-Amz-Expires"]))
    except (ValueError, OverflowError, OSError):
        pass
    return None
