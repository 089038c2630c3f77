"""Subscriptions: clients create, change, list and replay them here; the deliverer sends the events."""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
from gateway_contracts import CallEvent, Conflict, Forbidden, InvalidRequest, NotFound, Origin, Page
from sqlalchemy import Connection

from ..events.feed import check_filter
from ..facade import Gateway
from ..journal import deliveries, subscriptions
from ..journal.deliveries import CHUNK, Planned
from ..journal.opening import Journal
from ..journal.subscriptions import SigningKey, StoredSubscription
from ..keys import Client, Keyring
from ..models import Delivery, EventFilter, Subscription, SubscriptionState
from ..texts import plain
from .deliverer import Clock, selection_of
from .destinations import problem_of
from .signatures import new_secret
from .subscriptions import DeliveryQuery, NewSubscription, Replay, ReplayRequest

MAX_SUBSCRIPTIONS = 100
"""Of one key."""
OLD_SECRET_LIFE = timedelta(hours=24)
_REPLAY_CHUNKS = 20
"""How many chunks of deliveries one request makes at most."""


@attrs.frozen
class SubscriptionService:
    """The subscriptions in *journal*. *allowed* are hosts that need not be public, *wake* tells the deliverer."""

    gateway: Gateway
    keyring: Keyring
    journal: Journal
    allowed: Collection[str]
    clock: Clock
    wake: Callable[[], None]

    async def create_subscription(self, client: Client, body: Mapping[str, Any]) -> Subscription:
        """Raises: InvalidRequest, Forbidden, NotFound, Conflict when the key has too many."""
        if "url" not in body:
            raise InvalidRequest("url is missing", fields={"url": "is missing"})
        new = NewSubscription(**body)
        self._check(client, body)
        await self.journal.log.catch_up()
        now = self.clock.now()
        secret = new.secret or new_secret()
        subscription = Subscription(
            subscription_id=f"sub_{secrets.token_hex(12)}",
            key=client.name,
            url=new.url,
            accounts=new.accounts,
            types=new.types,
            extension=new.extension,
            number=new.number,
            after=self.journal.log.head,
            created_at=now,
            updated_at=now,
        )
        kept = StoredSubscription(subscription=subscription, keys=(SigningKey(secret=secret),))

        def add(connection: Connection) -> bool:
            if subscriptions.count(connection, client.name) >= MAX_SUBSCRIPTIONS:
                return False
            subscriptions.add(connection, kept)
            return True

        if not await self.journal.store.write(add):
            raise Conflict(f"A key has at most {MAX_SUBSCRIPTIONS} subscriptions: delete one", origin=Origin.GATEWAY)
        self.wake()
        return attrs.evolve(subscription, secret=secret)

    async def list_subscriptions(self, client: Client) -> Page[Subscription]:
        """The client's; with `admin` also others' that reach only accounts of the client's."""
        key = None if "admin" in client.scopes else client.name
        kept = await self.journal.store.read(partial(subscriptions.of_key, key=key))
        found = tuple(each.subscription for each in kept if self._may_use(client, each))
        return Page(items=found, total=len(found))

    async def get_subscription(self, client: Client, subscription_id: str) -> Subscription:
        """Raises: NotFound."""
        return (await self._find(client, subscription_id)).subscription

    async def update_subscription(self, client: Client, subscription_id: str, body: Mapping[str, Any]) -> Subscription:
        """Raises: NotFound, InvalidRequest, Forbidden."""
        await self._find(client, subscription_id)
        self._check(client, body)
        given = dict(body)
        if given.get("state") is SubscriptionState.ACTIVE:
            given["reason"] = None
        return (await self._change(client, subscription_id, lambda _: given)).subscription

    async def delete_subscription(self, client: Client, subscription_id: str) -> None:
        """Raises: NotFound."""
        # Disabled first: what is left when this is cut short is delivered no more, and can be deleted again.
        await self._change(client, subscription_id, lambda _: {"state": SubscriptionState.DISABLED})
        while await self.journal.store.write(partial(deliveries.remove_some, subscription_id=subscription_id)):
            pass
        await self.journal.store.write(partial(subscriptions.remove, subscription_id=subscription_id))

    async def rotate_secret(self, client: Client, subscription_id: str) -> Subscription:
        """Raises: NotFound."""
        secret, until = new_secret(), self.clock.now() + OLD_SECRET_LIFE

        def keys(kept: StoredSubscription) -> Mapping[str, Any]:
            newest = next(each for each in kept.keys if each.until is None)
            return {"keys": (SigningKey(secret=secret), attrs.evolve(newest, until=until))}

        return attrs.evolve((await self._change(client, subscription_id, keys)).subscription, secret=secret)

    async def list_deliveries(self, client: Client, subscription_id: str, query: DeliveryQuery) -> Page[Delivery]:
        """Raises: NotFound, InvalidRequest for a cursor that is none."""
        await self._find(client, subscription_id)
        listed = partial(
            deliveries.listed,
            subscription_id=subscription_id,
            accounts=client.accounts,
            state=query.state,
            before=_place(query.cursor),
            limit=query.limit + 1,
        )
        found = await self.journal.store.read(listed)
        items = tuple(found[: query.limit])
        more = len(found) > query.limit
        return Page(items=items, next=f"{items[-1].seq}.{items[-1].replay}" if more else None)

    async def replay_events(self, client: Client, subscription_id: str, body: Mapping[str, Any]) -> Replay:
        """Raises: NotFound, InvalidRequest."""
        request = ReplayRequest(**body)
        if request.after is None and not request.failed:
            text = "is missing: give after, or failed"
            raise InvalidRequest(f"after {text}", fields={"after": text})
        kept = await self._find(client, subscription_id)
        made, seq, last = 0, request.after or 0, kept.subscription.after
        try:
            for _ in range(_REPLAY_CHUNKS):
                count, seq = await (self._failed if request.failed else self._after)(kept, seq)
                made += count
                if seq >= last:
                    return Replay(deliveries=made)
            return Replay(deliveries=made, next=seq)
        finally:
            self.wake()

    async def _after(self, kept: StoredSubscription, seq: int) -> tuple[int, int]:
        """Deliver again a chunk of what comes after *seq*; gives how many, and where to go on."""
        selection = selection_of(kept, self.keyring)
        found, reached = await self.journal.log.after(seq, selection, limit=CHUNK, raw=False)
        # What comes later is delivered for the first time.
        return await self._replayed(
            kept, [each for each in found if (each.seq or 0) <= kept.subscription.after]
        ), reached

    async def _failed(self, kept: StoredSubscription, seq: int) -> tuple[int, int]:
        """The same, of what has failed."""
        identity = kept.subscription.subscription_id
        numbers = await self.journal.store.read(partial(deliveries.failed_after, subscription_id=identity, seq=seq))
        if not numbers:
            return 0, kept.subscription.after
        found = await self.journal.log.numbered(numbers)
        accounts = selection_of(kept, self.keyring).accounts
        allowed = [each for each in found if accounts is None or each.account in accounts]
        return await self._replayed(kept, allowed), numbers[-1]

    async def _replayed(self, kept: StoredSubscription, events: Sequence[CallEvent]) -> int:
        planned = Planned(subscription_id=kept.subscription.subscription_id, events=events, reached=0)
        return await self.journal.store.write(partial(deliveries.replay, planned=planned, now=self.clock.now()))

    async def _find(self, client: Client, subscription_id: str) -> StoredSubscription:
        kept = await self.journal.store.read(partial(subscriptions.find, subscription_id=plain(subscription_id)))
        if kept is None or not self._may_use(client, kept):
            raise _missing()
        return kept

    def _may_use(self, client: Client, kept: StoredSubscription) -> bool:
        """Whether *client* may see and change a subscription: its own, or with `admin` one that can be sent nothing of
        accounts that are not the client's.
        """
        one = kept.subscription
        if one.key == client.name:
            return True
        if "admin" not in client.scopes or client.accounts is None:
            return "admin" in client.scopes
        maker = self.keyring.named(one.key)
        reached = frozenset(one.accounts) or (maker.accounts if maker is not None else None)
        return reached is not None and reached <= client.accounts

    async def _change(
        self, client: Client, subscription_id: str, change: Callable[[StoredSubscription], Mapping[str, Any]]
    ) -> StoredSubscription:
        """Write what *change* gives of the attributes of a subscription, or as its `keys`."""
        now = self.clock.now()

        def write(connection: Connection) -> StoredSubscription | None:
            kept = subscriptions.find(connection, subscription_id)
            if kept is None or not self._may_use(client, kept):
                return None
            values = dict(change(kept))
            keys = values.pop("keys", kept.keys)
            changed = StoredSubscription(
                subscription=attrs.evolve(kept.subscription, updated_at=now, **values), keys=keys
            )
            if not self._may_use(client, changed):
                raise Forbidden(
                    f"The subscription would reach all accounts of the key {changed.subscription.key!r}, and the key "
                    f"{client.name!r} may not use all of them"
                )
            return subscriptions.change(connection, subscription_id, subscriptions.columns(changed))

        changed = await self.journal.store.write(write)
        if changed is None:
            raise _missing()
        self.wake()
        return changed

    def _check(self, client: Client, body: Mapping[str, Any]) -> None:
        """Raises: InvalidRequest for an address that webhooks may not go to, and for a route; Forbidden, NotFound."""
        problem = problem_of(body["url"], self.allowed) if "url" in body else None
        if problem is not None:
            raise InvalidRequest(f"url {problem}", fields={"url": problem})
        for name in body.get("accounts", ()):
            client.check(name, "events")
        check_filter(self.gateway.__getitem__, EventFilter(account=tuple(body.get("accounts", ()))))


def _missing() -> NotFound:
    return NotFound("There is no such subscription of yours")


def _place(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    seq, _, replay = cursor.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (seq, replay)):
        raise InvalidRequest("cursor is not one of ours", fields={"cursor": "must be the next of the page before"})
    return int(seq), int(replay)
