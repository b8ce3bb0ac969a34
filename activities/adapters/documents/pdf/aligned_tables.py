"""Finds tables without rules: lines whose pieces stand in the same columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from activities.adapters.documents.pdf.lines import Line, Piece

MIN_COLUMNS = 2
"""The least number of columns of a table."""
_TOLERANCE = 0.9
"""The largest distance between a piece and its column, as a share of the font's size."""
_TIGHT = 0.85
"""The largest distance of a line that continues the row above, as a share of the usual distance of rows."""
_FAR = 4.0
"""The largest distance of two rows, as a share of the font's size."""
_PARTED = 1.4
"""The least distance of two tables, as a share of the distance of rows."""
_LONGEST_HEADER = 60
"""The longest piece of a table's first line, in characters: columns of prose are no table."""


@dataclass(frozen=True)
class Row:
    """A row of a table, with one cell for each column; a missing cell is empty."""

    cells: tuple[str, ...]
    line: int
    """The number of the line on which it ends."""


def table_at(lines: Sequence[Line | None], first: int) -> list[Row]:
    """Return the rows of the table that begins on line `first`, its header first; an empty list without a table.

    A table is a line of at least two pieces, followed by lines whose pieces begin or end in the columns of the first
    line. A line whose first column is empty continues the row above it only where it stands closer to it than rows do,
    or where it is one piece that goes on in lower case: two values are never merged. `None`, which is no text, ends it.
    """
    header = lines[first]
    if header is None or len(header.pieces) < MIN_COLUMNS:
        return []
    if any(len(piece.text) > _LONGEST_HEADER for piece in header.pieces):
        return []
    found: list[tuple[int, Line, tuple[str, ...]]] = []
    for number in range(first + 1, len(lines)):
        line = lines[number]
        above = found[-1][1] if found else header
        if line is None or line.baseline - above.baseline > _FAR * line.size:
            break
        if _is_new_header(line, lines[number + 1] if number + 1 < len(lines) else None, above):
            break
        cells = _in_columns(line, header)
        # A single piece in the first column may also be the text after the table, so it ends the table.
        if cells is None or (len(line.pieces) < MIN_COLUMNS and cells[0]):
            break
        found.append((number, line, cells))
    if not found:
        return []
    rows = [Row(tuple(piece.text for piece in header.pieces), first)]
    above = header
    usual = _usual_distance(header, [line for _, line, cells in found if cells[0]])
    for number, line, cells in found:
        close = line.baseline - above.baseline < _TIGHT * usual
        goes_on = len(line.pieces) == 1 and line.pieces[0].text[:1].islower()
        if not cells[0] and len(rows) > 1 and (close or goes_on):
            joined = (f"{upper} {lower}".strip() for upper, lower in zip(rows[-1].cells, cells, strict=True))
            rows[-1] = Row(tuple(joined), number)
        else:
            rows.append(Row(cells, number))
        above = line
    return rows


def _usual_distance(header: Line, rows: Sequence[Line]) -> float:
    baselines = [header.baseline, *(line.baseline for line in rows)]
    return median(lower - upper for upper, lower in pairwise(baselines)) if rows else 0.0


def _is_new_header(line: Line, below: Line | None, above: Line) -> bool:
    """Return whether another table begins: after a gap, a line without values stands above one with values."""
    if below is None or len(line.pieces) < MIN_COLUMNS or len(below.pieces) < MIN_COLUMNS:
        return False
    gap, usual = line.baseline - above.baseline, below.baseline - line.baseline
    return gap > _PARTED * usual and not _has_digit(line) and _has_digit(below)


def _has_digit(line: Line) -> bool:
    return any(sign.isdecimal() for piece in line.pieces for sign in piece.text)


def _in_columns(line: Line, header: Line) -> tuple[str, ...] | None:
    """Return the pieces' texts in the header's columns; None where a piece fits no column."""
    cells = [""] * len(header.pieces)
    column = 0
    for piece in line.pieces:
        while column < len(cells) and not _fits(piece, header.pieces[column], header.size):
            column += 1
        if column == len(cells):
            return None
        cells[column] = piece.text
        column += 1
    return tuple(cells)


def _fits(piece: Piece, column: Piece, size: float) -> bool:
    most = _TOLERANCE * size
    middle = abs((piece.left + piece.right) - (column.left + column.right)) / 2
    return abs(piece.left - column.left) <= most or abs(piece.right - column.right) <= most or middle <= most / 2
