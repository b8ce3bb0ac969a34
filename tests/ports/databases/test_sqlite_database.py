"""What only a SQLite database promises: errors for a full disk and for a file of another kind, and an index in use."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from activities.adapters.databases.sqlite_database import SqliteDatabase, open_sqlite
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.ports import StorageFailed, StorageFull
from tests.support.processes.calling import CALL, KEY


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
    digest = await blobs.put("acme", b"before")
    with pytest.raises(StorageFull, match=r"cannot grow: database or disk is full; make room"):
        await blobs.put("acme", b"x" * 4096 * 60)
    assert await blobs.get("acme", digest) == b"before"
    await blobs.put("acme", b"small enough")
    await database.dispose()


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "perdure.db").write_bytes(b"something else entirely " * 100)
    database = open_sqlite(tmp_path / "perdure.db")
    with pytest.raises(StorageFailed, match="file is not a database"):
        await SqlBlobs(database).put("acme", b"x")
    await database.dispose()


async def test_the_inbox_of_unknown_calls_is_read_by_its_index(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "perdure.db")
    ledger, statements = SqlEffectLedger(database), list[tuple[str, Any]]()

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    await ledger.intend(KEY, 1, CALL)
    await ledger.intend(KEY, 2, CALL)
    event.listen(database.engine, "before_cursor_execute", hear)
    assert len(await ledger.unknowns(KEY.tenant)) == 1
    event.remove(database.engine, "before_cursor_execute", hear)
    [inbox] = [one for one in statements if "unknown" in one[0]]

    def plan(connection: Connection) -> str:
        return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {inbox[0]}", inbox[1]).all())

    assert "USING COVERING INDEX ledger_events_unknown (tenant=? AND phase=?)" in await database.read(plan)
    await database.dispose()
