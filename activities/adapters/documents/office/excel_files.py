"""Reads Excel workbooks: each sheet under its name, its values as they are shown, merged cells expanded."""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl

from activities.adapters.documents.csv_files import add_rows
from activities.adapters.documents.document import Document, Outline, assemble
from activities.adapters.documents.office.archives import require_sound

MAX_CELLS = 2_000_000
"""The most cells of a workbook that are read."""
_MAX_MERGED = 200_000
_CURRENCY = re.compile(r'\[\$([^\]\-]{1,5})[^\]]{0,10}\]|"([^"]{1,5})"|([€$£¥])')
_CURRENCIES = frozenset(
    ["€", "$", "£", "¥", "EUR", "USD", "GBP", "CHF", "JPY", "NOK", "SEK", "DKK", "CAD", "AUD", "kr"]
)


def read_excel(path: Path, data: bytes) -> Document:
    """Read an .xlsx file: the values that its formulas had when it was saved. A formula without one is a loss."""
    require_sound(path, data)
    values: Any = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    formulas: Any = openpyxl.load_workbook(io.BytesIO(data)) if _has_formulas(data) else None
    outline = Outline()
    room = MAX_CELLS
    for sheet in values.worksheets:
        where = f"sheet {sheet.title}"
        if sheet.sheet_state != "visible":
            outline.lose("hidden sheet", where=where)
            continue
        rows, used = _rows(sheet, None if formulas is None else formulas[sheet.title], outline, where, room)
        room -= used
        if rows:
            outline.heading(2, sheet.title)
        for block in _blocks(rows):
            add_rows(outline, block)
        drawn = (("image", len(sheet._images)), ("chart", len(sheet._charts)))  # noqa: SLF001 - it has no other way
        for kind, count in drawn:
            if count:
                outline.lose(kind, count, where)
    for _ in values.chartsheets:
        outline.lose("chart")
    return assemble(path, {"title": values.properties.title or ""}, outline)


def _rows(sheet: Any, formulas: Any, outline: Outline, where: str, room: int) -> tuple[list[list[str]], int]:
    """Return a sheet's rows of shown text, and the number of its cells."""
    cells: Any = sheet._cells  # noqa: SLF001 - the cells that exist; its methods make all up to the last one
    if len(cells) > room:
        outline.lose("sheet that is too large", where=where)
        return [], 0
    texts: dict[tuple[int, int], str] = {}
    hidden_rows = {number for number, row in sheet.row_dimensions.items() if row.hidden}
    for (row, column), cell in cells.items():
        if cell.comment is not None:
            outline.lose("comment", where=where)
        if cell.value is None:
            if formulas is not None and formulas.cell(row, column).data_type == "f":
                outline.lose("formula without a saved value", where=where)
            continue
        if row in hidden_rows:
            outline.lose("cell in a hidden row", where=where)
            continue
        texts[row, column] = _shown(cell.value, str(cell.number_format or ""))
    _spread_merged(sheet, texts, hidden_rows)
    by_row: dict[int, dict[int, str]] = {}
    for (row, column), text in texts.items():
        by_row.setdefault(row, {})[column] = text
    return list(_filled(by_row)), len(texts)


def _spread_merged(sheet: Any, texts: dict[tuple[int, int], str], hidden_rows: set[int]) -> None:
    """Give each place of a merged cell the cell's text."""
    merged = 0
    for area in sheet.merged_cells.ranges:
        text = texts.get((area.min_row, area.min_col), "")
        # A title over the whole table stays one cell.
        whole = area.min_row == area.max_row and area.max_col - area.min_col + 1 >= sheet.max_column
        if not text or whole:
            continue
        for row in range(area.min_row, area.max_row + 1):
            for column in range(area.min_col, area.max_col + 1):
                if merged < _MAX_MERGED and row not in hidden_rows:
                    texts[row, column] = text
                    merged += 1


def _filled(by_row: dict[int, dict[int, str]]) -> Iterator[list[str]]:
    """Yield the rows in order; an empty one where the sheet has a gap."""
    first = min((column for row in by_row.values() for column in row), default=1)
    previous = 0
    for number in sorted(by_row):
        if previous and number > previous + 1:
            yield []
        previous = number
        row = by_row[number]
        yield [row.get(column, "") for column in range(first, max(row) + 1)]


def _blocks(rows: Sequence[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the rows between empty rows: each block may be a table of its own."""
    block: list[list[str]] = []
    for row in [*rows, []]:
        if row:
            block.append(row)
        elif block:
            yield block
            block = []


def _shown(value: Any, form: str) -> str:  # noqa: PLR0911 - a return for each kind of value
    """Return a value as the sheet shows it, as far as its words and digits go: a day, a share, an amount."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        at_midnight = (value.hour, value.minute, value.second) == (0, 0, 0)
        return value.date().isoformat() if at_midnight else value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, int | float):
        if "%" in form:
            return f"{_plain(round(value * 100, 10))}%"
        if currency := _currency(form):
            return f"{_plain(value)} {currency}"
        return _plain(value)
    return str(value)


def _plain(number: float) -> str:
    """Return a number without the noise of binary fractions, and without an exponent."""
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:  # noqa: PLR2004 - exact up to there
        return str(int(number))
    text = repr(round(number, 12)) if isinstance(number, float) else str(number)
    return format(number, ".15f").rstrip("0") if "e-" in text else text


def _currency(form: str) -> str:
    for match in _CURRENCY.finditer(form[:200]):
        mark = next(group for group in match.groups() if group).strip()
        if mark in _CURRENCIES:
            return mark
    return ""


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        return any(b"<f" in archive.read(name) for name in sheets)
