"""Guards: what is checked, what a finding does, and what was found."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from perdure.contracts.contract import Contract

DEADLINE = timedelta(seconds=5)
"""How long a guard may take where nobody said.

A hundred times what the slowest takes for a question, because a refusal by a machine that was busy costs more than a
wait; a sixth of what Temporal gives the effect, so that a verdict comes before that gives up.
"""

LONGEST_DEADLINE = timedelta(seconds=8)
"""A guard that was still loading when it was asked has this on top of its loading, within the effect's 30 seconds."""


class GuardAction(StrEnum):
    """What a finding does to the run."""

    BLOCK = "block"
    """The text goes no further."""
    FLAG = "flag"
    """The text goes on, and the finding is shown."""


class OnFailure(StrEnum):
    """What it means that a guard broke, or did not end within its deadline."""

    CLOSED = "closed"
    """It counts as a finding: the guard's action follows."""
    OPEN = "open"
    """The text passes, and the verdict says that nobody checked it."""


class Ended(StrEnum):
    """How a verdict came about."""

    COMPLETED = "completed"
    """The guard looked at the text."""
    TIMED_OUT = "timed_out"
    """It did not end within its deadline."""
    FAILED = "failed"
    """It broke."""


class GuardSpec(Contract):
    """One guard of a chain, as its TOML asks for it and as a run pins it."""

    guard: str
    """The guard's name in the guard catalogue, for example `secrets_present`."""
    action: GuardAction = GuardAction.BLOCK
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The guard's own settings, for example `{"max": 4000}`."""
    deadline: timedelta = Field(default=DEADLINE, gt=timedelta(0), le=LONGEST_DEADLINE)
    """How long it may take once it is loaded, waiting for a free thread included."""
    on_failure: OnFailure = OnFailure.CLOSED


class Verdict(Contract):
    """What one guard found."""

    guard: str
    passed: bool
    action: GuardAction
    reason: str = ""
    """In plain words, without the text that was checked; empty where the guard looked and found nothing."""
    milliseconds: float = Field(ge=0)
    ended: Ended = Ended.COMPLETED

    @property
    def blocks(self) -> bool:
        """Whether the text must go no further."""
        return not self.passed and self.action is GuardAction.BLOCK
