"""Retries a write while the store is away, for as long as the activity has time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from activities.ports import PortError
from activities.waiting import elapsed

Stored = TypeVar("Stored")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""The pauses between two tries, in seconds; each is twice the one before."""


async def until_stored(store: Callable[[], Awaitable[Stored]], until: float) -> Stored:
    """Call `store`, and again while the store is away, up to the time `until` of `elapsed.elapsed`.

    The result was paid for, or records a change of the world, and must not be lost at the first error. Raises the
    last error.
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
