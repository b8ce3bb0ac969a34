"""Joins the halves of characters that a server cut in two, and replaces halves that stay alone.

In JSON's escapes a character such as an emoji has two halves, a surrogate pair. A server that cuts its text between
tokens may send them in two events. A half alone can be neither stored nor shown.
"""


class CharacterJoiner:
    """Joins the halves of characters in a text that streams."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        """Add a piece, and return the whole characters so far that were not returned yet."""
        text = self._half + piece
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return whole_characters(text[: len(text) - len(self._half)])

    def rest(self) -> str:
        """Return what is left at the end: U+FFFD for a half whose other half never came."""
        half, self._half = self._half, ""
        return whole_characters(half)


def whole_characters(text: str) -> str:
    """Return a text with its halves of characters joined, and U+FFFD for each half that is alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
