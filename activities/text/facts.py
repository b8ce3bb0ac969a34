"""Finds the numbers, the codes and the names in a text. Pure functions."""

import re

from activities.text.values.digits import plain_digits
from activities.text.values.numbers import numbers

_FIGURE = re.compile(r"(?<![\w.-])\d++(?:[.,:]\d++)*+(?![\w-]|[.,:]\d)")
_POWER = re.compile(r"(?<![\w.-])\d{1,40}(?:[.,]\d{1,40}){0,12}[\u00b2\u00b3\u00b9\u2070-\u2079]+")
_CODE = re.compile(r"\b(?:[A-Z]{1,6}-?\d+|\d{3,}-\d{2,})\b")
_NAME = re.compile(r"\b[^\W\d_]\w+(?:-\w+)*")


def figures(text: str) -> list[str]:
    """Return the numbers, without thousands separators: `1,200 euros for 0.5 hours` gives `1200` and `0.5`.

    A multiplier and a fraction beside the digits count: `1.5k` and `1.5 thousand` give `1500`, `1\u00bd` gives `1.5`.
    """
    plain = plain_digits(text)
    changed = [
        place
        for place in numbers(text, decimal_mark=".")
        if len(place.readings) == 1 and not _FIGURE.fullmatch(plain, place.start, place.end)
    ]
    found = {place.start: place.readings[0] for place in changed}
    covered = {at for place in changed for at in range(place.start, place.end)}
    for match in (*_FIGURE.finditer(plain), *_POWER.finditer(plain)):
        if match.start() not in covered:
            found[match.start()] = re.sub(r",(?=\d{3})", "", match[0])
    return [found[start] for start in sorted(found)]


def codes(text: str) -> list[str]:
    """Return the codes that identify one thing, in lower case: `cs-40`, `2026-0522`."""
    return [code.casefold() for code in _CODE.findall(text)]


def names(text: str) -> list[str]:
    """Return the capitalized words that do not begin a sentence, in lower case."""
    return [
        match.group().casefold()
        for match in _NAME.finditer(text)
        if match.group()[0].isupper() and not _begins_a_sentence(text, match.start())
    ]


def _begins_a_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'(")
    return not before or before[-1] in ".!?:;\n"
