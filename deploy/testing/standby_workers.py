"""Runs workers that are really killed: one serves and one stands by, so that no test waits for imports after a kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from activities.settings import ROOT, environment_with
from activities.settings.foreign_work import SINGLE_THREADED
from deploy.processes.errors import ProcessDied
from deploy.processes.process import TAIL_LINES, bound_to_this_process
from deploy.testing.fork_server import SHARED, STANDING_BY, socket_in

WARM_SECONDS = 120.0
"""How long imports and connecting may take on a busy machine, in seconds."""


class ForkServer:
    """The process that workers are forked from, with everything imported: a shared one, or one of our own."""

    def __init__(self, folder: Path, environment: Mapping[str, str], module: str | None = None) -> None:
        """Start it where none is shared. Workers log into `folder`, and import `module` first.

        The first worker of a fork server waits for imports.
        """
        self._folder = folder
        self._environment = environment_with(**environment)
        self._module = module
        self._forked = 0
        self._lifeline, self._our_end = os.pipe()
        self._stack = ExitStack()
        shared = environment_with().get(SHARED) or self._stack.enter_context(fork_server())
        self._socket = socket_in(Path(shared))

    def fork(self) -> "Worker":
        """Fork a worker and return it; it stands by soon. Raises `ProcessDied`."""
        self._forked += 1
        log = self._folder / f"worker-{self._forked:03}.log"
        log.touch()
        request = {"environment": self._environment, "log": str(log), "module": self._module}
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self._socket))
                socket.send_fds(connection, [json.dumps(request).encode()], [self._lifeline])
                connection.shutdown(socket.SHUT_WR)
                pid = connection.recv(32)
            except OSError as error:
                raise ProcessDied(f"the process that forks workers cannot be reached: {error}") from None
        if not pid:
            raise ProcessDied("the process that forks workers ended by itself: its output says why")
        return Worker(int(pid), log)

    def close(self) -> None:
        """End every remaining worker, and the fork server where it is our own."""
        self._stack.close()
        os.close(self._lifeline)
        os.close(self._our_end)


@contextmanager
def fork_server() -> Generator[str]:
    """Start a fork server, and yield the folder of its socket. It ends with the context, and with this process."""
    # The folder's name is short: a socket's path may have about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="perdure-") as folder:
        process = subprocess.Popen(
            [
                *bound_to_this_process(),
                sys.executable,
                "-m",
                "deploy.testing.fork_server",
                str(socket_in(Path(folder))),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment_with(**SINGLE_THREADED),
            start_new_session=True,  # Ctrl-C goes to the process that uses the workers
        )
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            if not process.stdout.readline():
                raise ProcessDied(f"the process that forks workers ended by itself with {process.wait()}")
            yield folder
        finally:
            process.kill()
            process.communicate()


class Worker:
    """One worker process: it stands by, serves, and is killed."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self._log = log

    def stand_by(self) -> None:
        """Wait until it has imported everything. Raises `ProcessDied`."""
        self._wait_until(lambda: self._has_logged(STANDING_BY), "stands by")

    def serve(self) -> None:
        """Let it connect and serve."""
        os.kill(self.pid, signal.SIGUSR1)

    def serving(self) -> None:
        """Wait until it polls its task queues. Raises `ProcessDied`."""
        self._wait_until(lambda: self._has_logged("ready:"), "serves")

    def kill(self) -> float:
        """Kill it as a power cut would; return the time, by the monotonic clock."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        killed = time.monotonic()
        self._wait_until(lambda: not self.lives(), "is gone")
        return killed

    def lives(self) -> bool:
        """Return whether its process exists."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return True
        return False

    def _has_logged(self, beginning: str) -> bool:
        """Return whether a line of its log begins so. Raises `ProcessDied` where the process ended."""
        lines = self._log.read_text(errors="replace").splitlines()
        if not self.lives():
            end = "".join(f"\n  {line}" for line in lines[-TAIL_LINES:])
            raise ProcessDied(f"the worker ended by itself; the end of its log {self._log}:{end}")
        return any(line.startswith(beginning) for line in lines)

    def _wait_until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WARM_SECONDS
        while not true():
            if time.monotonic() > deadline:
                raise ProcessDied(
                    f"the worker did not become ready within {WARM_SECONDS:.0f} s: it was waited for until it {what}"
                )
            time.sleep(0.005)


class StandbyWorkers:
    """One worker that serves and one that stands by."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._spare: Worker | None = None
        self._serving: Worker | None = None

    def ready(self) -> None:
        """Wait until one worker serves and another stands by. Raises `ProcessDied`."""
        serving = self._serving or self.promote()
        serving.serving()
        if self._spare is not None:
            self._spare.stand_by()

    def kill(self) -> float:
        """Kill the serving worker, if there is one; return the time of the kill. No worker serves then."""
        serving, self._serving = self._serving, None
        return time.monotonic() if serving is None else serving.kill()

    def promote(self) -> Worker:
        """Let the standby worker serve, and fork another to stand by; return the serving worker."""
        if self._serving is not None:
            return self._serving
        worker = self._spare or self._fork_server.fork()
        worker.stand_by()
        worker.serve()
        self._serving, self._spare = worker, self._fork_server.fork()
        return worker

    def check(self) -> None:
        """Raise `ProcessDied` where the serving worker ended by itself."""
        if self._serving is not None and not self._serving.lives():
            raise ProcessDied(f"the worker (pid {self._serving.pid}) ended by itself")
