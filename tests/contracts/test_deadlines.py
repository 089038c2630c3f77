"""Deadlines end what takes too long, and nothing else; `asyncio.timeout`, beside which they stand, does the same."""

import asyncio
import contextlib

import pytest
from gateway_contracts.deadlines import Deadlines


async def forever():
    await asyncio.Event().wait()


def ours():
    deadlines = Deadlines()

    @contextlib.asynccontextmanager
    async def after(seconds):
        with deadlines.after(seconds):
            yield

    return after


@pytest.fixture(params=[ours, lambda: asyncio.timeout], ids=["ours", "asyncio"])
def after(request):
    """What gives the context in which a task may stay for some seconds."""
    return request.param()


async def test_deadlines_ring_in_their_own_order(after):
    """One timer serves all of ours: a later one that was begun first does not hold up an earlier one."""
    ended = []

    async def stay(name, seconds):
        try:
            async with after(seconds):
                await forever()
        except TimeoutError:
            ended.append(name)

    slow = asyncio.create_task(stay("slow", 1000))
    await asyncio.sleep(0)
    await asyncio.gather(stay("third", 0.03), stay("first", 0.001), stay("second", 0.02))

    assert ["first", "second", "third"] == ended
    slow.cancel()
    await asyncio.wait([slow])


async def test_a_deadline_does_not_hide_that_the_task_was_cancelled(after):
    """The task that cancelled it waits for just that."""

    async def stay():
        async with after(0):
            try:
                await forever()
            finally:
                asyncio.current_task().cancel()  # at the same moment

    task = asyncio.create_task(stay())
    await asyncio.wait([task])

    assert task.cancelled()


async def test_what_ends_in_time_is_left_alone_by_its_deadline(after):
    """The task goes on to other things."""
    rang = asyncio.Event()
    async with after(0.001):
        pass
    asyncio.get_running_loop().call_later(0.01, rang.set)

    await rang.wait()

    assert 0 == asyncio.current_task().cancelling()


@pytest.mark.parametrize(("outer", "inner", "expected"), [(0.001, 1000, "outer"), (1000, 0.001, "inner")])
async def test_of_two_deadlines_the_one_that_is_late_says_so(after, outer, inner, expected):
    """However they lie in each other; the task is not cancelled any more afterwards."""
    late = "none"
    try:
        async with after(outer):
            try:
                async with after(inner):
                    await forever()
            except TimeoutError:
                late = "inner"
    except TimeoutError:
        late = "outer"

    assert (expected, 0) == (late, asyncio.current_task().cancelling())


async def test_an_error_that_comes_when_the_time_is_over_stays_that_error(after):
    """What was raised says more than that it was late."""

    async def stay():
        async with after(0.001):
            try:
                await forever()
            finally:
                raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await stay()

    assert 0 == asyncio.current_task().cancelling()
