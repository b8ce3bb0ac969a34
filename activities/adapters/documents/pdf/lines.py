"""Makes lines of the characters of a PDF's page: baselines, gaps, superscripts, columns of prose, rotated text."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from activities.adapters.documents.scripts import lowered, raised

_WORD_GAP = 0.18
"""The least gap between two words, as a share of the font's size."""
_CELL_GAP = 1.0
"""The least gap between two pieces of a line that do not belong together, as a share of the font's size."""
_SAME_LINE = 0.45
"""The largest distance of baselines on one line, as a share of the font's size."""
_SMALL = 0.8
"""The largest size of a superscript or subscript, as a share of its line's size."""
_DESCENT = 0.21
"""The share of a character's box that is below its baseline."""
_SHIFT = 0.1
"""The least distance of its baseline from its line's, as a share of the line's size."""


@dataclass(frozen=True)
class Sign:
    """A character of a page, in a frame in which its text runs from left to right, and down."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    bold: bool


@dataclass(frozen=True)
class Piece:
    """A part of a line without a wide gap."""

    text: str
    left: float
    right: float


@dataclass(frozen=True)
class Line:
    """A line of a page, from the top."""

    pieces: tuple[Piece, ...]
    baseline: float
    size: float
    bold: bool
    full: int = 0
    """The length of a full line in its column, in characters."""

    @property
    def text(self) -> str:
        """The whole text of the line."""
        return " ".join(piece.text for piece in self.pieces)

    @property
    def left(self) -> float:
        """The left edge."""
        return self.pieces[0].left

    @property
    def right(self) -> float:
        """The right edge."""
        return self.pieces[-1].right


def signs(chars: Iterable[dict[str, Any]]) -> dict[int, list[Sign]]:
    """Return the characters of a page by the angle of their text, in degrees counter-clockwise."""
    by_angle: dict[int, list[Sign]] = defaultdict(list)
    for char in chars:
        a, b, *_ = char["matrix"]
        angle = round(math.degrees(math.atan2(b, a))) % 360 if (a or b) else 0
        text: str = char["text"]
        if text.startswith("(cid:"):
            text = "\ufffd"
        bold = "bold" in char["fontname"].lower() or "black" in char["fontname"].lower()
        if angle == 0:
            size = char["bottom"] - char["top"]
            baseline = char["bottom"] - _DESCENT * size
            by_angle[0].append(Sign(text, char["x0"], char["x1"], baseline, round(abs(size), 1), bold))
            continue
        turn = math.radians(angle)
        cosine, sine = math.cos(turn), math.sin(turn)
        x, y = (char["x0"] + char["x1"]) / 2, (char["top"] + char["bottom"]) / 2
        along, across = x * cosine - y * sine, x * sine + y * cosine
        advance = abs(float(char["adv"])) * math.hypot(a, b) or (char["width"] + char["height"]) / 4
        extent, part = (char["width"], sine) if abs(sine) >= abs(cosine) else (char["height"], cosine)
        other = cosine if abs(sine) >= abs(cosine) else sine
        size = max(1.0, round(abs((extent - advance * abs(other)) / part), 1))
        baseline = across + (0.5 - _DESCENT) * size
        by_angle[angle].append(Sign(text, along - advance / 2, along + advance / 2, baseline, size, bold))
    return by_angle


def lines(found: Sequence[Sign]) -> list[Line]:
    """Return the lines of characters with one angle, from the top."""
    if not found:
        return []
    usual = median(sign.size for sign in found) or 1.0
    rows: list[list[Sign]] = []
    small: list[Sign] = []
    baselines: list[tuple[float, float]] = []
    for sign in sorted(found, key=lambda sign: (sign.baseline, sign.left)):
        if not sign.text.strip():
            small.append(sign)
            continue
        place = next(
            (
                number
                for number in range(len(rows) - 1, max(-1, len(rows) - 6), -1)
                if abs(baselines[number][0] - sign.baseline)
                <= _SAME_LINE * min(baselines[number][1], sign.size) * (0.5 if baselines[number][1] != sign.size else 1)
            ),
            None,
        )
        if place is None:
            rows.append([sign])
            baselines.append((sign.baseline, sign.size))
        else:
            rows[place].append(sign)
    rows = _with_scripts(rows)
    by_line = [_line(row, usual) for row in _with_spaces(rows, small)]
    return sorted((line for line in by_line if line is not None), key=lambda line: (line.baseline, line.left))


def _with_scripts(rows: list[list[Sign]]) -> list[list[Sign]]:
    """Put rows of smaller, shifted characters into the line that they touch."""
    whole: list[list[Sign]] = []
    extents = [(min(s.left for s in row), max(s.right for s in row), _size(row), _baseline(row)) for row in rows]
    for number, row in enumerate(rows):
        hosts: dict[int, list[Sign]] = defaultdict(list)
        if len(row) <= 60:  # noqa: PLR2004 - no superscripts are longer
            for sign in row:
                host = _host(sign, number, rows, extents)
                if host is None:
                    break
                hosts[host].append(sign)
        if sum(map(len, hosts.values())) == len(row):
            for host, marked in hosts.items():
                rows[host].extend(marked)
            row.clear()
        else:
            whole.append(row)
    return [row for row in whole if row]


def _host(sign: Sign, own: int, rows: list[list[Sign]], extents: list[tuple[float, float, float, float]]) -> int | None:
    """Return the line whose superscript or subscript a character is; None if it is none."""
    for number in range(max(0, own - 4), min(len(rows), own + 5)):
        left, right, size, baseline = extents[number]
        if number == own or not rows[number] or sign.size > _SMALL * size:
            continue
        shift = baseline - sign.baseline
        if not -0.35 * size <= shift <= 0.75 * size or not left <= sign.left <= right + size:
            continue
        if any(abs(sign.left - one.right) <= 0.35 * size + sign.size for one in rows[number] if one.size == size):
            return number
    return None


def _with_spaces(rows: list[list[Sign]], spaces: list[Sign]) -> list[list[Sign]]:
    """Put the spaces of a page into the lines on whose baselines they stand."""
    by_baseline: dict[int, list[Sign]] = defaultdict(list)
    for space in spaces:
        by_baseline[round(space.baseline)].append(space)
    for row in rows:
        baseline = round(_baseline(row))
        left, right = min(s.left for s in row), max(s.right for s in row)
        near = [s for offset in (-1, 0, 1) for s in by_baseline.get(baseline + offset, [])]
        row.extend(space for space in near if left < space.left < right)
    return rows


def _line(row: list[Sign], usual: float) -> Line | None:  # noqa: C901 - one pass over the characters
    """Return the line of a row of characters; None for one without text."""
    size, baseline = _size(row) or usual, _baseline(row)
    row = sorted(row, key=lambda sign: sign.left)
    pieces: list[Piece] = []
    parts: list[str] = []
    script: list[str] = []
    kind = ""
    left = right = row[0].left

    def end_script() -> None:
        nonlocal kind
        if script:
            content = "".join(script)
            parts.append(raised(content) if kind == "raised" else lowered(content))
            script.clear()
        kind = ""

    def end_piece() -> None:
        end_script()
        text = "".join(parts)
        parts.clear()
        if text.strip():
            pieces.append(Piece(" ".join(text.split()), left, right))

    for sign in row:
        if not sign.text.strip():
            if sign.left < right + _CELL_GAP * size:
                end_script()
                parts.append(" ")
            continue
        gap = sign.left - right
        its_kind = _kind(sign, size, baseline)
        if (parts or script) and gap > _CELL_GAP * size:
            end_piece()
            left = sign.left
        elif (parts or script) and gap > _WORD_GAP * size:
            end_script()
            parts.append(" ")
        if its_kind != kind:
            end_script()
        kind = its_kind
        if not parts and not script:
            left = sign.left
        (script if kind else parts).append(sign.text)
        right = max(right, sign.right)
    end_piece()
    if not pieces:
        return None
    plain = [sign for sign in row if sign.text.strip()]
    bold = all(sign.bold for sign in plain)
    return Line(tuple(pieces), baseline, size, bold)


def _kind(sign: Sign, size: float, baseline: float) -> str:
    if sign.size > _SMALL * size or abs(baseline - sign.baseline) < _SHIFT * size:
        return ""
    return "raised" if sign.baseline < baseline else "lowered"


def _size(row: list[Sign]) -> float:
    return Counter(sign.size for sign in row if sign.text.strip()).most_common(1)[0][0]


def _baseline(row: list[Sign]) -> float:
    size = _size(row)
    return median(sign.baseline for sign in row if sign.size == size)
