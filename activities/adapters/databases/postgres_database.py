"""The production database: PostgreSQL. A transaction is repeated after a write conflict or a lost connection."""

import asyncio
import random
import socket
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Final

import psycopg
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from activities.adapters.databases import migrations
from activities.adapters.databases.database import Result
from activities.adapters.databases.migrations import SchemaUpgrade
from activities.adapters.databases.postgres_errors import classify, no_free_connection, unusable_address

CONNECTIONS: Final = 8
"""The connections of each process, and so its concurrent transactions. A PostgreSQL server accepts 100 by default."""
CONNECT_SECONDS: Final = 5
"""How long one attempt to connect may take, in seconds. psycopg takes whole seconds, from 2."""
MIGRATION_SECONDS: Final = 3600.0
"""How long a migration may take, in seconds. One that is cut off is rolled back and has to start again."""
_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.5
_MIGRATION_LOCK: Final = 7_305_611_420_563
"""The number of the advisory lock that a migration holds: an arbitrary one that nothing else uses."""


class PostgresDatabase:
    """A `Database` on a server. Writes are SERIALIZABLE: one that conflicts with another is repeated."""

    def __init__(self, engine: Engine, server: str, patience: float) -> None:
        """Use `open_postgres`."""
        self._engine = engine
        self._server = server
        self._patience = patience
        self._upgrade_engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._write_engine = engine.execution_options(isolation_level="SERIALIZABLE")
        self._read_engine = engine.execution_options(isolation_level="REPEATABLE READ")
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="database")
        self._upgrade_lock = asyncio.Lock()
        self._upgrade: SchemaUpgrade | None = None

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction that no other writer interleaves with; it is on disk afterwards.

        It is repeated after a conflict with another writer and after a broken connection, until the patience is used
        up. Raises `StorageFull`, `StorageFailed`.
        """
        if self._upgrade is None:
            await self.bring_up()
        return await self._run_on_thread(self._write_engine, work)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` on a snapshot, without waiting for writers. Raises `StorageFailed`."""
        if self._upgrade is None:
            await self.bring_up()
        return await self._run_on_thread(self._read_engine, work)

    async def look(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` on a snapshot of the tables as they are, without bringing them up. Raises `StorageFailed`."""
        return await self._run_on_thread(self._read_engine, work)

    async def bring_up(self) -> SchemaUpgrade:
        """Create or upgrade the tables; one process at a time. Raises `StorageFull`, `StorageFailed`."""
        async with self._upgrade_lock:
            if self._upgrade is None:
                self._upgrade = await self._run_on_thread(
                    self._upgrade_engine, self._bring_up_tables, MIGRATION_SECONDS
                )
        return self._upgrade

    async def dispose(self) -> None:
        """Finish the running transactions and close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _bring_up_tables(self, connection: Connection) -> SchemaUpgrade:
        # Another process may migrate for a long time. Each statement sees what was committed before it, so a process
        # that waited here finds the tables up to date.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = {_milliseconds(self._patience)}"))
        return migrations.bring_up(connection, f"PostgreSQL at {self._server}")

    async def _run_on_thread(
        self, engine: Engine, work: Callable[[Connection], Result], time_limit: float | None = None
    ) -> Result:
        time_limit = self._patience if time_limit is None else time_limit
        transaction = _RunningTransaction(time.monotonic() + self._patience, time.monotonic() + time_limit)
        # A server that never answers would hold its thread for ever: the connection is cut when the time is over.
        timer = asyncio.get_running_loop().call_later(time_limit, transaction.cut_connection)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._repeat_until_done, engine, work, transaction
            )
        finally:
            if transaction.finished:
                timer.cancel()

    def _repeat_until_done(
        self, engine: Engine, work: Callable[[Connection], Result], transaction: "_RunningTransaction"
    ) -> Result:
        pause = _PAUSE
        try:
            while True:
                if time.monotonic() >= transaction.cut_off_at:
                    raise no_free_connection(self._server, self._patience)
                try:
                    with engine.connect() as connection, transaction.using(connection), connection.begin():
                        return work(connection)
                except (SQLAlchemyError, psycopg.Error, OSError) as error:
                    failure = classify(error, self._server, self._patience)
                    if not failure.transient or time.monotonic() + pause >= transaction.retry_until:
                        raise failure.error from None
                # A random pause, so that two transactions that conflicted once do not conflict again.
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - a pause, not a secret
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            transaction.finished = True


class _RunningTransaction:
    """A running transaction, whose connection another thread can cut."""

    def __init__(self, retry_until: float, cut_off_at: float) -> None:
        self.retry_until = retry_until
        """The end of the repetitions, by the monotonic clock."""
        self.cut_off_at = cut_off_at
        """The moment, by the monotonic clock, when its connection is cut, finished or not."""
        self.finished = False
        self._lock = Lock()
        self._socket: int | None = None

    @contextmanager
    def using(self, connection: Connection) -> Generator[None]:
        """Name the connection that the transaction uses, until the context ends."""
        driver: Any = connection.connection.driver_connection
        with self._lock:
            self._socket = driver.fileno()
        if time.monotonic() >= self.cut_off_at:
            self.cut_connection()
        try:
            yield
        finally:
            with self._lock:
                self._socket = None

    def cut_connection(self) -> None:
        """Shut the socket down: the thread that waits for the server gets a connection error."""
        with self._lock:
            if self._socket is not None:
                with suppress(OSError), socket.fromfd(self._socket, socket.AF_INET, socket.SOCK_STREAM) as held:
                    held.shutdown(socket.SHUT_RDWR)


def open_postgres(url: str, patience: float) -> PostgresDatabase:
    """Return the database at `postgresql://user:password@host:port/name`; it connects at its first use.

    TLS and more are set by the address's libpq options: `?sslmode=verify-full`. A transaction waits up to `patience`
    seconds for other writers and for a server that is away. Raises `StorageFailed` for an invalid address.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise unusable_address() from None
    if address.drivername not in ("postgresql", "postgres") or not address.database:
        raise unusable_address()
    engine = create_engine(
        address.set(drivername="postgresql+psycopg").update_query_dict(
            {"connect_timeout": str(CONNECT_SECONDS), "application_name": "perdure", **address.query}
        ),
        poolclass=QueuePool,
        pool_size=CONNECTIONS,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _session_timeouts(patience))
    server = f"{address.host or 'localhost'}:{address.port or 5432}/{address.database}"
    return PostgresDatabase(engine, server, patience)


def _session_timeouts(patience: float) -> Callable[[Any, object], None]:
    milliseconds = _milliseconds(patience)

    def on_connect(connection: Any, _record: object) -> None:
        # Otherwise an open transaction of a worker that lost its power or network would block others for hours.
        connection.autocommit = True
        connection.execute(
            f"SET lock_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {milliseconds}"
        )
        connection.autocommit = False

    return on_connect


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
