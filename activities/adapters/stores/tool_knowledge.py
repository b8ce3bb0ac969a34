"""The documents of one tenant as tools may use them: pieces that apply today, and whole texts put together again."""

import difflib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime

from activities.ports import Chunk, Embedder, Filter, NotConfigured, PortError, UnknownCollection, VectorStore
from activities.text.editions import Editions, Key, editions_on
from tools.errors import NotFound, Unreachable
from tools.world import Document, Extract

CANDIDATES = 4
"""How many times as many chunks are searched as are used, since older editions of the same text are found too."""

LONGEST = 5_000
"""Chunks of the longest document that is put together."""

ALIKE = 5
"""How many ids that are like an unknown one are named."""


def _today() -> date:
    return datetime.now(UTC).date()


class ToolKnowledge:
    """`tools.world.Knowledge` over a collection of a tenant."""

    def __init__(
        self,
        tenant: str,
        collection: str,
        store: VectorStore,
        embedder: Callable[[], Embedder],
        today: Callable[[], date] = _today,
    ) -> None:
        """`embedder` is asked for when it is needed: loading one takes a second."""
        self._tenant = tenant
        self._collection = collection
        self._store = store
        self._embedder = embedder
        self._today = today

    async def search(self, query: str, limit: int) -> Sequence[Extract]:
        """The best pieces of the editions that apply today."""
        with _plainly():
            [vector] = await self._embedder().embed([query])
            editions = await self._editions()
            hits = await self._store.search(self._tenant, self._collection, query, vector, limit * CANDIDATES)
        chunks = [hit.chunk for hit in hits if _applies(editions, (hit.chunk.document, hit.chunk.version))]
        return [Extract(chunk.document, chunk.version, chunk.title, chunk.text) for chunk in chunks[:limit]]

    async def read(self, document: str, version: int | None = None) -> Document:
        """A document, in the edition that applies today or the one that is named."""
        with _plainly():
            editions = await self._editions()
            key = _edition(editions, document, version)
            # A store finds chunks and lists none: a search among this edition's alone finds all of them.
            issued = editions.issued[key]
            [vector] = await self._embedder().embed([issued.title])
            only = Filter(documents=(key[0],), versions=(key[1],))
            hits = await self._store.search(self._tenant, self._collection, issued.title, vector, LONGEST, only=only)
        chunks = sorted((hit.chunk for hit in hits), key=lambda chunk: chunk.number)
        if [chunk.number for chunk in chunks] != list(range(len(chunks))):
            raise Unreachable(
                f"the document {document!r} could not be read whole: its collection is changing; try again"
            )
        instead = editions.in_place_of(*key)
        return Document(
            document=key[0],
            version=key[1],
            title=issued.title,
            effective=issued.effective,
            text=whole(issued.title, chunks),
            superseded_by=instead if instead not in (None, key) else None,
        )

    async def _editions(self) -> Editions:
        return editions_on(self._today(), await self._store.editions(self._tenant, self._collection))


def whole(title: str, chunks: Sequence[Chunk]) -> str:
    """The text of a document's chunks in their order, with each heading once and without the title before it."""
    parts: list[str] = []
    above = title
    for chunk in chunks:
        heading, _, lines = chunk.text.partition("\n")
        if heading != above:
            parts.append("\n" + heading.removeprefix(f"{title} > "))
        parts.append(lines)
        above = heading
    return "\n".join(parts).strip()


def _applies(editions: Editions, key: Key) -> bool:
    return editions.in_place_of(*key) == key


def _edition(editions: Editions, document: str, version: int | None) -> Key:
    """The edition that is meant. Raises `NotFound`."""
    versions = sorted(number for known, number in editions.issued if known == document)
    if not versions:
        known = sorted({name for name, _ in editions.issued})
        alike = difflib.get_close_matches(document, known, n=ALIKE, cutoff=0.4)
        advice = f"did you mean {', '.join(alike)}?" if alike else "search for it first"
        raise NotFound(f"there is no document {document[:80]!r}: {advice}")
    if version is None:
        # Where another document has replaced this one, the newest of its own is still what its id means.
        in_force = [number for number in versions if editions.in_place_of(document, number) is not None]
        current = [number for number in versions if _applies(editions, (document, number))]
        return document, (current or in_force or versions)[-1]
    if version not in versions:
        raise NotFound(f"the document {document!r} has no version {version}: it has {', '.join(map(str, versions))}")
    return document, version


@contextmanager
def _plainly() -> Generator[None]:
    """The ports' errors as the tools' own."""
    try:
        yield
    except (UnknownCollection, NotConfigured) as error:
        raise NotFound(str(error)) from None
    except PortError as error:
        raise Unreachable(str(error)) from None
