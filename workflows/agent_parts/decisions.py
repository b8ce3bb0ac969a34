"""Takes what people say about the calls of a run, and does what the policy says where nobody speaks."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import assert_never

from temporalio import workflow

from perdure.contracts.agents.agent import RequestedCall
from perdure.contracts.agents.steps import CheckDecision, CheckedDecision, ScreenCall, SettleCall
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.fault import EffectFailed
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import Voice
from perdure.contracts.tool_calls.decisions import DecisionReply, Ruling, StepDecision
from perdure.contracts.tool_calls.tools import ToolSpec
from workflows.agent_parts.binding import bound_run
from workflows.agent_parts.progress import AgentProgress
from workflows.effects import CHECK_DECISION, SCREEN_CALL, SETTLE_CALL, key_of
from workflows.run.headline import REASON, plain
from workflows.state_machines import tool_call
from workflows.state_machines.approvals import (
    WAITING,
    Due,
    Escalate,
    Lapse,
    Remind,
    agreed,
    edited,
    lapse_ruling,
    lasted,
    next_due,
    passed,
    policy_of,
    unheard,
)
from workflows.state_machines.decisions import accepted, objection, recorded, rejected, told_before

POLICY = "the policy"
"""Who decides where nobody did."""


class Decisions:
    """Everything that is said in one run: one thing after the other, so that each sees what the one before changed."""

    def __init__(self, tenant: str, progress: AgentProgress) -> None:
        self._tenant = tenant
        self._progress = progress
        self._lock = asyncio.Lock()
        self.over = False
        """Whether the run is at its end, so that nothing can come of a decision any more."""

    async def take(self, decision: StepDecision) -> DecisionReply:
        """What comes of a decision. Its answer is remembered, and shown with its reason in the timeline."""
        async with self._lock:
            told = told_before(self._progress.state, decision)
            if told is not None:
                self._progress.decided(decision, told, again=True)
                return told
            try:
                reply = await self._came(decision)
            except EffectFailed as failure:
                # Not remembered: a signal of the same words is looked at again.
                reply = rejected(decision, f"it could not be looked at: send it under a new id: {failure.reason}")
            else:
                self._progress.put(recorded(self._progress.state, decision, reply))
            self._progress.decided(decision, reply)
            return reply

    async def wait(self, name: str, *, unless: Callable[[], bool]) -> None:
        """Wait until a person has spoken about a call, or what its policy says is due: then that is done.

        `unless` says when to wait no longer, whatever has come.
        """
        progress = self._progress
        call = progress.state.call(name)
        tool = progress.state.spec.tool(call.tool)
        due = None if tool is None else next_due(call, tool)
        if tool is None or due is None:
            await workflow.wait_condition(lambda: self._spoken(name) or unless())
            return
        rest = due.at - workflow.now()
        try:
            await workflow.wait_condition(
                lambda: self._spoken(name) or unless(),
                timeout=max(rest, timedelta(milliseconds=1)),
                timeout_summary=f"{call.id} {call.tool}: {_named(due)}",
            )
        except TimeoutError:
            async with self._lock:
                await self._pass(name, due)

    def _spoken(self, name: str) -> bool:
        """Whether a call waits for nobody any more, or is not worth it: the budget ends the run."""
        state = self._progress.state
        return state.call(name).stage not in WAITING or state.short is not None

    async def _pass(self, name: str, due: Due) -> None:
        """Do what is due, unless somebody has spoken since."""
        progress = self._progress
        call = progress.state.call(name)
        tool = progress.state.spec.tool(call.tool)
        if tool is None or self._spoken(name) or next_due(call, tool) != due:
            return
        if not isinstance(due, Lapse):
            progress.put_call(passed(call, due))
            progress.fell_due(call, due, policy_of(tool))
            return
        await self._lapse(call, tool, due)

    async def _lapse(self, call: RequestedCall, tool: ToolSpec, due: Due) -> None:
        """Have the policy decide. Where it spoke too early by the database's clock, people are waited for again."""
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
        progress.fell_due(call, due, policy_of(tool))
        if ruling is Ruling.APPROVE:
            progress.put_call(tool_call.allowed(call))
        else:
            await self._settle(call, lapse, lapsed=True)

    async def _came(self, decision: StepDecision) -> DecisionReply:
        if self.over:
            return rejected(decision, "the run is at its end: nothing is called any more")
        refused = objection(self._progress.state, decision)
        if refused is not None:
            return rejected(decision, refused)
        call, tool = self._named(decision)
        if decision.credential is None:
            # An effect knows no more of it that could make it count, and costs the history three events.
            refused = unheard(call, tool, decision, None, self._progress.state.started_by)
            if refused is not None:
                return rejected(decision, refused)
        checked = await self._checked(call, decision)
        whose = checked if checked is not None and (checked.verified or checked.refused) else None
        refused = self._late(decision) or unheard(call, tool, decision, whose, self._progress.state.started_by)
        if refused is not None:
            return rejected(decision, refused)
        if decision.ruling is Ruling.APPROVE:
            return await self._approve(call, tool, decision, verified=whose is not None)
        refused = await self._settle(call, decision)
        return rejected(decision, refused) if refused else accepted(decision, verified=whose is not None)

    def _named(self, decision: StepDecision) -> tuple[RequestedCall, ToolSpec]:
        """The call that a decision is about; only of a granted tool can one wait."""
        call = self._progress.state.call(decision.step)
        tool = self._progress.state.spec.tool(call.tool)
        if tool is None:
            raise LookupError(f"{call.tool!r} waits, and was never granted")
        return call, tool

    def _late(self, decision: StepDecision) -> str | None:
        """What stands against it by now: while an effect was awaited, other things went on."""
        if self.over:
            return "the run is at its end: nothing is called any more"
        return objection(self._progress.state, decision)

    async def _checked(self, call: RequestedCall, decision: StepDecision) -> CheckedDecision | None:
        """Whose word it is and whether it counts; what does is recorded.

        A run whose people an older version has asked only hears whose word it is, where a credential says so.
        """
        if self._progress.state.run:
            return await self._check(call, decision)
        if decision.credential is None:
            return None
        ask = CheckDecision(key=self._key(call), decision=decision)
        summary = f"{call.id} {call.tool}: {decision.ruling.value}"
        checked = await self._progress.perform(CHECK_DECISION, ask, summary=summary)
        return checked.model_copy(update={"verified": not checked.refused})

    async def _check(self, call: RequestedCall, decision: StepDecision, *, lapsed: bool = False) -> CheckedDecision:
        ask = CheckDecision(
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
        return await self._progress.perform(CHECK_DECISION, ask, summary=summary)

    async def _approve(
        self, call: RequestedCall, tool: ToolSpec, decision: StepDecision, *, verified: bool
    ) -> DecisionReply:
        arguments: Text | None = None
        if decision.arguments is not None:
            arguments = edited(decision.arguments)
            pinned = self._progress.state.pinned
            ask = ScreenCall(key=self._key(call), pinned=pinned, tool=call.tool, arguments=arguments)
            looked = await self._progress.perform(SCREEN_CALL, ask, summary=f"{call.id} {call.tool}, edited")
            self._progress.judge(call.id, looked.verdicts, quietly=True)
            refused = looked.problem or self._late(decision)
            if refused:
                return rejected(decision, refused)
            arguments = looked.arguments
        voice = Voice(by=decision.by, verified=verified, decision_id=decision.decision_id, at=workflow.now())
        changed, missing = agreed(call, tool, voice, arguments)
        self._progress.put_call(changed)
        return accepted(decision, verified=verified, missing=missing)

    async def _settle(self, call: RequestedCall, decision: StepDecision, *, lapsed: bool = False) -> str | None:
        """Have a word taken that is no yes; why it changed nothing, or None."""
        ask = SettleCall(
            key=self._key(call),
            pinned=self._progress.state.pinned,
            tool=call.tool,
            decision=decision.bare(),
            unknown_attempt=call.unknown_attempt,
            question=call.arguments.reference(),
            lapsed=lapsed,
        )
        summary = f"{call.id} {call.tool}: {decision.ruling.value}"
        settled = await self._progress.perform(SETTLE_CALL, ask, summary=summary)
        if settled.unproven:
            self._progress.put(bound_run(self._progress.state, anyway=True))
        outcome = settled.outcome
        refused = settled.refused if outcome is None else ""
        refused = refused or self._late(decision)
        if refused:
            return refused
        # Where the word came too late, an attempt has told by now what became of the call: that is its outcome.
        self._progress.put_call(tool_call.allowed(call) if outcome is None else tool_call.answered(call, outcome))
        return settled.refused or None

    def _key(self, call: RequestedCall) -> StepKey:
        return key_of(self._tenant, call.id)


def _named(due: Due) -> str:
    match due:
        case Remind():
            return "until people are reminded"
        case Escalate():
            return "until others may decide too"
        case Lapse():
            return "until it is decided without them"
        case never:
            assert_never(never)
