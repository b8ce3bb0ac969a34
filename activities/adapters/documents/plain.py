"""Reads a file as one plain text, in which character offsets name places."""

import itertools
from pathlib import Path

from activities.adapters.documents.document import Document, Outline, unreadable
from activities.adapters.documents.parse import READERS, parse_bytes
from activities.adapters.documents.text_files import text_in

PLAIN_TEXT_ENDINGS = (".txt", ".text", "")
"""The endings of files whose text is returned as it is."""


def read_text(name: str, data: bytes) -> str:
    """Return the text of a file, read by the ending of its name: its title, headings and lines, each on a line.

    A table's row is one line: `Item: Sensor; Amount: 1,890 euros.`. The text of a text file, and of a file whose name
    has no ending, is returned as it is. Raises `UnreadableDocument` for a file that is empty, damaged or not in its
    encoding, and for an unknown ending.
    """
    return read_file(name, data)[0]


def read_file(name: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and what its reader left out, one line each."""
    path = Path(name)
    ending = path.suffix.lower()
    if not data.strip():
        raise unreadable(path, "it is empty", "send a document with text")
    if ending in PLAIN_TEXT_ENDINGS:
        outline = Outline()
        text = text_in(path, data, outline)
        if not any(sign.isalnum() for sign in text):
            raise unreadable(path, "it holds no text", "send a document with text")
        return text, tuple(map(str, outline.losses()))
    if ending not in READERS:
        known = ", ".join(READERS)
        raise unreadable(path, f"files that end in {ending!r} are not known", f"convert it to one of {known}")
    document = parse_bytes(path, data)
    return document_text(document), tuple(map(str, document.losses))


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
