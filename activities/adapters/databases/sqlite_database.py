"""The embedded stack's database: SQLite in WAL mode, written by several processes at once."""

import asyncio
import errno
import sqlite3
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from activities.adapters.databases import migrations
from activities.adapters.databases.database import Result
from activities.adapters.databases.migrations import Move
from activities.ports import PortError, StorageFailed, StorageFull

BringUp = Callable[[Connection, str], Move]
"""Makes or upgrades the tables of a database, whose name in messages it is told."""

BUSY_SECONDS = 20.0
"""How long a writer waits for the writers of other processes."""

_CONNECTIONS = 2


class Durability(StrEnum):
    """What a transaction survives once it was acknowledged, as SQLite's `synchronous` in WAL mode."""

    POWER_CUT = "FULL"
    """A power cut: the log is synced once for each commit. For what a history refers to."""
    KILLED_PROCESS = "NORMAL"
    """The death of every process; commits wait for no disk. A power cut takes the last ones and nothing else."""


class SqliteDatabase:
    """A `Database` in one file."""

    def __init__(self, path: Path, engine: Engine, bring_up: BringUp, patience: float) -> None:
        """Use `open_sqlite`."""
        self._path = path
        self._bring_up = bring_up
        self._patience = patience
        self.engine = engine
        """SQLAlchemy's engine, for what only a test needs to set."""
        # SQLite has one writer at a time and lets the others poll; in this process they queue instead. Readers have
        # a thread of their own, since they wait for no writer, not even for one in another process.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="database-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="database-reader")
        self._move: Move | None = None
        self._witness: sqlite3.Connection | None = None

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction that no other writer interleaves with; it is on disk afterwards.

        Raises `StorageFull`, `StorageFailed`; nothing of it is then stored.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` on a snapshot; it waits for no writer. Raises `StorageFailed`."""
        await self._exist()
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, work)

    async def version(self) -> int:
        """A number that changes with every commit of any process: cheap to ask often. Raises `StorageFailed`."""
        await self._exist()
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._version)

    async def bring_up(self) -> Move:
        """Make the file and its tables, or upgrade them. Raises `StorageFull`, `StorageFailed`."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._brought_up)

    async def dispose(self) -> None:
        """Finish what is in hand and close every connection."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._reader.shutdown)
        self.engine.dispose()
        if self._witness is not None:
            self._witness.close()

    async def _exist(self) -> None:
        if self._move is None:
            await self.bring_up()

    def _write(self, work: Callable[[Connection], Result]) -> Result:
        self._brought_up()
        with self._plainly(), self.engine.begin() as connection:
            return work(connection)

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        with self._plainly(), self.engine.connect() as connection:
            connection.execution_options(begin="DEFERRED")
            return work(connection)

    def _version(self) -> int:
        with self._plainly():
            if self._witness is None:
                # The number counts the commits of other connections: this one is never used for anything else.
                self._witness = sqlite3.connect(self._path, timeout=self._patience, check_same_thread=False)
            (number,) = self._witness.execute("PRAGMA data_version").fetchone()
            return int(number)

    def _brought_up(self) -> Move:
        """Make the file and bring up its tables, once."""
        if self._move is None:
            with self._plainly():
                _make_file(self._path, self._patience)
                # In a transaction that holds the write lock: another process waits, and finds it done.
                with self.engine.begin() as connection:
                    self._move = self._bring_up(connection, f"the database {str(self._path)!r}")
        return self._move

    @contextmanager
    def _plainly(self) -> Generator[None]:
        """Turn what the database raises into the port's errors, in one line."""
        database = str(self._path)
        try:
            yield
        except PortError:
            raise
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            reason = " ".join(str(cause).split())[:200]
            code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL or getattr(cause, "errno", None) == errno.ENOSPC:
                raise StorageFull(f"the database {database!r} cannot grow: {reason}; make room and try again") from None
            if code == sqlite3.SQLITE_BUSY or isinstance(error, PoolTimeoutError):
                raise StorageFailed(
                    f"the database {database!r} was busy for {self._patience:g} seconds: find the process that holds it"
                ) from None
            raise StorageFailed(f"the database {database!r} failed: {reason}; check the file and its folder") from None


def open_sqlite(
    path: Path,
    bring_up: BringUp = migrations.bring_up,
    durability: Durability = Durability.POWER_CUT,
    patience: float = BUSY_SECONDS,
) -> SqliteDatabase:
    """The database in a file. File and tables are made at its first use; any number of processes may do so at once.

    A writer waits for the writers of other processes for `patience` seconds.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": patience, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
    )
    event.listen(engine, "connect", _prepared(durability))
    event.listen(engine, "begin", _on_begin)
    return SqliteDatabase(path, engine, bring_up, patience)


def _make_file(path: Path, patience: float) -> None:
    """Make the file, and put it into WAL mode for good. SQLite does not wait for others at this one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    looks = max(1, int(patience * 20))
    # Two that switch at once each wait for the other as long as they may: wait in between instead.
    connection = sqlite3.connect(path, timeout=0)
    try:
        for waited in range(looks):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or waited + 1 == looks:
                    raise
                time.sleep(0.05)
            else:
                return
    finally:
        connection.close()


def _prepared(durability: Durability) -> Callable[[Any, object], None]:
    def on_connect(connection: Any, _record: object) -> None:
        # The driver would begin transactions by itself, and late: SQLAlchemy's `begin` event does it.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA synchronous={durability}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return on_connect


def _on_begin(connection: Connection) -> None:
    """Take the write lock at once: a reader that turns writer could fail on a snapshot that is out of date."""
    mode = cast("str", connection.get_execution_options().get("begin", "IMMEDIATE"))
    connection.exec_driver_sql(f"BEGIN {mode}")
