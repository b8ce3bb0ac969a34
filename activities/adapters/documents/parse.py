"""Reads a file as a document, by the ending of its name."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from activities.adapters.documents.document import Document, one_line, unreadable
from activities.ports import UnreadableDocument

_PACKAGE = "activities.adapters.documents"
READERS = {
    ".md": "markdown.reader.read_markdown",
    ".markdown": "markdown.reader.read_markdown",
    ".html": "html.reader.read_html",
    ".htm": "html.reader.read_html",
    ".pdf": "pdf.reader.read_pdf",
    ".txt": "text_files.read_text_file",
    ".text": "text_files.read_text_file",
    ".csv": "csv_files.read_csv",
    ".tsv": "csv_files.read_csv",
    ".json": "json_files.read_json",
    ".eml": "mail_files.read_mail",
    ".docx": "office.word_files.read_word",
    ".xlsx": "office.excel_files.read_excel",
    ".pptx": "office.slide_files.read_slides",
}
"""The reader for each ending, imported at its first use. It takes the path, for its messages, and the file's bytes."""


def parse(path: Path) -> Document:
    """Read one document.

    Raises `UnreadableDocument`, with the file, the reason and the remedy: for a file that is missing, empty, damaged or
    not in its encoding, and for an unknown ending.
    """
    return parse_bytes(path, bytes_of(path))


def bytes_of(path: Path) -> bytes:
    """Return the bytes of a file whose ending is known. Raises `UnreadableDocument`."""
    _reader(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, (error.strerror or "it cannot be opened").lower(), "check the path") from None


def parse_bytes(path: Path, data: bytes) -> Document:
    """Read one document of the bytes of its file. Raises `UnreadableDocument`, whatever its reader stumbles over."""
    reader = _reader(path)
    if not data.strip():
        raise unreadable(path, "it is empty", "write the document or remove the file")
    try:
        return reader(path, data)
    except UnreadableDocument:
        raise
    except Exception as error:  # noqa: BLE001  # a damaged file breaks each library in its own ways
        reason = one_line(str(error))[:100]
        what = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise unreadable(
            path, f"it is not a sound {path.suffix} file ({what})", "replace it by an intact copy"
        ) from None


def _reader(path: Path) -> Callable[[Path, bytes], Document]:
    named = READERS.get(path.suffix.lower())
    if named is None:
        known = ", ".join(READERS)
        raise unreadable(path, f"files that end in {path.suffix!r} are not known", f"convert it to one of {known}")
    module, _, function = named.rpartition(".")
    reader: Callable[[Path, bytes], Document] = getattr(import_module(f"{_PACKAGE}.{module}"), function)
    return reader
