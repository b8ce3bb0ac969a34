"""Finds IBANs of every country and card numbers by their lengths and check digits. Pure functions in linear time."""

import re
from collections.abc import Callable, Iterator

_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _LENGTHS.split()}
"""The characters of an IBAN by its country, from the registry of SWIFT."""

_COUNTRIES = "|".join(
    f"[{country[0]}{country[0].lower()}][{country[1]}{country[1].lower()}]" for country in IBAN_LENGTHS
)
_IBAN_BEGINS = re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=IBAN)|(?<=iban))(?:{_COUNTRIES})[ ]?\d[ ]?\d")
_BETWEEN = frozenset(" -./\u00b7_")
"""The separators of groups, one or two at a time."""
_MOST_BETWEEN = 2

_CARD_BEGINS = re.compile(r"(?<![\w.,-])(?:[2-6]\d{3})")
_CARD_DIGITS = range(13, 20)
_CARD_PREFIX = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|2720\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}|(?:5[06-9]|6\d)\d{11,17}"
)
"""Visa, Mastercard, American Express, Diners Club, JCB, Discover, UnionPay, Maestro."""


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Return the spans of the IBANs in a text, in any case and grouping, whose check digits fit."""
    for match in _IBAN_BEGINS.finditer(text):
        letters = match[0][:2].upper()
        found = _signs(text, match.start(), IBAN_LENGTHS[letters], str.isalnum)
        if found is None or text[found[1] : found[1] + 1].isalnum():
            continue
        signs, end = found
        # Words that happen to fit have few digits: `is 26 ...`.
        if 2 * sum(map(str.isdecimal, signs)) >= len(signs) and _fits_97(signs.upper()):
            yield match.start(), end


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Return the spans of the card numbers in a text, in any grouping, whose last digit fits (Luhn)."""
    end = 0
    for match in _CARD_BEGINS.finditer(text):
        if match.start() < end:
            continue
        for length in reversed(_CARD_DIGITS):
            found = _signs(text, match.start(), length, str.isdecimal)
            if found is None or text[found[1] : found[1] + 1].isalnum():
                continue
            digits, last = found
            if _CARD_PREFIX.fullmatch(digits) and _fits_luhn(digits) and len(set(digits)) > 1:
                yield match.start(), last
                end = last
                break


def _signs(text: str, start: int, count: int, belongs: Callable[[str], bool]) -> tuple[str, int] | None:
    """Return the next `count` signs of a number without its separators, and where they end; None if there are fewer."""
    signs: list[str] = []
    between = 0
    for at in range(start, min(len(text), start + 3 * count)):
        sign = text[at]
        if sign.isascii() and belongs(sign):
            signs.append(sign)
            between = 0
            if len(signs) == count:
                return "".join(signs), at + 1
        elif sign in _BETWEEN and between < _MOST_BETWEEN:
            between += 1
        else:
            return None
    return None


def _fits_97(iban: str) -> bool:
    rearranged = iban[4:] + iban[:4]
    return int("".join(str(int(sign, 36)) for sign in rearranged)) % 97 == 1


def _fits_luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # noqa: PLR2004 - the digits' sum
