"""Expands tables with cells that span rows and columns to a plain grid, and names its columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from activities.adapters.documents.document import Outline

MAX_COLUMNS = 1_000
MAX_SLOTS = 200_000
"""The largest grid, in places. What a span asks for beyond it is left out."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table as its format has it."""

    text: str
    columns: int = 1
    rows: int = 1
    """The number of rows that it spans; 0 for all that follow."""
    is_header: bool = False


@dataclass
class _Hanging:
    """A cell that reaches into the rows below."""

    cell: Cell
    rows_left: int
    is_first: bool
    """Whether the column is the first one that the cell spans."""


@dataclass(frozen=True)
class Slot:
    """One place of a grid."""

    cell: Cell
    is_origin: bool
    """Whether the cell begins here: in its first row and its first column."""
    is_first_column: bool = True

    @property
    def text(self) -> str:
        """The text of its cell."""
        return self.cell.text


def expand(rows: Iterable[Sequence[Cell]]) -> list[list[Slot]]:  # noqa: C901 - one pass over rows and cells
    """Return the grid of a table: a cell that spans several places stands in each of them."""
    grid: list[list[Slot]] = []
    hanging: dict[int, _Hanging] = {}
    room = MAX_SLOTS
    for cells in rows:
        row: list[Slot] = []

        def fill(line: list[Slot]) -> None:
            while (above := hanging.get(len(line))) is not None:
                if above.rows_left > 0:
                    above.rows_left -= 1
                if above.rows_left == 0:
                    del hanging[len(line)]
                line.append(Slot(above.cell, is_origin=False, is_first_column=above.is_first))

        for cell in cells:
            fill(row)
            for number in range(max(1, min(cell.columns, MAX_COLUMNS - len(row)))):
                if len(row) in hanging:  # two spans overlap: the one that came first stays
                    break
                if cell.rows != 1:
                    hanging[len(row)] = _Hanging(cell, cell.rows - 1, number == 0)
                row.append(Slot(cell, is_origin=number == 0, is_first_column=number == 0))
        fill(row)
        room -= len(row)
        if room < 0:
            break
        grid.append(row)
    return grid


def add_table(outline: Outline, rows: Sequence[Sequence[Cell]], header_rows: int) -> None:
    """Add a table to an outline, with the names of its columns from its first rows."""
    grid = expand(rows)
    if sum(map(len, grid)) > MAX_SLOTS or len(grid) < len(rows):
        outline.lose("row of a table that is too large", len(rows) - len(grid))
    header = _names(grid[:header_rows])
    outline.table(header, [_texts(row) for row in grid[header_rows:]])


def header_rows(rows: Sequence[Sequence[Cell]]) -> int:
    """Return the number of rows at the top that hold only header cells, or that a header cell there reaches into."""
    count = 0
    for row in rows:
        named = [cell for cell in row if cell.text.strip()]
        if not row or (named and not all(cell.is_header for cell in named)):
            break
        count += 1
    if count == len(rows):
        return min(1, count - 1) if count else 0
    # A row of one header cell and nothing else heads what follows, not the columns.
    return 0 if count == 1 and len(rows[0]) == 1 and len(rows[count]) > 1 and rows[0][0].columns == 1 else count


def _names(rows: Sequence[Sequence[Slot]]) -> list[str]:
    """Return each column's name: the labels of the header rows above it, each once."""
    width = max(map(len, rows), default=0)
    names: list[str] = []
    for column in range(width):
        labels = [row[column].text.strip() for row in rows if column < len(row)]
        names.append(" ".join(dict.fromkeys(label for label in labels if label)))
    return names


def _texts(row: Sequence[Slot]) -> list[str]:
    """Return a row's texts; only one where one cell spans all columns."""
    if len(row) > 1 and all(slot.cell is row[0].cell for slot in row):
        return [row[0].text]
    return [slot.text for slot in row]
