"""Faults, which end a run as failed, and remedies: what another attempt needs before a run is ended."""

from datetime import timedelta
from enum import StrEnum

from perdure.contracts.windows import WindowShortage


class Fault(Exception):
    """The base of every error that ends a run as failed. No other error type does.

    Outcomes are values and are never raised. An unforeseen error is not a `Fault`: Temporal retries the workflow task,
    so the run continues after the fix.
    """


class Remedy(StrEnum):
    """The remedy for a paid attempt that failed."""

    RETRY = "retry_after"
    """Try the same deployment again, after a while."""
    GIVE_UP = "give_up"
    """Do not try again: the same request would fail everywhere."""
    CIRCUIT_OPEN = "circuit_open"
    """Use another deployment of the tier, or this one once it has rested for a while."""
    FALL_BACK = "fall_back"
    """Use another deployment of the tier, now: this one will not serve the request."""
    WAIT = "wait"
    """Wait, without a new attempt: something that is needed is away, and nothing was sent. It costs nothing."""


AWAY = "away"
"""The detail of an activity's error that says: something it needs is away. Nothing was sent, so it is not an attempt.
"""


class EffectFailed(Fault):
    """An effect that failed for good. The message names the effect and the reason."""

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
        """Whether the attempt is known to have cost nothing. Only paid effects use it."""
        self.remedy = remedy
        """The remedy that another attempt needs. Only paid effects use it."""
        self.retry_after = retry_after
        """How long the server asked us to wait; None where it did not say."""
        self.window = window
        """The shortage of the tenant's day or of the account that stopped the attempt; None otherwise. Only paid
        effects use it."""
        self.away = away
        """Whether something that the effect needs is away: nothing was sent and nothing is wrong, so the effect waits.
        """
