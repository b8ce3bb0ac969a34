"""What every vector store promises about changes to a live collection, about filters and about aliases."""

from datetime import date

import pytest

from activities.ports import Filter, UnknownCollection, VectorStore, WrongDimension
from tests.ports.stores.chunks import AXIS, chunk

HANDBOOK = [
    chunk(0, "H\nalpha one", AXIS, document="leave", version=1, effective=date(2024, 1, 1)),
    chunk(1, "H\nalpha two", AXIS, document="leave", version=1, effective=date(2024, 1, 1)),
    chunk(0, "H\nalpha three", AXIS, document="leave", version=2, effective=date(2026, 7, 1)),
    chunk(0, "H\nalpha four", AXIS, document="travel", version=1, effective=None),
    chunk(0, "H\nalpha five", AXIS, document='o\'hare \\ "x" --', version=3, effective=date(2026, 7, 2)),
]


async def hit_names(store: VectorStore, collection: str = "handbook", only: Filter | None = None) -> set[str]:
    hits = await store.search("acme", collection, "alpha", AXIS, 10, only=only)
    return {hit.chunk.text.removeprefix("H\nalpha ") for hit in hits}


async def test_an_inserted_chunk_is_found_beside_the_others(store: VectorStore, second_store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK[:2])
    assert await hit_names(second_store) == {"one", "two"}
    assert len(await second_store.editions("acme", "handbook")) == 1
    await store.insert("acme", "handbook", HANDBOOK[2:])
    assert await hit_names(second_store) == {"one", "two", "three", "four", "five"}
    assert await second_store.count("acme", "handbook") == 5
    editions = [(one.document, one.version) for one in await second_store.editions("acme", "handbook")]
    assert editions == [("leave", 1), ("leave", 2), ('o\'hare \\ "x" --', 3), ("travel", 1)]


async def test_inserting_again_changes_nothing(store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK[:3])
    for _ in range(2):
        await store.insert("acme", "handbook", HANDBOOK[1:])
    assert await store.count("acme", "handbook") == 5
    assert await hit_names(store) == {"one", "two", "three", "four", "five"}


async def test_a_chunk_that_is_the_same_takes_the_others_place(store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK[:2])
    await store.insert("acme", "handbook", [chunk(1, "H\nalpha anew", AXIS, document="leave")])
    assert await hit_names(store) == {"one", "anew"}


async def test_of_equal_chunks_in_one_call_the_last_is_kept(store: VectorStore) -> None:
    await store.replace("acme", "handbook", [chunk(0, "H\nalpha old", AXIS), chunk(0, "H\nalpha new", AXIS)])
    assert await hit_names(store) == {"new"}


async def test_a_chunk_of_another_model_is_not_inserted(store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK[:2])
    with pytest.raises(WrongDimension, match="cannot add to the collection 'handbook'"):
        await store.insert("acme", "handbook", [HANDBOOK[2], chunk(7, "short", [1.0, 0.0])])
    assert await hit_names(store) == {"one", "two"}


async def test_a_deleted_document_is_not_found_again(store: VectorStore, second_store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK)
    assert await hit_names(second_store) == {"one", "two", "three", "four", "five"}
    assert len(await second_store.editions("acme", "handbook")) == 4
    assert await store.delete_document("acme", "handbook", "leave") == 3
    assert await hit_names(second_store) == {"four", "five"}
    assert await second_store.count("acme", "handbook") == 2
    assert [one.document for one in await second_store.editions("acme", "handbook")] == [
        'o\'hare \\ "x" --',
        "travel",
    ]


async def test_one_version_of_a_document_can_be_deleted(store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK)
    assert await store.delete_document("acme", "handbook", "leave", 1) == 2
    assert await hit_names(store) == {"three", "four", "five"}


@pytest.mark.parametrize("document", ["Leave", "leav", "leave ", "*", "leave' OR '1'='1", ""])
async def test_only_the_very_document_is_deleted(store: VectorStore, document: str) -> None:
    await store.replace("acme", "handbook", HANDBOOK)
    assert await store.delete_document("acme", "handbook", document) == 0
    assert await store.count("acme", "handbook") == 5


async def test_nothing_changes_in_a_collection_that_is_not_there(store: VectorStore) -> None:
    await store.replace("globex", "handbook", HANDBOOK)
    for call in (
        store.insert("acme", "handbook", HANDBOOK),
        store.delete_document("acme", "handbook", "leave"),
        store.alias("acme", "live", "handbook"),
    ):
        with pytest.raises(UnknownCollection, match="'acme' has no collection 'handbook'"):
            await call
    assert await store.count("acme", "handbook") == 0
    assert await store.count("globex", "handbook") == 5


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (Filter(), {"one", "two", "three", "four", "five"}),
        (Filter(documents=("leave",)), {"one", "two", "three"}),
        (Filter(documents=('o\'hare \\ "x" --',)), {"five"}),
        (Filter(documents=("leave", "travel"), versions=(1,)), {"one", "two", "four"}),
        (Filter(versions=(2, 3)), {"three", "five"}),
        (Filter(effective_by=date(2026, 7, 1)), {"one", "two", "three", "four"}),
        (Filter(effective_by=date(2023, 12, 31)), {"four"}),
        (Filter(documents=("leave",), effective_by=date(2026, 6, 30)), {"one", "two"}),
        (Filter(documents=()), set[str]()),
        (Filter(versions=()), set[str]()),
        (Filter(documents=("x') OR ('1'='1",)), set[str]()),
    ],
    ids=lambda value: repr(value) if isinstance(value, Filter) else ",".join(sorted(value)),
)
async def test_a_search_finds_only_what_its_filter_admits(store: VectorStore, only: Filter, expected: set[str]) -> None:
    await store.replace("acme", "handbook", HANDBOOK)
    assert await hit_names(store, only=only) == expected


async def test_a_filter_admits_before_the_limit_is_counted(store: VectorStore) -> None:
    many = [chunk(number, f"H\nalpha {number}", AXIS, document="loud") for number in range(60)]
    await store.replace("acme", "handbook", [*many, chunk(0, "H\nbeta quiet", [0.0, 1.0] + [0.0] * 382, document="q")])
    hits = await store.search("acme", "handbook", "alpha", AXIS, 1, only=Filter(documents=("q",)))
    assert [hit.chunk.document for hit in hits] == ["q"]


async def test_an_alias_is_switched_to_a_new_index_and_back(store: VectorStore, second_store: VectorStore) -> None:
    await store.replace("acme", "handbook-1", HANDBOOK[:1])
    await store.replace("acme", "handbook-2", HANDBOOK[1:2])
    await store.alias("acme", "live", "handbook-1")
    assert await hit_names(second_store, "live") == {"one"}
    await store.alias("acme", "live", "handbook-2")
    assert await hit_names(second_store, "live") == {"two"}
    assert await second_store.count("acme", "live") == 1
    await store.alias("acme", "live", "handbook-1")
    assert await hit_names(second_store, "live") == {"one"}


async def test_an_alias_follows_its_collection_through_changes(store: VectorStore) -> None:
    await store.replace("acme", "handbook-1", HANDBOOK[:1])
    await store.alias("acme", "live", "handbook-1")
    await store.replace("acme", "handbook-1", HANDBOOK[1:2])
    assert await hit_names(store, "live") == {"two"}
    await store.insert("acme", "live", HANDBOOK[2:3])
    assert await hit_names(store, "handbook-1") == {"two", "three"}
    assert await store.delete_document("acme", "live", "leave", 1) == 1
    assert [one.version for one in await store.editions("acme", "live")] == [2]
    await store.replace("acme", "live", HANDBOOK[3:4])
    assert await hit_names(store, "handbook-1") == {"four"}


async def test_an_alias_stands_before_a_collection_of_its_name_until_it_is_ended(store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK[:1])
    await store.replace("acme", "new", HANDBOOK[1:2])
    await store.alias("acme", "handbook", "new")
    assert await hit_names(store) == {"two"}
    await store.alias("acme", "handbook", "handbook")
    assert await hit_names(store) == {"one"}


async def test_an_alias_of_an_alias_is_one_of_its_collection(store: VectorStore) -> None:
    await store.replace("acme", "one", HANDBOOK[:1])
    await store.replace("acme", "two", HANDBOOK[1:2])
    await store.alias("acme", "live", "one")
    await store.alias("acme", "shown", "live")
    await store.alias("acme", "live", "two")
    assert await hit_names(store, "shown") == {"one"}


async def test_an_alias_is_its_tenants_alone(store: VectorStore) -> None:
    await store.replace("acme", "handbook", HANDBOOK[:1])
    await store.replace("globex", "handbook", HANDBOOK[1:2])
    await store.alias("acme", "live", "handbook")
    with pytest.raises(UnknownCollection, match="'globex' has no collection 'live'"):
        await store.search("globex", "live", "alpha", AXIS, 1)
    assert await store.count("globex", "live") == 0


async def test_what_was_inserted_in_part_can_be_inserted_again(store: VectorStore) -> None:
    many = [chunk(number, f"H\nalpha {number}", AXIS) for number in range(30)]
    await store.replace("acme", "handbook", many[:5])
    await store.insert("acme", "handbook", many[:20])
    await store.insert("acme", "handbook", many)
    assert await store.count("acme", "handbook") == 30
