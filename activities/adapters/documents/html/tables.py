"""Reads the tables of HTML: cells that span rows and columns, tables within tables, and tables that lay out a page."""

from selectolax.lexbor import LexborNode

from activities.adapters.documents.document import Outline
from activities.adapters.documents.grids import Cell, add_table, header_rows
from activities.adapters.documents.html.text import text_of

_LAYOUT = "h1, h2, h3, h4, h5, h6, form, main, article, section, nav"
"""What only tables that lay out a page hold."""
_LONGEST_SPAN = 65_534
"""The longest span that HTML knows, in rows."""


def own(table: LexborNode, *tags: str) -> list[LexborNode]:
    """Return the elements of these tags that belong to the table itself, and not to one within it."""
    found: list[LexborNode] = []
    stack = _elements(table)
    while stack:
        node = stack.pop()
        if node.tag in tags:
            found.append(node)
        elif node.tag != "table":
            stack.extend(_elements(node))
    return found


def inner(table: LexborNode) -> list[LexborNode]:
    """Return the tables directly within the table's cells."""
    found: list[LexborNode] = []
    stack = _elements(table)
    while stack:
        node = stack.pop()
        if node.tag == "table":
            found.append(node)
        else:
            stack.extend(_elements(node))
    return found


def is_layout(table: LexborNode) -> bool:
    """Return whether a table only lays out a page: it holds headings, or is one column or one row of blocks."""
    if (table.attributes.get("role") or "").lower() in {"presentation", "none"}:
        return True
    if own(table, "th"):
        return False
    if table.css(_LAYOUT):
        return True
    rows = own(table, "tr")
    widest = max((len(own(row, "td", "th")) for row in rows), default=0)
    return widest <= 1 or (len(rows) == 1 and bool(inner(table) or table.css("p, ul, ol, div")))


def add(table: LexborNode, outline: Outline) -> None:
    """Add a table's rows. Its header is its rows of header cells, else its first row if that is in a `thead`."""
    rows: list[list[Cell]] = []
    in_head = 0
    for row in own(table, "tr"):
        cells = [_cell(cell) for cell in own(row, "td", "th")]
        if any(cell.text.strip() for cell in cells):
            is_head = row.parent is not None and row.parent.tag == "thead"
            in_head += is_head and in_head == len(rows)
            rows.append(cells)
    if not rows:
        return
    header = in_head if 0 < in_head < len(rows) else header_rows(rows)
    if not header and len(rows) > 1 and sum(cell.is_header for cell in rows[0]) > 1:
        header = 1
    add_table(outline, rows, header)


def _cell(node: LexborNode) -> Cell:
    rows = _span(node, "rowspan", _LONGEST_SPAN, 0)
    return Cell(text_of(node, without_tables=True), _span(node, "colspan", 1_000, 1), rows, is_header=node.tag == "th")


def _span(node: LexborNode, name: str, most: int, least: int) -> int:
    """Return a span as a browser reads it: the digits at its start, 1 where there are none."""
    value = (node.attributes.get(name) or "").strip()
    digits = value[: len(value) - len(value.lstrip("0123456789"))][:6]
    return max(least, min(int(digits), most)) if digits else 1


def _elements(node: LexborNode) -> list[LexborNode]:
    """Return the element children, the last one first."""
    return list(node.iter())[::-1]
