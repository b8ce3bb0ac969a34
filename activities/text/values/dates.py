"""Finds the dates in a text, in the forms in which people write them. Pure functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from activities.text.values.digits import is_one_script, plain_digits
from activities.text.values.months import months_named

FORMS = "2026-03-02, 02.03.2026, 2 March 2026 or March 2, 2026"
"""Forms that are always read, for messages."""

_YEARS = range(1600, 2400)
"""The years that are read. A year of another calendar (`1404`, `2569`) is outside of them."""

_TURN = 69
"""A year of two digits from here on is of the last century, as `strptime` has it."""

_TIME = (
    r"(?:[T ](?:[01]\d|2[0-4]|\d):[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?"
    r"(?: ?(?:Z|UTC|GMT|CET|CEST|[+-](?:0\d|1[0-4]):?[0-5]\d))?(?![\w:]))?"
)
_NUMERIC = re.compile(
    rf"(?<![\w./-])(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{4}}|\d{{1,2}}){_TIME}(?![\w/-]|[.:]\d|[T ]\d{{1,2}}:\d)"
)
_SIGNS = re.compile(
    r"(?<!\d)(\d{4})\s?[\u5e74\ub144]\s?(\d{1,2})\s?[\u6708\uc6d4]\s?(\d{1,2})\s?[\u65e5\u53f7\u865f\uc77c]"
)
"""2026\u5e743\u67082\u65e5 in Chinese and Japanese, and the same in Korean."""
_DAY_FIRST = re.compile(
    r"(?<![\w./\u2013-])(\d{1,2})(?:st|nd|rd|th|er|[.\u00ba\u00b0o])?[\s-]{0,3}(?:de |of )?\s{0,2}"
    r"([^\W\d_]{3,})\.?,?[\s-]{0,3}(?:de |del )?\s{0,2}(\d{4})(?![\w/-]|\.\d)"
)
_MARKED = re.compile(r"(?<![\w./-])(\d{1,2})([./-]?)([^\W\d_]{3,})\.?\2(\d{4}|\d{2})(?![\w/-]|[.:]\d)")
"""03-Mar-26, 03/Mar/2026, 03Mar26: between marks a year may have two digits."""
_SHORT_YEAR = re.compile(r"(?<![\w./-])(\d{1,2})\.?[\s-]([^\W\d_]{3,})\.?,?[\s-]['\u2019](\d{2})(?!\w)")
_MONTH_FIRST = re.compile(
    r"(?<![\w./-])([^\W\d_]{3,})(?:\.?\s{1,3}|[./-])(\d{1,2})(?:st|nd|rd|th)?(?:,?\s{1,3}|[./-])(\d{4})(?![\w/-]|\.\d)"
)
_YEAR_FIRST = re.compile(r"(?<![\w./-])(\d{4})([/-])([^\W\d_]{3,})\2(\d{1,2})(?![\w/-])")


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

    `05/06/2026` has two readings unless `day_first` says which one applies; `05.06.2026` is always a day first, and
    `26-03-02` may also begin with the year. A time and a zone belong to the date, and the day is the one that is
    written. Digits of other scripts are read; a day that no calendar has is none.
    """
    plain = plain_digits(text)
    spans: set[tuple[int, int]] = set()
    for start, end, days in _found(plain, day_first):
        if (start, end) in spans:
            continue
        spans.add((start, end))
        readings = dict.fromkeys(day.isoformat() for day in days if day is not None)
        if readings and is_one_script(text[start:end]):
            yield Written(start, end, tuple(readings))


def _found(plain: str, day_first: bool | None) -> Iterator[tuple[int, int, list[date | None]]]:  # noqa: FBT001
    for match in _NUMERIC.finditer(plain):
        yield *match.span(), _numeric_days(match, day_first)
    for match in _SIGNS.finditer(plain):
        yield *match.span(), [_day(match[1], match[2], match[3])]
    for match in (*_DAY_FIRST.finditer(plain), *_SHORT_YEAR.finditer(plain)):
        yield *match.span(), [_day(match[3], month, match[1]) for month in months_named(match[2])]
    for match in _MARKED.finditer(plain):
        yield *match.span(), [_day(match[4], month, match[1]) for month in months_named(match[3])]
    for match in _MONTH_FIRST.finditer(plain):
        yield *match.span(), [_day(match[3], month, match[2]) for month in months_named(match[1])]
    for match in _YEAR_FIRST.finditer(plain):
        yield *match.span(), [_day(match[1], month, match[4]) for month in months_named(match[3])]


def _numeric_days(match: re.Match[str], day_first: bool | None) -> list[date | None]:  # noqa: FBT001
    first, mark, second, third = match[1], match[2], match[3], match[4]
    if len(first) == len("2026"):
        return [_day(first, second, third)] if len(third) <= len("17") else []
    if len(first) > len("17") or len(third) == 1:
        return []
    by_day, by_month = _day(third, second, first), _day(third, first, second)
    if mark == ".":
        return [by_day]
    if day_first is not None:
        return [by_day if day_first else by_month]
    by_year = _day(first, second, third) if len(first) == len(third) == len("26") else None
    return [by_day, by_month, by_year]


def is_day_first(text: str) -> bool | None:
    """Return True for `17/04/2026`, False for `04/17/2026`; None if no date of the text shows it, or they disagree."""
    orders: set[bool] = set()
    for match in _NUMERIC.finditer(plain_digits(text)):
        if match[2] == "." or len(match[1]) > len("17") or len(match[4]) != len("2026"):
            continue
        by_day, by_month = _day("2000", match[3], match[1]), _day("2000", match[1], match[3])
        if (by_day is None) != (by_month is None):
            orders.add(by_day is not None)
    return orders.pop() if len(orders) == 1 else None


def _day(year: str, month: str | int, day: str) -> date | None:
    full = int(year)
    if len(year) <= len("26"):
        full += 1900 if full >= _TURN else 2000
    try:
        return date(full, int(month), int(day)) if full in _YEARS else None
    except ValueError:
        return None
