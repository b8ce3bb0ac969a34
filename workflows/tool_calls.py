"""Sees to the calls of one turn: each goes its own way from the asking to its answer, side by side with the others."""

import asyncio
import json
from datetime import timedelta
from typing import assert_never

from temporalio import workflow

from perdure.contracts.agent import RequestedCall, Shortfall
from perdure.contracts.agent_steps import Act, Acted, ScreenCall, SettleCall
from perdure.contracts.budget import Spend
from perdure.contracts.decisions import Accepted, DecisionReply, Rejected, Ruling, StepDecision
from perdure.contracts.fault import EffectFailed
from perdure.contracts.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.tools import ToolEffect, ToolSpec
from workflows.agent_progress import AgentProgress
from workflows.effect import all_roles
from workflows.effects import ACT, SCREEN_CALL, SETTLE_CALL, perform
from workflows.race import called_off
from workflows.state_machines import tool_call
from workflows.state_machines.decisions import WAITING, objection
from workflows.state_machines.tool_call import Await, Finished, GiveUp, Look, Try, next_move

AROUND = timedelta(seconds=30)
"""What an attempt may take besides the tool itself: its guards, the ledger, and what finds out about a lost one."""

QUICK = timedelta(seconds=2)
"""What a call within the workflow's own task may take, which nothing else can interrupt."""


class ToolCalls:
    """The calls of a run's newest turn."""

    def __init__(self, tenant: str, progress: AgentProgress) -> None:
        self._tenant = tenant
        self._progress = progress
        self._deciding = asyncio.Lock()

    async def see_to(self, calls: tuple[str, ...]) -> None:
        """Have each answered, or find the budget short. Raises `EffectFailed` where one can never be."""
        tasks = [asyncio.create_task(self._see_to(call)) for call in calls]
        async with called_off(*tasks):
            await asyncio.gather(*tasks)

    async def _see_to(self, name: str) -> None:
        progress = self._progress
        while True:
            await workflow.wait_condition(lambda: progress.paused is None)
            if progress.state.short is not None:
                return
            call = progress.state.call(name)
            match next_move(call, progress.state.spec):
                case Finished():
                    return
                case GiveUp(reason):
                    raise EffectFailed(ACT.name, f"{call.id}: {reason}")
                case Look():
                    await self._look(call)
                case Await():
                    await workflow.wait_condition(lambda: self._spoken(name))
                case Try() as attempt:
                    await self._try(call, attempt)
                case never:
                    assert_never(never)

    def _spoken(self, name: str) -> bool:
        """Whether a call waits for nobody any more, or is not worth it: the budget ends the run."""
        state = self._progress.state
        return state.call(name).stage not in WAITING or state.short is not None

    async def _look(self, call: RequestedCall) -> None:
        """What cannot be called needs nobody's time."""
        looked = await perform(SCREEN_CALL, self._screening(call, call.arguments), summary=call.tool)
        self._progress.judge(call.id, looked.verdicts)
        tool = self._tool(call)
        if looked.rejected is not None:
            self._progress.put_call(tool_call.answered(call, looked.rejected))
        elif tool is not None:
            self._progress.put_call(tool_call.awaiting_approval(call, tool, looked.arguments, workflow.now()))

    async def _try(self, call: RequestedCall, attempt: Try) -> None:
        """One attempt: reserved first, and settled by what its reply knows."""
        progress, purse, spec = self._progress, self._progress.purse, self._progress.state.spec
        if attempt.wait:
            await workflow.sleep(attempt.wait, summary=f"{call.tool}: {call.failure}")
        limit = purse.allowance.shortfall(attempt.worst, workflow.now())
        if limit is not None:
            short = Shortfall(limit=limit, needed=attempt.worst)
            progress.put(progress.state.model_copy(update={"short": short}))
            return
        purse.allowance = purse.allowance.reserve(attempt.key(call), attempt.worst)
        started, tool = tool_call.tried(call, attempt.attempt), self._tool(call)
        progress.put_call(started)
        try:
            reply = await self._act(started, tool)
        except EffectFailed as failure:
            if failure.free_of_charge:
                purse.allowance = purse.allowance.settle(attempt.key(call), Spend())
            progress.put_call(tool_call.lost(started, tool, failure.reason, spec, workflow.now()))
            return
        self._settle(started, reply)
        progress.put_call(tool_call.acted(started, tool, reply, spec, workflow.now()))
        if reply.stopped:
            raise asyncio.CancelledError

    async def call_off(self) -> tuple[str, ...]:
        """The run is cancelled: let no attempt begin any more. Says of which calls nobody knows if they happened."""
        state = self._progress.state
        for call in (call for call in state.calls if tool_call.called_off(call)):
            tool = self._tool(call)
            if tool is None or tool.effect is ToolEffect.READ_ONLY:
                continue
            last = tool_call.tried(call, call.attempts + 1)
            try:
                reply = await self._act(last, tool, call_off=True)
            except EffectFailed as failure:
                lost = last.model_copy(update={"tries": state.spec.tool_attempts})
                self._progress.put_call(tool_call.lost(lost, tool, failure.reason, state.spec, workflow.now()))
                continue
            self._settle(last, reply)
            self._progress.put_call(tool_call.acted(last, tool, reply, state.spec, workflow.now()))
        return tuple(
            f"{call.id} ({call.tool}) may have happened: nobody knows"
            for call in self._progress.state.calls
            if tool_call.may_have_happened(call)
        )

    async def decide(self, decision: StepDecision) -> DecisionReply:
        """Take a person's word, or say why not. One after the other: each sees what the one before it changed."""
        async with self._deciding:
            refused = await self._refused(decision)
        if refused is not None:
            return DecisionReply(came=Rejected(decision_id=decision.decision_id, reason=refused))
        return DecisionReply(came=Accepted(decision_id=decision.decision_id))

    async def _refused(self, decision: StepDecision) -> str | None:
        """Why the decision changes nothing; None where it was taken."""
        state = self._progress.state
        refused = objection(state, decision)
        if refused is not None:
            return refused
        call = state.call(decision.step)
        tool = self._tool(call)
        if tool is None:
            return f"the step {decision.step!r} calls no tool that was granted"
        if decision.ruling is Ruling.APPROVE:
            return await self._approve(call, decision)
        settled = await perform(
            SETTLE_CALL,
            SettleCall(
                key=self._key(call),
                pinned=state.pinned,
                tool=call.tool,
                decision=decision,
                unknown_attempt=call.unknown_attempt,
            ),
            summary=f"{call.tool}: {decision.ruling.value}",
        )
        if settled.refused:
            return settled.refused
        gone = objection(self._progress.state, decision)
        if gone is not None:
            return gone
        outcome = settled.outcome
        self._progress.put_call(tool_call.allowed(call) if outcome is None else tool_call.answered(call, outcome))
        return None

    async def _approve(self, call: RequestedCall, decision: StepDecision) -> str | None:
        arguments: Text | None = None
        if decision.arguments is not None:
            arguments = Text.of(json.dumps(decision.arguments, ensure_ascii=False, sort_keys=True))
            looked = await perform(SCREEN_CALL, self._screening(call, arguments), summary=f"{call.tool}, edited")
            if looked.problem:
                return looked.problem
            gone = objection(self._progress.state, decision)
            if gone is not None:
                return gone
        self._progress.put_call(tool_call.allowed(call, arguments))
        return None

    def _tool(self, call: RequestedCall) -> ToolSpec | None:
        return self._progress.state.spec.tool(call.tool)

    def _key(self, call: RequestedCall) -> StepKey:
        info = workflow.info()
        return StepKey(
            tenant=self._tenant, workflow_id=info.workflow_id, run_id=info.first_execution_run_id, step=call.id
        )

    def _screening(self, call: RequestedCall, arguments: Text) -> ScreenCall:
        pinned = self._progress.state.pinned
        return ScreenCall(key=self._key(call), pinned=pinned, tool=call.tool, arguments=arguments)

    async def _act(self, call: RequestedCall, tool: ToolSpec | None, *, call_off: bool = False) -> Acted:
        ask = Act(
            key=self._key(call),
            attempt=call.attempts,
            pinned=self._progress.state.pinned,
            tool=call.tool,
            arguments=call.arguments.reference(),
            call_off=call_off,
        )
        # Twice the tool's time: an attempt that follows a lost one waits until that one's time is over.
        within = AROUND + 2 * (timedelta(0) if tool is None else tool.timeout)
        what = "called off" if call_off else f"attempt {call.attempts}"
        if not call_off and self._beside(tool):
            return await perform(ACT, ask, summary=f"{call.tool}, {what}", within=QUICK, locally=True)
        return await perform(ACT, ask, summary=f"{call.tool}, {what}", within=within)

    def _beside(self, tool: ToolSpec | None) -> bool:
        """Whether a call is made within the workflow's own task: only a quick one that no guard is run for.

        If the worker dies the task is done again, and the call with it: it changes nothing and costs nothing.
        """
        spec = self._progress.state.spec
        return tool is not None and tool.quick and not spec.arguments and not spec.results and all_roles()

    def _settle(self, call: RequestedCall, reply: Acted) -> None:
        """Settle every attempt whose cost is known by now, the earlier ones too."""
        purse = self._progress.purse
        for attempt in sorted(reply.charges):
            purse.allowance = purse.allowance.settle(f"{call.id}/{attempt}", reply.charges[attempt])
        self._progress.judge(call.id, reply.verdicts)
