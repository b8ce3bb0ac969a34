"""Reads PDF: prose is joined again, headings are told by their type, tables by their columns."""

import io
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pypdf import PageObject, PdfReader

from activities.adapters.documents.document import Document, Outline, assemble, one_line, unreadable
from activities.adapters.documents.tables import COLUMNS, cells_in, table_at
from activities.text.sentences import BULLET

# What is wrong with a file is said once, by the error.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

_KEYWORD = re.compile(r"(\w+)\s*=\s*([^;]*)")
_LARGER = 1.12
"""How much larger than the text a heading's type is, where it is not bold."""
_LONGEST_HEADING = 120
"""Characters."""
_SHORT_LINE = 0.85
"""A line that the next word would have left below this share of the widest one was ended on purpose."""
_REPEATED = 3
"""Pages on which the same line at the edge is no accident."""


@dataclass(frozen=True)
class _Line:
    """A line of a page; blank ones are kept, since they part paragraphs."""

    text: str
    """With the spaces that show where its cells stand."""
    level: int
    """Its level as a heading, from 1; 0 for text."""


def read_pdf(path: Path, data: bytes) -> Document:
    """Read a PDF. Its title is `/Title`, its other metadata `/Keywords` as `id=...; version=...; date=...`.

    Raises `UnreadableDocument` for a file that is damaged, encrypted or without text.
    """
    try:
        encrypted, described, lines = _contents(data)
    except Exception as error:  # noqa: BLE001  # a damaged file breaks pypdf in many ways: KeyError, RecursionError, zlib's
        reason = one_line(str(error))[:100] or type(error).__name__
        raise unreadable(path, f"it is not a sound PDF ({reason})", "replace it by an intact copy") from None
    if encrypted:
        raise unreadable(path, "it is encrypted", "save it without a password")
    outline = Outline()
    _read(lines, outline)
    return assemble(path, described, outline)


def _contents(data: bytes) -> tuple[bool, dict[str, str], list[_Line]]:
    """Whether it is encrypted, and where it is not, its metadata and its lines."""
    reader = PdfReader(io.BytesIO(data))
    return (True, {}, []) if reader.is_encrypted else (False, _described(reader), _lines(reader))


def _described(reader: PdfReader) -> dict[str, str]:
    metadata = reader.metadata
    if metadata is None:
        return {}
    described = {name.lower(): value for name, value in _KEYWORD.findall(str(metadata.get("/Keywords", "")))}
    title = metadata.get("/Title")
    return described if title is None else {**described, "title": str(title)}


def _lines(reader: PdfReader) -> list[_Line]:
    """All lines of all pages, without what stands at the head or foot of every page."""
    pages: list[list[str]] = []
    faces: Counter[tuple[bool, float]] = Counter()
    styled: dict[str, tuple[bool, float]] = {}
    for page in reader.pages:
        text = page.extract_text(extraction_mode="layout", layout_mode_space_vertically=True)
        pages.append(text.strip("\n").split("\n"))
        for line, face in _faces(page):
            faces[face] += len(line)
            styled.setdefault(line, face)
    body = faces.most_common(1)[0][0] if faces else (False, 0.0)
    headings = {
        line: face for line, face in styled.items() if _is_heading(line, face, body) and len(line) <= _LONGEST_HEADING
    }
    sizes = sorted({size for _, size in headings.values()}, reverse=True)
    return [
        _Line(line, sizes.index(headings[key][1]) + 1 if (key := one_line(line)) in headings else 0)
        for lines in _without_margins(pages)
        for line in lines
    ]


def _faces(page: PageObject) -> list[tuple[str, tuple[bool, float]]]:
    """Each line of a page with the face it is set in: whether it is bold, and its size in points.

    A line that mixes faces counts as text; a line of several bold cells is the head of a table.
    """
    pieces: dict[int, list[tuple[str, tuple[bool, float]]]] = {}

    def see(text: str, _cm: Any, tm: list[float], font: dict[str, Any] | None, size: float) -> None:
        if text.strip():
            bold = "bold" in str((font or {}).get("/BaseFont", "")).lower()
            height = round(abs(size * (tm[3] or tm[1] or 1.0)), 1)
            pieces.setdefault(round(tm[5]), []).append((text, (bold, height)))

    page.extract_text(visitor_text=see)
    found: list[tuple[str, tuple[bool, float]]] = []
    for line in pieces.values():
        faces = {face for _, face in line}
        face = faces.pop() if len(faces) == 1 else (False, 0.0)
        found.append((one_line("".join(text for text, _ in line)), face))
    return found


def _is_heading(line: str, face: tuple[bool, float], body: tuple[bool, float]) -> bool:
    bold, size = face
    larger = size >= body[1] * _LARGER
    return (larger or (bold and not body[0] and size >= body[1])) and not line.endswith((".", ",", ";"))


def _without_margins(pages: list[list[str]]) -> list[list[str]]:
    """Drop the first or last line of every page where it is the same on all of them, whatever the page's number."""
    if len(pages) == 1:
        return pages
    for edge in (0, -1):
        marks = {re.sub(r"\d+", "#", one_line(page[edge])) for page in pages if page}
        if len(marks) == 1 and (len(pages) >= _REPEATED or "#" in next(iter(marks))):
            pages = [page[1:] if edge == 0 else page[:-1] for page in pages]
    return pages


def _read(lines: list[_Line], outline: Outline) -> None:
    width = max((len(one_line(line.text)) for line in lines), default=0)
    prose: list[str] = []

    def end() -> None:
        for is_item, text in _paragraphs(prose, width):
            (outline.item if is_item else outline.line)(text)
        prose.clear()

    cells = [None if line.level and len(cells_in(line.text)) < COLUMNS else line.text for line in lines]
    position = 0
    while position < len(lines):
        line = lines[position]
        rows = table_at(cells, position)
        if rows:
            end()
            outline.table(rows[0].cells, [row.cells for row in rows[1:]])
            position = rows[-1].line
        elif line.level:
            end()
            outline.heading(line.level, line.text)
        else:
            prose.append(line.text)
        position += 1
    end()


def _paragraphs(lines: list[str], width: int) -> Iterator[tuple[bool, str]]:
    """Join lines to paragraphs and list items; yields whether it is a list item, and its text."""
    text, is_item, last, gap = "", False, "", False
    for line in map(one_line, lines):
        if not line:
            gap = True
            continue
        mark = BULLET.match(line)
        first = line.split(" ", 1)[0]
        short = len(last) + 1 + len(first) < width * _SHORT_LINE
        # In the middle of a sentence a gap is a page's end or wide spacing.
        if text and (mark or ((gap or short) and not (first[:1].islower() or last.endswith(",")))):
            yield is_item, text
            text = ""
        if not text:
            is_item, text = mark is not None, line[mark.end() :] if mark else line
        else:
            hyphenated = text.endswith("-") and first[:1].islower()
            text = text + line if hyphenated else f"{text} {line}"
        last, gap = line, False
    if text:
        yield is_item, text
