"""What a sidecar counts of itself, and how `GET /metrics` shows it, in the text format of Prometheus.

Counting is adding to a number; the rest is done when `/metrics` is asked for. No label holds text from a client or a
vendor: operations, codes, states and types are ours, accounts are those of the configuration.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from gateway_contracts import CallEvent

from .models import IntakeState, IntakeStatus

PREFIX = "gateway_"
OK = "ok"
_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "requests": ("Requests that were answered, by what they asked for.", ("operation", "code")),
    "dials": ("Click-to-calls, by what was answered.", ("account", "outcome")),
    "events": ("Events that came into the log, whichever sidecar wrote them.", ("account", "type", "source")),
    "quarantined": ("Webhooks and rows of records that could not be read.", ("account",)),
    "delivery_attempts": ("Attempts to deliver an event, by the delivery's state after it.", ("state",)),
}


@attrs.frozen(kw_only=True)
class Moment:
    """How things are now. *accounts* says whether each account is open; *intake* how its events come in, and is
    None where the journal cannot be asked, or there is none.
    """

    accounts: Mapping[str, bool]
    intake: Mapping[str, IntakeStatus] | None
    readers: int
    trouble: bool
    now: datetime = attrs.field(factory=lambda: datetime.now(UTC))


@attrs.define(eq=False)
class Metrics:
    """Counts since the sidecar started, by labels, in the order of `_COUNTERS`."""

    requests: Counter[tuple[str, ...]] = attrs.field(factory=Counter, init=False)
    dials: Counter[tuple[str, ...]] = attrs.field(factory=Counter, init=False)
    events: Counter[tuple[str, ...]] = attrs.field(factory=Counter, init=False)
    quarantined: Counter[tuple[str, ...]] = attrs.field(factory=Counter, init=False)
    delivery_attempts: Counter[tuple[str, ...]] = attrs.field(factory=Counter, init=False)

    def hear(self, page: Sequence[CallEvent]) -> None:
        """Count new events of the log."""
        for event in page:
            self.events[event.account, event.type, event.source] += 1

    def shown(self, moment: Moment, may_use: Callable[[str], bool]) -> tuple[bytes, str]:
        """The metrics at this *moment* of the accounts that the client *may_use*, and their media type."""
        # Not before `/metrics` is asked for: it takes longer to import than everything else that this needs.
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected([*self._counters(may_use), *_gauges(moment, may_use)]))
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _counters(self, may_use: Callable[[str], bool]) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        for name, (text, labels) in _COUNTERS.items():
            family = CounterMetricFamily(PREFIX + name, text, labels=labels)
            for values, count in tuple(getattr(self, name).items()):
                if "account" not in labels or may_use(values[labels.index("account")]):
                    family.add_metric(values, count)
            yield family


@attrs.frozen(eq=False)  # a registry keeps it in a set
class _Collected:
    """What a registry asks for its metrics."""

    families: Sequence[Any]

    def collect(self) -> Iterator[Any]:
        yield from self.families


def _gauges(moment: Moment, may_use: Callable[[str], bool]) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily(f"{PREFIX}readers", "Who reads events over HTTP now.", value=moment.readers)
    trouble = "1 while the journal cannot be used, or is damaged."
    yield GaugeMetricFamily(f"{PREFIX}journal_trouble", trouble, value=float(moment.trouble))
    opened = GaugeMetricFamily(f"{PREFIX}account_open", "0 for an account whose plugin is broken.", labels=["account"])
    state = GaugeMetricFamily(
        f"{PREFIX}events_state", "1 for the state of an account's events.", labels=["account", "state"]
    )
    age = GaugeMetricFamily(
        f"{PREFIX}watermark_age_seconds", "How long ago an account was last fully accounted for.", labels=["account"]
    )
    for account, is_open in moment.accounts.items():
        if not may_use(account):
            continue
        opened.add_metric([account], float(is_open))
        status = (moment.intake or {}).get(account)
        if status is None:
            continue
        for each in IntakeState:
            state.add_metric([account, each], float(each is status.state))
        if status.watermark is not None:
            age.add_metric([account], max((moment.now - status.watermark).total_seconds(), 0.0))
    yield from (opened, state, age)
