"""Brings a database's tables up to date, in the caller's transaction that no other process interleaves with.

A migration is a file in `versions/`, named by its revision, and `HEAD` names the newest. Workers of the previous
checkout may still run beside it, so a migration only adds: tables, columns with a default, indexes.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, cast

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from activities.ports import StorageFailed

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

FOLDER: Final = Path(__file__).resolve().parent
HEAD: Final = "0007"
"""The newest revision, written here so that a worker whose database is up to date need not load alembic."""


class SchemaUpgrade(NamedTuple):
    """The revisions of a database before and after it was brought up to date."""

    before: str | None
    """None where it had no revision: it was empty, or older than the first migration."""
    after: str


def bring_up(connection: Connection, database: str) -> SchemaUpgrade:
    """Run the migrations that a database lacks; `database` is its name in messages.

    Raises `StorageFailed` where the database has an unknown revision.
    """
    before = revision(connection)
    if before != HEAD:
        _upgrade(connection, database, before)
    return SchemaUpgrade(before, HEAD)


def refuse_downgrade() -> NoReturn:
    """Refuse to go back to an older revision. Raises `StorageFailed`, always."""
    raise StorageFailed("a database is never taken back to an older revision: restore the backup from before")


def revision(connection: Connection) -> str | None:
    """Return the revision of a database; None where it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return cast("str | None", connection.execute(text("SELECT version_num FROM alembic_version")).scalar())


def known_revisions() -> set[str]:
    """Return every revision that this checkout has a migration for."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    return _known(ScriptDirectory.from_config(_config(Config())))


def _upgrade(connection: Connection, database: str, before: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = _config(Config(attributes={"connection": connection}))
    if before is not None and before not in _known(ScriptDirectory.from_config(config)):
        raise StorageFailed(
            f"{database} has the schema {before!r}, which is newer than {HEAD!r}, the newest that is known here: "
            "run the checkout that made it, or a newer one"
        )
    command.upgrade(config, "head")


def _config(config: "Config") -> "Config":
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def _known(scripts: "ScriptDirectory") -> set[str]:
    return {script.revision for script in scripts.walk_revisions()}
