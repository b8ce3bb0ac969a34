"""What every blob store promises."""

import asyncio
import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from activities.adapters.sql_blobs import SqlBlobs
from activities.adapters.sql_database import Database, open_database
from activities.ports import BlobStore, BodyCorrupt, BodyMissing, StorageFailed, StorageFull
from activities.settings import ROOT


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


async def test_a_body_that_was_changed_on_disk_is_not_returned_and_can_be_mended(
    blobs: BlobStore, tmp_path: Path
) -> None:
    digest = await blobs.put("acme", b"genuine")
    file = sqlite3.connect(tmp_path / "state" / "perdure.db", isolation_level=None)
    file.execute("UPDATE bodies SET body = ?", (b"forged",))
    file.close()
    with pytest.raises(BodyCorrupt, match="was changed"):
        await blobs.get("acme", digest)
    await blobs.put("acme", b"genuine")
    assert await blobs.get("acme", digest) == b"genuine"


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    first = open_database(tmp_path / "perdure.db")
    digest = await SqlBlobs(first).put("acme", b"kept")
    await first.dispose()
    second = open_database(tmp_path / "perdure.db")
    assert await SqlBlobs(second).get("acme", digest) == b"kept"
    await second.dispose()


def kept_small(database: Database, pages: int) -> None:
    """Let the database file grow to so many pages only: SQLite then reports a full disk."""

    def limit(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={pages}")
        cursor.close()

    event.listen(database.engine, "connect", limit)


async def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path / "perdure.db")
    kept_small(database, 40)
    blobs = SqlBlobs(database)
    kept = await blobs.put("acme", b"before")
    with pytest.raises(StorageFull, match=r"cannot grow: database or disk is full; make room"):
        await blobs.put("acme", b"x" * 4096 * 60)
    assert await blobs.get("acme", kept) == b"before"
    await blobs.put("acme", b"small enough")
    await database.dispose()


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "perdure.db").write_bytes(b"something else entirely " * 100)
    database = open_database(tmp_path / "perdure.db")
    with pytest.raises(StorageFailed, match="file is not a database"):
        await SqlBlobs(database).put("acme", b"x")
    await database.dispose()


PUT = """
import asyncio, sys
from pathlib import Path
from activities.adapters.sql_blobs import SqlBlobs
from activities.adapters.sql_database import open_database

async def main():
    database = open_database(Path(sys.argv[1]))
    sys.stdin.readline()
    blobs = SqlBlobs(database)
    await asyncio.gather(*(blobs.put("acme", f"{sys.argv[2]} {n}".encode()) for n in range(50)))
    await database.dispose()

asyncio.run(main())
"""


async def test_processes_may_create_and_fill_the_database_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "perdure.db"
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PUT, str(path), str(number)),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 2, outputs
    database = open_database(path)
    for number in range(2):
        for n in range(50):
            body = f"{number} {n}".encode()
            assert await SqlBlobs(database).get("acme", hashlib.sha256(body).hexdigest()) == body
    await database.dispose()
