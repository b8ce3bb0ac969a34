"""Measures elapsed time by this process's monotonic clock, which no setting of a clock can change."""

import time
from collections import OrderedDict
from datetime import datetime, timedelta

from temporalio import activity

from perdure.contracts.chains.steps import StepKey

LATE = 5.0
"""The longest time from asking the ledger to the call, in seconds. After that an attempt does not call any more: its
process stood still, and others may have been told that it never calls."""

ENDING = 2.0
"""The part of an activity's time that is kept for its end, in seconds."""

REMEMBERED = 4096
"""The most intents whose first sight a process remembers."""

Intent = tuple[StepKey, int, datetime | None]


def elapsed() -> float:
    """Return the seconds of a monotonic clock, one that also runs while the machine sleeps if there is any."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def seconds_left() -> float:
    """Return an activity's whole time for work, in seconds; 0 outside of an activity, where nothing may wait."""
    limit = activity.info().start_to_close_timeout if activity.in_activity() else None
    return 0.0 if limit is None else max(0.0, limit.total_seconds() - ENDING)


class SeenIntents:
    """Remembers when this process first saw each intent."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Intent, float] = OrderedDict()

    def since(self, key: StepKey, attempt: int, intended_at: datetime | None) -> timedelta:
        """Return the time since an intent was first seen, which may be now."""
        intent = (key, attempt, intended_at)
        first = self._seen.setdefault(intent, elapsed())
        self._seen.move_to_end(intent)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return timedelta(seconds=elapsed() - first)
