"""A run from the outside: what starts it, how far it is, and what came of it."""

import unicodedata
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.budget import Budget, Charged, Spend
from perdure.contracts.chains.extraction import Record
from perdure.contracts.chains.knowledge import Citation
from perdure.contracts.chains.steps import DocumentFile
from perdure.contracts.contract import Contract, Digest, Name, Variant
from perdure.contracts.guards import Verdict
from perdure.contracts.text import INLINE_LIMIT, Text
from perdure.contracts.windows import WindowShortage


class RunRequest(Contract):
    """What starts a run. A request that does not decode fails the run with the reason."""

    spelled_out: ClassVar[bool] = True

    tenant: Name = "default"
    budget: Budget = Budget()
    caller: Digest | None = None
    """The ticket of who starts it: `Platform` makes it of the caller's token, which itself never travels here."""


Within: TypeAlias = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))]
"""How long, from its start, a run waits for what is away: a store, a worker, a model's server."""

PATIENCE = timedelta(minutes=15)


class AskRequest(RunRequest):
    """A question for a chain."""

    question: Text
    chain: Name = "handbook"
    tier: Name | None = None
    """Overrides the chain's own tier; None to keep it."""
    within: Within = PATIENCE
    """What is away is waited for until so long after the run's start; then the run fails and says what was away. An
    agent waits without an end."""

    @field_validator("question", mode="after")
    @classmethod
    def _is_a_question(cls, question: Text) -> Text:
        return _legible(question, "ask something")


class AgentRequest(RunRequest):
    """A task for an agent."""

    task: Text
    agent: Name
    tier: Name | None = None
    """Overrides the agent's own tier; None to keep it."""
    budget: Budget = Budget(steps=24, tool_calls=24)
    started_by: str = Field(default="", max_length=200)
    """Who has it done: under a policy with four eyes they decide about none of its calls. Empty where nobody says."""

    @field_validator("task", mode="after")
    @classmethod
    def _is_a_task(cls, task: Text) -> Text:
        return legible_task(task)


def legible_task(task: Text) -> Text:
    """A task that an agent can be given. Raises `ValueError` with the remedy."""
    return _legible(task, "say what is to be done")


def _legible(said: Text, remedy: str) -> Text:
    """What a person asks for. Raises `ValueError` with the remedy."""
    body = said.body
    if body is None:
        raise ValueError("has no text: send the words themselves, not their digest alone")
    if said.tokens > INLINE_LIMIT:
        raise ValueError(f"is {said.tokens:,} bytes long, over the limit of {INLINE_LIMIT:,}: send less text")
    if not body.strip():
        raise ValueError(f"is empty: {remedy}")
    odd = next((sign for sign in body if unicodedata.category(sign) == "Cc" and sign not in "\n\r\t"), None)
    if odd is not None:
        raise ValueError(f"holds the control character {odd!r}: send text, not binary data")
    return said


class ExtractRequest(RunRequest):
    """A document to read a record from."""

    schema_name: Name
    """The schema's name: its file in `agents/schemas/`."""
    file: DocumentFile
    tier: Name | None = None
    """Overrides the schema's own tier; None to keep it."""
    within: Within = PATIENCE
    """As a question's."""

    @model_validator(mode="after")
    def _has_one_document(self) -> Self:
        text, content = self.file.text, self.file.content
        body = None if text is None else text.body
        if (body is None) == (content is None):
            raise ValueError("file: give either its text or its content")
        size = len(content) if content is not None else text.tokens if text is not None else 0
        if size > INLINE_LIMIT:
            raise ValueError(f"file: is {size:,} bytes long, over the limit of {INLINE_LIMIT:,}: send a smaller one")
        if size == 0 or (body is not None and not body.strip()):
            raise ValueError("file: is empty")
        return self


class Phase(StrEnum):
    """How far a run is."""

    ROUTING = "routing"
    """What decides the run is being pinned, and the question is being screened."""
    RETRIEVING = "retrieving"
    """The documents are being searched."""
    GENERATING = "generating"
    """The model is writing."""
    CHECKING = "checking"
    """The answer and its citations are being checked."""
    PARSING = "parsing"
    """The document's text is being read, and what decides the run is being pinned."""
    EXTRACTING = "extracting"
    """The model is reading the document's fields."""
    VALIDATING = "validating"
    """The record is being held against the document and the business rules."""
    CLOSED = "closed"
    """The run is over; its outcome says how it ended."""


AnyPhase: TypeAlias = Phase | AgentPhase
"""How far a run of whatever kind is."""


class Answered(Variant):
    """The documents answer the question, or the agent has done its task."""

    kind: Literal["answered"] = "answered"
    answer: Text
    citations: tuple[Citation, ...] = ()
    """What a chain's answer rests on; an agent's says itself."""


class Abstained(Variant):
    """The documents do not answer the question, and the run says so instead of guessing."""

    kind: Literal["abstained"] = "abstained"
    reason: str
    citations: tuple[Citation, ...] = ()
    """What came nearest, if anything did."""


class Extracted(Variant):
    """A record was read from the document, and everything in it holds."""

    kind: Literal["extracted"] = "extracted"
    record: Record
    document: Text
    """The document's text, by digest: the evidence's places are places in it."""


class Refused(Variant):
    """A guard stopped the question, or the document gave no record that holds."""

    kind: Literal["refused"] = "refused"
    reason: str
    reasons: tuple[str, ...] = ()
    """Each by itself, where there are several."""


class Exhausted(Variant):
    """The budget, or the tenant's day, does not cover what would have come next."""

    kind: Literal["exhausted"] = "exhausted"
    limit: str
    """The limit that would have been broken: a field of `Budget`, or `daily_` and a field of `WindowLimit`."""
    needed: Spend
    """The worst case of what would have come next."""
    reserved: Spend
    """What attempts of unknown outcome still held: those of the run, or those of all its tenant's runs on that day."""
    reason: str
    window: WindowShortage | None = None
    """How the tenant's day stood, where that was the limit."""


class Cancelled(Variant):
    """Somebody cancelled the run."""

    kind: Literal["cancelled"] = "cancelled"
    phase: AnyPhase
    """What it was doing when it was cancelled."""
    unknown: tuple[str, ...] = ()
    """Calls of tools whose outcome is unknown, a line each."""


Outcome = Annotated[Answered | Abstained | Extracted | Refused | Exhausted | Cancelled, Field(discriminator="kind")]


class StageTiming(Contract):
    """How long one stage took, in milliseconds of workflow time."""

    stage: str
    milliseconds: int = Field(ge=0)


class RunResult(Contract):
    """What came of a run, with its evidence."""

    spelled_out: ClassVar[bool] = True

    outcome: Outcome
    verdicts: tuple[Verdict, ...] = ()
    spent: Spend = Spend()
    """Settled: what is known to have been used."""
    unsettled: Spend = Spend()
    """What attempts of unknown outcome may have cost at most, on top of `spent`."""
    account: Charged | None = None
    """What the run's account holds: all that was ever charged, attempts before a reset included, which this history
    does not know of. None where it holds no more than `spent` and `unsettled` say."""
    deployment: str | None = None
    timings: tuple[StageTiming, ...] = ()
    notices: tuple[str, ...] = ()
    """What a reader of the result should know, a line each: that a tier fell back to another deployment."""


class FailedRun(Contract):
    """How a run ended that has no outcome: the detail of its failure, for whoever has to mend it."""

    spelled_out: ClassVar[bool] = True

    phase: AnyPhase
    """What it was doing."""
    reason: str
    spent: Spend = Spend()
    """Settled: what is known to have been used."""
    unsettled: Spend = Spend()
    """What attempts of unknown outcome may have cost at most, on top of `spent`."""
    account: Charged | None = None
    """As of a `RunResult`."""
    unknown: tuple[str, ...] = ()
    """Calls of tools whose outcome is unknown, a line each: look at the other side."""
    repeatable: bool = False
    """Whether nothing was written, so that starting it again under another id does nothing twice."""
    deployment: str | None = None
    notices: tuple[str, ...] = ()


class RunStatus(Contract):
    """How a run stands now."""

    business_id: str
    tenant: Name
    workflow_id: str
    """Temporal's id of the run: the tenant and the business id."""
    temporal_run_id: str
    """Temporal's id of the execution, for a link to the Temporal UI."""
    state: Literal["running", "completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new"]
    """Temporal's own state of the run."""
    phase: AnyPhase | None = None
    outcome: str | None = None
    started: datetime
    closed: datetime | None = None
