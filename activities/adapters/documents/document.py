"""The common form of documents: an edition with sections of lines, each of which can be understood by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from activities.ports import UnreadableDocument


@dataclass(frozen=True)
class Section:
    """The text under one heading."""

    headings: tuple[str, ...]
    """The headings from the outermost to its own, without the document's title; empty before the first heading."""
    lines: tuple[str, ...]
    """The paragraphs, list items and table rows, one each, without line breaks and list marks."""


@dataclass(frozen=True)
class Document:
    """One edition of one document."""

    id: str
    title: str
    version: int
    effective: date | None
    """The day from which it applies; None where the document does not say."""
    replaces: str | None
    """The id of the document that this one replaces; None where it replaces none."""
    sections: tuple[Section, ...]


@dataclass
class Outline:
    """The sections of a document that is being read from top to bottom.

    The first heading is the document's title, and not one of the headings, if it is of the first level.
    """

    title: str | None = None
    _headings: dict[int, str] = field(default_factory=dict[int, str])
    _lines: list[str] = field(default_factory=list[str])
    _sections: list[Section] = field(default_factory=list[Section])
    _lead: str | None = None

    def heading(self, level: int, text: str) -> None:
        """Begin a section. Levels start at 1, the outermost."""
        text = one_line(text)
        if not text:
            return
        self._close()
        if level == 1 and self.title is None and not self._headings:
            self.title = text
            return
        self._headings = {outer: name for outer, name in self._headings.items() if outer < level} | {level: text}

    def line(self, text: str) -> None:
        """Add a paragraph or a table row."""
        text = one_line(text)
        if text:
            self._lines.append(text)
            self._lead = text if text.endswith(":") else None

    def item(self, text: str) -> None:
        """Add a list item, after the line that introduces the list if that ends with a colon: `Covered: lightning`."""
        text = one_line(text)
        if not text:
            return
        if self._lead is not None:
            if self._lines[-1:] == [self._lead]:
                self._lines.pop()
            text = f"{self._lead} {text}"
        self._lines.append(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table, each row as one sentence."""
        for row in rows:
            self.line(row_sentence(header, row))

    def sections(self) -> tuple[Section, ...]:
        """Return all sections so far."""
        self._close()
        return tuple(self._sections)

    def _close(self) -> None:
        if self._lines:
            self._sections.append(Section(tuple(self._headings.values()), tuple(self._lines)))
        self._lines, self._lead = [], None


def one_line(text: str) -> str:
    """Return the text with each run of white space as one space, and without soft hyphens and null characters."""
    return " ".join(text.replace("\xad", "").replace("\x00", "").split())


def row_sentence(header: Sequence[str], row: Sequence[str]) -> str:
    """Return a row of a table as a sentence: `Priority: High; First response: 8 hours.`."""
    names = [*header, *([""] * (len(row) - len(header)))]
    cells = [
        f"{name}: {cell}" if name else cell
        for name, cell in zip(map(one_line, names), map(one_line, row), strict=False)
        if cell
    ]
    sentence = "; ".join(cells)
    return sentence if not sentence or sentence.endswith((".", "!", "?")) else f"{sentence}."


def assemble(path: Path, metadata: dict[str, str], outline: Outline) -> Document:
    """Make a document of its sections and its metadata (`id`, `title`, `version`, `date`, `replaces`).

    A missing title is taken from the first heading or the file's name, a missing id from the file's name. Raises
    `UnreadableDocument` for an invalid version or date, and for a document without text.
    """
    sections = outline.sections()
    if not sections:
        raise unreadable(path, "it holds no text", "add text (a scanned PDF needs OCR first) or remove the file")
    stated = {name: one_line(value) for name, value in metadata.items() if value.strip()}
    version = stated.get("version", "1")
    if not version.isascii() or not version.isdigit():
        raise unreadable(path, f"its version is {version!r}", "write a whole number, such as 2")
    try:
        effective = date.fromisoformat(stated["date"]) if "date" in stated else None
    except ValueError:
        raise unreadable(path, f"its date is {stated['date']!r}", "write it as 2026-03-01") from None
    return Document(
        id=stated.get("id", path.stem),
        title=stated.get("title") or outline.title or path.stem,
        version=int(version),
        effective=effective,
        replaces=stated.get("replaces"),
        sections=sections,
    )


def unreadable(path: Path, reason: str, remedy: str) -> UnreadableDocument:
    """Return the error for a document that cannot be read, in one line."""
    return UnreadableDocument(f"cannot read the document {path.name!r}: {reason}; {remedy}")
