"""The errors of dials, and an error as the journal keeps it."""

import functools

from gateway_contracts import (
    Conflict,
    DialState,
    GatewayError,
    NotFound,
    Origin,
    OutcomeUnknown,
    VendorTimeout,
    dumps,
)

from .request_context import DIAL

_LOST = "The process that asked the vendor has ended, and what the vendor answered is not known"
_LOOK = "the gateway looks for the call and the dial says when it has found out; do not dial again"


def lost_error(account: str | None, dial_id: str | None) -> OutcomeUnknown:
    """The error of a dial whose process ended before the vendor's answer was written."""
    return OutcomeUnknown(
        f"{_LOST}: {_LOOK}",
        account=account,
        operation=DIAL,
        origin=Origin.GATEWAY,
        dial_state=DialState.UNKNOWN,
        dial_id=dial_id,
    )


@functools.lru_cache
def lost_text(account: str) -> str:
    return problem_text(lost_error(account, None))  # the dial that is lost may have another id than the one begun


def given_up() -> Conflict:
    return Conflict(
        "Another process took this one for dead, and gave the dial up before it was sent. Nothing was sent: ask again",
        origin=Origin.GATEWAY,
        dial_state=DialState.NOT_PLACED,
        retryable=True,
    )


def no_dial(asked: str, dial_id: str) -> NotFound:
    return NotFound(f"There is no dial {dial_id!r} of {asked} that you may see", account=asked)


def gateway_closed(state: DialState) -> OutcomeUnknown | GatewayError:
    if state is DialState.NOT_PLACED:
        return GatewayError("Nobody waited for the call any more, so it was not placed", dial_state=state)
    return OutcomeUnknown(
        f"The gateway was closed while the vendor was asked: {_LOOK}", origin=Origin.GATEWAY, dial_state=state
    )


def sent_too_late(seconds: float) -> VendorTimeout:
    """The error of a dial that could not be sent within *seconds* (`timeouts.dial_start`). Nothing was sent."""
    return VendorTimeout(
        f"Nothing was sent: the dial could not be sent within {seconds:g} s (timeouts.dial_start) of being asked "
        "for. Ask again, if it is still wanted",
        origin=Origin.GATEWAY,
        dial_state=DialState.NOT_PLACED,
    )


def problem_text(error: GatewayError) -> str:
    """*error* as the journal keeps it."""
    return dumps(error.as_problem()).decode()
