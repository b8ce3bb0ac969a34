"""What indexing a folder promises."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activities.adapters.stores import store_rules
from activities.ports import Embedder, UnreadableDocument, VectorStore
from activities.settings import Settings
from activities.settings.foreign_work import ForeignWork
from deploy.local.commands.folders import reported
from deploy.local.commands.index import Indexed, ensure, index
from deploy.processes.errors import DeployError

SHORT = ForeignWork(document_seconds=1)
"""A second of processor time for a document."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress bar."""


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True, parents=True)
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


async def test_a_file_that_is_never_read_to_its_end_is_left_out_with_the_limit(
    folder: Path, embedder: Embedder, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.commands.folders.load", lambda: Settings(foreign_work=SHORT))
    (folder / "bomb.md").write_text("<" * 1_000_000)
    report = await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    assert report.documents == 2
    [left_out] = [file for file in report.files if file.reason]
    assert left_out.file == "bomb.md"
    assert "PERDURE_FOREIGN_WORK__DOCUMENT_SECONDS" in left_out.reason


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (("three.pdf", "no PDF"), "'three.pdf'"),
        (("three.png", "image"), "not known"),
        (("three.md", "---\nid: one\n---\nAnother."), "'one.md' is version 1 of 'one' too"),
    ],
)
async def test_strictly_nothing_changes_unless_every_document_can_be_read(
    folder: Path, embedder: Embedder, store: VectorStore, broken: tuple[str, str], reason: str
) -> None:
    await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    write(folder, "one.md", "changed")
    write(folder, *broken)
    with pytest.raises(UnreadableDocument, match=reason):
        await index(
            folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet, strict=True
        )
    hits = await store.search("acme", "handbook", "changed", (await embedder.embed(["changed"]))[0], 5)
    assert len(hits) == 2
    assert not any("changed" in hit.chunk.text for hit in hits)


ODD = {
    "broken.pdf": "no PDF",
    "logo.png": "\x89PNG",
    "other.md": "---\nid: one\n---\nAnother one.",
    "empty.txt": " ",
    "title.md": "# Only a heading",
    "bomb.docx": "PK",
}
"""Files that cannot be indexed, each for another reason."""


async def test_no_odd_file_stops_the_others_and_each_is_reported_with_its_reason(
    folder: Path, embedder: Embedder, store: VectorStore
) -> None:
    for name, text in ODD.items():
        write(folder, name, text)
    write(folder, "expenses.csv", "Item,Amount\nRope,5 euros\n")
    write(folder / "more", "one.md", "# One\n\nThis is another text under the same name in another folder of the tree.")
    report = await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    assert report.documents == 4
    assert {file.file for file in report.files if file.reason} == set(ODD)
    assert all("; " in file.reason for file in report.files if file.reason)
    assert {file.document for file in report.files if not file.reason} == {"one", "two", "expenses", "more/one.md"}
    assert {issued.document for issued in await store.editions("acme", "handbook")} == {
        file.document for file in report.files if file.document
    }
    lines = reported(report.files)
    assert lines[-1].startswith("4 of 10 files are indexed, 6 left out")
    assert sum(line.startswith("left out ") for line in lines) == len(ODD)


async def test_a_folder_of_which_nothing_can_be_read_changes_nothing(
    folder: Path, embedder: Embedder, store: VectorStore, tmp_path: Path
) -> None:
    await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    write(tmp_path / "odd", "logo.png", "x")
    with pytest.raises(UnreadableDocument, match=r"none of the 1 files can be indexed: logo\.png: "):
        await index(
            tmp_path / "odd", tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet
        )
    assert await store.count("acme", "handbook") == 2


async def test_words_are_found_in_any_form_and_quoted_as_they_stand(
    folder: Path, embedder: Embedder, store: VectorStore
) -> None:
    written = "The o\ufb03ce \ufb01le costs \uff11\uff12 euros and covers 10\u00b2 m\u00b2 of the old building."
    write(folder, "three.md", written)
    write(
        folder,
        "four.md",
        "员工出差的住宿标准为每晚二百元。",
    )
    await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
    away = [-value for value in (await embedder.embed([written]))[0]]
    for query, name in (
        ("office file", "three"),
        ("\uff4f\uff46\uff46ice 12", "three"),
        ("住宿", "four"),
    ):
        hits = await store.search("acme", "handbook", query, away, 4)
        # By meaning it is the farthest, so its words have found it.
        assert name in {hit.chunk.document for hit in hits[:2]}, query
    [hit] = [hit for hit in await store.search("acme", "handbook", "office", away, 4) if hit.chunk.document == "three"]
    assert written in hit.chunk.text
    assert "102" not in store_rules.words(written)


async def test_a_chinese_document_is_cut_as_an_english_one(
    embedder: Embedder, store: VectorStore, tmp_path: Path
) -> None:
    section = "## {0}\n\n" + "员工出差的住宿标准为每晚{0}元。" * 4 + "\n\n"
    write(tmp_path / "chinese", "travel.md", "# Travel\n\n" + "".join(section.format(n) for n in range(1, 31)))
    report = await index(
        tmp_path / "chinese", tenant="acme", collection="chinese", embedder=embedder, store=store, progress=quiet
    )
    assert report.chunks == 30


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
    assert await run("broken") == Indexed(2, 2)
    kept = await run("kept")
    assert kept.unchanged
    assert [file.file for file in kept.files if file.reason] == ["broken.pdf"], "the record keeps the reports"
    (folder / "broken.pdf").unlink()
    assert await run("mended") == Indexed(2, 2)
    write(folder, "one.md", "The mileage rate is another one.")
    assert not (await run("changed")).unchanged
    assert not (await run("other weights", "others")).unchanged
    await store.replace("acme", "handbook", [])
    assert not (await run("emptied", "others")).unchanged
    assert loaded == ["first", "broken", "mended", "changed", "other weights", "emptied"]


@pytest.mark.parametrize("exists", [False, True])
async def test_a_folder_without_documents_is_a_clear_error(
    *, exists: bool, embedder: Embedder, store: VectorStore, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing"
    if exists:
        nothing.mkdir()
    with pytest.raises(DeployError, match="name a folder of documents"):
        await index(nothing, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=quiet)
