"""The journal: one database for everything that must survive a crash. SQLite, or PostgreSQL for several sidecars.

Importing it imports SQLAlchemy, so it is imported where a journal is opened and not before.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs
from sqlalchemy import Connection, insert, select

from .log import EventLog
from .schema import hook_tokens, inserting, quarantine, to_micros
from .store import Store, open_store


@attrs.frozen
class Journal:
    """What one process knows of the journal: its store, and the log of events in it."""

    store: Store
    log: EventLog

    async def quarantine(self, *, account: str, reason: str, media_type: str, body: bytes, at: datetime) -> None:
        """Put the unreadable *body* of a webhook into the quarantine, with the *reason*. Raises: JournalError."""
        row = {
            "account": account,
            "received_at": to_micros(at),
            "reason": reason,
            "media_type": media_type,
            "body": body,
        }

        def keep(connection: Connection) -> None:
            connection.execute(insert(quarantine), [row])

        await self.store.write(keep)

    async def quarantine_rows(self, rows: Mapping[bytes, bytes], *, account: str, reason: str, at: datetime) -> int:
        """Put unreadable *rows* of a vendor, by their digests, into the quarantine, each once; return how many are new.

        Raises: JournalError.
        """
        fixed = {"account": account, "received_at": to_micros(at), "reason": reason, "media_type": "application/json"}
        values = [{**fixed, "digest": digest, "body": body} for digest, body in rows.items()]

        def keep(connection: Connection) -> int:
            statement = inserting(connection, quarantine).on_conflict_do_nothing(index_elements=["digest"])
            return sum(connection.execute(statement, value).rowcount for value in values)

        return await self.store.write(keep)

    async def hook_tokens(self, accounts: Sequence[str]) -> dict[str, str]:
        """The secrets in the hook addresses of *accounts*; those that lack one get one, which stays.

        Raises: JournalError.
        """
        now = to_micros(datetime.now(UTC))

        def kept(connection: Connection) -> dict[str, str]:
            chosen = select(hook_tokens.c.account, hook_tokens.c.token).where(hook_tokens.c.account.in_(accounts))
            found = {row.account: row.token for row in connection.execute(chosen)}
            new = {account: secrets.token_urlsafe(32) for account in accounts if account not in found}
            if new:
                rows = [{"account": account, "token": token, "created_at": now} for account, token in new.items()]
                connection.execute(insert(hook_tokens), rows)
            return found | new

        return await self.store.write(kept)


@contextlib.asynccontextmanager
async def open_journal(url: str, *, beside: Path | None = None) -> AsyncIterator[Journal]:
    """The journal in the database at *url*; a SQLite file is relative to *beside*. Raises: ConfigError."""
    async with open_store(url, beside=beside) as store:
        log = EventLog(store)
        await log.start()
        yield Journal(store, log)
