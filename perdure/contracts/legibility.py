"""Judges text from outside before anything reads it: whether it shows anything, and whether it is valid Unicode."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel

_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Zl", "Zp", "Zs", "Mn", "Me"}
"""The Unicode categories of characters that show nothing by themselves."""

_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing."""

_ODD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""The categories of characters that move the cursor, change the writing direction, or are invisible."""

SHOWN = 60
"""The most characters of a bad text that are shown."""


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: it has only blanks, control characters and invisible ones."""
    return all(unicodedata.category(sign) in _HIDDEN or sign in _FILLERS for sign in text)


def spelled_out(text: str) -> str:
    """Return text of a model, a tool or a person with every character visible: control characters are spelled out.

    Line breaks and tabs stay.
    """
    return "".join(
        sign if sign in "\n\t" or not _is_odd(sign) else _spelled(sign) for sign in text.replace("\r\n", "\n")
    )


def _is_odd(sign: str) -> bool:
    return unicodedata.category(sign) in _ODD or sign in _FILLERS


def _spelled(sign: str) -> str:
    return f"\\u{ord(sign):04x}" if ord(sign) <= 0xFFFF else f"\\U{ord(sign):08x}"  # noqa: PLR2004 - the one plane


def broken_texts(value: object, where: str = "") -> Iterator[str]:
    """Return one line for each text within a value that is not valid Unicode, as half of a surrogate pair is not.

    Names of fields count too. Nothing else would find them before a serialiser fails.
    """
    match value:
        case str():
            if not value.isascii() and not _is_unicode(value):
                shown = ascii(value if len(value) <= SHOWN else f"{value[:SHOWN]}...")
                yield f"{where or 'input'}: is not valid Unicode text: send text, not bytes (got {shown})"
        case BaseModel():
            for name in type(value).model_fields:
                yield from broken_texts(getattr(value, name), _joined(where, name))
        case Mapping():
            for name, inner in cast("Mapping[Any, Any]", value).items():
                yield from broken_texts(name, f"{where or 'input'}: a name" if isinstance(name, str) else where)
                yield from broken_texts(
                    inner, _joined(where, ascii(name)[1:-1] if isinstance(name, str) else str(name))
                )
        case bytes() | bytearray():
            pass
        case Sequence() | set() | frozenset():
            for number, inner in enumerate(cast("Sequence[Any]", value)):
                yield from broken_texts(inner, _joined(where, str(number)))
        case _:
            pass


def _joined(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
