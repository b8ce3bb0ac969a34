"""Tables in laid-out text: rows whose cells stand in the same columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CELL = re.compile(r"\S+(?: \S+)*")
COLUMNS = 2
"""Columns that a table has at least."""
_SLACK = 2
"""Characters by which a cell may miss its column."""


@dataclass(frozen=True)
class Cell:
    """What stands between wide gaps."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Row:
    """A row of a table, with as many cells as the table has columns; missing ones are empty."""

    cells: tuple[str, ...]
    line: int
    """The position of the line on which it ends."""


def cells_in(line: str) -> list[Cell]:
    """The pieces of a line that two or more spaces part."""
    return [Cell(found[0], found.start(), found.end()) for found in _CELL.finditer(line)]


def table_at(lines: Sequence[str | None], first: int) -> list[Row]:
    """The table that begins on line `first`, its header first; empty where none does.

    A table is a line of at least two cells and, blank lines apart, more lines whose cells begin or end in the columns
    of the first. A line whose first column is empty continues the row above it: cells that are centred vertically
    cannot be told from that. None stands for a line of another kind.
    """
    header = cells_in(lines[first] or "")
    if len(header) < COLUMNS:
        return []
    rows = [Row(tuple(cell.text for cell in header), first)]
    for number in range(first + 1, len(lines)):
        line = lines[number]
        if line is None:
            break
        found = cells_in(line)
        if not found:
            continue
        placed = _placed(found, header)
        # A lone cell in the first column may as well be the text after the table.
        if placed is None or (len(found) < COLUMNS and placed[0]):
            break
        if placed[0] or len(rows) == 1:
            rows.append(Row(placed, number))
        else:
            above = rows.pop()
            joined = (f"{over} {under}".strip() for over, under in zip(above.cells, placed, strict=True))
            rows.append(Row(tuple(joined), number))
    return rows if len(rows) > 1 else []


def _placed(found: list[Cell], header: list[Cell]) -> tuple[str, ...] | None:
    """The cells in the header's columns; None where one fits none of them."""
    placed = [""] * len(header)
    column = 0
    for cell in found:
        while column < len(header) and not _fits(cell, header[column]):
            column += 1
        if column == len(header):
            return None
        placed[column] = cell.text
        column += 1
    return tuple(placed)


def _fits(cell: Cell, column: Cell) -> bool:
    return abs(cell.start - column.start) <= _SLACK or abs(cell.end - column.end) <= _SLACK
