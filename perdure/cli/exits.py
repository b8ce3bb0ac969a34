"""Exit codes: what a script learns from a command without reading its output."""

import atexit
import os
import sys
from contextlib import suppress
from enum import IntEnum
from typing import NoReturn

from perdure.contracts.runs.run import Outcome


class Exit(IntEnum):
    """The exit code of a command."""

    DONE = 0
    """The command succeeded. A run that it waited for was answered."""
    ERROR = 1
    """The command failed: no server, no such run, a failed run, a file that cannot be written."""
    USAGE = 2
    """The arguments are invalid."""
    NOT_ANSWERED = 3
    """The run ended without an answer: it abstained, was refused, got stuck in a loop, or is unfinished."""
    EXHAUSTED = 4
    """The run ended because its budget did not cover the next effect."""
    CANCELLED = 5
    """The run was cancelled."""
    REJECTED = 6
    """A decision changed nothing: the run rejected it, no step waits for it, or it was not confirmed."""
    GOES_ON = 7
    """The time to wait was over, and the run goes on."""
    INTERRUPTED = 130
    """Ctrl-C was pressed. A run that was watched goes on."""


class Ended(Exception):
    """The end of a command, with an exit code and an optional line that says why."""

    def __init__(self, code: Exit, why: str = "") -> None:
        super().__init__(why)
        self.code = code


def exit_of(outcome: Outcome) -> Exit:
    """Return the exit code for a run's outcome."""
    match outcome.kind:
        case "answered" | "extracted":
            return Exit.DONE
        case "exhausted":
            return Exit.EXHAUSTED
        case "cancelled":
            return Exit.CANCELLED
        case _:
            return Exit.NOT_ANSWERED


def leave(code: int) -> NoReturn:
    """End the process at once, after everything is written and every exit handler has run.

    Temporal's core has threads of its own. One that calls into an interpreter which is already ending crashes the
    process, and with it the exit code.
    """
    with suppress(Exception):
        # There is no public name for it.
        atexit._run_exitfuncs()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
