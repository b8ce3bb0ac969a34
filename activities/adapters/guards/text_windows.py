"""Cuts a long text into overlapping windows, so that the time to check a text grows only linearly with its length."""

from collections.abc import Iterator


def text_windows(text: str, size: int, overlap: int) -> Iterator[str]:
    """Yield windows of at most `size` characters that overlap by about `overlap` characters, at most twice that.

    They begin and end between words where there is a space to cut at. A text of up to `size` is a single window.
    """
    start = 0
    while len(text) - start > size:
        end = _space_before(text, start + size, after=start + size - overlap)
        yield text[start:end]
        start = _space_before(text, end - overlap, after=max(start, end - 2 * overlap)) if overlap else end
    yield text[start:]


def cut_lines(text: str, size: int, overlap: int) -> str:
    """Return the text with each line of more than `size` characters as several lines, which overlap."""
    if len(text) <= size:
        return text
    lines = (line if len(line) <= size else "\n".join(text_windows(line, size, overlap)) for line in text.split("\n"))
    return "\n".join(lines)


def _space_before(text: str, position: int, *, after: int) -> int:
    """Return the position after the last white space in `text[after:position]`; `position` where there is none."""
    for at in range(position, max(after, 0), -1):
        if text[at - 1].isspace():
            return at
    return position
