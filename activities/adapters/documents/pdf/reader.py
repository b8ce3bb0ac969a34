"""Reads PDF: joins lines to paragraphs, finds headings by their typeface, and tables by their rules or columns."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from activities.adapters.documents.document import Document, Outline, assemble, one_line, unreadable
from activities.adapters.documents.grids import add_table
from activities.adapters.documents.pdf.aligned_tables import MIN_COLUMNS, table_at
from activities.adapters.documents.pdf.columns import in_reading_order
from activities.adapters.documents.pdf.lines import Line, lines, signs
from activities.adapters.documents.pdf.pages import Encrypted, count_pages, laid_out, open_pdf
from activities.adapters.documents.pdf.paragraphs import paragraphs, vocabulary
from activities.adapters.documents.pdf.ruled_tables import Ruled, ruled_tables

_HEADING_SIZE_RATIO = 1.12
"""The least ratio of a heading's font size to the text's, where the heading is not bold."""
_MAX_HEADING_LENGTH = 120
"""The longest heading, in characters."""
_MIN_PAGES = 3
"""The number of pages from which on a line that is the same at the edge of all of them is a header or footer."""
_MARGIN = 0.12
"""The share of a page's height at its edges where headers and footers stand."""
_GAP = 1.9
"""The least distance of baselines that parts paragraphs, as a share of the font's size."""
_LONGEST_KEYWORDS = 4_096


@dataclass
class _Page:
    """What is on a page: lines and tables, in the order of reading."""

    number: int
    height: float
    items: list[Line | Ruled]
    turned: list[list[Line]]
    """The lines of rotated text, those of each angle by themselves."""


def read_pdf(path: Path, data: bytes) -> Document:
    """Read a PDF. Its title is `/Title`, its other metadata `/Keywords` as `id=...; version=...; date=...`.

    Raises `UnreadableDocument` for a file that is damaged, that needs a password, or that holds no text.
    """
    outline = Outline()
    try:
        with open_pdf(data) as pdf:
            metadata = _metadata(cast("dict[str, Any]", pdf.metadata))
            pages = [_page(number, page, outline) for number, page in laid_out(pdf)]
            left = count_pages(pdf) - len(pages)
        if not pages:
            raise ValueError("it has no pages")  # noqa: TRY301 - reported as every other fault of a file
    except Encrypted:
        raise unreadable(path, "it is encrypted", "save it without a password") from None
    except Exception as error:  # noqa: BLE001  # a damaged file breaks the library in many ways: KeyError, zlib's
        reason = one_line(str(error))[:100] or type(error).__name__
        raise unreadable(path, f"it is not a sound PDF ({reason})", "replace it by an intact copy") from None
    if left > 0:
        outline.lose("page that cannot be found, or is beyond the first 2,000", left)
    _read(_without_margins([page for page in pages if page is not None], outline), outline)
    return assemble(path, metadata, outline)


def _metadata(information: dict[str, Any]) -> dict[str, str]:
    """Return the title and the keywords, `name=value` between semicolons."""
    metadata: dict[str, str] = {}
    for field in str(information.get("Keywords") or "")[:_LONGEST_KEYWORDS].split(";"):
        name, sign, value = field.partition("=")
        name = name.rpartition(",")[2].strip().lower()
        if sign and name.isidentifier():
            metadata[name] = value.strip()
    title = information.get("Title")
    return {**metadata, "title": str(title)} if title else metadata


def _page(number: int, page: Any, outline: Outline) -> _Page | None:
    """Return what is on a page; None for one that draws too much."""
    where = f"page {number}"
    if page is None:
        outline.lose("page that draws too much to be read", where=where)
        return None
    by_angle = signs(_once(page.chars))
    found = by_angle.pop(0, [])
    tables, rest = ruled_tables(page, found)
    items: list[Line | Ruled] = list(in_reading_order(lines(rest)))
    for table in sorted(tables, key=lambda table: -table.top):
        place = next((n for n, item in enumerate(items) if isinstance(item, Ruled) or item.baseline > table.top), None)
        items.insert(len(items) if place is None else place, table)
    turned = [lines(by_angle[angle]) for angle in sorted(by_angle)]
    _report(page, [*found, *(sign for signs in by_angle.values() for sign in signs)], where, outline)
    return _Page(number, float(page.height), items, turned)


def _report(page: Any, found: Sequence[Any], where: str, outline: Outline) -> None:
    """Report what is on a page and is not text."""
    if unnamed := sum(sign.text == "\ufffd" for sign in found):
        outline.lose("character that its font does not name", unnamed, where)
    if not found and (page.images or page.curves):
        outline.lose("page without text, perhaps an image of it (it needs OCR)", where=where)
    elif page.images:
        outline.lose("image", len(page.images), where)
    for annotation in page.annots:
        kind = str(getattr(annotation["data"].get("Subtype"), "name", ""))
        if kind == "Widget":
            outline.lose("form field", where=where)
        elif annotation.get("contents") and kind != "Link":
            outline.lose("comment", where=where)


def _once(chars: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the characters without those that are drawn twice, one upon the other, to look bold."""
    seen: set[tuple[str, int, int]] = set()
    once: list[dict[str, Any]] = []
    for char in chars:
        place = (char["text"], round(char["x0"]), round(char["top"]))
        if place not in seen or not char["text"].strip():
            once.append(char)
        seen.add(place)
    return once


def _without_margins(pages: list[_Page], outline: Outline) -> list[_Page]:
    """Remove the first or last line of every page where all pages repeat it, apart from the page's number."""
    for edge in (0, -1):
        while len(pages) > 1 and all(page.items for page in pages):
            ends = [page.items[edge] for page in pages]
            if not all(
                isinstance(end, Line) and _is_at_edge(end, page, edge) for end, page in zip(ends, pages, strict=True)
            ):
                break
            texts = [one_line(end.text) for end in ends if isinstance(end, Line)]
            same = len(set(texts)) == 1 and len(pages) >= _MIN_PAGES
            if not same and not _is_numbered(texts):
                break
            outline.lose("header or footer that every page repeats", len(pages))
            for page in pages:
                page.items.pop(edge)
    return pages


def _is_at_edge(line: Line, page: _Page, edge: int) -> bool:
    return line.baseline < _MARGIN * page.height if edge == 0 else line.baseline > (1 - _MARGIN) * page.height


def _is_numbered(texts: list[str]) -> bool:
    """Return whether the texts differ only in one number, which goes up by one from page to page."""
    if len({re.sub(r"\d+", "#", text) for text in texts}) != 1:
        return False
    numbers = [[int(number[-9:]) for number in re.findall(r"\d+", text)] for text in texts]
    steps = [{later - earlier for earlier, later in pairwise(column)} for column in zip(*numbers, strict=True)]
    return bool(steps) and all(step in ({0}, {1}) for step in steps) and steps.count({1}) == 1


def _read(pages: list[_Page], outline: Outline) -> None:  # noqa: C901 - one pass over pages and what is on them
    """Add the pages to the outline. A paragraph and a table may go on on the next page."""
    every = [item for page in pages for item in page.items if isinstance(item, Line)]
    levels = _levels(every)
    words = vocabulary(line.text for line in every)
    prose: list[tuple[str, int]] = []

    def end() -> None:
        for is_item, text in paragraphs(prose, words):
            (outline.item if is_item else outline.line)(text)
        prose.clear()

    table: Ruled | None = None
    for page in pages:
        flow = [
            None if isinstance(item, Ruled) or (item in levels and len(item.pieces) < MIN_COLUMNS) else item
            for item in page.items
        ]
        position, above = 0, None
        while position < len(page.items):
            item = page.items[position]
            position += 1
            if isinstance(item, Ruled):
                end()
                table = _continued(table, item) if position == 1 else item
                _add_ruled(table, outline)
                continue
            table = None
            rows = table_at(flow, position - 1)
            if rows:
                end()
                outline.table(rows[0].cells, [row.cells for row in rows[1:]])
                position = rows[-1].line + 1
            elif flow[position - 1] is None:
                end()
                outline.heading(levels[item], item.text)
            else:
                apart = above is not None and not 0 < item.baseline - above.baseline <= _GAP * item.size
                prose.extend([("", 0)] * apart)
                prose.append((item.text, item.full))
                above = item
        for turned in page.turned:
            end()
            full = max(len(line.text) for line in turned)
            for _, text in paragraphs([(line.text, full) for line in turned], words):
                outline.line(text)
        if page.items and not isinstance(page.items[-1], Ruled):
            prose.append(("", 0))
    end()


def _continued(above: Ruled | None, table: Ruled) -> Ruled:
    """Return a table at the top of a page with the header of the one that ended the page before, if it goes on."""
    if above is None or len(above.columns) != len(table.columns):
        return table
    if any(abs(one - other) > 3 for one, other in zip(above.columns, table.columns, strict=True)):  # noqa: PLR2004
        return table
    header = above.rows[: above.heads]
    if table.is_named and table.rows[: above.heads] != header:
        return table
    rows = table.rows[above.heads :] if table.rows[: above.heads] == header else table.rows
    return Ruled(table.top, table.columns, (*header, *rows), above.heads)


def _add_ruled(table: Ruled, outline: Outline) -> None:
    rows, heads = table.rows, table.heads
    if heads == 0:
        # Its first row is one cell: the table's caption.
        outline.line(rows[0][0].text)
        rows, heads = rows[1:], 1
    if len(rows) <= heads:
        heads = 0
    add_table(outline, rows, heads)


def _levels(every: Sequence[Line]) -> dict[Line, int]:
    """Return the level of each line that is a heading: larger than the text, or bold where the text is not."""
    faces: Counter[tuple[bool, float]] = Counter()
    for line in every:
        faces[line.bold, line.size] += len(line.text)
    if not faces:
        return {}
    body_bold, body_size = faces.most_common(1)[0][0]
    headings = [
        line
        for line in every
        if (line.size >= body_size * _HEADING_SIZE_RATIO or (line.bold and not body_bold and line.size >= body_size))
        and not line.text.endswith((".", ",", ";"))
        and len(line.text) <= _MAX_HEADING_LENGTH
    ]
    sizes = sorted({line.size for line in headings}, reverse=True)
    return {line: sizes.index(line.size) + 1 for line in headings}
