"""The encodings of pages: those of browsers are read, and no other codec of Python's is ever called."""

import encodings.aliases
import time

import pytest

from activities.adapters.documents.charsets import ENCODINGS, codec

CODECS = sorted(set(ENCODINGS.values()))


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("latin1", "cp1252"),
        ("windows-1251", "cp1251"),
        ("GB18030", "gb18030"),
        ("gb2312", "gb18030"),
        ("Big5", "big5hkscs"),
        ("Shift_JIS", "cp932"),
        ("x-sjis", "cp932"),
        ("euc-jp", "euc_jp"),
        ("euc-kr", "cp949"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_an_encoding_of_browsers_is_known_by_its_usual_names(charset: str, name: str) -> None:
    assert codec(charset) == name


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "zip", "rot13", "unicode_escape", "mbcs", "utf-" * 5000, "", "é"]
)
def test_any_other_codec_is_refused(charset: str) -> None:
    assert codec(charset) is None


def test_every_codec_of_python_is_either_listed_or_refused() -> None:
    names = {*encodings.aliases.aliases, *encodings.aliases.aliases.values()}
    assert {found for name in names if (found := codec(name))} <= set(CODECS)


@pytest.mark.parametrize("name", CODECS)
def test_a_megabyte_in_each_encoding_is_decoded_in_a_moment(name: str) -> None:
    began = time.process_time()
    (b"\x1b$B" + b"\x81\x40\xa1" * 349_000).decode(name, "replace")
    assert time.process_time() - began < 1
