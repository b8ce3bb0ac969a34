"""Opens the database that the settings name."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from activities.adapters.databases.database import Database
from activities.settings import Settings

FILE = "perdure.db"
"""The SQLite file in the state folder, used where the settings name no server."""


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncGenerator[Database]:
    """Open the database until the context ends. It connects and brings its tables up to date at its first use.

    Raises `StorageFailed` where the address of PostgreSQL cannot be parsed.
    """
    database = _database_for(settings)
    try:
        yield database
    finally:
        await database.dispose()


def _database_for(settings: Settings) -> Database:
    config = settings.database
    if config.postgres is not None:
        from activities.adapters.databases.postgres_database import open_postgres

        return open_postgres(config.postgres.get_secret_value(), config.patience_seconds)
    from activities.adapters.databases.sqlite_database import open_sqlite

    return open_sqlite(settings.paths.state / FILE, patience=config.patience_seconds)
