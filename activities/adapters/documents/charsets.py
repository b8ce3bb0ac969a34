"""Decodes the bytes of text as a browser does: by a byte order mark, by the declared charset, by what the bytes are."""

import codecs
import re
from dataclasses import dataclass

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_LABELS = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 x-unicode20utf8",
    "utf-16-le": "utf-16 utf-16le utf16 ucs-2 unicode unicodefeff iso-10646-ucs-2 csunicode",
    "utf-16-be": "utf-16be unicodefffe",
    "cp1252": (
        "ascii us-ascii ansi_x3.4-1968 iso-8859-1 iso8859-1 iso_8859-1 iso88591 latin1 latin-1 l1 windows-1252 "
        "cp1252 x-cp1252 cp819 ibm819"
    ),
    "cp1250": "windows-1250 cp1250 x-cp1250",
    "cp1251": "windows-1251 cp1251 x-cp1251",
    "cp1253": "windows-1253 cp1253 x-cp1253",
    "cp1254": "windows-1254 cp1254 x-cp1254 iso-8859-9 latin5 l5 iso8859-9",
    "cp1255": "windows-1255 cp1255 x-cp1255",
    "cp1256": "windows-1256 cp1256 x-cp1256",
    "cp1257": "windows-1257 cp1257 x-cp1257",
    "cp1258": "windows-1258 cp1258 x-cp1258",
    "iso8859-2": "iso-8859-2 iso8859-2 latin2 l2",
    "iso8859-3": "iso-8859-3 iso8859-3 latin3 l3",
    "iso8859-4": "iso-8859-4 iso8859-4 latin4 l4",
    "iso8859-5": "iso-8859-5 iso8859-5 cyrillic",
    "iso8859-6": "iso-8859-6 iso8859-6 arabic",
    "iso8859-7": "iso-8859-7 iso8859-7 greek greek8",
    "iso8859-8": "iso-8859-8 iso-8859-8-i iso8859-8 hebrew",
    "iso8859-10": "iso-8859-10 iso8859-10 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13",
    "iso8859-14": "iso-8859-14 iso8859-14",
    "iso8859-15": "iso-8859-15 iso8859-15 latin9 l9",
    "iso8859-16": "iso-8859-16 iso8859-16",
    "koi8-r": "koi8-r koi8 koi",
    "koi8-u": "koi8-u koi8-ru",
    "cp866": "ibm866 cp866 866",
    "mac-cyrillic": "x-mac-cyrillic mac-cyrillic x-mac-ukrainian",
    "mac-roman": "macintosh mac x-mac-roman",
    "cp874": "windows-874 tis-620 iso-8859-11 dos-874",
    "gb18030": "gb18030 gbk gb2312 gb_2312-80 gb_2312 x-gbk chinese csgb2312 iso-ir-58 cp936",
    "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5 csbig5",
    "cp932": "shift_jis shift-jis sjis x-sjis ms_kanji windows-31j cp932 csshiftjis",
    "euc_jp": "euc-jp x-euc-jp eucjp",
    "iso2022_jp": "iso-2022-jp csiso2022jp",
    "cp949": "euc-kr ks_c_5601-1987 ksc5601 ks_c_5601-1989 korean windows-949 cp949 euckr",
}
ENCODINGS: dict[str, str] = {label: encoding for encoding, labels in _LABELS.items() for label in labels.split()}
"""Python's codec for each label of a charset that is read: all are linear, and no other is ever looked up."""

_META = re.compile(rb"""<meta[^<>]{0,1000}?charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w.:-]{1,40})""", re.IGNORECASE)
_XML = re.compile(rb"""\A\s{0,9}<\?xml[^<>]{0,200}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})""", re.IGNORECASE)
_SEARCHED = 64 * 1024
"""The number of bytes of a page in which its charset is looked for."""
_LONGEST_RUN = 2
_LARGEST_SHARE = 0.15
"""A text of bytes beyond ASCII in longer runs, or with a larger share of them, is hardly Western European."""


@dataclass(frozen=True)
class Decoded:
    """The text of some bytes."""

    text: str
    encoding: str
    """The codec, by Python's name."""
    replaced: int = 0
    """The number of places that are no text in it: each is one U+FFFD."""
    unknown: str = ""
    """The declared charset that is not one of those that are read; empty if it is, or if none was declared."""


def codec(label: str) -> str | None:
    """Return Python's codec for the label of a charset; None for one that is not read."""
    return ENCODINGS.get(label.strip().lower())


def decode_page(data: bytes, declared: str = "") -> Decoded:  # noqa: PLR0911 - a return for each way to tell
    """Decode an HTML page: by its byte order mark, by the charset that the server declared, by its own, as UTF-8.

    As in a browser, no page is refused: what is no text in its charset becomes U+FFFD, and is counted.
    """
    if marked := _by_mark(data):
        return marked
    if encoding := codec(declared):
        return _decode(data, encoding)
    if wide := _wide(data):
        return _decode(data, wide)
    label = _own_label(data)
    encoding = ENCODINGS.get(label)
    if encoding is not None:
        # A charset that was found in ASCII cannot be one of two bytes a character.
        return _decode(data, "utf-8" if encoding.startswith("utf-16") else encoding)
    unknown = label or declared.strip()
    try:
        return Decoded(data.decode("utf-8"), "utf-8", unknown=unknown)
    except UnicodeDecodeError as error:
        # A page that was cut in the middle of a character, or in which few bytes are broken, is UTF-8 all the same.
        decoded = _decode(data, "utf-8")
        if error.end >= len(data) - 3 or decoded.replaced * 20 < sum(byte >= 0x80 for byte in data):  # noqa: PLR2004
            return Decoded(decoded.text, "utf-8", decoded.replaced, unknown)
        western = _decode(data, "cp1252")
        return Decoded(western.text, "cp1252", western.replaced, unknown)


def decode_text(data: bytes) -> Decoded:
    """Decode a text file, which names no charset: by its byte order mark, as UTF-8, or as Western European Windows.

    The last only where all bytes beyond ASCII look like it. Raises `UnicodeDecodeError` for anything else: a guess
    would make words that no author wrote.
    """
    if marked := _by_mark(data):
        return marked
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        if wide := _wide(data):
            return _decode(data, wide)
        if _looks_western(data):
            return Decoded(data.decode("cp1252"), "cp1252")
        raise


def _by_mark(data: bytes) -> Decoded | None:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], encoding)
    return None


def _wide(data: bytes) -> str | None:
    """Return UTF-16 for bytes that begin as a text in it does: every other one of the first is zero."""
    start = data[:64]
    if len(start) >= 4 and not any(start[1::2]) and all(start[::2]):  # noqa: PLR2004 - two characters
        return "utf-16-le"
    if len(start) >= 4 and not any(start[::2]) and all(start[1::2]):  # noqa: PLR2004
        return "utf-16-be"
    return None


def _own_label(data: bytes) -> str:
    """Return the charset that a page declares, wherever it stands in its beginning; empty for none."""
    start = data[:_SEARCHED]
    if xml := _XML.match(start):
        return xml[1].decode("ascii", "ignore").lower()
    found = _META.search(_without_comments(start))
    return found[1].decode("ascii", "ignore").lower() if found else ""


def _without_comments(data: bytes) -> bytes:
    parts: list[bytes] = []
    while data:
        text, _, rest = data.partition(b"<!--")
        parts.append(text)
        data = rest.partition(b"-->")[2]
    return b"".join(parts)


def _decode(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, "replace")
    if encoding == "cp1252" and "\ufffd" in text:
        # A browser reads the five bytes that cp1252 leaves open as control characters: they are no loss.
        text = text.replace("\ufffd", "")
    replaced = text.count("\ufffd") - (data.count("\ufffd".encode()) if encoding == "utf-8" else 0)
    return Decoded(text, encoding, replaced)


def _looks_western(data: bytes) -> bool:
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    run = beyond = 0
    for sign in text:
        run = run + 1 if sign > "\x7f" else 0
        beyond += sign > "\x7f"
        if run > _LONGEST_RUN or (sign < " " and sign not in "\t\n\r\f"):
            return False
    return beyond <= max(_LARGEST_SHARE * len(text), 4)
