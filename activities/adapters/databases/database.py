"""What the SQL stores need of a database: transactions that are done whole, or not at all."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy.engine import Connection

from activities.adapters.databases.migrations import Move

Result = TypeVar("Result")


class Database(Protocol):
    """A database for stores; one object for each process. It brings its tables up to date at its first use.

    Transactions run whole on threads of its own: a statement that hops between threads costs more than what it does,
    so one hop is made for each transaction.
    """

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction that no other writer interleaves with; it is on disk afterwards.

        `work` is done again where another writer came in between, and where the connection broke, even while the
        commit was on its way: it must be safe to repeat after it was committed, and change nothing outside.
        Raises `StorageFull`, `StorageFailed`; nothing of it is then acknowledged.
        """
        ...

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` on a snapshot; it waits for no writer. It may be done again. Raises `StorageFailed`."""
        ...

    async def bring_up(self) -> Move:
        """Make or upgrade the tables, as the first use does; one process at a time. Raises as `write` does."""
        ...

    async def dispose(self) -> None:
        """Finish what is in hand and close every connection."""
        ...
