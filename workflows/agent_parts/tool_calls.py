"""Runs the tool calls of one turn, side by side, each from the model's request to the tool's answer."""

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
from workflows.state_machines.tool_call import Await, Finished, GiveUp, ScreenFirst, Try, next_move

OVERHEAD = timedelta(seconds=30)
"""The time of an attempt besides the tool itself: guards, the ledger, and the check of a lost attempt."""

LOCAL_TIMEOUT = timedelta(seconds=2)
"""The longest time of a call within the workflow task, which nothing can interrupt."""

LONGEST_CANCEL = timedelta(minutes=1)
"""The time that an ending run waits for the ledger to cancel a call: after that, the call's outcome is unknown."""


class ToolCalls:
    """The calls of the newest turn of a run."""

    def __init__(self, tenant: str, progress: AgentProgress, decisions: Decisions) -> None:
        self._tenant = tenant
        self._progress = progress
        self._decisions = decisions
        self._under_way = 0
        """The number of calls in screening or in an attempt."""
        self._failing = False
        """Whether a call can never be answered, so that the run fails."""

    async def run_calls(self, calls: tuple[str, ...]) -> None:
        """Run the calls until each is answered, the budget falls short, or the run should continue as new.

        Raises `EffectFailed` where a call can never be answered. Before that no other call begins an attempt, and
        attempts in flight come to their end: the outcome of a write that is cancelled would be unknown.
        """
        tasks = [asyncio.create_task(self._run_call(call)) for call in calls]
        async with cancel_on_exit(*tasks):
            done, pending = await workflow.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if pending:
                self._failing = self._progress.outages.stopped = True
                await asyncio.gather(*pending, return_exceptions=True)
            for task in done:
                await task

    async def _run_call(self, name: str) -> None:
        """Make one move after the other for a call, as its state machine says. Raises `EffectFailed`."""
        progress, outages = self._progress, 0
        while True:
            await workflow.wait_condition(lambda: progress.paused is None or self._is_stopping())
            if progress.state.short is not None or self._is_stopping():
                return
            call = progress.state.call(name)
            match next_move(call, progress.state.spec):
                case Finished():
                    return
                case GiveUp(reason):
                    raise EffectFailed(ACT.name, f"{call.id}: {reason}")
                case ScreenFirst():
                    with self._under_way_counted():
                        await self._screen(call)
                case Await():
                    await self._decisions.wait(name, unless=self._is_stopping)
                case Try() as attempt:
                    with self._under_way_counted():
                        outage_reason = await self._attempt(call, attempt)
                    outages = outages + 1 if outage_reason else 0
                    if outage_reason:
                        await self._pause(outage.pause(outages, progress.state.spec.wait), call, outage_reason)
                case never:
                    assert_never(never)

    @contextmanager
    def _under_way_counted(self) -> Generator[None]:
        """Count the call as under way while the block runs."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _should_rest(self) -> bool:
        """Return whether all calls wait and the run should continue as new: the next execution waits for people."""
        return self._under_way == 0 and should_continue()

    def _is_stopping(self) -> bool:
        """Return whether no call may begin anything more."""
        return self._failing or self._should_rest()

    async def _pause(self, time: timedelta, call: RequestedCall, reason: str) -> None:
        """Wait before the next attempt of a call, unless the calls are stopping."""
        with suppress(TimeoutError):
            summary = short(f"{call.id} waits to try again: {reason}")
            await workflow.wait_condition(self._is_stopping, timeout=time, timeout_summary=summary)

    async def _screen(self, call: RequestedCall) -> None:
        """Reject a call that is not allowed before anybody is asked to approve it."""
        pinned = self._progress.state.pinned
        request = ScreenCall(
            key=self._key(call),
            pinned=pinned,
            tool=call.tool,
            arguments=call.arguments,
            missing=tool_call.missing(self._tool(call), self._progress.state.returned),
        )
        screened = await self._progress.perform(SCREEN_CALL, request, summary=f"{call.id} {call.tool}")
        self._progress.judge(call.id, screened.verdicts, quietly=True)
        tool = self._tool(call)
        if screened.rejected is not None:
            self._progress.put_call(tool_call.answered(call, screened.rejected))
        elif tool is not None and (not tool.asks or self._charge_question(call)):
            self._progress.put_call(tool_call.awaiting_approval(call, tool, screened.arguments, workflow.now()))

    def _charge_question(self, call: RequestedCall) -> bool:
        """Charge a question to a person as one tool call. Return whether the budget covers it."""
        account, worst = self._progress.account, Spend(tool_calls=1)
        limit = account.allowance.shortfall(worst, workflow.now())
        if limit is not None:
            self._progress.fall_short(OverBudget(limit, worst))
            return False
        account.allowance = account.allowance.reserve(f"{call.id}/1", worst).settle(f"{call.id}/1", worst)
        return True

    async def _attempt(self, call: RequestedCall, attempt: Try) -> str:
        """Reserve, make and settle one attempt. Return the reason of an outage that it met, else an empty string."""
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
            return self._after_failure(started, tool, failure)
        progress.outages.end(name)
        self._settle(started, reply)
        progress.put_call(tool_call.acted(started, tool, reply, spec, workflow.now()))
        if reply.stopped:
            raise asyncio.CancelledError
        return ""

    def _after_failure(self, call: RequestedCall, tool: ToolSpec | None, failure: EffectFailed) -> str:
        """Update a call whose attempt failed. Return the reason of an outage that it met, else an empty string."""
        progress, name = self._progress, f"{call.id} {call.tool}"
        if failure.away:
            progress.outages.begin(name, failure.reason)
            progress.put_call(tool_call.spared(call, failure.reason))
            return failure.reason
        progress.outages.end(name)
        if failure.window is not None:
            # The account also counts what was spent before a reset, which this execution does not know.
            progress.account.refused(failure.window)
            progress.fall_short(OverBudget.of_day(failure.window))
            return ""
        progress.put_call(tool_call.lost(call, tool, failure.reason, progress.state.spec, workflow.now()))
        return ""

    async def cancel(self, *, may_resume: bool = False) -> tuple[str, ...]:
        """Cancel the calls in flight, since the run ends. Return the calls that may have happened, a line each.

        With `may_resume` a retried run may make those calls that did not happen.
        """
        state = self._progress.state
        for call in (call for call in state.calls if tool_call.may_be_in_flight(call)):
            tool = self._tool(call)
            if tool is None or tool.effect is ToolEffect.READ_ONLY:
                continue
            try:
                last, reply = await self._cancel_call(call, tool, may_resume=may_resume)
            except EffectFailed as failure:
                if failure.away and call.tries == 0:
                    continue  # no attempt of it reached the tool
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

    async def _cancel_call(
        self, call: RequestedCall, tool: ToolSpec, *, may_resume: bool
    ) -> tuple[RequestedCall, Acted]:
        """Cancel a call in the ledger, and return its last attempt with the reply.

        During an outage of the ledger it retries for `LONGEST_CANCEL`. Raises `EffectFailed` after that.
        """
        began, times = workflow.now(), 0
        while True:
            times += 1
            last = tool_call.tried(call, call.attempts + times)
            try:
                return last, await self._act(last, tool, call_off=True, may_resume=may_resume)
            except EffectFailed as failure:
                pause = outage.pause(times)
                if not failure.away or workflow.now() + pause - began > LONGEST_CANCEL:
                    raise
                await workflow.sleep(pause, summary=short(f"{call.id} is called off: {failure.reason}"))

    def _tool(self, call: RequestedCall) -> ToolSpec | None:
        return self._progress.state.spec.tool(call.tool)

    def _key(self, call: RequestedCall) -> StepKey:
        return key_of(self._tenant, call.id)

    async def _act(
        self, call: RequestedCall, tool: ToolSpec | None, *, call_off: bool = False, may_resume: bool = False
    ) -> Acted:
        request = Act(
            key=self._key(call),
            attempt=call.attempts,
            pinned=self._progress.state.pinned,
            tool=call.tool,
            arguments=call.arguments.reference(),
            missing=tool_call.missing(tool, self._progress.state.returned),
            call_off=call_off,
            may_resume=may_resume,
        )
        # Twice the tool's timeout: an attempt after a lost one first waits until the timeout of that one is over.
        timeout = OVERHEAD + 2 * (timedelta(0) if tool is None else tool.timeout)
        name = f"{call.id} {call.tool}"
        summary = short(f"{name}, called off" if call_off else numbered(name, call.attempts))
        if not call_off and call.tries == 1 and self._runs_locally(tool):
            # The history holds no request of a local activity, so it may name the place of the answer as well.
            placed = request.model_copy(update={"parent": place_of_answer(self._progress.state)})
            return await perform(
                ACT, placed, summary=summary, start_to_close_timeout=LOCAL_TIMEOUT, as_local_activity=True
            )
        return await perform(ACT, request, summary=summary, start_to_close_timeout=timeout)

    def _runs_locally(self, tool: ToolSpec | None) -> bool:
        """Return whether a call runs as a local activity: only that of a quick tool without guards.

        If the worker dies, the task is repeated and the call with it: a quick tool changes nothing and costs nothing.
        """
        spec = self._progress.state.spec
        return tool is not None and tool.quick and not spec.arguments and not spec.results and all_roles()

    def _settle(self, call: RequestedCall, reply: Acted) -> None:
        """Settle every attempt whose cost the reply states, earlier ones too."""
        account = self._progress.account
        account.learn(reply.account)
        for attempt in sorted(reply.charges):
            account.allowance = account.allowance.settle(f"{call.id}/{attempt}", reply.charges[attempt])
        self._progress.judge(call.id, reply.verdicts, quietly=True)
