"""How long lists are followed from page to page, by row, by page or by scroll, without losing or doubling a row."""

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

from .reading import read
from .settings import Paging
from .words import Number, text, whole

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
MAX_PAGE = 10_000
_SHORT = {
    "g": "paging",
    "p": "position",
    "q": "query",
    "k": "picks",
    "s": "seen",
    "t": "total",
    "r": "recent",
    "z": "size",
    "o": "of",
}
_REMEMBERED = 100  # rows: more calls than that do not end between two pages
_MARK = 10  # characters of a mark: enough to tell some thousands of rows apart
_HINT = 3  # of them
_HINTS = tuple(f"{number:03x}" for number in range(0x1000))


@attrs.frozen(kw_only=True)
class _Envelope:
    """What stands around the rows of 003:293-380 and 002:337-378. An echoed `offset` is not trusted (002:376)."""

    limit: Number = None
    total: Number = None
    scroll_id: str | None = None


@attrs.frozen(kw_only=True)
class Cursor:
    """Where the next page starts: at *position* (a row, a page or a scroll id, by *paging*) of *query*.

    *seen* is a mark of the rows of the page before, and *total* what was said then, to notice a vendor that gives the
    same page for ever. *recent* are marks of the last rows before, which come again on the next page when calls end
    meanwhile that began long ago. *picks* are the filters that the vendor does not know and we apply ourselves. *size*
    is how many rows a page has, where positions count pages. *of* says what the list is of.
    """

    paging: Paging
    position: str
    query: Query
    picks: Query = ()
    seen: str | None = None
    total: int | None = None
    recent: str = ""
    size: int | None = None
    of: str = "records"

    def encode(self) -> str:
        data = dumps({short: getattr(self, name) for short, name in _SHORT.items()})
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises: InvalidRequest for text that we did not give."""
        try:
            data = loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
            cursor = from_json({_SHORT[key]: value for key, value in data.items()}, cls)
            counted = cursor.paging is Paging.SCROLL or re.fullmatch(r"[0-9]{1,12}", cursor.position)
            pairs = all(len(pair) == 2 for pair in (*cursor.query, *cursor.picks))
            known = pairs and all(name in FILTERS for name, _ in cursor.query)
            marked = re.fullmatch(rf"(?:[0-9a-f]{{{_MARK}}}){{0,{_REMEMBERED}}}", cursor.recent)
            if not counted or not known or not marked or (cursor.size is not None and not 1 <= cursor.size <= MAX_PAGE):
                raise InvalidValue({"cursor": "was changed"})
        except (ValueError, KeyError, AttributeError, binascii.Error):
            raise not_ours() from None
        return cursor

    def params(self, limit: int) -> list[tuple[str, str]]:
        """What to ask for, *limit* rows at most."""
        pairs = [(pair[0], pair[1]) for pair in self.query]
        if self.paging == Paging.SCROLL:
            return [*pairs, ("limit", str(limit)), *([("scroll_id", self.position)] if self.position else [])]
        return [*pairs, ("limit", str(limit)), (self.paging, self.position)]


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
    return InvalidRequest("The cursor is not one of ours", fields={"cursor": "is not one of ours"})


def start(
    account: str, paging: Paging, cursor: str | None, query: Query, picks: Query = (), *, of: str = "records"
) -> Cursor:
    """The place of *cursor* in the list *of* something, or the first of *query*.

    Raises: InvalidRequest when the two do not go together.
    """
    if cursor is None:
        first = {Paging.OFFSET: "0", Paging.PAGE: "1", Paging.SCROLL: ""}[paging]
        return Cursor(paging=paging, position=first, query=query, picks=picks, of=of)
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
    return place


def page_size(account: str, place: Cursor, limit: int | None, default: int) -> int:
    """How many rows to ask for at *place*. Raises: InvalidRequest when *limit* would move pages that are counted."""
    if place.size and limit and limit < place.size:
        raise InvalidRequest(
            "The size of a page cannot change on the way when pages are counted",
            account=account,
            fields={"limit": f"is at least {place.size} for this cursor; leave it out"},
        )
    return place.size or limit or default


def turn(
    answer: Answer,
    place: Cursor,
    limit: int,
    ids: Sequence[str],
    newest: Callable[[], str | None] = lambda: None,
) -> Turned:
    """Where to go on after *answer*, the page at *place* with the rows *ids*.

    The pages after the first ask for nothing newer than *newest* says, the start of the first page's newest call, so
    that calls which end meanwhile do not move rows from one page to the next.
    """
    envelope = answer.parse(_Envelope, answer.data if isinstance(answer.data, dict) else {})
    total = read(answer, whole, envelope.total)
    known = {place.recent[at : at + _MARK] for at in range(0, len(place.recent), _MARK)}
    seen = _digest("\n".join(ids))[:16]
    size = min(read(answer, whole, envelope.limit) or limit, limit) if place.paging is Paging.PAGE else None
    position = _next_position(place, size, limit, len(ids), envelope, total)
    same = seen == place.seen
    again = frozenset(ids) if same else _known_of(ids, known)
    # The same page and more rows in all: as many as a page holds came before it, and pushed it on.
    if not ids or position is None or (same and total == place.total):
        return Turned(next=None, total=total, again=again)
    query = place.query
    ranged = place.seen or place.paging is Paging.SCROLL or _has(query, "end_date")
    if not ranged and (latest := newest()):
        query = (*query, ("end_date", latest))
    fresh = [each for each in ids if each not in again][-_REMEMBERED:]
    recent = (place.recent + "".join(map(_mark, fresh)))[-_REMEMBERED * _MARK :]
    following = attrs.evolve(place, position=position, query=query, seen=seen, total=total, recent=recent, size=size)
    return Turned(next=following.encode(), total=total, again=again)


def mark_of(raw: Any) -> str:
    """What stands for the id of *raw*, a row that has none."""
    try:
        return _digest(dumps(raw).decode())
    except TypeError:
        return "…"  # nested too deeply


def _known_of(ids: Sequence[str], known: Collection[str]) -> frozenset[str]:
    """Those of *ids* whose marks are *known*."""
    if not known:
        return frozenset()
    hints = {mark[:_HINT] for mark in known}
    return frozenset(each for each in ids if _hint(each) in hints and _mark(each) in known)


def _mark(record_id: str) -> str:
    return _hint(record_id) + _digest(record_id)[: _MARK - _HINT]


def _hint(record_id: str) -> str:
    """The beginning of a mark. It says of almost every row that it is not known, in a fifth of a digest's time."""
    return _HINTS[crc32(record_id.encode()) & 0xFFF]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _next_position(
    place: Cursor, size: int | None, limit: int, count: int, envelope: _Envelope, total: int | None
) -> str | None:
    if place.paging is Paging.SCROLL:
        return text(envelope.scroll_id)  # the same id every time is normal; the end is an empty page
    if size is not None:
        page = int(place.position)
        return None if total is not None and page * size >= total else str(page + 1)
    reached = int(place.position) + count
    # A total that more rows have come than, or that is no more than a full first page, may be a lie: go on till empty.
    full_first = place.position == "0" and count >= limit
    return None if reached == total and not full_first else str(reached)


def _has(query: Query, name: str) -> bool:
    return any(pair[0] == name for pair in query)
