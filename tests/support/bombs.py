"""Texts and documents that cost their reader far more than their size says: the corpus of bombs, made by code."""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.support.office_bombs import MAKERS

MEGABYTE = 1 << 20
LARGEST = 2 * MEGABYTE
"""The largest bomb, in bytes."""


@dataclass(frozen=True)
class Bomb:
    """One bomb."""

    name: str
    way: Literal["document", "page", "guard"]
    """How it comes in: as a file, as a page of the web, or as a text for a guard."""
    by: str
    """The file's name, the page's `Content-Type`, or the guard."""
    make: Callable[[], bytes]


def pdf(objects: Sequence[bytes], root: int, trailer: bytes = b"") -> bytes:
    """Return a PDF of these objects, which are numbered from 1."""
    out, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    at = len(out)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root %d 0 R%s>>" % (size, table, size, root, trailer)
    return bytes(out + b"\nstartxref\n%d\n%%%%EOF" % at)


def stream(data: bytes, layers: int = 1) -> bytes:
    """Return a stream object that is deflated `layers` times."""
    for _ in range(layers):
        data = zlib.compress(data, 9)
    filters = b"/FlateDecode" * layers
    return b"<</Filter[%s]/Length %d>>stream\n%s\nendstream" % (filters, len(data), data)


def page_tree(fan: int, depth: int, content: bytes, layers: int = 1, information: bytes = b"") -> bytes:
    """Return a PDF of `fan ** depth` pages with one content: each node has the same kid `fan` times."""
    objects = [b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>", stream(content, layers)]
    resources = b"/MediaBox[0 0 612 792]/Resources<</Font<</F1 1 0 R>>>>"
    objects.append(b"<</Type/Page%s/Contents 2 0 R>>" % resources)
    pages = 1
    for _ in range(depth):
        pages *= fan
        kid = b"%d 0 R" % len(objects)
        objects.append(b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b" ".join([kid] * fan)))
    objects.append(b"<</Type/Catalog/Pages %d 0 R>>" % len(objects))
    root = len(objects)
    if not information:
        return pdf(objects, root)
    objects.append(information)
    return pdf(objects, root, b"/Info %d 0 R" % len(objects))


def text_content(operators: int, operator: bytes = b"(a) Tj ") -> bytes:
    """Return a content stream with many operators."""
    return b"BT /F1 12 Tf 72 700 Td " + operator * operators + b"ET"


def archive(members: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Return a ZIP whose members are `size` bytes of a repeated piece."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, size, piece in members:
            with packed.open(name, "w") as member:
                for _ in range(size // MEGABYTE):
                    member.write((piece * (MEGABYTE // len(piece) + 1))[:MEGABYTE])
    return out.getvalue()


def _filled(piece: bytes, size: int) -> Callable[[], bytes]:
    return lambda: (piece * (size // len(piece) + 1))[:size]


def _pdfs() -> Iterator[Bomb]:
    makers: dict[str, Callable[[], bytes]] = {
        "a page tree of 17^4 pages": lambda: page_tree(17, 4, text_content(20_000)),
        "a page tree of 9^6 pages": lambda: page_tree(9, 6, text_content(1000)),
        "a page tree of 300^2 pages": lambda: page_tree(300, 2, text_content(2000)),
        "a page tree of 2^16 pages": lambda: page_tree(2, 16, text_content(100)),
        "a page with a million operators": lambda: page_tree(1, 1, text_content(1_000_000)),
        "a page with 100,000 operators that move": lambda: page_tree(1, 1, text_content(200_000, b"1 1 Td (a) Tj ")),
        "a page that saves its state 500,000 times": lambda: page_tree(1, 1, b"q " * 500_000),
        "text at distant places": lambda: page_tree(1, 1, text_content(2000, b"9999999 9999999 Td (a) Tj ")),
        "300 MB of deflated spaces": lambda: page_tree(1, 1, b" " * 300_000_000),
        "300 MB deflated twice": lambda: page_tree(1, 1, b" " * 300_000_000, layers=2),
        "100 MB of deflated operators": lambda: page_tree(1, 1, text_content(14_000_000)),
        "arrays nested 200,000 times": lambda: pdf(
            [b"<</Type/Catalog/Pages 2 0 R/X " + b"[" * 200_000 + b"]" * 200_000 + b">>", b"<</Type/Pages/Kids[]>>"], 1
        ),
        "dictionaries nested 100,000 times": lambda: pdf(
            [b"<</Type/Catalog/Pages 2 0 R/X " + b"<</X " * 100_000 + b">>" * 100_000 + b">>", b"<</Type/Pages>>"], 1
        ),
        "a page tree that contains itself": lambda: pdf(
            [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]>>"], 1
        ),
        "a cross-reference table that refers to itself": lambda: pdf(
            [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]>>"], 1, b"/Prev 9"
        ),
    }
    for letter in (b"a", b"1", b"=", b" ", b"a ", b"_"):
        keywords = b"<</Keywords(" + letter * (LARGEST // 2 // len(letter)) + b")>>"
        makers[f"a megabyte of {letter!r} as keywords"] = lambda keywords=keywords: page_tree(
            1, 1, text_content(1), information=keywords
        )
    for name, make in makers.items():
        yield Bomb(f"PDF: {name}", "document", "bomb.pdf", make)


def _pages() -> Iterator[Bomb]:
    for tag, times in (("div", 100_000), ("div", 350_000), ("table><tr><td", 60_000), ("ul><li", 120_000)):
        yield Bomb(f"HTML: {times:,} nested <{tag}>", "document", "bomb.html", _filled(f"<{tag}>".encode(), times * 5))
    for tag in ("a", "b", "b><i", "font color=1", "p", "span", "nobr", "select><option", "svg><desc", "template"):
        yield Bomb(f"HTML: 1 MiB of <{tag}>", "page", "text/html", _filled(f"<{tag}>".encode(), MEGABYTE))
    cells = b"<table><tr>" + b"<td colspan=1000 rowspan=60000>x" * 30_000
    yield Bomb("HTML: spans of a thousand columns", "page", "text/html; charset=utf-8", lambda: cells)
    attributes = b"<div " + b"".join(b"a%d=1 " % number for number in range(100_000)) + b">x"
    yield Bomb("HTML: 100,000 attributes of one tag", "page", "text/html", lambda: attributes)
    yield Bomb("HTML: an encoding of its own, punycode", "page", "text/html", lambda: b"<meta charset=punycode>" + LONG)
    for charset in ("punycode", "idna", "zip", "bz2", "hex", "unicode_escape", "raw_unicode_escape", "utf-7", "hz"):
        yield Bomb(f"page: 400 KB in {charset}", "page", f"text/plain; charset={charset}", lambda: LONG)
    yield Bomb("page: a long name of an encoding", "page", "text/plain; charset=" + "utf-" * 100_000, lambda: LONG)


LONG = b"a" * 200_000 + b"-" + b"b" * 200_000


def _markdowns() -> Iterator[Bomb]:
    pieces = {
        "[": LARGEST,
        "![[": MEGABYTE,
        "[a](": MEGABYTE,
        "[a][": MEGABYTE,
        "*a ": MEGABYTE,
        "**a _b ": MEGABYTE,
        "<a ": MEGABYTE,
        "<!--": MEGABYTE,
        "&#": MEGABYTE,
        "\\": MEGABYTE,
        "> ": 200_000,
        "- ": 200_000,
        "1. ": 200_000,
        "a: b\n": LARGEST,
    }
    for piece, size in pieces.items():
        yield Bomb(f"Markdown: {size:,} bytes of {piece!r}", "document", "bomb.md", _filled(piece.encode(), size))
    backticks = b"".join(b"`" * (number % 1500) + b" " for number in range(2500))
    yield Bomb("Markdown: runs of backticks", "document", "bomb.md", lambda: backticks)
    table = b"|" * 5000 + b"\n" + b"|-" * 5000 + b"\n" + b"|\n" * 20_000
    yield Bomb("Markdown: a table of 5,000 columns", "document", "bomb.md", lambda: table)
    stairs = b"".join(b" " * (2 * level) + b"- a\n" for level in range(1000))
    yield Bomb("Markdown: a list of 1,000 levels", "document", "bomb.md", lambda: stairs)


def _archives() -> Iterator[Bomb]:
    for ending, member in (("docx", "word/document.xml"), ("xlsx", "xl/sharedStrings.xml"), ("pptx", "ppt/a.xml")):
        members = [("[Content_Types].xml", MEGABYTE, b" "), (member, 1000 * MEGABYTE, b"<a>")]
        yield Bomb(
            f"a gigabyte zipped as .{ending}", "document", f"bomb.{ending}", lambda members=members: archive(members)
        )
    for ending, makers in MAKERS.items():
        for name, make in makers.items():
            yield Bomb(f".{ending}: {name}", "document", f"bomb.{ending}", make)


def _texts() -> Iterator[Bomb]:
    pieces = {
        "secrets_present": ["://", "AKIA", "password = ", 'x="', "eyJ", "https://a:", "//:_authToken=", "api_key: '"],
        "pii": ["1", "a@", "a.", "1-", "+1 ", "::", "AB12 ", "ab@cd.ef "],
        "injection": ["\ufdfa", "ignore "],
        "toxicity": ["\u0301", "damn "],
        "figures_quoted": ["1.", "A1-", "1,"],
        "names_quoted": ["a-", "Ab "],
    }
    for guard, each in pieces.items():
        for piece in each:
            yield Bomb(f"{guard}: 1 MiB of {piece!r}", "guard", guard, _filled(piece.encode(), MEGABYTE // 6 * 6))
    yield Bomb("secrets_present: 80 KB of '://'", "guard", "secrets_present", _filled(b"://", 80_000))


def bombs() -> list[Bomb]:
    """Return the whole corpus."""
    return [*_pdfs(), *_pages(), *_markdowns(), *_archives(), *_texts()]
