"""The services that a sidecar with a journal runs: its endpoints use them, and they work between requests too."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

import attrs

from ..accounts.hook_addresses import hook_tokens
from ..config import Config, timeouts_of
from ..dialling.resolver import Resolver
from ..events.workers import Workers
from ..facade import Gateway
from ..journal.lazy import LazyJournal
from ..journal.opening import Journal
from ..journal.timelines import read_timeline
from ..keys import Client, Keyring
from ..metrics import Metrics
from ..models import Timeline
from ..webhooks.deliverer import Deliverer
from ..webhooks.destinations import Destinations
from ..webhooks.service import SubscriptionService
from .endpoints import ConversationQuery
from .event_stream import EventReaders
from .hook_receiver import Receiver
from .request_bodies import Bodies


@attrs.frozen
class Services:
    """The services of a sidecar with a journal, each of them running."""

    journal: Journal
    workers: Workers
    hooks: Receiver
    events: EventReaders
    subscriptions: SubscriptionService

    async def read_conversation(
        self, client: Client, conversation_id: str, query: ConversationQuery
    ) -> Timeline | None:
        """What *client* may see of a conversation; None for one that is not there."""
        own = None if "admin" in client.scopes else client.name
        seen = None
        if own is not None or client.accounts is not None:
            seen = [each.subscription_id for each in (await self.subscriptions.list_subscriptions(client)).items]
        work = functools.partial(
            read_timeline,
            wanted=conversation_id,
            account=query.account,
            caller=own,
            accounts=client.accounts,
            subscribed=seen,
            raw=query.raw,
        )
        return await self.journal.store.read(work)


@contextlib.asynccontextmanager
async def running_services(
    gateway: Gateway, lazy: LazyJournal, config: Config, keyring: Keyring, bodies: Bodies, metrics: Metrics
) -> AsyncIterator[Services]:
    """The services of *gateway*, whose journal is *lazy*: the journal is opened first, then the workers begin, the
    deliveries, and the search for unknown dials. They end in the opposite order.

    Raises: ConfigError, JournalError.
    """
    journal = await lazy.get()
    tokens = await hook_tokens(config, lazy)
    accounts = {each.name: each for each in gateway}
    workers = Workers(tuple(gateway), config, journal, tokens, metrics)
    destinations = Destinations(config.proxy.webhook_hosts)
    deliverer = Deliverer(journal, keyring, destinations, metrics=metrics)
    services = Services(
        journal,
        workers,
        Receiver(accounts, config.accounts, tokens, journal, bodies=bodies, metrics=metrics),
        EventReaders(gateway, journal.log),
        SubscriptionService(gateway, keyring, journal, destinations.allowed, deliverer.clock, deliverer.wake),
    )
    with_vendor = {name: each for name, each in accounts.items() if each.vendor is not None}
    resolver = Resolver(lazy, with_vendor, timeouts_of(config))
    with journal.log.listening(metrics.hear):
        async with journal.store.watched(), workers.running(), deliverer.running(), _running(resolver):
            yield services


@contextlib.asynccontextmanager
async def _running(resolver: Resolver) -> AsyncIterator[None]:
    task = asyncio.create_task(resolver.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
