"""The agent: a model that chooses and tools that act, driven step by step through a state machine."""

import asyncio
import functools
from typing import Any, assert_never

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from perdure.contracts.agents.agent import AgentPhase, AgentRun
from perdure.contracts.agents.steps import PinAgent, Think
from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.chains.steps import Check, Screen
from perdure.contracts.contract import BadInput
from perdure.contracts.fault import Fault
from perdure.contracts.runs.continued import AgentInput
from perdure.contracts.runs.control import Held, Pause, Resume
from perdure.contracts.runs.run import Abstained, Answered, Cancelled, Outcome, Refused, RunResult
from perdure.contracts.temporal.references import why_unreadable
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import DecisionReply, Pending, StepDecision, read_decision
from workflows.agent_parts.compacting import compact
from workflows.agent_parts.continue_as_new import bad_request, should_continue, was_continued
from workflows.agent_parts.decisions import Decisions
from workflows.agent_parts.progress import AgentProgress
from workflows.agent_parts.tool_calls import ToolCalls
from workflows.effects import CHECK, PIN_AGENT, SCREEN, THINK, key_of
from workflows.run.cancellation import to_the_end
from workflows.run.paid import Rests
from workflows.state_machines import agent, compaction
from workflows.state_machines.agent import next_step
from workflows.state_machines.decisions import pending, rejected
from workflows.state_machines.purchase import OverBudget


@workflow.defn(name="agent")
class Agent:
    """Does a task with a model and tools, within a budget, and acts no more than once."""

    def __init__(self) -> None:
        self.progress = AgentProgress()
        self.decisions: Decisions | None = None
        """None until the run has begun. To one that was continued people may speak before that."""

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
            raise await to_the_end(self.failed(fault, calls)) from fault
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            phase = self.progress.phase
            self.decisions.over = True
            unknown = () if self.progress.known is None else await calls.cancel()
            outcome = Cancelled(phase=phase, unknown=unknown)
        await to_the_end(self.heard())
        return self.progress.close(outcome)

    async def heard(self) -> None:
        """The run is over: who has asked something gets an answer before it is gone."""
        if self.decisions is not None:
            self.decisions.over = True
        self.progress.outages.stopped = True
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def failed(self, fault: Fault, calls: ToolCalls) -> ApplicationError:
        """Call off what is in flight, so that nothing goes on behind a failed run, and say what is unknown."""
        phase = self.progress.phase
        if self.decisions is not None:
            self.decisions.over = True
        unknown = () if self.progress.known is None else await calls.cancel(may_resume=True)
        await self.heard()
        return self.progress.failed(fault, phase, unknown)

    async def outcome_of(self, ask: AgentInput, calls: ToolCalls) -> Outcome:
        """Pin what decides the run, screen the task, and go on step by step."""
        if ask.handed_over is not None:
            return await self.steps(ask, calls)
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
        )
        self.progress.put(agent.begun(run, task))
        return await self.screened(ask, task) or await self.steps(ask, calls)

    async def screened(self, ask: AgentInput, task: Text) -> Refused | None:
        """The refusal, where a guard of the pinned spec stops the task: no model and no tool has seen it then."""
        guards = self.progress.state.spec.screen
        if not guards:
            return None
        found = await self.progress.perform(
            SCREEN, Screen(tenant=ask.tenant, chain=ask.agent, question=task, guards=guards), summary="task"
        )
        blocked = self.progress.judge("screen", found.verdicts)
        return Refused(reason=blocked) if blocked else None

    async def steps(self, ask: AgentInput, calls: ToolCalls) -> Outcome:
        """The agent itself: one step after the other, whichever comes next."""
        progress = self.progress
        while True:
            self.continue_where_due(ask)
            match next_step(progress.state):
                case agent.Hold():
                    await workflow.wait_condition(lambda: progress.paused is None or should_continue())
                case agent.Think(step):
                    await self.think(ask.tenant, step)
                case agent.Compact(step, cut):
                    await compact(progress, ask.tenant, step, cut)
                case agent.Work(names):
                    await calls.run_calls(names)
                case agent.Observe():
                    progress.put(agent.observed(progress.state))
                case agent.Check(answer):
                    return await self.checked(ask.tenant, answer)
                case agent.Abstain():
                    return Abstained(reason="The model asked for no tool and gave no answer.")
                case agent.Exhaust(short):
                    return progress.exhausted(OverBudget(short.limit, short.needed, short.window))
                case never:
                    assert_never(never)

    def continue_where_due(self, ask: AgentInput) -> None:
        """Go on in a new execution, where it is time. Nothing of the run is under way: all it knows is in its state."""
        if should_continue():
            handed = self.progress.snapshot()
            self.progress.mark_continued()
            workflow.continue_as_new(ask.continued(handed))

    async def think(self, tenant: str, step: str) -> None:
        """Buy the model's next move."""
        progress, run, key = self.progress, self.progress.state, key_of(tenant, step)
        if progress.phase is not AgentPhase.THINKING:
            progress.enter(AgentPhase.THINKING)
        reply = await progress.account.buy_or_rest(
            THINK,
            step,
            lambda attempt, deployment, reserved: Think(
                key=key,
                attempt=attempt,
                deployment=deployment.priced,
                pinned=run.pinned,
                transcript=run.transcript.unpriced(),
                worst=reserved,
            ),
            deployment=run.deployment,
            worst=functools.partial(agent.worst_thought, run),
            attempts=run.spec.attempts,
            wait=run.spec.wait,
            window=compaction.needed(run),
            made=run.attempted,
            rests=should_continue,
        )
        if isinstance(reply, Rests):
            progress.put(progress.state.model_copy(update={"attempted": reply.attempts}))
        elif isinstance(reply, OverBudget):
            progress.fall_short(reply)
        else:
            progress.thought(step, reply)

    async def checked(self, tenant: str, answer: Text) -> Outcome:
        """The answer, unless a guard keeps it back."""
        guards = self.progress.state.spec.check
        if guards:
            self.progress.enter(AgentPhase.CHECKING)
            found = await self.progress.perform(
                CHECK,
                Check(tenant=tenant, guards=guards, answer=answer.reference(), citations=()),
                summary="answer",
            )
            blocked = self.progress.judge("check", found.verdicts)
            if blocked:
                return Abstained(reason=f"An answer was written but did not hold up: {blocked}")
        return Answered(answer=answer)

    @workflow.update
    async def decide(self, said: RawValue) -> DecisionReply:
        """Take a person's word on a step that waits."""
        return await self.taken(_decision(said))

    @decide.validator
    def decide_is_well_formed(self, said: RawValue) -> None:
        """Refuse only what is no decision: a refusal here leaves no trace in the history."""
        try:
            _decision(said)
        except BadInput as error:
            raise ApplicationError(str(error), type="BadInput", non_retryable=True) from None

    @workflow.signal(name="decide")
    async def decide_by_signal(self, said: RawValue) -> None:
        """The same, for clients that know no updates. What is no decision is recorded, since nobody hears an answer."""
        try:
            decision = _decision(said)
        except BadInput as error:
            await self.begun()
            self.progress.stray(str(error))
            return
        await self.taken(decision)

    async def taken(self, decision: StepDecision) -> DecisionReply:
        """What came of a decision."""
        decisions = await self.begun()
        if self.progress.known is None:
            reply = rejected(decision, "the run has only begun: nothing waits for a person yet")
            self.progress.decided(decision, reply)
            return reply
        return await decisions.take(decision)

    async def begun(self) -> Decisions:
        """Once it is known what an earlier execution has handed over: what is said before that would be forgotten."""
        await workflow.wait_condition(lambda: self.decisions is not None)
        if self.decisions is None:
            raise LookupError("the condition does not hold that was waited for")
        return self.decisions

    @workflow.update
    async def pause(self, ask: Pause) -> Held:
        """Begin nothing new until the run is resumed."""
        await self.begun()
        if self.progress.paused is None:
            who = f"{ask.by}: {ask.reason}" if ask.reason else ask.by
            self.progress.hold(who, f"paused by {who}")
        return Held(paused=True, by=self.progress.paused or "")

    @pause.validator
    def pause_is_well_formed(self, ask: Pause) -> None:
        """Without a validator, an update of another number of inputs would be accepted, and wedge the run."""

    @workflow.update
    async def resume(self, ask: Resume) -> Held:
        """Go on."""
        await self.begun()
        if self.progress.paused is not None:
            self.progress.hold(None, f"resumed by {ask.by}")
        return Held(paused=False)

    @resume.validator
    def resume_is_well_formed(self, ask: Resume) -> None:
        """See the other one."""

    @workflow.query
    def pending(self) -> Pending:
        """Everything that waits for a person."""
        run = self.progress.known
        return Pending(steps=() if run is None else pending(run))


def _decision(said: RawValue) -> StepDecision:
    """What somebody sent, in whatever form. Raises `BadInput`."""
    unread = why_unreadable(said.payload)
    if unread is not None:
        raise BadInput(unread)
    try:
        read: Any = workflow.payload_converter().from_payload(said.payload)
    except Exception:  # noqa: BLE001 - whatever a payload holds that is no JSON, it is no decision
        raise BadInput("a decision is one JSON object: this cannot be read as JSON") from None
    return read_decision(read)
