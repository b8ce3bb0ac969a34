"""Decisions of people on a run: pending steps, objections to a decision, and the replies given so far. Pure."""

import json
import re
from datetime import datetime

from perdure.contracts.agents.agent import AgentRun, CallStage, RequestedCall
from perdure.contracts.tool_calls.decisions import (
    EDITED,
    REASON,
    RULINGS,
    Accepted,
    DecisionRecord,
    DecisionReply,
    EarlierDecision,
    PendingStep,
    Rejected,
    StepDecision,
    Waiting,
)
from perdure.contracts.tool_calls.rejections import RejectionCause
from perdure.contracts.tool_calls.tools import Approval
from workflows.state_machines import tool_call
from workflows.state_machines.approvals import WAITING, barred, lapse_ruling, lapses_at, policy_of

REMEMBERED = 500
"""The most decisions that a run remembers; the step of an older one no longer waits when it is sent again."""

DECIDED = 20
"""The most decisions that counted which the next person is shown."""

SHOWN = 200
"""The most characters of a reason that the next person is shown."""

STEP = re.compile(r"call-(\d{1,9})-(\d{1,9})")
"""The name of a call: the number of its turn, and its place in that turn."""


def pending(run: AgentRun) -> tuple[PendingStep, ...]:
    """Return the steps that wait for a person, in the order in which the model asked for them."""
    return tuple(step for call in run.calls if (step := _pending_step(run, call)) is not None)


def _pending_step(run: AgentRun, call: RequestedCall) -> PendingStep | None:
    """Return the step of a call that waits for a person, else None."""
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
        barred=barred(call, tool, run.started_by or run.subject),
        quorum=policy.quorum if waiting is Waiting.APPROVAL else 1,
        voices=call.voices,
        until=until,
        on_timeout=None if until is None else lapse_ruling(call, tool),
        reminders=call.reminders,
        escalations=call.escalations,
        starter=run.subject or run.started_by,
        starter_verified=bool(run.subject),
        briefing=run.briefing,
        decided=run.decided,
    )


def objection(run: AgentRun, decision: StepDecision) -> str | None:
    """Return why a decision does not fit the run, in one line; None where it does. It does not check the decider."""
    found = misfit(run, decision)
    return None if found is None else found[1]


def misfit(run: AgentRun, decision: StepDecision) -> tuple[RejectionCause, str] | None:
    """Return why a decision does not fit the run, as a cause and in one line; None where it fits."""
    too_large = _too_large(decision)
    if too_large is not None:
        return RejectionCause.MISFIT, too_large
    steps = {step.step: step for step in pending(run)}
    step = steps.get(decision.step)
    if step is None:
        cause, why = _why_not_waiting(run, decision.step)
        waits = ", ".join(steps) or "nothing"
        return cause, f"the step {decision.step!r} does not wait for a person: {why}: what waits is {waits}"
    if decision.digest != step.digest:
        return _why_another_digest(run, decision.step)
    if decision.ruling not in RULINGS[step.waiting]:
        can = ", ".join(RULINGS[step.waiting])
        no_answer = f"{decision.ruling.value} is no answer to what is asked about {decision.step!r}: say one of {can}"
        return RejectionCause.MISFIT, no_answer
    return None


def _too_large(decision: StepDecision) -> str | None:
    """Return what of a decision is too large, in one line; None where nothing is."""
    if len(decision.reason) > REASON:
        return f"the reason has {len(decision.reason):,} characters: say it in {REASON:,}"
    for field in ("arguments", "result", "answer"):
        size = len(json.dumps(getattr(decision, field)))
        if size > EDITED:
            return f"{field}: {size:,} bytes are over the limit of {EDITED:,}: send less"
    return None


def _why_another_digest(run: AgentRun, step: str) -> tuple[RejectionCause, str]:
    """Return why a waiting step has another digest than a decision names."""
    change = next((one for one in reversed(run.decided) if one.step == step and one.edited), None)
    if change is None:
        return (
            RejectionCause.ANOTHER,
            f"the step {step!r} is another one by now, or was never this one: look at it again",
        )
    return RejectionCause.CHANGED, (
        f"the step {step!r} is another one by now, since {change.by!r} has changed its arguments: look at it again"
    )


def _why_not_waiting(run: AgentRun, step: str) -> tuple[RejectionCause, str]:
    """Return why a step does not wait for a person: it comes later, it was decided, or it never waits."""
    last = next((one for one in reversed(run.decided) if one.step == step), None)
    named = STEP.fullmatch(step)
    if last is not None:
        return RejectionCause.LATE, f"it was decided already ({last.ruling.value}, by {last.by!r})"
    if named is None:
        return RejectionCause.UNKNOWN, "steps are named like call-3-1"
    turn, call = int(named[1]), next((call for call in run.calls if call.id == step), None)
    if turn > run.turn or (call is not None and call.stage is CallStage.ASKED and _will_wait(run, call)):
        return RejectionCause.EARLY, "it has not been asked for yet"
    if turn < run.turn or not run.calls:
        return RejectionCause.LATE, f"the run is past its turn {turn}"
    why = f"the turn {turn} has {len(run.calls)} calls" if call is None else f"{call.tool} is called without a person"
    return RejectionCause.UNKNOWN, why


def _will_wait(run: AgentRun, call: RequestedCall) -> bool:
    """Return whether a call that was not screened yet will wait for a person, if it is not rejected before."""
    tool = run.spec.tool(call.tool)
    return tool is not None and (tool.asks or tool.approval is Approval.ALWAYS)


def earlier_reply(run: AgentRun, decision: StepDecision) -> DecisionReply | None:
    """Return the earlier reply to a decision that is sent again; None where its id is new.

    A decision with a used id and another content is rejected.
    """
    record = next((record for record in run.decisions if record.decision_id == decision.decision_id), None)
    if record is None:
        return None
    if record.content == decision.content:
        return record.reply
    reason = f"the decision_id {decision.decision_id!r} was used for another decision: use a new one for each"
    return rejected(decision, reason, RejectionCause.REUSED)


def rejected(decision: StepDecision, reason: str, cause: RejectionCause | None = None) -> DecisionReply:
    """Return the reply to a decision that changes nothing, with the reason and its kind."""
    return DecisionReply(came=Rejected(decision_id=decision.decision_id, reason=reason, cause=cause))


def accepted(decision: StepDecision, *, verified: bool, missing: int = 0) -> DecisionReply:
    """Return the reply to a decision that counts; `missing` is the number of approvals still needed."""
    return DecisionReply(came=Accepted(decision_id=decision.decision_id, verified=verified, missing=missing))


def bound_to(run: AgentRun, tenant: str, first: str) -> AgentRun:
    """Return the run with its tenant and first run id, to which its waiting calls are bound.

    From then on decisions name this run, and are recorded.
    """
    named = run.model_copy(update={"tenant": tenant, "run": first})
    for call in run.calls:
        if call.stage in WAITING:
            named = named.with_call(tool_call.bound(call, run.spec.tool(call.tool), tenant, first))
    return named


def recorded(run: AgentRun, decision: StepDecision, reply: DecisionReply) -> AgentRun:
    """Return the run with an accepted decision stored: the digest of its content, not the content itself.

    A rejected decision is not stored: it may be sent again with a credential, and is then checked again. Only a run
    whose people an older version has asked stores rejections too, as that version did.
    """
    if run.run and isinstance(reply.came, Rejected):
        return run
    record = DecisionRecord(decision_id=decision.decision_id, content=decision.content, reply=reply)
    return run.model_copy(update={"decisions": (*run.decisions, record)[-REMEMBERED:]})


def noted(
    run: AgentRun, decision: StepDecision, tool: str, now: datetime, *, verified: bool = False, edited: bool = False
) -> AgentRun:
    """Return the run with a decision that counts noted for the people who decide next."""
    note = EarlierDecision(
        step=decision.step,
        tool=tool,
        ruling=decision.ruling,
        by=decision.by,
        verified=verified,
        at=now,
        reason=decision.reason[:SHOWN],
        edited=edited,
    )
    return run.model_copy(update={"decided": (*run.decided, note)[-DECIDED:]})


def describe(decision: StepDecision, reply: DecisionReply) -> str:
    """Return the result of a decision for the timeline: our words, with the person's own reason."""
    match reply.came:
        case Accepted(verified=verified, missing=missing):
            trust = "" if verified else ", unverified"
            more = f": {missing} more to agree" if missing else ""
            reason = f" ({decision.reason})" if decision.reason else ""
            return f"{decision.ruling.value}{trust}{more}{reason}"
        case Rejected(reason=reason):
            return f"rejected: {reason}"
