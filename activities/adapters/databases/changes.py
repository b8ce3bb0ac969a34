"""Waits for commits to a database file, whichever process makes them, on behalf of everybody in this process."""

import asyncio
import itertools
from datetime import timedelta

from activities.adapters.databases.sqlite_database import SqliteDatabase

CALM = 40
"""After so many looks without a change they come half as often."""


class Changes:
    """One look at a time, however many wait; nobody looks while nobody waits. Belongs to one event loop."""

    def __init__(self, database: SqliteDatabase, every: timedelta) -> None:
        """Look every so often."""
        self._database = database
        self._every = every.total_seconds()
        self._waiting = 0
        self._next: asyncio.Task[None] | None = None
        self.seen = 0
        """The database's version when it was last looked at; 0 before that. What is committed later changes it."""

    async def beyond(self, seen: int) -> None:
        """Wait until the version is another one than `seen`. Raises `StorageFailed`."""
        if self.seen != seen:
            return
        self._waiting += 1
        try:
            if self._next is None or self._next.done():
                self._next = asyncio.create_task(self._change())
            await asyncio.shield(self._next)
        finally:
            self._waiting -= 1
            if not self._waiting and self._next is not None:
                self._next.cancel()
                self._next = None

    async def _change(self) -> None:
        for looks in itertools.count():
            await asyncio.sleep(self._every * (1 if looks < CALM else 2))
            version = await self._database.version()
            if version != self.seen:
                self.seen = version
                return
