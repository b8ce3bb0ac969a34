"""Documents: read, cut into chunks, kept by meaning, and found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
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


class Fusion(StrEnum):
    """How a search makes one order of the chunks found by words and of those found by meaning."""

    RECIPROCAL_RANK = "reciprocal_rank"
    """Each adds the reciprocal of the place it gave the chunk (Cormack et al., 2009)."""
    RELATIVE_SCORE = "relative_score"
    """Each adds its score, scaled so that its best is 1 and its worst 0."""


@dataclass(frozen=True)
class Filter:
    """Which chunks a search may find: those that hold to every part of it."""

    documents: tuple[str, ...] | None = None
    """Only chunks of these documents; None for all, and an empty tuple for none."""
    versions: tuple[int, ...] | None = None
    """Only chunks of these versions; None for all, and an empty tuple for none."""
    effective_by: date | None = None
    """Only chunks that apply from this day or an earlier one, or that do not say from when; None for all."""


@dataclass(frozen=True)
class Hit:
    """A chunk that was found."""

    chunk: Chunk
    score: float
    """Fused from words and meaning; higher is better; comparable within one search only."""
    similarity: float
    """Cosine of query and chunk, -1 to 1."""


class VectorStore(Protocol):
    """Keeps chunks by tenant and collection, and finds them by words and by meaning.

    A chunk is the same as another where document, version and number are. Every method raises `StorageFailed` where the
    store does not answer in its time or does not do what it is asked, and `UnknownCollection` for a name that can be
    none; what stores also raises `StorageFull`, `StorageReadOnly` and `WrongDimension`.
    """

    @property
    def fusion(self) -> Fusion:
        """How `search` orders what it finds."""
        ...

    async def ready(self) -> None:
        """Return where the store can be searched and written to; otherwise raise the error that says why not."""
        ...

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Make these the collection's chunks, all at once: a reader sees the old ones or the new ones."""
        ...

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Add chunks to the collection, in place of those that are the same: doing it again changes nothing.

        Where it fails some may be there: do it again. Raises `UnknownCollection`.
        """
        ...

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        """Delete a document's chunks, those of one version or all; returns how many. Raises `UnknownCollection`."""
        ...

    async def search(
        self,
        tenant: str,
        collection: str,
        query: str,
        vector: Sequence[float],
        limit: int,
        *,
        only: Filter | None = None,
    ) -> list[Hit]:
        """The best chunks, best first. Raises `UnknownCollection` and `WrongDimension`."""
        ...

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        """Every edition of every document, by id and version. Raises `UnknownCollection`."""
        ...

    async def count(self, tenant: str, collection: str) -> int:
        """How many chunks the collection holds; 0 where it does not exist."""
        ...

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        """Make `alias` another name of the collection, from one moment to the next; raises `UnknownCollection`.

        It stands before a collection of that name, for every method but this one, until it is switched to another
        collection, or to its own name, which ends it. So an index can be built beside the one that is searched.
        """
        ...
