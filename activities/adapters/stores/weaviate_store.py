"""Keeps chunks in Weaviate: a class for each collection and dimension, a tenant for each generation of each tenant."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from weaviate.classes.query import HybridFusion, MetadataQuery
from weaviate.exceptions import UnexpectedStatusCodeError

from activities.adapters.stores import weaviate_batches, weaviate_pointers
from activities.adapters.stores.store_rules import (
    DEPTH,
    DIMENSIONS,
    cosine,
    rank,
    require_dimensions,
    require_names,
    unknown_collection,
    without_duplicates,
    words,
)
from activities.adapters.stores.weaviate_client import Client, Vanished, WeaviateServer
from activities.adapters.stores.weaviate_generations import ABANDONED, Generations
from activities.adapters.stores.weaviate_pointers import Live
from activities.adapters.stores.weaviate_schema import (
    VECTOR,
    WORDS,
    Place,
    conditions,
    issued,
    of_document,
    to_chunk,
    to_object,
)
from activities.ports import Chunk, Filter, Fusion, Hit, Issued, StorageFailed, UnknownCollection

MAX_READS: Final = 3
"""The largest number of reads of a generation that vanished meanwhile: each time two replacements came in between."""

VECTOR_WEIGHT: Final = 0.5
"""The weight of the vector's score; the words' score has the rest."""

MAX_EDITIONS: Final = 1_000_000
"""The largest number of editions of a collection."""

Reply = TypeVar("Reply")


@dataclass(frozen=True)
class _CachedEditions:
    """The editions of a generation at one revision."""

    of: tuple[Place, str]
    """The generation and its revision."""
    issued: Sequence[Issued]


class WeaviateStore:
    """A `VectorStore`. Each tenant of the platform has its own tenants in Weaviate, whose searches share no shard.

    `replace` writes a new generation, which is a new tenant of Weaviate, and then moves a pointer in one write. So a
    reader sees one complete generation, and other tenants of the class are not affected. The previous generation stays
    for running searches. A later replacement removes what concurrent or killed replacements left. Searches are
    approximate (HNSW).
    """

    fusion: Fusion = Fusion.RELATIVE_SCORE

    def __init__(
        self, server: WeaviateServer, *, dimensions: int = DIMENSIONS, abandoned: timedelta = ABANDONED
    ) -> None:
        """Keep chunks on `server`. Requests are sent and classes created at their first use."""
        self._server = server
        self._dimensions = dimensions
        self._generations = Generations(server, dimensions, abandoned)
        self._issued: dict[tuple[str, str], _CachedEditions] = {}
        """The cached editions of the live generations, by tenant and collection."""
        self._with_words: set[str] = set()
        """The classes that are known to have the property of words."""

    async def ready(self) -> None:
        what = "the store is not ready"
        await self._generations.prepare(what)
        await self._server.ask(what, weaviate_pointers.try_writing)

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Replace the collection's chunks in one step. Of concurrent writers, the last one to finish wins."""
        require_names(tenant, collection)
        what = f"cannot store the collection {collection!r} of the tenant {tenant!r}"
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        objects = [to_object(chunk) for chunk in without_duplicates(chunks)]
        live = await self._server.ask(what, lambda client: weaviate_pointers.find(client, tenant, collection))
        await self._generations.replace(what, tenant, collection if live is None else live.name, objects)

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        what = f"cannot add to the collection {collection!r} of the tenant {tenant!r}"
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        objects = [to_object(chunk) for chunk in without_duplicates(chunks)]

        async def add(live: Live) -> None:
            require_dimensions(what, live.place.dimensions, range(self._dimensions))
            await weaviate_batches.insert(self._server, what, live.place, objects)

        await self._change(what, tenant, collection, add)

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        what = f"cannot delete {document!r} from the collection {collection!r} of the tenant {tenant!r}"

        async def delete(live: Live) -> int:
            deleted = 0
            # One request deletes 10,000 objects at most.
            while count := await self._server.ask(what, lambda client: _delete(client, live, document, version)):
                deleted += count
            return deleted

        return await self._change(what, tenant, collection, delete)

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
        what = f"cannot search the collection {collection!r} of the tenant {tenant!r}"
        only = Filter() if only is None else only

        async def read(client: Client, live: Live) -> list[Hit]:
            require_dimensions(what, live.place.dimensions, vector)
            if () in (only.documents, only.versions):
                return []
            chunks = client.collections.use(live.place.home).with_tenant(live.place.generation)
            result = await chunks.query.hybrid(
                words(query),
                vector=list(vector),
                alpha=VECTOR_WEIGHT,
                fusion_type=HybridFusion.RELATIVE_SCORE,
                query_properties=await self._searched(client, live.place.home),
                filters=conditions(only),
                limit=max(limit, DEPTH),
                include_vector=True,
                return_metadata=MetadataQuery(score=True),
            )
            return [_hit(hit.properties, hit.vector, hit.metadata.score, vector) for hit in result.objects]

        return sorted(await self._read(what, tenant, collection, read), key=rank)[:limit]

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        async def read(client: Client, live: Live) -> list[Issued]:
            cached = self._issued.get((tenant, live.name))
            if cached is None or not live.revision or cached.of != (live.place, live.revision):
                all_editions = await _editions(client, live.place)
                cached = _CachedEditions(
                    (live.place, live.revision), sorted(all_editions, key=lambda one: (one.document, one.version))
                )
                self._issued[tenant, live.name] = cached
            return list(cached.issued)

        what = f"cannot read the collection {collection!r} of the tenant {tenant!r}"
        return await self._read(what, tenant, collection, read)

    async def count(self, tenant: str, collection: str) -> int:
        async def read(client: Client, live: Live) -> int:
            chunks = client.collections.use(live.place.home).with_tenant(live.place.generation)
            return (await chunks.aggregate.over_all(total_count=True)).total_count or 0

        require_names(tenant, collection)
        try:
            what = f"cannot read the collection {collection!r} of the tenant {tenant!r}"
            return await self._read(what, tenant, collection, read)
        except UnknownCollection:
            return 0

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        require_names(tenant, alias, collection)

        async def switch(client: Client) -> None:
            ends_alias = alias == collection
            find = weaviate_pointers.find_itself if ends_alias else weaviate_pointers.find
            target = await find(client, tenant, collection)
            if target is None:
                raise unknown_collection(tenant, collection)
            await weaviate_pointers.point_alias(client, tenant, alias, None if ends_alias else target.name)

        what = f"cannot make {alias!r} an alias of the collection {collection!r} of the tenant {tenant!r}"
        try:
            await self._generations.prepare(what)
            await self._server.ask(what, switch)
        except Vanished:
            raise unknown_collection(tenant, collection) from None

    async def _searched(self, client: Client, home: str) -> list[str]:
        """Return the properties that are searched by words: only the text in a class that an older version made."""
        if home not in self._with_words:
            try:
                config = await client.collections.use(home).config.get()
            except UnexpectedStatusCodeError:  # the search itself says what is wrong with the class
                return ["text"]
            if WORDS not in {one.name for one in config.properties}:
                return ["text"]
            self._with_words.add(home)
        return ["text", WORDS]

    async def _read(
        self, what: str, tenant: str, collection: str, read: Callable[[Client, Live], Awaitable[Reply]]
    ) -> Reply:
        """Read the live generation; read again where it vanished meanwhile, since there is a newer one then."""
        require_names(tenant, collection)

        async def work(client: Client) -> Reply:
            live = await weaviate_pointers.find(client, tenant, collection)
            if live is None:
                raise unknown_collection(tenant, collection)
            return await read(client, live)

        for _ in range(MAX_READS):
            with suppress(Vanished):
                return await self._server.ask(what, work)
        raise StorageFailed(f"{what}: {self._server.name} does not have what it says is live; build the index anew")

    async def _change(
        self, what: str, tenant: str, collection: str, change: Callable[[Live], Awaitable[Reply]]
    ) -> Reply:
        """Change the live generation, and mark what readers cached of it as out of date. Raises `UnknownCollection`."""
        require_names(tenant, collection)
        for _ in range(MAX_READS):
            live = await self._server.ask(what, lambda client: weaviate_pointers.find(client, tenant, collection))
            if live is None:
                raise unknown_collection(tenant, collection)
            with suppress(Vanished):
                await self._mark(what, tenant, live, weaviate_pointers.begin_change)
                result = await change(live)
                await self._mark(what, tenant, live, weaviate_pointers.end_change)
                return result
        raise StorageFailed(f"{what}: it is replaced again and again meanwhile; do it again")

    async def _mark(
        self, what: str, tenant: str, live: Live, mark: Callable[[Client, str, str], Awaitable[None]]
    ) -> None:
        await self._server.ask(what, lambda client: mark(client, tenant, live.name))


async def _delete(client: Client, live: Live, document: str, version: int | None) -> int:
    chunks = client.collections.use(live.place.home).with_tenant(live.place.generation)
    result = await chunks.data.delete_many(where=of_document(document, version), verbose=True)
    for one in result.objects or ():
        if not one.successful:
            raise RuntimeError(one.error)
    return result.successful


async def _editions(client: Client, place: Place) -> list[Issued]:
    """Return the editions of a generation, by GraphQL: the client's own query returns at most a hundred groups."""
    groups = f'(tenant: "{place.generation}", groupBy: ["edition"], limit: {MAX_EDITIONS})'
    reply = await client.graphql_raw_query(f"{{Aggregate {{{place.home}{groups} {{groupedBy {{value}}}}}}}}")
    if reply.errors:
        raise RuntimeError(str(reply.errors))
    return [issued(group["groupedBy"]["value"]) for group in reply.aggregate[place.home]]


def _hit(properties: Mapping[str, Any], own: Mapping[str, Any], score: float | None, vector: Sequence[float]) -> Hit:
    chunk = to_chunk(properties, own[VECTOR])
    return Hit(chunk=chunk, score=score or 0.0, similarity=cosine(chunk.vector, vector))
