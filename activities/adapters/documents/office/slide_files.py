"""Reads PowerPoint presentations: each slide's title, text, tables and speaker's notes."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pptx

from activities.adapters.documents.document import Document, Outline, assemble
from activities.adapters.documents.grids import Cell, add_table
from activities.adapters.documents.office.archives import require_sound
from activities.adapters.documents.scripts import lowered, raised

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MAX_DEPTH = 30
"""The deepest nesting of groups of shapes."""
_NO_SIZE = 1 << 40


def read_slides(path: Path, data: bytes) -> Document:
    """Read a .pptx file. Its title is that of its properties, or that of its first slide."""
    require_sound(path, data)
    presentation: Any = pptx.Presentation(io.BytesIO(data))
    outline = Outline()
    first = ""
    for number, slide in enumerate(presentation.slides, 1):
        where = f"slide {number}"
        if slide.element.get("show") in {"0", "false"}:
            outline.lose("hidden slide", where=where)
            continue
        title = slide.shapes.title
        title_text = _text_of(title.text_frame) if title is not None else ""
        first = first or title_text
        outline.heading(2, title_text or f"Slide {number}")
        for shape in sorted(_shapes(slide.shapes, 0, outline, where), key=_place):
            if title is None or shape.shape_id != title.shape_id:
                _add(shape, outline, where)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            for text in _paragraphs(slide.notes_slide.notes_text_frame):
                outline.line(text)
    return assemble(path, {"title": presentation.core_properties.title or first}, outline)


def _shapes(shapes: Any, depth: int, outline: Outline, where: str) -> Iterator[Any]:
    """Yield the shapes, those of groups one by one."""
    for shape in shapes:
        if getattr(shape, "shapes", None) is None:
            yield shape
        elif depth < _MAX_DEPTH:
            yield from _shapes(shape.shapes, depth + 1, outline, where)
        else:
            outline.lose("group nested too deeply", where=where)


def _place(shape: Any) -> tuple[int, int]:
    return (_NO_SIZE if shape.top is None else int(shape.top), _NO_SIZE if shape.left is None else int(shape.left))


def _add(shape: Any, outline: Outline, where: str) -> None:
    if getattr(shape, "has_table", False):
        _add_table(shape.table, outline)
    elif getattr(shape, "has_text_frame", False):
        for text in _paragraphs(shape.text_frame):
            outline.line(text)
    elif getattr(shape, "has_chart", False):
        outline.lose("chart", where=where)
    elif "pic" in shape.element.tag or getattr(shape, "shape_type", None) is not None:
        kind = str(getattr(shape.shape_type, "name", "shape")).lower().replace("_", " ")
        if kind not in {"line", "freeform"}:
            outline.lose("image" if kind == "picture" else kind, where=where)


def _add_table(table: Any, outline: Outline) -> None:
    rows: list[list[Cell]] = []
    for row in table.rows:
        cells = [cell for cell in row.cells if not cell.is_spanned]
        rows.append([Cell(_text_of(cell.text_frame), _wide(cell), _high(cell)) for cell in cells])
    heads = 0
    if table.first_row and len(rows) > 1:
        below = max((cell.rows for cell in rows[0] if cell.rows < len(rows)), default=1)
        heads = max(below, 2 if len(rows[0]) > 1 and any(cell.columns > 1 for cell in rows[0]) else 1)
    add_table(outline, rows, min(heads, len(rows) - 1))


def _wide(cell: Any) -> int:
    return int(cell.span_width) if cell.is_merge_origin else 1


def _high(cell: Any) -> int:
    return int(cell.span_height) if cell.is_merge_origin else 1


def _text_of(frame: Any) -> str:
    return " ".join(_paragraphs(frame))


def _paragraphs(frame: Any) -> Iterator[str]:
    """Yield the paragraphs of a text frame, with their superscripts marked."""
    for paragraph in frame.paragraphs:
        parts: list[str] = []
        for child in paragraph._p.iterchildren():  # noqa: SLF001 - line breaks are in its XML alone
            if child.tag == f"{_A}br":
                parts.append(" ")
            elif child.tag in {f"{_A}r", f"{_A}fld"}:
                text = "".join(one.text or "" for one in child.iter(f"{_A}t"))
                properties = child.find(f"{_A}rPr")
                shift = str(properties.get("baseline") or "0") if properties is not None else "0"
                up, down = shift.lstrip("-") != "0" and shift[:1] != "-", shift[:1] == "-"
                parts.append(raised(text) if up else lowered(text) if down else text)
        text = "".join(parts)
        if text.strip():
            yield text
