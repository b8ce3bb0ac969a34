"""An agent's run as a state machine: what is known of it, and what comes next. Pure: no clock, no I/O, no Temporal."""

from dataclasses import dataclass
from typing import TypeAlias

from perdure.contracts.agents.agent import AgentPhase, AgentRun, CallStage, RequestedCall, Shortfall
from perdure.contracts.agents.compaction import Mark
from perdure.contracts.agents.steps import Thought
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.contract import Digest
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import ToolEnded
from workflows.state_machines import compaction
from workflows.state_machines.approvals import WAITING


@dataclass(frozen=True)
class Hold:
    """Nothing begins until somebody resumes the run."""


@dataclass(frozen=True)
class Think:
    """The model chooses its next move."""

    step: str
    """The step's name in its run."""


@dataclass(frozen=True)
class Compact:
    """The window is nearly full: the model sums the older turns up."""

    step: str
    """The step's name in its run."""
    cut: Mark
    """What is before it is summed up, and what comes after stays word for word."""


@dataclass(frozen=True)
class Work:
    """See to these calls, side by side."""

    calls: tuple[str, ...]


@dataclass(frozen=True)
class Observe:
    """Every call of the turn is answered: what was answered joins the transcript."""


@dataclass(frozen=True)
class Check:
    """The model has answered; guards have not spoken yet."""

    answer: Text


@dataclass(frozen=True)
class Abstain:
    """The model asked for nothing and said nothing."""


@dataclass(frozen=True)
class Exhaust:
    """The budget does not cover what comes next."""

    short: Shortfall


CUT_SHOWN = 8
"""Characters of the place where a conversation is cut, in the name of the step that sums up what is before it."""

Step: TypeAlias = Hold | Think | Compact | Work | Observe | Check | Abstain | Exhaust


def next_step(run: AgentRun) -> Step:
    """What comes next for a run."""
    if run.paused is not None:
        return Hold()
    if run.short is not None:
        return Exhaust(run.short)
    if run.calls:
        open_calls = tuple(call.id for call in run.calls if call.stage is not CallStage.ANSWERED)
        return Work(open_calls) if open_calls else Observe()
    if run.answer is not None:
        return Check(run.answer)
    if run.silent:
        return Abstain()
    cut = compaction.cut(run)
    # After a reset other turns may be summed up under the same number: their summary is another step.
    return (
        Think(f"think-{run.turn + 1}")
        if cut is None
        else Compact(f"compact-{run.compactions + 1}-{cut.link[:CUT_SHOWN]}", cut)
    )


def worst_thought(run: AgentRun, deployment: Deployment) -> Spend:
    """What one attempt to think may cost at most at a deployment."""
    room = max(0, deployment.context_window - run.spec.max_output_tokens)
    return deployment.worst_case(
        input_tokens=min(compaction.bound(run), room), output_tokens=run.spec.max_output_tokens
    )


def begun(run: AgentRun, task: Text) -> AgentRun:
    """The conversation begins with the task."""
    return run.model_copy(update={"transcript": run.transcript.add(Turn(role=Role.USER, body=task))})


def thought(run: AgentRun, reply: Thought) -> AgentRun:
    """The model has chosen. What it said is stored by now, and so is all that came before."""
    transcript = run.transcript.kept().add(Turn(role=Role.ASSISTANT, body=reply.said))
    if reply.kept:
        transcript = transcript.kept()
    calls = tuple(
        RequestedCall(id=call.id, tool=call.tool, arguments=call.arguments.reference()) for call in reply.calls
    )
    return run.model_copy(
        update={
            "turn": run.turn + 1,
            "window": compaction.noted(run, reply),
            "transcript": transcript,
            "calls": calls,
            "answer": None if calls else reply.answer,
            "silent": not calls and reply.answer is None,
            "attempted": 0,
        }
    )


def observed(run: AgentRun) -> AgentRun:
    """The answers join the transcript in the order of their calls, whichever came back first."""
    turns = [Turn(role=Role.TOOL, body=call.result, call=call.id) for call in run.calls if call.result is not None]
    news = (call.tool for call in run.calls if call.ended is ToolEnded.RETURNED)
    returned = tuple(dict.fromkeys((*run.returned, *news)))
    transcript = run.transcript.add(*turns)
    if place_of_answer(run) is not None and all(call.kept for call in run.calls):
        transcript = transcript.kept()
    return run.model_copy(update={"transcript": transcript, "returned": returned, "calls": ()})


def place_of_answer(run: AgentRun) -> Digest | None:
    """The link that the answer comes right after, where it is the turn's only one and all before it is stored."""
    return run.transcript.stored if len(run.calls) == 1 and not run.transcript.fresh else None


def phase_of(run: AgentRun) -> tuple[AgentPhase | None, bool]:
    """What the run is doing, and whether anything in it waits for a person. None: what comes next decides."""
    stages = [call.stage for call in run.calls if call.stage is not CallStage.ANSWERED]
    waiting = any(stage in WAITING for stage in stages)
    if run.paused is not None:
        return AgentPhase.PAUSED, waiting
    if not stages:
        return None, waiting
    if not all(stage in WAITING for stage in stages):
        return AgentPhase.ACTING, waiting
    if CallStage.UNKNOWN in stages:
        return AgentPhase.AWAITING_DECISION, waiting
    asks = CallStage.AWAITING_APPROVAL not in stages
    return AgentPhase.AWAITING_ANSWER if asks else AgentPhase.AWAITING_APPROVAL, waiting
