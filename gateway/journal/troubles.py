"""What can go wrong with the journal's database, and what to do about it."""

from typing import ClassVar

from gateway_contracts import GatewayError
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError


class JournalError(GatewayError):
    """The journal's database cannot be used now; nothing is acknowledged that it does not hold. Safe to try again."""

    status: ClassVar[int] = 503
    title: ClassVar[str] = "The journal is unavailable"
    retryable: ClassVar[bool] = True


_FULL = "the disk that holds the journal is full: free space on it"
_HELD = "another process holds the journal's database: stop it, or wait until it is done"
_DAMAGED = "the journal's database is damaged: stop the gateway, and restore it from a backup or name a new one"
_REFUSED = (
    "the journal's database lets nobody write, or not this user: give the gateway's user the right to write to it"
)
_DISK = "the disk that holds the journal fails: look into the system's log, and at journal.url"
_BUSY = "the journal's server lacks memory or connections: look into its log"
_GONE = "the journal's server cannot be reached, or does not let the gateway in: see that it runs, and at journal.url"

TROUBLES = (
    ("SQLITE_FULL", _FULL),
    ("SQLITE_BUSY", _HELD),
    ("SQLITE_LOCKED", _HELD),
    ("SQLITE_PROTOCOL", _HELD),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_NOTADB", "the file is no SQLite database, or damaged: restore it from a backup, or name another file"),
    ("SQLITE_READONLY", _REFUSED),
    ("SQLITE_PERM", _REFUSED),
    ("SQLITE_CANTOPEN", "the journal's file cannot be opened: see that its folder exists and may be written to"),
    ("SQLITE_IOERR", _DISK),
    ("SQLITE_NOMEM", "the gateway's machine is out of memory"),
    ("08", _GONE),
    ("25006", _REFUSED),
    ("25P03", _GONE),  # the server ended a transaction that stood still
    ("28", _GONE),
    ("3D000", _GONE),
    ("40", _HELD),
    ("42501", _REFUSED),
    ("53100", _FULL),
    ("53", _BUSY),
    ("55P03", _HELD),
    ("57", _GONE),
    ("58", _DISK),
    ("XX", _DAMAGED),
)
"""The start of SQLite's error name or of PostgreSQL's SQLSTATE, and the trouble. Anything else is the
statement's fault."""


def trouble_of(error: DBAPIError) -> str | None:
    """What is wrong with the database, in words without data; None when it is the statement that was wrong."""
    code = _code_of(error)
    text = next((text for start, text in TROUBLES if code.startswith(start)), None)
    if text is None and (error.connection_invalidated or (not code and isinstance(error, OperationalError))):
        text = _GONE
    return text and f"{text} ({code})" if code else text


def failure_of(error: Exception) -> Exception:
    """*error* as it leaves the journal, new each time: a database's own text can hold what is in the rows."""
    if isinstance(error, StopIteration):
        return RuntimeError("a work of the journal raised StopIteration")  # which no future can hold
    if not isinstance(error, SQLAlchemyError):
        return error
    trouble = trouble_of(error) if isinstance(error, DBAPIError) else None
    if trouble:
        return JournalError(trouble)
    code = _code_of(error) if isinstance(error, DBAPIError) else ""
    return GatewayError(f"The journal could not do this ({type(error).__name__}{code and ' ' + code}).")


def _code_of(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""
