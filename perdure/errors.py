"""The errors of the client. Every message is one line that names the cause and the remedy."""

from perdure.contracts.runs.run import FailedRun
from perdure.contracts.temporal.connecting import Obstacle


class PlatformError(Exception):
    """The base of the client's errors. Every message is one line that names the cause and the remedy."""


class NoServer(PlatformError):
    """No Temporal server can be used: none answers, TLS fails, or it refuses the key, the namespace or the caller."""

    def __init__(self, message: str, reason: Obstacle | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        """Why; None where Temporal's own configuration cannot be used."""


class UnknownRun(PlatformError):
    """The tenant has no run with this id."""


class RunFailed(PlatformError):
    """The run ended without an outcome: a fault, a termination or a timeout."""

    def __init__(self, message: str, how: FailedRun | None = None) -> None:
        super().__init__(message)
        self.how = how
        """The run's spend, and its writes whose outcome is unknown; None where the run could not report them."""


class RunConflict(PlatformError):
    """The business id was used before, for another request."""


class CallerRefused(PlatformError):
    """The caller's token was refused. Nothing was started, and the message holds no part of the token."""


class UnknownSchedule(PlatformError):
    """The tenant has no schedule with this name."""


class ScheduleConflict(PlatformError):
    """The tenant has a schedule with this name already."""


class NotFailed(PlatformError):
    """The run has not failed: it is running, has an outcome, or was ended by a person. It cannot be retried."""
