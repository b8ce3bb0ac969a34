"""The embedded stack's database: SQLite in WAL mode, which several processes write at once."""

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
from activities.adapters.databases.migrations import SchemaUpgrade
from activities.ports import PortError, StorageFailed, StorageFull

BringUp = Callable[[Connection, str], SchemaUpgrade]
"""A function that creates or upgrades the tables. Its second argument is the database's name in messages."""

BUSY_SECONDS = 20.0
"""How long a writer waits for the writers of other processes, in seconds."""

_CONNECTIONS = 2


class Durability(StrEnum):
    """The failures that an acknowledged transaction survives, as SQLite's `synchronous` in WAL mode."""

    POWER_CUT = "FULL"
    """A power cut: the log is synced once for each commit. Needed for everything that a history refers to."""
    KILLED_PROCESS = "NORMAL"
    """The death of every process. Commits wait for no disk; a power cut loses the last ones and nothing else."""


class SqliteDatabase:
    """A `Database` in one file."""

    def __init__(self, path: Path, engine: Engine, bring_up: BringUp, patience: float) -> None:
        """Use `open_sqlite`."""
        self._path = path
        self._bring_up = bring_up
        self._patience = patience
        self.engine = engine
        """SQLAlchemy's engine, public for tests."""
        # SQLite has one writer at a time and lets the others poll; in this process they queue instead. Readers have
        # a thread of their own, since they never wait for a writer, not even for one in another process.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="database-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="database-reader")
        self._upgrade: SchemaUpgrade | None = None
        self._version_connection: sqlite3.Connection | None = None

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction that no other writer interleaves with; it is on disk afterwards.

        Raises `StorageFull`, `StorageFailed`; the transaction is then not stored.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` on a snapshot, without waiting for writers. Raises `StorageFailed`."""
        await self._require_tables()
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, work)

    async def version(self) -> int:
        """Return a number that changes with each commit of any process; it is cheap to read. Raises `StorageFailed`."""
        await self._require_tables()
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._version)

    async def bring_up(self) -> SchemaUpgrade:
        """Create the file and its tables, or upgrade them. Raises `StorageFull`, `StorageFailed`."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._bring_up_tables)

    async def dispose(self) -> None:
        """Finish the running transactions and close every connection."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._reader.shutdown)
        self.engine.dispose()
        if self._version_connection is not None:
            self._version_connection.close()

    async def _require_tables(self) -> None:
        if self._upgrade is None:
            await self.bring_up()

    def _write(self, work: Callable[[Connection], Result]) -> Result:
        self._bring_up_tables()
        with self._as_port_errors(), self.engine.begin() as connection:
            return work(connection)

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        with self._as_port_errors(), self.engine.connect() as connection:
            connection.execution_options(begin="DEFERRED")
            return work(connection)

    def _version(self) -> int:
        with self._as_port_errors():
            if self._version_connection is None:
                # The number counts the commits of other connections, so this connection is used for nothing else.
                self._version_connection = sqlite3.connect(self._path, timeout=self._patience, check_same_thread=False)
            (number,) = self._version_connection.execute("PRAGMA data_version").fetchone()
            return int(number)

    def _bring_up_tables(self) -> SchemaUpgrade:
        """Create the file and bring its tables up to date, once."""
        if self._upgrade is None:
            with self._as_port_errors():
                _make_file(self._path, self._patience)
                # The transaction holds the write lock: another process waits, and then finds the tables up to date.
                with self.engine.begin() as connection:
                    self._upgrade = self._bring_up(connection, f"the database {str(self._path)!r}")
        return self._upgrade

    @contextmanager
    def _as_port_errors(self) -> Generator[None]:
        """Turn the errors of the database into the port's errors of one line."""
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
    """Return the database in a file. The first use creates file and tables, also where many processes do so at once.

    A writer waits up to `patience` seconds for the writers of other processes.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": patience, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
    )
    event.listen(engine, "connect", _connection_options(durability))
    event.listen(engine, "begin", _on_begin)
    return SqliteDatabase(path, engine, bring_up, patience)


def _make_file(path: Path, patience: float) -> None:
    """Create the file in WAL mode, which it keeps. At this step SQLite itself does not wait for other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    attempts = max(1, int(patience * 20))
    # With SQLite's own timeout, two processes that switch at once would wait for each other until it ends: pause here.
    connection = sqlite3.connect(path, timeout=0)
    try:
        for attempt in range(attempts):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt + 1 == attempts:
                    raise
                time.sleep(0.05)
            else:
                return
    finally:
        connection.close()


def _connection_options(durability: Durability) -> Callable[[Any, object], None]:
    def on_connect(connection: Any, _record: object) -> None:
        # The driver would begin transactions by itself, but too late. SQLAlchemy's `begin` event does it instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA synchronous={durability}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return on_connect


def _on_begin(connection: Connection) -> None:
    """Take the write lock at once: a reader that becomes a writer could fail because its snapshot is out of date."""
    mode = cast("str", connection.get_execution_options().get("begin", "IMMEDIATE"))
    connection.exec_driver_sql(f"BEGIN {mode}")
