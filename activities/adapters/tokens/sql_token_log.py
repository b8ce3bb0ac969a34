"""Keeps the token logs of the embedded stack in a database file of their own, where they hold up no paid reply."""

import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from activities.adapters.databases.changes import Changes
from activities.adapters.databases.migrations import SchemaUpgrade
from activities.adapters.databases.sqlite_database import Durability, SqliteDatabase, open_sqlite
from activities.adapters.tokens.rules import START, Head, View, follow, unended, unwritten
from activities.ports import LogEntry, Position
from perdure.contracts.chains.steps import StepKey

EVERY: Final = timedelta(milliseconds=25)
"""How often waiting readers look for something new."""
AT_ONCE = 1000
"""Pieces that one look returns at most."""

_schema = MetaData()
_steps = Table(
    "steps",
    _schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("attempt", Integer, nullable=False),  # the newest: nothing is kept of the others
    Column("gate", String),
    Column("begun", BigInteger, nullable=False),  # milliseconds since the epoch
    Column("length", Integer, nullable=False),  # characters
    Column("ended", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
_pieces = Table(
    "pieces",
    _schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("end", Integer, primary_key=True),  # the offset after it, in characters
    Column("start", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
_gates = Table(
    "gates",
    _schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("gate", String, primary_key=True),
    Column("opened", BigInteger, nullable=False),  # milliseconds since the epoch
    sqlite_with_rowid=False,
)


def open_token_database(path: Path) -> SqliteDatabase:
    """The file of token logs. It outlives killed processes; after a power cut the last pieces may be missing.

    It has no migrations: where its tables change it gets another name, since what it holds is worth nothing tomorrow.
    """
    return open_sqlite(path, _make_tables, Durability.KILLED_PROCESS)


def _make_tables(connection: Connection, _: str) -> SchemaUpgrade:
    _schema.create_all(connection)
    return SchemaUpgrade(None, "tokens")


class SqlTokenLog:
    """A `TokenLog`. Readers in any process see a piece within about `every`. Belongs to one event loop."""

    def __init__(self, database: SqliteDatabase, every: timedelta = EVERY) -> None:
        """Over the database that `open_token_database` opened."""
        self._database = database
        self._changes = Changes(database, every)

    async def begin(self, key: StepKey, attempt: int, gate: str | None = None, *, ended: bool = False) -> None:
        """Begin an attempt and delete what the one before it said. Raises `StorageFull`, `StorageFailed`."""

        def begin(connection: Connection) -> None:
            head = _head(connection, key)
            if head is not None and head.attempt >= attempt:
                if ended and unended(key, head, Position(attempt)):
                    connection.execute(_GROW, _named(key) | {"now_ended": True, "new_length": 0})
                return
            if head is not None:
                connection.execute(_NO_PIECES, _named(key))
            row = {"attempt": attempt, "gate": gate, "begun": _now(), "length": 0, "ended": ended}
            connection.execute(_BEGIN, _keyed(key) | row)

        await self._database.write(begin)

    async def append(self, key: StepKey, position: Position, text: str) -> None:
        """Write what of `text` is not yet there. Raises `StorageFull`, `StorageFailed`."""

        def append(connection: Connection) -> None:
            head = _head(connection, key)
            rest = unwritten(key, head, position, text)
            if head is None or not rest:
                return
            end = head.length + len(rest)
            connection.execute(_APPEND, _keyed(key) | {"end": end, "start": head.length, "body": _encoded(rest)})
            connection.execute(_GROW, _named(key) | {"now_ended": False, "new_length": end})

        if text:
            await self._database.write(append)

    async def end(self, key: StepKey, position: Position) -> None:
        """Mark the attempt as ended. Raises `StorageFull`, `StorageFailed`."""

        def end(connection: Connection) -> None:
            if unended(key, _head(connection, key), position):
                connection.execute(_GROW, _named(key) | {"now_ended": True, "new_length": position.offset})

        await self._database.write(end)

    async def open(self, tenant: str, run_id: str, gate: str) -> None:
        """Open a gate. Raises `StorageFull`, `StorageFailed`."""
        row = {"tenant": tenant, "run_id": run_id, "gate": gate, "opened": _now()}
        await self._database.write(lambda connection: connection.execute(_OPEN, row))

    def read(self, key: StepKey, after: Position = START) -> AsyncGenerator[LogEntry]:
        """Follow a step. Raises `StorageFailed`."""

        async def look(at: Position) -> View[int]:
            # Taken before the look: what is committed while it looks makes the version another one.
            seen = self._changes.version
            return await self._database.read(lambda connection: _view(connection, key, at, seen))

        return follow(look, self._changes.wait_for_change, after)

    async def forget(self, older_than: timedelta) -> int:
        """Delete old steps, and old gates of runs that have no steps left. Raises `StorageFailed`."""
        before = _now() - older_than // timedelta(milliseconds=1)

        def forget(connection: Connection) -> int:
            connection.execute(_FORGET_PIECES, {"before": before})
            forgotten = connection.execute(_FORGET_STEPS, {"before": before}).rowcount
            connection.execute(_FORGET_GATES, {"before": before})
            return forgotten

        return await self._database.write(forget)


def _of_step(table: Table) -> Any:
    return and_(
        table.c.tenant == bindparam("of_tenant"),
        table.c.run_id == bindparam("of_run"),
        table.c.step == bindparam("of_step"),
    )


_opened = exists().where(
    _gates.c.tenant == _steps.c.tenant, _gates.c.run_id == _steps.c.run_id, _gates.c.gate == _steps.c.gate
)
_HEAD = select(_steps.c.attempt, _steps.c.length, _steps.c.ended).where(_of_step(_steps))
_SHOWN = _HEAD.where(_steps.c.gate.is_(None) | _opened)
_NEWS = (
    select(_pieces.c.start, _pieces.c.body)
    .where(_of_step(_pieces), _pieces.c.end > bindparam("after"))
    .order_by(_pieces.c.end)
    .limit(AT_ONCE)
)
_INSERT = insert(_steps)
_BEGIN = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "run_id", "step"],
    set_={name: _INSERT.excluded[name] for name in ("attempt", "gate", "begun", "length", "ended")},
)
_NO_PIECES = delete(_pieces).where(_of_step(_pieces))
_APPEND = insert(_pieces)
_GROW = update(_steps).where(_of_step(_steps)).values(ended=bindparam("now_ended"), length=bindparam("new_length"))
_OPEN = insert(_gates).on_conflict_do_nothing()
_OLD = select(_steps.c.tenant, _steps.c.run_id, _steps.c.step).where(_steps.c.begun <= bindparam("before"))
_FORGET_PIECES = delete(_pieces).where(tuple_(_pieces.c.tenant, _pieces.c.run_id, _pieces.c.step).in_(_OLD))
_FORGET_STEPS = delete(_steps).where(_steps.c.begun <= bindparam("before"))
_FORGET_GATES = delete(_gates).where(
    _gates.c.opened <= bindparam("before"),
    ~exists().where(_steps.c.tenant == _gates.c.tenant, _steps.c.run_id == _gates.c.run_id),
)


def _keyed(key: StepKey) -> dict[str, Any]:
    return {"tenant": key.tenant, "run_id": key.run_id, "step": key.step}


def _named(key: StepKey) -> dict[str, Any]:
    return {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}


def _head(connection: Connection, key: StepKey) -> Head | None:
    row = connection.execute(_HEAD, _named(key)).one_or_none()
    return None if row is None else Head(row.attempt, row.length, row.ended)


def _view(connection: Connection, key: StepKey, at: Position, seen: int) -> View[int]:
    row = connection.execute(_SHOWN, _named(key)).one_or_none()
    if row is None:
        return View(None, (), whole=True, mark=seen)
    after = at.offset if at.attempt == row.attempt else 0
    rows = connection.execute(_NEWS, _named(key) | {"after": after}).all()
    pieces = [(piece.start, _decoded(piece.body)) for piece in rows]
    return View(Head(row.attempt, row.length, row.ended), pieces, whole=len(pieces) < AT_ONCE, mark=seen)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _encoded(text: str) -> bytes:
    # A model's server may cut a character in two halves, which strict UTF-8 refuses.
    return text.encode(errors="surrogatepass")


def _decoded(body: bytes) -> str:
    return body.decode(errors="surrogatepass")
