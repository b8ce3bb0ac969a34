"""A backup holds both databases, the platform's never older than Temporal's; a restore is complete or not done."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deploy.local.commands.backup import ORDER, back_up, restore
from deploy.processes.errors import DeployError


def write(file: Path, value: int) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS facts (value INTEGER)")
        database.execute("INSERT INTO facts VALUES (?)", (value,))


def read(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as database:
        return [value for (value,) in database.execute("SELECT value FROM facts ORDER BY value")]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (folder := tmp_path / "state").mkdir()
    for name in ORDER:
        write(folder / name, 1)
    return folder


def test_what_is_restored_is_what_was_there_when_it_was_backed_up(state: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(state / "perdure.db")) as writing:
        writing.execute("INSERT INTO facts VALUES (7)")  # in an open transaction, so not in the backup
        back_up(state, tmp_path / "backup")
    for name in ORDER:
        write(state / name, 2)
    restore(state, tmp_path / "backup")
    assert [read(state / name) for name in ORDER] == [[1], [1]]


def test_temporals_database_is_never_the_newer_of_a_backup(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []

    def copy(source: Path, _: Path) -> None:
        copied.append(source.name)

    monkeypatch.setattr("deploy.local.commands.backup._copy", copy)
    back_up(state, tmp_path / "backup")
    assert copied == ["temporal.db", "perdure.db"]


@pytest.mark.parametrize("name", ORDER)
def test_half_a_backup_is_not_restored(state: Path, tmp_path: Path, name: str) -> None:
    back_up(state, tmp_path / "backup")
    (tmp_path / "backup" / name).unlink()
    for file_name in ORDER:
        write(state / file_name, 2)
    with pytest.raises(DeployError, match="both belong together"):
        restore(state, tmp_path / "backup")
    assert [read(state / file_name) for file_name in ORDER] == [[1, 2], [1, 2]]


def test_a_damaged_copy_is_not_put_in_place(state: Path, tmp_path: Path) -> None:
    back_up(state, tmp_path / "backup")
    (tmp_path / "backup" / "temporal.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DeployError, match=r"temporal\.db cannot be copied"):
        restore(state, tmp_path / "backup")
    assert [read(state / file_name) for file_name in ORDER] == [[1], [1]]


def test_a_backup_goes_into_a_folder_of_its_own(state: Path, tmp_path: Path) -> None:
    back_up(state, tmp_path / "backup")
    with pytest.raises(DeployError, match="is not empty"):
        back_up(state, tmp_path / "backup")
