"""Stores a stack's addresses and processes on disk: commands find the stack, and the next start ends its orphans."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.processes.errors import AlreadyRunning
from deploy.processes.progress import CONSOLE

GRACE_SECONDS = 15.0
"""How long a process may take to end after SIGTERM before it is killed."""
SAME_SECONDS = 2.0
"""The largest difference of two readings of one process's start: they are computed from a clock that is adjusted."""


class Addresses(BaseModel):
    """The addresses of a stack's processes."""

    model_config = ConfigDict(frozen=True)

    temporal: str
    """Host and port of Temporal's gRPC."""
    ui: str | None
    """The Temporal UI; None for a server that the stack did not start."""
    models: dict[str, str] = Field(default_factory=dict[str, str])
    """The OpenAI-compatible endpoints by deployment, including those of the settings."""

    store: str | None = None
    """Weaviate's address; None for LanceDB files under the state."""
    desk: str | None = None
    """The desk's address, which counts the tickets and messages that agents write; None where the stack has none."""

    @property
    def model(self) -> str | None:
        """The endpoint of the deployment `fast`; None where there is none."""
        return self.models.get("fast")


class ProcessRecord(BaseModel):
    """A process, with its start time: a later process with the same pid is not mistaken for it."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    created: float

    @classmethod
    def named(cls, name: str, pid: int) -> Self:
        """Return the record of the process that has this pid now."""
        return cls(name=name, pid=pid, created=psutil.Process(pid).create_time())

    def running(self) -> psutil.Process | None:
        """Return the live process; None if it ended, also if another process has its pid now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < SAME_SECONDS
            # A zombie has ended, but its parent has not waited for it; in a container it may stay one for ever.
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class Record(BaseModel):
    """The file `run/stack.json` in the state folder."""

    model_config = ConfigDict(frozen=True)

    supervisor: ProcessRecord
    parts: tuple[ProcessRecord, ...] = ()
    addresses: Addresses | None = None
    """The addresses; None until every process is ready."""

    @classmethod
    def read(cls, state: Path) -> Self | None:
        """Read the record of the state folder; None if there is no readable one."""
        try:
            return cls.model_validate_json(_path(state).read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, state: Path) -> None:
        """Replace the file atomically: a reader sees the old record or this one."""
        new_file = _path(state).with_suffix(".new")
        new_file.write_text(self.model_dump_json(indent=2))
        new_file.replace(_path(state))


def claim(state: Path) -> Record:
    """Become the supervisor of the state folder, and end the processes of a killed one. Raises `AlreadyRunning`."""
    _path(state).parent.mkdir(parents=True, exist_ok=True)
    with _locked(state):
        previous = Record.read(state)
        if previous is not None and previous.supervisor.running() is not None:
            where = f", Temporal at {previous.addresses.temporal}" if previous.addresses else ""
            raise AlreadyRunning(
                f"a stack already runs on {str(state)!r} (pid {previous.supervisor.pid}{where}): stop it with Ctrl-C "
                "where it runs, or set PERDURE_PATHS__STATE to another folder"
            )
        if previous is not None:
            end([part for part in reversed(previous.parts) if part.running()])
        record = Record(supervisor=ProcessRecord.named("supervisor", os.getpid()))
        record.write(state)
    return record


def release(state: Path) -> None:
    """Remove the record of the stack, after all its processes are gone."""
    _path(state).unlink(missing_ok=True)


def end(orphans: list[ProcessRecord]) -> None:
    """End processes in this order and wait until each is gone; kill one that does not end in time."""
    for orphan in orphans:
        CONSOLE.print(f"ending {orphan.name} (pid {orphan.pid}), left by a stack that was killed", highlight=False)
        for stop in (psutil.Process.terminate, psutil.Process.kill):
            process = orphan.running()
            if process is None:
                break
            stop(process)
            deadline = time.monotonic() + GRACE_SECONDS
            while orphan.running() is not None and time.monotonic() < deadline:
                time.sleep(0.05)


def _path(state: Path) -> Path:
    return state / "run" / "stack.json"


@contextmanager
def _locked(state: Path) -> Generator[None]:
    with _path(state).with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two stacks that start at once: one waits here, then finds the other
        yield
