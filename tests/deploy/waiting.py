"""A function that waits for a condition, with a deadline."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], bool], *, what: str, seconds: float = 30) -> None:
    """Poll until `true()` holds; fail with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.02)
