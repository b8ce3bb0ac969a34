"""An agent and its run: the pinned spec, the calls that it asked for, and the whole state of a run in one contract."""

from datetime import timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from perdure.contracts.agents.compaction import Compaction, Window
from perdure.contracts.agents.loops import Loops, Repeated, Seen
from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.chains.steps import Unusable
from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import Voice
from perdure.contracts.tool_calls.briefing import Briefing
from perdure.contracts.tool_calls.decisions import DecisionRecord, EarlierDecision
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded
from perdure.contracts.tool_calls.tools import ToolEffect, ToolName, ToolSpec
from perdure.contracts.tool_calls.writes import Write
from perdure.contracts.windows import WindowShortage


class AgentPhase(StrEnum):
    """The phase of an agent's run."""

    PINNING = "pinning"
    """The spec and the deployment are being pinned, and the task is being screened."""
    THINKING = "thinking"
    """The model is choosing its next move."""
    COMPACTING = "compacting"
    """The model is summarizing the older turns, because its context window is nearly full."""
    ACTING = "acting"
    """The tools that the model asked for are being called."""
    AWAITING_APPROVAL = "awaiting_approval"
    """A call that changes the world was chosen, and waits for a person's approval."""
    AWAITING_DECISION = "awaiting_decision"
    """A call may have changed the world, and waits for a person to say whether it did."""
    AWAITING_ANSWER = "awaiting_answer"
    """A question of the agent waits for a person's answer."""
    PAUSED = "paused"
    """The run was paused: nothing new starts until it is resumed."""
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
    """The tier of models that the agent uses."""
    instructions: Text
    """The fixed beginning of every prompt: the system message and the worked examples, as JSON messages."""
    collection: Name | None = None
    """The documents that its tools may search; None for none."""
    tools: tuple[ToolSpec, ...] = ()
    """The tools that it may call, as they were granted. It may call no others."""
    begins_with: ToolName | None = None
    """The tool that the first thought has to call; None for a free choice."""
    screen: tuple[GuardSpec, ...] = ()
    """Guards over the task."""
    arguments: tuple[GuardSpec, ...] = ()
    """Guards over the arguments of every call, before it is made."""
    results: tuple[GuardSpec, ...] = ()
    """Guards over what tools return, before the model sees it."""
    check: tuple[GuardSpec, ...] = ()
    """Guards over the answer."""
    result_bytes: int = Field(default=16 * 1024, ge=1)
    """The most bytes of one result that the model is shown."""
    max_output_tokens: int = Field(ge=1)
    """The most tokens of one thought."""
    attempts: int = Field(default=3, ge=1, le=10)
    """The most attempts of one paid call of the model."""
    tool_attempts: int = Field(default=5, ge=1, le=20)
    """The most attempts of one tool call that is safe to repeat. Attempts of lost workers count."""
    wait: timedelta = timedelta(seconds=1)
    """The wait before the second attempt; it doubles for each further one."""
    compaction: Compaction | None = None
    """When older turns are summarized; None for never, as in runs that began before there were summaries."""
    loops: Loops | None = None
    """The limits for calls that repeat themselves. None in runs that began before there were any: they have no limit,
    and their result lists no writes."""
    requires: tuple[ToolName, ...] = ()
    """The tools of which a write has to be done, or the run is unfinished: the agent's, and those of the request."""
    reminders: int = Field(default=0, ge=0, le=3)
    """How often the model is told that a required write is missing, before the run ends without it."""

    def tool(self, name: str) -> ToolSpec | None:
        """Return the granted tool of this name; None where none was granted."""
        return next((tool for tool in self.tools if tool.name == name), None)


class CallStage(StrEnum):
    """The stage of a call that the model asked for."""

    ASKED = "asked"
    """Nothing was done for the call yet."""
    AWAITING_APPROVAL = "awaiting_approval"
    """The call waits for a person's approval."""
    ALLOWED = "allowed"
    """The call may be made: it was approved, or needs no approval."""
    ASKING = "asking"
    """The call is a question that waits for a person's answer."""
    UNKNOWN = "unknown"
    """The call may have been made, and waits for a person to say whether it was."""
    ANSWERED = "answered"
    """The call has its result, or the reason why there is none."""


class RequestedCall(Contract):
    """A tool call that the model asked for, from the request to its answer."""

    id: str
    """The step's name in its run, the same for all attempts. `call-3-1` is the first call of the third turn."""
    tool: str
    """The tool's name as the model wrote it; a tool of this name need not exist."""
    arguments: Text
    """The arguments, as JSON. The body is included where a person has to see it."""
    brief: str = ""
    """The beginning of the arguments as the model asked, in one line."""
    same: str = ""
    """16 hexadecimal digits of tool and arguments, as the model asked; empty in runs without limits for repetitions."""
    stage: CallStage = CallStage.ASKED
    """The stage of the call."""
    attempts: int = Field(default=0, ge=0)
    """The number of attempts started so far, in the whole life of the call."""
    tries: int = Field(default=0, ge=0)
    """The number of attempts since a person last decided about the call. These are limited."""
    failure: str = ""
    """Why the last attempt had no outcome, or what is unknown; empty for neither."""
    since: AwareDatetime | None = None
    """The moment from which a person has been waited for; None where nobody is."""
    unknown_attempt: int | None = None
    """The attempt whose outcome is unknown; None for none."""
    binding: Digest | None = None
    """The digest that a decision has to name: of the call as it is now, in this run. None where nobody is asked."""
    unproven: bool = False
    """Whether no record allowed the call when it was to be made, so that people were asked again."""
    voices: tuple[Voice, ...] = ()
    """The approvals so far, where more than one is needed."""
    reminders: int = Field(default=0, ge=0)
    """The number of reminders so far."""
    escalations: int = Field(default=0, ge=0)
    """The number of escalations so far."""
    result: Text | None = None
    """The text for the model; None until the call is answered."""
    ended: ToolEnded | None = None
    """How the call ended; None until it is answered."""
    happened: Happened | None = None
    """Whether the call changed the world; None until it is answered."""
    kept: bool = False
    """Whether the answer is stored with its place in the conversation, right after the turn that asked for it."""
    came: str = ""
    """A short digest of what the tool returned, by which a repetition is recognized; empty where it is not known."""
    shown: str = ""
    """The beginning of the result of a write, in one line."""
    by: str = ""
    """Who denied the call, or said whether it happened; empty for nobody."""


class Shortfall(Contract):
    """The limit of the budget that does not cover the next effect."""

    limit: str
    """A field of `Budget`; for the tenant's day `daily_` and a field of `WindowLimit`."""
    needed: Spend
    """The worst case of the next effect."""
    window: WindowShortage | None = None
    """The shortage of the tenant's day, where that was the limit; None otherwise."""


class AgentRun(Contract):
    """The whole state of an agent's run. A run can continue from it in any execution."""

    spec: AgentSpec
    pinned: Text
    """The spec's JSON, by digest. Effects read it from the store, so requests do not carry it."""
    deployment: Deployment
    """The deployment for the first attempt of a thought."""
    allowance: Allowance
    """The budget in use."""
    transcript: Transcript
    """The conversation so far."""
    turn: int = Field(default=0, ge=0)
    """The number of thoughts so far."""
    calls: tuple[RequestedCall, ...] = ()
    """The calls of the newest turn, in the order in which the model asked for them."""
    answer: Text | None = None
    """The model's answer, once it asks for no more calls; None before."""
    silent: bool = False
    """Whether the model neither asked for a call nor answered."""
    longer: int = Field(default=0, ge=0)
    """The most tokens of the next reply, where the last one was cut at its limit; 0 where it was not."""
    unusable: Unusable | None = None
    """Why the model's reply cannot be used, and the run ends; None where it can."""
    short: Shortfall | None = None
    """The limit that stopped the run; None for none."""
    paused: str | None = None
    """Who paused the run and why; None where it is not paused."""
    verdicts: tuple[Verdict, ...] = ()
    """The verdicts of all guards so far."""
    notices: tuple[str, ...] = ()
    """Notes for a reader of the result, one line each."""
    started_by: str = ""
    """The name that the starter gave; empty for none."""
    subject: str = ""
    """Who started the run, by a verified token; empty where none was shown."""
    tenant: str = ""
    """The tenant whose run it is; empty as long as `run` is."""
    run: str = ""
    """The first run id, to which decisions are bound. It is set from the first call that waits for a decision; each
    decision is recorded from then on. Empty before, and in older runs whose decisions name no run."""
    decisions: tuple[DecisionRecord, ...] = ()
    """The answered decisions, the newest last."""
    decided: tuple[EarlierDecision, ...] = ()
    """The newest decisions that counted, the newest last, for the people who decide next."""
    briefing: Briefing | None = None
    """What a person has to know who decides about the newest turn's calls; None where none of them may wait for one."""
    strays: int = Field(default=0, ge=0)
    """The number of signals that held no valid decision."""
    window: Window | None = None
    """How full the model's context window is; None before the first thought."""
    returned: tuple[ToolName, ...] = ()
    """The tools that returned something in earlier turns, in the order of their first return."""
    compactions: int = Field(default=0, ge=0)
    """The number of summaries so far, empty ones included."""
    attempted: int = Field(default=0, ge=0)
    """The number of attempts of the current thought or summary in earlier executions. The next attempt continues this
    count."""
    wrote: bool = False
    """Whether a call that may change the world was attempted."""
    seen: tuple[Seen, ...] = ()
    """The newest calls that were made, each with what it came to. Only these are recognized when they are repeated."""
    stuck: Repeated | None = None
    """The call that was repeated too often, and ends the run; None for none."""
    writes: tuple[Write, ...] = ()
    """The newest writes of earlier turns."""
    more_writes: int = Field(default=0, ge=0)
    """The number of writes before those."""
    attempts_at: tuple[Write, ...] = ()
    """The last write of each required tool; the one that was done, where there is one."""
    reminded: int = Field(default=0, ge=0)
    """How often the model was told that a required write is missing."""

    def call(self, id: str) -> RequestedCall:
        """Return the call with this id. Raises `KeyError`."""
        match = next((call for call in self.calls if call.id == id), None)
        if match is None:
            raise KeyError(id)
        return match

    def with_call(self, changed: RequestedCall) -> "AgentRun":
        """Return the run with one of its calls in a new state."""
        calls = tuple(changed if call.id == changed.id else call for call in self.calls)
        tool = self.spec.tool(changed.tool)
        tried = changed.attempts > self.call(changed.id).attempts
        wrote = self.wrote or (tried and tool is not None and tool.effect is not ToolEffect.READ_ONLY)
        return self.model_copy(update={"calls": calls, "wrote": wrote})
