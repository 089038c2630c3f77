"""Statements that run often, made for the driver once: what SQLAlchemy does for each run takes longer than the
database.

They run in the transaction of the connection that they are given, and fail as its own do.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Select, bindparam
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase

_MOST = 512  # values in one IN (…)


class Prepared:
    """A *statement* whose values are parameters, or always the same. Rows come as the driver gives them."""

    def __init__(self, statement: UpdateBase | Select[Any]) -> None:
        self._statement = statement
        self._made: dict[str, _Made] = {}

    def rows(self, connection: Connection, given: Mapping[str, Any]) -> list[Any]:
        """The rows that it gives with the parameters *given*."""
        made = self._for(connection.dialect)
        return run_text(connection, made.text, made.values(given))[0]

    def change(self, connection: Connection, given: Mapping[str, Any]) -> int:
        """Run it with the parameters *given*; gives how many rows it changed."""
        made = self._for(connection.dialect)
        return run_text(connection, made.text, made.values(given))[1]

    def write(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Run it for each of *rows*, which hold its parameters in their order."""
        if rows:
            run_text(connection, self._for(connection.dialect).text, rows, many=True)

    def _for(self, dialect: Dialect) -> "_Made":
        if dialect.name not in self._made:
            self._made[dialect.name] = _Made(self._statement, dialect)
        return self._made[dialect.name]


class PreparedIn:
    """As `Prepared`, what *make* makes of the parameters that stand in an IN (…)."""

    def __init__(self, make: Callable[[Sequence[BindParameter[Any]]], Select[Any]]) -> None:
        self._make = make
        self._sized: dict[int, Prepared] = {}

    def rows(self, connection: Connection, wanted: Sequence[Any], given: Mapping[str, Any] | None = None) -> list[Any]:
        """The rows that it gives for those that are *wanted*, with the parameters *given*."""
        found: list[Any] = []
        for start in range(0, len(wanted), _MOST):
            some = wanted[start : start + _MOST]
            size = 1 << (len(some) - 1).bit_length()  # few of them, so the driver has met each
            values = dict.fromkeys(_NAMES[:size], some[-1]) | dict(zip(_NAMES, some, strict=False)) | dict(given or {})
            found += self._of(size).rows(connection, values)
        return found

    def _of(self, size: int) -> Prepared:
        if size not in self._sized:
            self._sized[size] = Prepared(self._make([bindparam(name) for name in _NAMES[:size]]))
        return self._sized[size]


_NAMES = [f"wanted_{number}" for number in range(_MOST)]


class _Made:
    """A statement as the driver takes it."""

    def __init__(self, statement: UpdateBase | Select[Any], dialect: Dialect) -> None:
        # By position: both drivers look up names for each row.
        kind: Any = type(dialect)
        compiled: Any = statement.compile(dialect=kind(paramstyle="qmark" if dialect.name == "sqlite" else "format"))
        names = compiled.positiontup
        self.text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._pick = operator.itemgetter(*names) if len(names) > 1 else lambda values: [values[each] for each in names]

    def values(self, given: Mapping[str, Any]) -> Sequence[Any]:
        found: Sequence[Any] = self._pick({**self._fixed, **given})
        return found


def run_text(
    connection: Connection, text: str, values: Sequence[Any] = (), *, many: bool = False
) -> tuple[list[Any], int]:
    """The rows that *text*, a statement in the driver's own words, gives, and how many it changed."""
    dialect: Any = connection.dialect
    raw = connection.connection
    cursor = raw.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(text, values)
        rows: Any = cursor.fetchall() if cursor.description else []
        return rows, cursor.rowcount
    except Exception as error:
        base = dialect.loaded_dbapi.Error
        lost = isinstance(error, base) and dialect.is_disconnect(error, raw.dbapi_connection, cursor)
        failure: Any = DBAPIError.instance(
            text, None, error, base, hide_parameters=True, connection_invalidated=lost, dialect=dialect
        )
        if lost:
            connection.invalidate(error)
        raise failure from error
    finally:
        cursor.close()
