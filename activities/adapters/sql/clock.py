"""The clock beside the database: whatever worker asks, times that are compared come from one clock."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from activities.adapters.databases.database import Database


def now(connection: Connection) -> datetime:
    """The time by the database's own clock, UTC; for use within a transaction, whose beginning it does not mean.

    PostgreSQL says its server's. A file of SQLite is on one machine with all who open it, so that is this machine's.
    """
    if connection.dialect.name == "postgresql":
        return connection.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)
    return datetime.now(UTC)


class DatabaseClock:
    """A `Clock`."""

    def __init__(self, database: Database) -> None:
        """Any number of stores may share the database."""
        self._database = database

    async def now(self) -> datetime:
        """The time, UTC. Raises `StorageFailed`."""
        return await self._database.read(now)
