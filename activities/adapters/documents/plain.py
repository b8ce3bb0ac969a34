"""Reads a file as one plain text, in which character offsets name places."""

import itertools
from pathlib import Path

from activities.adapters.documents.document import Document, unreadable
from activities.adapters.documents.parse import READERS

PLAIN_TEXT_ENDINGS = (".txt", ".text", ".csv", ".eml")
"""The endings of files that are plain text."""


def read_text(name: str, data: bytes) -> str:
    """Return the text of a file, read by the ending of its name: its title, headings and lines, each on a line.

    A table's row is one line: `Item: Sensor; Amount: 1,890 euros.`. The text of a text file, and of a file whose name
    has no ending, is returned as it is. Raises `UnreadableDocument` for a file that is empty, damaged or not in its
    encoding, and for an unknown ending.
    """
    path = Path(name)
    ending = path.suffix.lower()
    reader = READERS.get(ending)
    if not data.strip():
        raise unreadable(path, "it is empty", "send a document with text")
    if reader is not None:
        return document_text(reader(path, data))
    if ending and ending not in PLAIN_TEXT_ENDINGS:
        known = ", ".join([*READERS, *PLAIN_TEXT_ENDINGS])
        raise unreadable(path, f"files that end in {ending!r} are not known", f"convert it to one of {known}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def document_text(document: Document) -> str:
    """Return the text of a document: its title, headings and lines, each on a line."""
    lines = [document.title]
    previous_headings: tuple[str, ...] = ()
    for section in document.sections:
        repeated = sum(
            1
            for _ in itertools.takewhile(
                lambda pair: pair[0] == pair[1], zip(section.headings, previous_headings, strict=False)
            )
        )
        lines.extend(section.headings[repeated:])
        lines.extend(section.lines)
        previous_headings = section.headings
    return "\n".join(lines)
