"""Exit codes: what a script learns from a command without reading a word of it."""

from enum import IntEnum

from perdure.contracts.runs.run import Outcome


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    """It did what it says; a run that it waited for was answered."""
    ERROR = 1
    """It could not: no server, no such run, a run that failed, a file that cannot be written."""
    USAGE = 2
    """What was typed cannot be used."""
    NOT_ANSWERED = 3
    """The run ended well and without an answer: it abstained, or a guard refused."""
    EXHAUSTED = 4
    """The run ended because its budget would not cover what came next."""
    CANCELLED = 5
    """The run was cancelled."""
    REJECTED = 6
    """What a person said changed nothing: the run rejected it, nothing waits for it, or it was not confirmed."""
    GOES_ON = 7
    """The time to wait was over and the run goes on."""
    INTERRUPTED = 130
    """Ctrl-C. A run that was watched goes on."""


class Ended(Exception):
    """A command ends here, with this code and perhaps a line that says why."""

    def __init__(self, code: Exit, why: str = "") -> None:
        super().__init__(why)
        self.code = code


def exit_of(outcome: Outcome) -> Exit:
    """The code for what came of a run."""
    match outcome.kind:
        case "answered" | "extracted":
            return Exit.DONE
        case "exhausted":
            return Exit.EXHAUSTED
        case "cancelled":
            return Exit.CANCELLED
        case _:
            return Exit.NOT_ANSWERED
