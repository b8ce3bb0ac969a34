"""A worker's side of the fork server: starts it when first needed, asks it for processes, and kills these."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from activities.adapters.foreign_work.fork_server import ANSWER, COMMAND, FORK, REAP, serve
from activities.adapters.foreign_work.usage import ProcessUsage, Usage
from activities.settings import ROOT, environment_with
from activities.settings.foreign_work import SINGLE_THREADED

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
"""The variables that processes for foreign text see: no setting and no secret is among them."""
LONGEST_PROGRESS = 1 << 20
"""The bytes that are read of what a process has noted."""
LAST = 10
"""The niceness of work that takes long."""


def plain_environment() -> dict[str, str]:
    """Return the environment of processes that read foreign text."""
    return environment_with(_KEPT, **SINGLE_THREADED, HF_HUB_OFFLINE="1")


class NoProcess(Exception):
    """The fork server gave no process: it ended by itself, or it is away."""


class ForkServer:
    """The fork server of one kind of work. One serves all pools and event loops of this process; threads may share it.

    A worker has threads, so it never forks by itself. Every method blocks: call it on a thread.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = tuple(preload)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.reports: list[dict[str, Any]] = []
        """How the loading of each entry went, once it is started."""

    @property
    def pid(self) -> int | None:
        """Its process; None where it does not run, or was forked elsewhere."""
        return None if self._process is None else self._process.pid

    @property
    def ready(self) -> bool:
        """Whether it has loaded everything."""
        return bool(self.reports)

    def start(self) -> None:
        """Start it unless it runs, and wait until it has loaded everything. Raises `NoProcess`."""
        with self._lock:
            self._started()

    def adopt(self, control: socket.socket) -> None:
        """Use a fork server that was forked from a process with everything loaded."""
        self._control = control
        _running.append(self)

    def fork(self, niceness: int) -> "Child":
        """Return a new process. Raises `NoProcess`."""
        ours, theirs = socket.socketpair()
        progress = tempfile.TemporaryFile()  # noqa: SIM115 - the process's own
        try:
            with theirs, self._lock:
                control = self._started()
                try:
                    descriptors = [theirs.fileno(), progress.fileno()]
                    socket.send_fds(control, [COMMAND.pack(FORK, niceness)], descriptors)
                    pid = self._answer(control)
                except OSError:
                    raise self._lost() from None
        except NoProcess:
            ours.close()
            progress.close()
            raise
        ours.settimeout(0)
        return Child(self, control, pid, ours, progress)

    def serves(self, control: socket.socket) -> bool:
        """Return whether the fork server behind this socket still runs, as far as is known."""
        return self._control is control

    def reap(self, pid: int, control: socket.socket) -> int | None:
        """Return the exit code of a dead process that was forked over this socket; None where its server is gone."""
        with self._lock:
            if self._control is not control:
                return None
            try:
                control.sendall(COMMAND.pack(REAP, pid))
                return self._answer(control)
            except OSError:
                raise self._lost() from None

    def _started(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", "activities.adapters.foreign_work.fork_server"]
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [*command, str(theirs.fileno()), *self._preload],
                    cwd=ROOT,
                    env=plain_environment(),
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C goes to the worker, which ends it
                )
            _running.append(self)
        if not self.ready:
            self.reports = json.loads(self._exactly(self._control, self._answer(self._control)))
        return self._control

    def _answer(self, control: socket.socket) -> int:
        return int(ANSWER.unpack(self._exactly(control, ANSWER.size))[0])

    def _exactly(self, control: socket.socket, length: int) -> bytes:
        data = control.recv(length, socket.MSG_WAITALL)
        if len(data) < length:
            raise self._lost()
        return data

    def _lost(self) -> NoProcess:
        """Forget the fork server, which ended by itself: the next call starts another. Its processes died with it."""
        self.close()
        return NoProcess("the process that runs foreign work ended by itself")

    def close(self) -> None:
        """End it, and with it every process that it forked."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._control, self.reports = None, None, []


class Child:
    """One killable process."""

    def __init__(
        self, server: ForkServer, control: socket.socket, pid: int, peer: socket.socket, progress: BinaryIO
    ) -> None:
        self.peer = peer
        # An idle process ends by itself when nobody can ask it any more.
        weakref.finalize(self, peer.close)
        weakref.finalize(self, progress.close)
        self.used = 0
        """The number of requests that it was sent."""
        self._server = server
        self._control = control
        self._pid = pid
        self._progress = progress
        self._usage: ProcessUsage | None = None

    def begin(self) -> Usage:
        """Forget what earlier work noted, and return what the process has used before the next."""
        os.ftruncate(self._progress.fileno(), 0)
        return self.usage()

    def usage(self) -> Usage:
        """Return what it has used; zeros where it is gone."""
        self._usage = self._usage or ProcessUsage(self._pid)
        return self._usage.now()

    def progress(self) -> bytes:
        """Return what its present work has noted, also after its death."""
        return b"" if self._progress.closed else os.pread(self._progress.fileno(), LONGEST_PROGRESS, 0)

    def step_back(self) -> None:
        """Let every other process go first from now on; it cannot be taken back."""
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._pid, LAST)

    @property
    def alive(self) -> bool:
        """Whether it waits for a request; it may be gone where the system had no memory left."""
        try:
            return bool(self.peer.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def kill(self) -> None:
        """Kill it at once. Its pid stays taken until `reap`, so this never hits another process."""
        if self._server.serves(self._control) and self.peer.fileno() >= 0:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self.peer.close()
        self._progress.close()
        if self._usage is not None:
            self._usage.close()

    def reap(self) -> int | None:
        """Return the exit code of the killed process, negative for a signal; None where nobody knows. Blocks."""
        try:
            return self._server.reap(self._pid, self._control)
        except NoProcess:
            return None


_servers: dict[tuple[str, ...], ForkServer] = {}
_running: list[ForkServer] = []


def fork_server(preload: Sequence[str]) -> ForkServer:
    """Return this process's fork server for these entries."""
    return _servers.setdefault(tuple(preload), ForkServer(preload))


@atexit.register
def _end_all() -> None:
    for server in _running:
        server.close()


def fork_servers_here(reports: Mapping[tuple[str, ...], list[dict[str, Any]]]) -> None:
    """Fork the fork servers from this process, which has loaded their entries and has one thread; for tests."""
    for preload, loaded in reports.items():
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            ours.close()
            serve(theirs, loaded)
        theirs.close()
        fork_server(preload).adopt(ours)
