"""What must not be lost, once something was sent: it is written down as soon as the store takes it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from activities.ports import PortError

Done = TypeVar("Done")

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two tries."""


async def once_it_can(work: Callable[[], Awaitable[Done]]) -> Done:
    """Do `work`, again and again while what it needs is away. The effect's own time and its cancellation end that.

    The money is spent, or the call is made: to give up here would make another attempt pay again, or ask a person.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return await work()
        except PortError as error:
            if not error.outage:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
