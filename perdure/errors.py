"""What the client raises. Every message is one line that names the cause and the remedy."""

from perdure.contracts.runs.run import FailedRun


class PlatformError(Exception):
    """The base of what the client raises. Every message is one line that names the cause and the remedy."""


class NoServer(PlatformError):
    """No Temporal server answers at the address."""


class UnknownRun(PlatformError):
    """There is no run with this id in this tenant."""


class RunFailed(PlatformError):
    """The run ended without an outcome: a fault, a termination or a timeout."""

    def __init__(self, message: str, how: FailedRun | None = None) -> None:
        super().__init__(message)
        self.how = how
        """What it had spent, and which of its writes are in doubt; None where it could not say."""


class RunConflict(PlatformError):
    """The run id was used before, for another request."""


class CallerRefused(PlatformError):
    """The token of who starts a run cannot be believed. Nothing was started, and the message holds nothing of it."""


class UnknownSchedule(PlatformError):
    """There is no schedule of this name in this tenant."""


class ScheduleConflict(PlatformError):
    """The schedule's name is taken."""


class NotFailed(PlatformError):
    """The run has not failed: it goes on, came to an outcome, or was ended by a person. It cannot be retried."""
