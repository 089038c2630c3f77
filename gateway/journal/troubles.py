"""What can go wrong with the journal's database, and what to do about it."""

import attrs
from gateway_contracts import GatewayError, JournalError
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

_FULL = "the disk that holds the journal is full: free space on it"
_HELD = "another process holds the journal's database: stop it, or wait until it is done"
_DAMAGED = (
    "the journal's database {name} is damaged: stop the gateway, and restore it from a backup or name a new one, as "
    "docs/journal.md says"
)
_REFUSED = (
    "the journal's database lets nobody write, or not this user: give the gateway's user the right to write to it"
)
_NO_DATABASE = "the file {name} is no SQLite database, or damaged: restore it from a backup, or name another file"
_DISK = "the disk that holds the journal fails: look into the system's log, and at journal.url"
_BUSY = "the journal's server lacks memory or connections: look into its log"
_FAILED = "the journal's server failed: look into its log"
_SLOW = "the journal's server takes too long: look at its load, and into its log"
_GONE = (
    "the journal's server cannot be reached, does not respond, or does not let the gateway in: "
    "see that it runs, and at journal.url"
)
_STALLED = "the journal's database does not respond: look at its server, or at the disk that holds it"

TROUBLES = (
    ("SQLITE_FULL", _FULL),
    ("SQLITE_BUSY", _HELD),
    ("SQLITE_LOCKED", _HELD),
    ("SQLITE_PROTOCOL", _HELD),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_NOTADB", _NO_DATABASE),
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
    ("57014", _SLOW),
    ("57", _GONE),
    ("58", _DISK),
    ("XX001", _DAMAGED),
    ("XX002", _DAMAGED),
    ("XX", _FAILED),
)
"""The start of SQLite's error name or of PostgreSQL's SQLSTATE, and the trouble. Anything else is the
statement's fault."""
_LASTING = (_DAMAGED, _NO_DATABASE)
_SQLITE_DECODING = "Could not decode to UTF-8"  # the driver says so, without a code: SQLite does not look into texts


class UnreadableRow(Exception):  # never leaves the journal
    """What a row holds is not what was written there."""


@attrs.frozen
class Trouble:
    """What is wrong with a database, in words without data, and whether it stays so until a person mends it."""

    text: str
    lasting: bool = False


STALLED = Trouble(_STALLED)
"""The database has not responded so far, and the reason is not known."""


def trouble_of(error: Exception, name: str) -> Trouble | None:
    """What is wrong with the database called *name*; None when it is the statement that was wrong."""
    if isinstance(error, UnreadableRow):
        return Trouble(_DAMAGED.format(name=name), lasting=True)
    if not isinstance(error, DBAPIError):
        return None
    code = _code_of(error)
    text = next((text for start, text in TROUBLES if code.startswith(start)), None)
    if text is None and not code and _SQLITE_DECODING in str(error.orig):
        text = _DAMAGED
    if text is None and (error.connection_invalidated or (not code and isinstance(error, OperationalError))):
        text = _GONE
    if text is None:
        return None
    return Trouble(text.format(name=name) + (f" ({code})" if code else ""), lasting=text in _LASTING)


def failure_of(error: Exception, name: str) -> Exception:
    """*error* as it leaves the journal, new each time: a database's own text can hold what is in the rows."""
    if isinstance(error, StopIteration):
        return RuntimeError("a work of the journal raised StopIteration")  # which no future can hold
    trouble = trouble_of(error, name)
    if trouble:
        return JournalError(trouble.text)
    if not isinstance(error, SQLAlchemyError):
        return error
    code = _code_of(error) if isinstance(error, DBAPIError) else ""
    return GatewayError(f"The journal could not do this ({type(error).__name__}{code and ' ' + code}).")


def _code_of(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""
