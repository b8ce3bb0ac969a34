"""What waits for a person in a run, and why a decision about it cannot be taken."""

from perdure.contracts.agent import AgentRun, CallStage, RequestedCall
from perdure.contracts.decisions import REASON, RULINGS, PendingStep, StepDecision, Waiting

WAITING = {CallStage.AWAITING_APPROVAL: Waiting.APPROVAL, CallStage.UNKNOWN: Waiting.OUTCOME}
"""What a person is asked about a call in this stage."""


def pending(run: AgentRun) -> tuple[PendingStep, ...]:
    """Everything that waits, in the order in which the model asked for it."""
    return tuple(step for call in run.calls if (step := _waiting(run, call)) is not None)


def _waiting(run: AgentRun, call: RequestedCall) -> PendingStep | None:
    tool, waiting = run.spec.tool(call.tool), WAITING.get(call.stage)
    if tool is None or waiting is None or call.since is None or call.binding is None:
        return None
    return PendingStep(
        step=call.id,
        waiting=waiting,
        tool=tool.name,
        effect=tool.effect,
        arguments=call.arguments,
        digest=call.binding,
        since=call.since,
        reason=call.failure,
    )


def objection(run: AgentRun, decision: StepDecision) -> str | None:
    """Why a decision cannot be taken, in one line; None where nothing stands against it yet."""
    if len(decision.reason) > REASON:
        return f"the reason has {len(decision.reason):,} characters: say it in {REASON:,}"
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
