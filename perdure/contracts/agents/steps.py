"""What an agent's workflow asks of its effects, and what each of them replies."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from perdure.contracts.agents.agent import AgentSpec, CallStage
from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.budget import Budget, Charged, Spend
from perdure.contracts.chains.spec import Deployment, PricedDeployment
from perdure.contracts.chains.steps import PaidReply, StepKey
from perdure.contracts.contract import Contract, Digest, Name, Variant
from perdure.contracts.guards import Verdict
from perdure.contracts.text import PlainText, Text
from perdure.contracts.tool_calls.decisions import StepDecision
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolName


class PinAgent(Contract):
    """Pin what decides this run, and store the task."""

    tenant: Name
    agent: Name
    tier: Name | None
    task: Text
    """With its body: the first hop carries the caller's text and stores it."""
    budget: Budget = Budget()
    """The run's own: its account is opened with it."""
    started_by: str = ""
    """Who started the run, by the starter's own word."""
    caller: Digest | None = None
    """The ticket of the token that the starter has shown; None where none was shown."""


class PinnedAgent(Contract):
    """What decides this run, and where its first thought goes."""

    spec: AgentSpec
    pinned: Text
    """The spec's own JSON, by digest: it is in the store."""
    deployment: Deployment


class Think(Contract):
    """Choose the next move. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    deployment: PricedDeployment
    pinned: Text
    transcript: Transcript
    """Without what prices it."""
    worst: Spend
    """What is reserved for this attempt: the prompt and the reply are kept within it."""


class AskedCall(Contract):
    """A tool that the model asks for."""

    id: str
    """`call-3-1`, given by us: a model's own names may repeat."""
    tool: str
    arguments: PlainText
    """JSON as the model wrote it: by digest, since the thought's own text holds it, unless it is shorter than that."""


class Thought(PaidReply):
    """The model's next move: calls of tools, or its answer."""

    said: PlainText
    """The turn for the transcript: JSON with the words and the calls. Without its body where it is the answer."""
    calls: tuple[AskedCall, ...] = ()
    dropped: int = Field(default=0, ge=0)
    """Calls beyond what one turn may ask for: they were left out."""
    answer: Text | None = None
    """What it says, where it asks for nothing more; None also where it says nothing."""
    model: str
    finish_reason: str
    prompt_digest: Digest
    """The name of the exact request: `python -m evals show-prompt` rebuilds it."""
    kept: bool = False
    """Whether this turn is stored with its place in the conversation, so that the next request need not tell it."""


class ScreenCall(Contract):
    """Look at a call before a person is asked for it: what cannot be called needs nobody's time."""

    key: StepKey
    pinned: Text
    tool: str
    arguments: Text
    missing: tuple[ToolName, ...] = ()
    """What has to return before it and has not."""


class ScreenedCall(Contract):
    """Whether the call can be made, and what exactly it would be."""

    arguments: Text
    """With its body, for the person who decides."""
    rejected: ToolOutcome | None = None
    """What the model is told, where it cannot be made; None where it can."""
    problem: str = ""
    """The same for a person who has edited the arguments."""
    verdicts: tuple[Verdict, ...] = ()
    """What guards found in the arguments."""


class Act(Contract):
    """Call a tool. One attempt."""

    key: StepKey
    """Of the call: the same for all its attempts."""
    attempt: int = Field(ge=1)
    pinned: Text
    tool: str
    arguments: Text
    """JSON, by digest."""
    missing: tuple[ToolName, ...] = ()
    """What has to return before it and has not: it is not called then."""
    call_off: bool = False
    """Only see to it that no attempt of this call begins any more: the run is cancelled, or fails."""
    may_resume: bool = False
    """Of what is called off: whether a later attempt of the run may call all the same, since the run may be retried."""
    parent: Digest | None = None
    """The link of the turn that what is answered comes right after, where that is known before: of several calls in one
    turn it is not."""


class CallAnswered(Variant):
    """There is an outcome, which the model is shown."""

    kind: Literal["answered"] = "answered"
    outcome: ToolOutcome


class Again(Variant):
    """Nothing is known yet; another attempt is safe, and may tell."""

    kind: Literal["again"] = "again"
    reason: str
    by: int = Field(default=0, ge=0)
    """The attempt that came first, where one did, as after a reset: only one of a higher number may call."""


class AskPerson(Variant):
    """It may have happened, and only a person can say so."""

    kind: Literal["ask_person"] = "ask_person"
    attempt: int = Field(ge=1)
    """Whose outcome is unknown: a decision is about this one."""
    intended_at: AwareDatetime
    reason: str
    arguments: Text | None = None
    """With their body, for the person; None where the run is over and nobody is asked."""


class Unproven(Variant):
    """It was not called: nothing that is recorded allows this call to be made in this run."""

    kind: Literal["unproven"] = "unproven"
    reason: str
    outcome: ToolOutcome
    """What the model is told where nobody is asked about calls of this tool: its words are in the store."""


class Acted(Contract):
    """What came of one attempt."""

    came: Annotated[CallAnswered | Again | AskPerson | Unproven, Field(discriminator="kind")]
    verdicts: tuple[Verdict, ...] = ()
    """What guards found in the arguments and in the result."""
    charges: dict[int, Spend] = Field(default_factory=dict[int, Spend])
    """What attempts of this call are known to have cost, by number."""
    stopped: bool = False
    """Whether it was called off while it ran."""
    kept: bool = False
    """Whether the answer is stored with its place in the conversation, so that the next request need not tell it."""
    account: Charged | None = None
    """As of a `PaidReply`."""


class SettleCall(Contract):
    """Take a person's word: that a call is denied, or what became of a call whose outcome is unknown."""

    key: StepKey
    pinned: Text
    tool: str
    decision: StepDecision
    unknown_attempt: int | None = None
    """Whose outcome is decided; None where the call is denied, or a question is answered."""
    question: Text | None = None
    """The call's arguments, by digest: what is answered, and what tells this call from another under its key."""
    lapsed: bool = False
    """Whether nobody said anything in time, and the policy speaks."""


class SettledCall(Contract):
    """What the word came to."""

    outcome: ToolOutcome | None = None
    """What the model is told; None where the call is to be made again, or the word was refused."""
    refused: str = ""
    """Why the word changed nothing; empty where it holds."""
    unproven: bool = False
    """Whether that is because no such decision is recorded."""


class CheckDecision(Contract):
    """Say whether a decision counts, and write down one that does: `act` and `settle_call` believe nothing else."""

    key: StepKey
    decision: StepDecision
    pinned: Text | None = None
    """The spec by whose policy it counts; None from runs that began before decisions were recorded, which only ask
    whose word it is."""
    tool: str = ""
    arguments: Text | None = None
    """What the call would be made with, or was, by digest."""
    stage: CallStage = CallStage.AWAITING_APPROVAL
    unknown_attempt: int | None = None
    """Whose outcome is decided."""
    escalations: int = Field(default=0, ge=0)
    """How often others were allowed to decide as well, by the run's own clock: the effect holds it against its own."""
    lapsed: bool = False
    """Whether nobody said anything in time, and the policy speaks."""


class CheckedDecision(Contract):
    """Whose word it is, and whether it counts."""

    groups: tuple[str, ...] = ()
    """The groups that the credential says they are in."""
    refused: str = ""
    """Why the decision does not count; empty where it does."""
    verified: bool = False
    """Whether a credential says whose word it is."""
    wait: timedelta | None = None
    """How much longer people have to be waited for, where a policy spoke too early by the database's clock."""


class AuditDecision(Contract):
    """Write down a decision that no run could take."""

    tenant: Name
    business_id: str
    decision: StepDecision
    """Without its credential."""
    reason: str
    """Why it was not taken."""


class Audited(Contract):
    """It is written down."""

    number: int = Field(ge=1)
    """The decisions with this id that were written down for this run so far."""
