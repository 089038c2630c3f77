"""How far something has come, under a name, so that it goes on there after a restart or in another process."""

import time
from collections.abc import Sequence
from typing import TypeVar

from gateway_contracts import dumps, from_json, loads, to_json
from sqlalchemy import Connection, select

from .schema import inserting, positions
from .store import Store

T = TypeVar("T")


async def read_positions(store: Store, names: Sequence[str], kind: type[T]) -> dict[str, T]:
    """Those of *names* that there are, as *kind*, an attrs class. Raises: JournalError."""

    def read(connection: Connection) -> list[tuple[str, str]]:
        query = select(positions.c.name, positions.c.value).where(positions.c.name.in_(names))
        return [(name, value) for name, value in connection.execute(query)]

    return {name: from_json(loads(value), kind) for name, value in await store.read(read)}


async def write_position(store: Store, name: str, value: object) -> None:
    """Set *name* to *value*, an attrs object. Raises: JournalError."""
    text = dumps(to_json(value)).decode()

    def write(connection: Connection) -> None:
        values = {"value": text, "updated_at": time.time_ns() // 1000}
        statement = inserting(connection, positions).values(name=name, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    await store.write(write)
