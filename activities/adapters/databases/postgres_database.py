"""Production's database: PostgreSQL, whose transactions are repeated where others came first or the server was away."""

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
from activities.adapters.databases.migrations import Move
from activities.adapters.databases.postgres_errors import crowded, trouble, unreadable

CONNECTIONS: Final = 8
"""Of each process, and so its transactions at the same time; a PostgreSQL server accepts 100 unless it is told more."""
CONNECT_SECONDS: Final = 5
"""How long one try to connect may take; psycopg counts whole seconds from 2."""
MIGRATION_SECONDS: Final = 3600.0
"""How long a migration may take: one that is cut off is undone, and would be begun anew."""
_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.5
_MIGRATING: Final = 7_305_611_420_563
"""The advisory lock of whoever migrates, in each database: any number that nobody else uses."""


class PostgresDatabase:
    """A `Database` on a server. Writes are SERIALIZABLE: one that others came between is done again."""

    def __init__(self, engine: Engine, server: str, patience: float) -> None:
        """Use `open_postgres`."""
        self._engine = engine
        self._server = server
        self._patience = patience
        self._bringing = engine.execution_options(isolation_level="READ COMMITTED")
        self._writing = engine.execution_options(isolation_level="SERIALIZABLE")
        self._reading = engine.execution_options(isolation_level="REPEATABLE READ")
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="database")
        self._moving = asyncio.Lock()
        self._move: Move | None = None

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction that no other writer interleaves with; it is on disk afterwards.

        It is done again where another writer came first, and where the connection broke, for as long as the patience
        lasts. Raises `StorageFull`, `StorageFailed`.
        """
        if self._move is None:
            await self.bring_up()
        return await self._patiently(self._writing, work)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` on a snapshot; it waits for no writer. Raises `StorageFailed`."""
        if self._move is None:
            await self.bring_up()
        return await self._patiently(self._reading, work)

    async def bring_up(self) -> Move:
        """Make or upgrade the tables; one process at a time. Raises `StorageFull`, `StorageFailed`."""
        async with self._moving:
            if self._move is None:
                self._move = await self._patiently(self._bringing, self._brought_up, MIGRATION_SECONDS)
        return self._move

    async def dispose(self) -> None:
        """Finish what is in hand and close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _brought_up(self, connection: Connection) -> Move:
        # Whoever migrates may take long. Each statement sees what was committed before it, so whoever waited here finds
        # the tables up to date.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATING})
        connection.execute(text(f"SET LOCAL lock_timeout = {_milliseconds(self._patience)}"))
        return migrations.bring_up(connection, f"PostgreSQL at {self._server}")

    async def _patiently(
        self, engine: Engine, work: Callable[[Connection], Result], longest: float | None = None
    ) -> Result:
        longest = longest or self._patience
        hold = _Hold(time.monotonic() + self._patience, time.monotonic() + longest)
        # A server that says nothing holds its thread for ever: what is in hand is cut off when the patience is over.
        watch = asyncio.get_running_loop().call_later(longest, hold.give_up)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, engine, work, hold)
        finally:
            if hold.over:
                watch.cancel()

    def _run(self, engine: Engine, work: Callable[[Connection], Result], hold: "_Hold") -> Result:
        pause = _PAUSE
        try:
            while True:
                if time.monotonic() >= hold.cut:
                    raise crowded(self._server, self._patience)
                try:
                    with engine.connect() as connection, hold.of(connection), connection.begin():
                        return work(connection)
                except (SQLAlchemyError, psycopg.Error, OSError) as error:
                    found = trouble(error, self._server, self._patience)
                    if not found.passing or time.monotonic() + pause >= hold.until:
                        raise found.error from None
                # By chance, so that two which met once do not meet again.
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - a pause, not a secret
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            hold.over = True


class _Hold:
    """What a transaction holds: its connection can be cut off from outside."""

    def __init__(self, until: float, cut: float) -> None:
        self.until = until
        """Until when it is tried again, by the monotonic clock."""
        self.cut = cut
        """When it is cut off, however far it is."""
        self.over = False
        self._lock = Lock()
        self._socket: int | None = None

    @contextmanager
    def of(self, connection: Connection) -> Generator[None]:
        """While the transaction uses this connection."""
        driver: Any = connection.connection.driver_connection
        with self._lock:
            self._socket = driver.fileno()
        if time.monotonic() >= self.cut:
            self.give_up()
        try:
            yield
        finally:
            with self._lock:
                self._socket = None

    def give_up(self) -> None:
        """Cut the connection: whoever waits for its server hears that it is lost."""
        with self._lock:
            if self._socket is not None:
                with suppress(OSError), socket.fromfd(self._socket, socket.AF_INET, socket.SOCK_STREAM) as held:
                    held.shutdown(socket.SHUT_RDWR)


def open_postgres(url: str, patience: float) -> PostgresDatabase:
    """The database at `postgresql://user:password@host:port/name`; it connects at its first use.

    TLS and the rest are the address's own options, as libpq has them: `?sslmode=verify-full`. A transaction waits for
    `patience` seconds for other writers and for a server that is away. Raises `StorageFailed` for an address that is
    none.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise unreadable() from None
    if address.drivername not in ("postgresql", "postgres") or not address.database:
        raise unreadable()
    engine = create_engine(
        address.set(drivername="postgresql+psycopg").update_query_dict(
            {"connect_timeout": str(CONNECT_SECONDS), "application_name": "perdure", **address.query}
        ),
        poolclass=QueuePool,
        pool_size=CONNECTIONS,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _bounded(patience))
    server = f"{address.host or 'localhost'}:{address.port or 5432}/{address.database}"
    return PostgresDatabase(engine, server, patience)


def _bounded(patience: float) -> Callable[[Any, object], None]:
    milliseconds = _milliseconds(patience)

    def on_connect(connection: Any, _record: object) -> None:
        # What a worker left that lost its power or its network would hold others up for hours otherwise.
        connection.autocommit = True
        connection.execute(
            f"SET lock_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {milliseconds}"
        )
        connection.autocommit = False

    return on_connect


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
