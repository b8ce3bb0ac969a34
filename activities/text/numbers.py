"""Finds the numbers and amounts in a text, in the forms in which people write them. Pure functions."""

import re
from collections.abc import Iterator
from decimal import Decimal

from activities.text.dates import Written

_SPACES = " \u00a0\u202f\u2009"
_APOSTROPHES = "'\u2019"
_SIGN = "-\u2212\u2013"

_PLAIN = rf"\d+(?:[.,{_APOSTROPHES}]\d+)*"
_SPACED = rf"\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?:[.,]\d+)?"
_AFTER = r"(?!\d|-\d|:\d|/\d)(?:[ \u00a0]?(?P<times>million|mio|thousand)\b\.?)?"
_CURRENCIES = "EUR|USD|GBP|NOK|CAD|CHF|SEK|DKK|AUD|NZD|PLN|JPY"
_BEFORE = rf"(?:(?<![\w.,:/])(?<!\w-)|(?<={_CURRENCIES}))(?P<sign>(?<![\w)])[{_SIGN}][$€£]? ?)?"
_FORMS = tuple(re.compile(rf"{_BEFORE}(?P<digits>{digits}){_AFTER}", re.IGNORECASE) for digits in (_PLAIN, _SPACED))

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)

_TIMES = {"thousand": Decimal(1000), "million": Decimal(1_000_000), "mio": Decimal(1_000_000)}

_DIGITS = 24
"""The most digits of a number; with more it is an identifier."""
_GROUP = 3
"""The digits of a group of thousands."""
_CENTS = 2
"""The digits after the decimal mark of most amounts of money."""


def numbers(text: str, *, decimal_mark: str | None = None) -> Iterator[Written]:
    """Return the numbers in a text, as digits with a dot before the decimals: `1.234,50 EUR` is `1234.50`.

    `1.234` has two readings unless `decimal_mark`, a dot or a comma, says which one applies. No order is promised, and
    `12 890` is found as three numbers. Numbers inside names, codes, times and days (`CS-40`, `2026-0417`, `05:12`)
    are none.
    """
    for form in _FORMS:
        for match in form.finditer(text):
            readings = _readings(match["digits"], decimal_mark)
            times = (match["times"] or "").casefold()
            sign = "-" if match["sign"] else ""
            forms = [f"{sign}{_multiplied(reading, times)}" for reading in readings]
            if forms:
                yield Written(match.start(), match.end("digits") if not times else match.end(), tuple(forms))


def number_words(text: str) -> Iterator[Written]:
    """Return the numbers up to twelve that a text writes as English words."""
    for match in _WORD.finditer(text):
        yield Written(match.start(), match.end(), (str(_WORDS.index(match[0].casefold())),))


def decimal_mark_of(text: str) -> str | None:
    """Return the decimal mark of a text; None if its numbers do not show it, or disagree.

    A number with both marks shows it for certain. Without such a number, one with two decimals counts.
    """
    certain: set[str] = set()
    likely: set[str] = set()
    for match in _FORMS[0].finditer(text):
        digits = match["digits"]
        marks = [sign for sign in digits if sign in ".,"]
        if set(marks) == {".", ","}:
            certain.add(marks[-1])
        elif len(marks) == 1 and len(digits) - digits.index(marks[0]) - 1 == _CENTS:
            likely.add(marks[0])
    marks_seen = certain or likely
    return marks_seen.pop() if len(marks_seen) == 1 else None


def _readings(digits: str, decimal_mark: str | None) -> list[str]:
    """Return the possible readings of a written number; none if it is no number, such as a version."""
    digits = "".join(sign for sign in digits if sign not in _SPACES + _APOSTROPHES)
    marks = [sign for sign in digits if sign in ".,"]
    if len(digits) - len(marks) > _DIGITS or not marks:
        return [] if marks or len(digits) > _DIGITS else [_canonical(digits, "")]
    last = marks[-1]
    whole, _, decimals = digits.rpartition(last)
    others = set(marks[:-1])
    if others - {last}:
        grouped = last not in others and len(others) == 1 and _is_grouped(whole, others.pop())
        return [_canonical(whole, decimals)] if grouped else []
    if others:
        return [_canonical(digits, "")] if _is_grouped(digits, last) else []
    as_decimal, as_group = _canonical(whole, decimals), _canonical(digits, "")
    if not _is_grouped(digits, last):
        return [as_decimal]
    if decimal_mark is not None:
        return [as_decimal if decimal_mark == last else as_group]
    return [as_group] if last == "," else [as_group, as_decimal]


def _is_grouped(digits: str, mark: str) -> bool:
    first, *groups = digits.split(mark)
    return 0 < len(first) <= _GROUP and not first.startswith("0") and all(len(group) == _GROUP for group in groups)


def _canonical(whole: str, decimals: str) -> str:
    digits = "".join(sign for sign in whole if sign.isdigit()).lstrip("0") or "0"
    return f"{digits}.{decimals}" if decimals else digits


def _multiplied(reading: str, times: str) -> str:
    if not times:
        return reading
    product = f"{Decimal(reading) * _TIMES[times]:f}"
    return product.rstrip("0").rstrip(".") if "." in product else product
