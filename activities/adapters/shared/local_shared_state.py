"""Keeps shared state within one process: enough for a single worker; several workers share nothing this way."""

import time
from collections.abc import Callable
from datetime import timedelta

from activities.ports import SharedKey

SWEEP_FROM = 1000
"""The number of values from which on expired ones are swept, each time the number has doubled."""


class LocalSharedState:
    """A `SharedState`. Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._values: dict[SharedKey, tuple[float, bytes]] = {}
        self._sweep_at = SWEEP_FROM

    async def get(self, key: SharedKey) -> bytes | None:
        """Return the value, or None where it has expired or was never set."""
        expires_at, value = self._values.get(key, (0.0, b""))
        return value if self._clock() < expires_at else None

    async def put(self, key: SharedKey, value: bytes, ttl: timedelta) -> None:
        """Set the value."""
        self._values[key] = self._clock() + ttl.total_seconds(), value
        if len(self._values) >= self._sweep_at:
            now = self._clock()
            self._values = {key: entry for key, entry in self._values.items() if now < entry[0]}
            self._sweep_at = max(SWEEP_FROM, 2 * len(self._values))

    async def swap(self, key: SharedKey, expected: bytes | None, new: bytes, ttl: timedelta) -> bool:
        """Set the value where it equals `expected`; return whether it did. Nothing here waits, so it is atomic."""
        if await self.get(key) != expected:
            return False
        await self.put(key, new, ttl)
        return True
