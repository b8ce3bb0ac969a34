"""Runs one process of the stack: starts it, waits until it is ready, watches and stops it, and logs its output."""

import atexit
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

import mirakuru.base
from mirakuru.exceptions import ProcessFinishedWithError

from activities.settings import ROOT
from deploy.processes.errors import ProcessDied
from deploy.processes.state_file import GRACE_SECONDS

READY_SECONDS = 120.0
"""How long a process may take to be ready: weights come from a cold disk, and the worker's libraries are large."""
EVERY = 0.1
"""The seconds between two looks at a process that is not ready yet."""
TAIL_LINES = 12
"""The number of log lines that are shown when a process ended."""

# At its exit mirakuru kills every process whose environment holds this process's number anywhere in a random mark. On a
# machine with small process numbers that hits other stacks. A stack stops its own processes.
atexit.unregister(mirakuru.base.cleanup_subprocesses)


class Process(mirakuru.base.SimpleExecutor):
    """A process of the stack. After its end it can be started again, with the same command, address and log."""

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str],
        ready_seconds: float | None = None,
    ) -> None:
        """Prepare it. `ready` is called about ten times a second until true; `environment` is added to our own."""
        super().__init__(
            command,
            cwd=str(ROOT),
            timeout=GRACE_SECONDS,
            stdin=DEVNULL,
            stderr=STDOUT,
            envvars=dict(environment),
        )
        self._command = command
        self._ready_seconds = READY_SECONDS if ready_seconds is None else ready_seconds
        self.name = name
        self.log = log
        self._ready = ready
        self._log_begin = 0
        self._deadline = 0.0

    def begin(self, started: Callable[[int], None]) -> None:
        """Start it and wait until it is ready; `started` is called with its pid at once. Raises `ProcessDied`."""
        self.launch(started)
        while not self.is_ready():
            time.sleep(EVERY)

    def launch(self, started: Callable[[int], None], *, adds_to_log: bool = False) -> None:
        """Start it without waiting until it is ready; `started` is called with its pid.

        The log of an earlier start is kept beside the new one; with `adds_to_log` it goes on.
        """
        if not adds_to_log and self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        self.command_parts = [*bound_to_this_process(), *self._command]
        with self.log.open("ab") as out:
            self._log_begin = out.tell()
            self._stdout = out
            self.start()
        self._deadline = time.monotonic() + self._ready_seconds
        if self.process is not None:
            started(self.process.pid)

    def is_ready(self) -> bool:
        """Return whether it is ready. Raises `ProcessDied` where it ended, or has had its time and was killed."""
        self.check()  # first: another process may answer in its place
        if self._ready():
            self.check()
            return True
        if time.monotonic() > self._deadline:
            self.clear()
            how = f"{self.name} was not ready after {self._ready_seconds:.0f} s and was stopped"
            raise ProcessDied(how, self.log, self.printed()[-TAIL_LINES:])
        return False

    def check(self) -> None:
        """Raise `ProcessDied` if the process ended."""
        if self.process is not None and (code := self.process.poll()) is not None:
            raise self._died(code)

    def clear(self) -> None:
        """Kill it, and the processes that it started: after that it can be started again."""
        self.kill()

    def end(self) -> None:
        """Stop it, and wait until it is gone: then its port and files are free."""
        with suppress(ProcessFinishedWithError):  # it is gone already; its log has the reason
            self.stop()
        self.clear()  # what it started has no other parent

    def ask_to_end(self) -> None:
        """Send it SIGTERM, and wait for nothing."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def printed(self) -> list[str]:
        """Return the lines that it has printed since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace").splitlines()

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        # mirakuru runs Python code in the forked child, unsafe beside threads; `start_new_session` does the same.
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]
        return {**kwargs, "start_new_session": True}

    def _died(self, code: int) -> ProcessDied:
        signal_name = f" (killed by {signal.Signals(-code).name})" if code < 0 else ""
        how = f"{self.name} ended by itself with exit code {code}{signal_name}"
        return ProcessDied(how, self.log, self.printed()[-TAIL_LINES:], code)


class LastingThread(threading.Thread):
    """A thread that lives as long as the processes that it starts."""


def bound_to_this_process() -> list[str]:
    """Return the words to put before a command, so that its process ends with this one."""
    # With util-linux, the kernel ends the processes of a supervisor that is killed. It watches the thread that started
    # them, so this works from threads that last. Elsewhere `state_file.claim` ends them at the next start.
    thread = threading.current_thread()
    lasts = thread is threading.main_thread() or isinstance(thread, LastingThread)
    tool = shutil.which("setpriv") if lasts else None
    return [tool, "--pdeathsig", "TERM", "--"] if tool else []
