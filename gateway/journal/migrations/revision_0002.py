"""Dials whose end was only looked for are unknown; their tries and what people said of them are kept.

A column that every statement about dials names has another name from here on. So a process of an older version that is
still running can neither begin a dial nor end one: it would say `not_placed` of what it does not find, and dial again.
"""

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"

_TIME = sa.BigInteger


def upgrade(op: Operations) -> None:
    op.execute("ALTER TABLE dials RENAME COLUMN sent_at TO tried_at")
    for column in (*_may("far_end", "resolution"), *_may("looked_at", kind=_TIME)):
        op.add_column("dials", column)
    op.execute(
        "UPDATE dials SET state = 'unknown', resolution = 'not_found', evidence = NULL"
        " WHERE state = 'not_placed' AND evidence = 'looked'"
    )
    op.create_table(
        "tries",
        _of_dial(),
        sa.Column("tried_at", _TIME, primary_key=True, autoincrement=False),
        _must("account"),
        _must("state"),
        *_may("answer", "error", "call_id", "evidence", "resolution", "far_end"),
        *_may("finished_at", kind=_TIME),
    )
    op.create_table(
        "statements",
        _of_dial(),
        sa.Column("stated_at", _TIME, primary_key=True, autoincrement=False),
        _must("state"),
        _must("note"),
        _must("caller"),
    )


def _of_dial() -> Any:
    return sa.Column("dial_id", sa.Text, sa.ForeignKey("dials.dial_id", ondelete="CASCADE"), primary_key=True)


def _must(name: str) -> Any:
    return sa.Column(name, sa.Text, nullable=False)


def _may(*names: str, kind: Any = sa.Text) -> list[Any]:
    return [sa.Column(name, kind) for name in names]
