"""A full disk, as the database reports it: SQLite may not grow, PostgreSQL raises the error of a full disk."""

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
    """Keep the database from growing while the context lasts; on PostgreSQL, only these tables."""
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
    await _execute(database, _FULL, *triggers)
    try:
        yield
    finally:
        await _execute(database, "DROP FUNCTION full_disk CASCADE")


async def _execute(database: Database, *statements: str) -> None:
    for statement in statements:
        await database.write(lambda connection, statement=statement: connection.execute(text(statement)))


def _no_more_pages(connection: Any, _: object) -> None:
    """Limit the pages to one: SQLite then takes the number of existing pages as the limit."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA max_page_count=1")
    cursor.close()
