"""The one structure of documents: sections of lines that can each be understood alone, and what was left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from activities.adapters.documents.metadata import Metadata
from activities.adapters.documents.scripts import resolve
from activities.ports import UnreadableDocument

MAX_CHARACTERS = 20_000_000
"""The longest text of a document. The rest is left out, and reported."""


@dataclass(frozen=True)
class Section:
    """The text under one heading."""

    headings: tuple[str, ...]
    """The headings from the outermost to its own, without the document's title; empty before the first heading."""
    lines: tuple[str, ...]
    """The paragraphs, list items, table rows and notes, one each, without line breaks and list marks."""


@dataclass(frozen=True)
class Loss:
    """Something of a file that is not in its document."""

    kind: str
    """What it is, in plain words: `form control`, `rotated text`, `metadata 'author', which has no meaning here`."""
    count: int = 1
    where: str = ""
    """The page, slide, sheet or line; empty where a format has none, and where there are many."""

    def __str__(self) -> str:
        counted = self.kind if self.count == 1 else f"{self.count:,} x {self.kind}"
        return f"{counted} ({self.where})" if self.where else counted


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
    losses: tuple[Loss, ...] = field(default=(), compare=False)
    """What its reader left out, or could not read as it was meant."""


_Section = tuple[tuple[str, ...], list[str], list[str]]


@dataclass
class Outline:
    """The sections of a document that is being read from top to bottom.

    The first heading is the document's title, and not one of the headings, if it is of the first level.
    """

    title: str | None = None
    _headings: dict[int, str] = field(default_factory=dict[int, str])
    _lines: list[str] = field(default_factory=list[str])
    _sections: list[_Section] = field(default_factory=list["_Section"])
    """The sections with their headings, lines, and the labels of the notes that they refer to."""
    _lead: str | None = None
    _losses: dict[str, tuple[int, list[str]]] = field(default_factory=dict[str, tuple[int, list[str]]])
    _notes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _due: list[str] = field(default_factory=list[str])
    """The labels of the notes that the current section refers to."""
    _bare: bool = False
    """Whether nothing stands under the last heading yet."""
    _room: int = MAX_CHARACTERS

    def heading(self, level: int, text: str) -> None:
        """Begin a section. Levels start at 1, the outermost."""
        text = one_line(text)
        if not text:
            return
        self._close()
        self._keep_bare(level)
        if level == 1 and self.title is None and not self._headings:
            self.title = text
            return
        self._bare = True
        self._headings = {outer: name for outer, name in self._headings.items() if outer < level} | {level: text}

    def line(self, text: str) -> None:
        """Add a paragraph or a table row."""
        text = one_line(text)
        if text:
            self._add(text)
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
        self._add(text)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table, each row as one sentence. A row of one cell in a wider table is a line of its own."""
        names = [one_line(name) for name in header]
        for row in rows:
            self.line(row[0] if len(row) == 1 and len(names) > 1 else row_sentence(names, row))

    def note(self, label: str, texts: Sequence[str]) -> None:
        """Keep a note, whose lines follow the section that refers to it; the last section if none does."""
        self._notes.setdefault(label, []).extend(texts)

    def refer(self, label: str) -> None:
        """Say that the current section refers to a note."""
        self._due.append(label)

    def lose(self, kind: str, count: int = 1, where: str = "") -> None:
        """Report something that is left out."""
        total, places = self._losses.get(kind, (0, []))
        if where and where not in places:
            places = [*places, where]
        self._losses[kind] = (total + count, places)

    def losses(self) -> tuple[Loss, ...]:
        """Return what was left out, each kind once."""
        return tuple(Loss(kind, count, _places(places)) for kind, (count, places) in self._losses.items())

    def sections(self) -> tuple[Section, ...]:
        """Return all sections so far, the notes that nobody referred to at the end of the last one."""
        self._close()
        self._keep_bare(1)
        last = len(self._sections) - 1
        for place, (headings, lines, due) in enumerate(self._sections):
            labels = [*due, *self._notes] if place == last else due
            noted = [line for label in dict.fromkeys(labels) for line in self._lines_of_note(label)]
            self._sections[place] = (headings, [*lines, *noted], [])
        return tuple(Section(headings, tuple(lines)) for headings, lines, _ in self._sections)

    def _add(self, text: str) -> None:
        if len(text) > self._room:
            self.lose(f"line beyond the first {MAX_CHARACTERS:,} characters")
            self._room = min(self._room, 0)
            return
        self._room -= len(text)
        self._lines.append(text)

    def _close(self) -> None:
        if self._lines:
            self._bare = False
            self._sections.append((tuple(self._headings.values()), self._lines, self._due))
            self._due = []
        self._lines, self._lead = [], None

    def _lines_of_note(self, label: str) -> list[str]:
        """Return a note's lines, and forget it: it stands in one section."""
        texts = [line for line in map(one_line, self._notes.pop(label, [])) if line]
        return [f"[{label}] {texts[0]}", *texts[1:]] if texts else []

    def _keep_bare(self, level: int) -> None:
        """Keep the last heading as a line if nothing stands under it, and a heading of this level comes next."""
        if self._bare and level <= max(self._headings, default=0):
            *above, last = self._headings.items()
            self._headings = dict(above)
            self._bare = False
            self._add(last[1])
            self._close()


_WITHOUT_MARKS = {ord(mark): None for mark in "\xad\x00\u200b\u2060\ufeff"}


def one_line(text: str) -> str:
    """Return the text with each run of white space as one space, superscripts resolved, and invisible marks removed."""
    return " ".join(resolve(text).translate(_WITHOUT_MARKS).split())


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


def assemble(path: Path, stated: dict[str, str], outline: Outline) -> Document:
    """Make a document of its sections and its metadata (`id`, `title`, `version`, `date`, `replaces`).

    A missing title is taken from the first heading or the file's name, a missing id from the file's name. A version
    or a date that cannot be read is reported as a loss. Raises `UnreadableDocument` for a document without text.
    """
    sections = outline.sections()
    if not sections:
        left_out = "; ".join(map(str, outline.losses()))
        reason = f"it holds no text ({left_out[:200]})" if left_out else "it holds no text"
        raise unreadable(path, reason, "add text (a scanned PDF needs OCR first) or remove the file")
    metadata = Metadata.read({name: one_line(value) for name, value in stated.items()})
    for objection in metadata.objections:
        outline.lose(objection)
    return Document(
        id=metadata.id or path.stem,
        title=metadata.title or outline.title or path.stem,
        version=metadata.version,
        effective=metadata.effective,
        replaces=metadata.replaces,
        sections=sections,
        losses=outline.losses(),
    )


def unreadable(path: Path, reason: str, remedy: str) -> UnreadableDocument:
    """Return the error for a document that cannot be read, in one line."""
    return UnreadableDocument(f"cannot read the document {path.name!r}: {reason}; {remedy}")


_SHOWN_PLACES = 5


def _places(places: list[str]) -> str:
    shown = ", ".join(places[:_SHOWN_PLACES])
    return shown if len(places) <= _SHOWN_PLACES else f"{shown} and {len(places) - _SHOWN_PLACES} more"
