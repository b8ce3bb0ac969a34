"""Waiting in a coroutine for something to become true, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(
    true: Callable[[], bool | Awaitable[bool]], *, what: str, seconds: float = 60, every: float = 0.02
) -> None:
    """Poll until it is true; fail with `what` was awaited after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (await answer if inspect.isawaitable(answer := true()) else answer):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        await asyncio.sleep(every)
