"""What a database in a SQLite file promises of its own: a full disk, a file of something else."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from activities.adapters.sql_blobs import SqlBlobs
from activities.adapters.sqlite_database import SqliteDatabase, open_sqlite
from activities.ports import StorageFailed, StorageFull


def kept_small(database: SqliteDatabase, pages: int) -> None:
    """Let the database file grow to so many pages only: SQLite then reports a full disk."""

    def limit(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={pages}")
        cursor.close()

    event.listen(database.engine, "connect", limit)


async def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "perdure.db")
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
    database = open_sqlite(tmp_path / "perdure.db")
    with pytest.raises(StorageFailed, match="file is not a database"):
        await SqlBlobs(database).put("acme", b"x")
    await database.dispose()
