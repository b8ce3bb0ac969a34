"""Runs that a calendar starts: when, what happens where two would overlap, and how a schedule stands."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from perdure.contracts.contract import Contract, Name

ScheduleName = Name
"""Lower-case letters, digits and dashes, 1 to 63 characters, unique in its tenant."""

_RANGE = r"(\*|\d{1,4}(-\d{1,4})?)(/\d{1,4})?"

Ranges = Annotated[str, StringConstraints(pattern=rf"^{_RANGE}(,{_RANGE})*$")]
"""`*`, `9`, `9-17`, `*/2`, `0-30/10`, and several with commas between them."""


class Overlap(StrEnum):
    """What becomes of a firing whose run before goes on still.

    Temporal could also terminate that one: a terminated run cannot say what it spent, nor call its tools off.
    """

    SKIP = "skip"
    """This time nothing is started."""
    BUFFER_ONE = "buffer_one"
    """It starts when the one before is over; one waits at most."""
    BUFFER_ALL = "buffer_all"
    """All start, one after the other."""
    CANCEL_OTHER = "cancel_other"
    """The one before is cancelled, and this one starts once that has ended."""
    ALLOW_ALL = "allow_all"
    """They run side by side."""


class Calendar(Contract):
    """Moments by the calendar: those at which every field matches."""

    second: Ranges = "0"
    """0 to 59."""
    minute: Ranges = "0"
    """0 to 59."""
    hour: Ranges = "0"
    """0 to 23."""
    day_of_month: Ranges = "*"
    """1 to 31."""
    month: Ranges = "*"
    """1 to 12."""
    year: Ranges = "*"
    day_of_week: Ranges = "*"
    """0 to 6, Sunday is 0."""


class Timetable(Contract):
    """When a schedule fires: at every moment that one of these names."""

    cron: tuple[str, ...] = ()
    """`0 9 * * 1-5`: minute, hour, day of the month, month, day of the week; `@daily` and the like."""
    calendars: tuple[Calendar, ...] = ()
    every: tuple[timedelta, ...] = ()
    """An interval, counted from the epoch."""
    time_zone: str | None = None
    """A name of the IANA database, `Europe/Oslo`; None for UTC."""
    begins: AwareDatetime | None = None
    """Not before this moment."""
    ends: AwareDatetime | None = None
    """Not after this moment."""
    jitter: timedelta = Field(default=timedelta(0), ge=timedelta(0))
    """Each firing is late by a random part of this, so that many schedules do not fire at once."""

    @model_validator(mode="after")
    def _fires(self) -> Self:
        if not (self.cron or self.calendars or self.every):
            raise ValueError("says no time: give a cron expression, a calendar, or an interval")
        short = next((every for every in self.every if every < timedelta(seconds=1)), None)
        if short is not None:
            raise ValueError(f"every: {short} is too short: use a second or more")
        return self


class Firing(Contract):
    """One run that a schedule started."""

    business_id: str
    """The run's own name: the schedule's, and the moment for which it was started."""
    scheduled: datetime
    started: datetime


class ScheduleStatus(Contract):
    """How a schedule stands."""

    name: str
    tenant: str
    kind: str
    """What it starts: `chain` or `agent`."""
    agent: str | None = None
    """Which of them."""
    paused: bool = False
    note: str = ""
    """Who paused it and why."""
    overlap: Overlap | None = None
    """None in a list, which does not know it."""
    next_times: tuple[datetime, ...] = ()
    recent: tuple[Firing, ...] = ()
    """The last runs, the oldest first."""
    fired: int | None = None
    """Runs started; None in a list."""
    skipped: int | None = None
    """Firings that were not started because a run went on; None in a list."""
