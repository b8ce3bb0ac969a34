"""Reads PDF: joins lines to paragraphs, and finds headings by their typeface and tables by their columns."""

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
from activities.adapters.documents.tables import MIN_COLUMNS, cells_in, table_at
from activities.text.sentences import BULLET

# The error names the fault of a file; pypdf's log would repeat it.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

_KEYWORD = re.compile(r"(?<!\w)(\w++)\s*+=\s*+([^;]*)")
_HEADING_SIZE_RATIO = 1.12
"""The least ratio of a heading's font size to the text's, where the heading is not bold."""
_MAX_HEADING_LENGTH = 120
"""The longest heading, in characters."""
_FULL_LINE_SHARE = 0.85
"""The share of the widest line. A line that would be shorter even with the next word was ended on purpose."""
_MIN_PAGES = 3
"""The number of pages from which on a line that is the same at the edge of all of them is a header or footer."""


@dataclass(frozen=True)
class _Line:
    """A line of a page; blank lines are kept, since they separate paragraphs."""

    text: str
    """The text, with the spaces that show the columns of its cells."""
    level: int
    """Its level as a heading, from 1; 0 for text."""


def read_pdf(path: Path, data: bytes) -> Document:
    """Read a PDF. Its title is `/Title`, its other metadata `/Keywords` as `id=...; version=...; date=...`.

    Raises `UnreadableDocument` for a file that is damaged, encrypted or without text.
    """
    try:
        encrypted, metadata, lines = _contents(data)
    except Exception as error:  # noqa: BLE001  # a damaged file breaks pypdf in many ways: KeyError, RecursionError, zlib's
        reason = one_line(str(error))[:100] or type(error).__name__
        raise unreadable(path, f"it is not a sound PDF ({reason})", "replace it by an intact copy") from None
    if encrypted:
        raise unreadable(path, "it is encrypted", "save it without a password")
    outline = Outline()
    _read(lines, outline)
    return assemble(path, metadata, outline)


def _contents(data: bytes) -> tuple[bool, dict[str, str], list[_Line]]:
    """Return whether the file is encrypted, its metadata and its lines; no metadata and no lines if it is encrypted."""
    reader = PdfReader(io.BytesIO(data))
    return (True, {}, []) if reader.is_encrypted else (False, _metadata(reader), _lines(reader))


def _metadata(reader: PdfReader) -> dict[str, str]:
    information = reader.metadata
    if information is None:
        return {}
    metadata = {name.lower(): value for name, value in _KEYWORD.findall(str(information.get("/Keywords", "")))}
    title = information.get("/Title")
    return metadata if title is None else {**metadata, "title": str(title)}


def _lines(reader: PdfReader) -> list[_Line]:
    """Return the lines of all pages, without the headers and footers that every page repeats."""
    pages: list[list[str]] = []
    faces: Counter[tuple[bool, float]] = Counter()
    face_of_line: dict[str, tuple[bool, float]] = {}
    for page in reader.pages:
        text = page.extract_text(extraction_mode="layout", layout_mode_space_vertically=True)
        pages.append(text.strip("\n").split("\n"))
        for line, face in _faces(page):
            faces[face] += len(line)
            face_of_line.setdefault(line, face)
    body = faces.most_common(1)[0][0] if faces else (False, 0.0)
    headings = {
        line: face
        for line, face in face_of_line.items()
        if _is_heading(line, face, body) and len(line) <= _MAX_HEADING_LENGTH
    }
    sizes = sorted({size for _, size in headings.values()}, reverse=True)
    return [
        _Line(line, sizes.index(headings[key][1]) + 1 if (key := one_line(line)) in headings else 0)
        for lines in _without_margins(pages)
        for line in lines
    ]


def _faces(page: PageObject) -> list[tuple[str, tuple[bool, float]]]:
    """Return each line of a page with its face: whether it is bold, and its size in points.

    A line that mixes faces counts as text; a line of several bold cells is the header of a table.
    """
    pieces: dict[int, list[tuple[str, tuple[bool, float]]]] = {}

    def visit(text: str, _cm: Any, tm: list[float], font: dict[str, Any] | None, size: float) -> None:
        if text.strip():
            bold = "bold" in str((font or {}).get("/BaseFont", "")).lower()
            height = round(abs(size * (tm[3] or tm[1] or 1.0)), 1)
            pieces.setdefault(round(tm[5]), []).append((text, (bold, height)))

    page.extract_text(visitor_text=visit)
    styled_lines: list[tuple[str, tuple[bool, float]]] = []
    for line in pieces.values():
        faces = {face for _, face in line}
        face = faces.pop() if len(faces) == 1 else (False, 0.0)
        styled_lines.append((one_line("".join(text for text, _ in line)), face))
    return styled_lines


def _is_heading(line: str, face: tuple[bool, float], body: tuple[bool, float]) -> bool:
    bold, size = face
    larger = size >= body[1] * _HEADING_SIZE_RATIO
    return (larger or (bold and not body[0] and size >= body[1])) and not line.endswith((".", ",", ";"))


def _without_margins(pages: list[list[str]]) -> list[list[str]]:
    """Remove the first or last line of every page where it is the same on all pages, apart from the page's number."""
    if len(pages) == 1:
        return pages
    for edge in (0, -1):
        marks = {re.sub(r"\d+", "#", one_line(page[edge])) for page in pages if page}
        if len(marks) == 1 and (len(pages) >= _MIN_PAGES or "#" in next(iter(marks))):
            pages = [page[1:] if edge == 0 else page[:-1] for page in pages]
    return pages


def _read(lines: list[_Line], outline: Outline) -> None:
    width = max((len(one_line(line.text)) for line in lines), default=0)
    prose: list[str] = []

    def end() -> None:
        for is_item, text in _paragraphs(prose, width):
            (outline.item if is_item else outline.line)(text)
        prose.clear()

    cells = [None if line.level and len(cells_in(line.text)) < MIN_COLUMNS else line.text for line in lines]
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
    """Join lines to paragraphs and list items; yield for each whether it is a list item, and its text."""
    text, is_item, previous_line, after_gap = "", False, "", False
    for line in map(one_line, lines):
        if not line:
            after_gap = True
            continue
        bullet = BULLET.match(line)
        first_word = line.split(" ", 1)[0]
        ended_early = len(previous_line) + 1 + len(first_word) < width * _FULL_LINE_SHARE
        # Within a sentence a gap is only the end of a page or wide spacing.
        if text and (
            bullet or ((after_gap or ended_early) and not (first_word[:1].islower() or previous_line.endswith(",")))
        ):
            yield is_item, text
            text = ""
        if not text:
            is_item, text = bullet is not None, line[bullet.end() :] if bullet else line
        else:
            hyphenated = text.endswith("-") and first_word[:1].islower()
            text = text + line if hyphenated else f"{text} {line}"
        previous_line, after_gap = line, False
    if text:
        yield is_item, text
