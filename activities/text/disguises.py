"""Takes the disguise off a text before it is judged: widths, invisible characters, other digits and spaces. Pure."""

import re
import unicodedata
from dataclasses import dataclass

_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d")
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u2800\u3164\uffa0")
"""Characters that nobody sees, besides those of the category Cf and the variation selectors."""
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))

_WORDED = re.compile(
    r"(?<=\w)[ ]{0,2}(?:[\[({<][ ]?(?P<at>at)[ ]?[\])}>]|[\[({<][ ]?(?P<dot>dot|punkt)[ ]?[\])}>])[ ]{0,2}(?=\w)",
    re.IGNORECASE,
)
"""`ann [at] example [dot] com`."""


@dataclass(frozen=True)
class PlainText:
    """A text as it is judged, and the place of each of its characters in the original."""

    text: str
    places: tuple[int, ...] | None
    """The position in the original for each character; None where the two are the same."""
    length: int
    """The number of characters of the original."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the span in the original text for a span in this one."""
        if self.places is None:
            return start, end
        first = self.places[start] if start < len(self.places) else self.length
        last = self.places[end - 1] + 1 if end > start else first
        return first, last


def undisguised(text: str) -> PlainText:
    """Return the text with plain letters and digits (NFKC), plain spaces and dashes, and no invisible character."""
    if text.isascii() and _WORDED.search(text) is None:
        return PlainText(text, None, len(text))
    plain = {sign: _plain(sign) for sign in set(text)}
    signs: list[str] = []
    places: list[int] = []
    at = 0
    worded = {match.start(): match for match in _WORDED.finditer(text)}
    while at < len(text):
        if (match := worded.get(at)) is not None:
            signs.append("@" if match["at"] else ".")
            places.append(at)
            at = match.end()
            continue
        written = plain[text[at]]
        signs.append(written)
        places.extend([at] * len(written))
        at += 1
    return PlainText("".join(signs), tuple(places), len(text))


def is_invisible(sign: str) -> bool:
    """Return whether a character shows nothing, and is no space or line break."""
    code = ord(sign)
    return unicodedata.category(sign) == "Cf" or sign in _INVISIBLE or any(code in block for block in _SELECTORS)


def _plain(sign: str) -> str:
    if sign.isascii():
        return sign
    if is_invisible(sign):
        return ""
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    if sign in _DASHES:
        return "-"
    if sign.isspace():
        return "\n" if sign in "\u2028\u2029\x85" else " "
    return unicodedata.normalize("NFKC", sign)
