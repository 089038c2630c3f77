"""Deadlines end what takes too long, and nothing else."""

import asyncio

from gateway_contracts.deadlines import Deadlines


async def forever():
    await asyncio.Event().wait()


async def test_deadlines_ring_in_their_own_order():
    """One timer serves all: a later one that was begun first does not hold up an earlier one."""
    ended = []
    deadlines = Deadlines()

    async def stay(name, seconds):
        try:
            with deadlines.after(seconds):
                await forever()
        except TimeoutError:
            ended.append(name)

    slow = asyncio.create_task(stay("slow", 1000))
    await asyncio.sleep(0)
    await asyncio.gather(stay("third", 0.03), stay("first", 0.001), stay("second", 0.02))

    assert ["first", "second", "third"] == ended
    slow.cancel()
    await asyncio.wait([slow])


async def test_a_deadline_does_not_hide_that_the_caller_was_cancelled():
    """Whoever cancelled waits for just that."""
    deadlines = Deadlines()

    async def stay():
        with deadlines.after(0):
            try:
                await forever()
            finally:
                asyncio.current_task().cancel()  # at the same moment

    task = asyncio.create_task(stay())
    await asyncio.wait([task])

    assert task.cancelled()


async def test_what_ends_in_time_is_left_alone_by_its_deadline():
    """The task goes on to other things."""
    deadlines = Deadlines()
    rang = asyncio.Event()
    with deadlines.after(0.001):
        pass
    asyncio.get_running_loop().call_later(0.01, rang.set)

    await rang.wait()

    assert 0 == asyncio.current_task().cancelling()
