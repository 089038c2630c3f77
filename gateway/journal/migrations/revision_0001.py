"""The first schema of the journal."""

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None

_TIME = sa.BigInteger
_NUMBERED = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade(op: Operations) -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        _must("digest", sa.LargeBinary),
        _must("account"),
        _must("event_id"),
        _must("type"),
        *_may("call_id", "sip_call_id", "conversation_id", "extension", "from_number", "to_number"),
        _must("received_at", _TIME),
        _must("late", sa.Boolean),
        _must("body"),
        *_may("raw"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("events_of_conversation", "events", ["conversation_id", "seq"])
    op.create_index("events_by_age", "events", ["received_at"])
    op.create_table(
        "conversations",
        _key("conversation_id"),
        _must("account"),
        _must("state"),
        *_may("direction", "from_number", "to_number", "extension", "hotline"),
        *_may("started_at", "answered_at", "ended_at", kind=_TIME),
        *_may("outcome"),
        *_may("end_seq", kind=sa.BigInteger),
        *_may("end_source"),
        *_may("talk_seconds", "duration_seconds", kind=sa.Integer),
        _must("exact", sa.Boolean),
        _must("created_at", _TIME),
        _must("updated_at", _TIME),
    )
    op.create_index("conversations_open", "conversations", ["account", "ended_at"])
    op.create_index("conversations_by_age", "conversations", ["updated_at"])
    op.create_table(
        "links",
        _key("account"),
        _key("kind"),
        _key("value"),
        _must("conversation_id"),
        _must("evidence"),
        _must("linked_at", _TIME),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.conversation_id"], ondelete="CASCADE"),
    )
    op.create_index("links_of_conversation", "links", ["conversation_id"])
    op.create_table(
        "dials",
        _key("dial_id"),
        _must("account"),
        _must("asked"),
        _must("caller"),
        *_may("idempotency_key"),
        _must("fingerprint"),
        _must("state"),
        _must("request"),
        *_may("answer", "error", "call_id", "extension", "number"),
        _must("created_at", _TIME),
        *_may("sent_at", "finished_at", kind=_TIME),
        *_may("evidence"),
        _must("process"),
        sa.UniqueConstraint("asked", "caller", "idempotency_key", name="dials_by_key"),
    )
    op.create_index("dials_by_state", "dials", ["account", "state"])
    op.create_index("dials_by_age", "dials", ["account", "created_at"])
    op.create_table(
        "subscriptions",
        _key("subscription_id"),
        _must("caller"),
        _must("url"),
        _must("accounts"),
        _must("types"),
        *_may("extension", "number"),
        _must("secrets"),
        _must("state"),
        *_may("reason"),
        _must("after_seq", sa.BigInteger),
        _must("created_at", _TIME),
        _must("updated_at", _TIME),
    )
    op.create_table(
        "deliveries",
        _key("delivery_id"),
        _must("subscription_id"),
        _must("seq", sa.BigInteger),
        _must("replay", sa.Integer),
        _must("event_id"),
        _must("webhook_id"),
        *_may("conversation_id"),
        _must("state"),
        _must("attempts", sa.Integer),
        *_may("next_at", kind=_TIME),
        *_may("status", kind=sa.Integer),
        *_may("error"),
        _must("created_at", _TIME),
        _must("updated_at", _TIME),
        sa.UniqueConstraint("subscription_id", "seq", "replay", name="deliveries_by_seq"),
    )
    op.create_index("deliveries_due", "deliveries", ["subscription_id", "state", "next_at"])
    op.create_index("deliveries_in_order", "deliveries", ["subscription_id", "conversation_id", "state", "seq"])
    op.create_table(
        "attempts",
        _key("delivery_id"),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        _must("at", _TIME),
        *_may("status", kind=sa.Integer),
        _must("milliseconds", sa.Integer),
        *_may("error"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.delivery_id"], ondelete="CASCADE"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", _NUMBERED, sa.Identity(), primary_key=True),
        _must("account"),
        _must("received_at", _TIME),
        _must("reason"),
        *_may("media_type"),
        _must("body", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    counters = op.create_table("counters", _key("name"), _must("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": "events", "value": 0}])
    op.create_table("positions", _key("name"), _must("value"), _must("updated_at", _TIME))
    op.create_table("hook_tokens", _key("account"), _must("token"), _must("created_at", _TIME))
    op.create_table("leases", _key("name"), _must("holder"), _must("until", _TIME))


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, primary_key=True)


def _must(name: str, kind: type[Any] = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _may(*names: str, kind: type[Any] = sa.Text) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]
