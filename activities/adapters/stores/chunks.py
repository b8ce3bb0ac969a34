"""Cuts documents into chunks: what is searched, shown to a model and quoted."""

from collections.abc import Iterator
from dataclasses import dataclass

from activities.adapters.documents.document import Document, Section
from activities.text.sentences import sentences

EDITION = 1
"""Of the way documents are cut. A higher one makes every index be built anew."""

SMALLEST = 16
"""Words. A section below it shares a chunk with its neighbour."""
LARGEST = 110
"""Words. About 150 tokens: well within the 256 that the embedding model reads."""


@dataclass(frozen=True)
class Piece:
    """A chunk without its vector."""

    number: int
    """Its place in the document, from 0."""
    text: str
    """Its heading (`Travel and expenses > Allowances`) on the first line, then one paragraph, item or row a line."""


def cut(document: Document, *, smallest: int = SMALLEST, largest: int = LARGEST) -> list[Piece]:
    """Cut a document into pieces of `smallest` to `largest` words that begin with their headings.

    A section is one piece where it fits, since its author meant it to be read together. A longer one is parted between
    lines, or between sentences where a line alone is too long; a sentence is never parted. Neighbours that are too
    short share a piece. Nothing is repeated, so a text is found in one place.
    """
    pieces: list[tuple[list[tuple[str, ...]], list[str]]] = []
    for section in document.sections:
        for lines in _fitting(section, largest):
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


def _fitting(section: Section, largest: int) -> Iterator[list[str]]:
    """The section's lines in groups of nearly equal length, none of them over `largest` words where lines allow."""
    units: list[str] = []
    for line in section.lines:
        if _words([line]) > largest:
            units.extend(_parted(line, largest))
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


def _parted(line: str, largest: int) -> Iterator[str]:
    """A long line in runs of whole sentences."""
    run = ""
    for start, end in sentences(line):
        if run and _words([run, line[start:end]]) > largest:
            yield run
            run = ""
        run = f"{run} {line[start:end]}".strip()
    if run:
        yield run


def _heading(title: str, paths: list[tuple[str, ...]]) -> str:
    """`Title > Outer > Inner`; sections that share a chunk are named one after the other: `Title > Paper; Deletion`."""
    named = dict.fromkeys(" > ".join(path) for path in paths if path)
    return " > ".join([title, "; ".join(named)]) if named else title


def _words(lines: list[str]) -> int:
    return sum(len(line.split()) for line in lines)
