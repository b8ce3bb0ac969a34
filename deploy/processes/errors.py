"""The errors of deploy's commands; each message is for the user."""

from collections.abc import Sequence
from pathlib import Path

EMPTY = ("(empty)",)
"""The lines that are shown of a log without any."""


class DeployError(Exception):
    """A command failed. The message is for the user: what failed, the value, and the remedy."""


class FileMismatch(DeployError):
    """A file does not have the catalogue's SHA-256; it was removed."""


class DiskFull(DeployError):
    """There is no room for a file."""


class FileUnavailable(DeployError):
    """No source of a file could deliver it."""


class PortInUse(DeployError):
    """Another process listens on a port that the stack needs."""


class NoTemporal(DeployError):
    """The Temporal server that the environment names does not answer."""


class AlreadyRunning(DeployError):
    """A stack runs on this state folder."""


class ProcessDied(DeployError):
    """A process of the stack ended by itself. The message has the last lines of its log."""

    def __init__(self, how: str, log: Path | None = None, lines: Sequence[str] = (), code: int | None = None) -> None:
        """Say how it ended, and where its log has the reason. `code` is its exit code, if it ended by itself."""
        end = "" if log is None else f"; the end of its log {log}:" + "".join(f"\n  {line}" for line in lines or EMPTY)
        super().__init__(how + end)
        self.how = how
        self.lines = tuple(lines)
        self.code = code


class DatabaseUnusable(DeployError):
    """The database of the settings cannot be used."""


class BadArgument(DeployError):
    """A command cannot use one of its arguments."""
