"""How long lists are followed from page to page, whichever way the vendor pages, without losing or doubling a row.

Its documents have three ways (003:382-411, 002:427-448): by the number of the page, by an offset that takes its place,
and by a scroll, the default. A request satisfies all of them: `page`, `offset` and `limit` name the same rows, and
where a response has a `scroll_id`, the next request has it too.

Rows are filed and go while pages are read, and a `total` may be missing or wrong. So each page begins with the last
rows of the page before: where one of them comes again, no other row can be missing between the two pages. A list that
may not be whole ends with an error.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar
from zlib import crc32

import attrs
from gateway_contracts import GatewayError, InvalidValue, dumps, from_json
from gateway_contracts.cursors import not_ours, other_filters, read_cursor, write_cursor
from gateway_contracts.http import Response
from gateway_contracts.rows import Rows

from .settings import Paging
from .words import text, whole

T = TypeVar("T")

Query = tuple[tuple[str, ...], ...]
"""Names and values."""

FILTERS = (
    frozenset(  # 003:397-407, 002:439-446 and 002:1560; `limit`, `page`, `offset` and `scroll_id` say where, not what
        {
            "start_date",
            "end_date",
            "extension",
            "phone",
            "direction",
            "status",
            "min_duration",
            "duration",
            "start_date_ended",
            "end_date_ended",
            "recordingfile",
            "campaign_id",
        }
    )
)
SENT: Mapping[Paging, frozenset[str]] = {  # beside `limit`, and a `scroll_id` where there is one
    Paging.AUTO: frozenset({"page", "offset"}),
    Paging.PAGE: frozenset({"page"}),
    Paging.OFFSET: frozenset({"offset"}),
    Paging.SCROLL: frozenset(),
}
_SHORT = {
    "p": "offset",
    "n": "given",
    "i": "scroll_id",
    "q": "query",
    "k": "picks",
    "z": "size",
    "u": "full",
    "f": "fixed",
    "b": "back",
    "t": "total",
    "s": "began",
    "a": "first",
    "h": "head",
    "r": "recent",
    "o": "of",
}
_MOST_ROWS = 10**12
_REMEMBERED = 100  # rows: more than that neither come nor go between two pages
_MARK = 10  # characters of a mark: enough to tell some thousands of rows apart
_HINT = 3  # of them
_HINTS = tuple(f"{number:03x}" for number in range(0x1000))


@attrs.frozen(kw_only=True)
class Cursor:
    """Where the next page of *query* starts: behind *offset* rows, or at *scroll_id*. *given* counts those that came.

    *size* is how many rows the first page had; *full* says that we asked for no more, and *fixed* that the vendor does
    not let itself be told how many. *back* is how many rows are read once more, since some may have gone. *total* is
    the last that was said and may be true. *first* and *head* are marks of the list's first row and of that of the page
    before, which *began* there, and *recent* those of the last rows, in the order of the list. *picks* are the filters
    that the vendor does not know and we apply ourselves. *of* says what the list is of. *paging* is the account's, and
    not in the text of a cursor.
    """

    query: Query
    picks: Query = ()
    offset: int = 0
    given: int = 0
    scroll_id: str | None = None
    size: int | None = None
    full: bool = False
    fixed: bool = False
    back: int = 0
    total: int | None = None
    began: int = 0
    first: str = ""
    head: str = ""
    recent: str = ""
    of: str = "records"
    paging: Paging = Paging.AUTO

    def encode(self) -> str:
        return write_cursor({short: getattr(self, name) for short, name in _SHORT.items()})

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises: InvalidRequest for text that we did not give."""
        try:
            data = read_cursor(text, dict[str, Any])
            cursor = from_json({_SHORT[key]: value for key, value in data.items()}, cls)
            pairs = all(len(pair) == 2 for pair in (*cursor.query, *cursor.picks))
            known = pairs and all(name in FILTERS for name, _ in cursor.query)
            counted = 0 <= cursor.offset <= _MOST_ROWS and 0 <= cursor.back <= max(_REMEMBERED, cursor.size or 0)
            sized = cursor.size is not None and 1 <= cursor.size <= _MOST_ROWS
            marks = re.fullmatch(
                rf"(?:[0-9a-f]{{{_MARK}}}){{2,{_REMEMBERED + 2}}}", cursor.first + cursor.head + cursor.recent
            )
            if not (known and counted and sized and marks and len(cursor.first) == len(cursor.head) == _MARK):
                raise InvalidValue({"cursor": "was changed"})
        except (ValueError, KeyError):
            raise not_ours() from None
        return cursor

    @property
    def scrolls(self) -> bool:
        """Whether the next request goes on with a scroll, which cannot be asked for a row once more."""
        return self.scroll_id is not None or self.paging is Paging.SCROLL

    def aim(self, limit: int | None, default: int) -> tuple[int, int]:
        """The place of the first row to ask for, and how many: *limit* at most, and no more than the first page had,
        where a vendor may have a limit of its own.

        The last row before this place is among them where that can be. Whole pages come before the first one, so that
        `page` and `offset` name the same rows where both are sent.
        """
        first = self.size or limit or default
        most = first if self.fixed else min(limit or first, first)
        if self.fixed and not self.scrolls:
            return self.offset - self.offset % first, first
        if self.scrolls or not self.offset:
            return self.offset, _divisor(self.offset, most)
        if self.paging is Paging.OFFSET and first > 1:
            return self.offset - 1, min(most + 1, first)
        sizes = [size for size in range(2, most + 1) if self.offset % size]
        sizes = sizes or [size for size in range(2, first + 1) if self.offset % size]  # and cut off what is too much
        if not sizes:
            return self.offset, first
        size = max(sizes, key=lambda size: size - self.offset % size)
        return self.offset - self.offset % size, size

    def params(self, at: int, size: int) -> list[tuple[str, str]]:
        """What to ask for to get *size* rows behind the first *at*."""
        place = {"page": str(at // size + 1), "offset": str(at)}
        return [
            *((pair[0], pair[1]) for pair in self.query),
            ("limit", str(size)),
            *((name, value) for name, value in place.items() if name in SENT[self.paging]),
            *([("scroll_id", self.scroll_id)] if self.scroll_id else []),
        ]

    @property
    def remembered(self) -> list[str]:
        """The marks of the last rows that came."""
        return [self.recent[at : at + _MARK] for at in range(0, len(self.recent), _MARK)]


@attrs.frozen
class Came(Generic[T]):
    """A response, the ids of its rows, and what was read of them."""

    response: Response
    ids: Sequence[str]
    found: T


@attrs.frozen(kw_only=True)
class Turned:
    """What comes after a page: the cursor of the *next*. *again* are the ids that are left out of this one."""

    next: str | None
    total: int | None
    again: frozenset[str]


def start(paging: Paging, cursor: str | None, query: Query, picks: Query = (), *, of: str = "records") -> Cursor:
    """The place of *cursor* in the list *of* something, or the first of *query*.

    Raises: InvalidRequest when the two do not go together.
    """
    if cursor is None:
        return Cursor(paging=paging, query=query, picks=picks, of=of)
    place = Cursor.decode(cursor)
    if place.of != of:
        raise not_ours()
    own = tuple(pair for pair in place.query if pair[0] != "end_date" or _has(query, "end_date"))
    if (query or picks) and (query != own or picks != place.picks):
        raise other_filters()
    return attrs.evolve(place, paging=paging)


Ask = Callable[[list[tuple[str, str]]], Awaitable[Came[T]]]
"""Sends a request with such a query."""


async def turn(
    place: Cursor,
    limit: int | None,
    default: int,
    ask: Ask[T],
    newest: Callable[[T], str | None] = lambda _: None,
) -> tuple[Came[T], Turned]:
    """The page at *place*, of *limit* rows at most, and where to go on.

    The pages after the first ask for nothing newer than *newest* says, the start of the first page's newest call, so
    that calls which end meanwhile do not move rows from one page to the next.

    Raises: what `Response.nonsense` gives for a list that ends before all have come, and for one that does not go on.
    """
    at, size = place.aim(limit, default)
    came = await ask(place.params(at, size))
    if place.head:
        turned = _scrolled(place, size, came) if place.scrolls else await _joined(place, at, size, limit, came, ask)
        return came, turned
    following = _after(place, 0, came, came.ids)
    following = attrs.evolve(
        following, size=len(came.ids), full=len(came.ids) == size, fixed=len(came.ids) > size, first=following.head
    )
    if following.scrolls:
        return came, _scrolled(place, size, came, following)
    latest = None if not came.ids or _has(place.query, "end_date") else newest(came.found)
    if latest:
        following = attrs.evolve(following, query=(*place.query, ("end_date", latest)))
    last = not came.ids
    if came.ids and total_in(came.response) == len(came.ids) != size:
        # These are all, or the vendor's pages have a size of their own and it counts only what is on them.
        begin, count = following.aim(limit, default)
        more = await ask(following.params(begin, count))
        checked = await _joined(following, begin, count, limit, more, ask)
        last = checked.next is None and checked.again.issuperset(more.ids)
    return came, _ended(place, 0, came) if last else _going_on(following, came)


def _scrolled(place: Cursor, size: int, came: Came[T], first: Cursor | None = None) -> Turned:
    """Where to go on after a page of a scroll; *first* is where that is after the first one.

    The same id every time is normal, and so are short pages. It ends at a page without rows or without an id.
    """
    following, count = first or _after(place, place.offset, came, came.ids), len(came.ids)
    said, end = following.total, following.offset
    known = _known_of(came.ids, place.remembered)
    if count >= size and place.head and _known_of(came.ids, {place.head}):
        return _begun_again(place, came)
    if following.scroll_id is None and count >= size and (said is None or end < said):
        of = "" if said is None else f" of {said}"  # a request without an id begins another scroll
        raise came.response.nonsense(f"gave {end}{of} rows by scrolling, and no scroll_id to go on with")
    if not count or following.scroll_id is None:
        return _ended(place, place.offset, came, known)
    return _going_on(following, came, known)


async def _joined(place: Cursor, at: int, size: int, limit: int | None, came: Came[T], ask: Ask[T]) -> Turned:
    """Where to go on after a page behind the first *at* rows, which is not the first one."""
    ids, end, total = came.ids, at + len(came.ids), total_in(came.response)
    known = _known_of(ids, place.remembered)
    # Those before the first that is known have been given too long ago to be remembered, or have come meanwhile.
    since = next((index for index, each in enumerate(ids) if each in known), 0)
    fresh = [each for each in ids[since:] if each not in known]
    again = frozenset(ids) - frozenset(fresh)
    following = _after(place, at, came, fresh)
    if not (place.back or (known and fresh)) and len(ids) >= size and _begins_again(place, at, ids, _told(at, came)):
        return _begun_again(place, came)
    if not known and len(ids) > size and not place.fixed:
        return _going_on(attrs.evolve(place, fixed=True, size=len(ids)), came, ids)
    if not known and not _renewed(place, total) and not await _follows(place, at, came, ask):
        return _going_on(_earlier(place, came), came, ids)
    if limit and len(fresh) > limit and not place.fixed:
        cut = attrs.evolve(came, ids=ids[: ids.index(fresh[limit])])
        return _going_on(_after(place, at, cut, fresh[:limit]), came, again.union(fresh[limit:]))
    if len(ids) < size and following.scroll_id is None and (not fresh or end == _told(at, came)):
        return _ended(place, at, came, again)
    if place.back and not fresh:
        left = place.offset + place.back - end
        grown = bool(total and place.total and total > place.total)  # and new rows have just pushed these on
        obeys = len(ids) == size != place.size  # it gave as many rows as were asked for, which was not a whole page
        if left <= 0 and not grown and (place.fixed or obeys):
            raise _moved(place, came)
        # Nothing has gone, and yet the page behind these rows did not begin with the last of them.
        following = attrs.evolve(following, back=max(left, 0), fixed=place.fixed or (left <= 0 and not grown))
    return _going_on(following, came, again)


async def _follows(place: Cursor, at: int, came: Came[T], ask: Ask[T]) -> bool:
    """Whether no row can be missing before the page at *at*, which has none that is remembered: those before it are
    looked at, unless the page was to begin with some of them.
    """
    if at < place.offset or place.size is None or at < place.size:
        return False
    if not came.ids and at == place.total == total_in(came.response):
        return True
    size = place.size
    looked = await ask(place.params(at - size, size))
    before, told = looked.ids, _told(at, came)
    if told and place.total and told < place.total and told != _told(at - size, looked):
        return False  # others have come meanwhile, and what moved up may have moved down again
    known = _known_of(before, place.remembered)
    since = next((index for index, each in enumerate(before) if each in known), len(before))
    return bool(known) and all(each in known or each in came.ids for each in before[since:])


def _renewed(place: Cursor, total: int | None) -> bool:
    """Whether all rows before *place* were looked for in vain, and are so few that what comes begins the list anew."""
    if not place.back or place.offset or total is None or place.total is None:
        return False
    return place.back + max(total - place.total, 0) <= _REMEMBERED


def _begins_again(place: Cursor, at: int, ids: Sequence[str], told: int | None) -> bool:
    """Whether the page at *at* is that before, or the first, once more, and no rows have pushed these on to it."""
    if _known_of(ids, {place.first}.difference(place.remembered)):
        return True
    grown = told - place.total if told and place.total else 0
    return any(grown < at + ids.index(each) - place.began for each in _known_of(ids, {place.head}))


def _begun_again(place: Cursor, came: Came[T]) -> Turned:
    total = total_in(came.response)
    said = max(total or 0, place.total or 0) or None
    counts_itself = place.full and total in {None, 0, len(came.ids)}
    if place.given != said or counts_itself:
        of = "" if said is None else f" of {said}"
        text = f"gave the same rows again after {place.given}{of}, so the rest cannot be read"
        if place.paging is Paging.AUTO and not place.scrolls:
            text += '. If the host gives one page and no more, set paging = "scroll" and ask for more rows than it has'
        raise came.response.nonsense(text)
    return Turned(next=None, total=total, again=frozenset(came.ids))


def _ended(place: Cursor, at: int, came: Came[T], again: Collection[str] = ()) -> Turned:
    end, said = at + len(came.ids), _told(at, came) or place.total
    if said is not None and end < said:
        raise came.response.nonsense(f"ended the list after {end} of {said} rows")
    return Turned(next=None, total=total_in(came.response), again=frozenset(again))


def _going_on(following: Cursor, came: Came[T], again: Collection[str] = ()) -> Turned:
    return Turned(next=following.encode(), total=total_in(came.response), again=frozenset(again))


def _after(place: Cursor, at: int, came: Came[T], fresh: Sequence[str]) -> Cursor:
    """The place behind the page at *at*, of which the rows *fresh* are given."""
    marks, before = [_mark(each) for each in came.ids[-_REMEMBERED:]], place.remembered
    new = set(marks)
    last = max((index for index, mark in enumerate(before) if mark in new), default=len(before))
    # In the order of the list, so that of all rows behind one that is remembered none has been forgotten.
    recent = [mark for mark in before[:last] if mark not in new] + marks + before[last + 1 :]
    return attrs.evolve(
        place,
        offset=at + len(came.ids),
        given=place.given + len(fresh),
        scroll_id=_scroll_id_in(came.response),
        back=0,
        total=_told(at, came) or place.total,
        began=at,
        head=_mark(came.ids[0]) if came.ids else place.head,
        recent="".join(recent[-_REMEMBERED:]),
    )


def _earlier(place: Cursor, came: Came[T]) -> Cursor:
    """A place before *place*, since rows before it may have moved up. Raises: what `Response.nonsense` gives."""
    step = min(place.offset, place.size or 1)
    if not step or (place.back and place.back + step > _REMEMBERED):
        raise _moved(place, came)
    return attrs.evolve(place, offset=place.offset - step, back=place.back + step)


def _moved(place: Cursor, came: Came[T]) -> GatewayError:
    reached = place.offset + place.back
    return came.response.nonsense(
        f"has other rows before row {reached} than before, so some may be missing: begin again"
    )


def _told(at: int, came: Came[T]) -> int | None:
    """The `total`, where it may be true: it counts what has come. 0 is what some say with an empty page."""
    total = total_in(came.response)
    return total if total and total >= at + len(came.ids) else None


def ids_of(found: Rows[T], id_of: Callable[[T], str]) -> list[str]:
    """The ids of all rows in their order, those that were left out among them."""
    ids = [id_of(each) for each in found.items]
    for at, raw in found.skipped.items():
        ids.insert(at, mark_of(raw))
    return ids


def mark_of(raw: Any) -> str:
    """What stands for the id of *raw*, a row that has none."""
    try:
        return hashlib.sha256(dumps(raw)).hexdigest()
    except TypeError:
        return "…"  # nested too deeply


def total_of(response: Response, count: int) -> int:
    """How many there are in a list without pages of which *count* came: the vendor's `total`, where it says one.

    Raises: what `Response.nonsense` gives where the vendor says that there are more.
    """
    total = total_in(response) or count
    if total > count:
        raise response.nonsense(f"gave {count} of {total}, and the rest cannot be asked for")
    return total


def total_in(response: Response) -> int | None:
    """The `total` of *response*; None where it says none, or nothing that is a number."""
    said = response.data.get("total") if isinstance(response.data, dict) else None
    try:
        return whole(said) if isinstance(said, int | float | str) and not isinstance(said, bool) else None
    except (ValueError, OverflowError):
        return None


def _scroll_id_in(response: Response) -> str | None:
    said = response.data.get("scroll_id") if isinstance(response.data, dict) else None
    return text(said) if isinstance(said, str | int) and not isinstance(said, bool) else None


def _divisor(offset: int, most: int) -> int:
    """The largest number up to *most* that divides *offset*."""
    return next(size for size in range(min(most, offset or most), 0, -1) if offset % size == 0)


def _known_of(ids: Sequence[str], marks: Collection[str]) -> set[str]:
    """Those of *ids* whose marks are among *marks*."""
    marks = set(marks)
    hints = {mark[:_HINT] for mark in marks}
    return {each for each in ids if _hint(each) in hints and _mark(each) in marks} if marks else set()


def _mark(record_id: str) -> str:
    return _hint(record_id) + hashlib.sha256(record_id.encode()).hexdigest()[: _MARK - _HINT]


def _hint(record_id: str) -> str:
    """The beginning of a mark. It says of almost every row that it is not known, in a fifth of a digest's time."""
    return _HINTS[crc32(record_id.encode()) & 0xFFF]


def _has(query: Query, name: str) -> bool:
    return any(pair[0] == name for pair in query)
