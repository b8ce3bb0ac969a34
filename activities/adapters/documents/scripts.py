"""Superscripts and subscripts: readers mark them, and the marks become text that joins no digits."""

import re

_RAISED, _LINKED, _LOWERED, _END = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
"""Marks around a superscript, a superscript that is a link, and a subscript: code points that no text may hold."""

_MARKED = re.compile("([\ufdd0-\ufdd2])([^\ufdd0-\ufdd3]*)\ufdd3")
_STRAY = dict.fromkeys(map(ord, (_RAISED, _LINKED, _LOWERED, _END)))

_SUPERSCRIPTS = str.maketrans("0123456789+-\u2212=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_SUBSCRIPTS = str.maketrans("0123456789+-\u2212=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_CAN_RISE = frozenset("0123456789+-\u2212=()ni")
_CAN_SINK = frozenset("0123456789+-\u2212=()")

_UNITS = frozenset(["m", "cm", "mm", "km", "dm", "ft", "in", "yd", "mi", "nm", "µm", "s", "sec", "inch", "kg"])
"""Units after which a raised number is a power. A single letter is one too, as in x²."""
_BASES = frozenset(["10", "2"])
"""Numbers after which a raised number is a power. After any other number it may as well be the mark of a note."""
_LAST_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]++$")
_LAST_NUMBER = re.compile(r"(?<![\d.,])\d+$")
_NOTE = re.compile(r"[\[(]?\d{1,3}(?:\s{0,5}[,;\u2013-]\s{0,5}\d{1,3})*+[\])]?")
_CONTEXT = 40
"""The number of characters before a mark that are looked at."""


def raised(text: str, *, linked: bool = False) -> str:
    """Mark a superscript. A linked one is the mark of a note."""
    return f"{_LINKED if linked else _RAISED}{text}{_END}"


def lowered(text: str) -> str:
    """Mark a subscript."""
    return f"{_LOWERED}{text}{_END}"


def resolve(text: str) -> str:
    """Replace the marks: `m²`, `10⁶`, `H2O`, `1st`, and ` [1]` for the mark of a note; never a longer number."""
    if not any(mark in text for mark in (_RAISED, _LINKED, _LOWERED, _END)):
        return text
    return _MARKED.sub(_replaced, text).translate(_STRAY)


def _replaced(match: re.Match[str]) -> str:  # noqa: PLR0911 - a return for each way to write it
    content = match[2].strip()
    before = match.string[max(0, match.start() - _CONTEXT) : match.start()].translate(_STRAY)
    if not any(sign.isdecimal() for sign in content):
        return match[2]
    if match[1] == _LOWERED:
        following = match.string[match.end() : match.end() + 2].translate(_STRAY)
        if not before[-1:].isdecimal() and not following[:1].isdecimal():
            return match[2]
        return content.translate(_SUBSCRIPTS) if _CAN_SINK.issuperset(content) else f"_({content})"
    if not before.strip():
        # At the start of a line it is the mark with which a note begins.
        return f"[{content.strip('[]()')}] "
    if match[1] == _RAISED and _is_power(before):
        return content.translate(_SUPERSCRIPTS) if _CAN_RISE.issuperset(content) else f"^({content})"
    if _NOTE.fullmatch(content):
        return f" [{content.strip('[]()')}]"
    return content.translate(_SUPERSCRIPTS) if _CAN_RISE.issuperset(content) else f"^({content})"


def _is_power(before: str) -> bool:
    if word := _LAST_WORD.search(before):
        return len(word[0]) == 1 or word[0] in _UNITS
    if number := _LAST_NUMBER.search(before):
        return number[0] in _BASES
    return before.endswith(")")
