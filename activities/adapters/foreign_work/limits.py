"""What one piece of work over foreign text may use, and the errors for work that is not done."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MEBIBYTE = 1024 * 1024


class Exceeded(StrEnum):
    """The limit that stopped a piece of work."""

    TIME = "time"
    """It ran longer than it may, by the wall clock."""
    PROCESSOR = "processor"
    """It used more processor time than it may."""
    MEMORY = "memory"
    """It needed more memory than it may."""
    OUTPUT = "output"
    """It gave back more bytes than it may."""
    CRASH = "crash"
    """Its process ended by itself: a fault in a library's native code, or the system had no memory left."""


@dataclass(frozen=True)
class Limits:
    """The limits of one piece of work."""

    time: timedelta
    """By the wall clock, from the start of the work; waiting for a process does not count."""
    processor: timedelta
    """The processor time of its process."""
    memory: int
    """The bytes by which its process may grow."""
    output: int
    """The bytes of the result."""


class Stopped(Exception):
    """The work exceeded a limit and its process was killed, or the same work was stopped before."""

    def __init__(self, exceeded: Exceeded, *, before: bool = False, sure: bool = True, progress: bytes = b"") -> None:
        super().__init__(exceeded)
        self.exceeded = exceeded
        self.before = before
        """Whether the same work was stopped before, so that nothing was run this time."""
        self.sure = sure
        """Whether the work is to blame, and not a busy machine: it is remembered."""
        self.progress = progress
        """What the work had noted when it was stopped."""


class Failed(Exception):
    """The work raised an error in its process."""

    def __init__(self, error: str, message: str, where: str) -> None:
        super().__init__(error)
        self.error = error
        """The name of the error's class."""
        self.message = message
        """The error's own text, which may hold the foreign text: never log it."""
        self.where = where
        """The place in the code that raised it."""


class Busy(Exception):
    """So much other work waits already that this is not taken."""
