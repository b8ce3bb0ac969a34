"""Text above a run's timeline: what it does now, whom it waits for, what it has spent, what to do. Pure functions."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import assert_never

from perdure.contracts.agents.agent import AgentPhase, AgentRun, CallStage, RequestedCall
from perdure.contracts.agents.steps import Thought
from perdure.contracts.budget import Allowance, Charged, Spend
from perdure.contracts.chains.steps import PaidReply
from perdure.contracts.runs.run import Cancelled, Exhausted, FailedRun, Outcome
from perdure.contracts.tool_calls.approvals import Trust
from perdure.contracts.tool_calls.decisions import PendingStep, Waiting
from workflows.run.dossier import dossier
from workflows.state_machines import ending
from workflows.state_machines.decisions import pending

REASON = 240
"""The most characters of a reason that are shown."""


def plain(text: str, most: int = 80) -> str:
    """Return foreign text, cut to `most` characters and made safe for a cell of a Markdown table."""
    return "".join(sign if sign.isalnum() or sign in " ,-_.:;/'()+=%" else "?" for sign in text[:most])


def named(workflow_id: str) -> str:
    """Return the arguments that name a run in a command: the tenant, if not the default, and the id, or `RUN`.

    `RUN` stands for an id with characters that are unsafe in a shell.
    """
    tenant, _, business_id = workflow_id.partition(":")
    if not all(sign.isascii() and (sign.isalnum() or sign in "._/@+:-") for sign in workflow_id):
        return "RUN"
    return business_id if tenant == "default" else f"--tenant {tenant} {business_id}"


def spent(allowance: Allowance, deployment: str | None, account: Charged | None = None) -> str:
    """Return a sentence on what a run has paid, what is reserved for attempts without a known cost, and its budget.

    `account` is the run's account where it holds more than this history: a reset leaves earlier costs out.
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
    """Return the amounts in words, without those that are zero; empty where all are."""
    tokens = f"{spend.input_tokens} + {spend.output_tokens} tokens" if spend.input_tokens + spend.output_tokens else ""
    money = f"{dollars(spend.micro_dollars)} dollars" if spend.micro_dollars else ""
    steps, calls = _counted(spend.steps, "step"), _counted(spend.tool_calls, "tool call")
    return ", ".join(part for part in (money, steps, calls, tokens) if part)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}" if count else ""


def dollars(micro_dollars: int) -> str:
    """Return money without a dollar sign: the UI renders text between two dollar signs as a formula."""
    whole, part = divmod(micro_dollars, 1_000_000)
    return f"{whole}.{f'{part:06}'.rstrip('0'):0<2}"


def failed(failure: FailedRun, workflow_id: str) -> str:
    """Return how a run failed and what to do. Advise a start under another id only where the run wrote nothing."""
    name = named(workflow_id)
    doubts = "".join(f" **{plain(one, REASON)}**: look at the other side first." for one in failure.unknown)
    anew = ", or start it again under another id: it wrote nothing" if failure.repeatable else ""
    return (
        f"**failed** while it was {failure.phase.value}: {plain(failure.reason, REASON)}.{doubts} Mend that, then have "
        f"it go on: `perdure retry {name}`{anew}. What it has done stays done."
    )


def chosen(reply: Thought) -> str:
    """Return what a reply chose, in a few words for the timeline."""
    if not ending.is_whole(reply):
        return "a reply that was cut" if ending.refused(reply) is None else "a refusal, or a reply that was withheld"
    return ", ".join(call.tool for call in reply.calls) if reply.calls else "an answer" if reply.answer else "nothing"


def cost_of(reply: PaidReply) -> str:
    """Return the tokens that a reply cost, for the timeline; empty where they are not known."""
    charge = reply.charge
    return "" if charge is None else f"; {charge.input_tokens} + {charge.output_tokens} tokens"


def ended(outcome: Outcome) -> str:
    """Return why a run ended, in our words; empty where the outcome's kind says it all."""
    match outcome:
        case Exhausted(reason=reason, needed=needed):
            return f"{plain(reason, REASON)} What came next might have needed {amounts(needed)}."
        case Cancelled(phase=phase, unknown=unknown):
            doubts = "".join(f" **{plain(one, REASON)}**: look at the other side." for one in unknown)
            return f"It was {phase.value}.{doubts}"
        case _:
            return ""


def now(run: AgentRun, phase: AgentPhase, since: datetime | None, name: str) -> Iterator[str]:
    """Yield paragraphs on what an agent's run does now. `name` is the run's name in commands."""
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
        *(_call_line(call, run.spec.tool_attempts) for call in _under_way(run.calls)),
        *(asks(step, name) for step in waiting),
    ]
    if lines and phase not in (AgentPhase.THINKING, AgentPhase.PINNING, AgentPhase.CHECKING):
        yield "\n".join(f"- {line}" for line in lines)
        yield from dossier(run, waiting, name)


def asks(step: PendingStep, name: str) -> str:
    """Return a line on a step that waits for a person: its question, who may decide until when, and the command."""
    target = f"{name} {step.step}"
    match step.waiting:
        case Waiting.APPROVAL:
            question, command = (
                "it is not called before a person agrees",
                f"`perdure approve {target}` or `perdure deny {target}`",
            )
        case Waiting.OUTCOME:
            question = f"nobody knows whether it happened ({plain(step.reason, REASON)}): look at the other side"
            command = f"`perdure answer {target}` with `--did-happen RESULT`, `--did-not-happen` or `--retry`"
        case Waiting.ANSWER:
            question, command = "the agent has a question", f"`perdure answer {target} ANSWER`"
        case never:
            assert_never(never)
    return (
        f"**{step.step} {plain(step.tool)}** waits since {moment(step.since)}: {question}. {_deciders(step)}. {command}"
    )


def _deciders(step: PendingStep) -> str:
    """Return who may decide about a step, under which conditions, and what happens without them."""
    deciders = ", ".join((*step.names, *(f"the group {group}" for group in step.groups))) or "anybody"
    if not step.names:  # a name keeps its capitals
        deciders = deciders[0].upper() + deciders[1:]
    parts = [f"{plain(deciders, REASON)} may {'answer' if step.waiting is Waiting.ANSWER else 'say so'}"]
    parts += [f"not {plain(step.barred)}, who started it"] if step.barred else []
    parts += ["signed"] if step.trust is Trust.SIGNED else []
    parts += [f"{len(step.voices)} of {step.quorum} agree"] if step.quorum > 1 else []
    if step.until is not None and step.on_timeout is not None:
        parts.append(f"without them the policy decides at {moment(step.until)}: {step.on_timeout.value}")
    else:
        parts.append("without them it waits without end")
    return ", ".join(parts)


def _under_way(calls: Iterable[RequestedCall]) -> list[RequestedCall]:
    return [call for call in calls if call.stage in (CallStage.ASKED, CallStage.ALLOWED)]


def _call_line(call: RequestedCall, most: int) -> str:
    """Return a line on a call under way: its attempt, the try out of at most `most`, and the last failure."""
    tried = f"attempt {call.attempts}" if call.attempts else "not called yet"
    of = f", try {call.tries} of {most}" if call.tries > 1 else ""
    failed = f"; the last to fail: {plain(call.failure, REASON)}" if call.failure else ""
    return f"**{call.id} {plain(call.tool)}**: {tried}{of}{failed}"


def moment(at: datetime) -> str:
    """Return a time of the workflow, in UTC and with its day: runs last for weeks."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def starter(run: AgentRun) -> str:
    """Return who started a run, as a sentence that says whether a token proved it; empty where nobody said so."""
    if run.subject:
        return f" Started by **{plain(run.subject)}**, verified."
    return f" Started by **{plain(run.started_by)}**, unverified." if run.started_by else ""
