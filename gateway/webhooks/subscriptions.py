"""Subscriptions: applications that want our webhooks, what they are shown, and the routes for it."""

import attrs
from gateway_contracts import EventType, Page, Secret

from ..models import MAX_SEQ, Delivery, DeliveryState, Subscription, SubscriptionState
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


@attrs.frozen(kw_only=True)
class Route:
    """A route beside the operations. Its `name` is the method that answers it."""

    name: str
    verb: str
    path: str
    summary: str
    query: type | None = None
    body: type | None = None
    partial: bool = False
    returns: type | None = None
    status: int = 200


_ONE = "/v1/subscriptions/{subscription_id}"

ROUTES = (
    Route(
        name="create_subscription",
        verb="POST",
        path="/v1/subscriptions",
        summary="Have events sent to an address as signed webhooks. The secret is shown in this answer only.",
        body=NewSubscription,
        returns=Subscription,
        status=201,
    ),
    Route(
        name="list_subscriptions",
        verb="GET",
        path="/v1/subscriptions",
        summary="List the key's subscriptions; with the scope `admin`, also others' that reach its accounts only.",
        returns=Page[Subscription],
    ),
    Route(name="get_subscription", verb="GET", path=_ONE, summary="Get one subscription.", returns=Subscription),
    Route(
        name="update_subscription",
        verb="PATCH",
        path=_ONE,
        summary="Change a subscription's address or filters, disable it, or make it active again.",
        body=SubscriptionChange,
        partial=True,
        returns=Subscription,
    ),
    Route(
        name="delete_subscription",
        verb="DELETE",
        path=_ONE,
        summary="Delete a subscription with its deliveries.",
        status=204,
    ),
    Route(
        name="rotate_secret",
        verb="POST",
        path=f"{_ONE}/rotate-secret",
        summary="Make a new secret, shown in this answer only. For 24 hours both sign each message.",
        returns=Subscription,
    ),
    Route(
        name="list_deliveries",
        verb="GET",
        path=f"{_ONE}/deliveries",
        summary="List what was delivered, is about to be, or failed, with every attempt.",
        query=DeliveryQuery,
        returns=Page[Delivery],
    ),
    Route(
        name="replay_events",
        verb="POST",
        path=f"{_ONE}/replay",
        summary="Deliver events once more.",
        body=ReplayRequest,
        returns=Replay,
    ),
)
"""All routes of subscriptions; each needs the scope `events`."""
