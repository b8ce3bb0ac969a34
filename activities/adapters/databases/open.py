"""Opens the database that the settings name."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from activities.adapters.databases.database import Database
from activities.settings import Settings

FILE = "perdure.db"
"""The file under the state where no server is named."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncGenerator[Database]:
    """The database, for as long as the context lasts; it connects, and brings its tables up to date, at its first use.

    Raises `StorageFailed` where the address of PostgreSQL cannot be read.
    """
    database = _opened(settings)
    try:
        yield database
    finally:
        await database.dispose()


def _opened(settings: Settings) -> Database:
    named = settings.database
    if named.postgres is not None:
        from activities.adapters.databases.postgres_database import open_postgres

        return open_postgres(named.postgres.get_secret_value(), named.patience_seconds)
    from activities.adapters.databases.sqlite_database import open_sqlite

    return open_sqlite(settings.paths.state / FILE, patience=named.patience_seconds)
