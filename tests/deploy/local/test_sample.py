"""`make up` indexes the sample handbook once, and never in the place of documents of your own."""

import os
from pathlib import Path

import pytest

from activities.adapters.stores.open import open_store
from activities.settings import Paths, Settings
from deploy.local.commands import sample
from deploy.local.commands.index import corpus_record, index_folder
from deploy.local.commands.sample import COLLECTION, TENANT, ensure_sample, index_sample


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(paths=Paths(state=tmp_path / "state"))


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample of one document."""
    folder = tmp_path / "sample"
    folder.mkdir()
    (folder / "pond.md").write_text("# Pond\n\nThe pond is drained every four years.\n")
    monkeypatch.setattr(sample, "DOCUMENTS", folder)
    return folder


async def chunks(settings: Settings) -> int:
    async with open_store(settings) as store:
        return await store.count(TENANT, COLLECTION)


async def test_the_sample_is_indexed_at_the_first_start_and_not_again_while_it_is_unchanged(
    settings: Settings, documents: Path
) -> None:
    assert await index_sample(settings)
    assert await chunks(settings) == 1
    record = corpus_record(settings, TENANT, COLLECTION)
    os.utime(record, (1, 1))
    assert await index_sample(settings)
    assert record.stat().st_mtime == 1, "nothing was indexed"
    (documents / "garden.md").write_text("# Garden\n\nVolunteers meet on Saturdays.\n")
    assert await index_sample(settings)
    assert await chunks(settings) == 2, "a newer checkout has a newer sample"


@pytest.mark.usefixtures("documents")
async def test_documents_of_your_own_stay(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("a", "b", "c"):
        (own / f"{name}.md").write_text(f"# {name}\n\nThe {name} is ours.\n")
    await index_folder(own, settings, tenant=TENANT, collection=COLLECTION)
    assert not await index_sample(settings)
    assert await chunks(settings) == 3
    corpus_record(settings, TENANT, COLLECTION).unlink()  # a program of its own filled the collection
    assert not await index_sample(settings)
    assert await chunks(settings) == 3


@pytest.mark.usefixtures("documents")
async def test_a_sample_that_an_older_version_indexed_is_known_by_its_files(settings: Settings) -> None:
    assert await index_sample(settings)
    record = corpus_record(settings, TENANT, COLLECTION)
    record.write_text("\n".join(line for line in record.read_text().splitlines() if '"folder"' not in line))
    assert await index_sample(settings)


def test_a_sample_that_cannot_be_indexed_is_one_line_and_stops_nothing(
    settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "index").write_text("this is no folder")
    assert not ensure_sample(settings)
    err = capfd.readouterr().err
    assert "the sample handbook is not indexed" in err
    assert "Traceback" not in err
