"""Probe whether a tenant of a vector store can see, count or delete another tenant's chunks."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from activities.ports import Chunk, Filter, UnknownCollection, VectorStore
from tests.ports.stores.chunks import chunk

TENANTS = ("a", "a-b", "a--b", "acme", "acme-1", "default", "x" * 46, "x" * 47, "x" * 62 + "y", "x" * 63, "0--0")
COLLECTIONS = ("handbook", "hand-book", "a-b", "a", "ready", "b" * 62 + "c", "b" * 63)
STRANGERS = ("", "A", "a_b", "../a", "a/handbook", "a\x00", "a--", "x" * 64, "%", "*", "a' OR '1'='1", "-", "nobody")
"""Names of no tenant or collection, most of which are not even valid."""
DOCUMENTS = ("handbook", "Handbook", "handbook ", "it's", '"quoted"', "*", "a/b\\c", "", "日本語")
QUERIES = ("alpha", "", "owner", "*", 'a" OR (b', "日本語", "tenant:a")

Place = tuple[str, str]


@dataclass
class World:
    """A store, the chunks of each tenant, and the leaks found so far."""

    store: VectorStore
    rng: random.Random
    stored: dict[Place, list[Chunk]] = field(default_factory=dict[Place, list[Chunk]])
    leaks: list[str] = field(default_factory=list[str])

    def note(self, answer: object, expected: object, what: str) -> None:
        if answer != expected:
            self.leaks.append(f"{what}: {answer!r} instead of {expected!r}")


async def probe(store: VectorStore, seed: int, count: int, advance: Callable[[], None] = lambda: None) -> list[str]:
    """Fill the store for many tenants, probe across them so many times, and return the leaks."""
    world = World(store, random.Random(seed))  # noqa: S311 - probes, no secrets
    places = [(tenant, collection) for tenant in TENANTS for collection in COLLECTIONS]
    for place in world.rng.sample(places, 2 * len(places) // 5):
        world.stored[place] = _chunks(world, place)
        await store.replace(*place, world.stored[place])
    for _ in range(count):
        probe_one = world.rng.choice((_search, _search, _filter, _count, _editions, _delete))
        place = _place(world, places)
        try:
            await probe_one(world, place)
        except UnknownCollection:
            world.note(place in world.stored, expected=False, what=f"{place} is unknown")
        advance()
    for place, chunks in world.stored.items():
        world.note(await store.count(*place), len(chunks), f"{place} at the end")
    return world.leaks


def _chunks(world: World, place: Place) -> list[Chunk]:
    documents = world.rng.sample(DOCUMENTS, 3)
    return [
        chunk(number, f"H\nalpha owner {place!r}", _vector(world), document=document, version=version)
        for number, document in enumerate(documents)
        for version in (1, 2)
    ]


def _place(world: World, places: Sequence[Place]) -> Place:
    tenant, collection = world.rng.choice(places)
    if world.rng.random() < 0.15:
        stranger = world.rng.choice(STRANGERS)
        return (stranger, collection) if world.rng.random() < 0.5 else (tenant, stranger)
    return tenant, collection


def _vector(world: World) -> list[float]:
    return [world.rng.uniform(-1, 1) for _ in range(384)]


async def _search(world: World, place: Place, only: Filter | None = None) -> None:
    other = world.rng.choice(list(world.stored))
    query = world.rng.choice((*QUERIES, f"owner {other!r}"))
    hits = await world.store.search(*place, query, _vector(world), 50, only=only)
    expected = [
        one
        for one in world.stored.get(place, [])
        if only is None
        or (
            (only.documents is None or one.document in only.documents)
            and (only.versions is None or one.version in only.versions)
        )
    ]
    answer = sorted((hit.chunk.document, hit.chunk.version, hit.chunk.text) for hit in hits)
    world.note(answer, sorted((one.document, one.version, one.text) for one in expected), f"search of {place}")


async def _filter(world: World, place: Place) -> None:
    documents = tuple(world.rng.sample(DOCUMENTS, 2)) if world.rng.random() < 0.8 else None
    await _search(world, place, Filter(documents=documents, versions=world.rng.choice((None, (1,), (1, 2), (3,)))))


async def _count(world: World, place: Place) -> None:
    world.note(await world.store.count(*place), len(world.stored.get(place, [])), f"count of {place}")


async def _editions(world: World, place: Place) -> None:
    answer = [(one.document, one.version) for one in await world.store.editions(*place)]
    expected = sorted({(one.document, one.version) for one in world.stored.get(place, [])})
    world.note(answer, expected, f"editions of {place}")


async def _delete(world: World, place: Place) -> None:
    document, version = world.rng.choice(DOCUMENTS), world.rng.choice((None, 1, 2, 3))
    gone = await world.store.delete_document(*place, document, version)
    before = world.stored.get(place, [])
    lost = [one for one in before if one.document == document and version in (None, one.version)]
    world.note(gone, len(lost), f"deletion from {place}")
    if lost:
        await world.store.insert(*place, lost)
