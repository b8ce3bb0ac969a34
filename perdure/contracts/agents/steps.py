"""The requests of an agent's workflow to its effects, and the replies of the effects."""

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
from perdure.contracts.tool_calls.briefing import Briefing
from perdure.contracts.tool_calls.decisions import StepDecision
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.tool_calls.tools import ToolName

BRIEF = 120
"""The most characters of a call's arguments, or of the result of a write, that the result of a run shows."""


class PinAgent(Contract):
    """Pin the spec and the deployment of this run, and store the task."""

    tenant: Name
    agent: Name
    tier: Name | None
    """The tier of models to use; None for the agent's own tier."""
    task: Text
    """The task, with its body: this first request carries the caller's text, and the effect stores it."""
    budget: Budget = Budget()
    """The run's budget. Its account is opened with it."""
    started_by: str = ""
    """The name that the starter gave, unverified; empty for none."""
    caller: Digest | None = None
    """The ticket of the caller's token; None for an anonymous start."""
    requires: tuple[ToolName, ...] = ()
    """The tools of which this run requires a write, besides those that the agent's file requires."""


class PinnedAgent(Contract):
    """The pinned spec of this run, and the deployment of its first thought."""

    spec: AgentSpec
    pinned: Text
    """The spec's JSON, by digest: it is stored."""
    deployment: Deployment
    subject: str = ""
    """Who started the run, by a verified token; empty where none was shown."""


class Think(Contract):
    """Choose the agent's next move. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    """The number of the attempt, from 1."""
    deployment: PricedDeployment
    pinned: Text
    """The spec's JSON, by digest."""
    transcript: Transcript
    """The conversation, without its `tokens` and `turns`."""
    worst: Spend
    """The reservation of this attempt. The prompt and the reply are kept within it."""


class AskedCall(Contract):
    """A tool call that the model asks for."""

    id: str
    """Our own id, `call-3-1`: ids from a model may repeat."""
    tool: str
    arguments: PlainText
    """The arguments as the model wrote them, in JSON. Short ones have their body; longer ones travel by digest, because
    the thought's own text holds them."""
    brief: str = ""
    """The beginning of the arguments, in one line, for a reader of the result."""


class Thought(PaidReply):
    """The model's next move: tool calls, or its answer."""

    said: PlainText
    """The turn for the transcript: JSON with the words and the calls. Without its body where it is the answer."""
    calls: tuple[AskedCall, ...] = ()
    """The calls in the order in which the model asked; empty where it answers."""
    dropped: int = Field(default=0, ge=0)
    """The number of calls beyond the most that one turn may ask for. They were left out."""
    answer: Text | None = None
    """The answer; None where the model asks for calls, or says nothing."""
    model: str
    """The model that answered, as its server names itself."""
    prompt_digest: Digest
    """The digest of the exact request: `perdure evals show-prompt` rebuilds it."""
    kept: bool = False
    """Whether this turn is stored with its place in the conversation, so that the next request need not carry it."""
    briefing: Briefing | None = None
    """What a person has to know who decides about these calls; None where no call of the turn may wait for one."""


class ScreenCall(Contract):
    """Check whether a call is allowed, before a person is asked to approve it."""

    key: StepKey
    pinned: Text
    tool: str
    arguments: Text
    missing: tuple[ToolName, ...] = ()
    """The tools that have to return before this one, and have not."""


class ScreenedCall(Contract):
    """The verdict on a call: whether it can be made, and with which arguments."""

    arguments: Text
    """The arguments with their body, for the person who decides."""
    rejected: ToolOutcome | None = None
    """The outcome for the model where the call is not allowed; None where it is."""
    problem: str = ""
    """Why the call is not allowed, for a person who has edited the arguments; empty where it is."""
    verdicts: tuple[Verdict, ...] = ()
    """The verdicts of guards on the arguments."""


class Act(Contract):
    """Call a tool. One attempt."""

    key: StepKey
    """The key of the call, the same for all its attempts."""
    attempt: int = Field(ge=1)
    """The number of the attempt, from 1."""
    pinned: Text
    tool: str
    arguments: Text
    """The arguments in JSON, by digest."""
    missing: tuple[ToolName, ...] = ()
    """The tools that have to return before this one, and have not. With any, the tool is not called."""
    call_off: bool = False
    """Whether to call nothing, and only make sure that no attempt of this call begins any more: the run was cancelled,
    or fails."""
    may_resume: bool = False
    """Only with `call_off`: whether an attempt after a retry of the run may call the tool nevertheless."""
    parent: Digest | None = None
    """The link of the turn right before the answer; None where it is not known yet, as with several calls in one turn.
    """


class CallAnswered(Variant):
    """The call has an outcome, which the model is shown."""

    kind: Literal["answered"] = "answered"
    outcome: ToolOutcome


class Again(Variant):
    """The outcome is unknown so far. Another attempt is safe, and may bring it."""

    kind: Literal["again"] = "again"
    reason: str
    by: int = Field(default=0, ge=0)
    """The attempt that came first, as after a reset; 0 for none. Only an attempt with a higher number may call."""


class AskPerson(Variant):
    """The call may have happened, and only a person can say whether it did."""

    kind: Literal["ask_person"] = "ask_person"
    attempt: int = Field(ge=1)
    """The attempt whose outcome is unknown: a decision is about this one."""
    intended_at: AwareDatetime
    """The moment when that attempt was allowed to call, in UTC."""
    reason: str
    arguments: Text | None = None
    """The arguments with their body, for the person; None where the run is over and nobody is asked."""


class Unproven(Variant):
    """The tool was not called: no record allows this call in this run."""

    kind: Literal["unproven"] = "unproven"
    reason: str
    outcome: ToolOutcome
    """The outcome for the model, where nobody is asked about calls of this tool. Its text is stored."""


class Acted(Contract):
    """The result of one attempt."""

    came: Annotated[CallAnswered | Again | AskPerson | Unproven, Field(discriminator="kind")]
    """The state of the call after the attempt; `kind` says which."""
    verdicts: tuple[Verdict, ...] = ()
    """The verdicts of guards on the arguments and on the result."""
    charges: dict[int, Spend] = Field(default_factory=dict[int, Spend])
    """The known cost of attempts of this call, by attempt number."""
    stopped: bool = False
    """Whether the call was cancelled while it ran."""
    kept: bool = False
    """Whether the answer is stored with its place in the conversation, so that the next request need not carry it."""
    account: Charged | None = None
    """The run's account after it; None in the first execution, which knows all that was charged."""


class SettleCall(Contract):
    """Apply a decision: a denial, an answer, or a ruling on a call whose outcome is unknown."""

    key: StepKey
    pinned: Text
    tool: str
    decision: StepDecision
    unknown_attempt: int | None = None
    """The attempt whose outcome is decided; None for a denial, or for an answer to a question."""
    question: Text | None = None
    """The call's arguments, by digest: they are the question that is answered, and they tell this call from another one
    under its key."""
    lapsed: bool = False
    """Whether the policy decides, because no person did in time."""


class SettledCall(Contract):
    """The result of applying a decision."""

    outcome: ToolOutcome | None = None
    """The outcome for the model; None where the call is to be made again, or the decision was refused."""
    refused: str = ""
    """Why the decision changed nothing; empty where it counts."""
    unproven: bool = False
    """Whether it was refused because no such decision is recorded."""


class CheckDecision(Contract):
    """Check whether a decision counts, and record it if it does. `act` and `settle_call` trust only that record."""

    key: StepKey
    decision: StepDecision
    pinned: Text | None = None
    """The spec whose policy applies. None from runs that began before decisions were recorded: then only the credential
    is checked."""
    tool: str = ""
    arguments: Text | None = None
    """The arguments of the call, by digest."""
    stage: CallStage = CallStage.AWAITING_APPROVAL
    """The stage in which the call waits."""
    unknown_attempt: int | None = None
    """The attempt whose outcome is decided; None for other decisions."""
    escalations: int = Field(default=0, ge=0)
    """The number of escalations by the workflow's clock. The effect compares it with the database's clock."""
    lapsed: bool = False
    """Whether the policy decides, because no person did in time."""


class CheckedDecision(Contract):
    """The verdict on a decision: whether it counts, and who made it."""

    groups: tuple[str, ...] = ()
    """The person's groups, as the credential names them."""
    refused: str = ""
    """Why the decision does not count; empty where it does."""
    verified: bool = False
    """Whether a credential proves who decided."""
    wait: timedelta | None = None
    """How much longer people have to be waited for, where the policy decided too early by the database's clock; None
    otherwise."""


class AuditDecision(Contract):
    """Record a decision that no run could take."""

    tenant: Name
    business_id: str
    decision: StepDecision
    """The decision, without its credential."""
    reason: str
    """Why no run took it."""


class Audited(Contract):
    """The confirmation that the decision is recorded."""

    number: int = Field(ge=1)
    """The number of decisions with this id that were recorded for this run so far."""
