"""Conversations as rows of their table."""

from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any

from gateway_contracts import CallState, Direction, Outcome
from sqlalchemy import Connection, bindparam, insert, select, update

from .conversations import Conversation
from .prepared import Prepared, PreparedIn
from .schema import conversations, from_micros, to_micros
from .troubles import UnreadableRow

_BY_ID = PreparedIn(lambda ids: select(conversations).where(conversations.c.conversation_id.in_(ids)))
_ADD = Prepared(insert(conversations))
_CHANGE = Prepared(
    update(conversations)
    .where(conversations.c.conversation_id == bindparam("of_conversation"))
    .values({column.name: bindparam(column.name) for column in conversations.columns if not column.primary_key})
)
_STATES = {each.value: each for each in CallState}  # to ask an enumeration takes five times as long
_DIRECTIONS: dict[str | None, Direction] = {None: Direction.UNKNOWN, **{each.value: each for each in Direction}}
_OUTCOMES: dict[str | None, Outcome | None] = {None: None, **{each.value: each for each in Outcome}}
_COLUMNS = tuple(column.name for column in conversations.columns)
_MOMENTS = [_COLUMNS.index(f"{name}_at") for name in ("started", "answered", "ended", "created", "updated")]
_columns_of = attrgetter(*_COLUMNS)


def read_conversations(connection: Connection, ids: Collection[str]) -> list[Conversation]:
    """Read the conversations with these *ids* that there are, in no order."""
    return [conversation_of(row) for row in _BY_ID.rows(connection, list(ids))]


def add_conversations(connection: Connection, new: Sequence[Conversation]) -> None:
    """Write *new*, which are not in the table."""
    _ADD.write(connection, [_row_of(each) for each in new])


def change_conversations(connection: Connection, changed: Sequence[Conversation]) -> None:
    """Write *changed*, which are in the table."""
    _CHANGE.write(connection, [(*_row_of(each)[1:], each.conversation_id) for each in changed])


def conversation_of(row: Sequence[Any]) -> Conversation:
    """Return the conversation in *row*, which has the columns of the table in their order. Raises: UnreadableRow."""
    own, account, state, direction, from_number, to_number, extension, hotline, started, answered, ended, *others = row
    outcome, end_seq, end_source, talk_seconds, duration_seconds, exact, created, updated = others
    try:
        return Conversation(
            conversation_id=own,
            account=account,
            state=_STATES[state],
            direction=_DIRECTIONS[direction],
            from_number=from_number,
            to_number=to_number,
            extension=extension,
            hotline=hotline,
            started_at=None if started is None else from_micros(started),
            answered_at=None if answered is None else from_micros(answered),
            ended_at=None if ended is None else from_micros(ended),
            outcome=_OUTCOMES[outcome],
            end_seq=end_seq,
            end_source=end_source,
            talk_seconds=talk_seconds,
            duration_seconds=duration_seconds,
            exact=bool(exact),  # SQLite's driver gives a number
            created_at=from_micros(created),
            updated_at=from_micros(updated),
        )
    except (KeyError, OverflowError, TypeError):
        raise UnreadableRow from None


def _row_of(conversation: Conversation) -> tuple[Any, ...]:
    row = list(_columns_of(conversation))
    for place in _MOMENTS:
        if row[place] is not None:
            row[place] = to_micros(row[place])
    return tuple(row)
