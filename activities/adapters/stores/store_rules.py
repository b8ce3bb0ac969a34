"""What every vector store does alike: names, dimensions, likeness, order, and what it says of an unknown collection."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from activities.ports import Chunk, Hit, UnknownCollection, WrongDimension

DIMENSIONS: Final = 384
"""The length of the embedding model's vectors."""

DEPTH: Final = 40
"""How many chunks each of the two searches contributes at least: fusion needs more than it returns."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def require_names(*names: str) -> None:
    """Raise `UnknownCollection` unless each can name a tenant or a collection, in a path and in a server's schema."""
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise UnknownCollection(
                f"{name[:80]!r} cannot name a tenant or a collection: use lower-case letters, digits and dashes"
            )


def unknown(tenant: str, collection: str) -> UnknownCollection:
    """The error for a collection that the tenant does not have."""
    return UnknownCollection(
        f"the tenant {tenant!r} has no collection {collection!r}: index a folder of documents first "
        f"(`python -m deploy.local index FOLDER --tenant {tenant} --collection {collection}`)"
    )


def require_dimensions(what: str, wanted: int, *vectors: Sequence[float]) -> None:
    """Raise `WrongDimension` unless each vector has as many numbers as are wanted."""
    for vector in vectors:
        if len(vector) != wanted:
            raise WrongDimension(
                f"{what}: a vector has {len(vector)} dimensions, and those of the collection have {wanted}; "
                "use the embedding model that the collection was made with, or build the index anew"
            )


def each_once(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks without those that a later one is the same as."""
    return list({(chunk.document, chunk.version, chunk.number): chunk for chunk in chunks}.values())


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """How alike two vectors are, -1 to 1; 0 where one has no direction."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(-1.0, min(1.0, float(np.dot(one, other)) / lengths)) if lengths else 0.0


def best_first(hit: Hit) -> tuple[float, float, str, int, int]:
    """Scores are often equal: then by meaning, and at last by place, so that a search can be repeated."""
    return (-hit.score, -hit.similarity, hit.chunk.document, hit.chunk.version, hit.chunk.number)
