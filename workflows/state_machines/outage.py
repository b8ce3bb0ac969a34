"""Pauses between attempts during an outage. Pure."""

from datetime import timedelta

FIRST_PAUSE = timedelta(seconds=1)
"""The pause after the first attempt, where the caller names no other."""

LONGEST_PAUSE = timedelta(seconds=30)
"""The longest pause between two attempts: a run goes on at most so long after the outage."""


def pause(times: int, first: timedelta = timedelta(0), asked: timedelta | None = None) -> timedelta:
    """Return the pause after so many outages in a row: doubled each time, no shorter than the service `asked` for."""
    doubled = min((first or FIRST_PAUSE) * 2 ** min(times - 1, 20), LONGEST_PAUSE)
    return doubled if asked is None else max(doubled, asked)


def lasted(time: timedelta) -> str:
    """Return a duration in whole seconds, as people read it: `2 days, 3:04:05`."""
    return str(timedelta(seconds=round(time.total_seconds())))
