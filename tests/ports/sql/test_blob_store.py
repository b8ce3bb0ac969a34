"""What every blob store promises."""

import asyncio
import hashlib

import pytest
from sqlalchemy import text

from activities.adapters.databases.database import Database
from activities.adapters.sql.blobs import SqlBlobs
from activities.ports import BlobStore, BodyCorrupt, BodyMissing


@pytest.mark.parametrize("body", [b"", b"hello", bytes(range(256)) * 5000])
async def test_a_body_comes_back_by_its_digest(blobs: BlobStore, body: bytes) -> None:
    digest = await blobs.put("acme", body)
    assert digest == hashlib.sha256(body).hexdigest()
    assert await blobs.get("acme", digest) == body


async def test_storing_a_body_again_changes_nothing(blobs: BlobStore) -> None:
    digests = await asyncio.gather(*(blobs.put("acme", b"same") for _ in range(10)))
    assert len(set(digests)) == 1
    assert await blobs.get("acme", digests[0]) == b"same"


async def test_no_tenant_reads_anothers_body(blobs: BlobStore) -> None:
    digest = await blobs.put("acme", b"secret")
    with pytest.raises(BodyMissing, match="'globex' has no text"):
        await blobs.get("globex", digest)
    assert await blobs.put("globex", b"secret") == digest
    assert await blobs.get("globex", digest) == b"secret"


async def test_several_bodies_are_stored_at_once_and_come_back_in_the_order_asked_for(blobs: BlobStore) -> None:
    first, second, again = await blobs.put_all("acme", [b"b", b"a", b"b"])
    assert first == again
    assert await blobs.get_all("acme", [second, first, second]) == [b"a", b"b", b"a"]
    with pytest.raises(BodyMissing):
        await blobs.get_all("acme", [first, "0" * 64])


async def test_many_store_the_same_bodies_in_any_order_at_once(blobs: BlobStore) -> None:
    bodies = [bytes([number]) * 100 for number in range(8)]
    await asyncio.gather(*(blobs.put_all("acme", bodies[turn:] + bodies[:turn]) for turn in range(8)))
    assert await blobs.get_all("acme", [hashlib.sha256(body).hexdigest() for body in bodies]) == bodies


async def test_a_body_that_was_changed_in_the_database_is_not_returned_and_can_be_mended(
    blobs: BlobStore, database: Database
) -> None:
    digest = await blobs.put("acme", b"genuine")
    forged = text("UPDATE bodies SET body = :forged")
    await database.write(lambda connection: connection.execute(forged, {"forged": b"forged"}))
    with pytest.raises(BodyCorrupt, match="was changed"):
        await blobs.get("acme", digest)
    await blobs.put("acme", b"genuine")
    assert await blobs.get("acme", digest) == b"genuine"


async def test_what_was_stored_is_there_after_a_restart(database: Database, reopened: Database) -> None:
    digest = await SqlBlobs(database).put("acme", b"kept")
    await database.dispose()
    assert await SqlBlobs(reopened).get("acme", digest) == b"kept"
