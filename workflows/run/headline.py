"""What stands above a run's timeline: what it does now, whom it waits for, what it has spent, and what to do. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import assert_never

from perdure.contracts.agents.agent import AgentPhase, AgentRun, CallStage, RequestedCall
from perdure.contracts.budget import Allowance, Charged, Spend
from perdure.contracts.runs.run import Cancelled, Exhausted, FailedRun, Outcome
from perdure.contracts.tool_calls.approvals import Trust
from perdure.contracts.tool_calls.decisions import PendingStep, Waiting
from workflows.state_machines.decisions import pending

REASON = 240
"""Characters of a reason that are shown."""


def plain(text: str, most: int = 80) -> str:
    """What a model, a server or a person wrote, so that it can stand in a table's cell."""
    return "".join(sign if sign.isalnum() or sign in " ,-_.:;/'()+=%" else "?" for sign in text[:most])


def named(workflow_id: str) -> str:
    """What commands call a run by: its tenant, unless that is the default one, and its id. None holds an odd name."""
    tenant, _, business_id = workflow_id.partition(":")
    if not all(sign.isascii() and (sign.isalnum() or sign in "._/@+:-") for sign in workflow_id):
        return "RUN"
    return business_id if tenant == "default" else f"--tenant {tenant} {business_id}"


def spent(allowance: Allowance, deployment: str | None, account: Charged | None = None) -> str:
    """What is paid for, what is held for attempts in flight or of unknown outcome, and what the budget allows.

    `account` is what the run's account holds, where a reset has left some of it out of this history.
    """
    paid, budget = allowance.settled, allowance.budget
    money = f"{dollars(paid.micro_dollars)} of {dollars(budget.micro_dollars)} dollars"
    calls = f", {paid.tool_calls} of {budget.tool_calls} tool calls" if budget.tool_calls else ""
    words = f"{money}, {paid.steps} of {budget.steps} steps{calls}, {paid.input_tokens} + {paid.output_tokens} tokens"
    held = amounts(allowance.reserved)
    if held:
        words += f"; held for attempts in flight or of unknown outcome: {held}"
    if account is not None:
        unknown = f", and {amounts(account.reserved)} at most unknown" if account.reserved != Spend() else ""
        words += f". **The whole run**, what was before a reset included: {amounts(account.settled)}{unknown}"
    return f"Spent {words}." + ("" if deployment is None else f" Model: **{deployment}**.")


def amounts(spend: Spend) -> str:
    """What there is of it, in words; empty for nothing."""
    tokens = f"{spend.input_tokens} + {spend.output_tokens} tokens" if spend.input_tokens + spend.output_tokens else ""
    money = f"{dollars(spend.micro_dollars)} dollars" if spend.micro_dollars else ""
    steps, calls = _counted(spend.steps, "step"), _counted(spend.tool_calls, "tool call")
    return ", ".join(part for part in (money, steps, calls, tokens) if part)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}" if count else ""


def dollars(micro_dollars: int) -> str:
    """Money without its sign: the UI takes what stands between two of them for a formula."""
    whole, part = divmod(micro_dollars, 1_000_000)
    return f"{whole}.{f'{part:06}'.rstrip('0'):0<2}"


def failed(how: FailedRun, workflow_id: str) -> str:
    """That it failed, and what to do about it: another id is another key for all that it wrote."""
    name = named(workflow_id)
    doubts = "".join(f" **{plain(one, REASON)}**: look at the other side first." for one in how.unknown)
    anew = ", or start it again under another id: it wrote nothing" if how.repeatable else ""
    return (
        f"**failed** while it was {how.phase.value}: {plain(how.reason, REASON)}.{doubts} Mend that, then have it go "
        f"on: `perdure retry {name}`{anew}. What it has done stays done."
    )


def ended(outcome: Outcome) -> str:
    """Why it ended so, in words of ours; empty where the ending says all."""
    match outcome:
        case Exhausted(reason=reason, needed=needed):
            return f"{plain(reason, REASON)} What came next might have needed {amounts(needed)}."
        case Cancelled(phase=phase, unknown=unknown):
            doubts = "".join(f" **{plain(one, REASON)}**: look at the other side." for one in unknown)
            return f"It was {phase.value}.{doubts}"
        case _:
            return ""


def now(run: AgentRun, phase: AgentPhase, since: datetime | None, name: str) -> Iterator[str]:
    """What an agent's run does at the moment, a paragraph each. `name` is what commands call it by."""
    began = "" if since is None else f" since {moment(since)}"
    head = f"**{phase.value}**{began}"
    waiting = pending(run)
    match phase:
        case AgentPhase.PINNING:
            yield f"{head}: what decides the run is pinned, and its task is screened."
        case AgentPhase.THINKING:
            yield f"{head}: the model chooses its next move (think-{run.turn + 1})."
        case AgentPhase.COMPACTING:
            yield f"{head}: the model sums older turns up before its window is full (compact-{run.compactions + 1})."
        case AgentPhase.ACTING:
            yield f"{head}: tools are called."
        case AgentPhase.AWAITING_APPROVAL | AgentPhase.AWAITING_DECISION | AgentPhase.AWAITING_ANSWER:
            yield f"{head}: **nothing goes on before a person speaks.**"
        case AgentPhase.PAUSED:
            yield f"{head} by {plain(run.paused or '')}: nothing new begins. Go on: `perdure resume {name}`"
        case AgentPhase.CHECKING:
            yield f"{head}: guards look at the answer."
        case AgentPhase.CLOSED:
            return
        case never:
            assert_never(never)
    lines = [
        *(_open(call, run.spec.tool_attempts) for call in _under_way(run.calls)),
        *(asks(step, name) for step in waiting),
    ]
    if lines and phase not in (AgentPhase.THINKING, AgentPhase.PINNING, AgentPhase.CHECKING):
        yield "\n".join(f"- {line}" for line in lines)


def asks(step: PendingStep, name: str) -> str:
    """What one step asks of a person: what it is, who may speak, what happens without them, and how to."""
    which = f"{name} {step.step}"
    match step.waiting:
        case Waiting.APPROVAL:
            what, how = (
                "it is not called before a person agrees",
                f"`perdure approve {which}` or `perdure deny {which}`",
            )
        case Waiting.OUTCOME:
            what = f"nobody knows whether it happened ({plain(step.reason, REASON)}): look at the other side"
            how = f"`perdure answer {which}` with `--did-happen RESULT`, `--did-not-happen` or `--retry`"
        case Waiting.ANSWER:
            what, how = "the agent has a question", f"`perdure answer {which} ANSWER`"
        case never:
            assert_never(never)
    return f"**{step.step} {plain(step.tool)}** waits since {moment(step.since)}: {what}. {_who(step)}. {how}"


def _who(step: PendingStep) -> str:
    they = ", ".join((*step.names, *(f"the group {group}" for group in step.groups))) or "anybody"
    if not step.names:  # a name stands as it is
        they = they[0].upper() + they[1:]
    said = [f"{plain(they, REASON)} may {'answer' if step.waiting is Waiting.ANSWER else 'say so'}"]
    said += [f"not {plain(step.barred)}, who started it"] if step.barred else []
    said += ["signed"] if step.trust is Trust.SIGNED else []
    said += [f"{len(step.voices)} of {step.quorum} agree"] if step.quorum > 1 else []
    if step.until is not None and step.on_timeout is not None:
        said.append(f"without them the policy decides at {moment(step.until)}: {step.on_timeout.value}")
    return ", ".join(said)


def _under_way(calls: Iterable[RequestedCall]) -> list[RequestedCall]:
    return [call for call in calls if call.stage in (CallStage.ASKED, CallStage.ALLOWED)]


def _open(call: RequestedCall, most: int) -> str:
    tried = f"attempt {call.attempts}" if call.attempts else "not called yet"
    of = f", try {call.tries} of {most}" if call.tries > 1 else ""
    failed = f"; the last to fail: {plain(call.failure, REASON)}" if call.failure else ""
    return f"**{call.id} {plain(call.tool)}**: {tried}{of}{failed}"


def moment(at: datetime) -> str:
    """A moment in workflow time, which is UTC: runs last for weeks."""
    return f"{at:%Y-%m-%d %H:%M:%S}"
