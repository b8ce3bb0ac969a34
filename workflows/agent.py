"""The agent workflow: a model chooses and tools act, step by step as a state machine says."""

import asyncio
from typing import Any, assert_never

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from perdure.contracts.agents.agent import AgentPhase, AgentRun
from perdure.contracts.agents.steps import PinAgent
from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.chains.steps import Check, Screen
from perdure.contracts.contract import BadInput
from perdure.contracts.fault import Fault
from perdure.contracts.runs.continued import AgentInput
from perdure.contracts.runs.control import Held, Pause, Resume
from perdure.contracts.runs.run import Abstained, Answered, Cancelled, Outcome, Refused, RunResult
from perdure.contracts.temporal.references import why_unreadable
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import DecisionReply, Pending, Rejected, StepDecision, read_decision
from perdure.contracts.tool_calls.rejections import RejectionCause
from workflows.agent_parts.compacting import compact
from workflows.agent_parts.continue_as_new import bad_request, should_continue, was_continued
from workflows.agent_parts.decisions import Decisions
from workflows.agent_parts.progress import AgentProgress
from workflows.agent_parts.reminding import remind
from workflows.agent_parts.signal_replies import write_down
from workflows.agent_parts.thinking import think
from workflows.agent_parts.tool_calls import ToolCalls
from workflows.effects import CHECK, PIN_AGENT, SCREEN
from workflows.run.cancellation import to_the_end
from workflows.run.refusals import with_checked_words
from workflows.state_machines import agent, writes
from workflows.state_machines.agent import next_step
from workflows.state_machines.decisions import pending, rejected
from workflows.state_machines.purchase import OverBudget


@workflow.defn(name="agent")
class Agent:
    """Workflow that does a task with a model and tools, within a budget, and makes each call of a tool at most once."""

    def __init__(self) -> None:
        self.progress = AgentProgress()
        self.decisions: Decisions | None = None
        """None until the run has begun: signals and updates may reach a continued run before that."""
        self.signals = 0
        """The number of signals `decide` that reached this execution."""

    @workflow.run
    async def run(self, ask: AgentInput) -> RunResult:
        if ask.handed_over is None:
            self.progress.begin(ask.tenant, ask.agent, ask.budget)
        elif not was_continued():
            raise bad_request(
                "handed_over: only an execution that was continued may have it: send a request without it"
            )
        else:
            self.progress.restore(ask.handed_over)
        self.decisions = Decisions(ask.tenant, self.progress)
        calls = ToolCalls(ask.tenant, self.progress, self.decisions)
        try:
            outcome = await self.outcome_of(ask, calls)
        except Fault as fault:
            raise await to_the_end(self.fail(fault, calls)) from fault
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            phase = self.progress.phase
            self.decisions.over = True
            unknown = () if self.progress.state_or_none is None else await calls.cancel()
            outcome = Cancelled(phase=phase, unknown=unknown)
        await to_the_end(self.finish_handlers())
        return self.progress.close(outcome)

    async def finish_handlers(self) -> None:
        """Stop all waits, and let the handlers of signals and updates reply before the run ends."""
        if self.decisions is not None:
            self.decisions.over = True
        self.progress.outages.stopped = True
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def fail(self, fault: Fault, calls: ToolCalls) -> ApplicationError:
        """Cancel the calls in flight, so that none outlives the failed run, and return the error of the run."""
        phase = self.progress.phase
        if self.decisions is not None:
            self.decisions.over = True
        unknown = () if self.progress.state_or_none is None else await calls.cancel(may_resume=True)
        await self.finish_handlers()
        return self.progress.failed(fault, phase, unknown)

    async def outcome_of(self, ask: AgentInput, calls: ToolCalls) -> Outcome:
        """Pin the spec and the model, screen the task, and run step by step."""
        if ask.handed_over is not None:
            return await self.run_steps(ask, calls)
        pinned = await self.progress.perform(
            PIN_AGENT,
            PinAgent(
                tenant=ask.tenant,
                agent=ask.agent,
                tier=ask.tier,
                task=ask.task,
                budget=ask.budget,
                started_by=ask.started_by,
                caller=ask.caller,
                requires=ask.requires,
            ),
            summary=ask.agent,
        )
        self.progress.deployment = pinned.deployment.name
        task = ask.task.reference()
        run = AgentRun(
            spec=pinned.spec,
            pinned=pinned.pinned,
            deployment=pinned.deployment,
            allowance=self.progress.account.allowance,
            transcript=Transcript(),
            started_by=ask.started_by,
            subject=pinned.subject,
        )
        self.progress.put(agent.begun(run, task))
        return await self.refusal(ask, task) or await self.run_steps(ask, calls)

    async def refusal(self, ask: AgentInput, task: Text) -> Refused | None:
        """Return the refusal where a guard of the pinned spec blocks the task, else None.

        No model and no tool sees the task before its guards.
        """
        guards = self.progress.state.spec.screen
        if not guards:
            return None
        screened = await self.progress.perform(
            SCREEN, Screen(tenant=ask.tenant, chain=ask.agent, question=task, guards=guards), summary="task"
        )
        blocked = self.progress.judge("screen", screened.verdicts)
        return Refused(reason=blocked) if blocked else None

    async def run_steps(self, ask: AgentInput, calls: ToolCalls) -> Outcome:
        """Run one step after the other, as the state machine says, until the outcome."""
        progress = self.progress
        while True:
            self.continue_where_due(ask)
            match next_step(progress.state):
                case agent.Hold():
                    await workflow.wait_condition(lambda: progress.paused is None or should_continue())
                case agent.Think(step):
                    await think(progress, ask.tenant, step)
                case agent.Compact(step, cut):
                    await compact(progress, ask.tenant, step, cut)
                case agent.Work(names):
                    await calls.run_calls(names)
                case agent.Observe():
                    progress.put(agent.observed(progress.state))
                case agent.Remind(missing):
                    remind(progress, missing)
                case agent.Check(answer):
                    return await self.check(ask.tenant, answer)
                case agent.Abstain() | agent.Stop() | agent.Circle() | agent.Exhaust() as end:
                    return await self.outcome_of_end(ask.tenant, end)
                case never:
                    assert_never(never)

    async def outcome_of_end(
        self, tenant: str, end: agent.Abstain | agent.Stop | agent.Circle | agent.Exhaust
    ) -> Outcome:
        """Return the outcome of a run without an answer. The guards of answers see the words of a refusal first."""
        if isinstance(end, agent.Exhaust):
            return self.progress.exhausted(OverBudget(end.short.limit, end.short.needed, end.short.window))
        if isinstance(end, agent.Stop):
            guards = self.progress.state.spec.check
            end = agent.Stop(await with_checked_words(self.progress, end.unusable, tenant=tenant, guards=guards))
        return agent.outcome_of(self.progress.state, end)

    def continue_where_due(self, ask: AgentInput) -> None:
        """Continue as new where it is due. No step is under way here, so the snapshot holds all that the run knows."""
        if should_continue():
            snapshot = self.progress.snapshot()
            self.progress.mark_continued()
            workflow.continue_as_new(ask.continued(snapshot))

    async def check(self, tenant: str, answer: Text) -> Outcome:
        """Return the answer, `Abstained` where a guard blocks it, or `Unfinished` where a required write is missing."""
        run, blocked = self.progress.state, ""
        guards = run.spec.check
        if guards:
            self.progress.enter(AgentPhase.CHECKING)
            checked = await self.progress.perform(
                CHECK,
                Check(tenant=tenant, guards=guards, answer=answer.reference(), citations=()),
                summary="answer",
            )
            blocked = self.progress.judge("check", checked.verdicts)
        if writes.missing(run):
            return writes.unfinished(run, answer, blocked=blocked)
        if blocked:
            return Abstained(reason=f"An answer was written but did not hold up: {blocked}")
        return Answered(answer=answer)

    @workflow.update
    async def decide(self, raw: RawValue) -> DecisionReply:
        """Take a person's decision on a step that waits, and return the reply to it."""
        return await self.reply_to(_decision(raw))

    @decide.validator
    def decide_is_well_formed(self, raw: RawValue) -> None:
        """Reject only input that is not a decision: a rejection by a validator leaves no trace in the history."""
        try:
            _decision(raw)
        except BadInput as error:
            raise ApplicationError(str(error), type="BadInput", non_retryable=True) from None

    @workflow.signal(name="decide")
    async def decide_by_signal(self, raw: RawValue) -> None:
        """Take a decision from a client without updates. A signal gets no reply, so the run notes invalid input."""
        self.signals += 1
        number = self.signals
        try:
            decision = _decision(raw)
        except BadInput as error:
            await self.wait_until_begun()
            self.progress.stray(str(error))
            reply = DecisionReply(came=Rejected(decision_id="", reason=str(error), cause=RejectionCause.UNREADABLE))
            write_down(number, None, reply)
            return
        write_down(number, decision, await self.reply_to(decision))

    async def reply_to(self, decision: StepDecision) -> DecisionReply:
        """Take a decision, and return whether it was accepted or why it was rejected."""
        decisions = await self.wait_until_begun()
        if self.progress.state_or_none is None:
            reason = "the run has only begun: nothing waits for a person yet"
            reply = rejected(decision, reason, RejectionCause.EARLY)
            self.progress.show_decision(decision, reply)
            return reply
        return await decisions.take(decision)

    async def wait_until_begun(self) -> Decisions:
        """Wait until the state of the execution before is restored: a decision taken earlier would be lost."""
        await workflow.wait_condition(lambda: self.decisions is not None)
        if self.decisions is None:
            raise LookupError("the run has not begun, although the wait for it is over")
        return self.decisions

    @workflow.update
    async def pause(self, ask: Pause) -> Held:
        """Pause the run: it begins no new step until it is resumed."""
        await self.wait_until_begun()
        if self.progress.paused is None:
            who = f"{ask.by}: {ask.reason}" if ask.reason else ask.by
            self.progress.hold(who, f"paused by {who}")
        return Held(paused=True, by=self.progress.paused or "")

    @pause.validator
    def pause_is_well_formed(self, ask: Pause) -> None:
        """Reject an update with the wrong number of inputs: without a validator it would block the run."""

    @workflow.update
    async def resume(self, ask: Resume) -> Held:
        """Resume a paused run."""
        await self.wait_until_begun()
        if self.progress.paused is not None:
            self.progress.hold(None, f"resumed by {ask.by}")
        return Held(paused=False)

    @resume.validator
    def resume_is_well_formed(self, ask: Resume) -> None:
        """Reject an update with the wrong number of inputs: without a validator it would block the run."""

    @workflow.query
    def pending(self) -> Pending:
        """Return the steps that wait for a person."""
        run = self.progress.state_or_none
        return Pending(steps=() if run is None else pending(run))


def _decision(raw: RawValue) -> StepDecision:
    """Return the decision in the raw input of a signal or an update. Raises `BadInput` where it holds none."""
    objection = why_unreadable(raw.payload)
    if objection is not None:
        raise BadInput(objection)
    try:
        value: Any = workflow.payload_converter().from_payload(raw.payload)
    except Exception:  # noqa: BLE001 - a payload that is not JSON is no decision, whatever error it causes
        raise BadInput("a decision is one JSON object: this cannot be read as JSON") from None
    return read_decision(value)
