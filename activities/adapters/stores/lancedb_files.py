"""Manages the files beside LanceDB's tables: the pointer to the live table, the alias, and the writer's lock."""

import asyncio
import errno
import fcntl
import json
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from activities.ports import PortError, StorageFailed, StorageFull

_LIVE = "live.json"
_ALIAS = "alias.json"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def live_table(folder: Path) -> str | None:
    """Return the name of a collection's live table; None where there is no collection."""
    return _read(folder / _LIVE, "table")


def make_live(folder: Path, table: str) -> None:
    """Make a table the live one."""
    _write(folder / _LIVE, "table", table)


def alias_target(folder: Path) -> str | None:
    """Return the collection that a name is an alias of; None where it is no alias."""
    return _read(folder / _ALIAS, "collection")


def make_alias(folder: Path, collection: str | None) -> None:
    """Make a name an alias of a collection; None removes the alias."""
    if collection is None:
        (folder / _ALIAS).unlink(missing_ok=True)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / _ALIAS, "collection", collection)


def try_writing(folder: Path) -> None:
    """Write a file and remove it. Raises the error that prevents writing to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
    finally:
        probe.unlink(missing_ok=True)


@asynccontextmanager
async def writer_lock(folder: Path) -> AsyncGenerator[None]:
    """Hold the collection's lock until the context or the process ends."""
    with (folder / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Polling, since a wait in a thread could not be cancelled.
                await asyncio.sleep(0.05)
            else:
                break
        yield


@contextmanager
def as_port_errors(what: str) -> Generator[None]:
    """Turn the errors of LanceDB and the file system into the port's errors of one line, which begins with `what`."""
    try:
        yield
    except PortError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        code = error.errno if isinstance(error, OSError) else None
        if code in _NO_ROOM or any(f"(os error {number})" in str(error) for number in _NO_ROOM):
            raise StorageFull(f"{what}: the disk is full; make room and try again") from None
        raise StorageFailed(f"{what}: {reason}; check the index folder, or build the index anew") from None


def _read(file: Path, key: str) -> str | None:
    try:
        return str(json.loads(file.read_bytes())[key])
    except FileNotFoundError:
        return None


def _write(file: Path, key: str, value: str) -> None:
    """Replace the file in one step: a reader sees the old file or the new one."""
    draft = file.with_name(f".{file.name}")
    with draft.open("w") as out:
        json.dump({key: value}, out)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
