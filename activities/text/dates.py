"""The days that a text states, in the forms in which people write them. Pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

_NAMES = (
    "january januar janvier enero janeiro",
    "february februar février fevrier febrero fevereiro",
    "march märz maerz mars marzo março marco",
    "april avril abril",
    "may mai mayo maio",
    "june juni juin junio junho",
    "july juli juillet julio julho",
    "august août aout agosto",
    "september septembre septiembre setembro",
    "october oktober octobre octubre outubro",
    "november novembre noviembre novembro",
    "december dezember desember décembre decembre diciembre dezembro",
)
"""English, German, Norwegian, French, Spanish and Portuguese, January first."""

_SHORTEST = 3
"""Letters that an abbreviated month has at least."""

_YEARS_OF_TWO_DIGITS = 2000

_NUMERIC = re.compile(r"(?<![\w./-])(\d{1,4})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_DAY_FIRST = re.compile(
    r"(?<!\w)(\d{1,2})(?:st|nd|rd|th|er|[.ºo])?[\s-]{0,3}(?:de |of )?\s{0,2}"
    r"([^\W\d_]{3,})\.?,?[\s-]{0,3}(?:de |del )?\s{0,2}(\d{4})(?!\w)"
)
_MONTH_FIRST = re.compile(r"(?<!\w)([^\W\d_]{3,})\.?\s{1,3}(\d{1,2})(?:st|nd|rd|th)?,?\s{1,3}(\d{4})(?!\w)")


@dataclass(frozen=True)
class Written:
    """Something that stands in a text, and what it can mean."""

    start: int
    end: int
    """One past its last character."""
    readings: tuple[str, ...]
    """Canonical forms, the more usual first; more than one where it is ambiguous."""


def dates(text: str, *, day_first: bool | None = None) -> Iterator[Written]:
    """The days in a text, each as `2026-04-17`; no order is promised.

    `05/06/2026` has two readings unless `day_first` says which one applies; `05.06.2026` is always a day first.
    """
    for found in _NUMERIC.finditer(text):
        first, mark, second, third = found[1], found[2], int(found[3]), found[4]
        if len(first) == len("2026"):
            days = [_day(int(first), second, int(third))]
        elif len(first) <= len("17"):
            year = int(third) if len(third) > len("26") else _YEARS_OF_TWO_DIGITS + int(third)
            by_day, by_month = _day(year, second, int(first)), _day(year, int(first), second)
            days = [by_day, by_month]
            if mark == "." or day_first is not None:
                days = [by_day if mark == "." or day_first else by_month]
        else:
            days = []
        yield from _written(found, days)
    for found in _DAY_FIRST.finditer(text):
        yield from _written(found, [_day(int(found[3]), month, int(found[1])) for month in _month(found[2])])
    for found in _MONTH_FIRST.finditer(text):
        yield from _written(found, [_day(int(found[3]), month, int(found[2])) for month in _month(found[1])])


def is_day_first(text: str) -> bool | None:
    """Whether a text writes `17/04/2026` or `04/17/2026`; None where none of its dates tells, or they disagree."""
    seen: set[bool] = set()
    for found in _NUMERIC.finditer(text):
        if found[2] == "." or len(found[1]) > len("17"):
            continue
        by_day, by_month = _day(2000, int(found[3]), int(found[1])), _day(2000, int(found[1]), int(found[3]))
        if (by_day is None) != (by_month is None):
            seen.add(by_day is not None)
    return seen.pop() if len(seen) == 1 else None


def _written(found: re.Match[str], days: list[date | None]) -> Iterator[Written]:
    readings = dict.fromkeys(day.isoformat() for day in days if day is not None)
    if readings:
        yield Written(found.start(), found.end(), tuple(readings))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month(word: str) -> list[int]:
    """The month of this name or abbreviation; none where it is another word or could be two months."""
    word = word.casefold()
    found = [
        number
        for number, names in enumerate(_NAMES, start=1)
        if len(word) >= _SHORTEST and any(name.startswith(word) for name in names.split())
    ]
    return found if len(found) == 1 else []
