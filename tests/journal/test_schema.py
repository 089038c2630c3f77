"""The schema, and how a database comes to it."""

import asyncio
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from gateway_contracts import ConfigError, GatewayError
from sqlalchemy import text

from gateway.journal import dials, migrations, schema
from gateway.journal.store import open_store
from tests.journal.rows import insert_event, names

NEXT = """
import sqlalchemy as sa
revision, down_revision = "9999", {newest!r}
def upgrade(op):
    op.add_column("leases", sa.Column("note", sa.Text))
"""
FOLDER = Path(migrations.__file__).parent


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Lets only the first revisions be known, and beside them files with other *texts*."""
    folder = tmp_path / "migrations"
    folder.mkdir()

    def know(count, *texts):
        for old in folder.iterdir():
            old.unlink()
        for file in sorted(FOLDER.glob("revision_*.py"))[:count]:
            (folder / file.name).write_text(file.read_text())
        for index, text_ in enumerate(texts):
            (folder / f"revision_new_{index}.py").write_text(text_)
        monkeypatch.setattr(migrations, "_FOLDER", folder)

    return know


def test_an_id_that_is_made_later_sorts_later(monkeypatch):
    """Also across a second, and two of one moment differ."""
    moments = iter([1_700_000_000_999_000_000, 1_700_000_001_000_000_000, 1_700_000_001_000_000_000])
    monkeypatch.setattr(schema.time, "time_ns", lambda: next(moments))
    first, *others = (schema.new_id("cv") for _ in range(3))

    assert len("cv_") + 24 == len(first)
    assert first < min(others)
    assert 2 == len(set(others))


def differences(connection):
    """What the tables in the database lack, or have too much."""
    options = {"version_table": migrations.VERSION_TABLE, "compare_type": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)


async def test_the_migrations_make_the_tables_of_the_schema(empty_url):
    """A new database has every table, column, type, index and constraint that the code speaks of, and no other."""
    async with open_store(empty_url) as store:
        assert [] == await store.write(differences)


async def test_a_missing_index_would_be_seen(store):
    """The comparison above can fail."""
    await store.write(lambda connection: connection.execute(text("DROP INDEX events_by_age")))

    assert "add_index" == (await store.write(differences))[0][0]


async def test_an_older_schema_is_migrated(url, known):
    """What is in it stays."""
    async with open_store(url) as store:
        await store.write(insert_event("old"))
    files = sorted(FOLDER.glob("revision_*.py"))
    known(len(files), NEXT.format(newest=files[-1].stem.removeprefix("revision_")))

    async with open_store(url) as store:
        assert ["old"] == await store.read(names)
        assert [] == await store.read(lambda connection: list(connection.execute(text("SELECT note FROM leases"))))


DIAL_0001 = """INSERT INTO dials (dial_id, account, asked, caller, idempotency_key, fingerprint, state, request,
    extension, number, created_at, sent_at, finished_at, evidence, process)
    VALUES ('{id}', 'hanoi', 'hanoi', '', '{id}', 'f', '{state}', '{{}}',
    '101', '0899098899', 1, 1, 2, '{evidence}', 'p')"""


async def test_what_was_not_placed_by_looking_is_read_as_not_found(empty_url, known):
    """A dial of 0.1.0 that was only looked for keeps its key; one with proof stays as it is."""
    known(1)
    async with open_store(empty_url) as store:
        for id_, state, evidence in (("looked", "not_placed", "looked"), ("refused", "not_placed", "answer")):
            insert = text(DIAL_0001.format(id=id_, state=state, evidence=evidence))
            await store.write(lambda connection, insert=insert: connection.execute(insert).rowcount)
    known(99)

    async with open_store(empty_url) as store:
        looked, refused = [await store.read(lambda c, i=i: dials.read(c, i)) for i in ("looked", "refused")]
    assert ("unknown", "not_found", None) == (looked.state, looked.resolution, looked.evidence)
    assert ("not_placed", None, "answer") == (refused.state, refused.resolution, refused.evidence)


@pytest.mark.parametrize(
    "statement",
    [
        DIAL_0001.format(id="dl_2", state="in_progress", evidence=""),
        "UPDATE dials SET state = 'not_placed', evidence = 'looked' WHERE dial_id = 'dl_1' AND sent_at = 1",
        "UPDATE dials SET state = 'in_progress', sent_at = 5, process = 'old' WHERE dial_id = 'dl_1'",
        "SELECT state FROM dials WHERE asked = 'hanoi' AND caller = '' ORDER BY sent_at",
    ],
)
async def test_a_process_of_an_older_version_can_write_no_dial(empty_url, known, statement):
    """It was running when the journal was migrated: it would say not_placed by looking, and dial again."""
    known(1)
    async with open_store(empty_url) as old:
        dial = text(DIAL_0001.format(id="dl_1", state="unknown", evidence=""))
        await old.write(lambda connection: connection.execute(dial).rowcount)
        known(99)
        async with open_store(empty_url):
            with pytest.raises(GatewayError):
                await old.write(lambda connection: connection.execute(text(statement)).rowcount)


async def test_a_newer_schema_is_refused(url):
    """It says which, and is left as it is."""
    async with open_store(url) as store:
        await store.write(
            lambda connection: connection.execute(text("UPDATE journal_version SET version_num = '9999'"))
        )

    for _ in range(2):
        with pytest.raises(ConfigError, match=r"journal\.url: the journal has schema 9999, .* update the gateway"):
            async with open_store(url):
                pass


async def test_many_may_open_a_new_database_at_once(empty_url):
    """Processes that start together migrate once."""
    code = (
        "import asyncio, sys\nfrom gateway.journal.store import open_store\n"
        "async def main():\n    async with open_store(sys.argv[1]) as store:\n        await store.probe()\n"
        "print(flush=True)\nsys.stdin.read()\nasyncio.run(main())"
    )
    command = [sys.executable, "-c", code, empty_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [await asyncio.create_subprocess_exec(*command, **pipes) for _ in range(4)]
    for child in children:
        await child.stdout.readline()  # it has imported everything
    said = await asyncio.gather(*(child.communicate(b"go") for child in children))

    assert [(b"", b"")] * 4 == said
    async with open_store(empty_url) as store:
        assert [] == await store.write(differences)


async def test_a_new_file_is_waited_for(tmp_path, monkeypatch):
    """SQLite refuses at once to change the mode of a file which another process just made and writes to."""
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("gateway.journal.engines.time.sleep", lambda seconds: other.execute("COMMIT"))

    async with open_store("sqlite:///gateway.db", beside=tmp_path) as store:
        await store.probe()
    other.close()


async def test_a_failed_migration_leaves_nothing(empty_url, tmp_path, monkeypatch):
    """Half a schema is none: the next start begins again."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "revision_0001.py").write_text(
        'import sqlalchemy as sa\nrevision, down_revision = "0001", None\n'
        'def upgrade(op):\n    op.create_table("events", sa.Column("x", sa.Text))\n    raise ValueError("stop")\n'
    )
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "_FOLDER", folder)
        with pytest.raises(ValueError, match="stop"):
            async with open_store(empty_url):
                pass

    async with open_store(empty_url) as store:
        assert [] == await store.write(differences)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 1, 6, 30, 0, 1, tzinfo=timezone(timedelta(hours=7))),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_a_time_is_kept_to_the_microsecond(moment):
    """There and back gives the same moment."""
    assert moment == schema.from_micros(schema.to_micros(moment))


async def test_a_key_may_be_absent_often_and_present_once(store):
    """Dials without an idempotency key do not stand in each other's way; two with the same key do."""
    fixed = {"account": "a", "asked": "a", "caller": "", "fingerprint": "f", "state": "placed", "request": "{}"}

    def dial(name, key):
        columns = fixed | {"dial_id": name, "idempotency_key": key, "created_at": 1, "process": "p"}
        return lambda connection: (
            connection.execute(
                schema.inserting(connection, schema.dials).values(columns).on_conflict_do_nothing()
            ).rowcount
        )

    found = await asyncio.gather(
        *(store.write(dial(*each)) for each in [("1", None), ("2", None), ("3", "k"), ("4", "k")])
    )

    assert [1, 1, 1, 0] == found
