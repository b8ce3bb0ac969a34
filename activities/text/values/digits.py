"""Reads the digits and the marks of other scripts as plain ones, sign for sign, so that positions stay. Pure."""

import unicodedata

ARABIC_DECIMAL = "\u066b"
"""The decimal mark of Arabic digits. It never separates thousands, so it stays a sign of its own."""
ARABIC_GROUP = "\u066c"
"""The thousands separator of Arabic digits."""

_FULL_WIDTH = range(0xFF01, 0xFF5F)
_TO_ASCII = 0xFF01 - 0x21
_OTHERS = {"\u3000": " ", "\uffe5": "\u00a5", "\uffe1": "\u00a3", "\uff0f": "/", "\uff0c": ",", "\uff0e": "."}


def plain_digits(text: str) -> str:
    """Return the text with ASCII digits for all decimal digits, and plain signs for full-width ones.

    The result has as many characters as the text.
    """
    if text.isascii():
        return text
    return text.translate({ord(sign): plain for sign in set(text) if (plain := _plain(sign)) != sign})


def is_one_script(text: str) -> bool:
    """Return whether all digits of a text are of one script: `1\u0662` is no number that a person writes."""
    return text.isascii() or len({ord(sign) - unicodedata.decimal(sign) for sign in text if sign.isdecimal()}) <= 1


def _plain(sign: str) -> str:
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    if ord(sign) in _FULL_WIDTH:
        return chr(ord(sign) - _TO_ASCII)
    return _OTHERS.get(sign, sign)
