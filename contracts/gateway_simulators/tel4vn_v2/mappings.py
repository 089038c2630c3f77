"""The two ways in which a tenant's records are written: Default and Flex [002:278-316]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway_simulators.tel4vn.record_filters import OUTBOUND, Row

FLEX = {  # the names of the Flex mapping by those of the rows that are kept, which are those of the Default mapping
    "id": "cdrId",
    "sip_call_id": "sip_call_id",
    "recording_url": "recordFile",
    "extension": "extensionId",
    "time_ended": "hangupAt",
    "time_answered": "answeredAt",
    "time_ringing": "ringAt",
    "time_started": "dialAt",
    "status": "status",
    "duration": "duration",
    "direction": "direction",
    "billsec": "billsec",
    "customer_id": "customerId",
}
_KEPT = {flex: kept for kept, flex in FLEX.items()}
_STATUSES = {  # the words of 002:320-325 for those of the telephones
    "ANSWERED": "answered",
    "BUSY": "busy",
    "NO ANSWER": "no-answered",
    "CANCELLED": "cancel",
    "not-available": "not-available",
    "FAILED": "invalid",
    "UNKNOWN": "invalid",
}
_WORDS = {
    "answered": "ANSWERED",
    "busy": "BUSY",
    "no-answered": "NO ANSWER",
    "cancel": "CANCELLED",
    "invalid": "FAILED",
}
_FLEX_ONLY = ("time_ringing", "billsec")
_DEFAULT_ONLY = ("cause", "from_number", "receive_dest")


def kept_names(given: Mapping[str, Any]) -> Row:
    """Give the fields of a row in either mapping the names under which it is kept."""
    row = {_KEPT.get(name, name): value for name, value in given.items()}
    if isinstance(row.get("status"), str):
        row["status"] = _WORDS.get(row["status"].lower(), row["status"])
    if "to" in row:  # the customer, in both directions [002:309,391]
        row["from_number" if row.get("direction") == "inbound" else "to_number"] = row.pop("to")
    return row


def default_row(row: Row) -> Row:
    """Write a kept row in the Default mapping, whose sample spells words in capitals [002:353,370]."""
    shown = {name: value for name, value in row.items() if name not in _FLEX_ONLY}
    status = row.get("status")
    return {**shown, "status": _spelt(status).upper() if isinstance(status, str) and status in _STATUSES else status}


def flex_row(row: Row) -> Row:
    """Write a kept row in the Flex mapping."""
    inbound = row.get("direction") == "inbound"
    hidden = (*_DEFAULT_ONLY, "to_number")
    shown = {FLEX.get(name, name): value for name, value in row.items() if name not in hidden}
    return {
        **shown,
        "to": row.get("from_number" if inbound else "to_number"),
        "status": _spelt(row.get("status")),
        "direction": "outbound" if row.get("direction") == OUTBOUND else row.get("direction"),
    }


def _spelt(status: Any) -> Any:
    return _STATUSES.get(status, status) if isinstance(status, str) else status
