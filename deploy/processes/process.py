"""One process of the stack: started, asked whether it is ready, watched, stopped; its output goes to a log file."""

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
"""How long a part may take to be ready: weights come from a cold disk, and the worker's libraries are large."""
TAIL_LINES = 12
"""How many of a log's last lines are shown when its process ended."""

# At its exit mirakuru kills every process whose environment holds this process's number anywhere in a random mark: on a
# machine with small numbers those are other stacks' processes. A stack stops its own parts.
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
        """`ready` is asked about ten times a second, while the process runs; `environment` is added to this one's."""
        super().__init__(
            [*bound_to_this_process(), *command],
            cwd=str(ROOT),
            timeout=ready_seconds or READY_SECONDS,
            stdin=DEVNULL,
            stderr=STDOUT,
            envvars=dict(environment),
        )
        self._ready_seconds = ready_seconds or READY_SECONDS
        self.name = name
        self.log = log
        self._ready = ready
        self._started: Callable[[int], None] | None = None

    def begin(self, started: Callable[[int], None]) -> None:
        """Start it and wait until it is ready; `started` hears its process number at once. Raises `ProcessDied`."""
        self._started = started
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        with self.log.open("wb") as out:
            self._stdout = out
            try:
                self.start()
            except TimeoutExpired:
                raise ProcessDied(
                    f"{self.name} was not ready after {self._ready_seconds:.0f} s and was stopped; {self._last_words()}"
                ) from None
            except ProcessExitedWithError as error:
                raise self._died(error.exit_code) from None

    def check(self) -> None:
        """Raise `ProcessDied` if the process ended."""
        if self.process is not None and (code := self.process.poll()) is not None:
            raise self._died(code)

    def end(self) -> None:
        """Stop it, and wait until its process is gone: its port and files are free then."""
        self._timeout = GRACE_SECONDS  # mirakuru has one limit for starting and stopping
        with suppress(ProcessFinishedWithError):  # it is gone, which was all that was wanted; its log says the rest
            self.stop()

    def pre_start_check(self) -> bool:
        """Whether it runs already: never, its port was free."""
        return False

    def check_subprocess(self) -> bool:
        """Report the process number, see that the process lives, then ask whether it is ready."""
        if self._started is not None and self.process is not None:
            self._started(self.process.pid)
            self._started = None
        ready = super().check_subprocess()
        self.check()  # one that ends with 0 before it is ready would be waited for otherwise
        return ready

    def after_start_check(self) -> bool:
        """Whether it is ready."""
        return self._ready()

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        # mirakuru runs Python code in the forked child, which is unsafe beside threads; the kernel does the same.
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]
        return {**kwargs, "start_new_session": True}

    def _died(self, code: int) -> ProcessDied:
        how = f" (killed by {signal.Signals(-code).name})" if code < 0 else ""
        return ProcessDied(f"{self.name} ended by itself with exit code {code}{how}; {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return f"the end of its log {self.log}:" + "".join(f"\n  {line}" for line in lines or ["(empty)"])


def bound_to_this_process() -> list[str]:
    """What a command begins with, so that it ends with this process."""
    # With util-linux, the kernel ends the parts of a supervisor that is killed. The bond is to the thread that starts
    # them, so it is only made from the main thread. Elsewhere `record.claim` ends them at the next start.
    tool = shutil.which("setpriv") if threading.current_thread() is threading.main_thread() else None
    return [tool, "--pdeathsig", "TERM", "--"] if tool else []
