"""One token for everybody: asked for once, replaced in time, and never the reason why somebody else fails."""

import asyncio

import pytest
from gateway_contracts import VendorAuthFailed, VendorUnavailable
from gateway_contracts.http import Token, TokenCache, renew_at


class Vendor:
    """Gives tokens when it is let."""

    def __init__(self):
        self.fetches = 0
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.error = None

    async def fetch(self):
        self.fetches += 1
        self.asked.set()
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return Token(f"t{self.fetches}", renew_at=100.0)


@pytest.fixture
def vendor():
    return Vendor()


@pytest.fixture
def now():
    """The time, to be changed."""
    return [0.0]


@pytest.fixture
def cache(vendor, now):
    return TokenCache(vendor.fetch, clock=lambda: now[0])


async def test_fifty_who_come_together_cost_one_fetch(vendor, cache):
    """The vendor's login is not stormed."""
    waiters = [asyncio.create_task(cache.get()) for _ in range(50)]
    await vendor.asked.wait()
    vendor.may_answer.set()

    assert ["t1"] * 50 == await asyncio.gather(*waiters)
    assert 1 == vendor.fetches


async def test_a_token_is_kept_until_it_has_to_be_renewed(vendor, cache, now):
    """And not longer."""
    vendor.may_answer.set()
    first = await cache.get()
    now[0] = 99.9
    second = await cache.get()
    now[0] = 100.0
    third = await cache.get()

    assert ("t1", "t1", "t2") == (first, second, third)


async def test_a_waiter_that_is_cancelled_does_not_cancel_the_others(vendor, cache):
    """Not even the one who came first."""
    first, second = (asyncio.create_task(cache.get()) for _ in range(2))
    await vendor.asked.wait()
    first.cancel()
    vendor.may_answer.set()

    assert "t1" == await second
    assert first.cancelled()
    assert 1 == vendor.fetches


async def test_a_fetch_that_everybody_left_goes_on(vendor, cache):
    """Its token serves whoever comes next, and its failure disturbs nobody."""
    only = asyncio.create_task(cache.get())
    await vendor.asked.wait()
    only.cancel()
    await asyncio.wait([only])
    vendor.may_answer.set()

    assert "t1" == await cache.get()
    assert 1 == vendor.fetches


async def test_a_failure_reaches_everybody_and_is_not_kept(vendor, cache):
    """Each waiter has an error of its own, to which it can add; the next one asks again."""
    vendor.error = VendorAuthFailed("no")
    waiters = [asyncio.create_task(cache.get()) for _ in range(3)]
    await vendor.asked.wait()
    vendor.may_answer.set()
    errors = await asyncio.gather(*waiters, return_exceptions=True)
    vendor.error = None

    assert [VendorAuthFailed] * 3 == [type(error) for error in errors]
    assert 3 == len({id(error) for error in errors})
    assert "t2" == await cache.get()


async def test_a_refused_token_is_not_given_out_again(vendor, cache):
    """The next one gets a new one."""
    vendor.may_answer.set()
    cache.refuse(await cache.get())

    assert "t2" == await cache.get()


async def test_a_late_refusal_does_not_throw_away_the_new_token(vendor, cache):
    """Fifty requests with the old token are refused; the first of them renewed it for all."""
    vendor.may_answer.set()
    old = await cache.get()
    cache.refuse(old)
    new = await cache.get()
    for _ in range(49):
        cache.refuse(old)

    assert new == await cache.get()
    assert 2 == vendor.fetches


async def test_closing_stops_a_fetch(vendor, cache):
    """Nothing is left running when the account is closed; who waits is told so, and is not cancelled."""
    waiter = asyncio.create_task(cache.get())
    await vendor.asked.wait()

    await cache.aclose()
    await cache.aclose()

    with pytest.raises(VendorUnavailable):
        await waiter


def test_a_token_does_not_show_itself():
    """It is a secret."""
    assert "hidden" not in repr(Token("hidden", 0.0))


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("expected", "expiry"),
    [
        (0.8 * 3600, 3600),  # seconds from now
        (0.8 * 3600, NOW + 3600),  # seconds since 1970
        (0.8 * 3600, (NOW + 3600) * 1000),  # milliseconds since 1970
        (60, 120),  # a minute before the end is more than four fifths
        (50, 100),
        (5, 10),  # never before half of it
        (86_400, 30 * 86_400),  # not longer than it may get old
        (60, NOW - 5),  # clocks that differ
        (60, 0),
        (60, -1),
    ],
)
def test_an_expiry_is_told_apart_by_its_magnitude(expected, expiry):
    """Seconds that are left, an epoch, or one in milliseconds; renewed early."""
    assert expected == pytest.approx(renew_at(expiry, now=NOW, max_age=86_400) - NOW)
