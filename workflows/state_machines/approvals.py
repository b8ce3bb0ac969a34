"""A tool's policy at work: whose word counts, how many are missing, and what comes due while nobody speaks. Pure."""

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from pydantic import JsonValue

from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.agents.steps import CheckedDecision
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
"""What a person is asked about a call in this stage."""

DEFAULT = ApprovalPolicy()
"""What holds where a grant says nothing."""


@dataclass(frozen=True)
class Remind:
    """The step is brought up again."""

    at: datetime


@dataclass(frozen=True)
class Escalate:
    """Others may decide too from now on."""

    at: datetime


@dataclass(frozen=True)
class Lapse:
    """Nobody has decided in time: the policy does."""

    at: datetime


Due: TypeAlias = Remind | Escalate | Lapse


def policy_of(tool: ToolSpec) -> ApprovalPolicy:
    """The policy of a granted tool."""
    return tool.policy or DEFAULT


def policy_digest(tool: ToolSpec) -> Digest:
    """SHA-256 of what a grant says about the approval of a tool's calls."""
    people = None if tool.policy is None else tool.policy.model_dump(mode="json")
    said = json.dumps([tool.name, tool.approval.value, tool.asks, people], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def next_due(call: RequestedCall, tool: ToolSpec) -> Due | None:
    """What comes next for a call that waits, if nobody speaks; None where it waits for ever."""
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
    # Of several at the same moment the first of the list: what ends the waiting needs no reminder.
    return min(due, key=lambda one: one.at) if due else None


def lapses_at(call: RequestedCall, tool: ToolSpec) -> datetime | None:
    """When a call is decided without anybody. Whether something has happened, no policy can know."""
    timeout = policy_of(tool).timeout
    if call.since is None or timeout is None or call.stage is CallStage.UNKNOWN:
        return None
    return call.since + timeout


def passed(call: RequestedCall, due: Due) -> RequestedCall:
    """A reminder or an escalation is done."""
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
    """What the policy decides when nobody has."""
    approves = policy_of(tool).on_timeout == "approve" and call.stage is CallStage.AWAITING_APPROVAL
    return Ruling.APPROVE if approves else Ruling.DENY


def lasted(waited: timedelta) -> str:
    """How long somebody was waited for, in words."""
    seconds = int(waited.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"


def same_person(one: str, other: str) -> bool:
    """Whether two names may be one person's: capitals, spaces, odd ways to write a letter and unseen ones hide nobody.

    It is for what bars somebody; a right is granted to the exact name alone.
    """
    return _plain(one) == _plain(other)


def barred(call: RequestedCall, tool: ToolSpec, started_by: str) -> str:
    """Who may not decide about a call because they started its run; empty where nobody is barred."""
    return started_by if policy_of(tool).four_eyes and call.stage is not CallStage.ASKING else ""


def unheard(
    call: RequestedCall,
    tool: ToolSpec,
    decision: StepDecision,
    checked: CheckedDecision | None,
    started_by: str,
    *,
    subject: str = "",
) -> str | None:
    """Why somebody's word does not count, in one line; None where it does.

    `checked` is what was verified, `started_by` who started the run by the starter's own word, and `subject` who did by
    a token that was verified.
    """
    policy, by = policy_of(tool), decision.by
    if checked is not None and checked.refused:
        return checked.refused
    if checked is None and policy.trust is Trust.SIGNED:
        return f"{tool.name} takes only signed decisions: send one with a credential"
    own = _own(call, policy, by, (started_by, subject))
    if own is not None:
        return own
    names, groups = policy.deciders(call.escalations)
    if (names or groups) and not _may(by, names, groups, policy, checked):
        may = ", ".join((*names, *(f"the group {group}" for group in groups)))
        return f"{by!r} may not decide about {tool.name}: {may} may"
    if decision.ruling is Ruling.APPROVE and decision.arguments is None and _has_agreed(call, by):
        return f"{by!r} has agreed already: another person has to agree as well"
    return None


def _own(call: RequestedCall, policy: ApprovalPolicy, by: str, starters: tuple[str, ...]) -> str | None:
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
    """The arguments that a person has put in the place of the model's, as they are called with."""
    return Text.of(json.dumps(arguments, ensure_ascii=False, sort_keys=True))


def agreed(
    call: RequestedCall, tool: ToolSpec, voice: Voice, arguments: Text | None = None
) -> tuple[RequestedCall, int]:
    """A yes to a call, perhaps with other arguments, and how many more are needed.

    With other arguments it is another call, to which nobody else has said yes yet.
    """
    changed = arguments is not None and arguments.digest != call.arguments.digest
    voices = (voice,) if changed else (*(one for one in call.voices if not same_person(one.by, voice.by)), voice)
    missing = policy_of(tool).quorum - len(voices)
    given = call.arguments if arguments is None else arguments
    if missing <= 0:
        return allowed(call, given), 0
    waiting = call.model_copy(update={"arguments": given, "voices": voices})
    return waiting.model_copy(update={"binding": binding(waiting, tool)}), missing


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if not letter.isspace() and unicodedata.category(letter) != "Cf")
