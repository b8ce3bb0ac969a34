"""What indexing a folder promises."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activities.ports import Embedder, UnreadableDocument, VectorStore
from deploy.local.commands.index import Indexed, ensure, index
from deploy.processes.errors import DeployError


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress bar."""


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    write(folder, "one.md", "# One\n\nThe mileage rate is 0.42 euros per kilometre for every private car on the road.")
    write(
        folder, "two.html", "<title>Two</title><p>Lunch is served from noon in the canteen on the ground floor today."
    )
    write(folder, ".notes", "not a document")
    return folder


async def test_a_folder_becomes_a_collection(folder: Path, embedder: Embedder, store: VectorStore) -> None:
    report = await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    assert report == Indexed(documents=2, chunks=2)
    [vector] = await embedder.embed(["food at noon"])
    [best, _] = await store.search("acme", "handbook", "food at noon", vector, 2)
    assert best.chunk.text.startswith("Two\nLunch is served")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (("three.pdf", "no PDF"), "'three.pdf'"),
        (("three.xlsx", "sheet"), "not known"),
        (("three.md", "---\nid: one\n---\nAnother."), "'one.md' is version 1 of 'one' too"),
    ],
)
async def test_nothing_changes_unless_every_document_can_be_read(
    folder: Path, embedder: Embedder, store: VectorStore, broken: tuple[str, str], reason: str
) -> None:
    await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    write(folder, "one.md", "changed")
    write(folder, *broken)
    with pytest.raises(UnreadableDocument, match=reason):
        await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    hits = await store.search("acme", "handbook", "changed", (await embedder.embed(["changed"]))[0], 5)
    assert len(hits) == 2
    assert not any("changed" in hit.chunk.text for hit in hits)


async def test_an_unchanged_folder_is_not_indexed_again(
    folder: Path, embedder: Embedder, store: VectorStore, tmp_path: Path
) -> None:
    loaded: list[str] = []

    def load(name: str) -> Callable[[], Embedder]:
        def now() -> Embedder:
            loaded.append(name)
            return embedder

        return now

    async def run(name: str, embedding: str = "weights") -> Indexed:
        return await ensure(
            folder,
            tenant="acme",
            collection="handbook",
            embedder=load(name),
            embedding=embedding,
            store=store,
            progress=quiet,
            record=tmp_path / "record.json",
        )

    assert await run("first") == Indexed(2, 2)
    assert await run("again") == Indexed(2, 2, unchanged=True)
    write(folder, "broken.pdf", "no PDF")
    with pytest.raises(UnreadableDocument):
        await run("broken")
    (folder / "broken.pdf").unlink()
    assert await run("mended") == Indexed(2, 2, unchanged=True)
    write(folder, "one.md", "The mileage rate is another one.")
    assert not (await run("changed")).unchanged
    assert not (await run("other weights", "others")).unchanged
    await store.replace("acme", "handbook", [])
    assert not (await run("emptied", "others")).unchanged
    assert loaded == ["first", "broken", "changed", "other weights", "emptied"]


@pytest.mark.parametrize("exists", [False, True])
async def test_a_folder_without_documents_is_a_clear_error(
    *, exists: bool, embedder: Embedder, store: VectorStore, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing"
    if exists:
        nothing.mkdir()
    with pytest.raises(DeployError, match="name a folder of documents"):
        await index(nothing, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
