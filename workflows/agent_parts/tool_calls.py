"""Sees to the calls of one turn: each goes its own way from the asking to its answer, side by side with the others."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import assert_never

from temporalio import workflow

from perdure.contracts.agents.agent import RequestedCall
from perdure.contracts.agents.steps import Act, Acted, ScreenCall
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.fault import EffectFailed
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec
from workflows.agent_parts.continue_as_new import should_continue
from workflows.agent_parts.decisions import Decisions
from workflows.agent_parts.progress import AgentProgress
from workflows.effect import all_roles, numbered, short
from workflows.effects import ACT, SCREEN_CALL, key_of, perform
from workflows.run.cancellation import cancel_on_exit
from workflows.state_machines import outage, tool_call
from workflows.state_machines.agent import place_of_answer
from workflows.state_machines.purchase import OverBudget
from workflows.state_machines.tool_call import Await, Finished, GiveUp, Look, Try, next_move

AROUND = timedelta(seconds=30)
"""What an attempt may take besides the tool itself: its guards, the ledger, and what finds out about a lost one."""

QUICK = timedelta(seconds=2)
"""What a call within the workflow's own task may take, which nothing else can interrupt."""

LAST_PATIENCE = timedelta(minutes=1)
"""How long a run that ends waits for the ledger to call a call off: after that, its outcome is unknown."""


class ToolCalls:
    """The calls of a run's newest turn."""

    def __init__(self, tenant: str, progress: AgentProgress, decisions: Decisions) -> None:
        self._tenant = tenant
        self._progress = progress
        self._decisions = decisions
        self._under_way = 0
        """Calls that are being looked at or tried."""
        self._failing = False
        """Whether one of them can never be answered, so that the run fails."""

    async def run_calls(self, calls: tuple[str, ...]) -> None:
        """Have each answered, or find the budget short, or come to rest where the run should go on in a new execution.

        Raises `EffectFailed` where one can never be answered. Nothing begins any more then, and what is in flight comes
        to its end first: the outcome of a write that is cut off is unknown.
        """
        tasks = [asyncio.create_task(self._see_to(call)) for call in calls]
        async with cancel_on_exit(*tasks):
            done, pending = await workflow.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if pending:
                self._failing = self._progress.outages.stopped = True
                await asyncio.gather(*pending, return_exceptions=True)
            for task in done:
                await task

    async def _see_to(self, name: str) -> None:
        progress, outages = self._progress, 0
        while True:
            await workflow.wait_condition(lambda: progress.paused is None or self._stops())
            if progress.state.short is not None or self._stops():
                return
            call = progress.state.call(name)
            match next_move(call, progress.state.spec):
                case Finished():
                    return
                case GiveUp(reason):
                    raise EffectFailed(ACT.name, f"{call.id}: {reason}")
                case Look():
                    with self._doing():
                        await self._screen(call)
                case Await():
                    await self._decisions.wait(name, unless=self._stops)
                case Try() as attempt:
                    with self._doing():
                        away = await self._attempt(call, attempt)
                    outages = outages + 1 if away else 0
                    if away:
                        await self._pause(outage.pause(outages, progress.state.spec.wait), call, away)
                case never:
                    assert_never(never)

    @contextmanager
    def _doing(self) -> Generator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _should_rest(self) -> bool:
        """Whether all calls wait for people, or for a run that is paused, and a new execution should do so instead."""
        return self._under_way == 0 and should_continue()

    def _stops(self) -> bool:
        """Whether nothing begins any more."""
        return self._failing or self._should_rest()

    async def _pause(self, time: timedelta, call: RequestedCall, reason: str) -> None:
        """Let some time pass before a call is tried again, unless nothing is tried any more."""
        with suppress(TimeoutError):
            summary = short(f"{call.id} waits to try again: {reason}")
            await workflow.wait_condition(self._stops, timeout=time, timeout_summary=summary)

    async def _screen(self, call: RequestedCall) -> None:
        """What cannot be called needs nobody's time."""
        pinned = self._progress.state.pinned
        ask = ScreenCall(
            key=self._key(call),
            pinned=pinned,
            tool=call.tool,
            arguments=call.arguments,
            missing=tool_call.missing(self._tool(call), self._progress.state.returned),
        )
        looked = await self._progress.perform(SCREEN_CALL, ask, summary=f"{call.id} {call.tool}")
        self._progress.judge(call.id, looked.verdicts, quietly=True)
        tool = self._tool(call)
        if looked.rejected is not None:
            self._progress.put_call(tool_call.answered(call, looked.rejected))
        elif tool is not None and (not tool.asks or self._counted(call)):
            self._progress.put_call(tool_call.awaiting_approval(call, tool, looked.arguments, workflow.now()))

    def _counted(self, call: RequestedCall) -> bool:
        """Whether the budget covers a question, which is a call of a tool like any other, and is never tried."""
        account, worst = self._progress.account, Spend(tool_calls=1)
        limit = account.allowance.shortfall(worst, workflow.now())
        if limit is not None:
            self._progress.fall_short(OverBudget(limit, worst))
            return False
        account.allowance = account.allowance.reserve(f"{call.id}/1", worst).settle(f"{call.id}/1", worst)
        return True

    async def _attempt(self, call: RequestedCall, attempt: Try) -> str:
        """One attempt: reserved first, and settled by what its reply knows. Says what is away that it needed."""
        progress, account, spec = self._progress, self._progress.account, self._progress.state.spec
        name = f"{call.id} {call.tool}"
        if attempt.wait:
            await self._pause(attempt.wait, call, call.failure)
        if self._failing:
            return ""
        limit = account.allowance.shortfall(attempt.worst, workflow.now())
        if limit is not None:
            progress.fall_short(OverBudget(limit, attempt.worst))
            return ""
        account.allowance = account.allowance.reserve(attempt.key(call), attempt.worst)
        started, tool = tool_call.tried(call, attempt.attempt), self._tool(call)
        progress.put_call(started)
        try:
            reply = await self._act(started, tool)
        except EffectFailed as failure:
            if failure.free_of_charge:
                account.allowance = account.allowance.settle(attempt.key(call), Spend())
            return self._failed(started, tool, failure)
        progress.outages.end(name)
        self._settle(started, reply)
        progress.put_call(tool_call.acted(started, tool, reply, spec, workflow.now()))
        if reply.stopped:
            raise asyncio.CancelledError
        return ""

    def _failed(self, call: RequestedCall, tool: ToolSpec | None, failure: EffectFailed) -> str:
        """What an attempt that told nothing makes of the call. Says what is away that it needed."""
        progress, name = self._progress, f"{call.id} {call.tool}"
        if failure.away:
            progress.outages.begin(name, failure.reason)
            progress.put_call(tool_call.spared(call, failure.reason))
            return failure.reason
        progress.outages.end(name)
        if failure.window is not None:
            # The account counts what executions before a reset have spent too: this one does not know of it.
            progress.account.refused(failure.window)
            progress.fall_short(OverBudget.of_day(failure.window))
            return ""
        progress.put_call(tool_call.lost(call, tool, failure.reason, progress.state.spec, workflow.now()))
        return ""

    async def cancel(self, *, may_resume: bool = False) -> tuple[str, ...]:
        """The run ends: let no attempt begin any more. Says of which calls nobody knows if they happened.

        With `may_resume` what surely did not happen may be called where the run is taken up again.
        """
        state = self._progress.state
        for call in (call for call in state.calls if tool_call.called_off(call)):
            tool = self._tool(call)
            if tool is None or tool.effect is ToolEffect.READ_ONLY:
                continue
            try:
                last, reply = await self._called_off(call, tool, may_resume=may_resume)
            except EffectFailed as failure:
                if failure.away and call.tries == 0:
                    continue  # no attempt of it came so far as to call
                last = tool_call.tried(self._progress.state.call(call.id), call.attempts + 1)
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

    async def _called_off(
        self, call: RequestedCall, tool: ToolSpec, *, may_resume: bool
    ) -> tuple[RequestedCall, Acted]:
        """Ask the ledger, for a while also where it is away. Raises `EffectFailed`."""
        began, times = workflow.now(), 0
        while True:
            times += 1
            last = tool_call.tried(call, call.attempts + times)
            try:
                return last, await self._act(last, tool, call_off=True, may_resume=may_resume)
            except EffectFailed as failure:
                rest = outage.pause(times)
                if not failure.away or workflow.now() + rest - began > LAST_PATIENCE:
                    raise
                await workflow.sleep(rest, summary=short(f"{call.id} is called off: {failure.reason}"))

    def _tool(self, call: RequestedCall) -> ToolSpec | None:
        return self._progress.state.spec.tool(call.tool)

    def _key(self, call: RequestedCall) -> StepKey:
        return key_of(self._tenant, call.id)

    async def _act(
        self, call: RequestedCall, tool: ToolSpec | None, *, call_off: bool = False, may_resume: bool = False
    ) -> Acted:
        ask = Act(
            key=self._key(call),
            attempt=call.attempts,
            pinned=self._progress.state.pinned,
            tool=call.tool,
            arguments=call.arguments.reference(),
            missing=tool_call.missing(tool, self._progress.state.returned),
            call_off=call_off,
            may_resume=may_resume,
        )
        # Twice the tool's time: an attempt that follows a lost one waits until that one's time is over.
        within = AROUND + 2 * (timedelta(0) if tool is None else tool.timeout)
        name = f"{call.id} {call.tool}"
        summary = short(f"{name}, called off" if call_off else numbered(name, call.attempts))
        if not call_off and call.tries == 1 and self._beside(tool):
            # Its request is in no history, so it may well be told where in the conversation the answer is to be kept.
            placed = ask.model_copy(update={"parent": place_of_answer(self._progress.state)})
            return await perform(ACT, placed, summary=summary, within=QUICK, locally=True)
        return await perform(ACT, ask, summary=summary, within=within)

    def _beside(self, tool: ToolSpec | None) -> bool:
        """Whether a call is made within the workflow's own task: only a quick one that no guard is run for.

        If the worker dies the task is done again, and the call with it: it changes nothing and costs nothing.
        """
        spec = self._progress.state.spec
        return tool is not None and tool.quick and not spec.arguments and not spec.results and all_roles()

    def _settle(self, call: RequestedCall, reply: Acted) -> None:
        """Settle every attempt whose cost is known by now, the earlier ones too."""
        account = self._progress.account
        account.learn(reply.account)
        for attempt in sorted(reply.charges):
            account.allowance = account.allowance.settle(f"{call.id}/{attempt}", reply.charges[attempt])
        self._progress.judge(call.id, reply.verdicts, quietly=True)
