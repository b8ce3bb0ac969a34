"""Decides what to do when a part of a stack has died: start it again, or stop the stack after too many restarts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

LIMIT = 3
"""The most restarts of one part within a window."""

WINDOW = 60.0
"""The length of a window, in seconds."""

PAUSES = (0.0, 1.0, 3.0)
"""The pause before the first, second and third restart within a window, in seconds: what broke a part may pass."""


@dataclass(frozen=True)
class Restart:
    """Start the part again, at this time."""

    at: float
    number: int
    """Which restart it is within the window, from 1 on."""


@dataclass(frozen=True)
class GiveUp:
    """Stop the stack: the part has died too often within the window."""


Step: TypeAlias = Restart | GiveUp


@dataclass(frozen=True)
class Restarts:
    """The recent restarts of every part. Times are seconds of a clock that never goes back."""

    times: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    """The times of each part's restarts, the oldest first."""

    def after_death(self, part: str, now: float) -> tuple[Step, "Restarts"]:
        """Return what to do about a part that died now, and the restarts with that step."""
        recent = tuple(time for time in self.times.get(part, ()) if time > now - WINDOW)
        if len(recent) >= LIMIT:
            return GiveUp(), self
        at = now + PAUSES[len(recent)]
        return Restart(at, len(recent) + 1), Restarts({**self.times, part: (*recent, at)})
