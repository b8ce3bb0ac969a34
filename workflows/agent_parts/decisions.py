"""Takes people's decisions on the calls of a run, and applies the approval policy where nobody decides."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

from perdure.contracts.agents.agent import RequestedCall
from perdure.contracts.agents.steps import CheckDecision, CheckedDecision, ScreenCall, SettleCall
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.fault import EffectFailed
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import Voice
from perdure.contracts.tool_calls.decisions import Accepted, DecisionReply, Ruling, StepDecision
from perdure.contracts.tool_calls.rejections import RejectionCause
from perdure.contracts.tool_calls.tools import ToolSpec
from workflows.agent_parts.binding import bound_run
from workflows.agent_parts.due_actions import done_by_policy, timer_name
from workflows.agent_parts.progress import AgentProgress
from workflows.effects import CHECK_DECISION, SCREEN_CALL, SETTLE_CALL, key_of
from workflows.run.headline import REASON, plain
from workflows.state_machines import tool_call
from workflows.state_machines.approvals import (
    WAITING,
    Due,
    Lapse,
    agreed,
    beginning,
    decider_objection,
    edited,
    lapse_ruling,
    lasted,
    next_due,
    passed,
    policy_of,
)
from workflows.state_machines.decisions import accepted, earlier_reply, misfit, noted, recorded, rejected

POLICY = "the policy"
"""The name of the decider where the policy decides."""


class Decisions:
    """The decisions of one run, taken one at a time, so that each sees what the one before changed."""

    def __init__(self, tenant: str, progress: AgentProgress) -> None:
        self._tenant = tenant
        self._progress = progress
        self._lock = asyncio.Lock()
        self.over = False
        """Whether the run is at its end, so that every further decision is rejected."""

    async def take(self, decision: StepDecision) -> DecisionReply:
        """Take a decision, and return the reply. The run remembers it, and the timeline shows it with its reason."""
        async with self._lock:
            earlier = earlier_reply(self._progress.state, decision)
            if earlier is not None:
                self._progress.show_decision(decision, earlier, again=True)
                return earlier
            try:
                reply = await self._decide(decision)
            except EffectFailed as failure:
                # Not remembered: a signal with the same content is tried again.
                reason = f"it could not be looked at: send it under a new id: {failure.reason}"
                reply = rejected(decision, reason, RejectionCause.NOT_CHECKED)
            else:
                self._note(decision, reply)
            self._progress.show_decision(decision, reply)
            return reply

    def _note(self, decision: StepDecision, reply: DecisionReply) -> None:
        """Store the reply to a new decision, and what was decided for the people who decide next."""
        run = recorded(self._progress.state, decision, reply)
        if isinstance(reply.came, Accepted):
            tool = next((call.tool for call in run.calls if call.id == decision.step), "")
            edited_call = decision.arguments is not None
            run = noted(run, decision, tool, workflow.now(), verified=reply.came.verified, edited=edited_call)
        self._progress.put(run)

    async def wait(self, name: str, *, unless: Callable[[], bool]) -> None:
        """Wait until a person has decided on a call, or until its policy's next action is due: then do that.

        `unless` returns whether to stop waiting for another reason.
        """
        progress = self._progress
        call = progress.state.call(name)
        tool = progress.state.spec.tool(call.tool)
        due = None if tool is None else next_due(call, tool)
        if tool is None or due is None:
            await workflow.wait_condition(lambda: self._is_settled(name) or unless())
            return
        rest = due.at - workflow.now()
        try:
            await workflow.wait_condition(
                lambda: self._is_settled(name) or unless(),
                timeout=max(rest, timedelta(milliseconds=1)),
                timeout_summary=f"{call.id} {call.tool}: {timer_name(due)}",
            )
        except TimeoutError:
            async with self._lock:
                await self._act_on(name, due)

    def _is_settled(self, name: str) -> bool:
        """Return whether a call no longer waits for a person, or the budget ends the run."""
        state = self._progress.state
        return state.call(name).stage not in WAITING or state.short is not None

    async def _act_on(self, name: str, due: Due) -> None:
        """Do the action of the policy that is due, unless a person has decided since."""
        progress = self._progress
        call = progress.state.call(name)
        tool = progress.state.spec.tool(call.tool)
        if tool is None or self._is_settled(name) or next_due(call, tool) != due:
            return
        if not isinstance(due, Lapse):
            progress.put_call(passed(call, due))
            progress.show_due(call, done_by_policy(call, due, policy_of(tool)))
            return
        await self._lapse(call, tool, due)

    async def _lapse(self, call: RequestedCall, tool: ToolSpec, due: Due) -> None:
        """Have the policy decide. Where the database's clock says that it is too early, wait for people again."""
        progress, timeout = self._progress, policy_of(tool).timeout or timedelta(0)
        ruling = lapse_ruling(call, tool)
        lapse = StepDecision(
            decision_id=f"{call.id}/timeout",
            step=call.id,
            digest=call.binding or "",
            ruling=ruling,
            by=POLICY,
            reason=f"nobody has spoken within {lasted(timeout)}",
        )
        if progress.state.run:
            checked = await self._check(call, lapse, lapsed=True)
            if checked.refused:
                wait = checked.wait or timeout
                progress.put_call(tool_call.postponed(call, timeout, wait, workflow.now()))
                progress.timeline.note(plain(f"{call.id} is not decided yet: {checked.refused}", REASON))
                return
        progress.show_due(call, done_by_policy(call, due, policy_of(tool)))
        progress.put(noted(progress.state, lapse, call.tool, workflow.now()))
        if ruling is Ruling.APPROVE:
            progress.put_call(tool_call.allowed(call))
        else:
            await self._settle(call, lapse, lapsed=True)

    async def _decide(self, decision: StepDecision) -> DecisionReply:
        """Check a new decision, apply it to its call, and return the reply."""
        found = self._misfit_now(decision)
        if found is not None:
            return rejected(decision, found[1], found[0])
        call, tool = self._call_and_tool(decision)
        if decision.credential is None:
            # Without a credential the effect has nothing to verify, and would cost the history three events.
            reason = decider_objection(call, tool, decision, None, self._progress.state.started_by)
            if reason is not None:
                return rejected(decision, reason, RejectionCause.NOT_ALLOWED)
        checked = await self._verify(call, decision)
        verified = checked if checked is not None and (checked.verified or checked.refused) else None
        cause, reason = self._misfit_now(decision) or (
            RejectionCause.NOT_ALLOWED,
            decider_objection(call, tool, decision, verified, self._progress.state.started_by),
        )
        if reason is not None:
            return rejected(decision, reason, cause)
        if decision.ruling is Ruling.APPROVE:
            return await self._approve(call, tool, decision, verified=verified is not None)
        unsettled = await self._settle(call, decision)
        if unsettled:
            return rejected(decision, unsettled, RejectionCause.MISFIT)
        return accepted(decision, verified=verified is not None)

    def _call_and_tool(self, decision: StepDecision) -> tuple[RequestedCall, ToolSpec]:
        """Return the call of a decision and its tool. Raises `LookupError` where the tool was never granted."""
        call = self._progress.state.call(decision.step)
        tool = self._progress.state.spec.tool(call.tool)
        if tool is None:
            raise LookupError(f"{call.tool!r} waits, and was never granted")
        return call, tool

    def _misfit_now(self, decision: StepDecision) -> tuple[RejectionCause, str] | None:
        """Return why a decision cannot be taken, else None. The run may go on while an effect is awaited."""
        if self.over:
            return RejectionCause.LATE, "the run is at its end: nothing is called any more"
        return misfit(self._progress.state, decision)

    def _objection_now(self, decision: StepDecision) -> str | None:
        """Return why a decision can no longer be taken, in one line, else None."""
        found = self._misfit_now(decision)
        return None if found is None else found[1]

    async def _verify(self, call: RequestedCall, decision: StepDecision) -> CheckedDecision | None:
        """Have an effect verify the decider, and record a decision that counts.

        In a run whose people an older version has asked, the effect only verifies the credential; None where the
        decision has none.
        """
        if self._progress.state.run:
            return await self._check(call, decision)
        if decision.credential is None:
            return None
        request = CheckDecision(key=self._key(call), decision=decision)
        summary = f"{call.id} {call.tool}: {decision.ruling.value}"
        checked = await self._progress.perform(CHECK_DECISION, request, summary=summary)
        return checked.model_copy(update={"verified": not checked.refused})

    async def _check(self, call: RequestedCall, decision: StepDecision, *, lapsed: bool = False) -> CheckedDecision:
        request = CheckDecision(
            key=self._key(call),
            decision=decision,
            pinned=self._progress.state.pinned,
            tool=call.tool,
            arguments=call.arguments.reference(),
            stage=call.stage,
            unknown_attempt=call.unknown_attempt,
            escalations=call.escalations,
            lapsed=lapsed,
        )
        summary = f"{call.id} {call.tool}: {decision.ruling.value}"
        return await self._progress.perform(CHECK_DECISION, request, summary=summary)

    async def _approve(
        self, call: RequestedCall, tool: ToolSpec, decision: StepDecision, *, verified: bool
    ) -> DecisionReply:
        arguments: Text | None = None
        if decision.arguments is not None:
            arguments = edited(decision.arguments)
            pinned = self._progress.state.pinned
            request = ScreenCall(key=self._key(call), pinned=pinned, tool=call.tool, arguments=arguments)
            screened = await self._progress.perform(SCREEN_CALL, request, summary=f"{call.id} {call.tool}, edited")
            self._progress.judge(call.id, screened.verdicts, quietly=True)
            reason = screened.problem or self._objection_now(decision)
            if reason:
                return rejected(decision, reason, RejectionCause.MISFIT)
            arguments = screened.arguments
        voice = Voice(by=decision.by, verified=verified, decision_id=decision.decision_id, at=workflow.now())
        changed, missing = agreed(call, tool, voice, arguments)
        if decision.arguments is not None:
            changed = changed.model_copy(update={"brief": beginning(decision.arguments)})
        self._progress.put_call(changed)
        return accepted(decision, verified=verified, missing=missing)

    async def _settle(self, call: RequestedCall, decision: StepDecision, *, lapsed: bool = False) -> str | None:
        """Apply a decision other than an approval. Return why it changed nothing, else None."""
        request = SettleCall(
            key=self._key(call),
            pinned=self._progress.state.pinned,
            tool=call.tool,
            decision=decision.bare(),
            unknown_attempt=call.unknown_attempt,
            question=call.arguments.reference(),
            lapsed=lapsed,
        )
        summary = f"{call.id} {call.tool}: {decision.ruling.value}"
        settled = await self._progress.perform(SETTLE_CALL, request, summary=summary)
        if settled.unproven:
            self._progress.put(bound_run(self._progress.state, anyway=True))
        outcome = settled.outcome
        reason = settled.refused if outcome is None else ""
        reason = reason or self._objection_now(decision)
        if reason:
            return reason
        # Where the decision came too late, an attempt has reported the outcome of the call in the meantime.
        by = "" if settled.refused else decision.by
        self._progress.put_call(
            tool_call.allowed(call) if outcome is None else tool_call.answered(call, outcome, by=by)
        )
        return settled.refused or None

    def _key(self, call: RequestedCall) -> StepKey:
        return key_of(self._tenant, call.id)
