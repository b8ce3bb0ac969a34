"""Schedules: when they start runs, what happens where two runs would overlap, and the status of a schedule."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from perdure.contracts.contract import Contract, EdgeType, Name

ScheduleName = Name
"""Lower-case letters, digits and dashes, 1 to 63 characters, unique in its tenant."""

_RANGE = r"(\*|\d{1,4}(-\d{1,4})?)(/\d{1,4})?"

Ranges = Annotated[str, StringConstraints(pattern=rf"^{_RANGE}(,{_RANGE})*$")]
"""Numbers of one calendar field: `*`, `9`, `9-17`, `*/2`, `0-30/10`, or several of these with commas between them."""


class Overlap(StrEnum):
    """The rule for a firing while the run before is still running.

    Temporal could also terminate that run. It is not offered: a terminated run can neither report its spend nor cancel
    its tool calls.
    """

    SKIP = "skip"
    """Skip this firing."""
    BUFFER_ONE = "buffer_one"
    """Start the run when the one before is over. At most one waits."""
    BUFFER_ALL = "buffer_all"
    """Start all runs, one after the other."""
    CANCEL_OTHER = "cancel_other"
    """Cancel the run before, and start this one when that has ended."""
    ALLOW_ALL = "allow_all"
    """Let the runs overlap."""


class Calendar(Contract, metaclass=EdgeType):
    """A calendar expression: it names every moment at which all fields match."""

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
    """Four digits, 2000 or later."""
    day_of_week: Ranges = "*"
    """0 to 6, Sunday is 0."""


class Timetable(Contract, metaclass=EdgeType):
    """The times at which a schedule fires: every moment that `cron`, `calendars` or `every` names."""

    cron: tuple[str, ...] = ()
    """`0 9 * * 1-5`: minute, hour, day of the month, month, day of the week; `@daily` and the like."""
    calendars: tuple[Calendar, ...] = ()
    """Calendar expressions."""
    every: tuple[timedelta, ...] = ()
    """Intervals, counted from the epoch; one second at least."""
    time_zone: str | None = None
    """A name from the IANA database, `Europe/Oslo`; None for UTC."""
    begins: AwareDatetime | None = None
    """The moment of the earliest firing; None for now."""
    ends: AwareDatetime | None = None
    """The moment of the latest firing; None for no end."""
    jitter: timedelta = Field(default=timedelta(0), ge=timedelta(0))
    """The largest random delay of a firing, so that many schedules do not fire at once."""

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
    """The run's business id: the schedule's name, and the scheduled moment."""
    scheduled: datetime
    """The moment for which it was started, in UTC."""
    started: datetime
    """The moment when it was started, in UTC."""


class ScheduleStatus(Contract):
    """The status of a schedule."""

    name: str
    tenant: str
    kind: str
    """The workflow type that it starts: `chain` or `agent`."""
    agent: str | None = None
    """The name of the chain or of the agent."""
    paused: bool = False
    note: str = ""
    """Who paused or resumed it, and why; empty for no note."""
    overlap: Overlap | None = None
    """The rule for overlapping runs; None in a list, where it is not known."""
    next_times: tuple[datetime, ...] = ()
    """The next firings, the earliest first."""
    recent: tuple[Firing, ...] = ()
    """The last runs, the oldest first."""
    fired: int | None = None
    """The number of runs started; None in a list."""
    skipped: int | None = None
    """The number of firings skipped because a run was still running; None in a list."""
