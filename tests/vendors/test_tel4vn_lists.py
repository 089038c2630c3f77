"""Lists of every size, read page by page from hosts of every kind: no row may be missing or come twice in silence."""

import collections
import itertools
import random

import attrs
import pytest
from gateway_contracts.http import Effect, Response
from gateway_tel4vn.pages import Came, start, turn
from gateway_tel4vn.settings import Paging

from gateway import VendorProtocolError

SIZES = [1, 2, 3, 7, 10, 35, 50, 100]
COUNTS = [0, 1, 9, 10, 11, 20, 35, 100, 130]
TOTALS = ["right", "text", "none", "of the page", "zero", "0 at the end", "at most 50", "7 too few"]
WAYS = ["document", "page", "offset", "scroll"]
MOST_PAGES = 2000


@attrs.define(kw_only=True, slots=False)
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
    scroll: str = "one id"  # all the way, or "own ids", "none on the last" or "no id"
    rows: list[str] = attrs.field(init=False)
    _left: dict[str, tuple[int, list[str]]] = attrs.field(init=False, factory=dict)
    _names: "itertools.count[int]" = attrs.field(init=False, factory=itertools.count)

    def __attrs_post_init__(self):
        self.rows = [f"row{number}" for number in range(self.count)]

    def answer(self, query):
        limit, page, offset = (int(query[name]) if name in query else None for name in ("limit", "page", "offset"))
        assert page is None or offset is None or (page - 1) * limit == offset
        size = self.own or min(limit, self.cap)
        if self.paging == "scroll" or (self.paging == "document" and page is None):
            scroll, *_ = query.get("scroll_id", f"s{next(self._names)}").split("-")
            total, left = self._left.setdefault(scroll, (len(self.rows), list(self.rows)))
            rows, self._left[scroll] = left[:size], (total, left[size:])
            ends = self.scroll == "no id" or (self.scroll == "none on the last" and len(left) <= size)
            named = scroll if self.scroll == "one id" else f"{scroll}-{next(self._names)}"
            return rows, {**self.said(rows, total), **({} if ends else {"scroll_id": named})}
        by_number = ((page or 1) - 1) * size
        starts = {"page": by_number, "offset": offset or 0, "first page": 0, "everything": 0}
        first = starts.get(self.paging, by_number if offset is None else offset)
        rows = self.rows if self.paging == "everything" else self.rows[first : first + size]
        return list(rows), self.said(rows, len(self.rows))

    def said(self, rows, total):
        """The total as the host says it."""
        said = {
            "right": total,
            "text": f" {total} ",
            "of the page": len(rows),
            "zero": 0,
            "0 at the end": total if rows else 0,
            "at most 50": min(total, 50),
            "7 too few": max(total - 7, 0),
            "no number": "many",
        }
        return {"total": said[self.total]} if self.total in said else {}

    def change(self):
        """What happens between two pages."""
        for _ in range(self.chance.randint(0, self.filed) if next(self._names) < 40 else 0):
            self.rows.insert(self.chance.randint(0, len(self.rows)), f"new{next(self._names)}")
        for _ in range(self.chance.randint(0, self.gone)):
            if self.rows:
                self.rows.pop(self.chance.randrange(len(self.rows)))


async def read(host, limits, setting=Paging.AUTO):
    """How reading *host* ended (None for whole), and what is missing or came twice."""
    there, seen, cursor, asked = list(host.rows), collections.Counter(), None, 0

    async def ask(params):
        nonlocal asked
        if asked:
            host.change()
        asked += 1
        assert asked < MOST_PAGES, "the list does not end"
        rows, around = host.answer(dict(params))
        data = {"data": rows, **around}
        return Came(
            Response(account="hanoi", effect=Effect.READ, status=200, headers={}, body=b"", data=data), rows, rows
        )

    while True:
        place = start(setting, cursor, ())
        try:
            came, turned = await turn(place, next(limits), 100, ask)
        except VendorProtocolError as error:
            return error.message, [], [row for row, count in seen.items() if count > 1]
        seen.update(row for row in came.ids if row not in turned.again)
        cursor = turned.next
        if cursor is None:
            missing = [row for row in there if row in host.rows and row not in seen]
            return None, missing, [row for row, count in seen.items() if count > 1]


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
        {"total": TOTALS[:4], "own": [1, 5, 10, 20, 50]},
        {"total": TOTALS, "scroll": ["one id", "own ids"]},
        {"filed": [1, 3, 10]},
        {"gone": [1, 3]},
        {"gone": [1, 3], "total": ["none", "of the page"]},
    ],
    ids=lambda kinds: " ".join(kinds),
)
async def test_a_host_that_pages_is_read_whole(paging, kinds):
    """Whatever its limits, its totals and its scroll ids are, and whatever is filed or goes meanwhile."""
    for host, chance in hosts(60, paging=[paging], count=COUNTS, **kinds):
        ended, missing, doubled = await read(host, itertools.repeat(chance.choice(SIZES[3:] if host.gone else SIZES)))

        emptied = host.gone and len(host.rows) < 10
        assert (None, [], []) == (ended, missing, doubled) or emptied, host


@pytest.mark.parametrize("paging", WAYS)
async def test_a_host_is_read_whole_whatever_sizes_are_asked_for_on_the_way(paging):
    """Each page as long as the caller then says."""
    for host, chance in hosts(60, paging=[paging], count=COUNTS, cap=[5, 10**6], total=TOTALS[:3]):
        assert (None, [], []) == await read(host, iter(chance.choices(SIZES, k=MOST_PAGES))), host


@pytest.mark.parametrize(
    ("setting", "paging"), [("page", "page"), ("offset", "offset"), ("scroll", "scroll"), ("offset", "document")]
)
async def test_a_host_that_takes_one_argument_is_read_by_it(setting, paging):
    """As the account's setting says."""
    for host, chance in hosts(40, paging=[paging], count=COUNTS):
        assert (None, [], []) == await read(host, itertools.repeat(chance.choice(SIZES)), Paging(setting)), host


@pytest.mark.parametrize("total", ["35", " 35 ", 35.0, None, 0, -1, True, "many", [35], 1.5, "9" * 30])
async def test_a_total_in_any_shape_ends_no_list_early(total):
    """One that is no number says nothing, and the list is read to its end."""
    host = Host(chance=random.Random(1), paging="document", count=35)  # noqa: S311 # no secret
    host.said = lambda rows, _: {"total": total}

    assert (None, [], []) == await read(host, itertools.repeat(10))


async def test_a_smaller_limit_later_loses_no_row_at_a_host_with_pages_of_its_own():
    """It takes no limit, says no total, and its pages happen to be as long as the first limit."""
    for paging, count, later in itertools.product(["page", "offset"], [10, 15, 35], [1, 2, 3, 7]):
        host = Host(chance=random.Random(1), paging=paging, count=count, total="none", own=10)  # noqa: S311 # no secret

        assert (None, [], []) == await read(host, itertools.chain([10], itertools.repeat(later))), host


async def test_the_error_of_a_host_that_only_scrolls_says_how_it_is_read():
    """It gives no id and no total, so its only page comes again; the setting that it names takes that page for all."""
    host = Host(chance=random.Random(1), paging="scroll", scroll="no id", total="none", count=35)  # noqa: S311 # no secret

    ended, _, doubled = await read(host, itertools.repeat(100))

    assert [] == doubled
    assert "the same rows again after 35, so the rest cannot be read. If the host" in ended
    assert 'set paging = "scroll"' in ended
    assert (None, [], []) == await read(host, itertools.repeat(100), Paging.SCROLL)


async def test_rows_filed_while_others_are_looked_for_are_no_sign_of_a_host_that_takes_no_limit():
    """It takes every argument: each later page still begins with the last row of the page before."""
    host = Host(chance=random.Random(1), paging="offset", count=101)  # noqa: S311 # no secret
    # At each request: the rows that go, and how many are filed.
    changes = {9: (["row0"], 0), 11: ([], 2), 13: (["row5"], 0), 14: (["row35"], 1)}
    requests = itertools.count(2)

    def change():
        gone, filed = changes.get(next(requests), ([], 0))
        host.rows[:] = [*(f"new{next(host._names)}" for _ in range(filed)), *(r for r in host.rows if r not in gone)]

    host.change = change

    assert (None, [], []) == await read(host, itertools.repeat(5))


@pytest.mark.parametrize("paging", [*WAYS, "first page", "everything"])
@pytest.mark.parametrize("own", [0, 1, 2, 3, 10, 120])
async def test_no_row_is_missing_or_doubled_in_silence(paging, own):
    """Whatever a host makes of the arguments, its totals and its scrolls, and whatever is filed and goes between any
    two requests: each row that was there all the time has come once, or an error says that the list is not whole.
    """
    for host, chance in hosts(
        150,
        paging=[paging],
        count=COUNTS,
        own=[own],
        cap=[10**6, 10**6, 4, 20],
        total=TOTALS,
        scroll=["one id", "own ids", "none on the last", "no id"],
        filed=[0, 0, 1, 3, 9],
        gone=[0, 0, 0, 1, 3],
    ):
        lies = host.total in {"of the page", "7 too few", "at most 50"}
        if lies and (host.filed or paging == "first page" or host.scroll == "no id"):
            continue  # these can give the same answers as a host that always gives its only rows
        if own and host.filed and host.gone:
            continue  # a page cannot begin with the last row of the page before, and is compared a request later
        limits = chance.choice([itertools.repeat(chance.choice(SIZES)), iter(chance.choices(SIZES, k=MOST_PAGES))])
        ended, missing, doubled = await read(host, limits)

        assert ([], []) == (missing, doubled), (host, ended)
