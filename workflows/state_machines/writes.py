"""Writes of an agent's run: what became of each, which required ones are missing, and what the model is told. Pure."""

from collections.abc import Iterable

from perdure.contracts.agents.agent import AgentRun, CallStage, RequestedCall
from perdure.contracts.runs.endings import Unfinished
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded
from perdure.contracts.tool_calls.tools import ToolEffect
from perdure.contracts.tool_calls.writes import Write, WriteState

KEPT = 100
"""The most writes that a run's result lists: the newest."""

SETTLED = (WriteState.DONE, WriteState.UNKNOWN)
"""What became of a required write, where a later attempt that was not done changes nothing of it."""

NEVER_MADE = (ToolEnded.CALLED_OFF, ToolEnded.TOOL_CHANGED)
"""Endings of calls that nobody denied, and that nothing was tried for."""


def state_of(call: RequestedCall) -> WriteState:
    """Return what became of a call that may change the world."""
    if call.stage is CallStage.UNKNOWN or call.happened is Happened.UNKNOWN:
        return WriteState.UNKNOWN
    if call.stage is not CallStage.ANSWERED:
        return WriteState.NOT_ATTEMPTED
    if call.ended is ToolEnded.DENIED:
        return WriteState.DENIED
    if call.ended in NEVER_MADE:
        return WriteState.NOT_ATTEMPTED
    # The key of a superseded call belongs to another call, before a reset: what happened is not this one.
    done = call.happened is Happened.YES and call.ended is not ToolEnded.SUPERSEDED
    return WriteState.DONE if done else WriteState.FAILED


def observed(run: AgentRun) -> AgentRun:
    """Return the run that remembers the writes of its turn."""
    new = _of_turn(run)
    if not new or run.spec.loops is None:  # a run that began before writes were listed: its result stays as it was
        return run
    every = (*run.writes, *new)
    latest = {write.tool: write for write in run.attempts_at}
    for write in new:
        before = latest.get(write.tool)
        if write.required and (before is None or write.state is WriteState.DONE or before.state not in SETTLED):
            latest[write.tool] = write
    return run.model_copy(
        update={
            "writes": every[-KEPT:],
            "more_writes": run.more_writes + max(0, len(every) - KEPT),
            "attempts_at": tuple(latest.values()),
        }
    )


def listed(run: AgentRun) -> tuple[tuple[Write, ...], int]:
    """Return the writes of a run as it is now, and the number of earlier ones: also those that are still open.

    Required tools that the model never asked for come last.
    """
    now = observed(run)
    tried = {write.tool: write for write in now.attempts_at}
    return (*now.writes, *(_never(tool) for tool in run.spec.requires if tool not in tried)), now.more_writes


def missing(run: AgentRun) -> tuple[Write, ...]:
    """Return each required tool without a write that was done, with the last attempt at it."""
    tried = {write.tool: write for write in run.attempts_at}
    every = (tried.get(tool) or _never(tool) for tool in run.spec.requires)
    return tuple(write for write in every if write.state is not WriteState.DONE)


def to_remind(run: AgentRun) -> tuple[Write, ...]:
    """Return the missing writes that the model is told about before the run ends; none once it was told often enough.

    A write that was denied is not asked for again, and one that may have happened must not be made twice.
    """
    if run.reminded >= run.spec.reminders:
        return ()
    tried_again = (WriteState.NOT_ATTEMPTED, WriteState.FAILED)
    return tuple(write for write in missing(run) if write.state in tried_again)


def reminder(writes: Iterable[Write]) -> Text:
    """Return what the model is told of missing writes."""
    tools = " and ".join(write.tool for write in writes)
    return Text.of(
        f"The task is not done yet: it needs {tools}, and that has not been done. Call {tools} now, with the facts "
        "that you found. Only if that is impossible, answer why."
    )


def unfinished(run: AgentRun, answer: Text | None, *, blocked: str = "") -> Unfinished:
    """Return the outcome of a run that ends without its required writes. `blocked`: why its words are kept back."""
    lacking = missing(run)
    reason = "; ".join(_why(write) for write in lacking)
    kept_back = f" Its last words are kept back: {blocked}" if blocked else ""
    return Unfinished(missing=lacking, answer=None if blocked else answer, reason=f"Required: {reason}.{kept_back}")


def _why(write: Write) -> str:
    """Return why a required write is missing, without a word of the model's or the tool's."""
    name = write.tool if write.step is None else f"{write.tool} ({write.step})"
    match write.state:
        case WriteState.DENIED:
            return f"{name} was denied by {write.by or 'somebody'}"
        case WriteState.UNKNOWN:
            return f"{name} may have been done: nobody knows"
        case WriteState.FAILED:
            return f"{name} was not done: {'failed' if write.ended is None else write.ended.value}"
        case _:
            return f"{name} was never tried"


def _never(tool: str) -> Write:
    return Write(tool=tool, state=WriteState.NOT_ATTEMPTED, required=True)


def _of_turn(run: AgentRun) -> list[Write]:
    """Return the writes among the calls of the newest turn."""
    return [_write(run, call) for call in run.calls if _writes(run, call)]


def _writes(run: AgentRun, call: RequestedCall) -> bool:
    tool = run.spec.tool(call.tool)
    return tool is not None and tool.effect is not ToolEffect.READ_ONLY


def _write(run: AgentRun, call: RequestedCall) -> Write:
    # A guard may have kept these arguments back. Where it kept a result back, `shown` says so in the platform's words.
    hidden = call.ended is ToolEnded.REJECTED
    return Write(
        tool=call.tool,
        state=state_of(call),
        step=call.id,
        arguments="" if hidden else call.brief,
        arguments_digest=call.arguments.digest,
        came=call.shown,
        ended=call.ended,
        by=call.by,
        required=call.tool in run.spec.requires,
    )
