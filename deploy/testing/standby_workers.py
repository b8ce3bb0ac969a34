"""Runs workers that are really killed: one serves and one stands by, so that no test waits for imports after a kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from activities.settings import ROOT, environment_with
from activities.settings.foreign_work import SINGLE_THREADED
from deploy.processes.errors import ProcessDied
from deploy.processes.process import TAIL_LINES, bound_to_this_process
from deploy.testing.fork_server import STANDING_BY

WARM_SECONDS = 120.0
"""How long imports and connecting may take on a busy machine, in seconds."""


class ForkServer:
    """The process that workers are forked from, with everything imported."""

    def __init__(self, folder: Path, environment: Mapping[str, str], tools: Path | None = None) -> None:
        """Start it. Workers log into `folder` and also get the tools in `tools`. The first worker waits for imports."""
        further = [] if tools is None else ["--tools", str(tools)]
        self._folder = folder
        self._forked = 0
        self._process = subprocess.Popen(
            [*bound_to_this_process(), sys.executable, "-m", "deploy.testing.fork_server", *further],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment_with(**SINGLE_THREADED, **environment),
            start_new_session=True,  # Ctrl-C goes to the process that uses the workers
        )

    def fork(self) -> "Worker":
        """Fork a worker and return it; it stands by soon. Raises `ProcessDied`."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process that forks workers was started without pipes")
        self._forked += 1
        log = self._folder / f"worker-{self._forked:03}.log"
        log.touch()
        print(log, file=self._process.stdin, flush=True)
        pid = self._process.stdout.readline()
        if not pid:
            raise ProcessDied(f"the process that forks workers ended by itself with {self._process.wait()}")
        return Worker(int(pid), log)

    def close(self) -> None:
        """End it, and with it every remaining worker."""
        self._process.kill()
        self._process.communicate()


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
