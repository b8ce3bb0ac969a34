"""The state that one execution of an agent's run hands over to the next: histories stay short, and nothing is lost."""

from datetime import date
from typing import Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from perdure.contracts.agents.agent import AgentPhase, AgentRun
from perdure.contracts.budget import Charged
from perdure.contracts.contract import Contract
from perdure.contracts.runs.legible import legible_task
from perdure.contracts.runs.run import AgentRequest, StageTiming
from perdure.contracts.text import Text


class Telling(Contract):
    """The progress of a run that operators have been shown so far."""

    lines: tuple[str, ...] = ()
    """The newest lines of the run's timeline."""
    earlier: int = Field(default=0, ge=0)
    """The number of lines before those."""
    timings: tuple[StageTiming, ...] = ()
    """The time that each phase took, up to the current one."""
    since: AwareDatetime | None = None
    """The moment when the current phase began; None before the first."""
    day: date | None = None
    """The last day that a line names; None before the first line."""


class HandOver(Contract):
    """Everything that the next execution of a run needs to continue."""

    run: AgentRun
    phase: AgentPhase
    telling: Telling
    deployment: str | None = None
    """The deployment of the last paid attempt; None before the first."""
    execution: int = Field(ge=2)
    """The number of the next execution in its run, from 2."""
    account: Charged | None = None
    """The run's account as the last reply reported it; None where no reply has."""


class AgentInput(AgentRequest):
    """The input of an agent's workflow: a request, and from its second execution on the state of the one before.

    Only a continued execution may have that state: a client that sends it is refused.
    """

    handed_over: HandOver | None = None
    """The state of the execution before; None for the first."""

    @field_validator("task", mode="after")
    @classmethod
    def _is_a_task(cls, task: Text) -> Text:
        """Check the words of a task. From the second execution on they are stored, and only the digest travels."""
        return task if task.body is None else legible_task(task)

    @model_validator(mode="after")
    def _has_words_or_goes_on(self) -> Self:
        if self.handed_over is None:
            legible_task(self.task)
        return self

    def continued(self, handed_over: HandOver) -> Self:
        """Return the input of the next execution."""
        return self.model_copy(update={"task": self.task.reference(), "handed_over": handed_over})
