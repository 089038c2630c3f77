"""The settings that say how a PBX behaves; tests and demos may change them while it runs."""

from __future__ import annotations

from typing import Any, Literal, get_args

import attrs
from attrs import validators

from gateway_simulators.behaviour_checks import checked, flag, number_answers, seconds, share, whole_number_from

Paging = Literal["document", "page", "offset", "scroll", "first_page", "everything"]


def _event_names(value: Any) -> frozenset[str]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"drop is a list of event names, not {value!r}")
    return frozenset(value)


@attrs.define(eq=False, on_setattr=checked)
class WebhookFaults:
    """The faults between the PBX and the listeners of its webhooks."""

    duplicate: bool = attrs.field(default=False, validator=flag)
    """Send everything twice, as a vendor does that missed the listener's response."""
    drop: frozenset[str] = attrs.field(default=frozenset(), converter=_event_names)
    """Events, by the vendor's names, that are never sent."""
    drop_rate: float = attrs.field(default=0, validator=share)
    """The share of all webhooks that are never sent, chosen by chance, the same in every run."""
    reorder: bool = attrs.field(default=False, validator=flag)
    """Hold back the webhooks of a call until its last one (`cdr`), then send them newest first."""
    delay_seconds: float = attrs.field(default=0, validator=seconds)
    """Send everything so much later, in the time of the PBX's clock."""


@attrs.define(eq=False, on_setattr=checked)
class PbxBehaviour:
    """The settings of the PBX. Durations are seconds of the PBX's clock unless they say otherwise."""

    ring_seconds: float = attrs.field(default=3, validator=seconds)
    """How long an extension rings before it picks up, or gives up."""
    number_ring_seconds: float = attrs.field(default=5, validator=seconds)
    """How long an outside number rings before it answers, is busy, or gives up."""
    talk_seconds: float = attrs.field(default=20, validator=seconds)
    """How long two parties talk before they hang up."""
    park_seconds: float = attrs.field(default=10, validator=seconds)
    """How long a parked party waits for a transfer."""
    extension_answers: bool = attrs.field(default=True, validator=flag)
    number_answers: bool | Literal["busy"] = attrs.field(default=True, validator=number_answers)
    ring_group_shares_sip_call_id: bool = attrs.field(default=False, validator=flag)
    """Whether the record of a ring group's call has the sip_call_id of its events; no document says."""
    token_seconds: float = attrs.field(default=3540, validator=seconds)
    """Life of a token."""
    hook_shape: Literal["2021", "2023"] = attrs.field(default="2021", validator=validators.in_(["2021", "2023"]))
    """Edition of the documents whose field names the hook list and the reply to a new hook have. That of 2023 has the
    event `missed` too, at TEL4VN v2.
    """
    record_delay_seconds: float = attrs.field(default=0, validator=seconds)
    """How long after the end of a call its record is there; no document says."""
    files_unanswered: bool = attrs.field(default=True, validator=flag)
    """Whether a call that was not answered gets a record, and its `cdr` webhook; there are PBXs that file none."""
    paging: Paging = attrs.field(default="document", validator=validators.in_(get_args(Paging)))
    """How lists of records are cut into pages.

    `document`: with `page` and `limit` by number, where `offset` takes the place of `page`, otherwise by scroll
    [003:382-410, 002:427-448]. Readings of it: `page` looks at the number only, `offset` at the offset only (the call
    center then gives nothing back without both `limit` and `offset`, as the edition of 2023 says), `scroll` at the
    scroll id only. And hosts that overlook where a page starts: `first_page` always gives the first page, `everything`
    all rows. Customers are cut by their offset only [002:1554-1562], unless it is overlooked.
    """
    scroll_page: int = attrs.field(default=50, validator=whole_number_from(1))
    """Records in one response when `limit` is not given."""
    largest_page: int = attrs.field(default=10_000, validator=whole_number_from(1))
    """Records in one response at most, also when `limit` is larger; no document says how many."""
    recording_delay_seconds: float = attrs.field(default=0, validator=seconds)
    """How long after the end of a call its recording is not there yet (404)."""
    webhook_form: bool = attrs.field(default=False, validator=flag)
    """Send webhooks as a web form instead of JSON; no document says which."""
    webhook_timeout_seconds: float = attrs.field(default=5, validator=seconds)
    """How long, in real time, a listener may take to respond to a webhook before it is sent again, once."""
    webhook_faults: WebhookFaults = attrs.field(factory=WebhookFaults, validator=validators.instance_of(WebhookFaults))
