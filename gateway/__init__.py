"""One async Python facade over many PBX vendors, each vendor a plugin. Applications import from here only."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway_contracts import (
        Agent,
        AgentBusy,
        AgentNotRegistered,
        AgentState,
        Audio,
        Call,
        CallCount,
        CallEvent,
        CallIds,
        CallRecord,
        CallState,
        ConfigError,
        Conflict,
        Customer,
        CustomerState,
        DialState,
        Direction,
        EventsLost,
        EventSource,
        EventType,
        Forbidden,
        GatewayError,
        Hook,
        IdempotencyMismatch,
        InvalidRequest,
        JournalError,
        Leg,
        Limits,
        MethodNotAllowed,
        NotFound,
        Origin,
        Outcome,
        OutcomeUnknown,
        Page,
        PayloadTooLarge,
        PluginError,
        QueueCustomer,
        QueueKind,
        QueueLoad,
        RangeNotSatisfiable,
        RateLimited,
        RecordingLink,
        Secret,
        StartedCall,
        Support,
        SupportLevel,
        SupportReport,
        Tenant,
        TenantExtension,
        TenantUser,
        Unauthenticated,
        Unsupported,
        UnsupportedMediaType,
        VendorAuthFailed,
        VendorProtocolError,
        VendorRejected,
        VendorTimeout,
        VendorUnavailable,
        WebhookRequest,
    )

    from .accounts.account import AccountFacade
    from .facade import Gateway
    from .http.app import make_app
    from .http.server import serving
    from .models import Dial, DialError, DialProgress

__all__ = [
    "AccountFacade",
    "Agent",
    "AgentBusy",
    "AgentNotRegistered",
    "AgentState",
    "Audio",
    "Call",
    "CallCount",
    "CallEvent",
    "CallIds",
    "CallRecord",
    "CallState",
    "ConfigError",
    "Conflict",
    "Customer",
    "CustomerState",
    "Dial",
    "DialError",
    "DialProgress",
    "DialState",
    "Direction",
    "EventSource",
    "EventType",
    "EventsLost",
    "Forbidden",
    "Gateway",
    "GatewayError",
    "Hook",
    "IdempotencyMismatch",
    "InvalidRequest",
    "JournalError",
    "Leg",
    "Limits",
    "MethodNotAllowed",
    "NotFound",
    "Origin",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "PayloadTooLarge",
    "PluginError",
    "QueueCustomer",
    "QueueKind",
    "QueueLoad",
    "RangeNotSatisfiable",
    "RateLimited",
    "RecordingLink",
    "Secret",
    "StartedCall",
    "Support",
    "SupportLevel",
    "SupportReport",
    "Tenant",
    "TenantExtension",
    "TenantUser",
    "Unauthenticated",
    "Unsupported",
    "UnsupportedMediaType",
    "VendorAuthFailed",
    "VendorProtocolError",
    "VendorRejected",
    "VendorTimeout",
    "VendorUnavailable",
    "WebhookRequest",
    "make_app",
    "serving",
]


_OWN = {
    "AccountFacade": ".accounts.account",
    "Dial": ".models",
    "DialError": ".models",
    "DialProgress": ".models",
    "Gateway": ".facade",
    "make_app": ".http.app",
    "serving": ".http.server",
}
"""Where the names live that are not those of `gateway_contracts`."""

if not TYPE_CHECKING:  # a type checker knows the names from above, and must not take every name for known

    def __getattr__(name: str) -> object:
        # Not before it is asked for: `gateway --help` needs none of this, and aiohttp alone takes 150 ms to import.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_OWN.get(name, "gateway_contracts"), __name__), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
