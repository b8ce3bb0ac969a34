"""Guards: what is checked, what a finding does, and what was found."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from perdure.contracts.contract import Contract


class GuardAction(StrEnum):
    """What a finding does to the run."""

    BLOCK = "block"
    """The text goes no further."""
    FLAG = "flag"
    """The text goes on, and the finding is shown."""


class GuardSpec(Contract):
    """One guard of a chain, as its TOML asks for it and as a run pins it."""

    guard: str
    """The guard's name in the guard catalogue, for example `secrets_present`."""
    action: GuardAction = GuardAction.BLOCK
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The guard's own settings, for example `{"max": 4000}`."""


class Verdict(Contract):
    """What one guard found."""

    guard: str
    passed: bool
    action: GuardAction
    reason: str = ""
    """In plain words, without the text that was checked; empty where it passed."""
    milliseconds: float = Field(ge=0)

    @property
    def blocks(self) -> bool:
        """Whether the text must go no further."""
        return not self.passed and self.action is GuardAction.BLOCK
