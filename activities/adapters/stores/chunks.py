"""Cuts documents into chunks, the pieces of text that are searched, shown to a model and quoted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from activities.adapters.documents.document import Document, Section
from activities.text.sentences import sentences

EDITION = 2
"""The edition of the readers' and the cutting rules. A higher one makes every index be built again."""

SMALLEST = 18
"""The least size of a chunk, in tokens. A shorter section shares a chunk with its neighbour."""
LARGEST = 150
"""The largest chunk, in tokens of the embedding model, of which it reads 256. About 110 English words."""
LONGEST_SENTENCE = 220
"""The longest sentence that stays whole, in tokens. A longer one is cut: the model would not read its end."""

_LEAST_TOKENS = 12
"""The most characters that count as one token: a tokenizer takes a word that is too long for it for one token."""
_SEARCHED = 8_000
"""The longest text in which sentences are looked for at once, in characters."""
_CUT_AFTER = "\uff0c、\uff1b\uff1a,;: )\uff09」』"
"""Where a sentence that is too long is cut, if there is such a place in its second half."""

Tokens = Callable[[Sequence[str]], Sequence[int]]
"""Counts the tokens of each of some texts."""


@dataclass(frozen=True)
class Piece:
    """A chunk without its vector."""

    number: int
    """Its position in the document, from 0."""
    text: str
    """The heading (`Travel and expenses > Allowances`), then one line for each paragraph, item or row."""


@dataclass(frozen=True)
class _Unit:
    """A line, or a part of one, with its size in tokens."""

    text: str
    size: int


def estimated_tokens(texts: Sequence[str]) -> list[int]:
    """Return about how many tokens texts have, without a tokenizer: each sign of Chinese or Japanese is one."""
    return [_estimate(text) for text in texts]


def cut(
    document: Document, *, tokens: Tokens = estimated_tokens, smallest: int = SMALLEST, largest: int = LARGEST
) -> list[Piece]:
    """Cut a document into pieces of `smallest` to `largest` tokens that begin with their headings.

    A section that fits is one piece, since its author meant it to be read together. A longer one is cut between lines,
    or between sentences where one line is too long; within a sentence only where it is longer than the embedding model
    reads. Neighbours that are too short share a piece. Nothing is repeated, so a search finds a text in one place.
    """
    pieces: list[tuple[list[tuple[str, ...]], list[_Unit]]] = []
    for section in document.sections:
        for units in _groups_of_units(section, tokens, largest):
            if (
                pieces
                and _size(pieces[-1][1]) + _size(units) <= largest
                and (min(_size(pieces[-1][1]), _size(units)) < smallest)
            ):
                headings, above = pieces[-1]
                pieces[-1] = ([*headings, section.headings], [*above, *units])
            else:
                pieces.append(([section.headings], units))
    return [
        Piece(number, "\n".join([_heading(document.title, headings), *(unit.text for unit in units)]))
        for number, (headings, units) in enumerate(pieces)
    ]


def _groups_of_units(section: Section, tokens: Tokens, largest: int) -> Iterator[list[_Unit]]:
    """Yield the section's lines in groups of nearly equal size, of at most `largest` tokens if the lines allow it."""
    units: list[_Unit] = []
    for line, size in zip(section.lines, _sizes(section.lines, tokens), strict=True):
        if size > largest:
            units.extend(_runs_of_sentences(line, tokens, largest))
        else:
            units.append(_Unit(line, size))
    total = _size(units)
    target = total / max(1, -(-total // largest))
    group: list[_Unit] = []
    size = 0
    for unit in units:
        if group and (size + unit.size > largest or size >= target):
            yield group
            group, size = [], 0
        group.append(unit)
        size += unit.size
    if group:
        yield group


def _runs_of_sentences(line: str, tokens: Tokens, largest: int) -> Iterator[_Unit]:
    """Yield a long line in runs of whole sentences."""
    whole = [part[start:end] for part in _bounded(line) for start, end in sentences(part) or [(0, len(part))]]
    run = _Unit("", 0)
    for sentence, size in zip(whole, _sizes(whole, tokens), strict=True):
        for part in [_Unit(sentence, size)] if size <= LONGEST_SENTENCE else _parts(sentence, tokens, largest):
            if run.text and run.size + part.size > largest:
                yield run
                run = _Unit("", 0)
            run = _Unit(f"{run.text} {part.text}".strip(), run.size + part.size)
    if run.text:
        yield run


def _bounded(line: str) -> Iterator[str]:
    """Yield a line in parts in which sentences can be looked for, cut where one ends if there is such a place."""
    while len(line) > _SEARCHED:
        ends = [line.rfind(sign, _SEARCHED // 2, _SEARCHED) + 1 for sign in (". ", "? ", "! ", "。")]
        end = max(ends) or line.rfind(" ", _SEARCHED // 2, _SEARCHED) + 1 or _SEARCHED
        yield line[:end]
        line = line[end:]
    yield line


def _parts(sentence: str, tokens: Tokens, largest: int) -> Iterator[_Unit]:
    """Yield a sentence that is too long in parts: cut after a comma or a space, or anywhere if there is none."""
    rest = sentence
    while rest:
        # No text has more tokens than characters, so the first guess fits unless characters are dense.
        end = min(len(rest), largest * _LEAST_TOKENS)
        while (size := _sizes([rest[:end]], tokens)[0]) > largest and end > 1:
            end = max(1, min(end - 1, end * largest // size))
        if end < len(rest):
            end = next((place + 1 for place in range(end - 1, end // 2, -1) if rest[place] in _CUT_AFTER), end)
        part, rest = rest[:end].strip(), rest[end:].strip()
        if part:
            yield _Unit(part, _sizes([part], tokens)[0])


def _heading(title: str, paths: list[tuple[str, ...]]) -> str:
    """Return `Title > Outer > Inner`; for sections that share a chunk all their headings: `Title > Paper; Deletion`."""
    named = dict.fromkeys(" > ".join(path) for path in paths if path)
    return " > ".join([title, "; ".join(named)]) if named else title


def _sizes(texts: Sequence[str], tokens: Tokens) -> list[int]:
    return [max(1, counted, len(text) // _LEAST_TOKENS) for text, counted in zip(texts, tokens(texts), strict=True)]


def _size(units: Sequence[_Unit]) -> int:
    return sum(unit.size for unit in units)


def _estimate(text: str) -> int:
    dense = sum("\u2e80" <= sign <= "\u9fff" or "\uac00" <= sign <= "\ud7af" or sign > "\uf8ff" for sign in text)
    return dense + (len(text) - dense) * 10 // 45
