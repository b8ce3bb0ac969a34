"""Measures what an event loop does: the processor time of each callback, and the longest time between two turns."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

RUN = "_run"
"""The method of asyncio that runs a callback; there is no public one to measure each."""
TICK = 0.01
"""The seconds between two looks."""


@dataclass
class LoopWatch:
    """What was measured."""

    callbacks: int = 0
    longest_callback: float = 0.0
    """The most processor time of one callback, in seconds."""
    which: str = ""
    """That callback."""
    longest_gap: float = 0.0
    """The longest time for which the loop did not turn, in seconds by the wall clock."""


@contextmanager
def watched_loop() -> Generator[LoopWatch]:
    """Measure the running loop until the end of the block."""
    watch = LoopWatch()
    handle = cast("Any", asyncio.Handle)
    run = getattr(handle, RUN)

    def measured(self: Any) -> None:
        started = time.thread_time()
        run(self)
        spent = time.thread_time() - started
        watch.callbacks += 1
        if spent > watch.longest_callback:
            watch.longest_callback, watch.which = spent, repr(self)[:300]

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            watch.longest_gap = max(watch.longest_gap, now - last - TICK)
            last = now

    setattr(handle, RUN, measured)
    ticking = asyncio.get_running_loop().create_task(tick())
    try:
        yield watch
    finally:
        ticking.cancel()
        setattr(handle, RUN, run)
