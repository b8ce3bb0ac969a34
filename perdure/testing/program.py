"""A program of the checkout: it reports in a line of JSON, obeys commands line by line, and ends with its input."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from perdure.errors import PlatformError

__all__ = ["Program", "ProgramFailed"]

READY_SECONDS = 300.0
"""The seconds that a program may take to start, or to obey: models are loaded from a cold disk."""

GRACE_SECONDS = 60.0
"""The seconds that a program may take to stop everything it started, before it is killed."""

TAIL_LINES = 12
"""The number of a log's last lines that an error shows."""


class ProgramFailed(PlatformError):
    """A program of the checkout that ended by itself, or did not obey a command."""


class Program:
    """A subprocess that ends with this process: its input ends then, and so does everything that it started."""

    def __init__(self, name: str, command: Sequence[str], *, folder: Path, log: Path) -> None:
        """Start the program and wait for its report. Raises `ProgramFailed` with the end of its log."""
        self.name = name
        self.log = log
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(log, "wb", opener=_private) as errors:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter of the user's own checkout
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the test, which then stops this in order
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        try:
            self.report = self._answer("reported that it is ready")
        except BaseException:  # also after Ctrl-C: leave no process behind
            self._process.terminate()  # it does not read its input before it has started
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command, and return the program's answer. Raises `ProgramFailed`."""
        if self._process.stdin is None:
            raise RuntimeError("the program was started without a pipe")
        with suppress(BrokenPipeError):  # then there is no answer, and the log says why
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        answer = self._answer(f"obeyed {command!r}")
        if "error" in answer:
            raise ProgramFailed(f"{self.name}: {answer['error']}")
        return answer

    def stop(self) -> None:
        """End the program's input, and wait until it and everything it started is gone. Kill it if it does not end."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(GRACE_SECONDS)

    def _answer(self, what: str) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=READY_SECONDS)
        except queue.Empty:
            raise ProgramFailed(f"{self.name} has not {what} within {READY_SECONDS:.0f} s; {self._end()}") from None
        if line is None:
            self._lines.put(None)  # the next caller gets it as well
            raise ProgramFailed(f"{self.name} ended by itself with exit code {self._process.wait()}; {self._end()}")
        return dict(json.loads(line))

    def _listen(self, out: IO[str] | None) -> None:
        if out is not None:
            with out:
                for line in out:
                    self._lines.put(line)
        self._lines.put(None)

    def _end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return f"the end of its log {self.log}:" + "".join(f"\n  {line}" for line in lines or ["(empty)"])


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: a log may hold what a run was asked."""
    return os.open(path, flags, 0o600)
