"""Finds the columns of prose on a page, so that they are read one after the other."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from activities.adapters.documents.pdf_lines import Line

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
_STEP = 4.0
"""The distance of the places where a gutter is looked for, in points."""
_DEEPEST = 4
_MOST_LINES = 400
"""The most lines of a page that is searched for columns."""


def in_reading_order(lines: Sequence[Line], deepest: int = _DEEPEST) -> list[Line]:
    """Return the lines of a page in the order of reading; a line across a gutter is parted.

    Each line knows how long a full line of its column is.
    """
    if (
        deepest == 0
        or not 2 * _MIN_LINES <= len(lines) + sum(len(line.pieces) > 1 for line in lines) <= 2 * _MOST_LINES
    ):
        return _with_full(lines)
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
        return _with_full(lines)
    ordered: list[Line] = []
    end = 0
    for first, last in [*best, (len(lines), len(lines))]:
        ordered += in_reading_order(lines[end:first], deepest - 1)
        for is_left in (True, False):
            ordered += in_reading_order(_side(lines[first:last], gutter, left=is_left), deepest - 1)
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


def _with_full(lines: Sequence[Line]) -> list[Line]:
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
    words = [sum(len(line.text.split()) for line in side) / len(side) for side in sides if side]
    return bool(words) and min(words) >= _MIN_WORDS


def _is_gutter(lines: Sequence[Line], place: float) -> bool:
    """Return whether both sides of a place are columns of prose."""
    return all(_is_prose(_side(lines, place, left=left)) for left in (True, False))


def _is_prose(column: Sequence[Line]) -> bool:
    if len(column) < _MIN_LINES or any(len(line.pieces) > 1 and len(column) < 2 * _MIN_LINES for line in column):
        return False
    left, right = min(line.left for line in column), max(line.right for line in column)
    full = sum(line.right - left >= _FULL * (right - left) for line in column)
    words = sum(len(line.text.split()) for line in column)
    return full >= _MIN_FULL * len(column) and words >= _MIN_WORDS * len(column)


def _side(lines: Sequence[Line], place: float, *, left: bool) -> list[Line]:
    """Return the lines' pieces on one side of a place."""
    sides = [(line, tuple(piece for piece in line.pieces if (piece.right <= place) == left)) for line in lines]
    return [replace(line, pieces=pieces) for line, pieces in sides if pieces]
