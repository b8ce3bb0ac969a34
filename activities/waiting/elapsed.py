"""How long ago something was, by this process's own clock: no other clock, and nobody who sets one, can mislead it."""

import time
from collections import OrderedDict
from datetime import datetime, timedelta

from temporalio import activity

from perdure.contracts.chains.steps import StepKey

LATE = 5.0
"""Seconds from asking the ledger after which an attempt does not call any more: its process stood still, and others may
have been told that it never will."""

ENDING = 2.0
"""Seconds of an activity's time that are left for its end."""

REMEMBERED = 4096
"""Intents of which a process remembers when it first saw them."""

Intent = tuple[StepKey, int, datetime | None]


def elapsed() -> float:
    """Seconds by a clock that nobody sets, and that runs on while the machine sleeps where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def seconds_left() -> float:
    """What is left of the activity's time at its beginning; nothing outside of an activity, where nobody may wait."""
    limit = activity.info().start_to_close_timeout if activity.in_activity() else None
    return 0.0 if limit is None else max(0.0, limit.total_seconds() - ENDING)


class SeenIntents:
    """When this process first saw each intent."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Intent, float] = OrderedDict()

    def since(self, key: StepKey, attempt: int, intended_at: datetime | None) -> timedelta:
        """How long ago it was first seen: nothing where that is now."""
        intent = (key, attempt, intended_at)
        first = self._seen.setdefault(intent, elapsed())
        self._seen.move_to_end(intent)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return timedelta(seconds=elapsed() - first)
