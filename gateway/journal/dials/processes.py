"""Processes that dial: each holds a lease, so that others know which dials lost their process."""

from sqlalchemy import Connection, delete, select

from ..leases import time_of
from ..schema import inserting, leases

LIFE_SECONDS = 10.0
"""How long a process that was killed passes for one that still dials."""


_LEASES_KEPT = 3_600 * 1_000_000  # microseconds after their end


def renew(connection: Connection, process: str) -> None:
    """Let *process* pass for alive for `LIFE_SECONDS`."""
    until = time_of(connection) + int(LIFE_SECONDS * 1_000_000)
    statement = inserting(connection, leases).values(name=lease_of(process), holder=process, until=until)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"until": until}))


def leave(connection: Connection, process: str) -> None:
    """Let *process* pass for gone."""
    connection.execute(delete(leases).where(leases.c.name == lease_of(process)))


def forget_gone(connection: Connection) -> None:
    """Delete the leases of processes that ended an hour ago."""
    old = time_of(connection) - _LEASES_KEPT
    connection.execute(
        delete(leases).where(leases.c.name.startswith(lease_of(""), autoescape=True), leases.c.until < old)
    )


def lease_of(process: str) -> str:
    return f"process:{process}"


def alive(connection: Connection) -> set[str]:
    query = select(leases.c.holder).where(
        leases.c.name.startswith(lease_of(""), autoescape=True), leases.c.until > time_of(connection)
    )
    return set(connection.scalars(query))
