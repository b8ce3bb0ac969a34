"""What helps against a failure: the one word by which an error of the world becomes a decision of the workflow."""

from enum import StrEnum


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
