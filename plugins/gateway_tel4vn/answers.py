"""How TEL4VN says no: the same in all its products, with whatever status and under several keys."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from gateway_contracts import (
    AgentBusy,
    AgentNotRegistered,
    DialState,
    GatewayError,
    InvalidRequest,
    NotFound,
    Origin,
    VendorProtocolError,
    VendorRejected,
)
from gateway_contracts.http import Answer, error_for_status

DIAL_REFUSALS: Mapping[str, type[GatewayError]] = {  # 001:108-113, 003:561-566: documented, so nothing rang
    "USER_NOT_REGISTERED": AgentNotRegistered,
    "USER_BUSY": AgentBusy,
}
_WORDS: Mapping[str, type[GatewayError]] = {
    "not found": NotFound,
    "extension not found": NotFound,
    "user is not existed": NotFound,
    "queue not found": NotFound,
    "date range must be in 24 hours": InvalidRequest,  # 003:806
    "start_date must be after end_date": InvalidRequest,  # 003:865
}
_ROW_KEYS = frozenset({"id", "cdrId", "time_started", "dialAt"})
_FAILURES = frozenset({"fail", "failed", "failure", "error"})
_REFUSALS = frozenset({400, 409, 422})  # statuses that say no more than the body does
_SUCCESS_CODES = frozenset({"0", "200", "201"})
_MESSAGE_KEYS = ("error", "message", "content", "code")
_MAX_MESSAGE = 200
_MAX_PARTS = 20


def classify(answer: Answer) -> GatewayError | None:
    """The error that *answer* stands for, whatever its status; None for success.

    A `{"status": "fail"}` with a word that is not documented is a refusal, but no proof that nothing rang. A record has
    a `status` too, which is the call's.
    """
    body = answer.data if isinstance(answer.data, dict) else {}
    status = "" if _ROW_KEYS & body.keys() else str(body.get("status", "")).strip().lower()
    failed = status in _FAILURES
    code = body.get("code")
    refused = failed or (code is not None and str(code) not in _SUCCESS_CODES) or bool(body.get("error"))
    if 200 <= answer.status < 300 and not refused:
        return None
    message = _message(body)
    word = body.get("error") if isinstance(body.get("error"), str) else message
    vendor_code = word[:_MAX_MESSAGE] if isinstance(word, str) and word else None
    if status == "success":
        return VendorProtocolError("The vendor says success and an error in one answer", vendor_code=vendor_code)
    kind = DIAL_REFUSALS.get((vendor_code or "").strip().upper())
    if kind is not None:
        return kind(_DIAL_MESSAGES[kind], vendor_code=vendor_code, dial_state=DialState.NOT_PLACED)
    known = _WORDS.get((vendor_code or "").strip().lower())
    if known:
        return known(f"The vendor says: {vendor_code}", origin=Origin.VENDOR, vendor_code=vendor_code)
    if failed and (answer.status < 400 or answer.status in _REFUSALS):
        text = f"The vendor refused: {message}" if message else "The vendor refused and gave no reason"
        text += ". It does not document this, so look before you try again"
        return VendorRejected(text, vendor_code=vendor_code, dial_state=DialState.UNKNOWN)
    error = error_for_status(answer, message)
    if error is None:
        error = VendorRejected(f"The vendor refused: {message}", vendor_code=vendor_code)
    elif vendor_code:
        error.vendor_code = vendor_code
    return error


_DIAL_MESSAGES: Mapping[type[GatewayError], str] = {
    AgentNotRegistered: "The extension's phone is not connected to the PBX, so nothing rang: start the softphone first",
    AgentBusy: "The extension is in a call, so nothing rang",
}


def _message(body: Mapping[str, Any]) -> str | None:
    for key in _MESSAGE_KEYS:
        found = _flatten(body.get(key))
        if found:
            return found[:_MAX_MESSAGE]
    return None


def _flatten(value: Any, depth: int = 4) -> str:
    # Lists of objects, one for each bad field, stand under `error` and `content` (002:1666-1674).
    if isinstance(value, dict | list) and not depth:
        return "…"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_flatten(item, depth - 1)}" for key, item in islice(value.items(), _MAX_PARTS))
    if isinstance(value, list):
        return "; ".join(_flatten(item, depth - 1) for item in value[:_MAX_PARTS])
    return "" if value is None else str(value).strip()


def unwrap(data: Any, wanted: str) -> Any:
    """What lies under `data` where the vendor wrapped its answer, else the answer. *wanted* is a key it must have."""
    if isinstance(data, dict) and wanted not in data and isinstance(data.get("data"), dict):
        return data["data"]
    return data


def rows(data: Any) -> Any:
    """The rows of a list answer; an empty list where the vendor says null."""
    if isinstance(data, dict) and "data" in data:
        return [] if data["data"] is None else data["data"]
    return data
