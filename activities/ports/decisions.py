"""The ledger of decisions, and the calls that a run's model asked for: the proof that effects accept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.recorded_decisions import RecordedDecision


@dataclass(frozen=True)
class StepDecisions:
    """All recorded decisions about one step of one run."""

    entries: tuple[RecordedDecision, ...]
    """The entries, in the order in which they were recorded."""
    now: datetime
    """The time by the database's clock, UTC."""


class DecisionLedger(Protocol):
    """Stores the decisions that count. All methods raise `StorageFailed`."""

    async def look(self, key: StepKey) -> StepDecisions:
        """Return the decisions about a step."""
        ...

    async def record(self, key: StepKey, entry: RecordedDecision) -> StepDecisions:
        """Record a decision with the time, and return all decisions about its step.

        Recording the same one again changes nothing. A denial that is repeated after an approval counts again, and so
        does a request after a denial. Raises `StorageFull`.
        """
        ...


class SavedThoughts(Protocol):
    """Reads the replies of a run's model."""

    async def saved(self, key: StepKey) -> tuple[str, ...]:
        """Return the JSON of every reply that was saved for a step. Raises `StorageFailed`."""
        ...
