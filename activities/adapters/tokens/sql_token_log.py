"""Keeps the token logs of the embedded stack in their own database file, where they delay no paid reply."""

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
from activities.adapters.tokens.rules import START, Head, View, follow, is_end_missing, missing_text
from activities.ports import LogEntry, Position
from perdure.contracts.chains.steps import StepKey

POLL_INTERVAL: Final = timedelta(milliseconds=25)
"""How often waiting readers look for new entries."""
MAX_PIECES = 1000
"""The largest number of pieces that one read returns."""

_schema = MetaData()
_steps = Table(
    "steps",
    _schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("attempt", Integer, nullable=False),  # the newest one; nothing is kept of the others
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
    Column("end", Integer, primary_key=True),  # the offset after the piece, in characters
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
    """Return the database of token logs. It survives killed processes; a power cut may lose the last pieces.

    It has no migrations: a change of its tables gives the file another name, since its content is needed for a short
    time only.
    """
    return open_sqlite(path, _make_tables, Durability.KILLED_PROCESS)


def _make_tables(connection: Connection, _: str) -> SchemaUpgrade:
    _schema.create_all(connection)
    return SchemaUpgrade(None, "tokens")


class SqlTokenLog:
    """A `TokenLog`. Readers in any process get a piece within about `every`. Belongs to one event loop."""

    def __init__(self, database: SqliteDatabase, every: timedelta = POLL_INTERVAL) -> None:
        """Use a database that `open_token_database` opened; the caller closes it."""
        self._database = database
        self._changes = Changes(database, every)

    async def begin(self, key: StepKey, attempt: int, gate: str | None = None, *, ended: bool = False) -> None:
        """Begin an attempt and delete the tokens of earlier attempts. Raises `StorageFull`, `StorageFailed`."""

        def begin(connection: Connection) -> None:
            head = _head(connection, key)
            if head is not None and head.attempt >= attempt:
                if ended and is_end_missing(key, head, Position(attempt)):
                    connection.execute(_SET_LENGTH, _step_parameters(key) | {"now_ended": True, "new_length": 0})
                return
            if head is not None:
                connection.execute(_DELETE_PIECES, _step_parameters(key))
            row = {"attempt": attempt, "gate": gate, "begun": _now(), "length": 0, "ended": ended}
            connection.execute(_BEGIN_ATTEMPT, _step_columns(key) | row)

        await self._database.write(begin)

    async def append(self, key: StepKey, position: Position, text: str) -> None:
        """Write the part of `text` that is not written yet. Raises `StorageFull`, `StorageFailed`."""

        def append(connection: Connection) -> None:
            head = _head(connection, key)
            rest = missing_text(key, head, position, text)
            if head is None or not rest:
                return
            end = head.length + len(rest)
            connection.execute(
                _APPEND_PIECE, _step_columns(key) | {"end": end, "start": head.length, "body": _encoded(rest)}
            )
            connection.execute(_SET_LENGTH, _step_parameters(key) | {"now_ended": False, "new_length": end})

        if text:
            await self._database.write(append)

    async def end(self, key: StepKey, position: Position) -> None:
        """Mark the attempt as ended. Raises `StorageFull`, `StorageFailed`."""

        def end(connection: Connection) -> None:
            if is_end_missing(key, _head(connection, key), position):
                connection.execute(
                    _SET_LENGTH, _step_parameters(key) | {"now_ended": True, "new_length": position.offset}
                )

        await self._database.write(end)

    async def open(self, tenant: str, run_id: str, gate: str) -> None:
        """Open a gate. Raises `StorageFull`, `StorageFailed`."""
        row = {"tenant": tenant, "run_id": run_id, "gate": gate, "opened": _now()}
        await self._database.write(lambda connection: connection.execute(_OPEN_GATE, row))

    def read(self, key: StepKey, after: Position = START) -> AsyncGenerator[LogEntry]:
        """Follow a step's log. Raises `StorageFailed`."""

        async def look(position: Position) -> View[int]:
            # The version is taken before the read: a commit during the read then counts as a change.
            version = self._changes.version
            return await self._database.read(lambda connection: _view(connection, key, position, version))

        return follow(look, self._changes.wait_for_change, after)

    async def forget(self, older_than: timedelta) -> int:
        """Delete old steps, and old gates of runs that have no steps left. Return the number of steps.

        Raises `StorageFailed`.
        """
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


_gate_is_open = exists().where(
    _gates.c.tenant == _steps.c.tenant, _gates.c.run_id == _steps.c.run_id, _gates.c.gate == _steps.c.gate
)
_HEAD = select(_steps.c.attempt, _steps.c.length, _steps.c.ended).where(_of_step(_steps))
_SHOWN_HEAD = _HEAD.where(_steps.c.gate.is_(None) | _gate_is_open)
_NEW_PIECES = (
    select(_pieces.c.start, _pieces.c.body)
    .where(_of_step(_pieces), _pieces.c.end > bindparam("after"))
    .order_by(_pieces.c.end)
    .limit(MAX_PIECES)
)
_INSERT = insert(_steps)
_BEGIN_ATTEMPT = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "run_id", "step"],
    set_={name: _INSERT.excluded[name] for name in ("attempt", "gate", "begun", "length", "ended")},
)
_DELETE_PIECES = delete(_pieces).where(_of_step(_pieces))
_APPEND_PIECE = insert(_pieces)
_SET_LENGTH = (
    update(_steps).where(_of_step(_steps)).values(ended=bindparam("now_ended"), length=bindparam("new_length"))
)
_OPEN_GATE = insert(_gates).on_conflict_do_nothing()
_OLD = select(_steps.c.tenant, _steps.c.run_id, _steps.c.step).where(_steps.c.begun <= bindparam("before"))
_FORGET_PIECES = delete(_pieces).where(tuple_(_pieces.c.tenant, _pieces.c.run_id, _pieces.c.step).in_(_OLD))
_FORGET_STEPS = delete(_steps).where(_steps.c.begun <= bindparam("before"))
_FORGET_GATES = delete(_gates).where(
    _gates.c.opened <= bindparam("before"),
    ~exists().where(_steps.c.tenant == _gates.c.tenant, _steps.c.run_id == _gates.c.run_id),
)


def _step_columns(key: StepKey) -> dict[str, Any]:
    return {"tenant": key.tenant, "run_id": key.run_id, "step": key.step}


def _step_parameters(key: StepKey) -> dict[str, Any]:
    return {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}


def _head(connection: Connection, key: StepKey) -> Head | None:
    row = connection.execute(_HEAD, _step_parameters(key)).one_or_none()
    return None if row is None else Head(row.attempt, row.length, row.ended)


def _view(connection: Connection, key: StepKey, position: Position, version: int) -> View[int]:
    row = connection.execute(_SHOWN_HEAD, _step_parameters(key)).one_or_none()
    if row is None:
        return View(None, (), whole=True, mark=version)
    after = position.offset if position.attempt == row.attempt else 0
    rows = connection.execute(_NEW_PIECES, _step_parameters(key) | {"after": after}).all()
    pieces = [(piece.start, _decoded(piece.body)) for piece in rows]
    return View(Head(row.attempt, row.length, row.ended), pieces, whole=len(pieces) < MAX_PIECES, mark=version)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _encoded(text: str) -> bytes:
    # A model's server may cut a surrogate pair in half, and strict UTF-8 refuses a lone half.
    return text.encode(errors="surrogatepass")


def _decoded(body: bytes) -> str:
    return body.decode(errors="surrogatepass")
