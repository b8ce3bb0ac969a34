"""Remembers by digest which work was stopped at a limit, so that the same text costs one process and no more."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from activities.adapters.foreign_work.limits import Exceeded

MOST = 10_000
"""The most that is remembered; the oldest is forgotten first."""


class StoppedWork:
    """The digests of stopped work, in this process."""

    def __init__(self, keep: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._keep = keep.total_seconds()
        self._clock = clock
        self._stopped: dict[bytes, tuple[float, str, Exceeded]] = {}

    def add(self, digest: bytes, exceeded: Exceeded, by: str = "") -> None:
        """Remember work that was stopped; `by` names what ran away on it."""
        self._stopped.pop(digest, None)
        self._stopped[digest] = self._clock() + self._keep, by, exceeded
        if len(self._stopped) > MOST:
            del self._stopped[next(iter(self._stopped))]

    def reason(self, digest: bytes) -> Exceeded | None:
        """Return the limit that stopped this work; None where it was not stopped lately."""
        found = self.by(digest)
        return None if found is None else found[1]

    def by(self, digest: bytes) -> tuple[str, Exceeded] | None:
        """Return what ran away on this work and the limit that stopped it; None where it was not stopped lately."""
        until, by, exceeded = self._stopped.get(digest, (0.0, "", Exceeded.TIME))
        return (by, exceeded) if self._clock() < until else None


def digest_of(function: str, arguments: Mapping[str, Any], payload: bytes) -> bytes:
    """Return the digest of a piece of work: 2 MiB take about 2 ms."""
    header = json.dumps([function, arguments], sort_keys=True, default=str).encode()
    return hashlib.sha256(header + b"\0" + payload).digest()
