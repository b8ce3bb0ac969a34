"""Judges what follows the digits of a number: multipliers, fractions, a minus, a currency, a unit. Pure functions."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from activities.text.values.number_signs import (
    BLANKS,
    DASHES,
    IDEOGRAPHS,
    JOINERS,
    LETTERS,
    MONEY_AFTER,
    MULTIPLIERS,
    NUMERALS,
    UNITS,
    UNSURE,
    is_ideograph,
)

_COMMA_DASH = re.compile(rf"[.,][{DASHES}]{{1,2}}(?![\w{DASHES}])")
_EXPONENT = re.compile(r"[eE]([+-]?\d{1,2})(?![\w.,])")
_FRACTION_SIGN = re.compile(rf"[{BLANKS}]?([\u00bc-\u00be\u2150-\u215e])(?![\w/\u2044])")
_FRACTION = re.compile(r"[ \u00a0](\d{1,2})[/\u2044](\d{1,3})(?![\w/.,\u2044]|[ \u00a0]?/)")
_WORD = re.compile(r"[ \u00a0\u202f-]?([^\W\d_]+)(\.(?!\s*$|\s+[A-Z]|\n))?")
"""The next word, with the point of an abbreviation unless a sentence ends there."""
_LETTERS = re.compile(r"[ \u00a0]?(k|K|T|mm|MM|m|M|[bB]|[Mm]ds?)(?![\w\u00b2\u00b3])")
_PREFIX_OF_MONEY = re.compile(r"[ \u00a0]?(k|K|T|m|M)(?=[$\u20ac\u00a3]|EUR|USD|CHF|GBP)")
_LONE_LETTER = re.compile(r"[ \u00a0\u202f]?[KMTBGmb](?![\w\u00b2\u00b3'])")
_TRAILING_MINUS = re.compile(rf"[{DASHES}](?=$|[\s|;)]|[ \u00a0]?[A-Z]{{3}}\b)")
_HANGING = re.compile(rf"[{DASHES}][{BLANKS}](?:to|and|or|und|bis|oder|et|ou)\b")
_PERCENT = re.compile(r"[ \u00a0\u202f]?%")
_AND_A_PART = re.compile(
    r"[ \u00a0](?:and (?:a|one|three)[ -](?:half|quarter|third|quarters)|et demie?|y medi[oa]|ein ?halb|einhalb|1/\d)",
    re.IGNORECASE,
)
_SPOILS = re.compile(
    rf"[.,'\u2019:]{{1,9}}\d|\u2026|\.\.|[{BLANKS}]?[/\u2044][{BLANKS}]?\d|[{BLANKS}]?[{DASHES}][{BLANKS}]?\d|\^"
    rf"|[{BLANKS}]?(?:[+*\u00b7\u22c5\u00d7x]|\*\*)[{BLANKS}]?10(?:\^|\*\*|[\u2070-\u2079\u00b9\u00b2\u00b3\u207b])"
    rf"|[*\u00b7\u22c5\u00d7]\d|\+|[{BLANKS}]?[\u2030\u2031\u00a2\ufe6a]|[{JOINERS}]{{1,9}}\d"
    rf"|[{DASHES}](?![a-z]{{3}}|[\s|;){DASHES}]|$)\w"
)
"""What makes another number of the digits before it, and is not understood: ranges, powers, sums, times, per mille."""

ENDS = re.compile(r"[ \u00a0]*(?:$|[\n\r|;\t]|[ \u00a0]{2}|[.,](?:\s|$))")
"""The end of a cell, a line or a sentence."""

_ONE = Decimal(1)


@dataclass(frozen=True)
class Ending:
    """What follows the digits of a number."""

    end: int
    """Where the written number ends, with its multiplier and its minus."""
    at: int
    """Where its currency or its unit ends."""
    factor: Decimal
    fraction: Decimal
    """What is added to the digits: a half for `1\u00bd`."""
    is_money: bool
    comma_dash: bool
    """Whether `,-` or `.-` says that there are no cents."""
    is_negative: bool


@dataclass(frozen=True)
class _Attached:
    at: int
    factor: Decimal = _ONE
    fraction: Decimal = Decimal(0)
    comma_dash: bool = False


def ending(plain: str, end: int, *, is_money: bool) -> Ending | None:
    """Return what follows the digits that end here; None where it makes them a number that is not understood."""
    attached = _attached(plain, end)
    if attached is None:
        return None
    multiplied = _multiplied(plain, attached.at, is_money=is_money)
    if multiplied is None or (multiplied[1] != 1 and attached.factor != 1):
        return None
    at, factor = multiplied[0], multiplied[1] * attached.factor
    after_minus = at if attached.comma_dash else _past_minus(plain, at, end, is_money=is_money)
    if after_minus is None:
        return None
    money = MONEY_AFTER.match(plain, after_minus)
    past = money or UNITS.match(plain, after_minus) or _PERCENT.match(plain, after_minus)
    last = after_minus if past is None else past.end()
    if _is_spoiled(plain, last):
        return None
    return Ending(
        end=after_minus,
        at=last,
        factor=factor,
        fraction=attached.fraction,
        is_money=is_money or money is not None,
        comma_dash=attached.comma_dash,
        is_negative=after_minus != at,
    )


def vulgar(sign: str) -> Decimal | None:
    """Return the value of a sign such as \u00bd; None where it has no end as decimals."""
    value = unicodedata.numeric(sign, -1.0)
    exact = Decimal(str(value))
    return exact if 0 < exact < 1 and float(exact) == value and len(str(exact)) <= len("0.875") else None


def _attached(plain: str, end: int) -> _Attached | None:
    """Return what stands right after the digits and belongs to them: a comma and a dash, an exponent, a fraction."""
    if matched := _COMMA_DASH.match(plain, end):
        return _Attached(matched.end(), comma_dash=True)
    if matched := _EXPONENT.match(plain, end):
        return _Attached(matched.end(), factor=Decimal(10) ** int(matched[1]))
    sign, written = _FRACTION_SIGN.match(plain, end), _FRACTION.match(plain, end)
    if sign is None and written is None:
        return _Attached(end)
    if sign is not None:
        part, at = vulgar(sign[1]), sign.end()
    else:
        part, at = (None, end) if written is None else (_quotient(int(written[1]), int(written[2])), written.end())
    return None if part is None else _Attached(at, fraction=part)


def _quotient(above: int, below: int) -> Decimal | None:
    if below == 0 or above >= below or 1000 % below:
        return None
    return (Decimal(above) / Decimal(below)).normalize()


def _multiplied(plain: str, at: int, *, is_money: bool) -> tuple[int, Decimal] | None:
    """Return where the multiplier after a number ends, and its factor; None where it is not understood."""
    sign = plain[at : at + 1]
    if sign and sign in IDEOGRAPHS:
        follows = plain[at + 1 : at + 2]
        is_more = follows.isdigit() or (follows != "" and follows in NUMERALS)
        return None if is_more else (at + 1, Decimal(IDEOGRAPHS[sign]))
    if prefix := _PREFIX_OF_MONEY.match(plain, at):
        return prefix.end(), Decimal(LETTERS[prefix[1]])
    word = _WORD.match(plain, at)
    factor = None if word is None else _factor(word[1])
    if word is not None and factor is not None:
        return _times(plain, word.end(), factor)
    if word is not None and UNSURE.match(plain, word.start(1)):
        return None
    return _by_letter(plain, at, is_money=is_money)


def _times(plain: str, end: int, factor: int) -> tuple[int, Decimal] | None:
    """Return a factor, unless more of the number follows: `5 hundred thousand`, `1 million 500`."""
    more = _WORD.match(plain, end)
    is_more = more is not None and (_factor(more[1]) is not None or UNSURE.match(plain, more.start(1)) is not None)
    is_more = is_more or plain[end : end + 1].isalnum() or re.match(r"[ \u00a0]\d", plain[end : end + 2]) is not None
    return None if is_more else (end, Decimal(factor))


def _by_letter(plain: str, at: int, *, is_money: bool) -> tuple[int, Decimal] | None:
    """Return the factor of a letter: a `k` right beside the digits, and others beside a currency."""
    letters = _LETTERS.match(plain, at)
    if letters is not None:
        beside_money = is_money or MONEY_AFTER.match(plain, letters.end()) is not None
        if letters[0] == "k" or (beside_money and letters[1] != "T"):
            return letters.end(), Decimal(LETTERS[letters[1]])
    return None if _LONE_LETTER.match(plain, at) or _AND_A_PART.match(plain, at) else (at, _ONE)


def _factor(word: str) -> int | None:
    """Return the factor of a multiplier. `Billion` with a capital may be a German million of millions."""
    if word[:1].isupper() and word.casefold() in ("billion", "billions", "trillion", "trillions"):
        return None
    return MULTIPLIERS.get(word.casefold())


def _past_minus(plain: str, at: int, end: int, *, is_money: bool) -> int | None:
    """Return the position after a minus that follows a number; None where the dash may mean something else."""
    if not _TRAILING_MINUS.match(plain, at):
        return at
    has_cents = any(sign in ".," for sign in plain[max(0, end - 3) : end])
    is_amount = is_money or has_cents or ENDS.match(plain, at + 1) or MONEY_AFTER.match(plain, at + 1)
    return at + 1 if is_amount and not _HANGING.match(plain, at) else None


def _is_spoiled(plain: str, at: int) -> bool:
    """Return whether what follows the number, its currency and its unit makes it something else."""
    sign = plain[at : at + 1]
    if _SPOILS.match(plain, at) or not sign:
        return sign != ""
    if is_ideograph(sign):
        return sign in NUMERALS
    return sign.isalnum() or sign == "_" or unicodedata.category(sign) in ("No", "Mn", "Me", "Mc")
