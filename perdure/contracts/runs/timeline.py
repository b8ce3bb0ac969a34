"""The timeline of a run: one entry for each thing that happened, read from its history."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from perdure.contracts.budget import Spend
from perdure.contracts.contract import Contract
from perdure.contracts.guards import Verdict


class EntryKind(StrEnum):
    """The subject of an entry."""

    BEGAN = "began"
    """The run was started."""
    EFFECT = "effect"
    """An effect was started, or ended."""
    TIMER = "timer"
    """The run waited for a time."""
    PHASE = "phase"
    """The run entered another phase."""
    WAITS = "waits"
    """Something in the run waits for a person, or no longer does."""
    PERSON = "person"
    """A person decided something, or paused or resumed the run."""
    CANCEL = "cancel"
    """Somebody asked the run to stop."""
    CHILD = "child"
    """A child run, for a part of the task, was started or ended."""
    STUCK = "stuck"
    """A worker could not continue the run. Temporal retries it until it is fixed."""
    CONTINUED = "continued"
    """The run continues in a new execution, with nothing lost."""
    ENDED = "ended"
    """The run is over."""


class EntryState(StrEnum):
    """The state of the entry's subject."""

    RUNNING = "running"
    """It has begun."""
    DONE = "done"
    """It has ended."""
    FAILED = "failed"
    """It failed, or was lost."""
    CANCELLED = "cancelled"
    """It was cancelled."""


class TimelineEntry(Contract):
    """One thing that happened in a run."""

    at: datetime
    """The moment, in UTC."""
    event: int = Field(ge=1)
    """The number of the event in the history of its execution, from 1. It is unique there, and never changes."""
    execution: str
    """Temporal's run id of the execution."""
    kind: EntryKind
    name: str
    """The effect, `think`; the phase; a person's ruling."""
    state: EntryState = EntryState.DONE
    summary: str = ""
    """The subject in a few words: the tool, the model, the step."""
    found: str = ""
    """The result in our own words. It holds names and reasons, but no other text of a model or a tool."""
    began: int | None = None
    """The number of the event that began what ends here; None for an entry without a beginning of its own."""
    attempt: int | None = None
    """The number of the attempt, from 1; None where the entry is about no attempt."""
    milliseconds: int | None = None
    """The time from the request to the end, including the wait for a worker; None where nothing ends here."""
    spent: Spend | None = None
    """The cost that this entry makes known; None for no news. All entries of a run add up to what it has settled."""
    verdicts: tuple[Verdict, ...] = ()
    """The verdicts of guards."""
