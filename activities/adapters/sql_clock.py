"""The clock beside the database: all workers that share the one share the other."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from activities.adapters.sql_database import Database

_NOW = text("SELECT clock_timestamp()")


def now(connection: Connection) -> datetime:
    """The time, UTC, for use within a transaction.

    PostgreSQL's is its server's. A SQLite file is on the disk of one machine, whose clock all of its workers read.
    """
    if connection.dialect.name == "postgresql":
        return connection.execute(_NOW).scalar_one().astimezone(UTC)
    return datetime.now(UTC)


class DatabaseClock:
    """A `Clock`."""

    def __init__(self, database: Database) -> None:
        """The database that the workers share."""
        self._database = database

    async def now(self) -> datetime:
        """The time, UTC. Raises `StorageFailed`."""
        return await self._database.read(now)
