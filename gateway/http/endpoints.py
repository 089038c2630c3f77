"""The table of endpoints: every route of the sidecar that is no operation.

The router, the checks of scopes, the names in the metrics and the OpenAPI document are made from this table.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
from gateway_contracts import ClickToCall, Page, interface_name

from ..models import Delivery, Dial, EventPage, EventQuery, NewStatement, Subscription, Timeline
from ..webhooks.subscriptions import DeliveryQuery, NewSubscription, Replay, ReplayRequest, SubscriptionChange
from .account_list import AccountList


@attrs.frozen(kw_only=True)
class Endpoint:
    """One route that is no operation.

    `name` is its handler, a method of `Handlers` or, where `service` is given, of that attribute of `Services`.

    A `public` endpoint needs no key, and reads the request by itself. For any other, the client's key has one of
    `scopes`, where there are any; `query` and `body` are attrs classes, and a request may send nothing else.

    The rest is for the OpenAPI document. `response` describes the response where the docstring of `returns` does not.
    `other_types` are media types that a response may have beside the JSON of `returns`, each with its description.
    An `undocumented` endpoint is left out of the document, for the reason that it gives.
    """

    name: str
    verb: str
    path: str
    service: str = ""
    public: bool = False
    scopes: tuple[str, ...] = ()
    query: type[Any] | None = None
    body: type[Any] | None = None
    returns: Any = None
    status: int = 200
    tag: str = ""
    summary: str = ""
    description: str = ""
    headers: Mapping[str, tuple[type, str]] = attrs.field(factory=dict)
    response: str = ""
    other_types: Mapping[str, str] = attrs.field(factory=dict)
    undocumented: str = ""

    rings: ClassVar[bool] = False
    """No endpoint makes a phone ring: what does is an operation."""


@attrs.frozen(kw_only=True)
class ConversationQuery:
    """Of which account the id is, and whether the vendor's own answers are wanted."""

    account: str | None = attrs.field(default=None, metadata={"description": "The account whose id it is."})
    raw: bool = attrs.field(default=False, metadata={"description": "Add the vendor's own answers."})


@attrs.frozen(kw_only=True)
class Health:
    """It is `ok`; otherwise the response is a problem."""

    status: str = "ok"


EVENTS, ADMIN = ("events",), ("admin",)
_DIAL = "/v1/accounts/{account}/dials/{dial_id}"
_SUBSCRIPTIONS = "/v1/subscriptions"
_SUBSCRIPTION = "/v1/subscriptions/{subscription_id}"
_DIALLING, _EVENTS_OUT = interface_name(ClickToCall), "events out"

ENDPOINTS = (
    Endpoint(
        name="list_accounts",
        verb="GET",
        path="/v1/accounts",
        returns=AccountList,
        tag="accounts",
        summary="List the accounts and routes of the key, and what each can do.",
    ),
    Endpoint(
        name="get_dial",
        verb="GET",
        path=_DIAL,
        scopes=(ClickToCall.scope, "admin"),
        returns=Dial,
        tag=_DIALLING,
        summary="Get what is known of a dial, by the `dial_id` of a started call or of a problem.",
        description="A key sees its own dials, unless it has the scope `admin`.",
    ),
    Endpoint(
        name="make_statement",
        verb="POST",
        path=f"{_DIAL}/statement",
        scopes=ADMIN,
        body=NewStatement,
        returns=Dial,
        tag=_DIALLING,
        summary="Say how an unknown dial ended, as a person found out.",
        description="`not_placed` lets its idempotency key dial again. 409 while the vendor is asked, for the"
        " account's `dial_wait` after that, and where evidence says how the dial ended.",
    ),
    Endpoint(
        name="list_events",
        verb="GET",
        path="/v1/events",
        scopes=EVENTS,
        query=EventQuery,
        returns=EventPage,
        tag=_EVENTS_OUT,
        summary="Read events in the order in which they became known, page by page or as a stream.",
        headers={"Last-Event-ID": (int, "For a stream: as `after`, and stronger.")},
        other_types={
            "text/event-stream": "Server-sent events: `id` is the event's `seq`, `event` its type, `data` a CallEvent. "
            "An event `resync` says that the log does not go on from where the reader was: `data` has `after`, "
            "`reason` (`removed`, `ahead`) and `oldest`."
        },
    ),
    Endpoint(
        name="get_conversation",
        verb="GET",
        path="/v1/conversations/{conversation_id}",
        scopes=EVENTS,
        query=ConversationQuery,
        returns=Timeline,
        tag="conversations",
        summary="Get one conversation: its state, its parts with the evidence for each, and its events.",
        description="By its own id or that of its dial, or with `account` by the id of one of its calls or records."
        " A key sees its own dials and deliveries. With the scope `admin` it sees everybody's dials, and the deliveries"
        " of the subscriptions that it may see.",
    ),
    Endpoint(
        name="create_subscription",
        verb="POST",
        path=_SUBSCRIPTIONS,
        service="subscriptions",
        scopes=EVENTS,
        body=NewSubscription,
        returns=Subscription,
        status=201,
        tag=_EVENTS_OUT,
        summary="Have events sent to an address as signed webhooks. The secret is shown in this response only.",
    ),
    Endpoint(
        name="list_subscriptions",
        verb="GET",
        path=_SUBSCRIPTIONS,
        service="subscriptions",
        scopes=EVENTS,
        returns=Page[Subscription],
        tag=_EVENTS_OUT,
        summary="List the key's subscriptions; with the scope `admin`, also others' that reach its accounts only.",
    ),
    Endpoint(
        name="get_subscription",
        verb="GET",
        path=_SUBSCRIPTION,
        service="subscriptions",
        scopes=EVENTS,
        returns=Subscription,
        tag=_EVENTS_OUT,
        summary="Get one subscription.",
    ),
    Endpoint(
        name="update_subscription",
        verb="PATCH",
        path=_SUBSCRIPTION,
        service="subscriptions",
        scopes=EVENTS,
        body=SubscriptionChange,
        returns=Subscription,
        tag=_EVENTS_OUT,
        summary="Change a subscription's address or filters, disable it, or make it active again.",
    ),
    Endpoint(
        name="delete_subscription",
        verb="DELETE",
        path=_SUBSCRIPTION,
        service="subscriptions",
        scopes=EVENTS,
        status=204,
        tag=_EVENTS_OUT,
        summary="Delete a subscription with its deliveries.",
    ),
    Endpoint(
        name="rotate_secret",
        verb="POST",
        path=f"{_SUBSCRIPTION}/rotate-secret",
        service="subscriptions",
        scopes=EVENTS,
        returns=Subscription,
        tag=_EVENTS_OUT,
        summary="Make a new secret, shown in this response only. For 24 hours both sign each message.",
    ),
    Endpoint(
        name="list_deliveries",
        verb="GET",
        path=f"{_SUBSCRIPTION}/deliveries",
        service="subscriptions",
        scopes=EVENTS,
        query=DeliveryQuery,
        returns=Page[Delivery],
        tag=_EVENTS_OUT,
        summary="List what was delivered, is about to be, or failed, with every attempt.",
    ),
    Endpoint(
        name="replay_events",
        verb="POST",
        path=f"{_SUBSCRIPTION}/replay",
        service="subscriptions",
        scopes=EVENTS,
        body=ReplayRequest,
        returns=Replay,
        tag=_EVENTS_OUT,
        summary="Deliver events once more.",
    ),
    Endpoint(
        name="hook",
        verb="POST",
        path="/hooks/{account}/{token}",
        public=True,
        undocumented="it is for vendors, which send what they like; the token in its path takes the place of a key",
    ),
    Endpoint(
        name="livez",
        verb="GET",
        path="/livez",
        public=True,
        returns=Health,
        tag="probes",
        summary="The process answers.",
        response="It does.",
    ),
    Endpoint(
        name="readyz",
        verb="GET",
        path="/readyz",
        public=True,
        returns=Health,
        tag="probes",
        summary="The sidecar's own parts work.",
        response="They do.",
    ),
    Endpoint(
        name="metrics",
        verb="GET",
        path="/metrics",
        scopes=ADMIN,
        tag="probes",
        summary="Get what this sidecar has counted, in the text format of Prometheus.",
        description="Shows the accounts of the key.",
        response="The metrics.",
        other_types={"text/plain": ""},
    ),
    Endpoint(
        name="openapi",
        verb="GET",
        path="/openapi.json",
        public=True,
        undocumented="it is the document itself",
    ),
    Endpoint(name="docs", verb="GET", path="/docs", public=True, undocumented="it is a page for people"),
    Endpoint(
        name="docs_file",
        verb="GET",
        path="/docs/{name}",
        public=True,
        undocumented="it is a part of the page for people",
    ),
)
