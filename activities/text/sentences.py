"""Finds the sentences of a chunk's text, which a model cites by number and a citation quotes word for word."""

import re

BULLET = re.compile(r"(?:[-*+•\u2013]|\d{1,3}[.)]|[a-z]\))\s+")
"""The mark of a list item: a sign, a number or a letter."""

_END = re.compile(r"""(?<![.!?…])[.!?…]++["'”\u2019»)\]]*+(?=\s)|[。\uff01\uff1f]+[」』]*""")
"""A possible end of a sentence: its last sign, with the quotes and brackets that close after it."""

_NEVER_LAST = re.compile(
    r"e\.g|i\.e|cf|vs|approx|ca|mrs?|ms|dr|prof|st|figs?|art|sec|para|eq|vol|pp|ed|resp",
)
"""Abbreviations that are always followed by more of their sentence."""

_SELDOM_LAST = re.compile(
    r"etc|a\.m|p\.m|inc|ltd|co|corp|u\.s|u\.k|e\.u|al|jan|feb|mar|apr|aug|sept?|oct|nov|dec",
)
"""Abbreviations that end a sentence only where a capital letter follows."""

_BEFORE_NUMBER = re.compile(r"nos?|nr|p|ch")
"""Abbreviations only before a number, `No. 7`; before anything else, `No.` is a sentence."""

_LONGEST_ABBREVIATION = 40
"""More characters than any abbreviation has, with its quotes."""

_OPENERS = "\"'“\u2018«([„"


def sentences(text: str) -> list[tuple[int, int]]:
    """Find the sentences of a chunk's text, as character spans (start, one past the end) in order.

    The first line is the chunk's heading and is left out where more lines follow. Every other line is a paragraph, a
    list item or a row of a table, and no sentence crosses its end. Spans neither overlap nor begin or end in white
    space; a list mark (`- `, `2. `) is no part of its sentence; a line without a letter or digit holds none.
    """
    spans: list[tuple[int, int]] = []
    start = text.find("\n") + 1 if text[: text.find("\n") + 1].strip() else 0
    while start < len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        spans.extend(_in_line(text, start, stop))
        start = stop + 1
    return spans


def _in_line(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """Return the sentences between two positions without a line break between them."""
    start = _after_white(text, start, stop)
    mark = BULLET.match(text, start, stop)
    start = start if mark is None else mark.end()
    spans: list[tuple[int, int]] = []
    silent = start  # no letter and no digit stands before it
    for end in [*(sign.end() for sign in _END.finditer(text, start, stop)), stop]:
        if end < stop and not _ends(text, start, end, stop):
            continue
        if any(sign.isalnum() for sign in text[silent:end]):
            piece = text[start:end]
            first = start + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(piece.strip())))
            start = end
        silent = end
    return spans


def _ends(text: str, start: int, end: int, stop: int) -> bool:
    """Return whether a sentence from `start` is over at `end`, by its last word and the text that follows."""
    follows = _after_white(text, end, stop)
    if follows == stop:
        return True
    opened = follows + 1 if text[follows] in _OPENERS and follows + 1 < stop else follows
    following = text[opened]
    if following.islower():
        return False
    words = text[max(start, end - _LONGEST_ABBREVIATION) : end].rsplit(maxsplit=1)
    last = words[-1].lstrip(_OPENERS) if words else ""
    if not last.endswith("."):
        return True
    word = last.rstrip(".").lower()
    if _NEVER_LAST.fullmatch(word) or (_BEFORE_NUMBER.fullmatch(word) and following.isdigit()):
        return False
    if _SELDOM_LAST.fullmatch(word):
        return following.isupper()
    initial = len(word) == 1 and word.isalpha() and last[0].isupper()
    return not (initial and following.isupper())


def _after_white(text: str, start: int, stop: int) -> int:
    """Return the first position from `start` on without white space; `stop` if there is none."""
    while start < stop and text[start].isspace():
        start += 1
    return start


def heading(text: str) -> str:
    """Return a chunk's heading: its first line if more lines follow, else nothing."""
    first, more, _ = text.partition("\n")
    return first if more else ""
