"""Records of AntBuddy, read page by page from hosts of every kind: none may be missing or come twice in silence."""

import collections
import random

import attrs
import pytest
from gateway_antbuddy.history import Filters, Place, Row, read

from gateway import VendorProtocolError

COUNTS = [0, 1, 2, 9, 10, 11, 19, 20, 21, 100, 101, 250]
LIMITS = [1, 3, 7, 10, 50, 100]
SIZES = [1, 2, 5, 10, 19, 20, 100]
MOST_REQUESTS = 3000
DAY = 86_400


@attrs.define(kw_only=True)
class Host:
    """A host with *count* calls in two slices, newest first, and *size* rows on a page whatever is asked for."""

    chance: random.Random
    count: int
    size: int
    filed: int = 0  # rows between two requests, at most
    gone: int = 0
    same_page: bool = False  # whichever is asked for
    rows: list[tuple[int, int]] = attrs.field(init=False)  # when, and a name
    asked: int = 0

    def __attrs_post_init__(self):
        self.rows = [(50 * DAY - number * 37 * DAY // (self.count + 1), number) for number in range(self.count)]

    async def fetch(self, place, page):
        if self.asked:
            self.change()
        self.asked += 1
        assert self.asked < MOST_REQUESTS, "the list does not end"
        rows = [row for row in self.rows if place.start - 1 <= row[0] <= place.end + 3600]
        first = 0 if self.same_page else (page - 1) * self.size
        return [self.row(*row) for row in rows[first : first + self.size]]

    @staticmethod
    def row(at, number):
        return Row(at=at, digest=f"{number:020x}"[::-1], duration=1, record=lambda _: number)

    def change(self):
        """What happens between two requests."""
        for _ in range(self.chance.randint(0, self.filed) if self.asked < 40 else 0):
            index = self.chance.randint(0, len(self.rows))
            at = self.rows[min(index, len(self.rows) - 1)][0] if self.rows else 40 * DAY
            self.rows.insert(index, (at, 10**6 + self.asked * 100 + len(self.rows)))
        for _ in range(self.chance.randint(0, self.gone)):
            if self.rows:
                self.rows.pop(self.chance.randrange(len(self.rows)))


async def listed(host, limit):
    """How reading *host* ended (None for whole), and what is missing or came twice."""
    there, seen = list(host.rows), collections.Counter()
    place = Place(since=10 * DAY, until=51 * DAY, end=51 * DAY, filters=Filters())
    ended = None
    try:
        while place is not None:
            found, place = await read(place, limit, host.fetch, lambda row, _: row.record(""), seconds=60)
            seen.update(found.items)
            place = place and Place.decode(place.encode())
    except VendorProtocolError as error:
        ended = error.message
    missing = [] if ended else [number for at, number in there if (at, number) in host.rows and number not in seen]
    return ended, missing, [number for number, count in seen.items() if count > 1]


def hosts(seeds, **kinds):
    """Hosts of every kind, each with how many rows are asked for."""
    for seed in range(seeds):
        chance = random.Random(seed)  # noqa: S311 # the same again, no secret
        host = Host(chance=chance, **{name: chance.choice(choices) for name, choices in kinds.items()})
        yield host, chance.choice(LIMITS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [{}, {"filed": [1, 3]}, {"gone": [1, 3]}], ids=["still", "filed", "gone"])
async def test_each_call_that_was_there_comes_once_or_an_error_says_so(size, kind):
    """However few rows a page has, and whatever is filed or goes between any two requests."""
    for host, limit in hosts(100, size=[size], count=COUNTS, **kind):
        ended, missing, doubled = await listed(host, limit)

        assert ([], []) == (missing, doubled), (host, limit, ended)
        assert kind or ended is None


@pytest.mark.parametrize("size", SIZES)
async def test_a_host_that_overlooks_the_page_is_an_error(size):
    """It says from when to when calls have not all come, and the list ends."""
    for host, limit in hosts(50, size=[size], count=COUNTS[1:], same_page=[True]):
        ended, _, doubled = await listed(host, limit)

        assert [] == doubled
        assert "gave page 1 of the history again as page 2, so its calls from 1970-01-" in ended
