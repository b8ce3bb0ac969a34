"""Finds the numbers and amounts in a text, in the forms in which people write them. Pure functions.

What stands beside the digits counts: it multiplies (`1.5k`), it is a sign, a fraction or a unit, or the number is not
read at all. A number that would be another one without its neighbours is never returned.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from activities.text.values.dates import Written
from activities.text.values.digits import ARABIC_DECIMAL, ARABIC_GROUP, is_one_script, plain_digits
from activities.text.values.number_endings import vulgar
from activities.text.values.number_neighbours import Neighbours, neighbours

FORMS = "1234.50, 1,234.50, 1.234,50, 1 234,50, 12 million or 1.5k"
"""Forms that are read, for messages."""

_SPACES = " \u00a0\u202f\u2009"
_APOSTROPHES = f"'\u2019{ARABIC_GROUP}"
_MARKS = f".,{ARABIC_DECIMAL}"

_PLAIN = rf"\d+(?:[{_MARKS}{_APOSTROPHES}]\d+)*"
_SPACED = rf"\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?!\d)(?:[{_MARKS}]\d+)?"
_DIGITS = re.compile(rf"(?:{_SPACED}|{_PLAIN})")
_FRACTION_ALONE = re.compile(r"(?<![\w.,/\u2044])(?<!\d[ \u00a0])[\u00bc-\u00be\u2150-\u215e](?![\w/\u2044.,]\d|\w)")

_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(_SMALL)})(?!\w)", re.IGNORECASE)
_ROUND = (
    "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|trillion|lakh|crore|dozen"
)
_MORE_AFTER = re.compile(
    rf"[\s-](?:{'|'.join(_SMALL)}|{_ROUND}|\w+teen|half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|eighths?|"
    r"tenths?|hundredths?|point|and (?:a|one) half|and a quarter)(?!\w)",
    re.IGNORECASE,
)
_MORE_BEFORE = re.compile(
    rf"(?:{'|'.join(_SMALL)}|{_ROUND}|minus|negative|point|half|(?:hundred|thousand|million) and)[\s-]$", re.IGNORECASE
)

_LONGEST = 24
"""The most digits of a number; with more it is an identifier."""
_GROUP = 3
"""The digits of a group of thousands."""
_INDIAN_GROUP = 2
"""The digits of the other groups where lakhs and crores are counted: 12,34,567."""
_CENTS = 2
"""The digits after the decimal mark of most amounts of money."""


@dataclass(frozen=True)
class Unread:
    """Digits in a text that are not read as a number."""

    start: int
    end: int
    """One past the last digit."""


def numbers(text: str, *, decimal_mark: str | None = None) -> Iterator[Written]:
    """Return the numbers in a text, as digits with a dot before the decimals: `1.234,50 EUR` is `1234.50`.

    `1.234` and `1,234` have two readings unless `decimal_mark`, a dot or a comma, says which one applies; beside a
    currency a comma before three digits separates thousands. `(500)` and `- 5` may be negative, and have two readings
    where nothing tells. Numbers inside names, codes, times, days, ranges, powers and versions (`CS-40`, `2026-0417`,
    `05:12`, `10-20`, `10\u00b2`, `1.2.3`) are none.
    """
    return (found for found in _scan(text, decimal_mark) if isinstance(found, Written))


def number_words(text: str) -> Iterator[Written]:
    """Return the numbers up to twelve that a text writes as English words, but for parts of others (`two hundred`)."""
    for match in _WORD.finditer(text):
        if _MORE_AFTER.match(text, match.end()) or _MORE_BEFORE.search(
            text[max(0, match.start() - 14) : match.start()]
        ):
            continue
        yield Written(match.start(), match.end(), (str(_SMALL.index(match[0].casefold())),))


def unread_numbers(text: str) -> Iterator[Unread]:
    """Return the digits in a text that are not read, because of what stands beside them or how they are grouped."""
    return (found for found in _scan(text, None) if isinstance(found, Unread))


def decimal_mark_of(text: str) -> str | None:
    """Return the decimal mark of a text; None if its numbers do not show it, or disagree.

    A number with both marks shows it for certain, and so does one with a mark twice. Without such a number, one with
    two decimals counts, and an amount of money with three digits after a comma.
    """
    plain = plain_digits(text)
    certain: set[str] = set()
    likely: set[str] = set()
    for match in _DIGITS.finditer(plain):
        digits = match[0]
        marks = [sign for sign in digits if sign in ".,"]
        if set(marks) == {".", ","}:
            certain.add(marks[-1])
        elif len(marks) > 1 and _is_grouped(digits, marks[0]):
            certain.add("," if marks[0] == "." else ".")
        elif len(marks) == 1:
            decimals = len(digits) - digits.index(marks[0]) - 1
            if decimals == _CENTS:
                likely.add(marks[0])
            elif marks[0] == "," and decimals == _GROUP and neighbours(plain, *match.span()).is_money:
                likely.add(".")
    marks_seen = certain or likely
    return marks_seen.pop() if len(marks_seen) == 1 else None


def _scan(text: str, decimal_mark: str | None) -> Iterator[Written | Unread]:
    plain = plain_digits(text)
    for match in _DIGITS.finditer(plain):
        start, end = match.span()
        beside = neighbours(plain, start, end)
        readings: list[str] = []
        if beside.is_read and is_one_script(text[start:end]):
            mark = "," if beside.ends_in_comma_dash else decimal_mark
            readings = _readings(match[0], mark, is_money=beside.is_money and not beside.is_rate)
        forms = dict.fromkeys(form for reading in readings for form in _changed(reading, beside))
        if forms and all(len(form) <= _LONGEST + len("-.") for form in forms):
            yield Written(beside.start, beside.end, tuple(forms))
        else:
            yield Unread(start, end)
    for match in _FRACTION_ALONE.finditer(text):
        beside = neighbours(plain, *match.span())
        value = vulgar(match[0])
        if value is not None and beside.is_read and not beside.fraction:
            forms = dict.fromkeys(_changed(f"{value:f}", beside))
            yield Written(beside.start, beside.end, tuple(forms))


def _readings(digits: str, decimal_mark: str | None, *, is_money: bool) -> list[str]:
    """Return the possible readings of a written number; none if it is no number, such as a version."""
    if any(sign in _SPACES for sign in digits):
        if digits.startswith("0"):
            return []
        digits = "".join(sign for sign in digits if sign not in _SPACES)
    if any(sign in _APOSTROPHES for sign in digits):
        return _with_apostrophes(digits)
    if ARABIC_DECIMAL in digits:
        whole, _, decimals = digits.partition(ARABIC_DECIMAL)
        return [_canonical(whole, decimals)] if (whole + decimals).isdecimal() else []
    marks = [sign for sign in digits if sign in ".,"]
    if len(digits) - len(marks) > _LONGEST:
        return []
    return _with_marks(digits, marks, decimal_mark, is_money=is_money) if marks else [_canonical(digits, "")]


def _with_apostrophes(digits: str) -> list[str]:
    """Return the reading of `1'234.50`; none for feet and inches."""
    mark = next((sign for sign in reversed(digits) if sign in _MARKS), "")
    whole, _, decimals = digits.rpartition(mark) if mark else (digits, "", "")
    is_number = _is_grouped(re.sub(f"[{_APOSTROPHES}]", "'", whole), "'") and (decimals.isdecimal() or not mark)
    return [_canonical(whole, decimals)] if is_number and not any(sign in _MARKS for sign in whole) else []


def _with_marks(digits: str, marks: list[str], decimal_mark: str | None, *, is_money: bool) -> list[str]:
    """Return the possible readings of digits with dots or commas between them."""
    last = marks[-1]
    whole, _, decimals = digits.rpartition(last)
    as_decimal, as_group = _canonical(whole, decimals), _canonical(digits, "")
    if len(marks) > 1:
        others = set(marks[:-1])
        if others == {last}:
            return [as_group] if _is_grouped(digits, last) else []
        return [as_decimal] if last not in others and _is_grouped(whole, others.pop()) else []
    if not _is_grouped(digits, last):
        return [as_decimal]
    if decimal_mark is not None:
        return [as_decimal if decimal_mark == last else as_group]
    return [as_group] if last == "," and is_money else [as_group, as_decimal]


def _is_grouped(digits: str, mark: str) -> bool:
    """Return whether the marks separate thousands, or lakhs and crores: 1,234,567 or 12,34,567."""
    if mark not in digits:
        return False
    first, *groups, last = digits.split(mark)
    sizes = {len(group) for group in groups}
    is_right = 0 < len(first) <= _GROUP and not first.startswith("0") and len(last) == _GROUP
    return is_right and (
        sizes <= {_GROUP} or (sizes == {_INDIAN_GROUP} and len(first) <= _INDIAN_GROUP and mark == ",")
    )


def _canonical(whole: str, decimals: str) -> str:
    digits = "".join(sign for sign in whole if sign.isdecimal()).lstrip("0") or "0"
    return f"{digits}.{decimals}" if decimals else digits


def _changed(reading: str, beside: Neighbours) -> Iterator[str]:
    """Return a reading with the fraction, the factor and the signs that stand beside its digits."""
    if beside.fraction:
        if "." in reading:
            return
        reading = f"{Decimal(reading) + beside.fraction:f}"
    if beside.factor != 1:
        product = f"{Decimal(reading) * beside.factor:f}"
        reading = product.rstrip("0").rstrip(".") if "." in product else product
    for sign in beside.signs:
        yield f"{sign}{reading}" if reading.strip("0.") else reading
