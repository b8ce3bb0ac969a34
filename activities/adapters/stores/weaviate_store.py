"""Keeps chunks in Weaviate: a class for each collection and dimension, a tenant for each generation of each tenant."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from weaviate.classes.query import HybridFusion, MetadataQuery

from activities.adapters.stores import weaviate_batches, weaviate_pointers
from activities.adapters.stores.store_rules import (
    DEPTH,
    DIMENSIONS,
    best_first,
    cosine,
    each_once,
    require_dimensions,
    require_names,
    unknown,
)
from activities.adapters.stores.weaviate_client import Client, Vanished, WeaviateServer
from activities.adapters.stores.weaviate_generations import ABANDONED, Generations
from activities.adapters.stores.weaviate_pointers import Live
from activities.adapters.stores.weaviate_schema import VECTOR, Place, conditions, issued, loaded, of_document, stored
from activities.ports import Chunk, Filter, Fusion, Hit, Issued, StorageFailed, UnknownCollection

VANISHED_AT_MOST: Final = 3
"""How often what a pointer named may be gone when it is asked: each time two replacements came between."""

WORDS_AND_MEANING: Final = 0.5
"""The weight of the vector's score; that of the words has the rest."""

EDITIONS: Final = 1_000_000
"""How many editions a collection holds at most."""

Reply = TypeVar("Reply")


@dataclass(frozen=True)
class _Known:
    """What was read of a generation at a revision of it."""

    of: tuple[Place, str]
    issued: Sequence[Issued]


class WeaviateStore:
    """A `VectorStore`. Each of our tenants has tenants of its own in Weaviate, whose searches share no shard.

    `replace` writes a new generation, which is a new tenant of Weaviate, and then moves a pointer in one write. So a
    reader sees one generation whole, and other tenants of the class go on. The one before the live one stays for the
    searches that are in it; what two replacements at once or a killed one left goes with a later one. Searches are
    approximate (HNSW).
    """

    fusion: Fusion = Fusion.RELATIVE_SCORE

    def __init__(
        self, server: WeaviateServer, *, dimensions: int = DIMENSIONS, abandoned: timedelta = ABANDONED
    ) -> None:
        """Nothing is asked or created before it is needed."""
        self._server = server
        self._dimensions = dimensions
        self._generations = Generations(server, dimensions, abandoned)
        self._issued: dict[tuple[str, str], _Known] = {}
        """The editions of the live generations, by tenant and collection."""

    async def ready(self) -> None:
        what = "the store is not ready"
        await self._generations.prepare(what)
        await self._server.ask(what, weaviate_pointers.try_writing)

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        """Make these the collection's chunks, all at once. Of writers at the same time the last to be done decides."""
        require_names(tenant, collection)
        what = f"cannot store the collection {collection!r} of the tenant {tenant!r}"
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        objects = [stored(chunk) for chunk in each_once(chunks)]
        live = await self._server.ask(what, lambda client: weaviate_pointers.find(client, tenant, collection))
        await self._generations.replace(what, tenant, collection if live is None else live.name, objects)

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        what = f"cannot add to the collection {collection!r} of the tenant {tenant!r}"
        require_dimensions(what, self._dimensions, *(chunk.vector for chunk in chunks))
        objects = [stored(chunk) for chunk in each_once(chunks)]

        async def add(live: Live) -> None:
            require_dimensions(what, live.place.dimensions, range(self._dimensions))
            await weaviate_batches.insert(self._server, what, live.place, objects)

        await self._change(what, tenant, collection, add)

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        what = f"cannot delete {document!r} from the collection {collection!r} of the tenant {tenant!r}"

        async def delete(live: Live) -> int:
            gone = 0
            # One request deletes 10,000 at most.
            while found := await self._server.ask(what, lambda client: _delete(client, live, document, version)):
                gone += found
            return gone

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
        only = only or Filter()

        async def look(client: Client, live: Live) -> list[Hit]:
            require_dimensions(what, live.place.dimensions, vector)
            if () in (only.documents, only.versions):
                return []
            chunks = client.collections.use(live.place.home).with_tenant(live.place.generation)
            found = await chunks.query.hybrid(
                query,
                vector=list(vector),
                alpha=WORDS_AND_MEANING,
                fusion_type=HybridFusion.RELATIVE_SCORE,
                query_properties=["text"],
                filters=conditions(only),
                limit=max(limit, DEPTH),
                include_vector=True,
                return_metadata=MetadataQuery(score=True),
            )
            return [_hit(one.properties, one.vector, one.metadata.score, vector) for one in found.objects]

        return sorted(await self._read(what, tenant, collection, look), key=best_first)[:limit]

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        async def look(client: Client, live: Live) -> list[Issued]:
            known = self._issued.get((tenant, live.name))
            if known is None or not live.revision or known.of != (live.place, live.revision):
                every = await _editions(client, live.place)
                known = _Known((live.place, live.revision), sorted(every, key=lambda one: (one.document, one.version)))
                self._issued[tenant, live.name] = known
            return list(known.issued)

        what = f"cannot read the collection {collection!r} of the tenant {tenant!r}"
        return await self._read(what, tenant, collection, look)

    async def count(self, tenant: str, collection: str) -> int:
        async def look(client: Client, live: Live) -> int:
            chunks = client.collections.use(live.place.home).with_tenant(live.place.generation)
            return (await chunks.aggregate.over_all(total_count=True)).total_count or 0

        require_names(tenant, collection)
        try:
            what = f"cannot read the collection {collection!r} of the tenant {tenant!r}"
            return await self._read(what, tenant, collection, look)
        except UnknownCollection:
            return 0

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        require_names(tenant, alias, collection)

        async def switch(client: Client) -> None:
            itself = alias == collection
            find = weaviate_pointers.find_itself if itself else weaviate_pointers.find
            target = await find(client, tenant, collection)
            if target is None:
                raise unknown(tenant, collection)
            await weaviate_pointers.point_alias(client, tenant, alias, None if itself else target.name)

        what = f"cannot make {alias!r} an alias of the collection {collection!r} of the tenant {tenant!r}"
        try:
            await self._generations.prepare(what)
            await self._server.ask(what, switch)
        except Vanished:
            raise unknown(tenant, collection) from None

    async def _read(
        self, what: str, tenant: str, collection: str, look: Callable[[Client, Live], Awaitable[Reply]]
    ) -> Reply:
        """Look at the live generation; once more where it vanished meanwhile, since a newer one is there then."""
        require_names(tenant, collection)

        async def work(client: Client) -> Reply:
            live = await weaviate_pointers.find(client, tenant, collection)
            if live is None:
                raise unknown(tenant, collection)
            return await look(client, live)

        for _ in range(VANISHED_AT_MOST):
            with suppress(Vanished):
                return await self._server.ask(what, work)
        raise StorageFailed(f"{what}: {self._server.name} does not have what it says is live; build the index anew")

    async def _change(
        self, what: str, tenant: str, collection: str, change: Callable[[Live], Awaitable[Reply]]
    ) -> Reply:
        """Change the live generation; what is known of it is out of date from then on. Raises `UnknownCollection`."""
        require_names(tenant, collection)
        for _ in range(VANISHED_AT_MOST):
            live = await self._server.ask(what, lambda client: weaviate_pointers.find(client, tenant, collection))
            if live is None:
                raise unknown(tenant, collection)
            with suppress(Vanished):
                await self._mark(what, tenant, live, weaviate_pointers.begin_change)
                done = await change(live)
                await self._mark(what, tenant, live, weaviate_pointers.end_change)
                return done
        raise StorageFailed(f"{what}: it is replaced again and again meanwhile; do it again")

    async def _mark(
        self, what: str, tenant: str, live: Live, mark: Callable[[Client, str, str], Awaitable[None]]
    ) -> None:
        await self._server.ask(what, lambda client: mark(client, tenant, live.name))


async def _delete(client: Client, live: Live, document: str, version: int | None) -> int:
    chunks = client.collections.use(live.place.home).with_tenant(live.place.generation)
    done = await chunks.data.delete_many(where=of_document(document, version), verbose=True)
    for one in done.objects or ():
        if not one.successful:
            raise RuntimeError(one.error)
    return done.successful


async def _editions(client: Client, place: Place) -> list[Issued]:
    """Each edition that a generation holds. By GraphQL: otherwise the client asks for a hundred groups at most."""
    groups = f'(tenant: "{place.generation}", groupBy: ["edition"], limit: {EDITIONS})'
    found = await client.graphql_raw_query(f"{{Aggregate {{{place.home}{groups} {{groupedBy {{value}}}}}}}}")
    if found.errors:
        raise RuntimeError(str(found.errors))
    return [issued(group["groupedBy"]["value"]) for group in found.aggregate[place.home]]


def _hit(properties: Mapping[str, Any], own: Mapping[str, Any], score: float | None, vector: Sequence[float]) -> Hit:
    chunk = loaded(properties, own[VECTOR])
    return Hit(chunk=chunk, score=score or 0.0, similarity=cosine(chunk.vector, vector))
