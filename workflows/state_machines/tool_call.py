"""A call of a tool, from the asking to its answer: what comes next for it, and what each happening makes of it."""

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
"""Between two attempts of a call."""

_NOBODY_YET: dict[str, Any] = {"voices": (), "reminders": 0, "escalations": 0}
"""Nobody has said anything about a call, and nobody was reminded."""


@dataclass(frozen=True)
class Look:
    """See whether the call can be made at all, before a person is asked for it."""


@dataclass(frozen=True)
class Await:
    """A person has to speak first."""


@dataclass(frozen=True)
class Try:
    """Start this attempt, once its worst case is reserved, and not before the wait is over."""

    attempt: int
    worst: Spend
    wait: timedelta

    def key(self, call: RequestedCall) -> str:
        """The reservation's name in the allowance."""
        return f"{call.id}/{self.attempt}"


@dataclass(frozen=True)
class GiveUp:
    """Too many attempts told nothing, and the call changes nothing: no person is asked."""

    reason: str


@dataclass(frozen=True)
class Finished:
    """Its answer is there."""


Move: TypeAlias = Look | Await | Try | GiveUp | Finished


def next_move(call: RequestedCall, spec: AgentSpec) -> Move:
    """What comes next for a call."""
    tool = spec.tool(call.tool)
    match call.stage:
        case CallStage.ANSWERED:
            return Finished()
        case CallStage.AWAITING_APPROVAL | CallStage.UNKNOWN | CallStage.ASKING:
            return Await()
        case CallStage.ASKED if tool is not None and (tool.asks or tool.approval is Approval.ALWAYS):
            return Look()
        case CallStage.ASKED | CallStage.ALLOWED:
            if call.tries >= spec.tool_attempts:
                return GiveUp(f"gave up after {call.tries} attempts, the last of which failed: {call.failure}")
            return Try(call.attempts + 1, _worst(tool), _wait(call, spec))


def _worst(tool: ToolSpec | None) -> Spend:
    return Spend(tool_calls=1, micro_dollars=0 if tool is None else tool.price)


def _wait(call: RequestedCall, spec: AgentSpec) -> timedelta:
    """Nothing before the first try, then the spec's wait, doubled for each further one."""
    return timedelta(0) if call.tries == 0 else min(spec.wait * 2 ** (call.tries - 1), max(LONGEST_WAIT, spec.wait))


def missing(tool: ToolSpec | None, returned: tuple[str, ...]) -> tuple[str, ...]:
    """What has to return before a tool is called and has not. Calls of one turn go side by side: none counts yet."""
    return () if tool is None else tuple(name for name in tool.after if name not in returned)


def binding(call: RequestedCall, tool: ToolSpec, tenant: str = "", run: str = "") -> Digest:
    """What a decision has to name: run, tool, its edition, these arguments, what is known of it, and the policy.

    `run` is the first run id. Without one it is the binding of before decisions were recorded, which holds in any run.
    """
    bound: dict[str, Any] = {
        "step": call.id,
        "tool": [tool.name, tool.digest],
        "arguments": call.arguments.digest,
        "stage": call.stage.value,
        "unknown_attempt": call.unknown_attempt,
        "policy": [tool.approval.value, {name: rule.model_dump_json() for name, rule in tool.constraints.items()}],
    }
    if tool.policy is not None:
        bound["people"] = tool.policy.model_dump(mode="json")
    if run:
        bound["run"] = [tenant, run]
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()


def bound(call: RequestedCall, tool: ToolSpec | None, tenant: str, run: str) -> RequestedCall:
    """A call that waits, bound to its run: a decision about it counts in no other."""
    if call.binding is None or tool is None:
        return call
    return call.model_copy(update={"binding": binding(call, tool, tenant, run)})


def postponed(call: RequestedCall, lapses: timedelta, wait: timedelta, now: datetime) -> RequestedCall:
    """A call that is to be decided without anybody `lapses` after it began to wait, and not before `wait` is over."""
    return call.model_copy(update={"since": now - lapses + wait})


def awaiting_approval(call: RequestedCall, tool: ToolSpec, arguments: Text, now: datetime) -> RequestedCall:
    """It can be made, and a person has to agree to these arguments; or it is a question, which a person answers."""
    stage = CallStage.ASKING if tool.asks else CallStage.AWAITING_APPROVAL
    waiting = call.model_copy(
        update={"stage": stage, "arguments": arguments, "since": now, "unknown_attempt": None, **_NOBODY_YET}
    )
    return waiting.model_copy(update={"binding": binding(waiting, tool)})


def allowed(call: RequestedCall, arguments: Text | None = None) -> RequestedCall:
    """It may be made, or made again: somebody said so. Its tries are counted anew, its attempts are not."""
    return _decided(call, stage=CallStage.ALLOWED, arguments=(arguments or call.arguments).reference(), tries=0)


def answered(call: RequestedCall, outcome: ToolOutcome) -> RequestedCall:
    """Its outcome is known, whoever said so."""
    return _decided(
        call,
        stage=CallStage.ANSWERED,
        arguments=call.arguments.reference(),
        result=outcome.result.reference(),
        ended=outcome.ended,
        happened=outcome.happened,
    )


def tried(call: RequestedCall, attempt: int) -> RequestedCall:
    """This attempt starts."""
    return call.model_copy(update={"attempts": attempt, "tries": call.tries + 1})


def acted(call: RequestedCall, tool: ToolSpec | None, reply: Acted, spec: AgentSpec, now: datetime) -> RequestedCall:
    """What an attempt that replied makes of the call."""
    match reply.came:
        case CallAnswered(outcome=outcome):
            return answered(call, outcome).model_copy(update={"kept": reply.kept})
        case Again(reason=reason, by=by):
            # Only an attempt of a higher number may call: the next one has it, so that no tries are lost on the way.
            return lost(call.model_copy(update={"attempts": max(call.attempts, by)}), tool, reason, spec, now)
        case AskPerson(attempt=attempt, reason=reason, arguments=arguments):
            seen = call if arguments is None else call.model_copy(update={"arguments": arguments})
            return _unknown(seen, tool, attempt, reason, now)
        case Unproven(outcome=outcome):
            if tool is None or tool.approval is not Approval.ALWAYS:
                return answered(call, outcome)
            return _decided(call, stage=CallStage.ASKED, tries=0, unproven=True)


def lost(call: RequestedCall, tool: ToolSpec | None, reason: str, spec: AgentSpec, now: datetime) -> RequestedCall:
    """An attempt told nothing. The last that may be tried leaves a call that changes the world to a person."""
    failed = call.model_copy(update={"failure": reason})
    reads = tool is None or tool.effect is ToolEffect.READ_ONLY
    if reads or failed.tries < spec.tool_attempts:
        return failed
    return _unknown(failed, tool, failed.attempts, reason, now)


def spared(call: RequestedCall, reason: str) -> RequestedCall:
    """An attempt found away what it needs, and surely called nothing: it is none of the tries that are limited."""
    return call.model_copy(update={"tries": call.tries - 1, "failure": reason})


def _unknown(call: RequestedCall, tool: ToolSpec | None, attempt: int, reason: str, now: datetime) -> RequestedCall:
    waiting = call.model_copy(
        update={"stage": CallStage.UNKNOWN, "failure": reason, "since": now, "unknown_attempt": attempt, **_NOBODY_YET}
    )
    return waiting if tool is None else waiting.model_copy(update={"binding": binding(waiting, tool)})


def _decided(call: RequestedCall, **update: object) -> RequestedCall:
    before = {"since": None, "binding": None, "unknown_attempt": None, "failure": "", **_NOBODY_YET}
    return call.model_copy(update={**before, **update})


def called_off(call: RequestedCall) -> bool:
    """Whether an attempt may still be on its way when the run is cancelled, so that the ledger has to be told."""
    return call.attempts > 0 and call.stage in (CallStage.ASKED, CallStage.ALLOWED)


def may_have_happened(call: RequestedCall) -> bool:
    """Whether nobody knows if the call changed the world."""
    return call.stage is CallStage.UNKNOWN or call.happened is Happened.UNKNOWN


def told(call: RequestedCall) -> str:
    """How it ended, in a word, for the timeline."""
    return (call.ended or ToolEnded.FAILED).value
