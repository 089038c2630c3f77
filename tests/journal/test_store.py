"""Writing and reading: commits that are shared, one bad work that hurts nobody, readers that wait for nobody."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from gateway_contracts import Conflict, GatewayError, JournalError
from sqlalchemy import event as sa_event
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.journal import store as module
from gateway.journal.store import open_store
from tests.journal.rows import append_events, insert_event, names

ROOT = Path(__file__).parent.parent.parent


class Gate:
    """A work that holds the writer until it is told to go on."""

    def __init__(self):
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, connection):
        self.reached.set()
        assert self.opened.wait(30)

    async def hold(self, store):
        """The task of the write that is held."""
        task = asyncio.create_task(store.write(self))
        await asyncio.to_thread(self.reached.wait, 30)
        return task


@pytest.fixture
async def gate(store):
    """A gate that is open at the end, whatever happens."""
    gate = Gate()
    yield gate
    gate.opened.set()


async def queued(*writes):
    """Tasks of *writes*, all of which have come to the store's queue."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)  # they come,
    await asyncio.sleep(0)  # and are handed over together
    return tasks


async def test_what_waits_is_committed_together(store, gate):
    """A hundred writes that come while a commit runs cost one more commit, and keep their order."""
    commits = []
    sa_event.listen(store._writer, "commit", commits.append)
    held = await gate.hold(store)
    tasks = await queued(*(store.write(insert_event(str(number))) for number in range(100)))

    gate.opened.set()
    results = await asyncio.gather(held, *tasks)

    assert [None, *[1] * 100] == results
    assert 2 == len(commits)
    assert [str(number) for number in range(100)] == await store.read(names)


async def test_what_comes_together_is_handed_over_together(store, gate):
    """Or the first of those who go on at the same moment might have a commit of its own, and the others wait for it."""
    held = await gate.hold(store)
    tasks = await queued(*(store.write(insert_event(name)) for name in "abc"))

    assert 1 == store._waiting.qsize()
    gate.opened.set()
    await asyncio.gather(held, *tasks)


async def test_a_write_waits_for_nobody(store):
    """One write alone is committed at once."""
    commits = []
    sa_event.listen(store._writer, "commit", commits.append)

    assert 1 == await store.write(insert_event("alone"))
    assert 1 == len(commits)


async def test_a_batcher_is_called_once_for_all_its_neighbours(store, gate):
    """Equal works cost one call, each gets its own result, and other works keep their place between them."""
    calls = []

    def batcher(connection, items):
        calls.append(list(items))
        append_events(connection, items)
        return [item.upper() for item in items]

    held = await gate.hold(store)
    tasks = await queued(
        *(store.append(batcher, item) for item in "abc"),
        store.write(lambda connection: calls.append("between")),
        *(store.append(batcher, item) for item in "de"),
    )
    gate.opened.set()
    await held

    assert ["A", "B", "C", None, "D", "E"] == await asyncio.gather(*tasks)
    assert [["a", "b", "c"], "between", ["d", "e"]] == calls
    assert list("abcde") == await store.read(names)


@pytest.mark.parametrize("bad", ["raises", "twice", "wrong"])
async def test_a_bad_work_hurts_nobody_else(store, gate, bad):
    """Its batch is rolled back, the others are written, and only its caller gets an error, without data."""

    def raises(connection):
        insert_event("half")(connection)
        raise Conflict("no")

    work = {
        "raises": raises,
        "twice": insert_event("good-0"),
        "wrong": lambda connection: connection.execute(text("SELECT secret FROM nowhere")),
    }[bad]
    held = await gate.hold(store)
    tasks = await queued(
        *(store.write(insert_event(f"good-{number}")) for number in range(3)),
        store.write(work),
        store.append(append_events, "good-3"),
    )
    gate.opened.set()
    *good, failed, last = await asyncio.gather(*tasks, return_exceptions=True)
    await held

    assert ([1, 1, 1], "good-3") == (good, last)
    assert [f"good-{number}" for number in range(4)] == await store.read(names)
    assert isinstance(failed, GatewayError)
    assert not isinstance(failed, JournalError)
    assert "good" not in str(failed)
    assert failed.__cause__ is None
    assert store.trouble is None


async def test_a_work_that_hides_a_failure_loses_nobody_elses_write(store, gate, kind):
    """PostgreSQL answers the commit after a failed statement with a rollback, and calls it done."""

    def hides(connection):
        with contextlib.suppress(DBAPIError):
            connection.execute(text("SELECT * FROM nowhere"))

    held = await gate.hold(store)
    tasks = await queued(store.write(insert_event("good")), store.write(hides))
    gate.opened.set()

    written, hidden = await asyncio.gather(*tasks, return_exceptions=True)

    await held
    assert 1 == written
    assert kind == "sqlite" or "use a savepoint" in str(hidden)
    assert ["good"] == await store.read(names)


@pytest.mark.parametrize("way", ["write", "read"])
async def test_no_error_of_a_work_leaves_its_caller_waiting(store, way):
    """StopIteration cannot be set on a future; it is answered all the same."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        await getattr(store, way)(lambda connection: next(iter(())))


async def test_a_bad_item_hurts_no_other_item(store, gate):
    """A batcher that fails for all is asked for each item alone."""
    await store.append(append_events, "b")
    held = await gate.hold(store)
    tasks = await queued(*(store.append(append_events, item) for item in "abc"))
    gate.opened.set()

    found = await asyncio.gather(held, *tasks, return_exceptions=True)

    assert [None, "a", GatewayError, "c"] == [type(each) if isinstance(each, Exception) else each for each in found]
    assert ["b", "a", "c"] == await store.read(names)


async def test_a_batcher_with_too_few_results_is_a_mistake(store):
    """Nobody gets the result of another, and nothing is written."""

    def batcher(connection, items):
        append_events(connection, items)
        return []

    with pytest.raises(TypeError, match="0 results for 1 items"):
        await store.append(batcher, "x")

    assert [] == await store.read(names)


async def test_a_cancelled_caller_does_not_take_back_its_write(store, gate):
    """What is queued is written, though nobody waits for it."""
    held = await gate.hold(store)
    (task,) = await queued(store.write(insert_event("left")))

    task.cancel()
    gate.opened.set()

    assert [None, True] == [await held, (await asyncio.wait([task]))[0].pop().cancelled()]
    await store.probe()
    assert ["left"] == await store.read(names)


async def test_callers_wait_for_room(url, monkeypatch):
    """Beyond the bound nothing is queued; a caller that is cancelled there writes nothing."""
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    gate = Gate()
    async with open_store(url) as store:
        held = await gate.hold(store)
        tasks = await queued(*(store.write(insert_event(name)) for name in "abc"))
        assert 1 == store._waiting.qsize()

        tasks[1].cancel()
        gate.opened.set()
        await asyncio.gather(held, tasks[0], tasks[2])

        assert ["a", "c"] == await store.read(names)


async def test_readers_do_not_wait_for_the_writer(store, gate):
    """While a write is under way, readers see what was committed before."""
    await store.write(insert_event("old"))

    def half(connection):
        insert_event("new")(connection)
        gate(connection)

    task = asyncio.create_task(store.write(half))
    await asyncio.to_thread(gate.reached.wait, 30)

    assert ["old"] == await store.read(names)
    gate.opened.set()
    await task
    assert ["old", "new"] == await store.read(names)


async def test_a_reader_sees_one_moment(store):
    """What is committed while a reader works does not show in its next statement."""
    loop = asyncio.get_running_loop()

    def twice(connection):
        before = names(connection)
        asyncio.run_coroutine_threadsafe(store.write(insert_event("new")), loop).result(30)
        return before, names(connection)

    assert ([], []) == await store.read(twice)
    assert ["new"] == await store.read(names)


async def test_readers_cannot_write(store):
    """A work in the wrong place is refused."""
    with pytest.raises(JournalError):
        await store.read(insert_event("x"))

    assert [] == await store.read(names)


async def test_closing_writes_what_is_queued(url):
    """Everything that came before the end is there; what comes after it is refused."""
    gate = Gate()
    async with open_store(url) as store:
        held = await gate.hold(store)
        tasks = await queued(*(store.write(insert_event(str(number))) for number in range(20)))
        gate.opened.set()
    await asyncio.gather(held, *tasks)

    for late in (store.write(insert_event("late")), store.read(names), store.probe()):
        with pytest.raises(JournalError, match="closed"):
            await late
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("journal-")]
    async with open_store(url) as again:
        assert [str(number) for number in range(20)] == await again.read(names)


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(url):
    """`kill -9` in the midst of writes: whatever the process had said is written is written, once."""
    command = [sys.executable, "-m", "tests.journal.acknowledging", url]
    child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    said = [await child.stdout.readline() for _ in range(300)]
    child.kill()
    rest, _ = await child.communicate()
    said = b"".join([*said, rest]).decode().split("\n")[:-1]  # what follows the last line's end was not said whole

    async with open_store(url) as store:
        found = await store.read(names)
    assert len(said) >= 300
    assert set() == set(said) - set(found)
    assert len(found) == len(set(found))


async def test_two_sidecars_on_one_database_take_turns(impatient, url):
    """While one has a `seq` that readers cannot see yet, no other gets the next one: a reader never misses an event."""
    gate = Gate()

    def held(connection):
        insert_event("first")(connection)
        gate(connection)

    async with open_store(url) as one, open_store(url) as other:
        task = asyncio.create_task(one.write(held))
        await asyncio.to_thread(gate.reached.wait, 30)

        with pytest.raises(JournalError, match="another process holds"):
            await other.append(append_events, "second")

        gate.opened.set()
        await task
        await other.append(append_events, "second")
        assert ["first", "second"] == await one.read(names)


async def test_probe_writes(store):
    """It leaves one row, however often it is asked."""
    await store.probe()
    await store.probe()

    assert 1 == await store.read(lambda connection: connection.scalar(text("SELECT count(*) FROM positions")))
