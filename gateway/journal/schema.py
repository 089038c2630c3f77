"""The journal's tables, the same for SQLite and PostgreSQL.

Times are integers, microseconds since 1970 UTC. JSON is text made by `gateway_contracts.dumps`. Ids are text.
A change here needs a migration of its own beside the others; a test holds that both agree.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite

metadata = MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERED = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only what is called INTEGER


def to_micros(moment: datetime) -> int:
    """*moment*, which is aware, as the journal's tables hold it."""
    since = moment - _EPOCH  # divided by a microsecond it takes three times as long, and each event has several
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """The moment in UTC that the journal's tables hold as *micros*."""
    return _EPOCH + timedelta(0, 0, micros)  # by name it takes half as long again


def new_id(prefix: str) -> str:
    """An id for a row, beginning with *prefix*: nobody gives it twice, and what is made later sorts later."""
    # So the rows of one commit lie together in each index of them, and few of its pages are written.
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{os.urandom(6).hex()}"


def inserting(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert into *table* that has `on_conflict_do_nothing` and `on_conflict_do_update`, for either database."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _text(name: str) -> Column[Any]:
    return Column(name, Text, nullable=False)


def _maybe_text(*names: str) -> list[Column[Any]]:
    return [Column(name, Text) for name in names]


def _time(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _maybe_time(*names: str) -> list[Column[Any]]:
    return [Column(name, BigInteger) for name in names]


events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # out of counters
    Column("digest", LargeBinary, nullable=False, unique=True),  # 16 bytes, of account and event_id
    _text("account"),
    _text("event_id"),
    _text("type"),
    *_maybe_text("call_id", "sip_call_id", "conversation_id", "extension", "from_number", "to_number"),
    _time("received_at"),
    Column("late", Boolean, nullable=False, default=False),
    _text("body"),  # the CallEvent as JSON, without raw
    *_maybe_text("raw"),  # the vendor's own, as JSON
    Index("events_of_conversation", "conversation_id", "seq"),
    Index("events_by_age", "received_at"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", Text, primary_key=True),
    _text("account"),
    _text("state"),  # dialing, ringing, answered, ended, unknown
    *_maybe_text("direction", "from_number", "to_number", "extension", "hotline"),
    *_maybe_time("started_at", "answered_at", "ended_at"),
    *_maybe_text("outcome"),
    Column("end_seq", BigInteger),
    *_maybe_text("end_source"),
    Column("talk_seconds", Integer),
    Column("duration_seconds", Integer),
    Column("exact", Boolean, nullable=False, default=False),
    _time("created_at"),
    _time("updated_at"),
    Index("conversations_open", "account", "ended_at"),
    Index("conversations_by_age", "updated_at"),
)

links = Table(
    "links",
    metadata,
    Column("account", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # call_id, sip_call_id, record_id, dial_id, try, recording
    Column("value", Text, primary_key=True),
    Column("conversation_id", Text, ForeignKey("conversations.conversation_id", ondelete="CASCADE"), nullable=False),
    _text("evidence"),
    _time("linked_at"),
    Index("links_of_conversation", "conversation_id"),
)

dials = Table(
    "dials",
    metadata,
    Column("dial_id", Text, primary_key=True),
    _text("account"),  # that really did it or does it
    _text("asked"),  # the account or route that was asked
    _text("caller"),  # the name of the caller's key, "" in a library process
    *_maybe_text("idempotency_key"),
    _text("fingerprint"),
    _text("state"),  # in_progress, placed, not_placed, unknown
    _text("request"),
    *_maybe_text("answer", "error", "call_id", "extension", "number"),
    _time("created_at"),
    *_maybe_time("tried_at", "finished_at"),
    *_maybe_text("evidence"),
    _text("process"),  # the random id of the process that runs it
    *_maybe_text("far_end"),  # a digest of which PBX was asked
    *_maybe_text("resolution"),  # of an unknown one not_found when looking is over; stated where a person said so
    *_maybe_time("looked_at"),
    UniqueConstraint("asked", "caller", "idempotency_key", name="dials_by_key"),
    Index("dials_by_state", "account", "state"),
    Index("dials_by_age", "account", "created_at"),
)


def _of_dial() -> Column[Any]:
    return Column("dial_id", Text, ForeignKey("dials.dial_id", ondelete="CASCADE"), primary_key=True)


tries = Table(  # of dials that were tried again since, or went on to the next account of a route
    "tries",
    metadata,
    _of_dial(),
    Column("tried_at", BigInteger, primary_key=True, autoincrement=False),
    _text("account"),
    _text("state"),
    *_maybe_text("answer", "error", "call_id", "evidence", "resolution", "far_end"),
    *_maybe_time("finished_at"),
)

statements = Table(  # what people said of dials
    "statements",
    metadata,
    _of_dial(),
    Column("stated_at", BigInteger, primary_key=True, autoincrement=False),
    _text("state"),
    _text("note"),
    _text("caller"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    _text("caller"),
    _text("url"),
    _text("accounts"),
    _text("types"),
    *_maybe_text("extension", "number"),
    _text("secrets"),
    _text("state"),  # active, disabled
    *_maybe_text("reason"),
    Column("after_seq", BigInteger, nullable=False),  # delivered or scheduled up to here
    _time("created_at"),
    _time("updated_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    _text("subscription_id"),
    Column("seq", BigInteger, nullable=False),
    Column("replay", Integer, nullable=False, default=0),  # 0 is the first delivery, each replay counts on
    _text("event_id"),
    _text("webhook_id"),
    *_maybe_text("conversation_id"),
    _text("state"),  # pending, delivered, failed
    Column("attempts", Integer, nullable=False, default=0),
    *_maybe_time("next_at"),  # of a pending one; none while an earlier one of its conversation is pending
    Column("status", Integer),
    *_maybe_text("error"),
    _time("created_at"),
    _time("updated_at"),
    UniqueConstraint("subscription_id", "seq", "replay", name="deliveries_by_seq"),
    Index("deliveries_due", "subscription_id", "state", "next_at"),
    Index("deliveries_in_order", "subscription_id", "conversation_id", "state", "seq"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", Text, ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _time("at"),
    Column("status", Integer),
    Column("milliseconds", Integer, nullable=False),
    *_maybe_text("error"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _NUMBERED, Identity(), primary_key=True),
    _text("account"),
    _time("received_at"),
    _text("reason"),
    *_maybe_text("media_type"),
    Column("body", LargeBinary, nullable=False),
    Column("digest", LargeBinary),  # 16 bytes, of a row that is read again and again; a webhook has none
    Index("quarantine_by_digest", "digest", unique=True),
    sqlite_autoincrement=True,
)

counters = Table(  # a number is never given twice, so a reader's position stays true whatever is pruned
    "counters", metadata, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False)
)

positions = Table("positions", metadata, Column("name", Text, primary_key=True), _text("value"), _time("updated_at"))

hook_tokens = Table(
    "hook_tokens", metadata, Column("account", Text, primary_key=True), _text("token"), _time("created_at")
)

leases = Table("leases", metadata, Column("name", Text, primary_key=True), _text("holder"), _time("until"))
