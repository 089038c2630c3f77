"""What can go wrong, as one tree.

GatewayError                    500  the gateway itself failed
├── InvalidRequest              400  change the request
├── Unauthenticated             401  the caller's key is missing or unknown
├── Forbidden                   403  the caller's key may not do this
├── NotFound                    404  there is no such account, call, record, …
├── MethodNotAllowed            405
├── Conflict                    409  something is in the way
│   ├── AgentNotRegistered      409  the extension's phone is not connected to the PBX
│   └── AgentBusy               409  the extension is in a call
├── EventsLost                  410  a follower cannot go on from where it was
├── PayloadTooLarge             413
├── UnsupportedMediaType        415
├── RangeNotSatisfiable         416  the recording is shorter than that
├── VendorRejected              422  the vendor understood and said no
├── IdempotencyMismatch         422  the same idempotency key with another request
├── RateLimited                 429  later
├── Unsupported                 501  this vendor cannot do it
├── VendorAuthFailed            502  the account's credentials do not work
├── VendorProtocolError         502  the vendor's answer is not what its documents say
├── VendorUnavailable           503  the vendor cannot be reached or is closed
├── JournalError                503  the gateway's journal cannot be used now
├── VendorTimeout               504  the vendor did not answer in time; nothing was changed
└── OutcomeUnknown              504  a request that rings a phone was sent and its outcome is not known

ConfigError and PluginError stand outside: a wrong configuration stops the start, a broken plugin breaks its accounts.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class Origin(StrEnum):
    """Whose doing an error is."""

    CALLER = "caller"
    GATEWAY = "gateway"
    VENDOR = "vendor"
    NETWORK = "network"


class DialState(StrEnum):
    """Whether a phone rang. `not_placed` is only said with proof; `unknown` is never dialled again."""

    NOT_PLACED = "not_placed"
    PLACED = "placed"
    UNKNOWN = "unknown"


class GatewayError(Exception):
    """An operation did not succeed. Catch this, look at `code` (it never changes) and `retryable`: whether asking the
    same again may help, which each class says, and an error that knows better for itself.

    `message` says what was asked, what happened and what to do. `fields` maps the path of each bad value to what is
    wrong with it. `vendor_code` is the vendor's own word. `dial_state` is set for whatever rings a phone, and `dial_id`
    names the dial that can be asked about later. `retry_after` is in seconds.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The gateway failed"
    retryable: bool = False
    default_origin: ClassVar[Origin] = Origin.GATEWAY

    def __init__(
        self,
        message: str,
        *,
        account: str | None = None,
        operation: str | None = None,
        origin: Origin | None = None,
        vendor_code: str | None = None,
        dial_state: DialState | None = None,
        dial_id: str | None = None,
        retry_after: float | None = None,
        fields: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.account = account
        self.operation = operation
        self.origin = origin or self.default_origin
        self.vendor_code = vendor_code
        self.dial_state = dial_state
        self.dial_id = dial_id
        self.retry_after = retry_after
        self.fields = dict(fields or {})
        self.request_id = request_id
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        place = ".".join(part for part in (self.account, self.operation) if part)
        return f"{place}: {self.message}" if place else self.message

    def as_problem(self) -> dict[str, Any]:
        """This error as the members of an RFC 9457 problem; what is None or empty is left out."""
        members: dict[str, Any] = {
            "type": f"urn:telephony-gateway:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            "retryable": self.retryable,
            "origin": self.origin,
            "account": self.account,
            "operation": self.operation,
            "vendor_code": self.vendor_code,
            "dial_state": self.dial_state,
            "dial_id": self.dial_id,
            "retry_after": self.retry_after,
            "fields": self.fields or None,
            "request_id": self.request_id,
        }
        return {name: value for name, value in members.items() if value is not None}


class InvalidRequest(GatewayError):
    """The request cannot be carried out as it is; `fields` says which values are wrong."""

    code, status, title = "invalid_request", 400, "The request is not valid"
    default_origin = Origin.CALLER


class Unauthenticated(GatewayError):
    """The caller's key is missing or unknown."""

    code, status, title = "unauthenticated", 401, "A valid key is needed"
    default_origin = Origin.CALLER


class Forbidden(GatewayError):
    """The caller's key is known and may not do this."""

    code, status, title = "forbidden", 403, "The key does not allow this"
    default_origin = Origin.CALLER


class NotFound(GatewayError):
    """There is no such thing, or no longer."""

    code, status, title = "not_found", 404, "Not found"
    default_origin = Origin.CALLER


class MethodNotAllowed(GatewayError):
    """The path exists, with other methods."""

    code, status, title = "method_not_allowed", 405, "The method is not allowed here"
    default_origin = Origin.CALLER


class Conflict(GatewayError):
    """Something that exists already, or is under way, is in the way."""

    code, status, title = "conflict", 409, "Conflict"
    default_origin = Origin.VENDOR


class AgentNotRegistered(Conflict):
    """The extension's phone is not connected to the PBX, so nothing rang."""

    code, title = "agent_not_registered", "The extension is not registered"


class AgentBusy(Conflict):
    """The extension is in a call, so nothing rang."""

    code, title = "agent_busy", "The extension is busy"
    retryable = True


class EventsLost(GatewayError):
    """Events that a follower wanted were removed before it read them, or the journal is an older one than it has read;
    `after` is the number to follow on from.
    """

    code, status, title = "events_lost", 410, "The events do not go on from there"
    after: int | None = None


class PayloadTooLarge(GatewayError):
    """The body is larger than the gateway reads."""

    code, status, title = "payload_too_large", 413, "The body is too large"
    default_origin = Origin.CALLER


class UnsupportedMediaType(GatewayError):
    """The body is not JSON, or is packed."""

    code, status, title = "unsupported_media_type", 415, "The body's type or encoding is not accepted"
    default_origin = Origin.CALLER


class RangeNotSatisfiable(GatewayError):
    """The recording has no byte in the asked-for range."""

    code, status, title = "range_not_satisfiable", 416, "The range lies outside the recording"
    default_origin = Origin.CALLER


class VendorRejected(GatewayError):
    """The vendor understood the request and refused it; `vendor_code` holds its word."""

    code, status, title = "vendor_rejected", 422, "The vendor refused"
    default_origin = Origin.VENDOR


class IdempotencyMismatch(GatewayError):
    """The idempotency key was used before, with another request."""

    code, status, title = "idempotency_mismatch", 422, "The idempotency key belongs to another request"
    default_origin = Origin.CALLER


class RateLimited(GatewayError):
    """Too many requests; `retry_after` says how long to wait where it is known."""

    code, status, title = "rate_limited", 429, "Too many requests"
    retryable = True
    default_origin = Origin.VENDOR


class Unsupported(GatewayError):
    """The vendor has no way to do this, or no way to say this argument."""

    code, status, title = "unsupported", 501, "The vendor cannot do this"
    default_origin = Origin.VENDOR


class VendorAuthFailed(GatewayError):
    """The vendor does not accept the account's credentials."""

    code, status, title = "vendor_auth_failed", 502, "The vendor refused the account's credentials"
    default_origin = Origin.VENDOR


class VendorProtocolError(GatewayError):
    """The vendor's answer is not what its documents say."""

    code, status, title = "vendor_protocol_error", 502, "The vendor's answer makes no sense"
    default_origin = Origin.VENDOR


class VendorUnavailable(GatewayError):
    """The vendor cannot be reached, is down or in maintenance."""

    code, status, title = "vendor_unavailable", 503, "The vendor is unavailable"
    retryable = True
    default_origin = Origin.NETWORK


class JournalError(GatewayError):
    """The journal's database cannot be used now; nothing is acknowledged that it does not hold. Safe to try again."""

    code, status, title = "journal_unavailable", 503, "The journal is unavailable"
    retryable = True


class VendorTimeout(GatewayError):
    """The vendor did not answer in time to something that changes nothing, or nothing was sent."""

    code, status, title = "vendor_timeout", 504, "The vendor did not answer in time"
    retryable = True
    default_origin = Origin.NETWORK


class OutcomeUnknown(GatewayError):
    """The request was sent and its outcome is not known. Look (live calls, records); never send it again."""

    code, status, title = "outcome_unknown", 504, "It is not known whether this happened"
    default_origin = Origin.NETWORK


def _tree(root: type[GatewayError]) -> dict[str, type[GatewayError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


ERRORS: Mapping[str, type[GatewayError]] = _tree(GatewayError)
"""Every class of the tree by its code: what a client needs to raise again what a sidecar answered."""


def error_of(problem: Mapping[str, Any]) -> GatewayError | None:
    """The error that *problem*, the members of an RFC 9457 problem, was made of; None when its code is none of ours."""
    kind = ERRORS.get(str(problem.get("code")))
    if kind is None:
        return None
    fields, retry_after, retryable = (problem.get(name) for name in ("fields", "retry_after", "retryable"))
    return kind(
        str(problem.get("detail", kind.title)),
        account=problem.get("account"),
        operation=problem.get("operation"),
        origin=_member(Origin, problem.get("origin")),
        vendor_code=problem.get("vendor_code"),
        dial_state=_member(DialState, problem.get("dial_state")),
        dial_id=problem.get("dial_id"),
        retry_after=retry_after if isinstance(retry_after, int | float) else None,
        fields=fields if isinstance(fields, dict) else None,
        request_id=problem.get("request_id"),
        retryable=retryable if isinstance(retryable, bool) else None,
    )


def _member(kind: Any, value: Any) -> Any:
    return kind(value) if value in list(kind) else None


class ConfigError(Exception):
    """The configuration cannot be used. *path* is the key, for example `accounts.hanoi.settings.base_url`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


class PluginError(Exception):
    """A plugin cannot be used; the message names it and says what to do."""
