"""Applies a tool's approval policy: who may decide, how many approvals are missing, which timer is next. Pure."""

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from pydantic import JsonValue

from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.agents.steps import BRIEF, CheckedDecision
from perdure.contracts.contract import Digest
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import MOST_REMINDERS, ApprovalPolicy, Trust, Voice
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision, Waiting
from perdure.contracts.tool_calls.tools import ToolSpec
from workflows.state_machines.tool_call import allowed, binding

WAITING = {
    CallStage.AWAITING_APPROVAL: Waiting.APPROVAL,
    CallStage.UNKNOWN: Waiting.OUTCOME,
    CallStage.ASKING: Waiting.ANSWER,
}
"""The kind of question that a person gets about a call in each waiting stage."""

DEFAULT = ApprovalPolicy()
"""The approval policy of a grant that states none."""


@dataclass(frozen=True)
class Remind:
    """Remind people of the step."""

    at: datetime


@dataclass(frozen=True)
class Escalate:
    """Let further people decide too."""

    at: datetime


@dataclass(frozen=True)
class Lapse:
    """Decide by the policy, since nobody decided in time."""

    at: datetime


Due: TypeAlias = Remind | Escalate | Lapse


def policy_of(tool: ToolSpec) -> ApprovalPolicy:
    """Return the approval policy of a granted tool."""
    return tool.policy or DEFAULT


def policy_digest(tool: ToolSpec) -> Digest:
    """Return the SHA-256 of all that a grant states about the approval of a tool's calls."""
    people = None if tool.policy is None else tool.policy.model_dump(mode="json")
    statement = json.dumps([tool.name, tool.approval.value, tool.asks, people], sort_keys=True)
    return hashlib.sha256(statement.encode()).hexdigest()


def next_due(call: RequestedCall, tool: ToolSpec) -> Due | None:
    """Return the policy's next action for a waiting call if nobody decides; None where it waits without end."""
    policy = policy_of(tool)
    if call.since is None or call.stage not in WAITING:
        return None
    due: list[Due] = []
    at = lapses_at(call, tool)
    if at is not None:
        due.append(Lapse(at))
    if call.escalations < len(policy.escalate):
        due.append(Escalate(call.since + policy.escalate[call.escalations].after))
    if policy.remind is not None and call.reminders < MOST_REMINDERS:
        due.append(Remind(call.since + policy.remind * (call.reminders + 1)))
    # Of several at the same time, `min` returns the first in the list: a lapse needs no reminder.
    return min(due, key=lambda one: one.at) if due else None


def lapses_at(call: RequestedCall, tool: ToolSpec) -> datetime | None:
    """Return when the policy decides a call; None for never. No policy can know the outcome of an unknown call."""
    timeout = policy_of(tool).timeout
    if call.since is None or timeout is None or call.stage is CallStage.UNKNOWN:
        return None
    return call.since + timeout


def passed(call: RequestedCall, due: Due) -> RequestedCall:
    """Return the call after a reminder or an escalation."""
    match due:
        case Remind():
            return call.model_copy(update={"reminders": call.reminders + 1})
        case Escalate():
            return call.model_copy(update={"escalations": call.escalations + 1})
        case Lapse():
            return call
        case never:
            assert_never(never)


def lapse_ruling(call: RequestedCall, tool: ToolSpec) -> Ruling:
    """Return the policy's own ruling on a call that nobody has decided."""
    approves = policy_of(tool).on_timeout == "approve" and call.stage is CallStage.AWAITING_APPROVAL
    return Ruling.APPROVE if approves else Ruling.DENY


def lasted(waited: timedelta) -> str:
    """Return a waiting time in words, such as `2 hours`."""
    seconds = int(waited.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"


def same_person(one: str, other: str) -> bool:
    """Return whether two names may mean the same person, ignoring case, spaces, Unicode variants and unseen letters.

    It only serves to bar a person; a right is granted to the exact name alone.
    """
    return _plain(one) == _plain(other)


def barred(call: RequestedCall, tool: ToolSpec, started_by: str) -> str:
    """Return who may not decide on a call since they started its run; empty where nobody is barred."""
    return started_by if policy_of(tool).four_eyes and call.stage is not CallStage.ASKING else ""


def decider_objection(
    call: RequestedCall,
    tool: ToolSpec,
    decision: StepDecision,
    checked: CheckedDecision | None,
    started_by: str,
    *,
    subject: str = "",
) -> str | None:
    """Return why the decision does not count, given who made it, in one line; None where it counts.

    `checked` is the result of the verification. `started_by` is who started the run by an unverified statement, and
    `subject` who did by a verified token.
    """
    policy, by = policy_of(tool), decision.by
    if checked is not None and checked.refused:
        return checked.refused
    if checked is None and policy.trust is Trust.SIGNED:
        return f"{tool.name} takes only signed decisions: send one with a credential"
    own_run = _own_run_objection(call, policy, by, (started_by, subject))
    if own_run is not None:
        return own_run
    names, groups = policy.deciders(call.escalations)
    if (names or groups) and not _may(by, names, groups, policy, checked):
        may = ", ".join((*names, *(f"the group {group}" for group in groups)))
        return f"{by!r} may not decide about {tool.name}: {may} may"
    if decision.ruling is Ruling.APPROVE and decision.arguments is None and _has_agreed(call, by):
        return f"{by!r} has agreed already: another person has to agree as well"
    return None


def _own_run_objection(call: RequestedCall, policy: ApprovalPolicy, by: str, starters: tuple[str, ...]) -> str | None:
    """Return why a person may not decide in a run of their own, else None."""
    if not policy.four_eyes or call.stage is CallStage.ASKING:
        return None
    if any(same_person(by, starter) for starter in starters if starter):
        return f"{by!r} started the run, and nobody decides about their own: have another person decide"
    if policy.trust is Trust.SIGNED and not any(starters):
        return "nobody said who started the run, so it may be anybody's own: start it with started_by"
    return None


def _has_agreed(call: RequestedCall, by: str) -> bool:
    return any(same_person(by, voice.by) for voice in call.voices)


def _may(
    by: str,
    names: tuple[str, ...],
    groups: tuple[str, ...],
    policy: ApprovalPolicy,
    checked: CheckedDecision | None,
) -> bool:
    if by in names:
        return True
    if checked is not None and any(group in checked.groups for group in groups):
        return True
    return any(by in policy.members.get(group, ()) for group in groups)


def edited(arguments: dict[str, JsonValue]) -> Text:
    """Return the arguments that a person put in place of the model's, in the form that the tool gets."""
    return Text.of(json.dumps(arguments, ensure_ascii=False, sort_keys=True))


def beginning(arguments: dict[str, JsonValue]) -> str:
    """Return the beginning of a person's arguments, in one line."""
    return " ".join(json.dumps(arguments, ensure_ascii=False, sort_keys=True).split())[:BRIEF]


def agreed(
    call: RequestedCall, tool: ToolSpec, voice: Voice, arguments: Text | None = None
) -> tuple[RequestedCall, int]:
    """Return the call after an approval, and the number of approvals that are still missing.

    An approval with other `arguments` makes it another call, which nobody else has approved yet.
    """
    changed = arguments is not None and arguments.digest != call.arguments.digest
    voices = (voice,) if changed else (*(other for other in call.voices if not same_person(other.by, voice.by)), voice)
    missing = policy_of(tool).quorum - len(voices)
    approved = call.arguments if arguments is None else arguments
    if missing <= 0:
        return allowed(call, approved), 0
    waiting = call.model_copy(update={"arguments": approved, "voices": voices})
    return waiting.model_copy(update={"binding": binding(waiting, tool)}), missing


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if not letter.isspace() and unicodedata.category(letter) != "Cf")
