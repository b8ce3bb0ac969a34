"""A file's words as one plain text, in which a place can be named by its characters."""

import itertools
from pathlib import Path

from activities.adapters.documents.document import Document, unreadable
from activities.adapters.documents.parse import READERS

PLAIN = (".txt", ".text", ".csv", ".eml")
"""Endings of files that are their own plain text."""


def read_text(name: str, data: bytes) -> str:
    """The text of a file, by the ending of its name: its title, its headings and its lines, one each.

    A table's row is one line, `Item: Sensor; Amount: 1,890 euros.`. A text file, and one whose name has no ending, is
    its own text. Raises `UnreadableDocument` as `parse` does.
    """
    path = Path(name)
    ending = path.suffix.lower()
    reader = READERS.get(ending)
    if not data.strip():
        raise unreadable(path, "it is empty", "send a document with text")
    if reader is not None:
        return document_text(reader(path, data))
    if ending and ending not in PLAIN:
        known = ", ".join([*READERS, *PLAIN])
        raise unreadable(path, f"files that end in {ending!r} are not known", f"convert it to one of {known}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def document_text(document: Document) -> str:
    """The text of a document that was read: its title, its headings and its lines, one each."""
    lines = [document.title]
    above: tuple[str, ...] = ()
    for section in document.sections:
        known = sum(
            1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(section.headings, above, strict=False))
        )
        lines.extend(section.headings[known:])
        lines.extend(section.lines)
        above = section.headings
    return "\n".join(lines)
