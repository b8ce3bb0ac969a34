"""Judges whether work that the clock stopped is to blame for it, or only met a busy machine."""

from dataclasses import dataclass

LONG = 0.25
"""The seconds of processor time after which work counts as long."""


@dataclass(frozen=True)
class Clocked:
    """How the time of work went that did not end within it, all in seconds."""

    limit: float
    """The time by the clock that it had."""
    watched: float
    """How much of it the worker looked on: a worker that is frozen, or has no processor, sees nothing."""
    used: float
    """The processor time that it used."""
    queued: float
    """How long it could have run, but others had the processor."""


def to_blame(work: Clocked) -> bool:
    """Return whether the same work would not end the next time either, on a machine with nothing else to do.

    What used the processor for long is to blame. So is what used little of it, but was kept from it for less than half
    of the time: it waits by itself. The rest met a busy machine or a worker that stood still, and may be tried again.
    """
    if work.used > LONG:
        return True
    return work.watched >= work.limit / 2 and work.queued < work.limit / 2
