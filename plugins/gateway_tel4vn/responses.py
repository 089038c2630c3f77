"""How TEL4VN says yes and no: one reading for all its products, whatever the status, the keys and the envelope."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import attrs
from gateway_contracts import (
    AgentBusy,
    AgentNotRegistered,
    DialState,
    GatewayError,
    InvalidRequest,
    NotFound,
    Origin,
    VendorAuthFailed,
    VendorRejected,
)
from gateway_contracts.http import Effect, Response, error_for_status

from .words import truth

MAINTENANCE = 503  # the vendor's page of errors: nothing was done
GONE = 404

DIAL_REFUSALS: Mapping[str, type[GatewayError]] = {  # 001:108-113, 003:561-566: documented, so nothing rang
    "USER_NOT_REGISTERED": AgentNotRegistered,
    "USER_BUSY": AgentBusy,
}
_WORDS: Mapping[str, type[GatewayError]] = {
    "bad request": InvalidRequest,
    "not found": NotFound,
    "extension not found": NotFound,
    "user is not existed": NotFound,
    "queue not found": NotFound,  # 002:983, 002:1238
    "campaign is invalid": InvalidRequest,  # 002:921
    "date range must be in 24 hours": InvalidRequest,  # 003:806
    "start_date must be after end_date": InvalidRequest,  # 003:865
}
# The documents have no text for a token that is refused; these are how servers say it. A text must name the token and
# say what is wrong with it: extensions and campaigns expire too, and numbers are invalid.
_UNAUTHORIZED = re.compile(r"unauthori[sz]ed|unauthenticated", re.IGNORECASE)
_TOKEN = re.compile(r"token|jwt|bearer|authentication", re.IGNORECASE)
_NO_GOOD = re.compile(
    r"expir|invalid|revoked|malformed|missing|required|wrong|failed|not (?:found|valid|exist)", re.IGNORECASE
)
_ROW_KEYS = frozenset({"id", "cdrId", "time_started", "dialAt", "customer_id"})
_FAILURES = frozenset({"fail", "failed", "failure", "error"})
_REFUSALS = frozenset({400, 409, 422})  # statuses that say no more than the body does
_SUCCESS_CODES = frozenset({"0", "200", "201"})
_SUCCESS_WORDS = frozenset({"success", "successfully", "update successfully"})  # 003:1055
_MESSAGE_KEYS = ("error", "message", "content", "code")
_MAX_MESSAGE = 200
_MAX_PARTS = 20
_MAX_CUSTOMERS = 10_000
_IMPORT_FAILED = "import fail"  # 002:1151


class ImportRefused(VendorRejected):
    """Customers were not taken, or not all of them: *response* may name those that were and were not (002:1148-1156).
    `fields` has those that were not, by the application's own ids.
    """

    def __init__(self, message: str, response: Response) -> None:
        refused = reply(response).get("fail")
        super().__init__(
            message,
            account=response.account,
            vendor_code=_IMPORT_FAILED,
            fields=dict(map(_refusal_of, refused[:_MAX_CUSTOMERS])) if isinstance(refused, list) else None,
        )
        self.response = response


def classify(response: Response) -> GatewayError | None:
    """The error that *response* stands for, whatever its status; None for success.

    A `{"status": "fail"}` with a word that is not documented is a refusal, but no proof that nothing rang. A record or
    a customer that is read has a `status` too, which is its own. A token that is refused in words is VendorAuthFailed,
    under any status below 500, and as little a proof. Raises: what `Response.nonsense` gives for a response that says
    success and an error at once, which proves neither.
    """
    body = reply(response)
    own_status = response.effect is Effect.READ and bool(_ROW_KEYS & body.keys())
    status, code = "" if own_status else _scalar(body.get("status")).lower(), _scalar(body.get("code"))
    failed = status in _FAILURES
    said = _texts(body)
    succeeded = 200 <= response.status < 300
    done = (
        status == "success"
        or any(_plain(text) in _SUCCESS_WORDS for text in said)
        or (succeeded and code in _SUCCESS_CODES and not failed)
    )
    if not done and response.status < 500 and any(text.lower() == _IMPORT_FAILED for text in said):
        raise ImportRefused(f"The vendor says: {_message(body)}", response)
    token_refused = not done and response.status < 500 and _refuses_token(body, code)
    refused = (
        failed
        or token_refused
        or (body.get("code") is not None and code not in _SUCCESS_CODES)
        or bool(body.get("error"))
        or any(text.lower() in _WORDS for text in said)  # 002:921: a message is all there is
    )
    if succeeded and not refused:
        return None
    message = _message(body)
    vendor_code = (said[0] if said else message or "")[:_MAX_MESSAGE] or None
    if done:
        both = response.nonsense("says success and an error in one response")
        both.vendor_code = vendor_code
        raise both
    kind = DIAL_REFUSALS.get((vendor_code or "").strip().upper())
    if kind is not None:
        return kind(_DIAL_MESSAGES[kind], vendor_code=vendor_code, dial_state=DialState.NOT_PLACED)
    if token_refused:
        return VendorAuthFailed(f"The vendor refused: {message}", vendor_code=vendor_code)
    word = next((text.lower() for text in reversed(said) if text.lower() in _WORDS), None)
    if word is not None:
        return _WORDS[word](
            f"The vendor says: {message}",
            origin=Origin.VENDOR,
            vendor_code=vendor_code,
            fields=_fields(body.get("content")),
        )
    if failed and (response.status < 400 or response.status in _REFUSALS):
        text = f"The vendor refused: {message}" if message else "The vendor refused and gave no reason"
        text += ". It does not document this, so look before you try again"
        return VendorRejected(text, vendor_code=vendor_code, dial_state=DialState.UNKNOWN)
    # A 200 around `"code": 400` (002:1150) is judged as the status that it tells of.
    told = int(code) if code.isdecimal() and 400 <= int(code[:9]) < 600 else None
    seen = attrs.evolve(response, status=told) if told and succeeded else response
    if succeeded and seen.status >= 500 and seen.status != MAINTENANCE and seen.effect is not Effect.READ:
        raise seen.nonsense(f"says: {message}")
    error = error_for_status(seen, message)
    if error is None:
        return VendorRejected(f"The vendor refused: {message}", vendor_code=vendor_code)
    error.vendor_code = vendor_code or error.vendor_code
    error.fields.update(_fields(body.get("content")))
    return error


def confirm(response: Response, flag: str | None = None) -> None:
    """Check that *response* says that something was done, in any of the ways in which the vendor does, or by *flag*,
    such as `created`, which must be true where it is there.

    Raises: what `Response.nonsense` gives for one that does not say yes.
    """
    body = reply(response)
    told = body.get(flag) if flag else None
    if told is not None:
        if truth(_scalar(told)):
            return
        raise response.nonsense(f"says {flag}: {_scalar(told)[:_MAX_MESSAGE]}")
    words = {_plain(text) for text in (*_texts(body), _scalar(body.get("status")))}
    if _scalar(body.get("code")) in _SUCCESS_CODES or words & _SUCCESS_WORDS:
        return
    raise response.nonsense("says neither success nor failure")


_DIAL_MESSAGES: Mapping[type[GatewayError], str] = {
    AgentNotRegistered: "The extension's phone is not connected to the PBX, so nothing rang: start the softphone first",
    AgentBusy: "The extension is in a call, so nothing rang",
}


def reply(response: Response) -> Mapping[str, Any]:
    """The object that *response* is. What is said of something that was done may stand in `data`, what was read is not
    looked into.
    """
    body = response.data if isinstance(response.data, dict) else {}
    inner = body.get("data")
    return {**inner, **body} if isinstance(inner, dict) and response.effect is not Effect.READ else body


def _scalar(value: Any) -> str:
    """A number or a word as text; "" for nothing and "…" for anything larger, which may be too deep to be written."""
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value).strip() if isinstance(value, str | int) else "…"


def _refuses_token(body: Mapping[str, Any], code: str) -> bool:
    """Whether *body* says in words, or by a code of its own, that the token is no good."""
    texts = [in_words(body.get(key))[:_MAX_MESSAGE] for key in _MESSAGE_KEYS]
    return code == "401" or any(
        _UNAUTHORIZED.search(text) or (_TOKEN.search(text) and _NO_GOOD.search(text)) for text in texts
    )


def _plain(text: str) -> str:
    """*text* without case, and without what hosts add: further blanks, and marks at the end."""
    return " ".join(text.lower().split()).rstrip(" .,;:!")


def _texts(body: Mapping[str, Any]) -> list[str]:
    """What is said in words, the most telling key first."""
    values = [body.get(key) for key in ("error", "message", "content")]
    return [value.strip() for value in values if isinstance(value, str) and value.strip()]


def _message(body: Mapping[str, Any]) -> str | None:
    """The word, what is said beside it for people (001:76), and what is wrong with each field (002:1666-1674)."""
    said = {text.lower(): text for key in ("error", "message", "content") if (text := in_words(body.get(key)))}
    return (": ".join(said.values()) or in_words(body.get("code")))[:_MAX_MESSAGE] or None


def _fields(content: Any) -> dict[str, str]:
    """What is wrong with each field, where `content` is a list of objects (002:1666-1674)."""
    found = content[:_MAX_PARTS] if isinstance(content, list) else []
    said = {
        name[:_MAX_MESSAGE]: in_words(text)[:_MAX_MESSAGE]
        for each in found
        if isinstance(each, dict)
        for name, text in islice(each.items(), _MAX_PARTS)
    }
    return dict(islice(said.items(), _MAX_PARTS))


def customer_code(refused: Any) -> str:
    """The application's id of a customer that was refused; what a refused one looks like is not shown (002:1153)."""
    code = refused.get("id") if isinstance(refused, dict) else None
    return str(code) if isinstance(code, str | int) else in_words(refused)[:_MAX_MESSAGE]


def _refusal_of(refused: Any) -> tuple[str, str]:
    code, why = customer_code(refused), in_words(refused)[:_MAX_MESSAGE]
    return code, f"{code} was refused" + (f": {why}" if why != code else "")


def in_words(value: Any, depth: int = 4) -> str:
    """Any JSON as a text for people; what is deep or long is cut short."""
    # Lists of objects, one for each bad field, stand under `error` and `content` (002:1666-1674).
    if isinstance(value, dict | list) and not depth:
        return "…"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {in_words(item, depth - 1)}" for key, item in islice(value.items(), _MAX_PARTS))
    if isinstance(value, list):
        return "; ".join(in_words(item, depth - 1) for item in value[:_MAX_PARTS])
    return "" if value is None else str(value).strip()


def unwrap(data: Any, wanted: str) -> Any:
    """The value under `data` where the vendor wrapped its response, else the response. It has the key *wanted*."""
    if isinstance(data, dict) and wanted not in data and isinstance(data.get("data"), dict):
        return data["data"]
    return data


def rows(data: Any) -> Any:
    """The rows of a list response; an empty list where the vendor says null."""
    if isinstance(data, dict) and "data" in data:
        return [] if data["data"] is None else data["data"]
    return data
