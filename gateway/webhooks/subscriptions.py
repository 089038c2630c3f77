"""What clients send to make, change, list and replay subscriptions, and what a replay returns."""

import attrs
from gateway_contracts import EventType, Secret

from ..models import MAX_SEQ, DeliveryState, SubscriptionState
from ..parameters import between, short
from .signatures import is_secret

_TEXT = 100


def _secret(_: object, __: object, value: Secret | None) -> None:
    if value is not None and not is_secret(value.reveal()):
        raise ValueError("must be whsec_ and 24 to 64 bytes as base64; left out, one is made")


@attrs.frozen(kw_only=True)
class NewSubscription:
    """What makes a subscription. Without a secret, one is made."""

    url: str
    accounts: tuple[str, ...] = attrs.field(default=(), validator=short(_TEXT))
    types: tuple[EventType, ...] = attrs.field(default=(), validator=short(_TEXT))
    extension: str | None = attrs.field(default=None, validator=short(_TEXT))
    number: str | None = attrs.field(default=None, validator=short(_TEXT))
    secret: Secret | None = attrs.field(default=None, validator=_secret)


@attrs.frozen(kw_only=True)
class SubscriptionChange:
    """What of a subscription changes; what is left out stays. One that is made active goes on where it was."""

    url: str = ""
    accounts: tuple[str, ...] = attrs.field(default=(), validator=short(_TEXT))
    types: tuple[EventType, ...] = attrs.field(default=(), validator=short(_TEXT))
    extension: str | None = attrs.field(default=None, validator=short(_TEXT))
    number: str | None = attrs.field(default=None, validator=short(_TEXT))
    state: SubscriptionState = SubscriptionState.ACTIVE


@attrs.frozen(kw_only=True)
class DeliveryQuery:
    """Which deliveries are listed, the newest event first."""

    state: DeliveryState | None = None
    cursor: str | None = attrs.field(default=None, validator=short(_TEXT))
    limit: int = attrs.field(default=100, validator=between(1, 1_000))


@attrs.frozen(kw_only=True)
class ReplayRequest:
    """What is delivered once more: all wanted events that come after the number `after`, or with `failed` only those
    whose delivery failed. One of the two must be given.
    """

    after: int | None = attrs.field(default=None, validator=between(0, MAX_SEQ))
    failed: bool = False


@attrs.frozen(kw_only=True)
class Replay:
    """How many deliveries were made. With `next`, there are more: ask again with it as `after`."""

    deliveries: int
    next: int | None = None
