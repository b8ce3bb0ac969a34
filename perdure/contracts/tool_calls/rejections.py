"""The causes for which a run takes no notice of a decision, so that a sender can tell them apart without reading."""

from enum import StrEnum


class RejectionCause(StrEnum):
    """The cause of a rejection."""

    EARLY = "early"
    """The step has not been asked for yet."""
    LATE = "late"
    """The step was decided already, or the run is over."""
    UNKNOWN = "unknown"
    """No step of this name ever waits for a person in this run."""
    ANOTHER = "another"
    """The digest belongs to another call, or to another run."""
    CHANGED = "changed"
    """The digest belongs to the call as it was before a person changed its arguments."""
    MISFIT = "misfit"
    """The ruling answers another question, or what it holds cannot be used."""
    NOT_ALLOWED = "not_allowed"
    """The person may not decide about this step, or has no valid credential."""
    REUSED = "reused"
    """The decision's id was used for another decision."""
    UNREADABLE = "unreadable"
    """The signal held no decision."""
    NOT_CHECKED = "not_checked"
    """A service that has to check the decision failed: send it again."""
