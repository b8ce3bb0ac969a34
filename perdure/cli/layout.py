"""Lays out tables so that they fit a terminal, and never breaks a word: a name in two lines cannot be copied."""

from collections.abc import Sequence

from rich.cells import cell_len

GAP = "  "
"""What stands between two columns."""

TALLEST = 4
"""The most lines of a row. A row that would need more is printed as a block."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, right: Sequence[str] = ()) -> list[str]:
    """Return the lines of a table of at most `width` characters, its headings first; blocks where none fits.

    Cells are wrapped at words. `right` names the columns of numbers.
    """
    widths = _widths(columns, rows, width)
    if widths is None:
        return _blocks(columns, rows, width)
    lines: list[str] = []
    for row in (columns, *rows):
        cells = [_wrapped(cell, most) for cell, most in zip(row, widths, strict=True)]
        for number in range(max(map(len, cells))):
            parts = [
                _padded(cell[number] if number < len(cell) else "", most, right=name in right)
                for cell, most, name in zip(cells, widths, columns, strict=True)
            ]
            lines.append(GAP.join(parts).rstrip())
    return lines


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the width of each column; None where not every word fits, or where a row would be too tall."""
    by_column = [[heading, *(row[place] for row in rows)] for place, heading in enumerate(columns)]
    widths = [max(map(cell_len, cells)) for cells in by_column]
    least = [max((cell_len(word) for cell in cells for word in cell.split()), default=0) for cells in by_column]
    room = width - len(GAP) * (len(columns) - 1)
    while sum(widths) > room:
        wide = [place for place in range(len(columns)) if widths[place] > least[place]]
        if not wide:
            return None
        widths[max(wide, key=lambda place: widths[place])] -= 1
    tallest = max(len(_wrapped(cell, most)) for cells, most in zip(by_column, widths, strict=True) for cell in cells)
    return widths if tallest <= TALLEST else None


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return each row as a block: its first cell, then a line for each other column that is not empty."""
    label = max(map(cell_len, columns[1:]), default=0)
    lines: list[str] = []
    for row in rows:
        lines.extend(_wrapped(row[0], width))
        for heading, cell in zip(columns[1:], row[1:], strict=True):
            indent = f"  {_padded(heading, label)}  "
            wrapped = _wrapped(cell, width - cell_len(indent)) if cell else []
            for number, part in enumerate(wrapped):
                lines.append((" " * cell_len(indent) if number else indent) + part)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    """Return the text in lines of at most `width` characters, broken between words; a longer word is one line."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines


def _padded(text: str, width: int, *, right: bool = False) -> str:
    room = " " * max(0, width - cell_len(text))
    return room + text if right else text + room
