"""The encodings of pages that are read: those that browsers read, and no other codec of Python's."""

import codecs
import re

CODECS = frozenset(
    [
        *("ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be"),
        *(f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))),
        *(f"cp{page}" for page in (866, 874, *range(1250, 1259))),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs"),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949"),
    ]
)
"""Python's names of the codecs. Each takes a time in proportion to the bytes; `punycode` and `idna`, for example, do
not, and `zip` and `unicode_escape` are no encodings of text at all."""

_ALIASES = {"x-sjis": "cp932", "x-gbk": "gbk", "x-euc-jp": "euc_jp", "windows-31j": "cp932", "windows-949": "cp949"}
"""Names that browsers know and Python does not."""
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,40}")


def codec(charset: str) -> str | None:
    """Return Python's codec for the name of an encoding; None where it is unknown or not one of `CODECS`."""
    name = charset.strip().lower()
    if not _NAME.fullmatch(name):
        return None
    try:
        found = codecs.lookup(_ALIASES.get(name, name)).name
    except LookupError:
        return None
    if found not in CODECS:
        return None
    return "utf-8-sig" if found == "utf-8" else found
