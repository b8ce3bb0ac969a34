"""The files beside LanceDB's tables: which table is live, what a name is an alias of, and who may write."""

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


def live_table(home: Path) -> str | None:
    """The name of a collection's live table; None where there is no collection."""
    return _read(home / _LIVE, "table")


def make_live(home: Path, table: str) -> None:
    """Make a table the live one."""
    _write(home / _LIVE, "table", table)


def aliased(home: Path) -> str | None:
    """The collection that this name is an alias of; None where it is none."""
    return _read(home / _ALIAS, "collection")


def make_alias(home: Path, collection: str | None) -> None:
    """Make this name an alias of a collection; None ends it."""
    if collection is None:
        (home / _ALIAS).unlink(missing_ok=True)
    else:
        home.mkdir(parents=True, exist_ok=True)
        _write(home / _ALIAS, "collection", collection)


def try_writing(folder: Path) -> None:
    """Write a file and remove it: raises what keeps the folder from being written to."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
    finally:
        probe.unlink(missing_ok=True)


@asynccontextmanager
async def only_writer(home: Path) -> AsyncGenerator[None]:
    """Hold the collection's lock, which ends with its process."""
    with (home / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Waiting in a thread could not be cancelled.
                await asyncio.sleep(0.05)
            else:
                break
        yield


@contextmanager
def plainly(what: str) -> Generator[None]:
    """Turn what LanceDB and the file system raise into the port's errors, in one line."""
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
    """Put it in place at once: a reader sees the old file or the new one."""
    draft = file.with_name(f".{file.name}")
    with draft.open("w") as out:
        json.dump({key: value}, out)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
