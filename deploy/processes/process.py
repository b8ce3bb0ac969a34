"""Runs one process of the stack: starts it, waits until it is ready, watches and stops it, and logs its output."""

import atexit
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

import mirakuru.base
from mirakuru.exceptions import ProcessExitedWithError, ProcessFinishedWithError, TimeoutExpired

from activities.settings import ROOT
from deploy.processes.errors import ProcessDied
from deploy.processes.state_file import GRACE_SECONDS

READY_SECONDS = 120.0
"""How long a process may take to be ready: weights come from a cold disk, and the worker's libraries are large."""
TAIL_LINES = 12
"""The number of log lines that are shown when a process ended."""

# At its exit mirakuru kills every process whose environment holds this process's number anywhere in a random mark. On a
# machine with small process numbers that hits other stacks. A stack stops its own processes.
atexit.unregister(mirakuru.base.cleanup_subprocesses)


class Process(mirakuru.base.Executor):
    """A process of the stack."""

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
            [*bound_to_this_process(), *command],
            cwd=str(ROOT),
            timeout=READY_SECONDS if ready_seconds is None else ready_seconds,
            stdin=DEVNULL,
            stderr=STDOUT,
            envvars=dict(environment),
        )
        self._ready_seconds = READY_SECONDS if ready_seconds is None else ready_seconds
        self.name = name
        self.log = log
        self._ready = ready
        self._started: Callable[[int], None] | None = None

    def begin(self, started: Callable[[int], None]) -> None:
        """Start it and wait until it is ready; `started` is called with its pid at once. Raises `ProcessDied`."""
        self._started = started
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        with self.log.open("wb") as out:
            self._stdout = out
            try:
                self.start()
            except TimeoutExpired:
                raise ProcessDied(
                    f"{self.name} was not ready after {self._ready_seconds:.0f} s and was stopped; {self._log_end()}"
                ) from None
            except ProcessExitedWithError as error:
                raise self._died(error.exit_code) from None

    def check(self) -> None:
        """Raise `ProcessDied` if the process ended."""
        if self.process is not None and (code := self.process.poll()) is not None:
            raise self._died(code)

    def end(self) -> None:
        """Stop it, and wait until it is gone: then its port and files are free."""
        self._timeout = GRACE_SECONDS  # mirakuru has one limit for starting and stopping
        with suppress(ProcessFinishedWithError):  # it is gone already; its log has the reason
            self.stop()

    def pre_start_check(self) -> bool:
        """Return False: it does not run yet, since its port was free."""
        return False

    def check_subprocess(self) -> bool:
        """Report the pid once, check that the process lives, and return whether it is ready."""
        if self._started is not None and self.process is not None:
            self._started(self.process.pid)
            self._started = None
        ready = super().check_subprocess()
        self.check()  # otherwise a process that ends with 0 before it is ready would be waited for
        return ready

    def after_start_check(self) -> bool:
        """Return whether it is ready."""
        return self._ready()

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        # mirakuru runs Python code in the forked child, unsafe beside threads; `start_new_session` does the same.
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]
        return {**kwargs, "start_new_session": True}

    def _died(self, code: int) -> ProcessDied:
        signal_name = f" (killed by {signal.Signals(-code).name})" if code < 0 else ""
        return ProcessDied(f"{self.name} ended by itself with exit code {code}{signal_name}; {self._log_end()}")

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return f"the end of its log {self.log}:" + "".join(f"\n  {line}" for line in lines or ["(empty)"])


def bound_to_this_process() -> list[str]:
    """Return the words to put before a command, so that its process ends with this one."""
    # With util-linux, the kernel ends the processes of a supervisor that is killed. It watches the thread that started
    # them, so this works from the main thread only. Elsewhere `state_file.claim` ends them at the next start.
    tool = shutil.which("setpriv") if threading.current_thread() is threading.main_thread() else None
    return [tool, "--pdeathsig", "TERM", "--"] if tool else []
