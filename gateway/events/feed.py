"""The feed: reads the log of events for a reader, and says where it goes on or that its place is lost."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from gateway_contracts import CallEvent, InvalidRequest

from ..accounts.account import AccountFacade
from ..journal.log import EventLog
from ..journal.reading import EventSelection
from ..models import EventFilter, Lost, ResyncReason, events_lost

_PAGE = 200


def check_filter(find_account: Callable[[str], AccountFacade], wanted: EventFilter) -> None:
    """Raises: what *find_account* raises for an account that there is not; InvalidRequest for a route."""
    for name in wanted.account:
        if routed := find_account(name).routed:
            text = f"is a route, and events are of accounts: {', '.join(routed)}"
            raise InvalidRequest(f"{name!r} {text}", fields={"account": text})


def selection_of(wanted: EventFilter, accounts: frozenset[str] | None) -> EventSelection:
    """Return what *wanted* asks for, of the *accounts* that the reader may see; None allows all."""
    return EventSelection.narrowed(
        accounts=wanted.account,
        types=wanted.type,
        extension=wanted.extension,
        number=wanted.number,
        allowed=accounts,
    )


async def place(log: EventLog, after: int | None) -> tuple[int, Lost | None]:
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


async def follow_log(log: EventLog, selection: EventSelection, after: int | None) -> AsyncGenerator[CallEvent, None]:
    """Yield every selected event after *after*, for ever. Raises: EventsLost, JournalError."""
    woken = asyncio.Event()
    with log.listening(lambda _: woken.set()):
        seq, lost = await place(log, after)
        while True:
            if lost is not None:
                raise events_lost(lost)
            woken.clear()
            found, reached = await log.after(seq, selection, limit=_PAGE)
            for event in found:
                yield event
            if found:
                # A slow reader may be overtaken by the removal of the next events.
                seq, lost = await place(log, reached)
            else:
                seq = reached
                if seq >= log.head:
                    await woken.wait()
