"""One at a time of what fills a folder that all checkouts of a user share, and nothing left of one that was killed."""

import fcntl
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deploy.processes.progress import CONSOLE


@contextmanager
def only_one(folder: Path, doing: str, leftovers: str | None = None) -> Generator[None]:
    """Hold the folder's lock, which ends with its process; a wait for another is said as `doing`.

    What matches `leftovers` in the folder was left by one that was killed, and is removed.
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
