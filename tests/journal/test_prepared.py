"""Prepared statements: they do what SQLAlchemy's own do, and fail as those fail."""

import pytest
from sqlalchemy import bindparam, func, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from gateway.journal.engines import transaction
from gateway.journal.prepared import Prepared, PreparedIn
from gateway.journal.schema import counters, positions
from tests import postgres

ADD = Prepared(insert(positions))
AMONG = PreparedIn(lambda wanted: select(positions.c.name, positions.c.value).where(positions.c.name.in_(wanted)))
NEAR = PreparedIn(
    lambda wanted: select(positions.c.name).where(
        positions.c.name.in_(wanted), positions.c.updated_at < bindparam("until")
    )
)


@pytest.fixture
def filled(store):
    """Writes positions `0` to `1199`, each with its number as its time."""

    async def fill(count=1_200):
        rows = [(str(number), f"value {number}", number) for number in range(count)]
        await store.write(lambda connection: ADD.write(connection, rows))

    return fill


async def test_rows_come_as_from_sqlalchemy(store, filled):
    """Parameters, values that are always the same, their order and a limit mean what they mean there."""
    await filled(20)
    query = (
        select(positions.c.name, positions.c.updated_at, literal("x"))
        .where(positions.c.updated_at >= bindparam("since"), positions.c.name != "7")
        .where(positions.c.value.in_((literal("value 5"), literal("value 7"), literal("value 9"))))
        .order_by(positions.c.updated_at.desc())
        .limit(2)
    )
    prepared, given = Prepared(query), {"since": 3}

    expected = await store.read(lambda connection: list(map(tuple, connection.execute(query, given))))
    assert [("9", 9, "x"), ("5", 5, "x")] == expected
    assert expected == await store.read(lambda connection: prepared.rows(connection, given))
    assert [] == await store.read(lambda connection: prepared.rows(connection, {"since": 10}))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 64, 65, 511, 512, 513, 1_100])
async def test_any_number_of_values_is_looked_for(store, filled, count):
    """Each is found once, whether or not they fill the statement that is made for so many."""
    await filled()
    wanted = [str(number) for number in range(count)]

    found = await store.read(lambda connection: AMONG.rows(connection, [*wanted, "none"]))

    assert sorted((name, f"value {name}") for name in wanted) == sorted(found)


async def test_values_are_looked_for_beside_parameters(store, filled):
    """A parameter holds for all values, also for those that another statement looks for."""
    await filled()
    wanted = [str(number) for number in range(1_200)]

    found = await store.read(lambda connection: NEAR.rows(connection, wanted, {"until": 900}))

    assert 900 == len(found)


async def test_a_change_says_how_many_rows_it_changed(store, filled):
    """None where there was none; the row that was changed comes back where that is asked for."""
    await filled(5)
    change = Prepared(
        update(positions).where(positions.c.updated_at < bindparam("until")).values(value=bindparam("new"))
    )
    take = Prepared(update(counters).values(value=counters.c.value + bindparam("count")).returning(counters.c.value))

    assert 3 == await store.write(lambda connection: change.change(connection, {"until": 3, "new": "x"}))
    assert 0 == await store.write(lambda connection: change.change(connection, {"until": 0, "new": "x"}))
    assert [(7,)] == await store.write(lambda connection: take.rows(connection, {"count": 7}))


async def test_no_rows_are_no_statement(store):
    """Writing none is nothing."""
    await store.write(lambda connection: ADD.write(connection, []))

    assert 0 == await store.read(lambda c: c.execute(select(func.count()).select_from(positions)).scalar_one())


@pytest.mark.parametrize(
    ("rows", "kind"),
    [([("a", "secret", 1), ("a", "secret", 2)], IntegrityError), ([("a", object(), 1)], StatementError)],
    ids=["twice", "wrong"],
)
async def test_what_fails_fails_as_in_sqlalchemy(store, rows, kind):
    """The error is its own, holds no rows, and the transaction is rolled back."""
    with pytest.raises(kind) as raised, transaction(store._writer) as connection:
        ADD.write(connection, rows)

    assert "secret" not in repr(raised.value.params)
    assert isinstance(raised.value.orig, Exception)
    assert [] == await store.read(lambda connection: AMONG.rows(connection, ["a"]))


@pytest.mark.parametrize("kind", ["postgresql"] if postgres.wanted() else [], indirect=True)
async def test_a_lost_connection_is_not_used_again(store):
    """The error says that it is lost, and the next transaction has another one."""

    def lose(connection):
        own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(store._reader) as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": own})
        ADD.write(connection, [("a", "b", 1)])

    with pytest.raises(DBAPIError) as raised, transaction(store._writer) as connection:
        lose(connection)
    await store.write(lambda connection: ADD.write(connection, [("a", "c", 1)]))

    assert raised.value.statement.startswith("INSERT")  # and not what failed after it, to roll it back
    assert raised.value.connection_invalidated
    assert [("a", "c")] == await store.read(lambda connection: AMONG.rows(connection, ["a"]))
