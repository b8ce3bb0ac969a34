"""Finds the columns of prose on a page, so that they are read one after the other."""

from collections.abc import Sequence
from dataclasses import replace

from activities.adapters.documents.pdf_lines import Line

_MIN_LINES = 4
"""The fewest lines of a column."""
_MIN_WORDS = 3.5
"""The fewest words of a column's line, on average."""
_FULL = 0.8
"""The share of a column's width from which on a line is full."""
_MIN_FULL = 0.45
"""The share of full lines in a column of prose."""
_STEP = 4.0
"""The distance of the places where a gutter is looked for, in points."""
_DEEPEST = 4
_MOST_LINES = 400
"""The most lines of a page that is searched for columns."""


def in_reading_order(lines: Sequence[Line], deepest: int = _DEEPEST) -> list[Line]:
    """Return the lines of a page in the order of reading; a line across a gutter is parted."""
    if (
        deepest == 0
        or not 2 * _MIN_LINES <= len(lines) + sum(len(line.pieces) > 1 for line in lines) <= 2 * _MOST_LINES
    ):
        return list(lines)
    best: tuple[int, int, int, float] | None = None
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    place = left + 0.15 * (right - left)
    while place < right - 0.15 * (right - left):
        for first, last in _runs(lines, place):
            if (best is None or last - first > best[0]) and _is_gutter(lines[first:last], place):
                best = (last - first, first, last, place)
        place += _STEP
    if best is None:
        return list(lines)
    _, first, last, place = best
    columns = [_side(lines[first:last], place, left=True), _side(lines[first:last], place, left=False)]
    return [
        *in_reading_order(lines[:first], deepest - 1),
        *(line for column in columns for line in in_reading_order(column, deepest - 1)),
        *in_reading_order(lines[last:], deepest - 1),
    ]


def _runs(lines: Sequence[Line], place: float) -> list[tuple[int, int]]:
    """Return the ranges of neighbouring lines in which no piece crosses a place."""
    runs: list[tuple[int, int]] = []
    start = 0
    for number, line in enumerate(lines):
        if any(piece.left < place < piece.right for piece in line.pieces):
            runs.append((start, number))
            start = number + 1
    runs.append((start, len(lines)))
    return [(first, last) for first, last in runs if last - first >= _MIN_LINES]


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
