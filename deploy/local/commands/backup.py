"""Backs up and restores the embedded stack's two databases: Temporal's first, so that ours is never older."""

import sqlite3
from contextlib import closing
from pathlib import Path

from deploy.processes.errors import DeployError
from deploy.processes.state_file import Record

ORDER = ("temporal.db", "perdure.db")
"""The order of copying. Histories hold a run's decisions, our ledger holds the calls that happened. A newer ledger
answers a repeated call with its outcome; an older one would let a write happen again. So ours is copied last."""


def back_up(state: Path, folder: Path) -> str:
    """Copy both databases into a new folder, also while the stack runs; return a report. Raises `DeployError`."""
    if folder.exists() and any(folder.iterdir()):
        raise DeployError(f"the folder {str(folder)!r} is not empty: name a new one for each backup")
    missing = [name for name in ORDER if not (state / name).is_file()]
    if missing:
        raise DeployError(f"{str(state)!r} holds no {missing[0]}: start the stack once, or set PERDURE_PATHS__STATE")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ORDER:
        _copy(state / name, folder / name)
    return f"backed up {' and then '.join(ORDER)} into {folder}"


def restore(state: Path, folder: Path) -> str:
    """Replace both databases by those of a backup; return a report. Raises `DeployError`."""
    missing = [name for name in ORDER if not (folder / name).is_file()]
    if missing:
        raise DeployError(f"{str(folder)!r} is no whole backup: {missing[0]} is not there; both belong together")
    if Record.read(state) is not None:
        raise DeployError("the stack is running: stop it with Ctrl-C where it runs, then restore")
    state.mkdir(parents=True, exist_ok=True)
    # Ours first. If this is interrupted, the histories are newer than the ledger only until it is repeated, and nothing
    # runs meanwhile.
    for name in reversed(ORDER):
        (state / f"{name}.restoring").unlink(missing_ok=True)
        _copy(folder / name, state / f"{name}.restoring")
    for name in reversed(ORDER):
        for leftover in (f"{name}-wal", f"{name}-shm"):
            (state / leftover).unlink(missing_ok=True)
        (state / f"{name}.restoring").replace(state / name)
    return f"restored {' and '.join(ORDER)} from {folder}"


def _copy(source: Path, target: Path) -> None:
    """Make a consistent copy of a database that others may be writing to, and check it. Raises `DeployError`."""
    uri = f"{source.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=60)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
            [verdict] = copy.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        raise DeployError(f"{source.name} cannot be copied: {error}") from None
    if verdict != "ok":
        raise DeployError(f"the copy of {source.name} is damaged ({verdict}): it is not used")
