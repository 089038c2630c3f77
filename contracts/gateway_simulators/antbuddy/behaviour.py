"""The settings that say how AntBuddy behaves; tests and demos may change them while it runs."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs import validators

from gateway_simulators.behaviour_checks import checked, flag, number_answers, seconds, whole_number_from


@attrs.define(eq=False, on_setattr=checked)
class Behaviour:
    """The settings of the vendor. Durations are seconds of its clock."""

    ring_seconds: float = attrs.field(default=3, validator=seconds)
    """How long a device rings before it picks up, or gives up."""
    number_ring_seconds: float = attrs.field(default=5, validator=seconds)
    """How long an outside number rings before it answers, is busy, or gives up."""
    talk_seconds: float = attrs.field(default=20, validator=seconds)
    """How long two parties talk before they hang up."""
    extension_answers: bool = attrs.field(default=True, validator=flag)
    number_answers: bool | Literal["busy"] = attrs.field(default=True, validator=number_answers)
    record_delay_seconds: float = attrs.field(default=0, validator=seconds)
    """How long after the end of a call its row is in the history; no document says."""
    envelope: Literal["list", "data"] = attrs.field(default="list", validator=validators.in_(["list", "data"]))
    """Whether history is a bare list or lies under `data`; no document says."""
    paging: Literal["document", "first_page", "everything"] = attrs.field(
        default="document", validator=validators.in_(["document", "first_page", "everything"])
    )
    """`document` gives the page of the request; `first_page` overlooks `page`, and `everything` `limit` too."""
    page_rows: int = attrs.field(default=0, validator=whole_number_from(0))
    """Rows on a page of a vendor that overlooks `limit`, such as the documented default 20; 0 where it does not."""
    filed_under: Literal["start", "end"] = attrs.field(default="start", validator=validators.in_(["start", "end"]))
    """Which time of a call `created_from` and `created_to` look at; no document says."""
    ends_included: bool = attrs.field(default=True, validator=flag)
    """Whether `created_to` itself is in the range; no document says."""
    oldest_days: int = attrs.field(default=0, validator=whole_number_from(0))
    """How far back a list may begin, 0 for any age: 004:98 may mean that beside the length of a range."""
    hash_order: Literal["app_first", "app_last"] = attrs.field(
        default="app_first", validator=validators.in_(["app_first", "app_last"])
    )
    requests_per_second: int = attrs.field(default=0, validator=whole_number_from(0))
    """Requests that the vendor accepts in one second of the clock, 503 beyond; 0 for no limit."""
    link_seconds: float = attrs.field(default=600, validator=seconds)
    """Life of a recording's signed address."""
    token_seconds: float = attrs.field(default=3600, validator=seconds)
    """Life of a socket token."""
    socket_protocol: Literal["socketio09", "kazoo4"] = attrs.field(
        default="socketio09", validator=validators.in_(["socketio09", "kazoo4"])
    )
    heartbeat_seconds: float = attrs.field(default=5, validator=seconds)
    """How often the Socket.IO server asks whether the client lives; a client that is silent for 30 seconds is cut."""
    batches: bool = attrs.field(default=False, validator=flag)
    """Send Socket.IO packets framed with U+FFFD, two at a time where two are due."""
    bridge_ids: bool = attrs.field(default=True, validator=flag)
    """Whether events carry `Bridge-ID`; without it only `Other-Leg-Call-ID` joins the legs of a call."""
    auth_failures: int = attrs.field(default=0, validator=whole_number_from(0))
    """How many of the next subscriptions are refused although their token is good, as Kazoo does to hasty clients."""
