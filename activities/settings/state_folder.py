"""Keeps the state folder to its owner: a mask for everything that a process writes, and modes for what is there."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OTHERS = 0o077
"""The permissions of the group and of everybody else: none of our files has any of them."""

PLACES = {
    "perdure.db": "texts, paid replies, the ledger of calls, accounts, decisions and callers",
    "temporal.db": "the histories of all runs, by the embedded Temporal server",
    "tokens.db": "the words of replies while they are written",
    "desk.db": "the tickets and messages that agents wrote to the embedded desk",
    "index": "the chunks of documents, with their vectors",
    "weaviate": "the same in the embedded Weaviate",
    "weaviate.key": "the key of the embedded Weaviate",
    "logs": "what the parts of the stack print",
    "run": "the pids and addresses of the stack that runs",
    "traces": "spans: names, times, sizes and models",
    "evals": "questions and answers of the last evals",
    "bill.db": "what the stub model of tests was asked, and its prices",
    "catalogue.toml": "the model catalogue of a test stack",
}
"""What lies in a state folder. SQLite's own files (`-wal`, `-shm`) and copies (`.restoring`) begin with these names."""


def keep_private(state: Path) -> None:
    """Let everything that this process and its children write be its owner's alone, and mend an older state folder.

    Only what we put there is mended (`PLACES`): the folder may be one that holds other things too. A folder of another
    user stays as it is, and `perdure doctor` reports it.
    """
    os.umask(OTHERS)
    with suppress(OSError):
        found = state.stat()
        if found.st_mode & stat.S_ISVTX or not found.st_mode & OTHERS or not _ours(state):
            return  # everybody's, such as /tmp; private already; or nothing of ours
        for path in exposed(state):
            with suppress(OSError):
                path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)


def exposed(state: Path) -> Iterator[Path]:
    """Yield what others may use of a state folder: the folder itself, and what we put there. Links are not followed."""
    if _is_exposed(state):
        yield state
    for entry in sorted(state.iterdir()):
        if not _is_place(entry.name) or entry.is_symlink():
            continue
        for path in (entry, *(entry.rglob("*") if entry.is_dir() else ())):
            if not path.is_symlink() and _is_exposed(path):
                yield path


def _is_exposed(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & OTHERS)
    except FileNotFoundError:  # a part of the stack has removed it meanwhile
        return False


def _ours(state: Path) -> bool:
    entries = [entry.name for entry in state.iterdir()]
    return not entries or any(_is_place(name) for name in entries)


def _is_place(name: str) -> bool:
    return any(name == place or name.startswith((f"{place}-", f"{place}.")) for place in PLACES)
