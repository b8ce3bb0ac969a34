"""An agent and its run: what it is, what it may call, and all that a run of it knows, in one contract."""

from datetime import timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from perdure.contracts.agents.compaction import Compaction, Window
from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import Voice
from perdure.contracts.tool_calls.decisions import DecisionRecord
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded
from perdure.contracts.tool_calls.tools import ToolEffect, ToolName, ToolSpec
from perdure.contracts.windows import WindowShortage


class AgentPhase(StrEnum):
    """What an agent's run is doing."""

    PINNING = "pinning"
    """What decides the run is being pinned, and the task is being screened."""
    THINKING = "thinking"
    """The model is choosing its next move."""
    COMPACTING = "compacting"
    """The model's window is nearly full: it is summing the older turns up."""
    ACTING = "acting"
    """The tools that the model asked for are being called."""
    AWAITING_APPROVAL = "awaiting_approval"
    """A step that changes the world was chosen; a person has not yet said yes or no."""
    AWAITING_DECISION = "awaiting_decision"
    """A step may have changed the world and nobody knows; a person has to say so."""
    AWAITING_ANSWER = "awaiting_answer"
    """The agent has asked a person something and has no answer yet."""
    PAUSED = "paused"
    """Somebody paused the run: nothing new begins until it is resumed."""
    CHECKING = "checking"
    """The answer is being checked."""
    CLOSED = "closed"
    """The run is over; its outcome says how it ended."""


class AgentSpec(Contract):
    """An agent as its TOML file described it when the run started. Editing the file never changes a running run."""

    name: Name
    digest: Digest
    """SHA-256 of the TOML file: which edition of the agent this run follows."""
    tier: Name
    instructions: Text
    """The fixed beginning of every prompt: the system message and the worked examples, as JSON messages."""
    collection: Name | None = None
    """The documents that its tools may search; None for none."""
    tools: tuple[ToolSpec, ...] = ()
    """All that it may call, as it was granted. There are no others."""
    begins_with: ToolName | None = None
    """The tool that the first thought has to call; None where it is free to choose."""
    screen: tuple[GuardSpec, ...] = ()
    """Guards over the task."""
    arguments: tuple[GuardSpec, ...] = ()
    """Guards over the arguments of every call, before it is made."""
    results: tuple[GuardSpec, ...] = ()
    """Guards over what tools return, before the model sees it."""
    check: tuple[GuardSpec, ...] = ()
    """Guards over the answer."""
    result_bytes: int = Field(default=16 * 1024, ge=1)
    """How much of one result the model is shown at most."""
    max_output_tokens: int = Field(ge=1)
    """Of one thought."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often one paid call of the model is tried at most."""
    tool_attempts: int = Field(default=5, ge=1, le=20)
    """How often one call of a tool is tried at most, where trying again is safe; lost workers count."""
    wait: timedelta = timedelta(seconds=1)
    """Before the second attempt; doubled for each further one."""
    compaction: Compaction | None = None
    """When older turns are summed up; None for never, as for runs that began before there were summaries."""

    def tool(self, name: str) -> ToolSpec | None:
        """The tool of this name, as it was granted; None where none was."""
        return next((tool for tool in self.tools if tool.name == name), None)


class CallStage(StrEnum):
    """Where a call that the model asked for stands."""

    ASKED = "asked"
    """Nothing was done for it yet."""
    AWAITING_APPROVAL = "awaiting_approval"
    """A person has to agree first."""
    ALLOWED = "allowed"
    """It may be made: nobody has to agree, or somebody has."""
    ASKING = "asking"
    """It is a question to a person, who has not answered it."""
    UNKNOWN = "unknown"
    """It may have been made, and nobody knows: a person has to say so."""
    ANSWERED = "answered"
    """Its result, or the reason why there is none, is there."""


class RequestedCall(Contract):
    """A call of a tool that the model asked for, from the asking to its answer."""

    id: str
    """`call-3-1` is the first call of the third turn: the step's name in its run, the same for all attempts."""
    tool: str
    """As the model wrote it: it may be no tool at all."""
    arguments: Text
    """JSON. Its body comes along where a person has to see it."""
    stage: CallStage = CallStage.ASKED
    attempts: int = Field(default=0, ge=0)
    """Attempts started so far: their numbers rise over the whole life of the call."""
    tries: int = Field(default=0, ge=0)
    """Attempts since a person last had a word in it: these are limited."""
    failure: str = ""
    """Why the last attempt told nothing, or what is unknown."""
    since: AwareDatetime | None = None
    """How long a person has been waited for."""
    unknown_attempt: int | None = None
    """Whose outcome is unknown."""
    binding: Digest | None = None
    """What a decision has to name: the digest of the call as it is now, in this run."""
    unproven: bool = False
    """Whether it was to be made and nothing recorded allowed it, so that people were asked again."""
    voices: tuple[Voice, ...] = ()
    """Who has agreed to it as it is now, where more than one has to."""
    reminders: int = Field(default=0, ge=0)
    """How often people were reminded that it waits."""
    escalations: int = Field(default=0, ge=0)
    """How often others were allowed to decide as well."""
    result: Text | None = None
    ended: ToolEnded | None = None
    happened: Happened | None = None
    kept: bool = False
    """Whether its answer is stored with its place in the conversation, right after the turn that asked for it."""


class Shortfall(Contract):
    """What the budget did not cover."""

    limit: str
    """A field of `Budget`; `daily_` and a field of `WindowLimit` for the tenant's day."""
    needed: Spend
    """The worst case of what would have come next."""
    window: WindowShortage | None = None
    """How the tenant's day stood, where that was the limit."""


class AgentRun(Contract):
    """All that a run of an agent knows. It goes on from here wherever it is picked up again."""

    spec: AgentSpec
    pinned: Text
    """The spec's own JSON, by digest: effects read it from the store, so that no request carries it."""
    deployment: Deployment
    """Where the first attempt of a thought goes."""
    allowance: Allowance
    transcript: Transcript
    turn: int = Field(default=0, ge=0)
    """Thoughts so far."""
    calls: tuple[RequestedCall, ...] = ()
    """Of the newest turn, in the order in which the model asked."""
    answer: Text | None = None
    """What the model said when it asked for nothing more."""
    silent: bool = False
    """Whether it asked for nothing and said nothing."""
    short: Shortfall | None = None
    paused: str | None = None
    """Who paused the run and why; None while it goes on."""
    verdicts: tuple[Verdict, ...] = ()
    notices: tuple[str, ...] = ()
    started_by: str = ""
    """Who started the run; empty where nobody said."""
    tenant: str = ""
    """Whose run it is; empty as long as `run` is."""
    run: str = ""
    """Its first run id, to which decisions are bound from the first call on that waits for one: each is recorded then.
    Empty before, and in runs that an older version has asked people about, whose decisions name no run."""
    decisions: tuple[DecisionRecord, ...] = ()
    """What people have said and were answered, the newest last."""
    strays: int = Field(default=0, ge=0)
    """Signals that were no decision."""
    window: Window | None = None
    """How full the model's window is; None before the first thought."""
    returned: tuple[ToolName, ...] = ()
    """The tools that have returned something in earlier turns, in the order in which each did so first."""
    compactions: int = Field(default=0, ge=0)
    """Summaries so far, those that came to nothing among them."""
    attempted: int = Field(default=0, ge=0)
    """Attempts of the thought or summary under way that earlier executions have made: their numbers go on."""
    wrote: bool = False
    """Whether a call that may change the world was tried."""

    def call(self, id: str) -> RequestedCall:
        """The call of this id. Raises `KeyError`."""
        found = next((call for call in self.calls if call.id == id), None)
        if found is None:
            raise KeyError(id)
        return found

    def with_call(self, changed: RequestedCall) -> "AgentRun":
        """With one of its calls in its new state."""
        calls = tuple(changed if call.id == changed.id else call for call in self.calls)
        tool = self.spec.tool(changed.tool)
        tried = changed.attempts > self.call(changed.id).attempts
        wrote = self.wrote or (tried and tool is not None and tool.effect is not ToolEffect.READ_ONLY)
        return self.model_copy(update={"calls": calls, "wrote": wrote})
