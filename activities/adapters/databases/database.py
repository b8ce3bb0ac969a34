"""The port between the SQL stores and a database: transactions that happen completely or not at all."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy.engine import Connection

from activities.adapters.databases.migrations import SchemaUpgrade

Result = TypeVar("Result")


class Database(Protocol):
    """A database for stores; one object for each process. It brings its tables up to date at its first use.

    Each transaction runs completely on one of the database's own threads: one hop between threads for a transaction,
    since a hop for each statement would cost more than the statement.
    """

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction that no other writer interleaves with; it is on disk afterwards.

        `work` is repeated where another writer interfered or the connection broke, even during the commit. So it must
        be safe to repeat after a commit, and must change nothing outside the database.
        Raises `StorageFull`, `StorageFailed`; the transaction is then not acknowledged.
        """
        ...

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` on a snapshot, without waiting for writers. It may be repeated. Raises `StorageFailed`."""
        ...

    async def bring_up(self) -> SchemaUpgrade:
        """Create or upgrade the tables, as the first use does; one process at a time.

        Raises `StorageFull`, `StorageFailed`.
        """
        ...

    async def dispose(self) -> None:
        """Finish the running transactions and close every connection."""
        ...
