"""Statements that write many rows, made for the driver once: what SQLAlchemy does for each row takes as long as writing
it.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.dml import UpdateBase

Row = Mapping[str, Any]


class Prepared:
    """A *statement* whose values are all parameters. Rows hold them by name, as the driver takes them."""

    def __init__(self, statement: UpdateBase) -> None:
        self._statement = statement
        self._made: dict[str, tuple[str, Callable[[Row], tuple[Any, ...]]]] = {}

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it for each of *rows*."""
        if rows:
            text, values = self._for(connection.dialect)
            connection.exec_driver_sql(text, list(map(values, rows)))

    def _for(self, dialect: Dialect) -> tuple[str, Callable[[Row], tuple[Any, ...]]]:
        if dialect.name not in self._made:
            # By position: both drivers look up names for each row.
            kind: Any = type(dialect)
            positional = kind(paramstyle="qmark" if dialect.name == "sqlite" else "format")
            compiled: Any = self._statement.compile(dialect=positional)
            self._made[dialect.name] = (str(compiled), operator.itemgetter(*compiled.positiontup))
        return self._made[dialect.name]
