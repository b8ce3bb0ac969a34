"""The database's clock: times that are compared come from one clock, whichever worker reads it."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from activities.adapters.databases.database import Database


def now(connection: Connection) -> datetime:
    """Return the current time by the database's own clock, UTC; within a transaction it is not the time of its start.

    On PostgreSQL it is the server's time. A SQLite file is on the same machine as every process that opens it, so
    there it is this machine's time.
    """
    if connection.dialect.name == "postgresql":
        return connection.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)
    return datetime.now(UTC)


class DatabaseClock:
    """A `Clock`."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def now(self) -> datetime:
        """Return the current time, UTC. Raises `StorageFailed`."""
        return await self._database.read(now)
