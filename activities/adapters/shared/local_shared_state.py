"""Shared state within one process: enough for a worker that is alone, and each worker for itself otherwise."""

import time
from collections.abc import Callable
from datetime import timedelta

from activities.ports import SharedKey

SWEEP_FROM = 1000
"""Values from which on those whose time is over are looked for, each time their number has doubled."""


class LocalSharedState:
    """A `SharedState`. Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._values: dict[SharedKey, tuple[float, bytes]] = {}
        self._sweep_at = SWEEP_FROM

    async def get(self, key: SharedKey) -> bytes | None:
        """The value, if its time is not over."""
        until, value = self._values.get(key, (0.0, b""))
        return value if self._clock() < until else None

    async def put(self, key: SharedKey, value: bytes, ttl: timedelta) -> None:
        """Set the value."""
        self._values[key] = self._clock() + ttl.total_seconds(), value
        if len(self._values) >= self._sweep_at:
            now = self._clock()
            self._values = {kept: held for kept, held in self._values.items() if now < held[0]}
            self._sweep_at = max(SWEEP_FROM, 2 * len(self._values))

    async def swap(self, key: SharedKey, expected: bytes | None, new: bytes, ttl: timedelta) -> bool:
        """Set the value where it is what was expected. Nothing here waits, so nobody comes in between."""
        if await self.get(key) != expected:
            return False
        await self.put(key, new, ttl)
        return True
