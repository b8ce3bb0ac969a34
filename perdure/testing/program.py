"""A program of the checkout: it tells what it is in a line of JSON, obeys a line at a time, and ends with its input."""

import json
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
"""How long a program may take until it is ready, or obeys: models are loaded from a cold disk."""

GRACE_SECONDS = 60.0
"""How long it may take to stop what it started before it is killed."""

TAIL_LINES = 12
"""How many of a log's last lines an error shows."""


class ProgramFailed(PlatformError):
    """A program of the checkout ended by itself, or did not do what it was asked."""


class Program:
    """A subprocess, bound to this process: without it, its input ends, and so does everything that it started."""

    def __init__(self, name: str, command: Sequence[str], *, folder: Path, log: Path) -> None:
        """Start it and wait for what it tells. Raises `ProgramFailed` with the end of its log."""
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter of the user's own checkout
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the test, which then stops this in order
            )
        self._said: queue.Queue[str | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        try:
            self.told = self._answer("told where it is")
        except BaseException:  # also Ctrl-C: nothing may stay behind
            self._process.terminate()  # it does not hear its input before it has started
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def ask(self, command: str) -> dict[str, Any]:
        """Give it a command, and return what it answers. Raises `ProgramFailed`."""
        if self._process.stdin is None:
            raise RuntimeError("the program was started without a pipe")
        with suppress(BrokenPipeError):  # then there is no answer either, and the log says why
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        said = self._answer(f"obeyed {command!r}")
        if "error" in said:
            raise ProgramFailed(f"{self.name}: {said['error']}")
        return said

    def stop(self) -> None:
        """End its input, and wait until it is gone with everything that it started; kill it where it does not end."""
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
            line = self._said.get(timeout=READY_SECONDS)
        except queue.Empty:
            raise ProgramFailed(f"{self.name} has not {what} within {READY_SECONDS:.0f} s; {self._end()}") from None
        if line is None:
            self._said.put(None)  # whoever asks next hears it too
            raise ProgramFailed(f"{self.name} ended by itself with exit code {self._process.wait()}; {self._end()}")
        return dict(json.loads(line))

    def _listen(self, out: IO[str] | None) -> None:
        if out is not None:
            with out:
                for line in out:
                    self._said.put(line)
        self._said.put(None)

    def _end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return f"the end of its log {self.log}:" + "".join(f"\n  {line}" for line in lines or ["(empty)"])
