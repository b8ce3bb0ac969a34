"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], bool], *, what: str, seconds: float = 30) -> None:
    """Poll until it is true; fail with `what` was awaited after so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.02)
