"""What the journal no longer needs is removed, a little at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, and_, delete, or_, select

from .schema import conversations, deliveries, dials, events, quarantine, to_micros
from .store import Store

CHUNK = 500
"""Rows that one write removes, so that other writes are not held up."""
_DIALS_KEPT = timedelta(hours=24)  # an idempotency key holds at least so long


async def prune(store: Store, before: datetime) -> int:
    """Remove what was over *before*, an aware datetime, and give the number of rows.

    These are events, conversations that ended (with their links), dials that ended or are no longer looked for (with
    their tries and statements), deliveries that are done (with their attempts), and the quarantine. What is not over
    stays whatever its age, and a dial stays for 24 hours.

    Raises: JournalError.
    """
    old = to_micros(before)
    old_dial = min(old, to_micros(datetime.now(UTC) - _DIALS_KEPT))
    return sum(
        [
            await _remove(store, events.c.seq, events.c.received_at < old),
            await _remove(
                store,
                conversations.c.conversation_id,
                and_(conversations.c.state == "ended", conversations.c.updated_at < old),
            ),
            await _remove(
                store,
                dials.c.dial_id,
                and_(
                    or_(dials.c.state.in_(["placed", "not_placed"]), dials.c.resolution == "not_found"),
                    dials.c.finished_at < old_dial,
                ),
            ),
            await _remove(
                store,
                deliveries.c.delivery_id,
                and_(deliveries.c.state.in_(["delivered", "failed"]), deliveries.c.updated_at < old),
            ),
            await _remove(store, quarantine.c.id, quarantine.c.received_at < old),
        ]
    )


async def _remove(store: Store, key: Column[int] | Column[str], condition: ColumnElement[bool]) -> int:
    def find(connection: Connection) -> list[int | str]:
        return list(connection.scalars(select(key).where(condition).limit(CHUNK)))

    def remove(connection: Connection, chunks: Sequence[list[int | str]]) -> list[int]:
        # The condition again: since it was found, a dial may have been tried again.
        statements = (delete(key.table).where(key.in_(found), condition) for found in chunks)
        return [connection.execute(statement).rowcount for statement in statements]

    total = 0
    while found := await store.read(find):
        removed = await store.append(remove, found)
        total += removed
        if not removed:
            break
    return total
