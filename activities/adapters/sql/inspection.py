"""Looks at the database of the settings without changing it: its revision, its clock and its keys."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, inspect, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from activities.adapters.databases import migrations
from activities.adapters.databases.open import FILE
from activities.adapters.databases.tables import payload_keys
from activities.adapters.sql.clock import now
from activities.ports import StorageFailed
from activities.settings import Settings


@dataclass(frozen=True)
class Inspection:
    """A database as it is."""

    name: str
    """Its name for people, without a password."""
    revision: str | None
    """The revision of its tables; None where it has none yet."""
    clock: datetime
    """The time by its own clock, at the moment `asked`."""
    asked: datetime
    """The middle of the time that the question took, by this machine's clock."""
    newest_key: datetime | None
    """The moment when its newest key for payloads was made; None where it has none."""


async def inspect_database(settings: Settings, patience: float) -> Inspection | None:
    """Return the database of the settings as it is; None where no SQLite file was made yet.

    Raises `StorageFailed` where it cannot be read within `patience` seconds.
    """
    config = settings.database
    if config.postgres is None:
        path = settings.paths.state / FILE
        return _inspect_file(path) if path.exists() else None
    from activities.adapters.databases.postgres_database import open_postgres

    database = open_postgres(config.postgres.get_secret_value(), patience)
    try:
        return await database.look(lambda connection: _inspected(connection, "PostgreSQL"))
    finally:
        await database.dispose()


def _inspect_file(path: Path) -> Inspection:
    with _read_only(path) as engine:
        try:
            with engine.connect() as connection:
                return _inspected(connection, path.name)
        except (SQLAlchemyError, sqlite3.Error) as error:
            reason = " ".join(str(getattr(error, "orig", error)).split())[:200]
            raise StorageFailed(f"the database {path.name!r} cannot be read: {reason}; check the file") from None


@contextmanager
def _read_only(path: Path) -> Generator[Engine]:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=5))
    try:
        yield engine
    finally:
        engine.dispose()


def _inspected(connection: Connection, name: str) -> Inspection:
    before = datetime.now(UTC)
    clock = now(connection)
    asked = before + (datetime.now(UTC) - before) / 2
    newest = None
    if inspect(connection).has_table(payload_keys.name):
        made = connection.execute(select(payload_keys.c.made_at)).scalars().all()
        newest = max((datetime.fromisoformat(each) for each in made), default=None)
    return Inspection(name, migrations.revision(connection), clock, asked, newest)
