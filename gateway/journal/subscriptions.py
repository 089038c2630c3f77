"""Subscriptions in the journal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from gateway_contracts import EventType, Secret, dumps, loads
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from ..models import Subscription, SubscriptionState
from .schema import from_micros, subscriptions, to_micros


@attrs.frozen(kw_only=True)
class SigningKey:
    """A secret that messages are signed with, and until when; None while it is the newest."""

    secret: Secret
    until: datetime | None = None


@attrs.frozen(kw_only=True)
class StoredSubscription:
    """A subscription as the journal keeps it."""

    subscription: Subscription
    keys: tuple[SigningKey, ...] = attrs.field(repr=False)

    def signing(self, now: datetime) -> list[Secret]:
        """The secrets that sign *now*, the newest first."""
        return [each.secret for each in self.keys if each.until is None or each.until > now]


def add(connection: Connection, kept: StoredSubscription) -> None:
    """Write a new one."""
    row = {"subscription_id": kept.subscription.subscription_id, "caller": kept.subscription.key}
    connection.execute(insert(subscriptions), [row | columns(kept)])


def find(connection: Connection, subscription_id: str) -> StoredSubscription | None:
    """The one with this id."""
    query = select(subscriptions).where(subscriptions.c.subscription_id == subscription_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _kept(row)


def of_key(connection: Connection, key: str | None) -> list[StoredSubscription]:
    """Those that the key called *key* made, or all, oldest first."""
    query = select(subscriptions).order_by(subscriptions.c.created_at, subscriptions.c.subscription_id)
    if key is not None:
        query = query.where(subscriptions.c.caller == key)
    return [_kept(row) for row in connection.execute(query).mappings()]


def count(connection: Connection, key: str) -> int:
    """How many the key called *key* has."""
    query = select(func.count()).select_from(subscriptions).where(subscriptions.c.caller == key)
    return int(connection.execute(query).scalar_one())


def active(connection: Connection) -> list[StoredSubscription]:
    """Those to which events are delivered."""
    query = select(subscriptions).where(subscriptions.c.state == SubscriptionState.ACTIVE)
    return [_kept(row) for row in connection.execute(query).mappings()]


def change(connection: Connection, subscription_id: str, values: Mapping[str, Any]) -> StoredSubscription | None:
    """Write *values* by column; gives what it is then, None when there is none."""
    where = subscriptions.c.subscription_id == subscription_id
    connection.execute(update(subscriptions).where(where).values(dict(values)))
    return find(connection, subscription_id)


def remove(connection: Connection, subscription_id: str) -> None:
    """Forget it."""
    connection.execute(delete(subscriptions).where(subscriptions.c.subscription_id == subscription_id))


def columns(kept: StoredSubscription) -> dict[str, Any]:
    """What can change of *kept*, by column."""
    one = kept.subscription
    return {
        "url": one.url,
        "accounts": dumps(one.accounts).decode(),
        "types": dumps(one.types).decode(),
        "extension": one.extension,
        "number": one.number,
        "secrets": dumps([[each.secret.reveal(), each.until and to_micros(each.until)] for each in kept.keys]).decode(),
        "state": one.state,
        "reason": one.reason,
        "after_seq": one.after,
        "created_at": to_micros(one.created_at),
        "updated_at": to_micros(one.updated_at),
    }


def _kept(row: RowMapping) -> StoredSubscription:
    keys = (
        SigningKey(secret=Secret(text), until=until and from_micros(until)) for text, until in loads(row["secrets"])
    )
    return StoredSubscription(
        subscription=Subscription(
            subscription_id=row["subscription_id"],
            key=row["caller"],
            url=row["url"],
            accounts=tuple(loads(row["accounts"])),
            types=tuple(map(EventType, loads(row["types"]))),
            extension=row["extension"],
            number=row["number"],
            state=SubscriptionState(row["state"]),
            reason=row["reason"],
            after=row["after_seq"],
            created_at=from_micros(row["created_at"]),
            updated_at=from_micros(row["updated_at"]),
        ),
        keys=tuple(keys),
    )
