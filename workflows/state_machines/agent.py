"""State machine of an agent's run: its next step, and its state after each event. Pure: no clock, no I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from perdure.contracts.agents.agent import AgentPhase, AgentRun, CallStage, RequestedCall, Shortfall
from perdure.contracts.agents.compaction import Mark
from perdure.contracts.agents.loops import Repeated
from perdure.contracts.agents.steps import AskedCall, Thought
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.chains.steps import Unusable
from perdure.contracts.contract import Digest
from perdure.contracts.runs.run import Abstained, Refused, Stuck, Unfinished
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import ToolEnded
from perdure.contracts.tool_calls.writes import Write
from workflows.state_machines import compaction, ending, repeats, writes
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
class Remind:
    """Tell the model that these required writes have not been done, where the budget covers one more thought."""

    missing: tuple[Write, ...]


@dataclass(frozen=True)
class Check:
    """Have guards check the answer that the model gave."""

    answer: Text


@dataclass(frozen=True)
class Abstain:
    """End the run: the model asked for no tool and gave no answer."""


@dataclass(frozen=True)
class Stop:
    """End the run: the model's reply was cut, refused or withheld, and there will be no other."""

    unusable: Unusable


@dataclass(frozen=True)
class Circle:
    """End the run: the model repeats the same call, and it comes to the same."""

    repeated: Repeated


@dataclass(frozen=True)
class Exhaust:
    """End the run: the budget does not cover the next step."""

    short: Shortfall


CUT_SHOWN = 8
"""The characters of a cut's link in the name of its compaction step."""

Step: TypeAlias = Hold | Think | Compact | Work | Observe | Remind | Check | Abstain | Stop | Circle | Exhaust


def next_step(run: AgentRun) -> Step:
    """Return the next step of a run."""
    if run.paused is not None:
        return Hold()
    if (end := _end(run)) is not None:
        return end
    if run.calls:
        open_calls = tuple(call.id for call in run.calls if call.stage is not CallStage.ANSWERED)
        return Work(open_calls) if open_calls else Observe()
    if run.answer is not None or run.silent:
        if missing := writes.to_remind(run):
            return Remind(missing)
        return Abstain() if run.answer is None else Check(run.answer)
    cut, again = compaction.cut(run), ending.LONGER if run.longer else ""
    # After a reset the same number may stand for a summary of other turns: the cut makes it another step.
    return (
        Think(f"think-{run.turn + 1}{again}")
        if cut is None
        else Compact(f"compact-{run.compactions + 1}-{cut.link[:CUT_SHOWN]}{again}", cut)
    )


def _end(run: AgentRun) -> Exhaust | Stop | Circle | None:
    """Return the step that ends the run, whatever it still has to do; None where it goes on."""
    if run.short is not None:
        return Exhaust(run.short)
    if run.stuck is not None:
        return Circle(run.stuck)
    return None if run.unusable is None else Stop(run.unusable)


def outcome_of(run: AgentRun, end: Abstain | Stop | Circle) -> Abstained | Refused | Stuck | Unfinished:
    """Return the outcome of a run whose model made no move, or the same one again."""
    if isinstance(end, Stop):
        return ending.outcome_of(end.unusable)
    if isinstance(end, Circle):
        return Stuck(repeated=end.repeated, reason=repeats.reason(end.repeated))
    if writes.missing(run):
        return writes.unfinished(run, None)
    return Abstained(reason="The model asked for no tool and gave no answer.")


def worst_thought(run: AgentRun, deployment: Deployment) -> Spend:
    """Return the most that one thought may cost at a deployment."""
    reply = run.longer or run.spec.max_output_tokens
    room = max(0, deployment.context_window - reply)
    return deployment.worst_case(input_tokens=min(compaction.bound(run), room), output_tokens=reply)


def affordable(run: AgentRun, allowance: Allowance, now: datetime) -> AgentRun:
    """Return the run with as much room for a thought as the budget covers, after a reply that was cut.

    The run ends where the budget covers no more room than the first reply had.
    """
    limit = run.spec.max_output_tokens
    most = ending.affordable(
        run.longer,
        limit,
        lambda tokens: worst_thought(run.model_copy(update={"longer": tokens}), run.deployment),
        allowance,
        now,
    )
    return run.model_copy(update={"longer": most}) if most else not_longer(run, ending.NO_BUDGET)


def not_longer(run: AgentRun, why: str) -> AgentRun:
    """Return the run, which ends, after a reply was cut and no longer one could be bought."""
    unusable = ending.cut(run.spec.name, run.spec.max_output_tokens, why=why)
    return run.model_copy(update={"unusable": unusable, "longer": 0})


def begun(run: AgentRun, task: Text) -> AgentRun:
    """Return the run with the task as the first turn of its transcript."""
    return run.model_copy(update={"transcript": run.transcript.add(Turn(role=Role.USER, body=task))})


def thought(run: AgentRun, reply: Thought) -> AgentRun:
    """Return the run after a thought: its calls or answer. The reply and all turns before it are stored by now.

    A reply that was cut, refused or withheld is no turn: its calls are never made, and its text is no answer. One that
    was cut is bought once more with more room.
    """
    if not ending.is_whole(reply):
        kept = {"transcript": run.transcript.kept(), "attempted": 0}
        return run.model_copy(update={**kept, **_without_move(run, reply)})
    transcript = run.transcript.kept().add(Turn(role=Role.ASSISTANT, body=reply.said))
    if reply.kept:
        transcript = transcript.kept()
    stuck = repeats.before(run, reply.calls)
    calls = () if stuck else tuple(_requested(run, call) for call in reply.calls)
    return run.model_copy(
        update={
            "turn": run.turn + 1,
            "stuck": stuck,
            "window": compaction.window_after(run, reply),
            "transcript": transcript,
            "calls": calls,
            "briefing": reply.briefing,
            "answer": None if reply.calls else reply.answer,
            "silent": not reply.calls and reply.answer is None,
            "attempted": 0,
            "longer": 0,
        }
    )


def _requested(run: AgentRun, call: AskedCall) -> RequestedCall:
    same = "" if run.spec.loops is None else repeats.same_of(call)
    return RequestedCall(id=call.id, tool=call.tool, arguments=call.arguments.reference(), brief=call.brief, same=same)


def _without_move(run: AgentRun, reply: Thought) -> dict[str, object]:
    """Return the update of a run after a reply that is no move."""
    limit = run.spec.max_output_tokens
    if (unusable := ending.refused(reply)) is not None:
        return {"unusable": unusable, "longer": 0}
    if run.longer:
        return {"unusable": ending.cut(run.spec.name, limit, longer=run.longer), "longer": 0}
    longer = ending.more_room(reply, limit, run.deployment)
    unusable = None if longer else ending.cut(run.spec.name, limit, why=ending.NO_ROOM)
    return {"unusable": unusable, "longer": longer}


def observed(run: AgentRun) -> AgentRun:
    """Return the run with the results of its calls in the transcript, in the order of the calls."""
    turns = [Turn(role=Role.TOOL, body=call.result, call=call.id) for call in run.calls if call.result is not None]
    new = (call.tool for call in run.calls if call.ended is ToolEnded.RETURNED)
    returned = tuple(dict.fromkeys((*run.returned, *new)))
    transcript = run.transcript.add(*turns)
    if place_of_answer(run) is not None and all(call.kept for call in run.calls):
        transcript = transcript.kept()
    after, note = repeats.observed(writes.observed(run))
    if note is not None:
        transcript = transcript.add(Turn(role=Role.NOTE, body=note))
    return after.model_copy(update={"transcript": transcript, "returned": returned, "calls": (), "briefing": None})


def reminded(run: AgentRun, missing: tuple[Write, ...]) -> AgentRun:
    """Return the run whose model is told what is missing: its answer is taken back, and it thinks once more."""
    transcript = run.transcript.add(Turn(role=Role.NOTE, body=writes.reminder(missing)))
    return run.model_copy(
        update={"transcript": transcript, "reminded": run.reminded + 1, "answer": None, "silent": False}
    )


def not_reminded(run: AgentRun) -> AgentRun:
    """Return the run whose budget covers no further thought: it ends with what it has."""
    return run.model_copy(update={"reminded": run.spec.reminders})


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
