"""Gives tools the documents of one tenant: pieces of the editions that apply today, and whole texts of documents."""

import difflib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime

from activities.ports import Chunk, Embedder, Filter, NotConfigured, PortError, UnknownCollection, VectorStore
from activities.text.editions import Editions, Key, editions_on
from tools.errors import NotFound, Unreachable
from tools.world import Document, Extract

CANDIDATES = 4
"""The factor by which more chunks are searched than used, since a search also finds older editions."""

MAX_CHUNKS = 5_000
"""The largest document that can be read, in chunks."""

MAX_SUGGESTIONS = 5
"""The largest number of similar ids that are suggested for an unknown one."""


def _today() -> date:
    return datetime.now(UTC).date()


class ToolKnowledge:
    """A `tools.world.Knowledge` over a collection of a tenant."""

    def __init__(
        self,
        tenant: str,
        collection: str,
        store: VectorStore,
        embedder: Callable[[], Embedder],
        today: Callable[[], date] = _today,
    ) -> None:
        """`embedder` is called at the first use: loading an embedder takes a second."""
        self._tenant = tenant
        self._collection = collection
        self._store = store
        self._embedder = embedder
        self._today = today

    async def search(self, query: str, limit: int) -> Sequence[Extract]:
        """Return the best pieces of the editions that apply today."""
        with _as_tool_errors():
            [vector] = await self._embedder().embed([query])
            editions = await self._editions()
            hits = await self._store.search(self._tenant, self._collection, query, vector, limit * CANDIDATES)
        chunks = [hit.chunk for hit in hits if _applies(editions, (hit.chunk.document, hit.chunk.version))]
        return [Extract(chunk.document, chunk.version, chunk.title, chunk.text) for chunk in chunks[:limit]]

    async def read(self, document: str, version: int | None = None) -> Document:
        """Return a document, in the named version or in the edition that applies today."""
        with _as_tool_errors():
            editions = await self._editions()
            key = _edition_key(editions, document, version)
            # A store cannot list chunks: a search that is limited to this edition returns all of them.
            issued = editions.issued[key]
            [vector] = await self._embedder().embed([issued.title])
            only = Filter(documents=(key[0],), versions=(key[1],))
            hits = await self._store.search(self._tenant, self._collection, issued.title, vector, MAX_CHUNKS, only=only)
        chunks = sorted((hit.chunk for hit in hits), key=lambda chunk: chunk.number)
        if [chunk.number for chunk in chunks] != list(range(len(chunks))):
            raise Unreachable(
                f"the document {document!r} could not be read whole: its collection is changing; try again"
            )
        successor = editions.in_place_of(*key)
        return Document(
            document=key[0],
            version=key[1],
            title=issued.title,
            effective=issued.effective,
            text=joined_text(issued.title, chunks),
            superseded_by=successor if successor not in (None, key) else None,
        )

    async def _editions(self) -> Editions:
        return editions_on(self._today(), await self._store.editions(self._tenant, self._collection))


def joined_text(title: str, chunks: Sequence[Chunk]) -> str:
    """Return the text of a document's chunks in order, with each heading once and without the title before it."""
    parts: list[str] = []
    previous_heading = title
    for chunk in chunks:
        heading, _, lines = chunk.text.partition("\n")
        if heading != previous_heading:
            parts.append("\n" + heading.removeprefix(f"{title} > "))
        parts.append(lines)
        previous_heading = heading
    return "\n".join(parts).strip()


def _applies(editions: Editions, key: Key) -> bool:
    return editions.in_place_of(*key) == key


def _edition_key(editions: Editions, document: str, version: int | None) -> Key:
    """Return the key of the named edition, or of the one that applies today. Raises `NotFound`."""
    versions = sorted(number for known, number in editions.issued if known == document)
    if not versions:
        known = sorted({name for name, _ in editions.issued})
        suggestions = difflib.get_close_matches(document, known, n=MAX_SUGGESTIONS, cutoff=0.4)
        advice = f"did you mean {', '.join(suggestions)}?" if suggestions else "search for it first"
        raise NotFound(f"there is no document {document[:80]!r}: {advice}")
    if version is None:
        # Where another document has replaced this one, its id still names its own newest edition.
        in_force = [number for number in versions if editions.in_place_of(document, number) is not None]
        current = [number for number in versions if _applies(editions, (document, number))]
        return document, (current or in_force or versions)[-1]
    if version not in versions:
        raise NotFound(f"the document {document!r} has no version {version}: it has {', '.join(map(str, versions))}")
    return document, version


@contextmanager
def _as_tool_errors() -> Generator[None]:
    """Turn the ports' errors into the tools' errors."""
    try:
        yield
    except (UnknownCollection, NotConfigured) as error:
        raise NotFound(str(error)) from None
    except PortError as error:
        raise Unreachable(str(error)) from None
