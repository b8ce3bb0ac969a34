"""Work that runs side by side, and is called off together: nothing goes on behind a run's back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def called_off(*tasks: asyncio.Task[Any]) -> AsyncGenerator[list[asyncio.Task[Any]]]:
    """At the end call off whatever is still going on, and wait until it is settled: its cost is known by then.

    Yields the list of tasks, to which more may be added.
    """
    pending = list(tasks)
    dropped = False
    try:
        yield pending
    except GeneratorExit:
        # The worker forgets the run, which goes on elsewhere: nothing is decided or waited for here any more.
        dropped = True
        raise
    finally:
        if not dropped:
            unfinished = [task for task in pending if not task.done()]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
