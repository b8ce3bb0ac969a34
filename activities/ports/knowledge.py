"""Documents: read, cut into chunks, kept by meaning, and found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol


class Documents(Protocol):
    """Reads the text of files."""

    async def text(self, name: str, data: bytes) -> str:
        """The text of a file, by the ending of its name. Raises `UnreadableDocument`."""
        ...


class Embedder(Protocol):
    """Turns text into unit vectors."""

    dimensions: int

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of `dimensions` floats, length 1, for each text."""
        ...


@dataclass(frozen=True)
class Issued:
    """One edition of a document that a collection holds."""

    document: str
    version: int
    title: str
    effective: date | None
    """The day from which it applies; None where the document does not say."""
    replaces: str | None
    """The id of another document that it replaces; None for none."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a document, as the store keeps it."""

    document: str
    version: int
    title: str
    effective: date | None
    replaces: str | None
    """The id of another document that this one replaces; None for none."""
    number: int
    """Its place in the document, from 0."""
    text: str
    vector: tuple[float, ...]


@dataclass(frozen=True)
class Hit:
    """A chunk that was found."""

    chunk: Chunk
    score: float
    """Fused lexical and vector rank; higher is better; comparable within one search only."""
    similarity: float
    """Cosine of query and chunk, -1 to 1."""


class VectorStore(Protocol):
    """Keeps chunks by tenant and collection, and finds them by words and by meaning."""

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Make these the collection's chunks, all at once: a reader sees the old ones or the new ones."""
        ...

    async def search(self, tenant: str, collection: str, query: str, vector: Sequence[float], limit: int) -> list[Hit]:
        """The best chunks, best first. Raises `UnknownCollection`."""
        ...

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        """Every edition of every document. Raises `UnknownCollection`."""
        ...

    async def count(self, tenant: str, collection: str) -> int:
        """How many chunks the collection holds; 0 where it does not exist."""
        ...
