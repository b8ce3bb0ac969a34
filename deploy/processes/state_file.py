"""What a stack leaves on disk about itself, so that another command finds it and a later one ends its orphans."""

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
"""How far two readings of one process's start may differ, since they are computed from a clock that is adjusted."""


class Addresses(BaseModel):
    """Where the parts of a stack answer."""

    model_config = ConfigDict(frozen=True)

    temporal: str
    """Host and port of Temporal's gRPC."""
    ui: str | None
    """The Temporal UI; None for a server that the stack did not start."""
    models: dict[str, str] = Field(default_factory=dict[str, str])
    """OpenAI-compatible endpoints by deployment, those that the settings name included."""

    store: str | None = None
    """Weaviate's address; None for LanceDB files under the state."""
    desk: str | None = None
    """The desk's address, which counts the tickets and messages that agents write; None where the stack has none."""

    @property
    def model(self) -> str | None:
        """The endpoint of the deployment `fast`; None where there is none."""
        return self.models.get("fast")


class ProcessRecord(BaseModel):
    """A process that cannot be mistaken for a later one with its number."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    created: float

    @classmethod
    def named(cls, name: str, pid: int) -> Self:
        """The process that runs under this number now."""
        return cls(name=name, pid=pid, created=psutil.Process(pid).create_time())

    def running(self) -> psutil.Process | None:
        """The live process; None if it ended, also if its number was given to another."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.created) < SAME_SECONDS
            # A zombie is a process that ended and that nobody asked about; in a container it may stay one for ever.
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class Record(BaseModel):
    """`run/stack.json` in the state folder."""

    model_config = ConfigDict(frozen=True)

    supervisor: ProcessRecord
    parts: tuple[ProcessRecord, ...] = ()
    addresses: Addresses | None = None
    """None until every part is ready."""

    @classmethod
    def read(cls, state: Path) -> Self | None:
        """The record of the state folder, if there is a readable one."""
        try:
            return cls.model_validate_json(_path(state).read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, state: Path) -> None:
        """Put it in place at once: a reader sees the old one or this one."""
        written = _path(state).with_suffix(".new")
        written.write_text(self.model_dump_json(indent=2))
        written.replace(_path(state))


def claim(state: Path) -> Record:
    """Become the supervisor of the state folder, and end what a killed one left. Raises `AlreadyRunning`."""
    _path(state).parent.mkdir(parents=True, exist_ok=True)
    with _locked(state):
        before = Record.read(state)
        if before is not None and before.supervisor.running() is not None:
            where = f", Temporal at {before.addresses.temporal}" if before.addresses else ""
            raise AlreadyRunning(
                f"a stack already runs on {str(state)!r} (pid {before.supervisor.pid}{where}): stop it with Ctrl-C "
                "where it runs, or set PERDURE_PATHS__STATE to another folder"
            )
        if before is not None:
            end([part for part in reversed(before.parts) if part.running()])
        record = Record(supervisor=ProcessRecord.named("supervisor", os.getpid()))
        record.write(state)
    return record


def release(state: Path) -> None:
    """Forget the stack: all its processes are gone."""
    _path(state).unlink(missing_ok=True)


def end(orphans: list[ProcessRecord]) -> None:
    """End processes in this order and wait until they are gone; kill what does not end in time."""
    for orphan in orphans:
        CONSOLE.print(f"ending {orphan.name} (pid {orphan.pid}), left by a stack that was killed", highlight=False)
        for act in (psutil.Process.terminate, psutil.Process.kill):
            process = orphan.running()
            if process is None:
                break
            act(process)
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
