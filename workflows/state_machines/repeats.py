"""Loops of an agent: which calls repeat themselves, what the model is told of it, and when the run is stuck. Pure."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import groupby

from perdure.contracts.agents.agent import AgentRun, RequestedCall
from perdure.contracts.agents.loops import Loops, Repeated, Seen
from perdure.contracts.agents.steps import AskedCall
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec

SEEN = 64
"""The most calls that a run remembers, each with what it came to: those that were asked for last."""

LISTED = 8
"""The most calls, by id, that are named of one that repeats itself."""

SHORT = 16
"""The characters of a digest that tell two calls, or two results, of one run apart."""

WORDS = {"yes": "it was done", "unknown": "nobody knows whether it was done", "denied": "it was denied"}
"""What a call came to that is not made again to find out."""


def same_of(call: AskedCall) -> str:
    """Return what the same call has in common: a short digest of its tool and its arguments."""
    return hashlib.sha256(json.dumps([call.tool, call.arguments.digest]).encode()).hexdigest()[:SHORT]


def came_to(call: RequestedCall, tool: ToolSpec | None) -> tuple[str, bool]:
    """Return what an answered call came to, and whether it must not be made again to find out.

    A write that was done comes to the same whatever its receipt says, and a denial whatever its reason.
    """
    if call.ended is ToolEnded.DENIED:
        return "denied", True
    if tool is not None and tool.effect is not ToolEffect.READ_ONLY and call.happened is not Happened.NO:
        return Happened.UNKNOWN.value if call.happened is Happened.UNKNOWN else Happened.YES.value, True
    if tool is not None and tool.asks:
        return "asked", True
    result = call.came or ("" if call.result is None else call.result.digest[:SHORT])
    return f"{(call.ended or ToolEnded.FAILED).value}/{result}", False


def before(run: AgentRun, calls: Iterable[AskedCall]) -> Repeated | None:
    """Return the call that the model asks for once too often and that is not even made; None where there is none.

    Only what was written, denied or asked of a person is told apart before it is made: people are not asked the same
    again, and nothing is written once more.
    """
    limits = run.spec.loops
    if limits is None or not limits.stuck:
        return None
    known = {seen.call: seen for seen in run.seen if seen.final}
    for call in calls:
        seen = known.get(same_of(call))
        if seen is not None and seen.times + 1 >= limits.stuck:
            return _repeated(call.tool, call.brief, _once_more(seen, [call.id]), made=False)
    return None


def observed(run: AgentRun) -> tuple[AgentRun, Text | None]:
    """Return the run that remembers the answered calls of its turn, and what the model is told of those repeated.

    Equal calls side by side count once: the model has not seen any of their results yet.
    """
    limits = run.spec.loops
    if limits is None:
        return run, None
    lines = list[str]()
    for calls in _by_sameness(run):
        run, line = _remember(run, calls, limits)
        lines += [line] if line else []
    return run, Text.of("\n".join(lines)) if lines else None


def reason(repeated: Repeated) -> str:
    """Return why a run is stuck, in a sentence without a word of the model's or the tool's."""
    tail = "" if repeated.made else "; the last one was not made"
    return (
        f"The model asked for the same call {repeated.times} times, and each time it came to the same: "
        f"{repeated.came}{tail}. Look at its arguments, then change the task, the tools or [loops] of the agent's file."
    )


def _by_sameness(run: AgentRun) -> list[list[RequestedCall]]:
    """Return the answered calls of the turn that may be a loop, equal ones together, in the order of the first."""
    asked = [call for call in run.calls if call.same and call.result is not None and not _is_polled(run, call)]
    order = {call.same: number for number, call in reversed(list(enumerate(asked)))}
    together = sorted(asked, key=lambda call: order[call.same])
    return [list(calls) for _, calls in groupby(together, key=lambda call: call.same)]


def _is_polled(run: AgentRun, call: RequestedCall) -> bool:
    tool = run.spec.tool(call.tool)
    return tool is not None and tool.polled


def _remember(run: AgentRun, calls: Sequence[RequestedCall], limits: Loops) -> tuple[AgentRun, str]:
    """Return the run that remembers equal calls of one turn, and the line for the model; empty for none."""
    newest, ids = calls[-1], [call.id for call in calls]
    came, final = came_to(newest, run.spec.tool(newest.tool))
    earlier = next((seen for seen in run.seen if seen.call == newest.same), None)
    if earlier is not None and earlier.came == came:
        seen = _once_more(earlier, ids)
    else:
        seen = Seen(call=newest.same, came=came, final=final, steps=tuple(ids[-LISTED:]))
    others = tuple(other for other in run.seen if other.call != newest.same)
    changes: dict[str, object] = {"seen": (*others, seen)[-SEEN:]}
    if limits.stuck and seen.times >= limits.stuck and run.stuck is None:
        changes["stuck"] = _repeated(newest.tool, _shown(newest), seen, made=True)
    many = max(seen.times, len(calls))
    line = _told(newest.tool, seen, many, limits) if limits.told and many >= limits.told else ""
    return run.model_copy(update=changes), line


def _once_more(seen: Seen, ids: Sequence[str]) -> Seen:
    steps = (*seen.steps, *ids)[-LISTED:]
    return seen.model_copy(update={"times": seen.times + 1, "steps": steps})


def _told(tool: str, seen: Seen, many: int, limits: Loops) -> str:
    """Return what the model is told of a call that repeats itself."""
    came = f" ({WORDS[seen.came]})" if seen.came in WORDS else ""
    line = (
        f"You have called {_plain(tool)} with exactly these arguments {many} times, and got the same result each "
        f"time{came}. Do not make this call again: use what it returned, call something else, or answer."
    )
    last = limits.stuck and seen.times + 1 >= limits.stuck
    return f"{line} If you make it once more, the task ends without an answer." if last else line


def _repeated(tool: str, arguments: str, seen: Seen, *, made: bool) -> Repeated:
    came = WORDS.get(seen.came, "the question was asked" if seen.came == "asked" else seen.came.partition("/")[0])
    return Repeated(tool=tool, arguments=arguments, times=seen.times, steps=seen.steps, made=made, came=came)


def _shown(call: RequestedCall) -> str:
    """Return the beginning of a call's arguments; nothing of those that a guard or the schema kept back."""
    return "" if call.ended is ToolEnded.REJECTED else call.brief


def _plain(tool: str) -> str:
    """Return a tool's name as a model wrote it, without anything that is no part of a name."""
    return "".join(sign if sign.isalnum() or sign in "_-." else "?" for sign in tool[:64])
