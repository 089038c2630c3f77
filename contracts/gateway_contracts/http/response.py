"""What comes back: a vendor's response, and the error that it stands for."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import attrs

from ..converters import InvalidValue, from_json
from ..errors import (
    Conflict,
    DialState,
    GatewayError,
    InvalidRequest,
    NotFound,
    Origin,
    OutcomeUnknown,
    RateLimited,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorTimeout,
    VendorUnavailable,
)
from .request import Effect

T = TypeVar("T")


@attrs.frozen(kw_only=True, slots=False)  # made for every request
class Response:
    """A vendor's response. `data` is its body decoded, None where it is empty or cannot be decoded."""

    account: str
    effect: Effect
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    data: Any = attrs.field(repr=False)

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def parse(self, kind: type[T], data: Any = None) -> T:
        """Read the response's data, or *data* taken out of it, as *kind*.

        Raises: VendorProtocolError, or OutcomeUnknown where the request was more than a read.
        """
        try:
            return from_json(self.data if data is None else data, kind)
        except InvalidValue as error:
            raise self.nonsense(f"its answer does not fit its documents: {error}") from error

    def nonsense(self, what: str) -> GatewayError:
        """Make the error for a response that does not fit the vendor's documents."""
        if self.effect is Effect.READ:
            return VendorProtocolError(f"The vendor answered {self.status} and {what}", account=self.account)
        return outcome_unknown(f"The vendor answered {self.status} and {what}", self.effect, self.account)


Classify = Callable[[Response], GatewayError | None]
"""Which error a response stands for, None for success; with `dial_state` where the documents say that nothing rang.

`HttpClient` still judges the returned error by the effect of the request; an error that *classify* raises goes out as
it is. A returned `VendorAuthFailed`, whatever the status, means that the vendor refused the token, if the request
carried one.
"""


def error_for_status(response: Response, message: str | None = None) -> GatewayError | None:
    """Make the error that an HTTP status stands for, None for 2xx. *message* is the vendor's own text, if any."""
    status = response.status
    if 200 <= status < 300:
        return None
    kind, retry_after = _ERROR_OF_STATUS.get(status), None
    if kind is None:
        kind = VendorUnavailable if status >= 500 else VendorRejected if status >= 400 else VendorProtocolError
    if kind in (RateLimited, VendorUnavailable):
        retry_after = retry_after_of(response.headers)
    text = f"The vendor answered {status}" + (f": {message}" if message else "")
    return kind(text, account=response.account, origin=Origin.VENDOR, vendor_code=str(status), retry_after=retry_after)


_ERROR_OF_STATUS: Mapping[int, type[GatewayError]] = {
    400: InvalidRequest,
    401: VendorAuthFailed,
    403: VendorAuthFailed,
    404: NotFound,
    405: VendorProtocolError,
    408: VendorTimeout,
    409: Conflict,
    429: RateLimited,
    504: VendorTimeout,
}


def outcome_unknown(
    message: str, effect: Effect, account: str, *, origin: Origin = Origin.VENDOR, vendor_code: str | None = None
) -> OutcomeUnknown:
    """Make the error for a request that was more than a read, and of which nothing is known but that it was sent."""
    ending = (
        ". A phone may have rung. Do not dial again: ask about the dial, or look at the live calls and records"
        if effect is Effect.RING
        else ". It may have been done: look before you send it again"
    )
    return OutcomeUnknown(
        message + ending,
        account=account,
        origin=origin,
        vendor_code=vendor_code,
        dial_state=DialState.UNKNOWN if effect is Effect.RING else None,
    )


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that `Retry-After` names, by number or by date; None where it makes no sense."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
