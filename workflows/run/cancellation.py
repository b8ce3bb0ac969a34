"""Work that runs side by side, and is called off together: nothing goes on behind a run's back."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

Found = TypeVar("Found")


async def to_the_end(work: Coroutine[Any, Any, Found]) -> Found:
    """Do what ends a run, also where somebody cancels the run meanwhile: it ends as it was about to."""
    doing = asyncio.create_task(work)
    while True:
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            if doing.cancelled():
                raise


@asynccontextmanager
async def cancel_on_exit(*tasks: asyncio.Task[Any]) -> AsyncGenerator[list[asyncio.Task[Any]]]:
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
