"""Judges what stands beside the digits of a number: whether it can be read, and what changes it. Pure functions."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from activities.text.number_signs import (
    IDEOGRAPHS,
    LETTERS,
    MONEY_AFTER,
    MONEY_BEFORE,
    MULTIPLIERS,
    NUMERALS,
    UNITS,
    UNSURE,
)

_DASHES = "\u2212\u2013\u2010\u2011\u2014\uff0d-"
_BLANKS = " \t\u00a0\u202f\u2009"
_BEFORE = 40
"""The characters before a number that are looked at."""

_LEFT = re.compile(
    rf"(?P<sign>[+{_DASHES}][{_BLANKS}]?)?(?P<open>\()?(?P<money>{MONEY_BEFORE}[{_BLANKS}]?)?"
    rf"(?P<inner>[+{_DASHES}])?(?P<open_inner>\()?$"
)
_MINUS_WORD = re.compile(r"(?<!\w)(?:minus|negative|moins|menos|meno|miinus)[ \u00a0]$", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"([^\W\d_]+)\.?[ \u00a0]$")
_NUMBER_BEFORE = re.compile(rf"\d[.,]?[{_BLANKS}]?$")
_IN_A_COLUMN = re.compile(r"(?:^|[\n|;:\t]|[ \u00a0]{2})[ \u00a0]*$")
_LINE_BEGINS = re.compile(r"(?:^|\n)[ \t]*$")
_NUMBER_WORD_BEFORE = re.compile(
    r"(?:ty|teen|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million)[ \u00a0]$",
    re.IGNORECASE,
)

_COMMA_DASH = re.compile(rf"[.,][{_DASHES}]{{1,2}}(?![\w{_DASHES}])")
_EXPONENT = re.compile(r"[eE]([+-]?\d{1,2})(?![\w.,])")
_FRACTION_SIGN = re.compile(rf"[{_BLANKS}]?([\u00bc-\u00be\u2150-\u215e])(?![\w/\u2044])")
_FRACTION = re.compile(r"[ \u00a0](\d{1,2})[/\u2044](\d{1,3})(?![\w/.,\u2044]|[ \u00a0]?/)")
_WORD = re.compile(r"[ \u00a0\u202f-]?([^\W\d_]+)\.?")
_LETTERS = re.compile(r"[ \u00a0]?(k|K|T|mm|MM|m|M|[bB]|[Mm]ds?)(?![\w\u00b2\u00b3])")
_PREFIX_OF_MONEY = re.compile(r"[ \u00a0]?(k|K|T|m|M)(?=[$\u20ac\u00a3]|EUR|USD|CHF|GBP)")
_LONE_LETTER = re.compile(r"[ \u00a0\u202f]?[KMTBGmb](?![\w\u00b2\u00b3'])")
_TRAILING_MINUS = re.compile(rf"[{_DASHES}](?=$|[\s|;)]|[ \u00a0]?[A-Z]{{3}}\b)")
_HANGING = re.compile(rf"[{_DASHES}][{_BLANKS}](?:to|and|or|und|bis|oder|et|ou)\b")
_ENDS = re.compile(r"[ \u00a0]*(?:$|[\n\r|;\t]|[ \u00a0]{2}|[.,](?:\s|$))")
_AND_A_PART = re.compile(
    r"[ \u00a0](?:and (?:a|one|three)[ -](?:half|quarter|third|quarters)|et demie?|y medi[oa]|ein ?halb|einhalb|1/\d)",
    re.IGNORECASE,
)
_SPOILS = re.compile(
    rf"[.,'\u2019:]+\d|\u2026|\.\.|[{_BLANKS}]?[/\u2044][{_BLANKS}]?\d|[{_BLANKS}]?[{_DASHES}][{_BLANKS}]?\d|\^"
    rf"|[{_BLANKS}]?(?:[+*\u00b7\u22c5\u00d7x]|\*\*)[{_BLANKS}]?10(?:\^|\*\*|[\u2070-\u2079\u00b9\u00b2\u00b3\u207b])"
    rf"|[*\u00b7\u22c5\u00d7][\d]|\+|[{_BLANKS}]?[\u2030\u2031\u00a2\ufe6a]|[\u200b-\u200f\u2060\ufeff\u00ad]+\d"
    rf"|[{_DASHES}](?![a-z]{{3}}|[\s|;){_DASHES}]|$)\w"
)
"""What makes another number of the digits before it, and is not understood: ranges, powers, sums, times, per mille."""
_SPOILED_LEFT = "^_\u00b1~\u223c\u2248\u2264\u2265\\@#\u2044/.,*\u00b7\u00d7\u2212"
_JOINING = re.compile(r"[\u200b-\u200f\u2060\ufeff\u00ad]+$")
_GLUED_SCRIPTS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


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
class _Left:
    start: int
    signs: tuple[str, ...]
    factor: int
    is_money: bool
    is_open: bool
    sign: str
    before: str
    """The text before the number and its signs."""


@dataclass(frozen=True)
class _Right:
    end: int
    at: int
    """Where the number, its currency and its unit end."""
    factor: Decimal
    fraction: Decimal
    is_money: bool
    comma_dash: bool
    is_negative: bool


def neighbours(plain: str, start: int, end: int) -> Neighbours:
    """Return what stands beside the digits at these positions of a text with plain digits."""
    unread = Neighbours(is_read=False, start=start, end=end)
    left = _left(plain, start)
    if left is None:
        return unread
    right = _right(plain, end, is_money=left.is_money)
    if right is None or (left.factor != 1 and right.factor != 1):
        return unread
    signs, first, last = left.signs, left.start, right.end
    is_money = left.is_money or right.is_money
    if left.is_open and plain[right.at : right.at + 1] == ")":
        in_brackets = _in_brackets(plain, left, right, has_cents=any(sign in ".,'" for sign in plain[start:end]))
        if in_brackets is None or left.sign:
            return unread
        signs = in_brackets
        first, last = (left.start, right.at + 1) if "-" in signs else (start, right.end)
    elif left.is_open:
        first = start
    if right.is_negative:
        if "-" in signs or len(signs) > 1:
            return unread
        signs = ("-",)
    return Neighbours(
        is_read=True,
        start=first,
        end=last,
        signs=signs,
        factor=right.factor * left.factor,
        fraction=right.fraction,
        is_money=is_money,
        is_rate=re.match(r"[ \u00a0]?(?:/|per\b|pro\b|je\b)", plain[right.at : right.at + 5]) is not None,
        ends_in_comma_dash=right.comma_dash,
    )


def _left(plain: str, start: int) -> _Left | None:
    window = plain[max(0, start - _BEFORE) : start]
    matched = _LEFT.search(window)
    if matched is None:
        return None
    before = window[: matched.start()]
    sign = (matched["sign"] or matched["inner"] or "").strip()
    if matched["sign"] and matched["inner"]:
        return None
    joined = _JOINING.sub("", before)
    if _is_glued(joined, after=matched[0]) or (joined != before and joined[-1:].isalnum()):
        return None
    if sign and _NUMBER_BEFORE.search(before):
        return None
    signs = ("-",) if sign and sign != "+" else ("",)
    spaced = matched["sign"] is not None and matched["sign"] != sign
    if spaced and sign != "+":
        # A dash and a space begin an item of a list, or a negative number, or part a sentence.
        signs = ("", "-") if _LINE_BEGINS.search(before) else ("-",)
    word = _WORD_BEFORE.search(before)
    if word is not None and word[1].casefold() in MULTIPLIERS:
        return None  # the second part of `1 million 500`
    worded = _MINUS_WORD.search(before)
    if worded is not None:
        if sign:
            return None
        signs = ("-",)
    kilo = matched["kilo"] or (matched["kilo_sign"] if matched["kilo_sign"] in ("k", "K", "T", "M") else None)
    begins = start - len(window) + matched.start() if (sign or matched["open"]) else start
    if matched["open_inner"] and not matched["open"]:
        begins = min(begins, start - 1)
    if worded is not None:
        begins = start - len(window) + worded.start()
    return _Left(
        start=begins,
        signs=signs,
        factor={"M": 10**6, None: 1}.get(kilo, 10**3),
        is_money=matched["money"] is not None,
        is_open=bool(matched["open"] or matched["open_inner"]),
        sign=sign,
        before=before,
    )


def _is_glued(before: str, *, after: str) -> bool:
    """Return whether the character before a number and its signs belongs to it, and makes it something else."""
    if not before:
        return False
    last = before[-1]
    if _GLUED_SCRIPTS.match(last):
        return last in NUMERALS or (after != "" and after[0] not in "([$\u20ac")
    if last.isalnum() or unicodedata.category(last) in ("Mn", "Me", "No"):
        return not after.startswith("(") or last.isdecimal()
    if last == ":":
        return before[-2:-1].isdecimal()
    if last in "<>":
        return before[-2:-1] in ("", " ", "\n", "\t")  # a bound; the end of a tag follows a letter
    if last in _SPOILED_LEFT:
        return last != "*"
    return last in _DASHES or (last == "+" and after != "")


def _right(plain: str, end: int, *, is_money: bool) -> _Right | None:
    at, factor, fraction, comma_dash = end, Decimal(1), Decimal(0), False
    if matched := _COMMA_DASH.match(plain, at):
        at, comma_dash = matched.end(), True
    elif matched := _EXPONENT.match(plain, at):
        at, factor = matched.end(), Decimal(10) ** int(matched[1])
    elif matched := (_FRACTION_SIGN.match(plain, at) or _FRACTION.match(plain, at)):
        part = vulgar(matched[1]) if matched.lastindex == 1 else _quotient(int(matched[1]), int(matched[2]))
        if part is None:
            return None
        at, fraction = matched.end(), part
    number_end = at
    multiplied = _multiplier(plain, at, is_money=is_money)
    if multiplied is None or (multiplied[1] != 1 and factor != 1):
        return None
    if multiplied[0] != at:
        number_end = at = multiplied[0]
        factor *= multiplied[1]
    is_negative = False
    if (matched := _TRAILING_MINUS.match(plain, at)) and not comma_dash:
        if _HANGING.match(plain, at):
            return None
        if is_money or "." in plain[end - 3 : end] or "," in plain[end - 3 : end] or _ENDS.match(plain, at + 1):
            is_negative, number_end = True, at + 1
            at += 1
        else:
            return None
    money = MONEY_AFTER.match(plain, at)
    if money is not None:
        is_money, at = True, money.end()
    elif unit := UNITS.match(plain, at):
        at = unit.end()
    elif percent := re.compile(r"[ \u00a0\u202f]?%").match(plain, at):
        at = percent.end()
    if _is_spoiled(plain, at):
        return None
    return _Right(number_end, at, factor, fraction, is_money, comma_dash, is_negative)


def _multiplier(plain: str, at: int, *, is_money: bool) -> tuple[int, Decimal] | None:
    """Return where the multiplier after a number ends, and its factor; None where it is not understood."""
    if plain[at : at + 1] in IDEOGRAPHS and plain[at : at + 1]:
        follows = plain[at + 1 : at + 2]
        return (
            None if follows.isdigit() or (follows and follows in NUMERALS) else (at + 1, Decimal(IDEOGRAPHS[plain[at]]))
        )
    if prefix := _PREFIX_OF_MONEY.match(plain, at):
        return prefix.end(), Decimal(LETTERS[prefix[1]])
    word = _WORD.match(plain, at)
    if word is not None:
        factor = _factor(word[1])
        if factor is not None:
            end = word.end() - (1 if plain[word.end() - 1] == "." and _ends_a_sentence(plain, word.end()) else 0)
            again = _WORD.match(plain, end)
            if again is not None and (_factor(again[1]) is not None or UNSURE.match(plain, again.start(1))):
                return None
            return (end, Decimal(factor)) if _is_free(plain, end) else None
        if UNSURE.match(plain, word.start(1)):
            return None
    if letters := _LETTERS.match(plain, at):
        glued_kilo = letters[0] == "k"
        after = is_money or MONEY_AFTER.match(plain, letters.end()) is not None
        if glued_kilo or (after and letters[1] != "T"):
            return letters.end(), Decimal(LETTERS[letters[1]])
        if letters[0] in ("mm",):
            return at, Decimal(1)
    if _LONE_LETTER.match(plain, at) or _AND_A_PART.match(plain, at):
        return None
    return at, Decimal(1)


def _factor(word: str) -> int | None:
    """Return the factor of a multiplier. `Billion` with a capital may be a German million of millions."""
    if word[:1].isupper() and word.casefold() in ("billion", "billions", "trillion", "trillions"):
        return None
    return MULTIPLIERS.get(word.casefold())


def _ends_a_sentence(plain: str, end: int) -> bool:
    return re.match(r"\s*$|\s+[A-Z]|\n", plain[end : end + 3]) is not None


def _is_free(plain: str, at: int) -> bool:
    return not (plain[at : at + 1].isalnum() or re.match(r"[ \u00a0]\d", plain[at : at + 2]))


def _is_spoiled(plain: str, at: int) -> bool:
    """Return whether what follows the number, its currency and its unit makes it something else."""
    if _SPOILS.match(plain, at):
        return True
    sign = plain[at : at + 1]
    if not sign:
        return False
    if _GLUED_SCRIPTS.match(sign):
        return sign in NUMERALS
    return sign.isalnum() or sign == "_" or unicodedata.category(sign) in ("No", "Mn", "Me", "Mc")


def _in_brackets(plain: str, left: _Left, right: _Right, *, has_cents: bool) -> tuple[str, ...] | None:
    """Return the possible signs of a number in brackets, which accountants write for a negative one."""
    if _NUMBER_WORD_BEFORE.search(left.before):
        return ("",)
    ends = _ENDS.match(plain, right.at + 1) is not None
    if _LINE_BEGINS.search(left.before) and not ends and not (has_cents or left.is_money or right.is_money):
        return None  # the number of an item in a list
    if _IN_A_COLUMN.search(left.before) and ends:
        return ("-",)
    return ("", "-")


def vulgar(sign: str) -> Decimal | None:
    """Return the value of a sign such as \u00bd; None where it has no end as decimals."""
    value = unicodedata.numeric(sign, -1.0)
    exact = Decimal(str(value))
    return exact if 0 < exact < 1 and float(exact) == value and len(str(exact)) <= len("0.875") else None


def _quotient(above: int, below: int) -> Decimal | None:
    if below == 0 or above >= below or 1000 % below:
        return None
    return (Decimal(above) / Decimal(below)).normalize()
