"""What every database promises to its stores."""

import asyncio

import pytest
from sqlalchemy import Connection, text

from activities.adapters.databases.database import Database

MAKE = text("CREATE TABLE counters (name VARCHAR PRIMARY KEY, number INTEGER NOT NULL)")
BEGIN = text("INSERT INTO counters VALUES ('one', 0)")
READ = text("SELECT number FROM counters WHERE name = 'one'")
SET = text("UPDATE counters SET number = :number WHERE name = 'one'")


async def counter(database: Database) -> None:
    def make(connection: Connection) -> None:
        connection.execute(MAKE)
        connection.execute(BEGIN)

    await database.write(make)


def count(connection: Connection) -> int:
    """Read the count, then write the next: an update is lost if another writer comes in between."""
    number: int = connection.execute(READ).scalar_one() + 1
    connection.execute(SET, {"number": number})
    return number


async def test_no_other_writer_interleaves_with_a_transaction(database: Database, reopened: Database) -> None:
    await counter(database)
    counts = await asyncio.gather(*(one.write(count) for one in [database, reopened] * 15))
    assert sorted(counts) == list(range(1, 31))
    assert await reopened.read(lambda connection: connection.execute(READ).scalar_one()) == 30


async def test_nothing_of_a_transaction_that_raises_is_kept(database: Database) -> None:
    await counter(database)

    def fail(connection: Connection) -> None:
        count(connection)
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await database.write(fail)
    assert await database.write(count) == 1


async def test_a_reader_waits_for_no_writer_and_sees_one_state(database: Database, reopened: Database) -> None:
    await counter(database)
    read, written = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def twice(connection: Connection) -> tuple[int, int]:
        first: int = connection.execute(READ).scalar_one()
        loop.call_soon_threadsafe(read.set)
        asyncio.run_coroutine_threadsafe(written.wait(), loop).result(20)
        return first, connection.execute(READ).scalar_one()

    reading = asyncio.create_task(database.read(twice))
    await read.wait()
    assert await reopened.write(count) == 1
    written.set()
    assert await reading == (0, 0)
