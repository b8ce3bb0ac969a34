"""Stores what has happened already, however long the store is away: within the time that the activity has."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio import activity

from activities.ports import PortError

Stored = TypeVar("Stored")

MARGIN = timedelta(seconds=5)
"""Before the end of the activity's time: what cannot be stored by then is told as an error, which the run can read."""

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between two tries, the last of which stays."""


async def until_stored(store: Callable[[], Awaitable[Stored]]) -> Stored:
    """Store it, and try again while the store is away. Raises the last error where the time is over.

    It was paid for, or it has changed the world: giving up at the first error would lose it.
    """
    info = activity.info()
    until = info.started_time + (info.start_to_close_timeout or timedelta()) - MARGIN
    tries = 0
    while True:
        try:
            return await store()
        except PortError as error:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            if not error.outage or datetime.now(UTC) + timedelta(seconds=pause) >= until:
                raise
        tries += 1
        await asyncio.sleep(pause)
