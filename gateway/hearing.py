"""How the events of an account come in, as `GET /v1/accounts` says it."""

from datetime import datetime
from enum import StrEnum

import attrs


class EventsState(StrEnum):
    """Whether an account's events come in."""

    OK = "ok"
    SILENT = "silent"  # calls are live, and no event came since they began
    GAP = "gap"  # the vendor could not be heard for a time, of which not everything is accounted for yet
    OFF = "off"  # the vendor has no events, or the sidecar no journal


@attrs.frozen(kw_only=True)
class Hearing:
    """How an account's events come in.

    The state is `ok`; `silent` when calls are live and no event came since they began; `gap` when the vendor could not
    be heard for a time that is not accounted for yet; `off` without events, without what they need, or
    without a journal.

    Every call that ended before `watermark` is in the journal with its end; null as long as nothing is known. The event
    of `last_event_at` came from the vendor.
    """

    state: EventsState = EventsState.OFF
    last_event_at: datetime | None = None
    watermark: datetime | None = None
