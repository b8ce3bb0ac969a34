"""Finds the dates in a text, in the forms in which people write them. Pure functions."""

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
"""The fewest letters of an abbreviated month."""

_YEARS_OF_TWO_DIGITS = 2000

_NUMERIC = re.compile(r"(?<![\w./-])(\d{1,4})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_DAY_FIRST = re.compile(
    r"(?<!\w)(\d{1,2})(?:st|nd|rd|th|er|[.ºo])?[\s-]{0,3}(?:de |of )?\s{0,2}"
    r"([^\W\d_]{3,})\.?,?[\s-]{0,3}(?:de |del )?\s{0,2}(\d{4})(?!\w)"
)
_MONTH_FIRST = re.compile(r"(?<!\w)([^\W\d_]{3,})\.?\s{1,3}(\d{1,2})(?:st|nd|rd|th)?,?\s{1,3}(\d{4})(?!\w)")


@dataclass(frozen=True)
class Written:
    """A date or a number in a text, with its possible readings."""

    start: int
    end: int
    """One past its last character."""
    readings: tuple[str, ...]
    """The canonical forms, the most usual first; more than one if it is ambiguous."""


def dates(text: str, *, day_first: bool | None = None) -> Iterator[Written]:
    """Return the dates in a text, each as `2026-04-17`; no order is promised.

    `05/06/2026` has two readings unless `day_first` says which one applies; `05.06.2026` is always a day first.
    """
    for match in _NUMERIC.finditer(text):
        first, mark, second, third = match[1], match[2], int(match[3]), match[4]
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
        yield from _written(match, days)
    for match in _DAY_FIRST.finditer(text):
        yield from _written(match, [_day(int(match[3]), month, int(match[1])) for month in _month(match[2])])
    for match in _MONTH_FIRST.finditer(text):
        yield from _written(match, [_day(int(match[3]), month, int(match[2])) for month in _month(match[1])])


def is_day_first(text: str) -> bool | None:
    """Return True for `17/04/2026`, False for `04/17/2026`; None if no date of the text shows it, or they disagree."""
    orders: set[bool] = set()
    for match in _NUMERIC.finditer(text):
        if match[2] == "." or len(match[1]) > len("17"):
            continue
        by_day, by_month = _day(2000, int(match[3]), int(match[1])), _day(2000, int(match[1]), int(match[3]))
        if (by_day is None) != (by_month is None):
            orders.add(by_day is not None)
    return orders.pop() if len(orders) == 1 else None


def _written(match: re.Match[str], days: list[date | None]) -> Iterator[Written]:
    readings = dict.fromkeys(day.isoformat() for day in days if day is not None)
    if readings:
        yield Written(match.start(), match.end(), tuple(readings))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month(word: str) -> list[int]:
    """Return the month of this name or abbreviation; none if it is another word or may be two months."""
    word = word.casefold()
    months = [
        number
        for number, names in enumerate(_NAMES, start=1)
        if len(word) >= _SHORTEST and any(name.startswith(word) for name in names.split())
    ]
    return months if len(months) == 1 else []
