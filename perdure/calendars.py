"""Calendar expressions in Temporal's format: ranges of numbers, each within the bounds of its field."""

from typing import NamedTuple

from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from perdure.contracts.contract import BadInput
from perdure.contracts.runs.schedules import Calendar


class _Bounds(NamedTuple):
    least: int
    most: int


_FIELDS = {
    "second": _Bounds(0, 59),
    "minute": _Bounds(0, 59),
    "hour": _Bounds(0, 23),
    "day_of_month": _Bounds(1, 31),
    "month": _Bounds(1, 12),
    "year": _Bounds(2000, 9999),
    "day_of_week": _Bounds(0, 6),
}


def calendar_spec(calendar: Calendar) -> ScheduleCalendarSpec:
    """Return the calendar in Temporal's format. Raises `BadInput` for a number out of its field's bounds."""

    def ranges(name: str) -> tuple[ScheduleRange, ...]:
        return tuple(_range(name, part) for part in getattr(calendar, name).split(","))

    return ScheduleCalendarSpec(
        second=ranges("second"),
        minute=ranges("minute"),
        hour=ranges("hour"),
        day_of_month=ranges("day_of_month"),
        month=ranges("month"),
        year=() if calendar.year == "*" else ranges("year"),  # no range means every year
        day_of_week=ranges("day_of_week"),
    )


def _range(name: str, part: str) -> ScheduleRange:
    bounds = _FIELDS[name]
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    begin = bounds.least if span == "*" else int(first)
    end = bounds.most if span == "*" or (step and not last) else int(last or first)
    if not bounds.least <= begin <= end <= bounds.most:
        raise BadInput(
            f"calendar.{name}: there is no {part!r}: use {bounds.least} to {bounds.most}, the smaller number first"
        )
    if step and int(step) == 0:
        raise BadInput(f"calendar.{name}: the step of {part!r} is nothing: use 1 or more")
    return ScheduleRange(begin, end, int(step or 1))
