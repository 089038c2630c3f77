"""How long lists are followed from page to page, whichever way the vendor pages, without losing or doubling a row.

Its documents have three ways (003:382-411, 002:427-448): by the number of the page, by an offset that takes its place,
and by a scroll, the default. A request satisfies all of them: `page`, `offset` and `limit` name the same rows, and
where an answer has a `scroll_id`, the next request has it too. What comes is compared with what came before and with
the `total`, and a list that may not be whole ends with an error.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from zlib import crc32

import attrs
from gateway_contracts import InvalidRequest, InvalidValue, dumps, from_json, loads
from gateway_contracts.http import Answer

from .settings import Paging
from .words import text, whole

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
    "i": "scroll_id",
    "q": "query",
    "k": "picks",
    "z": "size",
    "f": "fixed",
    "b": "back",
    "t": "total",
    "a": "first",
    "h": "head",
    "r": "recent",
    "o": "of",
}
_MOST_ROWS = 10**12
_REMEMBERED = 100  # rows: more calls than that do not end between two pages
_MARK = 10  # characters of a mark: enough to tell some thousands of rows apart
_HINT = 3  # of them
_HINTS = tuple(f"{number:03x}" for number in range(0x1000))


@attrs.frozen(kw_only=True)
class Cursor:
    """Where the next page of *query* starts: behind *offset* rows, or at *scroll_id*.

    *size* is how many rows the first page had; *fixed* says that the vendor chose that, not we. *total* is what was
    said last. *first* and *head* are marks of the list's first row and of that of the page before, and *recent* those
    of the last rows before, which come again on the next page when calls end meanwhile that began long ago. *back* is
    how many rows are asked for once more, since some have gone. *picks* are the filters that the vendor does not know
    and we apply ourselves. *of* says what the list is of. *paging* is the account's, and not in the text of a cursor.
    """

    query: Query
    picks: Query = ()
    offset: int = 0
    scroll_id: str | None = None
    size: int | None = None
    fixed: bool = False
    back: int = 0
    total: int | None = None
    first: str = ""
    head: str = ""
    recent: str = ""
    of: str = "records"
    paging: Paging = Paging.AUTO

    def encode(self) -> str:
        data = dumps({short: getattr(self, name) for short, name in _SHORT.items()})
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises: InvalidRequest for text that we did not give."""
        try:
            data = loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
            cursor = from_json({_SHORT[key]: value for key, value in data.items()}, cls)
            pairs = all(len(pair) == 2 for pair in (*cursor.query, *cursor.picks))
            known = pairs and all(name in FILTERS for name, _ in cursor.query)
            counted = 0 <= cursor.offset <= _MOST_ROWS and 0 <= cursor.back <= _REMEMBERED
            sized = cursor.size is not None and 1 <= cursor.size <= _MOST_ROWS
            marks = re.fullmatch(
                rf"(?:[0-9a-f]{{{_MARK}}}){{2,{_REMEMBERED + 2}}}", cursor.first + cursor.head + cursor.recent
            )
            if not (known and counted and sized and marks and len(cursor.first) == len(cursor.head) == _MARK):
                raise InvalidValue({"cursor": "was changed"})
        except (ValueError, KeyError, AttributeError, binascii.Error):
            raise not_ours() from None
        return cursor

    def params(self, limit: int) -> list[tuple[str, str]]:
        """What to ask for, *limit* rows at most."""
        place = {"page": str(self.offset // limit + 1), "offset": str(self.offset)}
        return [
            *((pair[0], pair[1]) for pair in self.query),
            ("limit", str(limit)),
            *((name, value) for name, value in place.items() if name in SENT[self.paging]),
            *([("scroll_id", self.scroll_id)] if self.scroll_id else []),
        ]

    @property
    def marks(self) -> set[str]:
        """Those of the rows that are remembered."""
        return {self.recent[at : at + _MARK] for at in range(0, len(self.recent), _MARK)} | {self.first, self.head}


@attrs.frozen(kw_only=True)
class Turned:
    """What comes after a page: the cursor of the *next*. *again* are the ids that came on a page before."""

    next: str | None
    total: int | None
    again: frozenset[str]


def given(values: Mapping[str, str | None]) -> Query:
    """Those of *values* that are not None."""
    return tuple((name, value) for name, value in values.items() if value is not None)


def not_ours() -> InvalidRequest:
    """The error for a cursor that we did not give."""
    return InvalidRequest(
        "The cursor is not one of ours, or one of an older version: begin the list again without it",
        fields={"cursor": "is not one of ours"},
    )


def start(
    account: str, paging: Paging, cursor: str | None, query: Query, picks: Query = (), *, of: str = "records"
) -> Cursor:
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
        raise InvalidRequest(
            "The cursor belongs to other filters: give the same ones again, or none",
            account=account,
            fields={"cursor": "belongs to other filters"},
        )
    return attrs.evolve(place, paging=paging)


def page_size(place: Cursor, limit: int | None, default: int) -> int:
    """How many rows to ask for at *place*: *limit* at most, and no more than at first, where a vendor may have a limit
    of its own. Whole pages come before it, so that `page` and `offset` name the same rows.
    """
    if place.back:
        return place.back
    first = place.size or limit or default
    return _divisor(place.offset, first if place.fixed else min(limit or first, first))


def turn(
    answer: Answer,
    place: Cursor,
    limit: int,
    ids: Sequence[str],
    newest: Callable[[], str | None] = lambda: None,
) -> Turned:
    """Where to go on after *answer*, the page at *place* with the rows *ids*, of which *limit* were asked for.

    The pages after the first ask for nothing newer than *newest* says, the start of the first page's newest call, so
    that calls which end meanwhile do not move rows from one page to the next.

    Raises: what `Answer.nonsense` gives for a list that ends before all have come, and for one that does not go on.
    """
    total, scroll_id = total_in(answer), _scroll_id_in(answer)
    known = _known_of(ids, place.marks) if place.head else {}
    again = frozenset(known)
    if place.head and not place.fixed and len(ids) > limit != place.size:
        raise answer.nonsense(f"gave {len(ids)} rows where {limit} were asked for: where the rest starts is not known")
    if place.back and place.offset and not known:
        reached = place.offset + place.back
        raise answer.nonsense(f"has other rows before row {reached} than before, so some may be missing: begin again")
    if _lost_rows(place, total):
        return Turned(next=_back(place, total).encode(), total=total, again=frozenset(ids))
    came, said = place.offset + len(ids), total or place.total  # 0 is what some say with an empty page
    if _is_scroll(place) and scroll_id is None and len(ids) >= limit:  # a request without an id begins another scroll
        if said is None or came < said:
            of = "" if said is None else f" of {said}"
            raise answer.nonsense(f"gave {came}{of} rows by scrolling, and no scroll_id to go on with")
        return Turned(next=None, total=total, again=again)
    if not ids and place.head and not place.fixed and limit != place.size and (said is None or came < said):
        # A vendor whose pages have a size of their own, which is that of the first one, knows no such page.
        return Turned(next=attrs.evolve(place, fixed=True).encode(), total=total, again=again)
    if len(ids) >= limit and _repeats(place, len(ids), total, known.values()):
        if said in {None, len(ids)} or came - len(known) < said:  # a page's own count is no total
            of = "" if said is None else f" of {said}"
            raise answer.nonsense(f"gave the same rows again after {place.offset}{of}, so the rest cannot be read")
        begun = place.first in known.values()  # the whole list once more, of which only the last rows are remembered
        return Turned(next=None, total=total, again=frozenset(ids) if begun else again)
    pushed_on = 0 < len(ids) == len(known) < limit and (said is None or came >= said)  # the list's end, once more
    if pushed_on or _is_last(place, len(ids), limit, total, scroll_id):
        if said is not None and came < said:
            raise answer.nonsense(f"ended the list after {came} of {said} rows")
        return Turned(next=None, total=total, again=again)
    fresh = [each for each in ids if each not in again][-_REMEMBERED:]
    following = attrs.evolve(
        place,
        offset=came,
        scroll_id=scroll_id,
        back=0,
        total=place.total if place.back else said,
        head=_mark(ids[0]),
        recent=(place.recent + "".join(map(_mark, fresh)))[-_REMEMBERED * _MARK :],
    )
    if not place.head:
        latest = None if scroll_id or _has(place.query, "end_date") else newest()
        following = attrs.evolve(
            following,
            query=(*place.query, ("end_date", latest)) if latest else place.query,
            size=len(ids),
            fixed=len(ids) != limit,
            first=following.head,
        )
    return Turned(next=following.encode(), total=total, again=again)


def mark_of(raw: Any) -> str:
    """What stands for the id of *raw*, a row that has none."""
    try:
        return hashlib.sha256(dumps(raw)).hexdigest()
    except TypeError:
        return "…"  # nested too deeply


def total_of(answer: Answer, count: int) -> int:
    """How many there are in a list without pages of which *count* came: the vendor's `total`, where it says one.

    Raises: what `Answer.nonsense` gives where the vendor says that there are more.
    """
    total = total_in(answer) or count
    if total > count:
        raise answer.nonsense(f"gave {count} of {total}, and the rest cannot be asked for")
    return total


def total_in(answer: Answer) -> int | None:
    """The `total` of *answer*; None where it says none, or nothing that is a number."""
    said = answer.data.get("total") if isinstance(answer.data, dict) else None
    try:
        return whole(said) if isinstance(said, int | float | str) and not isinstance(said, bool) else None
    except (ValueError, OverflowError):
        return None


def _scroll_id_in(answer: Answer) -> str | None:
    said = answer.data.get("scroll_id") if isinstance(answer.data, dict) else None
    return text(said) if isinstance(said, str | int) and not isinstance(said, bool) else None


def _repeats(place: Cursor, count: int, total: int | None, marks: Collection[str]) -> bool:
    """Whether the page at *place* begins the page before, or the whole list, once more."""
    if place.back:
        return False
    # As many rows as a page holds may have come before the page meanwhile, and have pushed the page before on to it.
    pushed = total is not None and place.total is not None and total - place.total >= count
    return (place.head in marks and not pushed) or (place.first in marks and (not total or place.offset >= total))


def _is_last(place: Cursor, count: int, limit: int, total: int | None, scroll_id: str | None) -> bool:
    # In a scroll the same id every time is normal, and so are short pages: it ends at a page without rows or an id.
    scrolled = _is_scroll(place) and scroll_id is None and count < limit
    # A total that more rows have come than may be a lie, and so may one that a full page ends at: go on till empty.
    return count == 0 or scrolled or (place.offset + count == total and count != limit)


def _is_scroll(place: Cursor) -> bool:
    return place.scroll_id is not None or place.paging is Paging.SCROLL


def _lost_rows(place: Cursor, total: int | None) -> bool:
    """Whether rows have gone since the page before, so that others may stand before *place* that have not come yet."""
    counted = place.offset and not place.back and place.scroll_id is None
    return bool(counted and total and place.total and total < place.total)


def _back(place: Cursor, total: int | None) -> Cursor:
    """The last rows before *place*, to be looked through once more."""
    most = _REMEMBERED // 2  # others have been given since some of these, and are remembered too
    back = _divisor(place.offset, min(place.size, most) if place.size and place.fixed else most)
    return attrs.evolve(place, offset=place.offset - back, back=back, total=total)


def _divisor(offset: int, most: int) -> int:
    """The largest number up to *most* that divides *offset*."""
    return next(size for size in range(min(most, offset or most), 0, -1) if offset % size == 0)


def _known_of(ids: Sequence[str], known: Collection[str]) -> Mapping[str, str]:
    """Those of *ids* whose marks are *known*, with their marks."""
    if not known:
        return {}
    hints = {mark[:_HINT] for mark in known}
    near = ((each, _mark(each)) for each in ids if _hint(each) in hints)
    return {each: mark for each, mark in near if mark in known}


def _mark(record_id: str) -> str:
    return _hint(record_id) + hashlib.sha256(record_id.encode()).hexdigest()[: _MARK - _HINT]


def _hint(record_id: str) -> str:
    """The beginning of a mark. It says of almost every row that it is not known, in a fifth of a digest's time."""
    return _HINTS[crc32(record_id.encode()) & 0xFFF]


def _has(query: Query, name: str) -> bool:
    return any(pair[0] == name for pair in query)
