"""Cancels and awaits the tasks of a run that still work, so that none of them outlives the run."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Await the last work of a run, and finish it even where the run is cancelled meanwhile."""
    task = asyncio.create_task(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


@asynccontextmanager
async def cancel_on_exit(*tasks: asyncio.Task[Any]) -> AsyncGenerator[list[asyncio.Task[Any]]]:
    """Cancel the unfinished tasks on exit, and wait until they have ended: their cost is known by then.

    Yields the list of tasks, to which the caller may add more.
    """
    pending = list(tasks)
    evicted = False
    try:
        yield pending
    except GeneratorExit:
        # The worker evicts the run, which goes on elsewhere: nothing may be cancelled or awaited here any more.
        evicted = True
        raise
    finally:
        if not evicted:
            unfinished = [task for task in pending if not task.done()]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
