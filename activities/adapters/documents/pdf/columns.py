"""Finds the columns of prose on a page, so that they are read one after the other."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from activities.adapters.documents.pdf.lines import Line, Piece

_MIN_LINES = 4
"""The fewest lines of a column."""
_MIN_WORDS = 3.5
"""The fewest words of a column's line, on average."""
_FULL = 0.8
"""The share of a column's width from which on a line is full."""
_MIN_FULL = 0.45
"""The share of full lines in a column of prose."""
_GAP = 1.5
"""The least gap between two blocks of lines, as a share of the usual distance of lines."""
_WIDEST_GUTTER = 8.0
"""The widest gutter between two columns of prose, as a share of the font's size."""
_MOST_VALUES = 0.35
"""The largest share of words with digits in a column of prose."""
_STEP = 4.0
"""The distance of the places where a gutter is looked for, in points."""
_DEEPEST = 4
_MOST_LINES = 400
"""The most lines of a page that is searched for columns."""


def in_reading_order(lines: Sequence[Line], deepest: int = _DEEPEST, *, within: bool = False) -> list[Line]:
    """Return the lines of a page in the order of reading; a line across a gutter is parted.

    Each line knows how long a full line of its column is.
    """
    if (
        deepest == 0
        or not 2 * _MIN_LINES <= len(lines) + sum(len(line.pieces) > 1 for line in lines) <= 2 * _MOST_LINES
    ):
        return _with_full(lines, within=within)
    best: list[tuple[int, int]] = []
    gutter = 0.0
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    place = left + 0.15 * (right - left)
    while place < right - 0.15 * (right - left):
        found = _columns_at(lines, place)
        if _count(found) > _count(best):
            best, gutter = found, place
        place += _STEP
    if not best:
        return _with_full(lines, within=within)
    ordered: list[Line] = []
    end = 0
    for first, last in [*best, (len(lines), len(lines))]:
        ordered += in_reading_order(lines[end:first], deepest - 1, within=within)
        for is_left in (True, False):
            side = _side(lines[first:last], gutter, left=is_left)
            ordered += in_reading_order(side, deepest - 1, within=True)
        end = last
    return ordered


def _count(ranges: Sequence[tuple[int, int]]) -> int:
    return sum(last - first for first, last in ranges)


def _columns_at(lines: Sequence[Line], place: float) -> list[tuple[int, int]]:
    """Return the ranges of lines that are two columns of prose beside a place."""
    columns: list[tuple[int, int]] = []
    for first, last in _runs(lines, place):
        block = lines[first:last]
        goes_on = bool(columns) and columns[-1][1] == first and _is_wordy(block, place)
        if goes_on or _is_gutter(block, place):
            columns.append((first, last))
    return columns


def _with_full(lines: Sequence[Line], *, within: bool) -> list[Line]:
    """Return the lines with the length of a full one; within a column of prose a wide gap is only a wide space."""
    if within and _is_prose(lines):
        lines = [
            replace(line, pieces=(Piece(line.text, line.left, line.right),)) if len(line.pieces) > 1 else line
            for line in lines
        ]
    full = max((len(line.text) for line in lines if len(line.pieces) == 1), default=0)
    full = full or max((len(line.text) for line in lines), default=0)
    return [replace(line, full=full) for line in lines]


def _runs(lines: Sequence[Line], place: float) -> list[tuple[int, int]]:
    """Return the ranges of neighbouring lines without a gap between them, in which no piece crosses a place."""
    distances = [below.baseline - above.baseline for above, below in pairwise(lines)]
    usual = median(distances) if distances else 0.0
    runs: list[tuple[int, int]] = []
    start = 0
    for number, line in enumerate(lines):
        if number > start and line.baseline - lines[number - 1].baseline > _GAP * max(usual, line.size):
            runs.append((start, number))
            start = number
        if any(piece.left < place < piece.right for piece in line.pieces):
            runs.append((start, number))
            start = number + 1
    runs.append((start, len(lines)))
    return [(first, last) for first, last in runs if last > first]


def _is_wordy(lines: Sequence[Line], place: float) -> bool:
    """Return whether a few lines are the rest of two columns."""
    sides = [_side(lines, place, left=True), _side(lines, place, left=False)]
    return all(_has_words(side) for side in sides if side)


def _is_gutter(lines: Sequence[Line], place: float) -> bool:
    """Return whether both sides of a place are columns of prose."""
    left, right = _side(lines, place, left=True), _side(lines, place, left=False)
    if not _is_prose(left) or not _is_prose(right):
        return False
    # Cells leave room beside them; lines of prose are as long as their column is wide.
    gutter = min(line.left for line in right) - max(line.right for line in left)
    return gutter <= _WIDEST_GUTTER * median(line.size for line in lines)


def _is_prose(column: Sequence[Line]) -> bool:
    if len(column) < _MIN_LINES:
        return False
    left, right = min(line.left for line in column), max(line.right for line in column)
    full = sum(line.right - left >= _FULL * (right - left) for line in column)
    return full >= _MIN_FULL * len(column) and _has_words(column)


def _has_words(column: Sequence[Line]) -> bool:
    """Return whether lines have as many words, and as few numbers among them, as prose has."""
    words = [word for line in column for word in line.text.split()]
    values = sum(any(sign.isdecimal() for sign in word) for word in words)
    return len(words) >= _MIN_WORDS * len(column) and values <= _MOST_VALUES * len(words)


def _side(lines: Sequence[Line], place: float, *, left: bool) -> list[Line]:
    """Return the lines' pieces on one side of a place."""
    sides = [(line, tuple(piece for piece in line.pieces if (piece.right <= place) == left)) for line in lines]
    return [replace(line, pieces=pieces) for line, pieces in sides if pieces]
