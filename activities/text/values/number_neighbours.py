"""Judges what stands beside the digits of a number: whether it can be read, and what changes it. Pure functions."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from activities.text.values.number_endings import ENDS, Ending, ending
from activities.text.values.number_signs import (
    BLANKS,
    DASHES,
    JOINERS,
    MONEY_BEFORE,
    MULTIPLIERS,
    NUMERALS,
    is_ideograph,
)

_WINDOW = 40
"""The characters before a number that are looked at."""

_LEFT = re.compile(
    rf"(?P<sign>[+{DASHES}][{BLANKS}]?)?(?P<open>\()?(?P<money>{MONEY_BEFORE}[{BLANKS}]?)?"
    rf"(?P<inner>[+{DASHES}])?(?P<open_inner>\()?$"
)
_MINUS_WORD = re.compile(r"(?<!\w)(?:minus|negative|moins|menos|meno|miinus)[ \u00a0]$", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"(?<![^\W\d_])([^\W\d_]++)\.?[ \u00a0]$")
_NUMBER_BEFORE = re.compile(rf"\d[.,]?[{BLANKS}]?$")
_IN_A_COLUMN = re.compile(r"(?:^|[\n|;:\t])[ \u00a0]*$|[ \u00a0]{2}$")
_LINE_BEGINS = re.compile(r"(?:^|\n)[ \t]*$")
_NUMBER_WORD_BEFORE = re.compile(
    r"(?:ty|teen|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million)[ \u00a0]$",
    re.IGNORECASE,
)
_JOINING = re.compile(rf"(?<![{JOINERS}])[{JOINERS}]++$")
_RATE = re.compile(r"[ \u00a0]?(?:/|per\b|pro\b|je\b)")

_SPOILED = frozenset("^_\u00b1~\u223c\u2248\u2264\u2265\\@#\u2044/.,\u00b7\u00d7")
"""What stands right before digits that are another number, or none: powers, bounds, codes, decimals."""


@dataclass(frozen=True)
class Neighbours:
    """What stands beside the digits of a number."""

    is_read: bool
    """Whether the number can be read; if not, the rest says nothing."""
    start: int
    end: int
    """The whole written number, with its signs and its multiplier, but without a currency or a unit."""
    signs: tuple[str, ...] = ("",)
    """The possible signs, the most usual first."""
    factor: Decimal = Decimal(1)
    fraction: Decimal = Decimal(0)
    """What is added to the digits: a half for `1\u00bd`."""
    is_money: bool = False
    """Whether a currency stands beside it."""
    is_rate: bool = False
    """Whether it is an amount per something, which may have three decimals."""
    ends_in_comma_dash: bool = False
    """Whether `,-` or `.-` says that there are no cents."""


@dataclass(frozen=True)
class _Beginning:
    start: int
    signs: tuple[str, ...]
    factor: int
    is_money: bool
    is_open: bool
    """Whether a bracket opens before it."""
    sign: str
    before: str
    """The text before the number and its signs."""


def neighbours(plain: str, start: int, end: int) -> Neighbours:
    """Return what stands beside the digits at these positions of a text with plain digits."""
    unread = Neighbours(is_read=False, start=start, end=end)
    left = _beginning(plain, start)
    right = None if left is None else ending(plain, end, is_money=left.is_money)
    if left is None or right is None or (left.factor != 1 and right.factor != 1):
        return unread
    signs, first, last = left.signs, left.start, right.end
    if left.is_open and plain[right.at : right.at + 1] == ")":
        has_cents = any(sign in ".,'" for sign in plain[start:end])
        in_brackets = None if left.sign else _in_brackets(plain, left, right, has_cents=has_cents)
        if in_brackets is None:
            return unread
        signs = in_brackets
        first, last = (left.start, right.at + 1) if "-" in signs else (start, right.end)
    elif left.is_open:
        first = start
    if right.is_negative:
        if signs != ("",):
            return unread
        signs = ("-",)
    return Neighbours(
        is_read=True,
        start=first,
        end=last,
        signs=signs,
        factor=right.factor * left.factor,
        fraction=right.fraction,
        is_money=left.is_money or right.is_money,
        is_rate=_RATE.match(plain, right.at) is not None,
        ends_in_comma_dash=right.comma_dash,
    )


def _beginning(plain: str, start: int) -> _Beginning | None:
    """Return what stands before digits; None where it makes them a number that is not understood."""
    window = plain[max(0, start - _WINDOW) : start]
    matched = _LEFT.search(window)
    if matched is None or (matched["sign"] and matched["inner"]):
        return None
    before = window[: matched.start()]
    sign = (matched["sign"] or matched["inner"] or "").strip()
    worded = _MINUS_WORD.search(before)
    if _is_part_of_more(before, matched[0]) or (sign and (worded or _NUMBER_BEFORE.search(before))):
        return None
    signs = ("-",) if worded or (sign and sign != "+") else ("",)
    if signs == ("-",) and matched["sign"] not in (None, sign) and _LINE_BEGINS.search(before):
        signs = ("", "-")  # a dash and a space begin an item of a list, or a negative number
    whole = len(window) if not (sign or matched["open"]) else matched.start()
    if matched["open_inner"] and not matched["open"]:
        whole = min(whole, len(window) - 1)
    return _Beginning(
        start=start - len(window) + (worded.start() if worded else whole),
        signs=signs,
        factor=_thousands(matched["kilo"], matched["kilo_sign"]),
        is_money=matched["money"] is not None,
        is_open=bool(matched["open"] or matched["open_inner"]),
        sign=sign,
        before=before,
    )


def _thousands(before_code: str | None, before_sign: str | None) -> int:
    """Return the factor of the letter before a currency: `kEUR`, `TEUR`, `M\u20ac`, but not `US$`."""
    letter = before_sign if before_code is None else before_code
    return {"k": 10**3, "K": 10**3, "T": 10**3, "M": 10**6}.get("" if letter is None else letter, 1)


def _is_part_of_more(before: str, between: str) -> bool:
    """Return whether the text before a number and its signs belongs to the number, and makes it something else."""
    word = _WORD_BEFORE.search(before)
    if word is not None and word[1].casefold() in MULTIPLIERS:
        return True  # the second part of `1 million 500`
    seen = _JOINING.sub("", before)
    if seen != before and seen[-1:].isalnum():
        return True
    last = seen[-1:]
    if is_ideograph(last):
        return last in NUMERALS or (between != "" and between[0] not in "([$\u20ac")
    if last.isalnum() or (last and unicodedata.category(last) in ("Mn", "Me", "No")):
        return not between.startswith("(") or last.isdecimal()
    return _is_spoiled(seen, last, between)


def _is_spoiled(before: str, last: str, between: str) -> bool:
    if last == ":":
        return before[-2:-1].isdecimal()
    if last and last in "<>":
        return before[-2:-1] in ("", " ", "\n", "\t")  # a bound; the end of a tag follows a letter
    return last != "" and (last in _SPOILED or last in DASHES or (last == "+" and between != ""))


def _in_brackets(plain: str, left: _Beginning, right: Ending, *, has_cents: bool) -> tuple[str, ...] | None:
    """Return the possible signs of a number in brackets, which accountants write for a negative one."""
    if _NUMBER_WORD_BEFORE.search(left.before):
        return ("",)
    ends = ENDS.match(plain, right.at + 1) is not None
    if _LINE_BEGINS.search(left.before) and not ends and not (has_cents or left.is_money or right.is_money):
        return None  # the number of an item in a list
    return ("-",) if _IN_A_COLUMN.search(left.before) and ends else ("", "-")
