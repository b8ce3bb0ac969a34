"""Runs from the outside: requests, phases, outcomes, results and statuses."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.budget import Budget, Charged, Spend
from perdure.contracts.chains.extraction import Record
from perdure.contracts.chains.knowledge import Citation
from perdure.contracts.chains.steps import DocumentFile
from perdure.contracts.contract import Contract, Digest, EdgeType, Name, Variant
from perdure.contracts.guards import Verdict
from perdure.contracts.legibility import is_blank
from perdure.contracts.runs.endings import Stuck, Unfinished
from perdure.contracts.runs.legible import legible, legible_task
from perdure.contracts.text import INLINE_LIMIT, Text
from perdure.contracts.tool_calls.tools import ToolName
from perdure.contracts.tool_calls.writes import Write
from perdure.contracts.windows import WindowShortage


class RunRequest(Contract, metaclass=EdgeType):
    """A request that starts a run. One that does not decode fails the run with the reason."""

    spelled_out: ClassVar[bool] = True

    tenant: Name = "default"
    budget: Budget = Budget()
    """The most that the run may use up."""
    caller: Digest | None = None
    """The ticket of the caller; None for an anonymous start. `Platform` derives it from the caller's token; the token
    itself is never in a request."""


Within: TypeAlias = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))]
"""How long after its start a run waits for a service that is away: a store, a worker, a model's server."""

PATIENCE = timedelta(minutes=15)
"""The default of `Within`."""


class AskRequest(RunRequest):
    """A question for a chain."""

    question: Text
    """The question, with its body: up to 1 MiB, not blank."""
    chain: Name = "handbook"
    """The chain that answers."""
    tier: Name | None = None
    """The tier of models to use; None for the chain's own tier."""
    within: Within = PATIENCE
    """How long after its start the run waits for a service that is away. Then it fails and names the service. An agent
    waits without a limit."""

    @field_validator("question", mode="after")
    @classmethod
    def _is_a_question(cls, question: Text) -> Text:
        return legible(question, "ask something")


class AgentRequest(RunRequest):
    """A task for an agent."""

    shows: ClassVar[tuple[str, ...]] = ("started_by",)

    task: Text
    """The task, with its body: up to 1 MiB, not blank."""
    agent: Name
    """The agent that does the task."""
    tier: Name | None = None
    """The tier of models to use; None for the agent's own tier."""
    budget: Budget = Budget(steps=24, tool_calls=24)
    """The most that the run may use up."""
    started_by: str = Field(default="", max_length=200)
    """The person who starts the run; empty for nobody. Under a policy with four eyes they may decide about none of its
    calls."""
    requires: tuple[ToolName, ...] = ()
    """The tools of which this run requires a write, besides those of the agent's file: without it, it is unfinished."""

    @field_validator("task", mode="after")
    @classmethod
    def _is_a_task(cls, task: Text) -> Text:
        return legible_task(task)


class ExtractRequest(RunRequest):
    """A document to read a record from: either its text or the bytes of its file, up to 1 MiB."""

    schema_name: Name
    """The name of the schema: its file in `agents/schemas/`."""
    file: DocumentFile
    tier: Name | None = None
    """The tier of models to use; None for the schema's own tier."""
    within: Within = PATIENCE
    """How long after its start the run waits for a service that is away. Then it fails and names the service."""

    @model_validator(mode="after")
    def _has_one_document(self) -> Self:
        text, content = self.file.text, self.file.content
        body = None if text is None else text.body
        if (body is None) == (content is None):
            raise ValueError("file: give either its text or its content")
        size = len(content) if content is not None else text.tokens if text is not None else 0
        if size > INLINE_LIMIT:
            raise ValueError(f"file: is {size:,} bytes long, over the limit of {INLINE_LIMIT:,}: send a smaller one")
        if size == 0 or (body is not None and is_blank(body)):
            raise ValueError("file: is empty")
        return self


class Phase(StrEnum):
    """The phase of a chain's or an extraction's run."""

    ROUTING = "routing"
    """The spec and the deployment are being pinned, and the question is being screened."""
    RETRIEVING = "retrieving"
    """The documents are being searched."""
    GENERATING = "generating"
    """The model is writing."""
    CHECKING = "checking"
    """The answer and its citations are being checked."""
    PARSING = "parsing"
    """The document's text is being read, and the spec and the deployment are being pinned."""
    EXTRACTING = "extracting"
    """The model is reading the document's fields."""
    VALIDATING = "validating"
    """The record is being checked against the document and the business rules."""
    CLOSED = "closed"
    """The run is over; its outcome says how it ended."""


AnyPhase: TypeAlias = Phase | AgentPhase
"""The phase of a run of any kind."""


class Answered(Variant):
    """The answer: the documents answer the question, or the agent has done its task."""

    kind: Literal["answered"] = "answered"
    answer: Text
    citations: tuple[Citation, ...] = ()
    """The quotes that a chain's answer rests on; empty for an agent, whose answer names its sources itself."""


class Abstained(Variant):
    """No answer: the documents do not answer the question, or the model's reply was cut, and the run does not guess."""

    kind: Literal["abstained"] = "abstained"
    reason: str
    citations: tuple[Citation, ...] = ()


class Extracted(Variant):
    """The record that was read from the document. All of its fields passed every check."""

    kind: Literal["extracted"] = "extracted"
    record: Record
    document: Text
    """The document's text, by digest. The positions in the evidence are positions in this text."""
    losses: tuple[str, ...] = ()
    """What the reader left out of that text, such as an image: no field can come from there. Empty for nothing."""


class Refused(Variant):
    """A refusal: by a guard, by the check of a record, by the model, or by the content filter of its provider."""

    kind: Literal["refused"] = "refused"
    reason: str
    reasons: tuple[str, ...] = ()
    """The single reasons, where there are several; otherwise empty."""
    by: Literal["platform", "model", "provider"] = "platform"
    """Who refused: a check of the platform, the model itself, or the content filter of the model's provider."""


class Exhausted(Variant):
    """A limit was reached: the budget, or the tenant's day, does not cover the next effect."""

    kind: Literal["exhausted"] = "exhausted"
    limit: str
    """The limit that would have been broken: a field of `Budget`, or `daily_` and a field of `WindowLimit`."""
    needed: Spend
    reserved: Spend
    """The reservations of attempts with an unknown outcome: of the run, or of all runs of the tenant on that day."""
    reason: str
    window: WindowShortage | None = None
    """The shortage of the tenant's day, where that was the limit; None otherwise."""


class Cancelled(Variant):
    """The end of a run that somebody cancelled."""

    kind: Literal["cancelled"] = "cancelled"
    phase: AnyPhase
    """The phase in which it was cancelled."""
    unknown: tuple[str, ...] = ()
    """One line for each tool call whose outcome is unknown."""


Outcome = Annotated[
    Answered | Abstained | Extracted | Refused | Exhausted | Stuck | Unfinished | Cancelled, Field(discriminator="kind")
]
"""The outcome of a run; `kind` says which."""


class StageTiming(Contract):
    """The time that one stage took, in milliseconds of workflow time."""

    stage: str
    """The phase's name."""
    milliseconds: int = Field(ge=0)


class RunResult(Contract):
    """The result of a run: the outcome, the verdicts and the cost."""

    spelled_out: ClassVar[bool] = True

    outcome: Outcome
    verdicts: tuple[Verdict, ...] = ()
    """The verdicts of all guards that checked something."""
    spent: Spend = Spend()
    """Settled amounts: they are known to be used."""
    unsettled: Spend = Spend()
    """The most that attempts of unknown outcome may have cost on top of `spent`."""
    account: Charged | None = None
    """The run's account: all that was ever charged, also for attempts before a reset, which this history does not
    contain. None where it holds no more than `spent` and `unsettled`."""
    deployment: str | None = None
    """The deployment of the last paid attempt; None where there was none."""
    timings: tuple[StageTiming, ...] = ()
    """The time that each phase took, in order."""
    notices: tuple[str, ...] = ()
    """Notes for a reader of the result, one line each, for example that a tier fell back to another deployment."""
    writes: tuple[Write, ...] = ()
    """An agent's writes: done, denied, failed, unknown, and the required ones not attempted. The newest 100."""
    more_writes: int = Field(default=0, ge=0)
    """The number of earlier writes."""


class FailedRun(Contract):
    """The failure of a run without an outcome: the details that help to fix it."""

    spelled_out: ClassVar[bool] = True

    phase: AnyPhase
    """The phase in which it failed."""
    reason: str
    spent: Spend = Spend()
    """Settled amounts: they are known to be used."""
    unsettled: Spend = Spend()
    """The most that attempts of unknown outcome may have cost on top of `spent`."""
    account: Charged | None = None
    """The run's account: all that was ever charged, also for attempts before a reset. None where it holds no more than
    `spent` and `unsettled`."""
    unknown: tuple[str, ...] = ()
    """One line for each tool call whose outcome is unknown: check in the other system whether it happened."""
    repeatable: bool = False
    """Whether nothing was written: then a new start under another id does nothing twice."""
    deployment: str | None = None
    """The deployment of the last paid attempt; None where there was none."""
    notices: tuple[str, ...] = ()
    """Notes for a reader, one line each."""
    writes: tuple[Write, ...] = ()
    """An agent's writes up to the failure. The newest 100."""
    more_writes: int = Field(default=0, ge=0)
    """The number of earlier writes."""


class RunStatus(Contract):
    """The status of a run now."""

    business_id: str
    """The caller's own name for the run."""
    tenant: Name
    workflow_id: str
    """Temporal's id of the run: the tenant and the business id."""
    temporal_run_id: str
    """Temporal's id of the execution, for a link to the Temporal UI."""
    state: Literal["running", "completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new"]
    """Temporal's own state of the run."""
    phase: AnyPhase | None = None
    """The last indexed phase; None before the first."""
    outcome: str | None = None
    """The `kind` of the outcome; None while the run has none."""
    started: datetime
    closed: datetime | None = None
    """The end of the run; None while it runs."""
