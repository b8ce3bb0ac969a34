"""What waits for a person in a run, why a decision about it cannot be taken, and which were answered before. Pure."""

import json

from perdure.contracts.agents.agent import AgentRun, RequestedCall
from perdure.contracts.tool_calls.decisions import (
    EDITED,
    REASON,
    RULINGS,
    Accepted,
    DecisionRecord,
    DecisionReply,
    PendingStep,
    Rejected,
    StepDecision,
    Waiting,
)
from workflows.state_machines import tool_call
from workflows.state_machines.approvals import WAITING, barred, lapse_ruling, lapses_at, policy_of

REMEMBERED = 500
"""Decisions that a run remembers: an older one that is sent again is about a step that no longer waits."""


def pending(run: AgentRun) -> tuple[PendingStep, ...]:
    """Everything that waits, in the order in which the model asked for it."""
    return tuple(step for call in run.calls if (step := _waiting(run, call)) is not None)


def _waiting(run: AgentRun, call: RequestedCall) -> PendingStep | None:
    tool, waiting = run.spec.tool(call.tool), WAITING.get(call.stage)
    if tool is None or waiting is None or call.since is None or call.binding is None:
        return None
    policy, until = policy_of(tool), lapses_at(call, tool)
    names, groups = policy.deciders(call.escalations)
    return PendingStep(
        step=call.id,
        waiting=waiting,
        tool=tool.name,
        effect=tool.effect,
        arguments=call.arguments,
        digest=call.binding,
        run=run.run,
        since=call.since,
        reason=call.failure,
        names=names,
        groups=groups,
        trust=policy.trust,
        barred=barred(call, tool, run.started_by),
        quorum=policy.quorum if waiting is Waiting.APPROVAL else 1,
        voices=call.voices,
        until=until,
        on_timeout=None if until is None else lapse_ruling(call, tool),
        reminders=call.reminders,
        escalations=call.escalations,
    )


def objection(run: AgentRun, decision: StepDecision) -> str | None:
    """Why a decision cannot be taken, in one line; None where nothing stands against it yet."""
    if len(decision.reason) > REASON:
        return f"the reason has {len(decision.reason):,} characters: say it in {REASON:,}"
    for field in ("arguments", "result", "answer"):
        size = len(json.dumps(getattr(decision, field)))
        if size > EDITED:
            return f"{field}: {size:,} bytes are over the limit of {EDITED:,}: send less"
    steps = {step.step: step for step in pending(run)}
    step = steps.get(decision.step)
    if step is None:
        waits = ", ".join(steps) or "nothing"
        return f"the step {decision.step!r} does not wait for a person: what waits is {waits}"
    if decision.digest != step.digest:
        return f"the step {decision.step!r} is another one by now, or was never this one: look at it again"
    if decision.ruling not in RULINGS[step.waiting]:
        can = ", ".join(RULINGS[step.waiting])
        return f"{decision.ruling.value} is no answer to what is asked about {decision.step!r}: say one of {can}"
    return None


def told_before(run: AgentRun, decision: StepDecision) -> DecisionReply | None:
    """The answer to a decision of this id, where there was one before; None where it is new."""
    before = next((one for one in run.decisions if one.decision_id == decision.decision_id), None)
    if before is None:
        return None
    if before.content == decision.content:
        return before.reply
    reason = f"the decision_id {decision.decision_id!r} was used for another decision: use a new one for each"
    return rejected(decision, reason)


def rejected(decision: StepDecision, reason: str) -> DecisionReply:
    """The decision changes nothing."""
    return DecisionReply(came=Rejected(decision_id=decision.decision_id, reason=reason))


def accepted(decision: StepDecision, *, verified: bool, missing: int = 0) -> DecisionReply:
    """The decision holds."""
    return DecisionReply(came=Accepted(decision_id=decision.decision_id, verified=verified, missing=missing))


def bound_to(run: AgentRun, tenant: str, first: str) -> AgentRun:
    """From now on decisions name this run and are recorded: what waits already is bound to it as well."""
    named = run.model_copy(update={"tenant": tenant, "run": first})
    for call in run.calls:
        if call.stage in WAITING:
            named = named.with_call(tool_call.bound(call, run.spec.tool(call.tool), tenant, first))
    return named


def recorded(run: AgentRun, decision: StepDecision, reply: DecisionReply) -> AgentRun:
    """The run remembers what it has accepted. Of a decision, the digest of its content is kept and no word of it.

    A rejection is looked at anew when it is sent again: the same words may come with a credential then. Only a run that
    was asked by an older version, which remembered them all, goes on to do so.
    """
    if run.run and isinstance(reply.came, Rejected):
        return run
    record = DecisionRecord(decision_id=decision.decision_id, content=decision.content, reply=reply)
    return run.model_copy(update={"decisions": (*run.decisions, record)[-REMEMBERED:]})


def said(decision: StepDecision, reply: DecisionReply) -> str:
    """What came of a decision, for the timeline: in words of ours, and the person's own for why."""
    match reply.came:
        case Accepted(verified=verified, missing=missing):
            whose = "" if verified else ", unverified"
            more = f": {missing} more to agree" if missing else ""
            why = f" ({decision.reason})" if decision.reason else ""
            return f"{decision.ruling.value}{whose}{more}{why}"
        case Rejected(reason=reason):
            return f"rejected: {reason}"
