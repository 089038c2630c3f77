"""Reads events from the log, in the order of their numbers and some at a time."""

from collections.abc import Collection, Sequence
from typing import Any

import attrs
from gateway_contracts import CallEvent, EventType
from sqlalchemy import Connection, Select, func, null, select

from .conversations import same_number
from .event_rows import MAX_BATCH, event_of
from .prepared import PreparedIn
from .schema import counters, events

MAX_CHARACTERS = 2 * 1024 * 1024
"""How many characters of events are read in one go; the event that exceeds them is the last."""
_ROWS = 20  # that the database sends at once
_NUMBERED = PreparedIn(lambda numbers: select(events.c.body).where(events.c.seq.in_(numbers)).order_by(events.c.seq))


@attrs.frozen(kw_only=True)
class EventSelection:
    """The events that a reader gets: those that its `EventFilter` asks for, of the accounts that it may see.

    None stands for all. An empty set stands for none, unlike in a filter: a key without accounts sees no event.
    """

    accounts: frozenset[str] | None = None
    types: frozenset[EventType] | None = None
    extension: str | None = None
    number: str | None = None

    @classmethod
    def narrowed(
        cls,
        *,
        accounts: Collection[str],
        types: Collection[EventType],
        extension: str | None,
        number: str | None,
        allowed: frozenset[str] | None,
    ) -> "EventSelection":
        """Return the selection of what is asked for, of the *allowed* accounts; None allows all.

        Empty *accounts* and *types* ask for all.
        """
        asked = frozenset(accounts) or None
        return cls(
            accounts=allowed if asked is None else asked if allowed is None else asked & allowed,
            types=frozenset(types) or None,
            extension=extension,
            number=number,
        )

    def fits(self, event: CallEvent) -> bool:
        """Return whether the reader gets *event*."""
        return (
            (self.accounts is None or event.account in self.accounts)
            and (self.types is None or event.type in self.types)
            and (self.extension is None or event.extension == self.extension)
            and (
                self.number is None
                or same_number(event.from_number, self.number)
                or same_number(event.to_number, self.number)
            )
        )


def read_after(
    connection: Connection, seq: int, selection: EventSelection, *, raw: bool = True
) -> tuple[list[CallEvent], int, int]:
    """Read at most `MAX_BATCH` events after *seq*. The database selects them by account, type and extension only.

    Return the events, the number up to which the log was read, and how many characters the events have.
    """
    newest = read_head(connection)
    columns = (events.c.body, events.c.raw if raw else null().label("raw"))
    query = select(*columns).where(events.c.seq > seq).order_by(events.c.seq).limit(MAX_BATCH)
    if selection.accounts is not None:
        query = query.where(events.c.account.in_(sorted(selection.accounts)))
    if selection.types is not None:
        query = query.where(events.c.type.in_(sorted(selection.types)))
    if selection.extension is not None:
        query = query.where(events.c.extension == selection.extension)
    found, length = read_events(connection, query)
    last = (found[-1].seq or 0) if found else 0
    return found, last if len(found) == MAX_BATCH or length > MAX_CHARACTERS else max(newest, last), length


def read_events(connection: Connection, query: Select[Any]) -> tuple[list[CallEvent], int]:
    """Read the events of *query*, which selects `body` and `raw`, until they exceed `MAX_CHARACTERS`.

    Return them, and how many characters they have.
    """
    found: list[CallEvent] = []
    length = 0
    # Without `yield_per` a server sends all rows, however few of them are used.
    with connection.execute(query.execution_options(yield_per=_ROWS)) as result:
        for row in result.mappings():
            found.append(event_of(row))
            length += len(row["body"]) + len(row["raw"] or "")
            if length > MAX_CHARACTERS:
                break
    return found, length


def read_numbered(connection: Connection, numbers: Sequence[int]) -> list[CallEvent]:
    """Read the events with these *numbers*, without the vendor's own objects."""
    return [event_of({"body": body, "raw": None}) for (body,) in _NUMBERED.rows(connection, numbers)]


def read_head(connection: Connection) -> int:
    """Read the number of the newest event."""
    return int(connection.execute(select(counters.c.value).where(counters.c.name == "events")).scalar_one())


def read_oldest(connection: Connection) -> int:
    """Read the number of the oldest event that is kept; where there is none, the number that the next one gets."""
    found = connection.execute(select(func.min(events.c.seq))).scalar_one()
    return read_head(connection) + 1 if found is None else int(found)
