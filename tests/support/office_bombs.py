"""Office files that cost their reader far more than their size says: sound archives with one part that is a bomb."""

import io
import zipfile
from collections.abc import Callable, Mapping
from functools import cache

import docx
import openpyxl
import pptx
from pptx.util import Inches

PART = 4_500_000
"""The size of a part in bytes: below the one from which on a large ratio alone gives a bomb away."""


@cache
def _sound(ending: str) -> bytes:
    """Return a small file of this ending, with one paragraph, cell or table."""
    out = io.BytesIO()
    match ending:
        case "docx":
            word = docx.Document()
            word.add_paragraph("One.")
            word.save(out)
        case "xlsx":
            book = openpyxl.Workbook()
            book.active["A1"] = "One."  # pyright: ignore[reportOptionalSubscript] - a new book has a sheet
            book.save(out)
        case _:
            show = pptx.Presentation()
            slide = show.slides.add_slide(show.slide_layouts[5])
            slide.shapes.add_table(1, 1, Inches(1), Inches(1), Inches(1), Inches(1))
            show.save(out)
    return out.getvalue()


def with_parts(ending: str, parts: Mapping[str, bytes]) -> bytes:
    """Return a sound file with these parts in place of its own, or beside them."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(_sound(ending))) as sound,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in sound.namelist():
            if name not in parts:
                packed.writestr(name, sound.read(name))
        for name, data in parts.items():
            packed.writestr(name, data)
    return out.getvalue()


def _part(ending: str, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_sound(ending))) as sound:
        return sound.read(name)


def _around(ending: str, name: str, mark: bytes, within: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return a maker of a file in whose part a text stands before the last `mark`."""

    def make() -> bytes:
        before, found, after = _part(ending, name).rpartition(mark)
        assert found, name
        return with_parts(ending, {name: before + within() + found + after})

    return make


def _nested(begin: bytes, end: bytes, levels: int) -> bytes:
    return begin * levels + end * levels


def _laughs(root: bytes) -> bytes:
    """Return a document type whose entity is two gigabytes once it is written out, and a root that holds it."""
    entities = b"".join(
        b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10 if level else b"ha" * 10) for level in range(9)
    )
    return b"<?xml version='1.0'?><!DOCTYPE x [%s]><%s>&l8;</%s>" % (entities, root, root)


SPAN = b'<w:tc><w:tcPr><w:gridSpan w:val="1000000"/></w:tcPr><w:p/></w:tc>'
LONG_STRING = b"<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>%s</t></si></sst>"
SHEET = "xl/worksheets/sheet1.xml"
SLIDE = "ppt/slides/slide1.xml"
BODY = "word/document.xml"


def _cells(count: int, cell: bytes) -> bytes:
    return b"".join(b'<row r="%d">%s</row>' % (row, cell % row) for row in range(2, count))


def _shared() -> bytes:
    """Return a workbook whose 100,000 cells show one string of 32 KB: three gigabytes of text."""
    before, found, after = _part("xlsx", SHEET).rpartition(b"</sheetData>")
    rows = _cells(100_000, b'<c r="A%d" t="s"><v>0</v></c>')
    parts = {SHEET: before + rows + found + after, "xl/sharedStrings.xml": LONG_STRING % (b"a " * 16_000)}
    return with_parts("xlsx", parts)


MAKERS: dict[str, dict[str, Callable[[], bytes]]] = {
    "docx": {
        "tables nested 60,000 times": _around(
            "docx", BODY, b"<w:sectPr", lambda: _nested(b"<w:tbl><w:tr><w:tc>", b"</w:tc></w:tr></w:tbl>", 60_000)
        ),
        "cells that span a million columns": _around(
            "docx", BODY, b"<w:sectPr", lambda: b"<w:tbl>" + (b"<w:tr>" + SPAN * 10 + b"</w:tr>") * 1000 + b"</w:tbl>"
        ),
        "300,000 empty paragraphs": _around("docx", BODY, b"<w:sectPr", lambda: b"<w:p/>" * 300_000),
        "an entity of two gigabytes": lambda: with_parts("docx", {BODY: _laughs(b"w")}),
        "15,000 parts": lambda: with_parts("docx", {f"word/p{number}.xml": b"<a/>" for number in range(15_000)}),
        "a part within itself": lambda: with_parts("docx", {"word/embeddings/inner.docx": _sound("docx") * 50}),
    },
    "xlsx": {
        "merged cells of a whole sheet": _around(
            "xlsx", SHEET, b"<pageMargins", lambda: b'<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
        ),
        "1,000 merged columns": _around(
            "xlsx",
            SHEET,
            b"<pageMargins",
            lambda: b"<mergeCells>" + b'<mergeCell ref="A1:XFD1048576"/>' * 1000 + b"</mergeCells>",
        ),
        "a string in 100,000 cells": _shared,
        "a cell in the last corner": _around(
            "xlsx",
            SHEET,
            b"</sheetData>",
            lambda: b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>a</t></is></c></row>',
        ),
        "an entity of two gigabytes": lambda: with_parts("xlsx", {SHEET: _laughs(b"worksheet")}),
        "a number of 4 MB": _around(
            "xlsx", SHEET, b"</sheetData>", lambda: b'<row r="2"><c r="A2"><v>' + b"9" * PART + b"</v></c></row>"
        ),
    },
    "pptx": {
        "groups nested 40,000 times": _around(
            "pptx",
            SLIDE,
            b"</p:spTree>",
            lambda: _nested(b"<p:grpSp><p:nvGrpSpPr/><p:grpSpPr/>", b"</p:grpSp>", 40_000),
        ),
        "an entity of two gigabytes": lambda: with_parts("pptx", {SLIDE: _laughs(b"p")}),
        "a line of 4 MB": _around(
            "pptx",
            SLIDE,
            b"</p:spTree>",
            lambda: (
                b"<p:sp><p:nvSpPr/><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>"
                + b"a_" * (PART // 2)
                + b"</a:t></a:r></a:p></p:txBody></p:sp>"
            ),
        ),
    },
}
"""The makers of bombs, by the ending of their files."""
