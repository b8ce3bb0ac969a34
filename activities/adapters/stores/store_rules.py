"""The rules that every vector store follows: names, dimensions, similarity, order, and unknown collections."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from activities.ports import Chunk, Hit, UnknownCollection, WrongDimension
from activities.text.search_text import search_text

DIMENSIONS: Final = 384
"""The length of the embedding model's vectors."""

DEPTH: Final = 40
"""The least number of chunks from each of the two searches: fusion needs more chunks than it returns."""

_UNSPACED = re.compile("([\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")
"""A character of Chinese or Japanese, which are written without spaces between words."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def require_names(*names: str) -> None:
    """Raise `UnknownCollection` unless each name is valid for a tenant or collection, in paths and servers' schemas."""
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise UnknownCollection(
                f"{name[:80]!r} cannot name a tenant or a collection: use lower-case letters, digits and dashes"
            )


def unknown_collection(tenant: str, collection: str) -> UnknownCollection:
    """Return the error for a collection that the tenant does not have."""
    return UnknownCollection(
        f"the tenant {tenant!r} has no collection {collection!r}: index a folder of documents first "
        f"(`perdure index FOLDER --tenant {tenant} --collection {collection}`)"
    )


def require_dimensions(what: str, dimensions: int, *vectors: Sequence[float]) -> None:
    """Raise `WrongDimension` unless each vector has the wanted number of dimensions."""
    for vector in vectors:
        if len(vector) != dimensions:
            raise WrongDimension(
                f"{what}: a vector has {len(vector)} dimensions, and those of the collection have {dimensions}; "
                "use the embedding model that the collection was made with, or build the index anew"
            )


def words(text: str) -> str:
    """Return a text, or a query, as its words are indexed; each character is a word where a writing has no spaces."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", search_text(text))


def without_duplicates(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return the chunks without duplicates of document, version and number; the last one of each stays."""
    return list({(chunk.document, chunk.version, chunk.number): chunk for chunk in chunks}.values())


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine similarity of two vectors, -1 to 1; 0 where one has length 0."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(-1.0, min(1.0, float(np.dot(one, other)) / lengths)) if lengths else 0.0


def rank(hit: Hit) -> tuple[float, float, str, int, int]:
    """Return the sort key of a hit. Scores are often equal: so it sorts by similarity next, and by place last."""
    return (-hit.score, -hit.similarity, hit.chunk.document, hit.chunk.version, hit.chunk.number)
