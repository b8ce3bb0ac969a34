"""Cuts a long text into overlapping windows, so that what looks at one costs the same wherever it stands."""

from collections.abc import Iterator


def text_windows(text: str, size: int, overlap: int) -> Iterator[str]:
    """Windows of at most `size` characters; each begins at most `overlap` characters before the last one's end.

    They begin and end between words where there is a space to cut at. A text that fits is its own only window.
    """
    start = 0
    while len(text) - start > size:
        end = _space_before(text, start + size, after=start + size - overlap)
        yield text[start:end]
        start = _space_before(text, end - overlap, after=max(start, end - 2 * overlap)) if overlap else end
    yield text[start:]


def _space_before(text: str, place: int, *, after: int) -> int:
    """Just behind the last white space before `place`, or `place` itself where there is none after `after`."""
    for at in range(place, max(after, 0), -1):
        if text[at - 1].isspace():
            return at
    return place
