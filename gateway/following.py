"""Following the log of events: what a reader asks for, what it is answered, and where it goes on."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs
from gateway_contracts import CallEvent, EventsLost, EventType, InvalidRequest

from .queries import between, make, short

if TYPE_CHECKING:
    from .facade import Gateway
    from .journal import Log, Wanted

MAX_SEQ = 10**18 - 1
"""As many digits as are read of a number."""
MAX_WAIT_SECONDS = 60
MAX_EVENTS = 1_000
_PAGE = 200


class ResyncReason(StrEnum):
    """Why a reader cannot go on from where it was: what came next was `removed`, or its place is `ahead` of the newest
    event, as the journal is another one, or was restored from an older backup.
    """

    REMOVED = "removed"
    AHEAD = "ahead"


@attrs.frozen
class Lost:
    """A reader's place is lost, and where the log begins."""

    reason: ResyncReason
    oldest: int


@attrs.frozen(kw_only=True)
class EventFilter:
    """Which events are wanted: of these accounts, of these types, of one extension, of one outside number."""

    account: tuple[str, ...] = attrs.field(default=(), validator=short(100))
    type: tuple[EventType, ...] = ()
    extension: str | None = attrs.field(default=None, validator=short(100))
    number: str | None = attrs.field(default=None, validator=short(100))


@attrs.frozen(kw_only=True)
class EventQuery(EventFilter):
    """What a reader asks for. `after` is the number of the last event that it has, 0 for none; without it, it begins
    at the newest. `wait` is in seconds.
    """

    after: int | None = attrs.field(default=None, validator=between(0, MAX_SEQ))
    wait: int = attrs.field(default=0, validator=between(0, MAX_WAIT_SECONDS))
    limit: int = attrs.field(default=100, validator=between(1, MAX_EVENTS))
    raw: bool = False


@attrs.frozen(kw_only=True)
class EventPage:
    """Events in the order in which they became known, and the number to give as `after` to go on.

    With `resync` true, the log does not go on from the asked-for number, and `reason` says why. `oldest` is the number
    at which it begins now, and the items go on from there.
    """

    items: tuple[CallEvent, ...]
    next: int
    resync: bool = False
    reason: ResyncReason | None = None
    oldest: int | None = None


def check_filter(gateway: "Gateway", wanted: EventFilter) -> None:
    """Raises: NotFound for an account that *gateway* has not, InvalidRequest for a route."""
    for name in wanted.account:
        if routed := gateway[name].routed:
            text = f"is a route, and events are of accounts: {', '.join(routed)}"
            raise InvalidRequest(f"{name!r} {text}", fields={"account": text})


def as_wanted(wanted: EventFilter, accounts: frozenset[str] | None) -> "Wanted":
    """*wanted* as the log looks for it, at most of *accounts*; None for all of them."""
    from .journal import Wanted

    asked = frozenset(wanted.account) or None
    return Wanted(
        accounts=accounts if asked is None else asked if accounts is None else asked & accounts,
        types=frozenset(wanted.type) or None,
        extension=wanted.extension,
        number=wanted.number,
    )


async def place(log: "Log", after: int | None) -> tuple[int, Lost | None]:
    """The number after which a reader that has everything up to *after* goes on; and why, if that is another number.

    None begins at the newest event, 0 at the oldest that is kept. Raises: JournalError.
    """
    if after is None:
        await log.catch_up()
        return log.head, None
    oldest = await log.oldest()
    if after > log.head:
        await log.catch_up()  # another process may have told the reader
    if after == 0 or oldest - 1 <= after <= log.head:
        return after, None
    # New events get numbers that this reader has seen already, so it reads again all that there is.
    return oldest - 1, Lost(ResyncReason.AHEAD if after > log.head else ResyncReason.REMOVED, oldest)


async def follow_log(log: "Log", wanted: "Wanted", after: int | None) -> AsyncGenerator[CallEvent, None]:
    """Every *wanted* event that comes after *after*, for ever. Raises: EventsLost, JournalError."""
    woken = asyncio.Event()
    with log.listening(lambda _: woken.set()):
        seq, lost = await place(log, after)
        while True:
            if lost is not None:
                raise events_lost(lost)
            woken.clear()
            found, reached = await log.after(seq, wanted, limit=_PAGE)
            for event in found:
                yield event
            if found:
                # Whoever takes long with these may be overtaken by the removal of the next.
                seq, lost = await place(log, reached)
            else:
                seq = reached
                if seq >= log.head:
                    await woken.wait()


def events_lost(lost: Lost) -> EventsLost:
    """The error for a reader whose place is *lost*."""
    after = lost.oldest - 1
    if lost.reason is ResyncReason.AHEAD:
        text = (
            "The log does not reach to that number: the journal is another one, or was restored from an older backup. "
            f"Numbers that you have seen will come again: follow on with after={after}, and tell events by event_id"
        )
    else:
        text = (
            f"Events were removed before they were read: the log begins at {lost.oldest}. Look at the records for what "
            f"was missed, and follow on with after={after}"
        )
    error = EventsLost(text)
    error.after = after
    return error


def query_of(
    after: int | None,
    accounts: Sequence[str] | None,
    types: Sequence[str] | None,
    extension: str | None,
    number: str | None,
) -> EventQuery:
    """What arguments in Python ask for. Raises: InvalidRequest."""
    try:
        kinds = tuple(map(EventType, types or ()))
    except ValueError:
        text = f"must be of {', '.join(EventType)}"
        raise InvalidRequest(f"types {text}", fields={"types": text}) from None
    found = {
        "after": after,
        "account": tuple(accounts or ()),
        "type": kinds,
        "extension": extension,
        "number": number,
    }
    return make(EventQuery, {name: value for name, value in found.items() if value is not None})
