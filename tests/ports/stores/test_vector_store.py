"""What every vector store promises."""

import asyncio
from datetime import date

import pytest

from activities.ports import Chunk, Embedder, Fusion, Issued, UnknownCollection, VectorStore, WrongDimension
from tests.ports.stores.chunks import AXIS, chunk

TEXTS = (
    "Travel > Allowances\nThe mileage rate for a private car is 0.42 euros per kilometre.",
    "Incidents > Codes\nError QX-7731 means that the wiper motor is blocked.",
    "Leave > Sickness\nAn employee who is ill tells the manager in the morning.",
    "Office > Food\nLunch is served in the canteen from noon.",
)


async def filled(store: VectorStore, embedder: Embedder, tenant: str = "acme") -> None:
    vectors = await embedder.embed(TEXTS)
    await store.replace(tenant, "handbook", [chunk(n, TEXTS[n], vector) for n, vector in enumerate(vectors)])


async def texts_of(store: VectorStore, embedder: Embedder, query: str, tenant: str = "acme") -> list[str]:
    hits = await store.search(tenant, "handbook", query, (await embedder.embed([query]))[0], 4)
    return [hit.chunk.text for hit in hits]


async def test_a_rare_word_finds_its_chunk(store: VectorStore, embedder: Embedder) -> None:
    await filled(store, embedder)
    assert (await texts_of(store, embedder, "QX-7731"))[0] == TEXTS[1]


async def test_a_paraphrase_finds_its_chunk_without_a_common_word(store: VectorStore, embedder: Embedder) -> None:
    await filled(store, embedder)
    query = "reimbursement when driving my own vehicle"
    assert not {*query.split()} & {*TEXTS[0].lower().split()}
    assert (await texts_of(store, embedder, query))[0] == TEXTS[0]


@pytest.mark.parametrize("query", ["", "the of", 'a" OR (b AND', "-*?:^~[]{}\\", "日本語", "x" * 5000])
async def test_any_text_is_a_query(store: VectorStore, embedder: Embedder, query: str) -> None:
    await filled(store, embedder)
    assert len(await texts_of(store, embedder, query)) == 4


async def test_a_hit_is_the_chunk_as_it_was_stored(store: VectorStore, embedder: Embedder) -> None:
    vector = (await embedder.embed(["alpha"]))[0]
    stored = Chunk("on-call", 2, "On-call duty", None, "on-call-rota", 3, "On-call\nAlpha.", tuple(vector))
    await store.replace("acme", "handbook", [stored])
    [hit] = await store.search("acme", "handbook", "alpha", vector, 5)
    assert hit.similarity == pytest.approx(1.0, abs=1e-5)
    assert hit.chunk.vector == pytest.approx(stored.vector, abs=1e-6)
    assert {**vars(hit.chunk), "vector": ()} == {**vars(stored), "vector": ()}


async def test_similarity_is_the_cosine_even_for_a_hit_by_words(store: VectorStore) -> None:
    axis = AXIS
    across = [0.0, 1.0] + [0.0] * 382
    await store.replace("acme", "handbook", [chunk(0, "H\nzebra", across), chunk(1, "H\nhorse", axis)])
    hits = await store.search("acme", "handbook", "zebra", axis, 2)
    assert {hit.chunk.number: round(hit.similarity, 5) for hit in hits} == {0: 0.0, 1: 1.0}


async def test_a_search_returns_at_most_its_limit_best_first(store: VectorStore, embedder: Embedder) -> None:
    await filled(store, embedder)
    vector = (await embedder.embed(["lunch"]))[0]
    hits = await store.search("acme", "handbook", "lunch", vector, 2)
    assert len(hits) == 2
    assert hits[0].score >= hits[1].score
    assert hits[0].chunk.text == TEXTS[3]


async def test_no_tenant_reads_anothers_chunks(store: VectorStore, embedder: Embedder) -> None:
    await filled(store, embedder, "acme")
    secret = (await embedder.embed(["The secret of Globex is copper."]))[0]
    await store.replace("globex", "handbook", [chunk(0, "The secret of Globex is copper.", secret)])
    assert not any("Globex" in text for text in await texts_of(store, embedder, "secret of Globex"))
    assert await texts_of(store, embedder, "secret of Globex", "globex") == ["The secret of Globex is copper."]
    with pytest.raises(UnknownCollection, match="'initech'"):
        await store.search("initech", "handbook", "secret", secret, 3)


@pytest.mark.parametrize("name", ["../acme", "acme/handbook", "", ".", "ACME", "a" * 64, "acme_1", "acme\n", "\u00e4"])
async def test_a_name_that_could_mean_another_place_is_refused(store: VectorStore, name: str) -> None:
    for tenant, collection in ((name, "handbook"), ("acme", name)):
        for call in (
            store.replace(tenant, collection, []),
            store.insert(tenant, collection, []),
            store.delete_document(tenant, collection, "handbook"),
            store.search(tenant, collection, "x", [0.1] * 384, 1),
            store.editions(tenant, collection),
            store.alias(tenant, "other", collection),
        ):
            with pytest.raises(UnknownCollection, match="lower-case"):
                await call


async def test_an_unknown_collection_is_named_with_its_remedy(store: VectorStore) -> None:
    for call in (store.search("acme", "nothing", "x", [0.0] * 384, 1), store.editions("acme", "nothing")):
        with pytest.raises(UnknownCollection, match=r"'nothing': index a folder"):
            await call
    assert await store.count("acme", "nothing") == 0


async def test_an_empty_collection_exists_and_answers_nothing(store: VectorStore) -> None:
    await store.replace("acme", "handbook", [])
    assert await store.search("acme", "handbook", "x", [0.1] * 384, 3) == []
    assert await store.editions("acme", "handbook") == []


async def test_editions_lists_each_edition_once(store: VectorStore) -> None:
    vector = AXIS
    chunks = [chunk(n, f"H\n{n}", vector, version=version) for version in (2, 1) for n in (0, 1)]
    await store.replace("acme", "handbook", chunks)
    day = date(2026, 3, 1)
    assert await store.editions("acme", "handbook") == [
        Issued("handbook", 1, "Handbook", day, None),
        Issued("handbook", 2, "Handbook", day, None),
    ]


async def test_a_replacement_is_seen_at_once_by_another_process(
    store: VectorStore, second_store: VectorStore, embedder: Embedder
) -> None:
    await filled(store, embedder)
    assert await second_store.count("acme", "handbook") == 4
    vector = (await embedder.embed(["new"]))[0]
    await store.replace("acme", "handbook", [chunk(0, "New.", vector)])
    assert await second_store.count("acme", "handbook") == 1
    assert await texts_of(second_store, embedder, "canteen") == ["New."]


async def test_a_reader_sees_one_generation_whole_while_others_are_written(
    store: VectorStore, second_store: VectorStore
) -> None:
    def generation(number: int) -> list[Chunk]:
        vector = AXIS
        return [chunk(n, f"H\nalpha {n}", vector, version=number) for n in range(20)]

    await store.replace("acme", "handbook", generation(0))
    writing = True
    versions: list[int] = []

    async def read() -> None:
        while writing:
            hits = await second_store.search("acme", "handbook", "alpha", AXIS, 20)
            assert len(hits) == 20
            assert len({hit.chunk.version for hit in hits}) == 1
            versions.append(hits[0].chunk.version)

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for number in range(1, 9):
        await store.replace("acme", "handbook", generation(number))
    writing = False
    await asyncio.gather(*readers)
    assert len(set(versions)) > 1


async def test_writers_at_once_leave_one_of_their_collections(store: VectorStore, second_store: VectorStore) -> None:
    vector = AXIS
    await asyncio.gather(
        *(
            writer.replace("acme", "handbook", [chunk(n, f"H\n{n}", vector, version=number) for n in range(number)])
            for number, writer in enumerate([store, second_store] * 3, start=1)
        )
    )
    hits = await store.search("acme", "handbook", "x", vector, 10)
    assert {hit.chunk.version for hit in hits} == {len(hits)}
    assert await second_store.count("acme", "handbook") == len(hits)


async def test_a_failed_replacement_leaves_the_collection_as_it_was(store: VectorStore, embedder: Embedder) -> None:
    await filled(store, embedder)
    with pytest.raises(WrongDimension, match=r"cannot store the collection 'handbook' .* has 2 dimensions"):
        await store.replace("acme", "handbook", [chunk(0, "too short a vector", [1.0, 0.0])])
    assert await store.count("acme", "handbook") == 4


async def test_a_query_of_another_model_is_refused(store: VectorStore, embedder: Embedder) -> None:
    await filled(store, embedder)
    with pytest.raises(WrongDimension, match="has 768 dimensions, and those of the collection have 384"):
        await store.search("acme", "handbook", "lunch", [0.1] * 768, 3)


async def test_a_store_that_answers_is_ready(store: VectorStore) -> None:
    await store.ready()


async def test_a_search_says_how_it_fuses(store: VectorStore) -> None:
    assert store.fusion in Fusion
