"""Stores what has happened already, however long the store is away: within the time that the activity has."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from activities.ports import PortError
from activities.waiting import elapsed

Stored = TypeVar("Stored")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two tries; each pause is twice the one before."""


async def until_stored(store: Callable[[], Awaitable[Stored]], until: float) -> Stored:
    """Store it, and try again while the store is away, until `until` by `elapsed.elapsed`.

    It was paid for, or it has changed the world: giving up at the first error would lose it. Raises the last error.
    """
    pause = SHORTEST_PAUSE
    while True:
        try:
            return await store()
        except PortError as error:
            if not error.outage or elapsed.elapsed() + pause > until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
