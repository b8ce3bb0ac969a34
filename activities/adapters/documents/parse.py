"""Reads a file as a document, by the ending of its name."""

from pathlib import Path

from activities.adapters.documents.document import Document, unreadable
from activities.adapters.documents.html import read_html
from activities.adapters.documents.markdown import read_markdown
from activities.adapters.documents.pdf import read_pdf

READERS = {".md": read_markdown, ".html": read_html, ".htm": read_html, ".pdf": read_pdf}
"""The reader for each ending. It takes the path, for its messages, and the file's bytes."""


def parse(path: Path) -> Document:
    """Read one document.

    Raises `UnreadableDocument`, with the file, the reason and the remedy: for a file that is missing, empty, damaged or
    not in its encoding, and for an unknown ending.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise unreadable(path, f"files that end in {path.suffix!r} are not known", f"convert it to one of {known}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, (error.strerror or "it cannot be opened").lower(), "check the path") from None
    if not data.strip():
        raise unreadable(path, "it is empty", "write the document or remove the file")
    return reader(path, data)
