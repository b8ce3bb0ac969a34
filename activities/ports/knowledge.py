"""Ports for documents: their text, their chunks, their vectors and the search over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class ReadFile:
    """A file as it was read."""

    text: str
    losses: tuple[str, ...] = ()
    """What the reader left out, or could not read as it was meant, one line each; empty for nothing."""


class Documents(Protocol):
    """Reads the text of files."""

    async def read(self, name: str, data: bytes, *, tenant: str = "") -> ReadFile:
        """Return the text of a file as `text` does, and what its reader left out."""
        ...

    async def text(self, name: str, data: bytes, *, tenant: str = "", charset: str | None = None) -> str:
        """Return the text of a file, parsed by the ending of its name; one file of a tenant at a time.

        `charset`: Python's codec for the encoding that the server of a page named, empty where it named none; None for
        a file. Raises `UnreadableDocument`, `ReadingStopped` and `NotInCharset` among it, and `ReadersBusy`.
        """
        ...


class Embedder(Protocol):
    """Turns text into unit vectors."""

    dimensions: int

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector of `dimensions` floats, of length 1, for each text."""
        ...

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, by which chunks are measured."""
        ...


@dataclass(frozen=True)
class Issued:
    """One edition of a document that a collection holds."""

    document: str
    version: int
    title: str
    effective: date | None
    """The day from which it applies; None if the document names none."""
    replaces: str | None
    """The id of another document that it replaces; None for none."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a document in the store."""

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
    """The way in which a search merges the chunks found by words with those found by meaning."""

    RECIPROCAL_RANK = "reciprocal_rank"
    """Each search adds the reciprocal of the chunk's rank (Cormack et al., 2009)."""
    RELATIVE_SCORE = "relative_score"
    """Each search adds its score, scaled so that its best is 1 and its worst is 0."""


@dataclass(frozen=True)
class Filter:
    """The chunks that a search may find: those that match every field."""

    documents: tuple[str, ...] | None = None
    """Only chunks of these documents; None for all, and an empty tuple for none."""
    versions: tuple[int, ...] | None = None
    """Only chunks of these versions; None for all, and an empty tuple for none."""
    effective_by: date | None = None
    """Only chunks that apply from this day or an earlier one, or that name no day; None for all."""


@dataclass(frozen=True)
class Hit:
    """A chunk that was found."""

    chunk: Chunk
    score: float
    """Fused from words and meaning; higher is better; comparable within one search only."""
    similarity: float
    """Cosine of query and chunk, -1 to 1."""


class VectorStore(Protocol):
    """Stores chunks by tenant and collection, and finds them by words and by meaning.

    Two chunks are the same if document, version and number are equal. Every method raises `StorageFailed` if the store
    does not answer in time or fails, and `UnknownCollection` for an invalid name. Methods that write also raise
    `StorageFull`, `StorageReadOnly` and `WrongDimension`.
    """

    @property
    def fusion(self) -> Fusion:
        """The way in which `search` merges its hits."""
        ...

    async def ready(self) -> None:
        """Return if the store can be searched and written to; otherwise raise the error that says why not."""
        ...

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Replace all chunks of the collection at once: a reader sees either the old ones or the new ones."""
        ...

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Add chunks to the collection, in place of the same ones. Doing it again changes nothing.

        After a failure some may be stored: do it again. Raises `UnknownCollection`.
        """
        ...

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        """Delete the chunks of one version of a document or of all, and return how many. Raises `UnknownCollection`."""
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
        """Return the best chunks, best first. Raises `UnknownCollection` and `WrongDimension`."""
        ...

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        """Return every edition of every document, by id and version. Raises `UnknownCollection`."""
        ...

    async def count(self, tenant: str, collection: str) -> int:
        """Return the number of chunks in the collection; 0 if it does not exist."""
        ...

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        """Make `alias` another name of the collection, at once. Raises `UnknownCollection`.

        Every other method then uses the alias before a collection of the same name. Point it to another collection to
        switch it, or to its own name to remove it. So an index can be built beside the one that is searched.
        """
        ...
