"""Databases that cannot be used: what the caller, the log and readiness are told."""

import asyncio
import contextlib
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from gateway_contracts import ConfigError, JournalError
from sqlalchemy import make_url, text

import gateway
from gateway import Gateway
from gateway.journal import troubles
from gateway.journal.store import open_store
from tests import postgres
from tests.events.calls import event
from tests.journal.rows import append_events, insert_event, names

on_sqlite = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("kind", ["postgresql"] if postgres.wanted() else [], indirect=True)


def modes_in(folder):
    """The mode of each file in *folder*."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def damage(file):
    """Overwrite all of *file* but its first pages."""
    content = file.read_bytes()
    file.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))


@contextlib.contextmanager
def held(url):
    """Another process's transaction that writes to the database at *url*."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(make_url(url).database, isolation_level=None)
        with contextlib.closing(other):
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        with psycopg.connect(url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [0x676174657761])
            yield


async def test_a_held_database_is_a_trouble_until_it_is_free(impatient, url, caplog):
    """Everyone who waits is told once, readers go on, and the next write that succeeds ends the trouble."""
    caplog.set_level(logging.INFO, "gateway")
    async with open_store(url) as store:
        with held(url):
            failed = await asyncio.gather(
                *(store.write(insert_event(f"secret-{n}")) for n in range(9)), return_exceptions=True
            )
            assert [JournalError] * 9 == [type(error) for error in failed]
            assert "another process holds" in store.trouble
            assert [] == await store.read(names)
            with pytest.raises(JournalError):
                await store.probe()
        await store.probe()

        assert store.trouble is None
        assert [] == await store.read(names)
    problem = failed[0].as_problem()
    assert ("journal_unavailable", 503, True, "gateway") == tuple(
        problem[name] for name in ("code", "status", "retryable", "origin")
    )
    assert "secret" not in str(failed) + caplog.text
    assert 1 == caplog.text.count("journal.failed")
    assert 1 == caplog.text.count("journal.recovered")


async def test_a_database_held_at_the_start_stops_it(impatient, url):
    """The error names the setting and says what to do."""
    async with open_store(url):
        pass

    with held(url), pytest.raises(ConfigError, match=r"journal\.url: another process holds"):
        async with open_store(url):
            pass


@on_sqlite
async def test_a_full_disk_refuses_what_does_not_fit(url, kind):
    """What was acknowledged stays; with room again it goes on."""
    async with open_store(url) as store:
        await store.write(insert_event("before"))
        limit = await store.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
        await store.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={limit}").scalar())

        with pytest.raises(JournalError, match="full: free space"):
            await store.write(insert_event("large", body="x" * 100_000))
        assert "free space" in store.trouble

        await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=100000").scalar())
        await store.write(insert_event("after", body="x" * 100_000))
        assert store.trouble is None
        assert ["before", "after"] == await store.read(names)


@on_postgresql
@pytest.mark.parametrize(("state", "words"), [("53100", "full"), ("58030", "disk"), ("XX001", "damaged")])
async def test_what_a_server_says_of_itself_is_a_trouble(store, kind, state, words):
    """A server's SQLSTATE becomes words without its own text."""
    statement = text(f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END $$")

    with pytest.raises(JournalError, match=words) as failed:
        await store.write(lambda connection: connection.execute(statement))

    assert state in store.trouble
    assert "secret" not in str(failed.value)


@on_postgresql
async def test_a_server_that_went_away_and_came_back(url, kind, server):
    """While it is gone writes and reads fail; afterwards nothing has to be restarted."""
    name = make_url(url).database
    async with open_store(url) as store:
        await store.write(insert_event("before"))
        assert ["before"] == await store.read(names)
        server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

        for work in (store.probe(), store.read(names)):
            with pytest.raises(JournalError, match="cannot be reached"):
                await work
        assert "cannot be reached" in store.trouble

        server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await store.probe()
        assert store.trouble is None
        assert ["before"] == await store.read(names)


@on_postgresql
async def test_a_restart_of_the_server_between_writes_is_no_trouble(url, kind, server):
    """A connection that broke while nobody used it is made again."""
    async with open_store(url) as store:
        await store.probe()
        await store.read(names)
        server.run(
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{make_url(url).database}'"
        )

        await store.probe()
        assert [] == await store.read(names)
        assert store.trouble is None


@on_postgresql
async def test_a_connection_lost_in_a_transaction_fails_it_once(store, kind):
    """It is not known what such a commit did, so nothing of the batch is run again."""
    held = threading.Event()
    runs = []

    def lost(connection):
        runs.append(1)
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    works = [lambda connection: held.wait(30), lost, lambda connection: runs.append(2)]
    tasks = [asyncio.create_task(store.write(work)) for work in works]
    await asyncio.sleep(0)
    held.set()
    *_, failed, also = await asyncio.gather(*tasks, return_exceptions=True)

    assert [JournalError] * 2 == [type(failed), type(also)]
    assert [1] == runs


@on_sqlite
async def test_a_damaged_page_is_a_trouble(url, kind):
    """A file that breaks while it is open, or did before, says so when the broken part is touched."""
    async with open_store(url) as store:
        await store.append(append_events, "a" * 100_000)
    damage(Path(make_url(url).database))

    with pytest.raises((JournalError, ConfigError), match=r"gateway\.db is damaged: stop the gateway, and restore it"):
        async with open_store(url) as store:
            await store.write(insert_event("x"))


def damage_row(file, what):
    """Damage the row of *file* that holds the call `a-call-to-damage`: its text in either way, or all of its page."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    start, length = file.read_bytes().index(b'"call_id":"a-call-to-damage"'), len(b'"call_id"')
    if what == "page":
        start, length = start - start % 4096, 4096
    with file.open("r+b") as opened:  # in its place: others read the file meanwhile
        opened.seek(start)
        opened.write((b"}" if what == "json" else b"\xa5") * length)


@on_sqlite
@pytest.mark.parametrize("what", ["page", "text", "json"])
async def test_damage_found_while_running_is_said_until_the_file_is_restored(running, session, url, kind, what, caplog):
    """Reading it names the file and what to do; readiness stays false, though other pages can still be written."""
    async with running() as (gateway, address):
        log = (await gateway.journal.get()).log
        await log.append([event(call_id="a-call-to-damage")])
        await asyncio.to_thread(damage_row, Path(make_url(url).database), what)
        answers = []
        for path in ("/v1/events?after=0", "/readyz", "/readyz"):
            async with session.get(address + path) as answer:
                answers.append((answer.status, await answer.json()))
        async with session.get(f"{address}/metrics") as answer:
            metrics = await answer.text()

    assert [(503, "journal_unavailable")] * 3 == [(status, problem["code"]) for status, problem in answers]
    assert all("gateway.db is damaged: stop the gateway, and restore it" in each["detail"] for _, each in answers)
    assert "\ngateway_journal_trouble 1.0\n" in metrics
    assert 1 == caplog.text.count("event=journal.failed")
    assert "journal.recovered" not in caplog.text


async def test_the_error_of_a_journal_in_trouble_is_the_applications_too(running, url, impatient):
    """Under one name and code, in this process and over a sidecar."""
    async with running() as (_, address), Gateway.remote(address) as remote:
        with held(url), pytest.raises(JournalError) as caught:
            await remote["hanoi"].click_to_call.start_call(extension="101", number="0899098899")

    assert (gateway.JournalError, "journal_unavailable", True, "not_placed") == (
        type(caught.value),
        caught.value.code,
        caught.value.retryable,
        caught.value.dial_state,
    )


@on_sqlite
@pytest.mark.parametrize("content", [b"no database at all, but long enough to look like one" * 99, b"short"])
async def test_a_file_that_is_no_database_stops_the_start(url, kind, content):
    """It is left as it is."""
    file = Path(make_url(url).database)
    await asyncio.to_thread(file.write_bytes, content)

    with pytest.raises(ConfigError, match=r"journal\.url: the file gateway\.db is no SQLite database"):
        async with open_store(url):
            pass

    assert content == await asyncio.to_thread(file.read_bytes)


@on_sqlite
async def test_the_file_is_its_owners_alone(tmp_path, kind):
    """It holds numbers: nobody else may read it, nor what lies beside it. It is found beside the configuration."""
    async with open_store("sqlite:///own.db", beside=tmp_path) as store:
        await store.probe()
        modes = modes_in(tmp_path)

    assert {"own.db": 0o600, "own.db-wal": 0o600, "own.db-shm": 0o600} == modes


@on_sqlite
async def test_every_commit_reaches_the_disk(store, kind):
    """The settings that durability rests on."""
    names = ("journal_mode", "synchronous", "foreign_keys")

    def look(connection):
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert ["wal", 2, 1] == await store.write(look)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gateway.db", "is no database url"),
        ("mysql://u:hush@host/name", "cannot use"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///gateway.db?mode=ro", "must name a file"),
        ("sqlite:///nowhere/gateway.db", "cannot be written"),
        ("postgresql://u:hush@127.0.0.1:1/name", "cannot be reached"),
        ("postgresql://u:hush@127.0.0.1:port/name", "is no database url"),
    ],
)
async def test_a_wrong_url_is_explained(url, words, tmp_path):
    """The error names the setting, and holds no password."""
    with pytest.raises(ConfigError, match=rf"journal\.url: .*{words}") as failed:
        async with open_store(url, beside=tmp_path):
            pass

    assert "hush" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_a_missing_driver_is_named():
    """Without psycopg the error says what to install."""
    code = (
        "import asyncio, sys\nsys.modules['psycopg'] = None\nfrom gateway.journal.store import open_store\n"
        "async def main():\n    async with open_store('postgresql://host/name'): pass\nasyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))

    assert "journal.url: needs a driver: pip install 'telephony-gateway[postgres]'" in done.stderr


def test_every_trouble_can_be_found():
    """No start of a code hides one that comes after it."""
    starts = [start for start, _ in troubles.TROUBLES]

    assert [] == [(a, b) for index, a in enumerate(starts) for b in starts[index + 1 :] if b.startswith(a)]
