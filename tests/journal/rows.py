"""Rows for tests of the journal, and what is in it."""

import hashlib
import itertools

from sqlalchemy import select

from gateway.journal import schema

_NUMBERS = itertools.count(1)


def event(name, **columns):
    """The columns of an event called *name*, with a number higher than any before."""
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    fixed = {"account": "hanoi", "type": "call.ended", "received_at": 1, "late": False, "body": "{}"}
    return {"seq": next(_NUMBERS), "digest": digest, "event_id": name} | fixed | columns


def insert(table, **columns):
    """A work that writes a row."""
    return lambda connection: connection.execute(table.insert().values(**columns)).rowcount


def insert_event(name, **columns):
    """A work that writes an event."""
    return insert(schema.events, **event(name, **columns))


def names(connection):
    """The events' names in the order of `seq`."""
    return list(connection.scalars(select(schema.events.c.event_id).order_by(schema.events.c.seq)))


def append_events(connection, items):
    """A batcher: all *items* in one statement."""
    connection.execute(schema.events.insert(), [event(name) for name in items])
    return items
