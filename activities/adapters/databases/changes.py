"""Waits for commits to a database file by any process, with one poll for all readers in this process."""

import asyncio
import itertools
from datetime import timedelta

from activities.adapters.databases.sqlite_database import SqliteDatabase

IDLE_LOOKS = 40
"""The number of looks without a change after which looks come half as often."""


class Changes:
    """The changes of one database file. One poll serves all waiting readers, and runs only while one waits.

    Belongs to one event loop.
    """

    def __init__(self, database: SqliteDatabase, every: timedelta) -> None:
        """Poll at intervals of `every`."""
        self._database = database
        self._every = every.total_seconds()
        self._waiting_readers = 0
        self._pending_look: asyncio.Task[None] | None = None
        self.version = 0
        """The database's version at the last look; 0 before the first. A later commit changes it."""

    async def wait_for_change(self, version: int) -> None:
        """Wait until the version differs from `version`. Raises `StorageFailed`."""
        if self.version != version:
            return
        self._waiting_readers += 1
        try:
            if self._pending_look is None or self._pending_look.done():
                self._pending_look = asyncio.create_task(self._look_until_changed())
            await asyncio.shield(self._pending_look)
        finally:
            self._waiting_readers -= 1
            if not self._waiting_readers and self._pending_look is not None:
                self._pending_look.cancel()
                self._pending_look = None

    async def _look_until_changed(self) -> None:
        for looks in itertools.count():
            await asyncio.sleep(self._every * (1 if looks < IDLE_LOOKS else 2))
            version = await self._database.version()
            if version != self.version:
                self.version = version
                return
