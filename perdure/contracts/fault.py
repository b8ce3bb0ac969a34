"""Faults end a run, and remedies say what helps before one does. Any other error suspends a run until it is mended."""

from datetime import timedelta
from enum import StrEnum

from perdure.contracts.windows import WindowShortage


class Fault(Exception):
    """The base of what ends a run as failed, and the only type that does.

    Outcomes are values and are never raised. An error that nobody foresaw is not a `Fault`: Temporal retries the
    workflow task, so that the run goes on after the fix.
    """


class Remedy(StrEnum):
    """What a paid attempt that failed asks for."""

    RETRY = "retry_after"
    """The same deployment again, after a while."""
    GIVE_UP = "give_up"
    """Nothing: the same request would fail again everywhere."""
    CIRCUIT_OPEN = "circuit_open"
    """Another deployment of the tier, or this one once it has been left alone for a while."""
    FALL_BACK = "fall_back"
    """Another deployment of the tier, now; this one will not serve the request."""
    WAIT = "wait"
    """Time, and no other attempt: nothing was sent, since something that is needed is away. It costs nothing."""


AWAY = "away"
"""A detail of an activity's error where something that it needs is away: nothing was sent, and it is no attempt."""


class EffectFailed(Fault):
    """An effect failed for good. The message says which one and why."""

    def __init__(
        self,
        effect: str,
        reason: str,
        *,
        free_of_charge: bool = False,
        remedy: Remedy = Remedy.GIVE_UP,
        retry_after: timedelta | None = None,
        window: WindowShortage | None = None,
        away: bool = False,
    ) -> None:
        super().__init__(f"{effect}: {reason}")
        self.effect = effect
        self.reason = reason
        self.free_of_charge = free_of_charge
        """Whether the attempt is known to have cost nothing. Only paid effects ask."""
        self.remedy = remedy
        """What another attempt would need. Only paid effects ask."""
        self.retry_after = retry_after
        """How long the world asked to be left alone; None where it did not say."""
        self.window = window
        """How the tenant's day stood, where that is why the attempt was not made. Only paid effects ask."""
        self.away = away
        """Whether something that it needs is away: nothing was sent and nothing is wrong with it, so it only waits."""
