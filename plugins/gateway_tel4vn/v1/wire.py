"""What TEL4VN v1 sends and takes, and the tables between its words and ours (documents 000, 001, 003 of 2021).

Rows ignore what they do not know. `None` stands for what a host leaves out; numbers that arrive as text are taken.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import attrs
from gateway_contracts import (
    AgentState,
    CallState,
    EventType,
    InvalidRequest,
    InvalidValue,
    Leg,
    Outcome,
    dumps,
    from_json,
    loads,
)

from . import Paging

Number = int | float | str | None

LEGS: Mapping[Leg, str] = {Leg.A: "aleg", Leg.B: "bleg"}  # 000:80

CALL_STATES: Mapping[str, CallState] = {
    # FreeSWITCH's channel states; the document shows CS_EXECUTE only (000:24). A channel that executes or consumes
    # media may be ringing the other side or talking to it: its state does not say which, so neither do we.
    "CS_NEW": CallState.DIALING,
    "CS_INIT": CallState.DIALING,
    "CS_ROUTING": CallState.DIALING,
    "CS_EXCHANGE_MEDIA": CallState.ANSWERED,
    "CS_HANGUP": CallState.ENDED,
    "CS_REPORTING": CallState.ENDED,
    "CS_DESTROY": CallState.ENDED,
}

AGENT_STATES: Mapping[str, AgentState] = {  # 003:947; an agent without a call is logged in and free
    "RINGING": AgentState.RINGING,
    "ONCALL": AgentState.ON_CALL,
    "": AgentState.AVAILABLE,
}

EVENTS: Mapping[str, EventType] = {  # 003:180-185; `missed` and `cdr_autocall` are of the 2023 edition
    "ringing": EventType.RINGING,
    "answered": EventType.ANSWERED,
    "hangup": EventType.ENDED,
    "missed": EventType.MISSED,
    "cdr": EventType.RECORD_CREATED,
    "cdr_autocall": EventType.RECORD_CREATED,
}
HOOK_EVENTS: Mapping[EventType, str] = {
    EventType.RINGING: "ringing",
    EventType.ANSWERED: "answered",
    EventType.ENDED: "hangup",
    EventType.MISSED: "missed",
    EventType.RECORD_CREATED: "cdr",
}

STATUS_FILTERS: Mapping[Outcome, str] = {
    # The spellings of 003:839-856. Other outcomes have no documented spelling here and are picked out by us.
    Outcome.ANSWERED: "ANSWERED",
    Outcome.BUSY: "BUSY",
    Outcome.NO_ANSWER: "NO ANSWER",
}


FILTERS = (  # 003:397-407, in this order; `limit`, `page`, `offset` and `scroll_id` say where, not what
    "start_date",
    "end_date",
    "extension",
    "phone",
    "direction",
    "status",
    "min_duration",
    "duration",
    "start_date_ended",
    "end_date_ended",
    "recordingfile",
)
MAX_PAGE = 10_000


@attrs.frozen(kw_only=True)
class StartedRow:
    status: str | None = None
    call_id: str | None = None


@attrs.frozen(kw_only=True)
class CallRow:
    """A live call, 000:14-27."""

    call_id: str
    created_time: str | None = None
    destination: str | None = None
    direction: str | int | None = None
    source: str | None = None
    state: str | None = None


@attrs.frozen(kw_only=True)
class CdrRow:
    """A finished call, 003:296-331; `billsec`, `time_ringing` (in two spellings) and `customer_id` are of 2023."""

    id: str
    sip_call_id: str | None = None
    cause: str | None = None
    duration: Number = None
    billsec: Number = None
    direction: str | int | None = None
    recording_url: str | None = None
    extension: str | int | None = None
    from_number: str | None = None
    to_number: str | None = None
    receive_dest: str | None = None
    time_started: str | None = None
    time_ringing: str | None = None
    time_ringging: str | None = None
    time_answered: str | None = None
    time_ended: str | None = None
    status: str | None = None
    customer_id: str | int | None = None


@attrs.frozen(kw_only=True)
class CdrPage:
    """A page of 003:293-337 or a scroll of 003:341-380."""

    limit: Number = None
    total: Number = None
    scroll_id: str | None = None


@attrs.frozen(kw_only=True)
class HookRow:
    """A hook in either shape: that of 2021 (003:124-131), or `id` and `event` of 2023."""

    event_domain_uuid: str | None = None
    id: str | None = None
    event_name: str | None = None
    event: str | None = None
    callback_url: str | None = None


@attrs.frozen(kw_only=True)
class CreatedHook:
    """003:158-162; the `id` is of 2023."""

    created: bool
    id: str | None = None


@attrs.frozen(kw_only=True)
class DeletedHook:
    """003:199-203."""

    deleted: bool


@attrs.frozen(kw_only=True)
class WebhookRow:
    """An event, 003:218-251 and the times of 2023. As a form every value is text."""

    state: str
    call_id: str | int | None = None
    sip_call_id: str | int | None = None
    domain: str | None = None
    direction: str | int | None = None
    from_number: str | int | None = None
    to_number: str | int | None = None
    hotline: str | int | None = None
    extension: str | int | None = None
    status: str | None = None
    duration: Number = None
    billsec: Number = None
    time_started: str | None = None
    time_answered: str | None = None
    time_ended: str | None = None


@attrs.frozen(kw_only=True)
class CallIdRow:
    """003:785-795."""

    call_id: str
    sip_call_id: str | None = None


@attrs.frozen(kw_only=True)
class CallCountRow:
    """003:836-858."""

    count: Number
    status: str | None = None


@attrs.frozen(kw_only=True)
class AgentRow:
    """003:903-937."""

    user_id: str | None = None
    username: str | None = None
    agent_name: str | None = None
    extension: str | int | None = None
    extension_id: str | None = None
    call_state: str | None = None
    call_id: str | None = None
    call_time: str | None = None
    destination: str | None = None
    direction: str | int | None = None


@attrs.frozen(kw_only=True)
class TenantUserRow:
    user_id: str | None = None
    username: str | None = None
    password: str | None = None
    api_key: str | None = None
    group: str | None = None
    enabled: str | bool | None = None


@attrs.frozen(kw_only=True)
class TenantRow:
    """003:978-996 and 003:1018-1027."""

    domain: str | None = None
    tenant_url: str | None = None
    outbound_proxy: str | None = None
    port: str | int | None = None
    transports: str | None = None
    wss: str | None = None
    enabled: str | bool | None = None
    user: TenantUserRow | None = None


@attrs.frozen(kw_only=True)
class ExtensionRow:
    """003:1084-1092 and 003:1116-1122."""

    ext: str | int
    pwd: str | None = None
    enabled: str | bool | None = None


def truth(value: str | bool | None) -> bool | None:
    """The vendor's "true" and "false", as text or not. None for anything else."""
    return {"true": True, "false": False}.get(str(value).strip().lower())


@attrs.frozen(kw_only=True)
class Cursor:
    """Where the next page of records starts: at *position* (a row, a page or a scroll id, by *paging*) of *query*.

    *seen* is a mark of the rows of the page before, to notice a vendor that gives the same page for ever. *pick* is the
    outcome that we pick out ourselves. *size* is how many rows a page has, where positions count pages.
    """

    paging: Paging
    position: str
    query: tuple[tuple[str, ...], ...]
    pick: Outcome | None = None
    seen: str | None = None
    size: int | None = None

    def encode(self) -> str:
        data = dumps({short: getattr(self, name) for short, name in _SHORT.items()})
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises: InvalidRequest for text that we did not give."""
        try:
            data = loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
            cursor = from_json({_SHORT[key]: value for key, value in data.items()}, cls)
            counted = cursor.paging is Paging.SCROLL or re.fullmatch(r"[0-9]{1,12}", cursor.position)
            known = all(len(pair) == 2 and pair[0] in FILTERS for pair in cursor.query)
            if not counted or not known or (cursor.size is not None and not 1 <= cursor.size <= MAX_PAGE):
                raise InvalidValue({"cursor": "was changed"})
        except (ValueError, KeyError, AttributeError, binascii.Error):
            raise InvalidRequest("The cursor is not one of ours", fields={"cursor": "is not one of ours"}) from None
        return cursor


_SHORT = {"g": "paging", "p": "position", "q": "query", "k": "pick", "s": "seen", "z": "size"}


def mark(ids: Any) -> str:
    """A short mark of a page's ids."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
