"""The cache of bodies in a process is bounded, separate for each tenant, and never replaces storing them."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from activities.adapters.databases.sqlite_database import open_sqlite
from activities.adapters.sql.blobs import SqlBlobs
from activities.bodies.cached_blobs import CachedBlobs
from activities.ports import BlobStore, BodyMissing
from perdure.contracts.text import Text


@pytest_asyncio.fixture(loop_scope="session")
async def blobs(tmp_path: Path) -> AsyncIterator[BlobStore]:
    database = open_sqlite(tmp_path / "perdure.db")
    yield SqlBlobs(database)
    await database.dispose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "perdure.db"


def empty(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM bodies")
    connection.close()


async def test_what_was_stored_or_read_here_is_not_asked_for_again(blobs: BlobStore, file: Path) -> None:
    other = await blobs.put("acme", b"of another process")
    remembered = CachedBlobs(blobs)
    own = await remembered.put("acme", b"own")
    assert await remembered.get("acme", other) == b"of another process"
    empty(file)
    assert await remembered.get_all("acme", [own, other, own]) == [b"own", b"of another process", b"own"]


async def test_what_is_remembered_is_stored_all_the_same_also_where_it_was_lost(blobs: BlobStore, file: Path) -> None:
    remembered = CachedBlobs(blobs)
    digest = await remembered.put("acme", b"kept")
    empty(file)
    assert await remembered.put("acme", b"kept") == digest
    assert await blobs.get("acme", digest) == b"kept"


async def test_no_tenant_is_given_what_another_has_stored(blobs: BlobStore) -> None:
    remembered = CachedBlobs(blobs)
    digest = await remembered.put("acme", b"secret")
    with pytest.raises(BodyMissing):
        await remembered.get("globex", digest)


async def test_the_oldest_are_forgotten_where_there_is_no_more_room(blobs: BlobStore, file: Path) -> None:
    remembered = CachedBlobs(blobs, most_bytes=10)
    first, second, third = [await remembered.put("acme", body) for body in (b"aaaa", b"bbbb", b"cccc")]
    large = await remembered.put("acme", b"d" * 11)
    empty(file)
    assert await remembered.get_all("acme", [second, third]) == [b"bbbb", b"cccc"]
    for digest in (first, large):
        with pytest.raises(BodyMissing):
            await remembered.get("acme", digest)


async def test_a_body_is_asked_for_again_after_its_time(blobs: BlobStore, file: Path) -> None:
    remembered = CachedBlobs(blobs, after=timedelta(0))
    digest = await remembered.put("acme", b"brief")
    assert await remembered.get("acme", digest) == b"brief"
    empty(file)
    with pytest.raises(BodyMissing):
        await remembered.get("acme", digest)


async def test_a_text_that_was_stored_another_way_is_held_by_its_digest(blobs: BlobStore) -> None:
    remembered, body = CachedBlobs(blobs), Text.of("Said.")
    remembered.hold("acme", body, Text.of("Elsewhere.").reference())
    assert await remembered.get("acme", body.digest) == b"Said."
