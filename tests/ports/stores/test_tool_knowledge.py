"""Tools search only what applies today and read whole documents, from every store."""

import shutil
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio

from activities.adapters.documents.parse import parse
from activities.adapters.stores import chunks
from activities.adapters.stores.tool_knowledge import ToolKnowledge, joined_text
from activities.ports import Chunk, Embedder, StorageFailed, VectorStore
from deploy.local.commands.index import index
from tests.conftest import DOCUMENTS, KNOWN
from tools.errors import NotFound, Unreachable

TODAY = date(2026, 7, 1)
KEY = ("parental-leave", 1)


def unheard(_: str, __: int, ___: int) -> None:
    pass


@pytest_asyncio.fixture(loop_scope="session")
async def knowledge(store: VectorStore, embedder: Embedder, tmp_path: Path) -> ToolKnowledge:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in KNOWN:
        shutil.copy(DOCUMENTS / name, folder)
    await index(folder, tenant="acme", collection="handbook", embedder=embedder, store=store, progress=unheard)
    return ToolKnowledge("acme", "handbook", store, lambda: embedder, lambda: TODAY)


async def test_a_search_finds_only_what_applies_today(knowledge: ToolKnowledge) -> None:
    hits = await knowledge.search("How many weeks of parental leave are paid?", 8)
    assert 1 < len(hits) <= 8
    assert hits[0].document == "parental-leave"
    assert {one.version for one in hits if one.document == "parental-leave"} == {2}


@pytest.mark.usefixtures("knowledge")
async def test_a_search_before_an_edition_applied_finds_the_older_one(store: VectorStore, embedder: Embedder) -> None:
    [older] = [one for one in await store.editions("acme", "handbook") if (one.document, one.version) == KEY]
    assert older.effective is not None
    day = older.effective
    earlier = ToolKnowledge("acme", "handbook", store, lambda: embedder, lambda: day)
    hits = await earlier.search("How many weeks of parental leave are paid?", 3)
    assert {one.version for one in hits if one.document == "parental-leave"} == {1}


async def test_a_document_is_read_whole_in_the_edition_that_applies(knowledge: ToolKnowledge) -> None:
    document = await knowledge.read("parental-leave")
    assert (document.document, document.version, document.superseded_by) == ("parental-leave", 2, None)
    assert_whole(document.text, DOCUMENTS / "parental-leave-v2.md")


async def test_an_older_edition_says_what_replaced_it(knowledge: ToolKnowledge) -> None:
    document = await knowledge.read("parental-leave", 1)
    assert (document.version, document.superseded_by) == (1, ("parental-leave", 2))
    assert_whole(document.text, DOCUMENTS / "parental-leave-v1.md")


@pytest.mark.parametrize(
    ("document", "version", "reason"),
    [
        ("parental_leave", None, r"no document 'parental_leave': did you mean .*parental-leave"),
        ("zzz", None, "no document 'zzz': search for it first"),
        ("parental-leave", 9, "'parental-leave' has no version 9: it has 1, 2"),
    ],
)
async def test_what_does_not_exist_is_named_with_what_is_like_it(
    knowledge: ToolKnowledge, document: str, version: int | None, reason: str
) -> None:
    with pytest.raises(NotFound, match=reason):
        await knowledge.read(document, version)


async def test_no_tenant_reads_anothers_documents(
    knowledge: ToolKnowledge, store: VectorStore, embedder: Embedder
) -> None:
    assert await knowledge.search("leave", 1)
    other = ToolKnowledge("globex", "handbook", store, lambda: embedder, lambda: TODAY)
    for call in (other.search("leave", 1), other.read("parental-leave")):
        with pytest.raises(NotFound, match="globex"):
            await call


async def test_a_store_that_fails_is_one_line_of_the_tools_own() -> None:
    def broken() -> Embedder:
        raise StorageFailed("the disk is away: bring it back")

    with pytest.raises(Unreachable, match="the disk is away: bring it back"):
        await ToolKnowledge("acme", "handbook", None, broken).search("x", 1)  # pyright: ignore[reportArgumentType] - unused


@pytest.mark.parametrize("path", sorted(DOCUMENTS.iterdir()), ids=lambda path: path.name)
def test_nothing_of_a_document_is_lost_when_its_chunks_are_put_together(path: Path) -> None:
    document = parse(path)
    all_chunks = [
        Chunk(document.id, document.version, document.title, None, None, piece.number, piece.text, ())
        for piece in chunks.cut(document)
    ]
    assert_whole(joined_text(document.title, all_chunks), path)


def assert_whole(text: str, path: Path) -> None:
    """Assert that all lines of the document are there in order, with nothing added but headings."""
    document = parse(path)
    joined = " ".join(text.split())
    place = 0
    for section in document.sections:
        for line in section.lines:
            place = joined.find(line, place)
            assert place >= 0, line
            place += len(line)
    headings = {heading for section in document.sections for heading in section.headings}
    assert sum(len(line) for section in document.sections for line in section.lines) + sum(
        2 * len(heading) + 8 for heading in headings
    ) * len(document.sections) >= len(joined)
    assert all(heading in joined for heading in headings)
