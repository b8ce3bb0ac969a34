"""How long what is away is left alone before it is asked again. Pure."""

from datetime import timedelta

FIRST_PAUSE = timedelta(seconds=1)
"""After the first time, where nothing else is said."""

LONGEST_PAUSE = timedelta(seconds=30)
"""Between two attempts at what is away: so soon a run goes on once it is back."""


def pause(times: int, first: timedelta = timedelta(0), asked: timedelta | None = None) -> timedelta:
    """How long to wait after this many times in a row: doubled each time, and no less than the world asked for."""
    doubled = min((first or FIRST_PAUSE) * 2 ** min(times - 1, 20), LONGEST_PAUSE)
    return doubled if asked is None else max(doubled, asked)


def lasted(time: timedelta) -> str:
    """A span in whole seconds, as people read it: `2 days, 3:04:05`."""
    return str(timedelta(seconds=round(time.total_seconds())))
