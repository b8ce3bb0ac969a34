"""Finds tables in laid-out text: rows whose cells stand in the same columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CELL = re.compile(r"\S+(?: \S+)*")
MIN_COLUMNS = 2
"""The least number of columns of a table."""
_TOLERANCE = 2
"""The largest distance between a cell and its column, in characters."""


@dataclass(frozen=True)
class Cell:
    """A piece of a line between wide gaps, with its offsets."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Row:
    """A row of a table, with one cell for each column; a missing cell is empty."""

    cells: tuple[str, ...]
    line: int
    """The number of the line on which it ends."""


def cells_in(line: str) -> list[Cell]:
    """Return the pieces of a line that two or more spaces separate."""
    return [Cell(match[0], match.start(), match.end()) for match in _CELL.finditer(line)]


def table_at(lines: Sequence[str | None], first: int) -> list[Row]:
    """Return the rows of the table that begins on line `first`, its header first; an empty list without a table.

    A table is a line of at least two cells, followed by lines whose cells begin or end in the columns of the first
    line; blank lines are skipped. A line whose first column is empty continues the row above it, since it looks the
    same as a row with vertically centred cells. `None`, which is no text, ends the table.
    """
    header = cells_in(lines[first] or "")
    if len(header) < MIN_COLUMNS:
        return []
    rows = [Row(tuple(cell.text for cell in header), first)]
    for number in range(first + 1, len(lines)):
        line = lines[number]
        if line is None:
            break
        cells = cells_in(line)
        if not cells:
            continue
        cells_by_column = _in_columns(cells, header)
        # A single cell in the first column may also be the text after the table, so it ends the table.
        if cells_by_column is None or (len(cells) < MIN_COLUMNS and cells_by_column[0]):
            break
        if cells_by_column[0] or len(rows) == 1:
            rows.append(Row(cells_by_column, number))
        else:
            previous_row = rows.pop()
            joined = (
                f"{upper} {lower}".strip() for upper, lower in zip(previous_row.cells, cells_by_column, strict=True)
            )
            rows.append(Row(tuple(joined), number))
    return rows if len(rows) > 1 else []


def _in_columns(cells: list[Cell], header: list[Cell]) -> tuple[str, ...] | None:
    """Return the cells' texts in the header's columns; None where a cell fits no column."""
    cells_by_column = [""] * len(header)
    column = 0
    for cell in cells:
        while column < len(header) and not _fits(cell, header[column]):
            column += 1
        if column == len(header):
            return None
        cells_by_column[column] = cell.text
        column += 1
    return tuple(cells_by_column)


def _fits(cell: Cell, column: Cell) -> bool:
    return abs(cell.start - column.start) <= _TOLERANCE or abs(cell.end - column.end) <= _TOLERANCE
