"""Cuts documents into chunks, the pieces of text that are searched, shown to a model and quoted."""

from collections.abc import Iterator
from dataclasses import dataclass

from activities.adapters.documents.document import Document, Section
from activities.text.sentences import sentences

EDITION = 1
"""The edition of the cutting rules. A higher one makes every index be built again."""

MIN_WORDS = 16
"""The least size of a chunk, in words. A shorter section shares a chunk with its neighbour."""
LARGEST = 110
"""The largest chunk, in words. About 150 tokens: well within the 256 that the embedding model reads."""


@dataclass(frozen=True)
class Piece:
    """A chunk without its vector."""

    number: int
    """Its position in the document, from 0."""
    text: str
    """The heading (`Travel and expenses > Allowances`), then one line for each paragraph, item or row."""


def cut(document: Document, *, smallest: int = MIN_WORDS, largest: int = LARGEST) -> list[Piece]:
    """Cut a document into pieces of `smallest` to `largest` words that begin with their headings.

    A section that fits is one piece, since its author meant it to be read together. A longer one is cut between lines,
    or between sentences where one line is too long; a sentence is never cut. Neighbours that are too short share a
    piece. Nothing is repeated, so a search finds a text in one place.
    """
    pieces: list[tuple[list[tuple[str, ...]], list[str]]] = []
    for section in document.sections:
        for lines in _groups_of_lines(section, largest):
            if (
                pieces
                and _words(pieces[-1][1]) + _words(lines) <= largest
                and (min(_words(pieces[-1][1]), _words(lines)) < smallest)
            ):
                headings, above = pieces[-1]
                pieces[-1] = ([*headings, section.headings], [*above, *lines])
            else:
                pieces.append(([section.headings], lines))
    return [
        Piece(number, "\n".join([_heading(document.title, headings), *lines]))
        for number, (headings, lines) in enumerate(pieces)
    ]


def _groups_of_lines(section: Section, largest: int) -> Iterator[list[str]]:
    """Yield the section's lines in groups of nearly equal length, of at most `largest` words if the lines allow it."""
    units: list[str] = []
    for line in section.lines:
        if _words([line]) > largest:
            units.extend(_runs_of_sentences(line, largest))
        else:
            units.append(line)
    total = _words(units)
    target = total / max(1, -(-total // largest))
    group: list[str] = []
    for unit in units:
        if group and (_words([*group, unit]) > largest or _words(group) >= target):
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def _runs_of_sentences(line: str, largest: int) -> Iterator[str]:
    """Yield a long line in runs of whole sentences."""
    run = ""
    for start, end in sentences(line):
        if run and _words([run, line[start:end]]) > largest:
            yield run
            run = ""
        run = f"{run} {line[start:end]}".strip()
    if run:
        yield run


def _heading(title: str, paths: list[tuple[str, ...]]) -> str:
    """Return `Title > Outer > Inner`; for sections that share a chunk all their headings: `Title > Paper; Deletion`."""
    named = dict.fromkeys(" > ".join(path) for path in paths if path)
    return " > ".join([title, "; ".join(named)]) if named else title


def _words(lines: list[str]) -> int:
    return sum(len(line.split()) for line in lines)
