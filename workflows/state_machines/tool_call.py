"""State machine of a tool call, from the model's request to the answer: its next move, its state after each event."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from perdure.contracts.agents.agent import AgentSpec, CallStage, RequestedCall
from perdure.contracts.agents.steps import Acted, Again, AskPerson, CallAnswered, Unproven
from perdure.contracts.budget import Spend
from perdure.contracts.contract import Digest
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import Approval, ToolEffect, ToolSpec

LONGEST_WAIT = timedelta(minutes=1)
"""The longest wait between two attempts of a call."""

_NOBODY_YET: dict[str, Any] = {"voices": (), "reminders": 0, "escalations": 0}
"""The fields of a call before any decision, reminder or escalation."""


@dataclass(frozen=True)
class ScreenFirst:
    """Check whether the call is allowed, before a person is asked to approve it."""


@dataclass(frozen=True)
class Await:
    """Wait for a person's decision."""


@dataclass(frozen=True)
class Try:
    """Start this attempt after the wait, once its highest possible cost is reserved."""

    attempt: int
    worst: Spend
    wait: timedelta

    def key(self, call: RequestedCall) -> str:
        """The reservation's name in the allowance."""
        return f"{call.id}/{self.attempt}"


@dataclass(frozen=True)
class GiveUp:
    """Fail the run: too many attempts had no outcome, and no person is asked since the call changes nothing."""

    reason: str


@dataclass(frozen=True)
class Finished:
    """Do nothing more: the call is answered."""


Move: TypeAlias = ScreenFirst | Await | Try | GiveUp | Finished


def next_move(call: RequestedCall, spec: AgentSpec) -> Move:
    """Return the next move of a call."""
    tool = spec.tool(call.tool)
    match call.stage:
        case CallStage.ANSWERED:
            return Finished()
        case CallStage.AWAITING_APPROVAL | CallStage.UNKNOWN | CallStage.ASKING:
            return Await()
        case CallStage.ASKED if tool is not None and (tool.asks or tool.approval is Approval.ALWAYS):
            return ScreenFirst()
        case CallStage.ASKED | CallStage.ALLOWED:
            if call.tries >= spec.tool_attempts:
                return GiveUp(f"gave up after {call.tries} attempts, the last of which failed: {call.failure}")
            return Try(call.attempts + 1, _worst(tool), _wait(call, spec))


def _worst(tool: ToolSpec | None) -> Spend:
    return Spend(tool_calls=1, micro_dollars=0 if tool is None else tool.price)


def _wait(call: RequestedCall, spec: AgentSpec) -> timedelta:
    """Return the wait before the next try: none before the first, then the spec's wait, doubled each time."""
    return timedelta(0) if call.tries == 0 else min(spec.wait * 2 ** (call.tries - 1), max(LONGEST_WAIT, spec.wait))


def missing(tool: ToolSpec | None, returned: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tools that must return before this one and have not. Calls of the same turn do not count yet."""
    return () if tool is None else tuple(name for name in tool.after if name not in returned)


def binding(call: RequestedCall, tool: ToolSpec, tenant: str = "", run: str = "") -> Digest:
    """Return the digest that a decision must name: of run, tool, tool edition, arguments, stage and policy.

    `run` is the first run id. Without one the digest is that of older versions, which is the same in any run.
    """
    content: dict[str, Any] = {
        "step": call.id,
        "tool": [tool.name, tool.digest],
        "arguments": call.arguments.digest,
        "stage": call.stage.value,
        "unknown_attempt": call.unknown_attempt,
        "policy": [tool.approval.value, {name: rule.model_dump_json() for name, rule in tool.constraints.items()}],
    }
    if tool.policy is not None:
        content["people"] = tool.policy.model_dump(mode="json")
    if run:
        content["run"] = [tenant, run]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def bound(call: RequestedCall, tool: ToolSpec | None, tenant: str, run: str) -> RequestedCall:
    """Return a waiting call bound to its run, so that a decision on it counts in no other run."""
    if call.binding is None or tool is None:
        return call
    return call.model_copy(update={"binding": binding(call, tool, tenant, run)})


def postponed(call: RequestedCall, lapses: timedelta, wait: timedelta, now: datetime) -> RequestedCall:
    """Return a call whose policy decides after `wait`, given the policy's timeout `lapses`."""
    return call.model_copy(update={"since": now - lapses + wait})


def awaiting_approval(call: RequestedCall, tool: ToolSpec, arguments: Text, now: datetime) -> RequestedCall:
    """Return a call that waits for a person: to approve these arguments, or to answer its question."""
    stage = CallStage.ASKING if tool.asks else CallStage.AWAITING_APPROVAL
    waiting = call.model_copy(
        update={"stage": stage, "arguments": arguments, "since": now, "unknown_attempt": None, **_NOBODY_YET}
    )
    return waiting.model_copy(update={"binding": binding(waiting, tool)})


def allowed(call: RequestedCall, arguments: Text | None = None) -> RequestedCall:
    """Return a call that a person allowed, perhaps once more. Its tries start from zero, its attempts go on."""
    return _decided(
        call,
        stage=CallStage.ALLOWED,
        arguments=(call.arguments if arguments is None else arguments).reference(),
        tries=0,
    )


def answered(call: RequestedCall, outcome: ToolOutcome, *, by: str = "") -> RequestedCall:
    """Return a call with its outcome, from an attempt or from a person, who is named by `by`."""
    return _decided(
        call,
        stage=CallStage.ANSWERED,
        arguments=call.arguments.reference(),
        result=outcome.result.reference(),
        ended=outcome.ended,
        happened=outcome.happened,
        by=by,
        came=outcome.came,
        shown=outcome.shown,
    )


def tried(call: RequestedCall, attempt: int) -> RequestedCall:
    """Return a call whose attempt of this number starts."""
    return call.model_copy(update={"attempts": attempt, "tries": call.tries + 1})


def acted(call: RequestedCall, tool: ToolSpec | None, reply: Acted, spec: AgentSpec, now: datetime) -> RequestedCall:
    """Return a call after the reply of an attempt."""
    match reply.came:
        case CallAnswered(outcome=outcome):
            return answered(call, outcome).model_copy(update={"kept": reply.kept})
        case Again(reason=reason, by=by):
            # Only an attempt with a number above `by` may call the tool. Raise the number now, so that no try is lost.
            return lost(call.model_copy(update={"attempts": max(call.attempts, by)}), tool, reason, spec, now)
        case AskPerson(attempt=attempt, reason=reason, arguments=arguments):
            screened = call if arguments is None else call.model_copy(update={"arguments": arguments})
            return _unknown(screened, tool, attempt, reason, now)
        case Unproven(outcome=outcome):
            if tool is None or tool.approval is not Approval.ALWAYS:
                return answered(call, outcome)
            return _decided(call, stage=CallStage.ASKED, tries=0, unproven=True)


def lost(call: RequestedCall, tool: ToolSpec | None, reason: str, spec: AgentSpec, now: datetime) -> RequestedCall:
    """Return a call after an attempt without an outcome.

    After the last try a person decides on a call that changes the world.
    """
    failed = call.model_copy(update={"failure": reason})
    reads = tool is None or tool.effect is ToolEffect.READ_ONLY
    if reads or failed.tries < spec.tool_attempts:
        return failed
    return _unknown(failed, tool, failed.attempts, reason, now)


def spared(call: RequestedCall, reason: str) -> RequestedCall:
    """Return a call after an attempt that met an outage and called no tool: it does not count as a try."""
    return call.model_copy(update={"tries": call.tries - 1, "failure": reason})


def _unknown(call: RequestedCall, tool: ToolSpec | None, attempt: int, reason: str, now: datetime) -> RequestedCall:
    """Return a call that waits for a person, since the outcome of this attempt is unknown."""
    waiting = call.model_copy(
        update={"stage": CallStage.UNKNOWN, "failure": reason, "since": now, "unknown_attempt": attempt, **_NOBODY_YET}
    )
    return waiting if tool is None else waiting.model_copy(update={"binding": binding(waiting, tool)})


def _decided(call: RequestedCall, **update: object) -> RequestedCall:
    """Return a call with this update, that waits for nobody any more."""
    waiting = {"since": None, "binding": None, "unknown_attempt": None, "failure": "", **_NOBODY_YET}
    return call.model_copy(update={**waiting, **update})


def may_be_in_flight(call: RequestedCall) -> bool:
    """Return whether an attempt may be in flight, so that a run that ends has to cancel the call in the ledger."""
    return call.attempts > 0 and call.stage in (CallStage.ASKED, CallStage.ALLOWED)


def may_have_happened(call: RequestedCall) -> bool:
    """Return whether the call may have changed the world, with an unknown outcome."""
    return call.stage is CallStage.UNKNOWN or call.happened is Happened.UNKNOWN


def ending(call: RequestedCall) -> str:
    """Return how a call ended, in a word, for the timeline."""
    return (call.ended or ToolEnded.FAILED).value
