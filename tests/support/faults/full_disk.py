"""A full disk, as the database itself tells of one: SQLite may not grow, PostgreSQL raises what it raises then."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text

from activities.adapters.databases.database import Database
from activities.adapters.databases.sqlite_database import SqliteDatabase

_FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END$$
"""


@asynccontextmanager
async def full_disk(database: Database, *tables: str) -> AsyncGenerator[None]:
    """While the context lasts, the database cannot grow; on PostgreSQL nothing is added to these tables."""
    if isinstance(database, SqliteDatabase):
        database.engine.dispose()
        event.listen(database.engine, "connect", _no_more_pages)
        try:
            yield
        finally:
            event.remove(database.engine, "connect", _no_more_pages)
            database.engine.dispose()
        return
    triggers = [
        f"CREATE TRIGGER full_disk BEFORE INSERT ON {each} FOR EACH ROW EXECUTE FUNCTION full_disk()" for each in tables
    ]
    await _done(database, _FULL, *triggers)
    try:
        yield
    finally:
        await _done(database, "DROP FUNCTION full_disk CASCADE")


async def _done(database: Database, *statements: str) -> None:
    for statement in statements:
        await database.write(lambda connection, statement=statement: connection.execute(text(statement)))


def _no_more_pages(connection: Any, _: object) -> None:
    """Of fewer pages than there are SQLite makes as many as there are."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA max_page_count=1")
    cursor.close()
