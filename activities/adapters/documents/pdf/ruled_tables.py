"""Reads the tables that a PDF draws with rules: which cell a text is in, and which rows and columns a cell spans."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from activities.adapters.documents.grids import Cell
from activities.adapters.documents.pdf.lines import Sign, lines
from activities.adapters.documents.pdf.paragraphs import joined

_Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

_SAME = 2.5
"""The largest distance of two rules that are one, in points."""
MAX_RULES = 3_000
"""The most rules of a page in which tables are looked for: the search grows with their square."""
_MIN_ROWS = 2


@dataclass(frozen=True)
class Ruled:
    """A table with rules, at its place on the page."""

    top: float
    columns: tuple[float, ...]
    """The left edges of its columns."""
    rows: tuple[tuple[Cell, ...], ...]
    heads: int
    """The number of rows at its top that name the columns."""
    is_named: bool = False
    """Whether its first row looks like a header: bold above text that is not, or without values above values."""


def ruled_tables(page: Any, found: Sequence[Sign]) -> tuple[list[Ruled], list[Sign]]:
    """Return a page's tables, and the characters outside of them."""
    rules = len(page.lines) + 4 * len(page.rects) + len(page.curves)
    if not 4 <= rules <= MAX_RULES:  # noqa: PLR2004 - a table has four sides
        return [], list(found)
    tables: list[Ruled] = []
    rest = list(found)
    for table in page.find_tables():
        ruled, rest = _read([tuple(cell) for cell in table.cells], rest)
        if ruled is not None:
            tables.append(ruled)
    return tables, rest


def _read(  # noqa: C901 - one pass over the places of the grid
    boxes: list[_Box], found: list[Sign]
) -> tuple[Ruled | None, list[Sign]]:
    columns = _edges([edge for box in boxes for edge in (box[0], box[2])])
    rows = _edges([edge for box in boxes for edge in (box[1], box[3])])
    width, height = len(columns) - 1, len(rows) - 1
    if width < 2 or height < _MIN_ROWS:  # noqa: PLR2004 - else it is a frame around text
        return None, found
    owner: dict[tuple[int, int], int] = {}
    for number, box in sorted(enumerate(boxes), key=lambda one: -_area(one[1])):
        for row in range(_place(rows, box[1]), _place(rows, box[3])):
            for column in range(_place(columns, box[0]), _place(columns, box[2])):
                owner[row, column] = number
    signs_of: dict[int, list[Sign]] = {}
    rest: list[Sign] = []
    for sign in found:
        row = bisect_right(rows, sign.baseline - 0.3 * sign.size) - 1
        column = bisect_right(columns, (sign.left + sign.right) / 2) - 1
        number = owner.get((row, column))
        if number is None:
            rest.append(sign)
        else:
            signs_of.setdefault(number, []).append(sign)
    if len([1 for signs in signs_of.values() if any(sign.text.strip() for sign in signs)]) < _MIN_ROWS:
        return None, found
    grid: list[tuple[Cell, ...]] = []
    bold: list[bool] = []
    for row in range(height):
        cells: list[Cell] = []
        own_signs: list[Sign] = []
        column = 0
        while column < width:
            number = owner.get((row, column))
            if number is None:
                cells.append(Cell(""))
                column += 1
                continue
            box = boxes[number]
            spanned = max(1, _place(columns, box[2]) - _place(columns, box[0]))
            if _place(rows, box[1]) == row:
                signs = signs_of.get(number, [])
                own_signs.extend(signs)
                down = max(1, _place(rows, box[3]) - row)
                cells.append(Cell(_text(signs), spanned, down))
            column += spanned
        grid.append(tuple(cells))
        bold.append(bool(own_signs) and all(sign.bold for sign in own_signs if sign.text.strip()))
    digits = [any(sign.isdecimal() for cell in row for sign in cell.text) for row in grid]
    is_named = (bold[0] and not all(bold)) or (not digits[0] and any(digits))
    return Ruled(rows[0], tuple(columns[:-1]), tuple(grid), _heads(grid, bold, width), is_named), rest


def _heads(grid: Sequence[Sequence[Cell]], bold: Sequence[bool], width: int) -> int:
    """Return the number of rows that name the columns: the first one, and those that its cells part or reach into."""
    first = grid[0]
    if len(first) == 1 and first[0].columns == width:
        return 0
    heads = max(cell.rows for cell in first if cell.rows < len(grid)) if any(c.rows < len(grid) for c in first) else 1
    if heads == 1 and any(cell.columns > 1 for cell in first):
        heads = 2
    while heads < len(grid) - 1 and all(bold[: heads + 1]) and not all(bold):
        heads += 1
    return min(heads, len(grid) - 1)


def _text(signs: Sequence[Sign]) -> str:
    text = ""
    for line in lines(signs):
        text = joined(text, line.text, frozenset()) if text else line.text
    return text


def _edges(places: Sequence[float]) -> list[float]:
    """Return the different ones of some places, in order."""
    edges: list[float] = []
    for place in sorted(places):
        if not edges or place - edges[-1] > _SAME:
            edges.append(place)
    return edges


def _place(edges: Sequence[float], place: float) -> int:
    return bisect_left(edges, place - _SAME)


def _area(box: _Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
