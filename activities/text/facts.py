"""Finds the numbers, the codes and the names in a text. Pure functions."""

import re

_FIGURE = re.compile(r"(?<![\w.-])\d+(?:[.,:]\d+)*(?![\w-])")
_CODE = re.compile(r"\b(?:[A-Z]{1,6}-?\d+|\d{3,}-\d{2,})\b")
_NAME = re.compile(r"\b[^\W\d_]\w+(?:-\w+)*")


def figures(text: str) -> list[str]:
    """Return the numbers, without thousands separators: `1,200 euros for 0.5 hours` gives `1200` and `0.5`."""
    return [re.sub(r",(?=\d{3})", "", figure) for figure in _FIGURE.findall(text)]


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
