"""State machine of an agent's run: its next step, and its state after each event. Pure: no clock, no I/O."""

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
    """Wait: the run is paused until a person resumes it."""


@dataclass(frozen=True)
class Think:
    """Ask the model for its next move."""

    step: str
    """The step's name in its run."""


@dataclass(frozen=True)
class Compact:
    """Have the model summarize the older turns: its context window is nearly full."""

    step: str
    """The step's name in its run."""
    cut: Mark
    """The place of the cut: turns before it are summarized, turns after it stay word for word."""


@dataclass(frozen=True)
class Work:
    """Run these calls, side by side."""

    calls: tuple[str, ...]


@dataclass(frozen=True)
class Observe:
    """Add the results of the turn's calls to the transcript: all calls are answered."""


@dataclass(frozen=True)
class Check:
    """Have guards check the answer that the model gave."""

    answer: Text


@dataclass(frozen=True)
class Abstain:
    """End the run: the model asked for no tool and gave no answer."""


@dataclass(frozen=True)
class Exhaust:
    """End the run: the budget does not cover the next step."""

    short: Shortfall


CUT_SHOWN = 8
"""The characters of a cut's link in the name of its compaction step."""

Step: TypeAlias = Hold | Think | Compact | Work | Observe | Check | Abstain | Exhaust


def next_step(run: AgentRun) -> Step:
    """Return the next step of a run."""
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
    # After a reset the same number may stand for a summary of other turns: the cut makes it another step.
    return (
        Think(f"think-{run.turn + 1}")
        if cut is None
        else Compact(f"compact-{run.compactions + 1}-{cut.link[:CUT_SHOWN]}", cut)
    )


def worst_thought(run: AgentRun, deployment: Deployment) -> Spend:
    """Return the most that one thought may cost at a deployment."""
    room = max(0, deployment.context_window - run.spec.max_output_tokens)
    return deployment.worst_case(
        input_tokens=min(compaction.bound(run), room), output_tokens=run.spec.max_output_tokens
    )


def begun(run: AgentRun, task: Text) -> AgentRun:
    """Return the run with the task as the first turn of its transcript."""
    return run.model_copy(update={"transcript": run.transcript.add(Turn(role=Role.USER, body=task))})


def thought(run: AgentRun, reply: Thought) -> AgentRun:
    """Return the run after a thought: its calls or answer. The reply and all turns before it are stored by now."""
    transcript = run.transcript.kept().add(Turn(role=Role.ASSISTANT, body=reply.said))
    if reply.kept:
        transcript = transcript.kept()
    calls = tuple(
        RequestedCall(id=call.id, tool=call.tool, arguments=call.arguments.reference()) for call in reply.calls
    )
    return run.model_copy(
        update={
            "turn": run.turn + 1,
            "window": compaction.window_after(run, reply),
            "transcript": transcript,
            "calls": calls,
            "answer": None if calls else reply.answer,
            "silent": not calls and reply.answer is None,
            "attempted": 0,
        }
    )


def observed(run: AgentRun) -> AgentRun:
    """Return the run with the results of its calls in the transcript, in the order of the calls."""
    turns = [Turn(role=Role.TOOL, body=call.result, call=call.id) for call in run.calls if call.result is not None]
    new = (call.tool for call in run.calls if call.ended is ToolEnded.RETURNED)
    returned = tuple(dict.fromkeys((*run.returned, *new)))
    transcript = run.transcript.add(*turns)
    if place_of_answer(run) is not None and all(call.kept for call in run.calls):
        transcript = transcript.kept()
    return run.model_copy(update={"transcript": transcript, "returned": returned, "calls": ()})


def place_of_answer(run: AgentRun) -> Digest | None:
    """Return the link that the only call's result follows; None for several calls, or while a turn is unstored."""
    return run.transcript.stored if len(run.calls) == 1 and not run.transcript.fresh else None


def phase_of(run: AgentRun) -> tuple[AgentPhase | None, bool]:
    """Return the phase of a run, None where its next step decides, and whether a call waits for a person."""
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
    only_questions = CallStage.AWAITING_APPROVAL not in stages
    return AgentPhase.AWAITING_ANSWER if only_questions else AgentPhase.AWAITING_APPROVAL, waiting
