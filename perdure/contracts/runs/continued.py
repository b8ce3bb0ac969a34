"""What one execution of an agent's run hands to the next, so that each history stays short and nothing is lost."""

from datetime import date
from typing import Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from perdure.contracts.agents.agent import AgentPhase, AgentRun
from perdure.contracts.budget import Charged
from perdure.contracts.contract import Contract
from perdure.contracts.runs.run import AgentRequest, StageTiming, legible_task
from perdure.contracts.text import Text


class Telling(Contract):
    """What operators have been told of a run so far."""

    lines: tuple[str, ...] = ()
    """The newest lines of its timeline."""
    earlier: int = Field(default=0, ge=0)
    """Lines before those."""
    timings: tuple[StageTiming, ...] = ()
    """What each phase has taken, up to the present one."""
    since: AwareDatetime | None = None
    """When the present phase began."""
    day: date | None = None
    """The last one that a line names."""


class HandOver(Contract):
    """Everything that the next execution of a run goes on from."""

    run: AgentRun
    phase: AgentPhase
    telling: Telling
    deployment: str | None = None
    """Where the last paid attempt went."""
    execution: int = Field(ge=2)
    """Which execution of its run the next one is."""
    account: Charged | None = None
    """What the run's account held when it was last told of."""


class AgentInput(AgentRequest):
    """What an agent's workflow takes: a request; and from its second execution on, what the one before hands over.

    Only an execution that was continued may have one: a client that sends it is refused.
    """

    handed_over: HandOver | None = None

    @field_validator("task", mode="after")
    @classmethod
    def _is_a_task(cls, task: Text) -> Text:
        """A task's words are stored once a run goes on, and are named by digest alone."""
        return task if task.body is None else legible_task(task)

    @model_validator(mode="after")
    def _has_words_or_goes_on(self) -> Self:
        if self.handed_over is None:
            legible_task(self.task)
        return self

    def continued(self, handed_over: HandOver) -> Self:
        """The same for the next execution."""
        return self.model_copy(update={"task": self.task.reference(), "handed_over": handed_over})
