"""Finds IBANs of every country and card numbers by their lengths and check digits. Pure functions, linear in the text."""

import re
from collections.abc import Callable, Iterator

IBAN_LENGTHS = {
    country: int(length)
    for country, length in (
        entry.split(":")
        for entry in (
            "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 "
            "DJ:27 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HN:28 "
            "HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 "
            "MC:27 MD:24 ME:22 MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 "
            "RO:24 RS:22 RU:33 SA:24 SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 "
            "VA:22 VG:24 XK:20 YE:30"
        ).split()
    )
}
"""The characters of an IBAN by its country, from the registry of SWIFT."""

_IBAN_BEGINS = re.compile(
    rf"(?:(?<![A-Za-z0-9])|(?<=IBAN)|(?<=iban))(?:{'|'.join('[{}{}][{}{}]'.format(a, a.lower(), b, b.lower()) for a, b in IBAN_LENGTHS)})"
    r"[ ]?\d[ ]?\d"
)
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
