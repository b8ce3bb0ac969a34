"""Wait until a condition is true, with a deadline: `until` in a coroutine, `wait_until` in blocking code."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(
    true: Callable[[], bool | Awaitable[bool]], *, what: str, seconds: float = 60, every: float = 0.02
) -> None:
    """Poll the condition until it is true. Fail with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (await answer if inspect.isawaitable(answer := true()) else answer):
        _fail_after(deadline, seconds, what)
        await asyncio.sleep(every)


def wait_until(true: Callable[[], bool], *, what: str, seconds: float = 30) -> None:
    """Poll the condition until it is true, and block meanwhile. Fail with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        _fail_after(deadline, seconds, what)
        time.sleep(0.02)


def _fail_after(deadline: float, seconds: float, what: str) -> None:
    assert time.monotonic() < deadline, f"waited {seconds} s, and still not: {what}"
