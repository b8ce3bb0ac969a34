"""What the embedded stack's commands tell a user when they cannot go on."""


class DeployError(Exception):
    """The message is for a user: what failed, the value, and what to do about it."""


class FileMismatch(DeployError):
    """A file does not have the catalogue's SHA-256; it was removed."""


class DiskFull(DeployError):
    """There is no room for a file."""


class FileUnavailable(DeployError):
    """None of a file's sources could give it."""


class PortInUse(DeployError):
    """Another process listens on a port that the stack needs."""


class NoTemporal(DeployError):
    """The Temporal server that the environment names does not answer."""


class AlreadyRunning(DeployError):
    """A stack runs on this state folder."""


class ProcessDied(DeployError):
    """A process of the stack ended by itself. The message has the last lines of its log."""


class DatabaseUnusable(DeployError):
    """The database that the settings name did not do what it was asked."""


class BadArgument(DeployError):
    """A command was given something that it cannot use."""
