"""Lists of every size, read page by page from hosts of every kind: no row may be missing or come twice in silence."""

import collections
import itertools
import random

import attrs
import pytest
from gateway_contracts.http import Answer, Effect
from gateway_tel4vn.pages import page_size, start, turn
from gateway_tel4vn.settings import Paging

from gateway import VendorProtocolError

SIZES = [1, 2, 3, 7, 10, 35, 50, 100]
COUNTS = [0, 1, 9, 10, 11, 20, 35, 100, 130]
TOTALS = ["right", "text", "none", "of the page", "zero", "0 at the end", "at most 50"]
WAYS = ["document", "page", "offset", "scroll"]
MOST_PAGES = 2000


@attrs.define(kw_only=True)
class Host:
    """A host with *count* rows, newest first. It cuts off at *cap* rows a page, or has *own* rows on each."""

    chance: random.Random
    paging: str
    count: int
    total: str = "right"
    cap: int = 10**6
    own: int = 0
    filed: int = 0  # rows between two pages, at most
    gone: int = 0
    same_id: bool = True  # a scroll's, all the way
    rows: list[str] = attrs.field(init=False)
    _left: dict[str, list[str]] = attrs.field(init=False, factory=dict)
    _names: "itertools.count[int]" = attrs.field(init=False, factory=itertools.count)

    def __attrs_post_init__(self):
        self.rows = [f"row{number}" for number in range(self.count)]

    def answer(self, query):
        limit, page, offset = (int(query[name]) if name in query else None for name in ("limit", "page", "offset"))
        assert page is None or offset is None or (page - 1) * limit == offset
        size = self.own or min(limit, self.cap)
        if self.paging == "scroll" or (self.paging == "document" and page is None):
            scroll, *_ = query.get("scroll_id", f"s{next(self._names)}").split("-")
            left = self._left.setdefault(scroll, list(self.rows))
            rows, self._left[scroll] = left[:size], left[size:]
            return rows, {"scroll_id": scroll if self.same_id else f"{scroll}-{next(self._names)}"}
        by_number = ((page or 1) - 1) * size
        starts = {"page": by_number, "offset": offset or 0, "first page": 0, "everything": 0}
        first = starts.get(self.paging, by_number if offset is None else offset)
        rows = self.rows if self.paging == "everything" else self.rows[first : first + size]
        total = len(self.rows)
        said = {
            "right": total,
            "text": str(total),
            "of the page": len(rows),
            "zero": 0,
            "0 at the end": total if rows else 0,
            "at most 50": min(total, 50),
        }
        return list(rows), {"total": said[self.total]} if self.total in said else {}

    def change(self):
        """What happens between two pages."""
        for _ in range(self.chance.randint(0, self.filed) if next(self._names) < 40 else 0):
            self.rows.insert(self.chance.randint(0, len(self.rows)), f"new{next(self._names)}")
        for _ in range(self.chance.randint(0, self.gone)):
            if self.rows:
                self.rows.pop(self.chance.randrange(len(self.rows)))


def read(host, limits, setting=Paging.AUTO):
    """How reading *host* ended (None for whole), and what is missing or came twice."""
    there, seen, cursor = list(host.rows), collections.Counter(), None
    for _ in range(MOST_PAGES):
        place = start("hanoi", setting, cursor, ())
        size = page_size(place, next(limits), 100)
        rows, around = host.answer(dict(place.params(size)))
        data = {"data": rows, **around}
        answer = Answer(account="hanoi", effect=Effect.READ, status=200, headers={}, body=b"", data=data)
        try:
            turned = turn(answer, place, size, rows)
        except VendorProtocolError as error:
            return error.message, [], [row for row, count in seen.items() if count > 1]
        seen.update(row for row in rows if row not in turned.again)
        cursor = turned.next
        if cursor is None:
            missing = [row for row in there if row in host.rows and row not in seen]
            return None, missing, [row for row, count in seen.items() if count > 1]
        host.change()
    raise AssertionError("the list does not end")


def hosts(seeds, **kinds):
    """Hosts of every kind, each with how many rows are asked for: *kinds* are choices by name."""
    for seed in range(seeds):
        chance = random.Random(seed)  # noqa: S311 # the same again, no secret
        yield Host(chance=chance, **{name: chance.choice(choices) for name, choices in kinds.items()}), chance


@pytest.mark.parametrize("paging", WAYS)
@pytest.mark.parametrize(
    "kinds",
    [
        {"total": TOTALS},
        {"total": TOTALS[:3], "cap": [1, 5, 10, 20]},
        {"total": TOTALS[:3], "own": [1, 5, 10, 20, 50]},
        {"same_id": [True, False]},
        {"filed": [1, 3, 10]},
        {"gone": [1, 3]},
    ],
    ids=lambda kinds: " ".join(kinds),
)
def test_a_host_that_pages_is_read_whole(paging, kinds):
    """Whatever its limits, its totals and its scroll ids are, and whatever is filed or goes meanwhile."""
    for host, chance in hosts(60, paging=[paging], count=COUNTS, **kinds):
        ended, missing, doubled = read(host, itertools.repeat(chance.choice(SIZES[3:] if host.gone else SIZES)))

        emptied = host.gone and len(host.rows) < 10
        assert (None, [], []) == (ended, missing, doubled) or emptied, host


@pytest.mark.parametrize("paging", WAYS)
def test_a_host_is_read_whole_whatever_sizes_are_asked_for_on_the_way(paging):
    """Each page as long as the caller then says."""
    for host, chance in hosts(60, paging=[paging], count=COUNTS, cap=[5, 10**6], total=TOTALS[:3]):
        assert (None, [], []) == read(host, iter(chance.choices(SIZES, k=MOST_PAGES))), host


@pytest.mark.parametrize(
    ("setting", "paging"), [("page", "page"), ("offset", "offset"), ("scroll", "scroll"), ("offset", "document")]
)
def test_a_host_that_takes_one_argument_is_read_by_it(setting, paging):
    """As the account's setting says."""
    for host, chance in hosts(40, paging=[paging], count=COUNTS):
        assert (None, [], []) == read(host, itertools.repeat(chance.choice(SIZES)), Paging(setting)), host


@pytest.mark.parametrize("paging", ["first page", "everything", *WAYS])
def test_no_row_is_missing_or_doubled_in_silence(paging):
    """Of hosts that overlook where a page starts, or say no total, while more is filed than a page holds."""
    filed = [0, 1, 3, 9]
    for host, chance in (
        *hosts(100, paging=[paging], count=COUNTS, filed=filed, total=TOTALS[:4]),
        *hosts(100, paging=[paging], count=COUNTS, filed=filed, total=TOTALS[:3], own=[10, 20]),
    ):
        ended, missing, doubled = read(host, itertools.repeat(chance.choice(SIZES)))

        assert ([], []) == (missing, doubled), (host, ended)
