"""Leases: one process at a time, and another when it is gone."""

import asyncio

import pytest
from sqlalchemy import insert, select, update

from gateway.journal.leases import while_held
from gateway.journal.schema import leases

LIFE, SHORT = 30.0, 0.2
"""Seconds: a life that nothing outlasts here, renewed as often as a short one, and one that ends soon."""


class Work:
    """A work that lasts until it is told to end, and says when it runs and when it was stopped."""

    def __init__(self):
        self.running = asyncio.Event()
        self.stopped = asyncio.Event()
        self.end = asyncio.Event()
        self.times = 0

    async def __call__(self):
        self.times += 1
        self.running.set()
        try:
            await self.end.wait()
        finally:
            self.running.clear()
            self.stopped.set()


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Leases are renewed, and asked for, every few hundredths of a second."""
    monkeypatch.setattr("gateway.journal.leases._RENEWALS", 1_000)


@pytest.fixture
async def holding(store):
    """Starts to do a work under the lease `it`; what runs in the end is stopped."""
    tasks = []

    def start(work, **more):
        task = asyncio.ensure_future(while_held(store, "it", work, **{"life_seconds": LIFE, **more}))
        tasks.append(task)
        return task

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def set_holder(store, holder, until):
    await store.write(lambda c: c.execute(update(leases).values(holder=holder, until=until)))


async def rows(store):
    return await store.read(lambda c: c.execute(select(leases.c.holder, leases.c.until)).all())


async def test_one_of_several_does_the_work_and_the_next_when_it_is_done(holding, store):
    """The second begins when the first gives the lease back, and in the end nobody holds it."""
    one, other = Work(), Work()
    first = holding(one)
    await one.running.wait()
    second = holding(other)
    renewed = (await rows(store))[0].until
    while (await rows(store))[0].until == renewed:  # noqa: ASYNC110 # nobody tells of a changed row
        await asyncio.sleep(0)
    assert (1, 0) == (one.times, other.times)

    one.end.set()
    await first
    await other.running.wait()
    other.end.set()
    await second

    assert (1, 1) == (one.times, other.times)
    assert [] == await rows(store)


async def test_a_dead_holders_lease_is_taken_over_after_its_life(holding, store):
    """As long as it may live, nobody else begins."""
    far = 2**60
    await store.write(lambda c: c.execute(insert(leases), [{"name": "it", "holder": "dead", "until": far}]))
    work = Work()
    holding(work)
    for _ in range(20):
        assert [("dead", far)] == await rows(store)
    assert 0 == work.times

    await set_holder(store, "dead", 1)
    await work.running.wait()

    assert "dead" != (await rows(store))[0].holder


async def test_a_lost_lease_stops_the_work_until_it_is_held_again(holding, store):
    """Another one holds it: the work is cancelled, and begins anew when the lease is free."""
    work = Work()
    holding(work)
    await work.running.wait()

    await set_holder(store, "other", 2**60)
    await work.stopped.wait()
    assert "other" == (await rows(store))[0].holder
    await set_holder(store, "other", 1)
    await work.running.wait()

    assert 2 == work.times


async def test_what_the_work_raises_comes_out_and_the_lease_is_free(holding, store):
    """Whoever started it decides what a failure means."""

    async def fail():
        raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        await holding(fail)

    assert [] == await rows(store)


async def test_a_lease_that_cannot_be_renewed_stops_the_work(holding, store, monkeypatch):
    """After its life it may be somebody else's, though this process cannot see that."""
    work = Work()
    holding(work, life_seconds=SHORT)
    await work.running.wait()
    never = asyncio.Event()

    async def stuck(_):
        await never.wait()

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", stuck)
        await work.stopped.wait()
        never.set()
