"""A run's history told step by step: what began, what came of it, what it cost, and what people said meanwhile."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from perdure.contracts.budget import Spend
from perdure.contracts.contract import Contract
from perdure.contracts.guards import Verdict


class EntryKind(StrEnum):
    """What an entry is about."""

    BEGAN = "began"
    """The run was started."""
    EFFECT = "effect"
    """Something was done to the world, or asked of it."""
    TIMER = "timer"
    """The run waited for a time."""
    PHASE = "phase"
    """The run went on to another phase."""
    WAITS = "waits"
    """Something in the run waits for a person, or does so no more."""
    PERSON = "person"
    """A person decided something, or paused or resumed the run."""
    CANCEL = "cancel"
    """Somebody asked the run to stop."""
    CHILD = "child"
    """A run of its own, for a part of the task."""
    STUCK = "stuck"
    """A worker could not go on with the run; it is tried again until it is mended."""
    CONTINUED = "continued"
    """The run goes on in a new execution, with nothing lost."""
    ENDED = "ended"
    """The run is over."""


class EntryState(StrEnum):
    """How far what an entry is about has come."""

    RUNNING = "running"
    """It has begun."""
    DONE = "done"
    """It came to its end."""
    FAILED = "failed"
    """It failed, or was lost."""
    CANCELLED = "cancelled"
    """It was called off."""


class TimelineEntry(Contract):
    """One thing that happened in a run."""

    at: datetime
    event: int = Field(ge=1)
    """The number of the event in the history of its execution: unique there, and the same whenever it is read."""
    execution: str
    """Temporal's run id of the execution."""
    kind: EntryKind
    name: str
    """The effect, `think`; the phase; the ruling of a person."""
    state: EntryState = EntryState.DONE
    summary: str = ""
    """What it is about: the tool, the model, the step."""
    found: str = ""
    """What came of it, in our words and in names: no text of a model or a tool is here, except reasons and names."""
    began: int | None = None
    """The number of the event at which what ends here began; None for what has no beginning of its own."""
    attempt: int | None = None
    milliseconds: int | None = None
    """From its asking to its end, the wait for a worker included."""
    spent: Spend | None = None
    """What has become known by this of what was spent. All entries together are what the run has settled."""
    verdicts: tuple[Verdict, ...] = ()
    """What guards found."""
