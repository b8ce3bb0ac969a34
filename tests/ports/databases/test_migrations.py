"""A database is migrated by the first process that opens it, keeps its rows, and is never downgraded."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from activities.adapters.databases import migrations
from activities.adapters.databases.database import Database
from activities.adapters.databases.migrations import HEAD, SchemaUpgrade
from activities.adapters.databases.open import open_database
from activities.adapters.databases.tables import schema
from activities.adapters.sql.blobs import SqlBlobs
from activities.ports import StorageFailed
from activities.settings import ROOT, Settings, environment_with
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import Generated
from tests.ports.sql.test_writers_at_once import environment_of
from tests.support.processes.storing import KEY, reply
from tests.support.stores.orders import RegisteredReplies, order

BEFORE_MIGRATIONS = """
CREATE TABLE bodies (
	tenant VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (tenant, digest)
)
 WITHOUT ROWID;
CREATE TABLE paid_attempts (
	tenant VARCHAR NOT NULL,
	run_id VARCHAR NOT NULL,
	step VARCHAR NOT NULL,
	attempt INTEGER NOT NULL,
	workflow_id VARCHAR NOT NULL,
	begun_at VARCHAR NOT NULL,
	charge VARCHAR,
	reply VARCHAR,
	place INTEGER,
	PRIMARY KEY (tenant, run_id, step, attempt)
)
 WITHOUT ROWID;
"""
"""The tables that the stores created themselves before there were migrations, as `sqlite_master` lists them."""


def test_the_newest_migration_is_the_one_that_is_named() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_migrations_make_exactly_the_tables_that_the_stores_use(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), schema)

    await database.bring_up()
    assert await database.write(differences) == []


async def test_a_difference_would_be_seen(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        connection.execute(text("ALTER TABLE bodies ADD COLUMN colour VARCHAR"))
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), schema)

    assert len(await database.write(differences)) == 1


async def test_an_empty_database_is_brought_up_once(place: Settings, database: Database) -> None:
    assert await database.bring_up() == SchemaUpgrade(None, HEAD)
    async with open_database(place) as other:
        assert await other.bring_up() == SchemaUpgrade(HEAD, HEAD)


async def test_many_that_start_at_once_make_the_tables_once(place: Settings) -> None:
    program = (
        "import asyncio, sys\n"
        "from activities.adapters.databases.open import open_database\n"
        "from activities.settings import load\n"
        "async def main():\n"
        "    async with open_database(load()) as database:\n"
        "        print('ready', flush=True)\n"
        "        sys.stdin.readline()\n"
        "        print(await database.bring_up())\n"
        "asyncio.run(main())\n"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            cwd=ROOT,
            env=environment_of(place),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    lines = sorted(out.decode().strip() for out, _ in outputs)
    assert lines == sorted([str(SchemaUpgrade(None, HEAD)), *[str(SchemaUpgrade(HEAD, HEAD))] * 3]), outputs


async def test_what_is_newer_is_refused_in_one_line(place: Settings, database: Database, reopened: Database) -> None:
    await database.bring_up()
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(newer))
    with pytest.raises(
        StorageFailed, match=rf"has the schema '9999', which is newer than '{HEAD}'.*: run the checkout"
    ):
        await SqlBlobs(reopened).put("acme", b"x")
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "worker.py", "--role", "workflows"),
        cwd=ROOT,
        env=environment_of(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, complained = await worker.communicate()
    assert worker.returncode == 1
    assert complained.decode().startswith("worker: ")
    assert len(complained.decode().splitlines()) == 1
    assert "has the schema '9999'" in complained.decode()


async def test_going_back_is_refused_and_changes_nothing(database: Database) -> None:
    await database.bring_up()
    digest = await SqlBlobs(database).put("acme", b"kept")

    def downgrade(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(migrations.FOLDER))
        command.downgrade(config, "base")

    with pytest.raises(StorageFailed, match="never taken back to an older revision: restore the backup"):
        await database.write(downgrade)
    assert await SqlBlobs(database).get("acme", digest) == b"kept"


async def test_the_command_says_from_which_revision_to_which(place: Settings) -> None:
    for expected in (f"brought from nothing to revision {HEAD}", f"was up to date, at revision {HEAD}"):
        ended = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local", "migrate"),
            cwd=ROOT,
            env=environment_of(place),
            stdout=subprocess.PIPE,
        )
        output, _ = await ended.communicate()
        assert ended.returncode == 0
        assert output.decode().strip().endswith(expected)


def test_the_command_tells_what_is_wrong_in_one_line() -> None:
    environment = environment_with(PERDURE_DATABASE__POSTGRES="postgresql//hush")
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.local", "migrate"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "perdure: the address of PostgreSQL cannot be used: write PERDURE_DATABASE__POSTGRES"
    )
    assert len(ended.stderr.splitlines()) == 1
    assert "hush" not in ended.stderr


@pytest.mark.parametrize("schema", [BEFORE_MIGRATIONS, BEFORE_MIGRATIONS.partition("CREATE TABLE paid")[0]])
async def test_a_file_from_before_there_were_migrations_is_taken_over_without_loss(tmp_path: Path, schema: str) -> None:
    place = Settings.model_validate({"paths": {"state": tmp_path}})
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    with closing(sqlite3.connect(tmp_path / "perdure.db", isolation_level=None)) as file:
        file.executescript(schema)
        file.execute("INSERT INTO bodies VALUES ('acme', ?, ?)", (digest, b"foo"))
        if "paid_attempts" in schema:
            row = ("acme", "run", "shared", 1, "acme:one", "2026-01-01T00:00:00+00:00")
            saved = (Spend(steps=1).model_dump_json(), reply("then").model_dump_json(), 0)
            file.execute("INSERT INTO paid_attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row + saved)
    async with open_database(place) as database:
        assert await SqlBlobs(database).get("acme", digest) == b"foo"
        saved_reply = await RegisteredReplies(database).begin(order(KEY, 2), Generated)
        assert (saved_reply is not None) == ("paid_attempts" in schema)
        if saved_reply is not None:
            assert saved_reply == reply("then").model_copy(update={"charges": {1: Spend(steps=1), 2: Spend()}})
        assert await database.bring_up() == SchemaUpgrade(None, HEAD)
    with closing(sqlite3.connect(tmp_path / "perdure.db")) as file:
        tables = dict(file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    assert f"{tables['bodies']};" in BEFORE_MIGRATIONS
