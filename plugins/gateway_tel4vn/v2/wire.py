"""What TEL4VN v2 sends and takes, and the tables between its words and ours (document 002 of 2021).

Rows ignore what they do not know. `None` stands for what a host leaves out; numbers that arrive as text are taken.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import attrs
from gateway_contracts import CustomerState, QueueKind


class Edition(StrEnum):
    """The editions of the vendor's documents: the one of 2021, and the public one of 2023."""

    CC_2021 = "cc-2021"
    CC_2023 = "cc-2023"


CC_2021: Mapping[str, str] = {  # document 002, by the name of the operation; the line is that of its "HTTP Request"
    "log_in": "/v1/auth",  # :62
    "issue_token": "/v2/auth/token",  # :111
    "list_hooks": "/v1/event",  # :150
    "create_hook": "/v1/event",  # :177
    "delete_hook": "/v1/event/{hook_id}",  # :218
    "list_records": "/v2/cdr",  # :435
    "get_record": "/v2/cdr/{record_id}",  # :505
    "start_call_and_wait": "/v1/click2call",  # :552
    "start_call": "/v1/click2call/async",  # :606
    "start_call_by_post": "/v2/click2call",  # :664
    "list_calls": "/v2/call",  # :716
    "transfer_call": "/v2/call/{call_id}/transfer",  # :752
    "listen_call": "/v2/call/{call_id}/listen",  # :794
    "whisper_call": "/v2/call/{call_id}/whisper",  # :836
    "barge_call": "/v2/call/{call_id}/barge",  # :878
    "load_autodialer_queue": "/v2/autodialer/queue",  # :929
    "stop_autodialer_queue": "/v2/autodialer/queue/stop",  # :991
    "delete_autodialer_queue": "/v2/autodialer/queue/delete",  # :1038
    "start_autodialer_queue": "/v2/autodialer/queue/start",  # :1085
    "load_autocall_queue": "/v2/autocall/queue",  # :1163
    "block_customers": "/v2/autocall/queue/dnc",  # :1246
    "stop_autocall_queue": "/v2/autocall/queue/stop",  # :1307
    "delete_autocall_queue": "/v2/autocall/queue/delete",  # :1356
    "start_autocall_queue": "/v2/autocall/queue/start",  # :1405
    "get_agent": "/v2/user/{agent_id}/status",  # :1426; the text of :1472 names another path
    "list_customers": "/v2/customer",  # :1554
    "get_customer": "/v2/customer/{customer_id}",  # :1632
    "create_customer": "/v2/customer",  # :1681; the curl line of :1641 is that of another operation
}
_CC_2023: Mapping[str, str | None] = {  # what the public edition of October 2023 says differently
    "log_in": "/v3/auth",
    "issue_token": "/v3/auth/token",
    "list_records": "/v3/cdr",
    "get_record": "/v3/cdr/{record_id}",
    "start_call_by_post": None,  # it is gone
    "list_calls": "/v1/call",
    "transfer_call": "/v1/call/{call_id}/transfer",
    "listen_call": "/v1/call/{call_id}/listen",
    "whisper_call": "/v1/call/{call_id}/whisper",
    "barge_call": "/v1/call/{call_id}/barge",
    "get_agent": "/v3/extension/{agent_id}/loggedin",
}
PATHS: Mapping[Edition, Mapping[str, str | None]] = MappingProxyType(
    {Edition.CC_2021: CC_2021, Edition.CC_2023: {**CC_2021, **_CC_2023}}
)

FLEX: Mapping[str, str] = {  # 002:304-316, beside the names of the Default mapping (002:282-298)
    "cdrId": "id",
    "customerId": "customer_id",
    "extensionId": "extension",
    "recordFile": "recording_url",
    # "The customer's code" in the table (002:309), a phone number in every sample (002:391); the customer in both.
    "to": "customer_side",
    "dialAt": "time_started",
    "ringAt": "time_ringing",
    "answeredAt": "time_answered",
    "hangupAt": "time_ended",
}

QUEUE_FIELDS: Mapping[QueueKind, Mapping[str, tuple[str, type]]] = {
    # By our argument: the vendor's name, and the type that its samples have (002:937-941, 002:1171-1175).
    QueueKind.AUTODIALER: {
        "campaign_id": ("campaign_id", str),
        "agents": ("queue_agents", str),
        "calls_per_agent_percent": ("precall_ratio", str),
        "max_retries": ("max_recall_count", str),
    },
    QueueKind.AUTOCALL: {
        "template": ("template", str),
        "concurrent_calls": ("concurrent_call", int),
        "max_retries": ("max_recall_count", int),
        "retry_below_seconds": ("min_recall_duration", int),
    },
}

CUSTOMER_FIELDS: Mapping[str, str] = {  # 002:1699-1703, by our argument
    "campaign_id": "campaign_id",
    "customer_code": "customer_code",
    "number": "phone_number",
    "contract_number": "contract_number",
    "name": "customer_name",
}


CUSTOMER_STATES: Mapping[str, CustomerState] = {  # 002:1543-1550, small there and in capitals in the samples (002:1503)
    "new": CustomerState.NEW,
    "queue": CustomerState.QUEUED,
    "answered": CustomerState.ANSWERED,
    "busy": CustomerState.BUSY,
    "no-answered": CustomerState.NO_ANSWER,
    "cancel": CustomerState.CANCELLED,
    "fail": CustomerState.FAILED,
    "unknown": CustomerState.UNKNOWN,
}


@attrs.frozen(kw_only=True)
class LoadRow:
    """What became of a queue's customers, 002:1139-1142; null for none. What a refused one looks like is not shown."""

    success: tuple[str | int, ...] | None = None
    fail: tuple[Any, ...] | None = None


@attrs.frozen(kw_only=True)
class AgentRow:
    """002:1438-1442, or `extension` and `is_logged_in` of 2023."""

    user_uuid: str | None = None
    username: str | None = None
    agent_name: str | None = None
    extension: str | int | None = None
    ext_loggedin: str | bool | None = None
    is_logged_in: str | bool | None = None


@attrs.frozen(kw_only=True)
class CustomerRow:
    """002:1496-1504."""

    customer_id: str | int
    campaign_id: str | None = None
    customer_code: str | int | None = None
    customer_name: str | None = None
    phone_number: str | int | None = None
    contract_number: str | int | None = None
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


@attrs.frozen(kw_only=True)
class CreatedCustomer:
    """002:1656-1660."""

    id: str | int


def name_in(raw: Any, name: str) -> str:
    """What *raw*, a row of either mapping, calls the field that is *name* in the Default one."""
    if name in raw:
        return name
    return next(
        (theirs for theirs, ours in (*FLEX.items(), ("lead_id", "customer_id")) if ours == name and theirs in raw), name
    )


def default_names(raw: Any) -> Any:
    """A row of either mapping with the names of the Default one; told apart row by row."""
    if not isinstance(raw, dict):
        return raw
    if "cdrId" in raw:
        return {FLEX.get(name, name): value for name, value in raw.items()}
    if "customer_id" not in raw and "lead_id" in raw:  # what the edition of 2023 calls it
        return {**raw, "customer_id": raw["lead_id"]}
    return raw
