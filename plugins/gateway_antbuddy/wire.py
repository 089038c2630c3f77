"""What AntBuddy's documents show (004, undated; read 2026), and the tables from its words to ours."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import attrs
from gateway_contracts import Direction, Outcome
from gateway_contracts.rows import Unreadable

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
_FIRST, _LAST = 86_400, 4_102_444_800  # 1970-01-02 and 2100; before are zero values, beyond are no seconds
_LONGEST = 10_000_000  # seconds; what a record's id has room for


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
    kind: str | None = None  # `class`, which is a word of Python's


@attrs.frozen(kw_only=True)
class PlayRow:
    """004:118-120."""

    media: str = attrs.field(repr=False)


def rows(data: Any) -> Any:
    """The rows of a response. The document shows no envelope: a bare list, or what lies under a name such as `data`."""
    for _ in range(2):
        if isinstance(data, dict):
            data = next((data[name] for name in _ENVELOPES if name in data), data)
    return data


def named(raw: Any) -> Any:
    """A row of the history with the names of `HistoryRow`."""
    return {**raw, "kind": raw.get("class")} if isinstance(raw, dict) and raw else raw


def text(value: str | int | None) -> str | None:
    """*value* without blanks around it; None when nothing is left."""
    return str(value).strip() or None if value is not None else None


def seconds(value: Number, name: str) -> int | None:
    """How long something took, as *name* says it: a number or text, of which whole seconds count; None when absent.

    Raises: Unreadable for what no call can take.
    """
    found = _number(value, name)
    if found is not None and not 0 <= found < _LONGEST:
        raise Unreadable(name, "is no length of a call")
    return None if found is None else int(found)


def moment(value: Number) -> int:
    """Unix seconds (004:93). Raises: ValueError for what cannot be that."""
    found = _number(value, "unix_timestamp")
    if found is None or not _FIRST <= found < _LAST:
        raise ValueError("unix_timestamp is no time of a call")
    return int(found)


def _number(value: Number, name: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise Unreadable(name, "is no number") from None


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
