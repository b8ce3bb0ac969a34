"""Reads Word documents: headings by their styles, paragraphs, lists, tables with merged cells, and notes."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docx
from docx.oxml import parse_xml

from activities.adapters.documents.document import Document, Outline, assemble
from activities.adapters.documents.grids import Cell, add_table
from activities.adapters.documents.office.archives import require_sound
from activities.adapters.documents.scripts import lowered, raised

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOTES = {"footnotes": "footnote", "endnotes": "endnote"}
_LEFT_OUT = {
    f"{_W}del": "deleted text of a tracked change",
    f"{_W}moveFrom": "deleted text of a tracked change",
    f"{_W}drawing": "image or drawing",
    f"{_W}pict": "image or drawing",
    f"{_W}object": "embedded object",
    f"{_W}commentReference": "comment",
}
_MAX_DEPTH = 60
"""The deepest nesting of tables."""


def read_word(path: Path, data: bytes) -> Document:
    """Read a .docx file. Its title is that of its properties, or its first heading."""
    require_sound(path, data)
    document: Any = docx.Document(io.BytesIO(data))
    outline = Outline()
    reader = _Reader(document, outline)
    reader.read_notes()
    reader.blocks(document.element.body, 0)
    for section in document.sections:
        for margin in (section.header, section.footer):
            if not margin.is_linked_to_previous and any(paragraph.text.strip() for paragraph in margin.paragraphs):
                outline.lose("header or footer of the pages")
    return assemble(path, {"title": document.core_properties.title or ""}, outline)


class _Reader:
    """Walks the blocks of a document's body."""

    def __init__(self, document: Any, outline: Outline) -> None:
        self._outline = outline
        self._document = document
        self._styles = {style.style_id: style for style in document.styles}
        self._labels: dict[tuple[str, str], str] = {}

    def read_notes(self) -> None:
        """Keep the footnotes and endnotes, numbered in the order in which their part has them."""
        for relation in self._document.part.rels.values():
            kind = relation.reltype.rpartition("/")[2]
            if kind not in _NOTES or relation.is_external:
                continue
            prefix = "" if kind == "footnotes" else "e"
            part: Any = parse_xml(relation.target_part.blob)
            for note in part.iterchildren(f"{_W}{_NOTES[kind]}"):
                if note.get(f"{_W}type") in {"separator", "continuationSeparator", "continuationNotice"}:
                    continue
                label = f"{prefix}{len([1 for name, _ in self._labels if name == _NOTES[kind]]) + 1}"
                self._labels[_NOTES[kind], str(note.get(f"{_W}id"))] = label
                texts = [self.text(paragraph) for paragraph in note.iter(f"{_W}p")]
                self._outline.note(label, [text for text in texts if text.strip()])

    def blocks(self, parent: Any, depth: int) -> None:
        """Add the paragraphs and tables of an element."""
        for child in parent.iterchildren():
            if child.tag == f"{_W}p":
                self.paragraph(child)
            elif child.tag == f"{_W}tbl":
                self.table(child, depth)
            elif child.tag in {f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml", f"{_W}moveTo"}:
                self.blocks(child, depth)

    def paragraph(self, paragraph: Any) -> None:
        """Add a paragraph, as a heading where its style is one, and the text of the boxes in it."""
        text = self.text(paragraph)
        level = self._level(paragraph)
        if level:
            self._outline.heading(level, text)
        elif paragraph.find(f"{_W}pPr/{_W}numPr") is not None or "list" in self._style_name(paragraph):
            self._outline.item(text)
        else:
            for line in text.split("\n"):
                self._outline.line(line)
        for box in _boxes(paragraph):
            self.blocks(box, 0)

    def table(self, table: Any, depth: int) -> None:
        """Add a table; tables within it follow it."""
        if depth > _MAX_DEPTH:
            self._outline.lose("table nested too deeply")
            return
        rows: list[list[Cell]] = []
        open_cells: dict[int, tuple[int, int]] = {}
        inner: list[Any] = []
        heads = 0
        for row in table.iterchildren(f"{_W}tr"):
            cells: list[Cell] = []
            column = 0
            for cell in row.iter(f"{_W}tc"):
                if next(cell.iterancestors(f"{_W}tr")) is not row:
                    continue
                span = _number(cell.find(f"{_W}tcPr/{_W}gridSpan"))
                merge = cell.find(f"{_W}tcPr/{_W}vMerge")
                inner.extend(cell.iterchildren(f"{_W}tbl"))
                if merge is not None and merge.get(f"{_W}val") != "restart" and column in open_cells:
                    above, number = open_cells[column]
                    old = rows[above][number]
                    rows[above][number] = Cell(old.text, old.columns, old.rows + 1, old.is_header)
                else:
                    texts = [self.text(paragraph) for paragraph in _paragraphs_of(cell)]
                    if merge is not None:
                        open_cells[column] = (len(rows), len(cells))
                    else:
                        open_cells.pop(column, None)
                    cells.append(Cell(" ".join(texts), span))
                column += span
            heads += row.find(f"{_W}trPr/{_W}tblHeader") is not None and heads == len(rows)
            rows.append(cells)
        rows_count = len(rows)
        if rows_count:
            first = max((cell.rows for cell in rows[0] if cell.rows < rows_count), default=1)
            parted = any(cell.columns > 1 for cell in rows[0]) and len(rows[0]) > 1
            heads = heads or max(first, 2 if parted else 1)
            add_table(self._outline, rows, min(heads, rows_count - 1))
        for one in inner:
            self.table(one, depth + 1)

    def text(self, paragraph: Any) -> str:
        """Return a paragraph's text: its runs, those that were inserted, and the marks of its notes."""
        return "".join(self._parts(paragraph))

    def _parts(self, parent: Any) -> Iterator[str]:
        for child in parent.iterchildren():
            tag = child.tag
            if tag == f"{_W}r":
                yield self._run(child)
            elif tag in _LEFT_OUT:
                self._outline.lose(_LEFT_OUT[tag])
            elif tag == f"{_M}oMath":
                yield f" {' '.join(text.text or '' for text in child.iter(f'{_M}t'))} "
            elif tag == f"{_W}pPr" or not isinstance(tag, str):
                continue
            else:
                yield from self._parts(child)

    def _run(self, run: Any) -> str:  # noqa: C901 - one case for each element of a run
        properties = run.find(f"{_W}rPr")
        if properties is not None and _is_on(properties.find(f"{_W}vanish")):
            self._outline.lose("hidden text")
            return ""
        if properties is not None and any(_is_on(properties.find(f"{_W}{name}")) for name in ("strike", "dstrike")):
            self._outline.lose("struck-out text")
            return ""
        parts: list[str] = []
        for child in run.iterchildren():
            name = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
            if name == "t":
                parts.append(child.text or "")
            elif name in {"tab", "ptab"}:
                parts.append(" ")
            elif name in {"br", "cr"}:
                parts.append("\n")
            elif name == "noBreakHyphen":
                parts.append("-")
            elif name == "sym":
                parts.append(_symbol(child))
            elif name in {"footnoteReference", "endnoteReference"}:
                label = self._labels.get((name.removesuffix("Reference"), str(child.get(f"{_W}id"))))
                if label:
                    self._outline.refer(label)
                    parts.append(f" [{label}]")
            elif child.tag in _LEFT_OUT and not any(True for _ in _boxes(child)):
                self._outline.lose(_LEFT_OUT[child.tag])
        text = "".join(parts)
        script = properties.find(f"{_W}vertAlign") if properties is not None else None
        place = script.get(f"{_W}val") if script is not None else ""
        if text.strip().startswith("["):
            return text
        return raised(text) if place == "superscript" else lowered(text) if place == "subscript" else text

    def _level(self, paragraph: Any) -> int:
        """Return a paragraph's level as a heading, by its style or those that it is based on; 0 for text."""
        name = self._style_name(paragraph)
        if name == "title":
            return 1
        if name.startswith("heading ") and name[8:].strip().isdigit():
            return max(1, min(9, int(name[8:])))
        outline = paragraph.find(f"{_W}pPr/{_W}outlineLvl")
        level = _number(outline, default=9) if outline is not None else 9
        return level + 1 if level < 9 else 0  # noqa: PLR2004 - 9 is the level of text

    def _style_name(self, paragraph: Any) -> str:
        """Return the name of the style, or of the first heading that it is based on."""
        reference = paragraph.find(f"{_W}pPr/{_W}pStyle")
        style = self._styles.get(reference.get(f"{_W}val")) if reference is not None else None
        names: list[str] = []
        while style is not None and len(names) < 10:  # noqa: PLR2004 - styles may be based on themselves
            names.append((style.name or "").lower())
            style = getattr(style, "base_style", None)
        return next(
            (name for name in names if name == "title" or name.startswith("heading ")), names[0] if names else ""
        )


def _paragraphs_of(cell: Any) -> Iterator[Any]:
    """Yield the paragraphs of a cell, without those of tables within it and of copies for older programs."""
    for paragraph in cell.iter(f"{_W}p"):
        above = list(paragraph.iterancestors())
        own = next((one for one in above if one.tag == f"{_W}tc"), None) is cell
        if own and not any(one.tag == _FALLBACK for one in above):
            yield paragraph


def _boxes(element: Any) -> Iterator[Any]:
    """Yield the contents of text boxes, each once: older programs find a second copy."""
    for box in element.iter(f"{_W}txbxContent"):
        above = list(box.iterancestors())
        if not any(one.tag in {_FALLBACK, f"{_W}txbxContent"} for one in above):
            yield box


def _number(element: Any, default: int = 1) -> int:
    value = element.get(f"{_W}val") if element is not None else None
    return int(value) if isinstance(value, str) and value.isdigit() and len(value) < 6 else default  # noqa: PLR2004


def _is_on(element: Any) -> bool:
    return element is not None and element.get(f"{_W}val") not in {"0", "false", "off", "none"}


def _symbol(element: Any) -> str:
    """Return the character of a symbol, where it is not one of a font of pictures."""
    code = str(element.get(f"{_W}char") or "")
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    return "" if 0xE000 <= number <= 0xF8FF or not 0x20 <= number < 0xD800 else chr(number)  # noqa: PLR2004
