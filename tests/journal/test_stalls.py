"""Databases that stall: nothing is waited for without end, readiness says so, and nothing rings twice."""

import asyncio
import contextlib
import itertools
import re

import pytest
from gateway_contracts import Conflict, JournalError
from sqlalchemy import event as sa_event
from sqlalchemy import text

from gateway.dialling.process import DiallingProcess
from gateway.events import workers as background
from gateway.journal import engines
from gateway.journal import store as module
from gateway.journal.store import open_store
from tests.journal.rows import insert_event, names
from tests.journal.test_troubles import held, on_postgresql
from tests.postgres import stopped


@pytest.fixture
def hurried(monkeypatch):
    """Statements must end soon."""
    for name in ("WRITE_SECONDS", "READ_SECONDS", "_GRACE_SECONDS"):
        monkeypatch.setattr(engines, name, 0.1)


@pytest.fixture
def watchful(monkeypatch):
    """A stall is noticed soon."""
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(module, "STALL_SECONDS", 0.1)
    monkeypatch.setattr(module, "RECOVERY_SECONDS", 0.05)
    monkeypatch.setattr(background, "INTAKE_SECONDS", 0.05)


def process_of(connection):
    """The server's process that works for *connection*."""
    return connection.connection.dbapi_connection.info.backend_pid


class Stopping(contextlib.ExitStack):
    """A work whose server stops in the midst of it, for as long as the context is open."""

    def __call__(self, connection):
        connection.execute(text("SELECT 1"))
        self.enter_context(stopped(process_of(connection)))
        return connection.execute(text("SELECT 2")).scalar()


@on_postgresql
async def test_a_server_that_stands_still_fails_what_waits_for_it(url, kind, hurried, caplog):
    """Writes and reads, each with an error that says it; the next ones have a connection of their own."""
    async with open_store(url) as store:
        await store.write(insert_event("before"))
        for way in ("write", "read"):
            with Stopping() as stopping, pytest.raises(JournalError, match="does not respond"):
                await getattr(store, way)(stopping)
            await store.write(insert_event(way))

        assert ["before", "write", "read"] == await store.read(names)
        assert store.trouble is None
    assert ["gateway"] * 2 == [record.name for record in caplog.records]  # the trouble, and its end


@on_postgresql
async def test_a_server_that_stands_still_does_not_keep_a_journal_from_closing(url, kind, hurried):
    """Callers that wait get an error."""
    with Stopping() as stopping:
        async with open_store(url) as store:
            works = [asyncio.create_task(each) for each in (store.write(stopping), store.read(Stopping()))]
            await asyncio.sleep(0)  # they are handed over
        found = await asyncio.gather(*works, return_exceptions=True)

    assert [JournalError] * 2 == [type(each) for each in found]


@on_postgresql
async def test_a_statement_that_takes_too_long_is_ended(url, kind, monkeypatch):
    """By the server itself; changes of the schema may take their time."""
    monkeypatch.setattr(engines, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(engines, "_GRACE_SECONDS", 0.5)
    slow = text("SELECT pg_sleep(0.8)")

    def unhurried(connection):
        with engines.unhurried(connection):
            connection.execute(slow)

    async with open_store(url) as store:
        await store.write(unhurried)
        with pytest.raises(JournalError, match="takes too long"):
            await store.write(lambda connection: connection.execute(slow))
        await store.probe()

        assert store.trouble is None


async def test_a_read_waits_for_its_turn_no_longer_than_it_may_take(store, monkeypatch):
    """Those before it may have stalled."""
    monkeypatch.setattr(engines, "READ_SECONDS", 0.01)
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    blocked = lambda _: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()  # noqa: E731 # a work

    reads = [store.read(each) for each in (*[blocked] * engines.READERS, names)]
    found = await asyncio.gather(*reads, return_exceptions=True)
    gate.set()

    assert [JournalError] * 5 == [type(each) for each in found]


async def asked(session, url):
    """The status and the text that are answered."""
    async with asyncio.timeout(20), session.get(url) as answer:
        return answer.status, await answer.text()


async def becomes(session, address, status):
    """Wait until readiness is *status*."""
    async with asyncio.timeout(20):
        while (await asked(session, f"{address}/readyz"))[0] != status:
            pass


@contextlib.contextmanager
def stalled(url, request):
    """The database at *url* does nothing: its server stands still, or another process has the file."""
    if url.startswith("sqlite"):
        with held(url):
            yield
    else:
        with request.getfixturevalue("server").standing_still():
            yield


async def test_readiness_ends_with_a_stall_also_without_a_caller(running, session, url, watchful, request, caplog):
    """Nothing is asked of the database meanwhile. Liveness and metrics do not wait, and show what was known last."""
    async with running() as (_, address):
        seen = [await asked(session, f"{address}/metrics")]
        with stalled(url, request):
            await becomes(session, address, 503)
            async with asyncio.timeout(1):
                alive, _ = await asked(session, f"{address}/livez")
                seen.append(await asked(session, f"{address}/metrics"))
        await becomes(session, address, 200)
        seen.append(await asked(session, f"{address}/metrics"))

    assert [200] * 4 == [alive, *(status for status, _ in seen)]
    assert ["0.0", "1.0", "0.0"] == [re.search(r"^gateway_journal_trouble (.*)$", body, re.M)[1] for _, body in seen]
    before, during, _ = [[line for line in body.splitlines() if "events_state{" in line] for _, body in seen]
    assert before == during != []
    assert (1, 1) == (caplog.text.count("event=journal.failed"), caplog.text.count("event=journal.recovered"))
    assert "the journal's database does not respond" in caplog.text


@on_postgresql
async def test_a_dial_whose_intent_was_committed_unheard_rings_once(running, kind, hurried, monkeypatch):
    """The server stands still when it is told to commit: nothing rings, and the key says so. It commits when it goes
    on; then the same key dials.
    """
    monkeypatch.setattr(DiallingProcess, "pauses", lambda _: itertools.repeat(0.01))
    dial = {"extension": "101", "number": "0899098899", "idempotency_key": "k"}
    async with running() as (gateway, _):
        pbx, store = gateway["hanoi"], (await gateway.journal.get()).store
        with contextlib.ExitStack() as stack:

            def commits(connection):
                if not stops and connection.execute(text("SELECT count(*) FROM dials")).scalar():
                    stops.append(stack.enter_context(stopped(process_of(connection))))

            stops = []
            sa_event.listen(store._writer, "commit", commits)
            with pytest.raises(JournalError) as refused:
                await pbx.click_to_call.start_call(**dial)
        told = list(pbx.adapter.told)
        for _ in range(100):
            with contextlib.suppress(Conflict, JournalError):
                call = await pbx.click_to_call.start_call(**dial)
                break
        again = await pbx.click_to_call.start_call(**dial)

    assert (None, []) == (refused.value.dial_state, told)
    assert (call.dial_id, 1) == (again.dial_id, len(pbx.adapter.told))
