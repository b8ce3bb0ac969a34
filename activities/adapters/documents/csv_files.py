"""Reads tables of text, separated by commas, semicolons, bars or tabs: each row as a sentence with column names."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from activities.adapters.documents.document import Document, Outline, assemble
from activities.adapters.documents.text_files import text_in

_DELIMITERS = ",;\t|"
_SAMPLE = 50
"""The number of lines by which the delimiter is told."""
MAX_ROWS = 500_000
_LONGEST_NAME = 80


def read_csv(path: Path, data: bytes) -> Document:
    """Read a CSV or TSV file. Its first row names the columns unless it looks like the others."""
    outline = Outline()
    rows, left = _rows(text_in(path, data, outline), path.suffix.lower())
    if left:
        outline.lose("row beyond what a table may hold", left)
    add_rows(outline, rows)
    return assemble(path, {}, outline)


def add_rows(outline: Outline, rows: Sequence[Sequence[str]]) -> None:
    """Add the rows of a table, the first one as its header if it is one. Rows of one cell before it are lines."""
    rows = [[cell.strip() for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    while rows and width > 1 and len([cell for cell in rows[0] if cell]) == 1:
        outline.line(" ".join(rows[0]))
        rows = rows[1:]
    header = rows[0] if len(rows) > 1 and is_header(rows[0], rows[1:]) else []
    body = rows[1:] if header else rows
    # A short row is filled up: a row of one cell would be a line of its own.
    outline.table(header, [[*row, *[""] * (max(len(header), 2) - len(row))] for row in body])


def is_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Return whether a table's first row names its columns: different short words, where other rows hold values."""
    names = [name for name in first if name]
    if len(names) < 2 or len(set(names)) < len(names):  # noqa: PLR2004 - one column needs no name
        return False
    if any(len(name) > _LONGEST_NAME or _is_value(name) for name in names):
        return False
    return any(_is_value(cell) for row in others[:_SAMPLE] for cell in row) or len(names) == len(first)


def _is_value(cell: str) -> bool:
    """Return whether a cell looks like a number, an amount or a date, and not like a name."""
    digits = sum(sign.isdigit() for sign in cell)
    letters = sum(sign.isalpha() for sign in cell)
    return digits > 0 and digits >= letters


def _rows(text: str, ending: str) -> tuple[list[list[str]], int]:
    """Return the rows, and how many are left out."""
    lines = text.split("\n")
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == len("sep=;"):
        delimiter, text = lines[0].strip()[-1], text.partition("\n")[2]
    else:
        delimiter = "\t" if ending == ".tsv" else _delimiter(text)
    csv.field_size_limit(2**31 - 1)
    rows: list[list[str]] = []
    left = 0
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        if len(rows) < MAX_ROWS:
            rows.append(row)
        else:
            left += 1
    return rows, left


def _delimiter(text: str) -> str:
    """Return the delimiter by which the most rows at the start have the same number of cells, more than one."""
    sample = "\n".join(text.split("\n")[: _SAMPLE + 1])
    best, most = ",", 0.0
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row][:_SAMPLE]
        if not widths:
            continue
        usual = max(set(widths), key=widths.count)
        share = widths.count(usual) / len(widths)
        if usual > 1 and share * min(usual, 8) ** 0.5 > most:
            best, most = delimiter, share * min(usual, 8) ** 0.5
    return best
