"""A journal's database: from `journal.url` to one engine that writes and one that reads."""

import contextlib
import math
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway_contracts import ConfigError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from .prepared import run_text

PATIENCE_SECONDS = 5.0
"""How long a statement waits for a lock of another process."""
WRITE_SECONDS = 8.0
"""How long a statement that writes may take on a server."""
READ_SECONDS = 30.0
"""How long a statement that reads may."""
READERS = 4
_URL = "journal.url"
_EXAMPLES = "write sqlite:///gateway.db or postgresql://user:password@host/name"
_CHECKPOINT_PAGES = 8_000  # 32 MB: a checkpoint syncs once more, so they are few
_CACHE_KIB = 32_768  # the index of digests is hit all over
_LOCK = 0x676174657761  # "gatewa": the writers of one database take turns, also for what a new release may add
_SETTINGS: dict[str, Any] = {
    "hide_parameters": True,  # an error holds no rows
    "max_overflow": 0,
}
_OPTIONS = {"preserve_rowcount": True}  # or an insert into PostgreSQL does not say whether it did
_BEGIN = "begin"  # an option: the statement that a transaction begins with
_TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
_GRACE_SECONDS = 1.0  # for the server to end a statement itself; one that stands still does not


def make_engines(url: str, beside: Path) -> tuple[Engine, Engine]:
    """The engine that writes, with one connection, and the one that reads.

    A SQLite file is relative to *beside*, and is made when it is absent, for its owner only.

    Raises: ConfigError. It never holds the url, which may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(_URL, f"is no database url; {_EXAMPLES}") from None
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return _sqlite(parsed.set(drivername="sqlite+pysqlite"), beside)
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return _postgresql(parsed.set(drivername="postgresql+psycopg"))
    raise ConfigError(_URL, f"names a database that the journal cannot use; {_EXAMPLES}")


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that begins now and is committed at the end, unless that is an exception.

    One of the writer excludes other writers from its start, in other processes too.
    """
    with engine.begin() as connection:
        # An event of SQLAlchemy would do this too, and take as long as a small commit.
        if begin := connection.get_execution_options().get(_BEGIN):
            run_text(connection, begin)
        yield connection


def is_whole(connection: Connection) -> bool:
    """Everything done in the transaction of *connection* can still be committed.

    After a failed statement PostgreSQL rolls back whatever is asked, and some failures make SQLite roll back at once.
    """
    raw: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        return bool(raw.in_transaction)
    return bool(raw.info.transaction_status.name == "INTRANS")


@contextlib.contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """A context in which the statements of *connection*, which is in a transaction, take as long as they take."""
    if connection.dialect.name == "sqlite":
        yield
        return
    raw: Any = connection.connection.dbapi_connection
    before = raw.patience
    run_text(connection, "SET LOCAL statement_timeout = 0")
    raw.patience = math.inf
    try:
        yield
    finally:
        raw.patience = before


def _sqlite(url: URL, beside: Path) -> tuple[Engine, Engine]:
    if not url.database or url.database.startswith((":", "file:")) or url.query or url.host:
        raise ConfigError(_URL, "must name a file: sqlite:///gateway.db beside gateway.toml, or sqlite:////full/path")
    file = beside / url.database
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(_URL, f"{file} cannot be written ({reason}): make its folder, or name another file") from None
    url = url.set(database=str(file))
    writer = create_engine(url, pool_size=1, execution_options=_OPTIONS | {_BEGIN: "BEGIN IMMEDIATE"}, **_SETTINGS)
    reader = create_engine(url, pool_size=READERS, execution_options=_OPTIONS | {_BEGIN: "BEGIN"}, **_SETTINGS)
    patience = f"busy_timeout={int(PATIENCE_SECONDS * 1000)}"
    event.listen(writer, "connect", _enter_wal)
    _on_connect(
        writer,
        *(f"PRAGMA {patience}", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"),
        *(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}", f"PRAGMA cache_size=-{_CACHE_KIB}"),
    )
    _on_connect(reader, f"PRAGMA {patience}", "PRAGMA query_only=ON")
    return writer, reader


def _postgresql(url: URL) -> tuple[Engine, Engine]:
    settings = _SETTINGS | {
        "pool_pre_ping": True,  # a server that was started again is not an error of the next statement
        "connect_args": {name: value for name, value in _TIMEOUTS.items() if name not in url.query},
    }
    try:
        # Readers must see rows in the order of seq: the next number is given out when the transaction before is over.
        turn = {_BEGIN: f"SELECT pg_advisory_xact_lock({_LOCK})"}
        writer = create_engine(url, pool_size=1, execution_options=_OPTIONS | turn, **settings)
        reader = create_engine(url, pool_size=READERS, execution_options=_OPTIONS, **settings)
    except ImportError:
        raise ConfigError(_URL, "needs a driver: pip install 'telephony-gateway[postgres]'") from None
    _limit(writer, WRITE_SECONDS)
    _limit(reader, READ_SECONDS)
    _on_connect(writer, "SET idle_in_transaction_session_timeout = 60000", "SET synchronous_commit = on")
    _on_connect(reader, "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return writer, reader


def _limit(engine: Engine, seconds: float) -> None:
    """Let no statement on a connection of *engine* take longer than *seconds*, whatever the server does."""
    from .postgresql import Connection as Patient  # it is there: the engine was made with the driver

    @event.listens_for(engine, "do_connect")
    def connect(_: object, __: object, words: Any, options: Any) -> Patient:
        connection = Patient.connect(*words, **options)
        connection.patience = seconds + _GRACE_SECONDS
        return connection

    _on_connect(
        engine,
        f"SET lock_timeout = {int(PATIENCE_SECONDS * 1000)}",
        f"SET statement_timeout = {int(seconds * 1000)}",
    )


def _on_connect(engine: Engine, *statements: str) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.isolation_level = None  # or the driver decides when a transaction begins
        else:
            connection.autocommit = True
        for statement in statements:
            connection.execute(statement).close()
        if engine.dialect.name != "sqlite":
            connection.autocommit = False


def _enter_wal(connection: sqlite3.Connection, _: object) -> None:
    """Write ahead from now on. SQLite does not wait for others who do this to a new file at the same moment: we do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
