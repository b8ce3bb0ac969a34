"""Locks a folder that all checkouts of a user share, so that one process at a time fills it, and removes leftovers."""

import fcntl
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deploy.processes.progress import CONSOLE


@contextmanager
def only_one(folder: Path, doing: str, leftovers: str | None = None) -> Generator[None]:
    """Hold the folder's lock, which ends with this process; `doing` names the work of the process that is waited for.

    Files that match `leftovers` in the folder are from a killed process, and are removed.
    """
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            CONSOLE.print(f"another process is {doing}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob(leftovers) if leftovers else ():
            shutil.rmtree(leftover, ignore_errors=True)
        yield
