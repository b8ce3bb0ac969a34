"""Guards: what is checked, what a finding does, and the verdict."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from perdure.contracts.contract import Contract

DEADLINE = timedelta(seconds=5)
"""The default deadline of a guard.

A hundred times the longest measured time for a question: a wrong refusal on a busy machine costs more than a wait. It
is a sixth of the effect's timeout, so a verdict comes before Temporal gives up.
"""

LONGEST_DEADLINE = timedelta(seconds=8)
"""The largest deadline of a guard. The time to load a guard is added to it, all within the effect's 30 seconds."""


class GuardAction(StrEnum):
    """The action that a finding triggers."""

    BLOCK = "block"
    """Stop the text here."""
    FLAG = "flag"
    """Let the text pass, and show the finding."""


class OnFailure(StrEnum):
    """The meaning of a guard that broke or did not finish within its deadline."""

    CLOSED = "closed"
    """Count it as a finding: the guard's action follows."""
    OPEN = "open"
    """Let the text pass. The verdict says that it was not checked."""


class Ended(StrEnum):
    """How a guard's check ended."""

    COMPLETED = "completed"
    """The guard checked the text."""
    TIMED_OUT = "timed_out"
    """The guard did not finish within its deadline."""
    FAILED = "failed"
    """The guard broke, or needed more memory than it may."""
    SKIPPED = "skipped"
    """The guard did not run, since a cheap one blocks the text: its verdict counts as passed and says so."""


class GuardSpec(Contract):
    """A guard of a chain, an agent or a schema, as its TOML file asks for it and as a run pins it."""

    guard: str
    """The guard's name in the guard catalogue, for example `secrets_present`."""
    action: GuardAction = GuardAction.BLOCK
    """The action that a finding triggers."""
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The guard's own settings, for example `{"max": 4000}`."""
    deadline: timedelta = Field(default=DEADLINE, gt=timedelta(0), le=LONGEST_DEADLINE)
    """How long the loaded guard may take, including the wait for a free process."""
    on_failure: OnFailure = OnFailure.CLOSED
    """Whether a broken guard counts as a finding."""


class Verdict(Contract):
    """The verdict of one guard on one text."""

    guard: str
    """The guard's name in the guard catalogue."""
    passed: bool
    """Whether the text passes this guard."""
    action: GuardAction
    """The action of the guard; it applies only where `passed` is false."""
    reason: str = ""
    """The reason in plain words, without the checked text; empty where the guard found nothing."""
    milliseconds: float = Field(ge=0)
    """How long the check took."""
    ended: Ended = Ended.COMPLETED
    """How the check ended."""

    @property
    def blocks(self) -> bool:
        """Whether the text must be stopped here."""
        return not self.passed and self.action is GuardAction.BLOCK
