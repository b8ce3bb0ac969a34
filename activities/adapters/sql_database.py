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
from typing import Any, TypeVar, cast

from sqlalchemy import MetaData, create_engine, event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from activities.ports import PortError, StorageFailed, StorageFull

Result = TypeVar("Result")

schema = MetaData()
"""The tables of the stores that share the main database. A store's module declares its own."""

BUSY_SECONDS = 20.0
"""How long a writer waits for the writers of other processes."""

_CONNECTIONS = 2


class Durability(StrEnum):
    """What a transaction survives once it was acknowledged, as SQLite's `synchronous` in WAL mode."""

    POWER_CUT = "FULL"
    """A power cut: the log is synced once for each commit. For what a history refers to."""
    KILLED_PROCESS = "NORMAL"
    """The death of every process; commits wait for no disk. A power cut takes the last ones and nothing else."""


class Database:
    """One database file; one object for each process. Transactions run whole on threads of its own.

    A statement that hops between threads costs more than what it does: so one hop is made for each transaction.
    """

    def __init__(self, path: Path, engine: Engine, tables: MetaData) -> None:
        """Use `open_database`."""
        self._path = path
        self._schema = tables
        self.engine = engine
        """SQLAlchemy's engine, for what only a test needs to set."""
        # SQLite has one writer at a time and lets the others poll; in this process they queue instead. Readers have
        # a thread of their own, since they wait for no writer, not even for one in another process.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="database-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="database-reader")
        self._tables = 0
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

    async def dispose(self) -> None:
        """Finish what is in hand and close every connection."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._reader.shutdown)
        self.engine.dispose()
        if self._witness is not None:
            self._witness.close()

    async def _exist(self) -> None:
        if self._tables < len(self._schema.tables):
            await self.write(lambda _: None)

    def _write(self, work: Callable[[Connection], Result]) -> Result:
        with _plainly(self._path):
            self._prepare()
            with self.engine.begin() as connection:
                return work(connection)

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        with _plainly(self._path), self.engine.connect() as connection:
            connection.execution_options(begin="DEFERRED")
            return work(connection)

    def _version(self) -> int:
        with _plainly(self._path):
            if self._witness is None:
                # The number counts the commits of other connections: this one is never used for anything else.
                self._witness = sqlite3.connect(self._path, timeout=BUSY_SECONDS, check_same_thread=False)
            (number,) = self._witness.execute("PRAGMA data_version").fetchone()
            return int(number)

    def _prepare(self) -> None:
        """Make what is missing: the file, or the tables of a store that was imported since the last time."""
        if self._tables == len(self._schema.tables):
            return
        _make_file(self._path)
        wanted = len(self._schema.tables)
        with self.engine.begin() as connection:
            # Under the write lock, so that no other process makes the same table between the look and the making.
            self._schema.create_all(connection)
        self._tables = wanted


def open_database(path: Path, tables: MetaData = schema, durability: Durability = Durability.POWER_CUT) -> Database:
    """The database in a file. File and tables are made at its first use; any number of processes may do so at once."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
    )
    event.listen(engine, "connect", _prepared(durability))
    event.listen(engine, "begin", _on_begin)
    return Database(path, engine, tables)


def _make_file(path: Path) -> None:
    """Make the file, and put it into WAL mode for good. SQLite does not wait for others at this one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two that switch at once each wait for the other as long as they may: wait in between instead.
    connection = sqlite3.connect(path, timeout=0)
    try:
        for waited in range(int(BUSY_SECONDS * 20)):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or waited + 1 == BUSY_SECONDS * 20:
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


@contextmanager
def _plainly(path: Path) -> Generator[None]:
    """Turn what the database raises into the port's errors, in one line."""
    database = str(path)
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
                f"the database {database!r} was busy for {BUSY_SECONDS:.0f} seconds: find the process that holds it"
            ) from None
        raise StorageFailed(f"the database {database!r} failed: {reason}; check the file and its folder") from None
