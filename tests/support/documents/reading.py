"""Reads a drawn document and compares it with its truth."""

import re
from collections import Counter
from pathlib import Path

from activities.adapters.documents.document import Document
from activities.adapters.documents.parse import parse_bytes
from activities.adapters.stores.chunks import cut
from activities.text.sentences import sentences
from tests.support.documents.truth import Truth

_NUMBER = re.compile(r"\d+")


def read(truth: Truth) -> Document:
    """Read a drawn document."""
    return parse_bytes(Path(truth.name), truth.data)


def faults(truth: Truth, document: Document) -> list[str]:
    """Return each difference between a document and its truth; an empty list if there is none."""
    lines = [line for section in document.sections for line in section.lines]
    found = Counter(line[start:end] for line in lines for start, end in sentences(line))
    expected = Counter(text[start:end] for text in truth.sentences.elements() for start, end in sentences(text))
    faults = [f"invented: {text!r}" for text in found - expected]
    # A paper's one line in another size is its title to any reader.
    faults += [f"lost: {text!r}" for text in expected - found if text != document.title]
    headings = {heading for section in document.sections for heading in section.headings}
    headings.add(document.title)
    faults += [f"heading lost: {heading!r}" for heading in truth.headings - headings]
    numbers = {number for text in (*truth.sentences, *truth.headings) for number in _NUMBER.findall(text)}
    indexed = " ".join(piece.text.partition("\n")[2] for piece in cut(document))
    faults += [f"number invented: {number}" for number in set(_NUMBER.findall(indexed)) - numbers]
    faults += [f"hidden text read: {text!r}" for text in truth.hidden if text in indexed]
    losses = Counter[str]()
    for loss in document.losses:
        kind = next((kind for kind in truth.lost if loss.kind.startswith(kind)), loss.kind)
        losses[kind] += loss.count
    if losses != truth.lost:
        faults.append(f"losses {dict(losses)}, not {dict(truth.lost)}")
    return faults
