"""Reads plain text: paragraphs between blank lines, whose lines are joined where they were wrapped."""

from pathlib import Path

from activities.adapters.documents.charsets import decode_text
from activities.adapters.documents.document import Document, Outline, assemble, unreadable
from activities.adapters.documents.pdf.paragraphs import paragraphs

_WRAPPED = 60
"""The fewest characters of a full line in a text whose lines were wrapped."""
_LONGEST = 100
"""The most characters of its longest line: beyond it, each line is a paragraph."""


def read_text_file(path: Path, data: bytes) -> Document:
    """Read a text file. Its title is the file's name. Raises `UnreadableDocument` for bytes that are no text."""
    outline = Outline()
    text = text_in(path, data, outline)
    lines = [line.rstrip() for line in text.replace("\f", "\n").split("\n")]
    width = max(map(len, lines), default=0)
    if _WRAPPED <= width <= _LONGEST:
        for is_item, paragraph in paragraphs((line, width) for line in lines):
            (outline.item if is_item else outline.line)(paragraph)
    else:
        for line in lines:
            outline.line(line)
    return assemble(path, {}, outline)


def text_in(path: Path, data: bytes, outline: Outline) -> str:
    """Return the text of a file that names no charset, with plain line ends. Raises `UnreadableDocument`."""
    try:
        decoded = decode_text(data)
    except UnicodeDecodeError as error:
        raise unreadable(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    if "\0" in decoded.text:
        raise unreadable(path, "it is binary, though its name says it is text", "remove the file or rename it")
    if decoded.encoding == "cp1252":
        outline.lose("its encoding is not UTF-8: read as Western European (windows-1252)")
    if decoded.replaced:
        outline.lose(f"byte that is not {decoded.encoding}", decoded.replaced)
    return decoded.text.replace("\r\n", "\n").replace("\r", "\n")
