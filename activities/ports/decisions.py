"""The ledger of decisions, and what a run's model has asked for: what an effect believes of an approval."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.recorded_decisions import RecordedDecision


@dataclass(frozen=True)
class StepDecisions:
    """All that was said about one step of one run."""

    entries: tuple[RecordedDecision, ...]
    """In the order in which they were written down."""
    now: datetime
    """The time by the database's clock, UTC."""


class DecisionLedger(Protocol):
    """Keeps the decisions that count. All methods raise `StorageFailed`."""

    async def look(self, key: StepKey) -> StepDecisions:
        """What was said about a step."""
        ...

    async def record(self, key: StepKey, entry: RecordedDecision) -> StepDecisions:
        """Write a decision down, with the time; returns all that was said about its step by then.

        The same one again changes nothing. A no that is said again after a yes, and an asking after a no, count anew.
        Raises `StorageFull`.
        """
        ...


class SavedThoughts(Protocol):
    """Knows what a run's model has asked for."""

    async def saved(self, key: StepKey) -> tuple[str, ...]:
        """The JSON of every reply that was saved for a step. Raises `StorageFailed`."""
        ...
